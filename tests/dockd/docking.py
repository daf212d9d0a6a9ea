"""A camera and a bay over a real pair of pseudo-terminals, each with its own program's loop; what they say is waited for."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from dockd.station.adapters.serial_line import SerialLine as DockLine
from dockd.station.adapters.spool import FolderSpool
from dockd.station.adapters.system import SystemClock, SystemEntropy
from dockd.station.app.bay import Bay, Station
from dockd.station.app.status import StatusBoard
from dockd.station.ports import ShiftPlace, Spool
from firmware.adapters.file_store import FileStore
from firmware.adapters.os_entropy import OsEntropy
from firmware.adapters.serial_line import SerialLine as CameraLine
from firmware.adapters.system_clock import SystemClock as CameraClock
from firmware.app.dock_client import DockClient
from firmware.app.eraser import ReceiptOutcome
from hw_sim.cable import SerialCable
from protocol.layout import parse_file_name
from protocol.policy import Policy
from protocol.receipt import ReceiptWithProof, RecordingSubject, verify_receipt
from tests.builders import Agency, BuiltShift, Camera

WAIT_S = 20.0


class Heard:
    """Everything said by either side; any thread may wait for more."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []
        self._condition = threading.Condition()

    def say(self, name: str, fields: dict[str, object]) -> None:
        with self._condition:
            self.events.append((name, fields))
            self._condition.notify_all()

    def named(self, name: str) -> list[dict[str, object]]:
        with self._condition:
            return [fields for event, fields in self.events if event == name]

    def wait(self, name: str, *, count: int = 1) -> dict[str, object]:
        """Wait until ``name`` was said ``count`` times, and return the last of these."""
        with self._condition:
            deadline = time.monotonic() + WAIT_S
            while sum(event == name for event, _ in self.events) < count:
                if not self._condition.wait(deadline - time.monotonic()):
                    raise AssertionError(f"{name} was not said {count} times; heard {self.events}")
        return self.named(name)[count - 1]


class Docking:
    """A card with shifts, a cable, and a spool. `start` starts both programs."""

    def __init__(
        self,
        folder: Path,
        agency: Agency,
        camera: Camera,
        *,
        spool: Spool | None = None,
        dock_policy: Policy | None = None,
    ) -> None:
        self.agency, self.camera = agency, camera
        self.card, self.spool_folder = folder / "card", folder / "spool"
        for path in (self.card, self.spool_folder):
            path.mkdir(exist_ok=True)
        self.cable = SerialCable(folder / "ports", seed=1)
        self.spool: Spool = spool or FolderSpool(self.spool_folder)
        self.dock_policy = dock_policy or agency.policy
        self.heard, self.camera_heard = Heard(), Heard()
        self.status: list[bytes] = []
        self.woken = Heard()
        """Hears each time that the uploader is told to look what central is to be asked for."""
        self.open_folder = ""
        self.shifts_closed = 0
        self.gate: Callable[[ReceiptWithProof], ReceiptOutcome] = self.erase
        self.is_shift_closed = threading.Event()
        self.is_shift_closed.set()
        self.faults: list[BaseException] = []
        self.client: DockClient | None = None
        self.bay: Bay | None = None

    def start(self) -> None:
        self.cable.plug()
        self.start_camera()
        self.start_bay()

    def start_camera(self) -> None:
        store = FileStore(self.card)
        self.client = DockClient(
            open_line=lambda: CameraLine(self.cable.camera_port, baud_rate=115_200),
            store=store,
            signer=self.camera.device,
            enrolment=self.camera.enrolment,
            policy=self.agency.policy,
            entropy=OsEntropy(),
            clock=CameraClock(utc_source="none", utc_uncertainty_ms=None),
            closed_folders=lambda: tuple(name for name in store.folders() if name != self.open_folder),
            on_docked=self._close_shift,
            on_undocked=lambda: self.camera_heard.say("undocked", {}),
            on_receipt=lambda brought: self.gate(brought),
            on_ready=lambda is_ready: self.camera_heard.say("ready", {"is_ready": is_ready}),
            say=self.camera_heard.say,
        )
        self.client.start()

    def start_bay(self) -> None:
        clock = SystemClock()
        board = StatusBoard(dock="dock-a", bays=("bay-1",), clock=clock, write=self.status.append)
        station = Station(
            spool=self.spool,
            policy=self.dock_policy,
            dock_key=self.agency.dock,
            clock=clock,
            entropy=SystemEntropy(),
            board=board,
            say=self.heard.say,
            on_complete=lambda: self.woken.say("asked", {}),
            on_fault=self.faults.append,
        )
        self.bay = Bay(
            name="bay-1",
            station=station,
            open_line=lambda: DockLine(self.cable.dock_port, baud_rate=115_200),
            window_bytes=1024 * 1024,
        )
        self.bay.start()

    def stop(self) -> None:
        self.is_shift_closed.set()
        if self.bay is not None:
            self.bay.stop()
        if self.client is not None:
            self.client.stop()
        self.cable.close()

    def place(self, shift: BuiltShift) -> ShiftPlace:
        return ShiftPlace(self.camera.camera_id, shift.folder)

    def spooled(self, shift: BuiltShift) -> dict[str, bytes]:
        """Return what the spool holds of a shift, complete files only."""
        place = self.place(shift)
        return {
            file.name: self.spool.read(place, file.name, 0, 1 << 30)
            for file in self.spool.files(place)
            if file.is_complete
        }

    def erase(self, brought: ReceiptWithProof) -> ReceiptOutcome:
        """Erase as the camera's gate does once it is open; whether it opens is tested elsewhere."""
        receipt = verify_receipt(brought.signed, self.agency.policy)
        folder = next(path for path in self.card.iterdir() if path.name.endswith(receipt.shift_id.hex()))
        subject = receipt.subject
        parsed = {path: parse_file_name(path.name) for path in folder.iterdir()}
        if isinstance(subject, RecordingSubject):
            gone = [path for path, name in parsed.items() if name and name.recording_id == subject.recording_id]
        elif any(name and name.recording_id for name in parsed.values()):
            return ReceiptOutcome(is_erased=False, reason="the chain goes last")
        else:
            gone = list(parsed)
        for path in gone:
            path.unlink()
        return ReceiptOutcome(is_erased=True, reason="erased")

    def _close_shift(self) -> None:
        self.is_shift_closed.wait(WAIT_S)
        self.shifts_closed += 1
        self.camera_heard.say("shift-closed", {})
