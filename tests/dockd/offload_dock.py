"""A dock for tests of the offload: a real spool with a real shift, and an uploader that counts what it sends."""

import json
import os
import queue
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from dockd.shared.adapters.mqtt_client import BrokerAddress, connector
from dockd.shared.ports import Connection, ConnectionPlan, OnBrokerEvent, Publication, Received
from dockd.station.adapters.spool import FolderSpool
from dockd.station.app.uploader import Uploader
from dockd.station.core.upload_words import UploaderFailed, UploadEvent, UploadState
from dockd.station.ports import ShiftPlace
from protocol.offload.blocks import decode_block
from protocol.receipt import RecordingSubject, verify_receipt
from tests.builders import Agency, BuiltShift, Camera, build_shift, make_agency, make_camera, receipts_of

DOCK = "dock-a"
PATIENCE_S = 60.0


class FastClock:
    """Real time, faster where waits are the point."""

    def __init__(self, speed: int) -> None:
        self._speed = speed

    def mono_ns(self) -> int:
        return self._speed * time.monotonic_ns()

    def unix_ms(self) -> int:
        return time.time_ns() // 1_000_000


class SystemEntropy:
    def take(self, size_bytes: int) -> bytes:
        return os.urandom(size_bytes)


class Counting:
    """A connection that counts the blocks handed to it, by transfer and index."""

    def __init__(self, real: Connection, blocks: Counter[tuple[bytes, int]]) -> None:
        self._real = real
        self._blocks = blocks

    def start(self) -> None:
        self._real.start()

    def stop(self) -> None:
        self._real.stop()

    def publish(self, publication: Publication) -> int | None:
        token = self._real.publish(publication)
        if publication.topic.endswith("/block") and token is not None:
            block = decode_block(publication.payload)
            self._blocks[block.transfer, block.index] += 1
        return token

    def acknowledge(self, received: Received) -> None:
        self._real.acknowledge(received)


class Shift:
    """A shift in a spool, and the receipts that central will have for it."""

    def __init__(self, root: Path, *, chunks: int = 3, part_bytes: int = 1000, recordings: int = 1) -> None:
        self.agency: Agency = make_agency()
        self.camera: Camera = make_camera(self.agency)
        self.built: BuiltShift = build_shift(
            root / "card",
            agency=self.agency,
            camera=self.camera,
            chunks=chunks,
            part_bytes=part_bytes,
            recordings=recordings,
        )
        (root / "spool").mkdir()
        self.spool = FolderSpool(root / "spool")
        self.place = ShiftPlace(self.camera.camera_id, self.built.folder)
        self.spool.open_shift(self.place)
        for name, data in self.built.files.items():
            self.spool.append(self.place, name, 0, data)
            self.spool.complete(self.place, name)
        self.receipts = receipts_of(self.built, agency=self.agency, camera=self.camera)

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.built.files.values()))

    def prepare_receipts(self, kept: Path, receipts: tuple[bytes, ...] | None = None) -> None:
        """Tell a `FolderKeeper` which receipt is about which files."""
        subjects: dict[str, list[str]] = {}
        for signed in self.receipts if receipts is None else receipts:
            subject = verify_receipt(signed, self.agency.policy).subject
            names = ["chain"]
            if isinstance(subject, RecordingSubject):
                names = [name for name in self.built.files if name.startswith(subject.recording_id.hex())]
            subjects[signed.hex()] = names
        kept.mkdir(parents=True, exist_ok=True)
        (kept / "receipts.json").write_text(json.dumps(subjects))

    def is_identical_at(self, kept: Path) -> bool:
        folder = kept / self.built.shift_id.hex()
        return {path.name: path.read_bytes() for path in folder.iterdir()} == self.built.files

    def are_all_receipts_here(self) -> bool:
        return sorted(each.signed for each in self.spool.receipts(self.place)) == sorted(self.receipts)


class Dock:
    """The uploader over a spool, and everything that it told."""

    def __init__(self, shift: Shift, address: BrokerAddress, *, speed: int = 1) -> None:
        self.blocks: Counter[tuple[bytes, int]] = Counter()
        self.events: list[UploadEvent] = []
        self._arrived: queue.Queue[UploadEvent] = queue.Queue()

        def connect(plan: ConnectionPlan, on_event: OnBrokerEvent) -> Connection:
            return Counting(connector(address)(plan, on_event), self.blocks)

        self.uploader = Uploader(
            spool=shift.spool,
            connect=connect,
            dock_name=DOCK,
            policy=shift.agency.policy,
            on_event=self._take,
            clock=FastClock(speed),
            entropy=SystemEntropy(),
        )

    def __enter__(self) -> "Dock":
        self.uploader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.uploader.stop()

    def _take(self, event: UploadEvent) -> None:
        self.events.append(event)
        self._arrived.put(event)

    def wait_for(self, is_it: Callable[[UploadEvent], bool]) -> UploadEvent:
        """Return the first event that fits, from where the last wait ended."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                event = self._arrived.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                raise AssertionError(f"waited for it in vain; told were {self.events[-10:]}") from None
            assert not isinstance(event, UploaderFailed), event
            if is_it(event):
                return event

    def wait_for_state(self, code: str) -> str:
        """Return the words of the next state of that code."""
        event = self.wait_for(lambda event: isinstance(event, UploadState) and event.code == code)
        assert isinstance(event, UploadState)
        return event.text
