"""One offload over real programs: mosquitto with mutual TLS 1.3, vault, ingest worker, and the dock's uploader over a real spool.

Each run has a new central and a new broker. Central's programs are processes, as in the field; the uploader is composed here as
`dockd.station` composes it, so that it can be timed from its start to the receipt that it verified last.
"""

import queue
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dockd.shared.adapters.mqtt_client import BrokerAddress, connector
from dockd.shared.ports import (
    Acknowledged,
    BrokerEvent,
    Connection,
    ConnectionPlan,
    OnBrokerEvent,
    Publication,
    Received,
)
from dockd.shared.tls import client_context
from dockd.station.adapters.spool import FolderSpool
from dockd.station.adapters.system import SystemClock, SystemEntropy
from dockd.station.app.uploader import Uploader
from dockd.station.core.upload_words import FileStored, ReceiptArrived, UploadEvent, UploadState
from dockd.station.ports import ShiftPlace
from firmware.adapters.device_key_file import load_device_key
from hw_sim.bench.agency import DOCK, BenchAgency
from hw_sim.bench.broker import MosquittoBroker
from hw_sim.bench.children import Child, EventLog
from hw_sim.bench.errors import BenchError
from hw_sim.bench.mosquitto import MosquittoProgram
from protocol.keys import camera_id
from scripts.campaigns.command import CannotRun, Order
from scripts.campaigns.media import Media
from scripts.campaigns.process_facts import cpu_seconds, peak_bytes
from scripts.campaigns.shift_maker import ShiftMaker

_START_S_MAX: Final = 30.0
_OFFLOAD_S_MIN: Final = 60.0
_SLOWEST_BYTES_PER_S: Final = 1_000_000
"""Below that a run is given up."""
_LOOK_EVERY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class SpooledShift:
    """A sealed shift, whole in a dock's spool."""

    spool: Path
    place: ShiftPlace
    size_bytes: int
    recording_count: int

    @property
    def folder(self) -> Path:
        """Return the folder with its files."""
        return self.spool / self.place.camera_id.hex() / self.place.folder

    def files(self) -> tuple[Path, ...]:
        """Return the files that go to central."""
        names = sorted(file.name for file in FolderSpool(self.spool).files(self.place))
        return tuple(self.folder / name for name in names)

    def copied_to(self, spool: Path) -> "SpooledShift":
        """Return the same in another spool."""
        shutil.copytree(self.spool, spool)
        return SpooledShift(spool, self.place, self.size_bytes, self.recording_count)

    def forget_receipts(self) -> None:
        """Let it be as it was before the offload."""
        for receipt in self.folder.glob("*.receipt"):
            receipt.unlink()


@dataclass(frozen=True, slots=True)
class Offload:
    """What one offload took. CPU and memory by program."""

    seconds: float
    receipt_latency_s: float
    cpu_s: dict[str, float]
    peak_bytes: dict[str, int]


@contextmanager
def bench_faults() -> Iterator[None]:
    """Turn what keeps a bench from running into what keeps a campaign from it."""
    try:
        yield
    except BenchError as error:
        found = str(error).partition("; expected ")[0]
        raise CannotRun(found, expected="the programs of a bench to run", next_step=error.diagnosis()) from error


def spool_shift(
    folder: Path, agency: BenchAgency, media: Media, *, laps: int, recordings: int, order: Order
) -> SpooledShift:
    """Record a shift with the agency's camera, and put it into a spool as a dock does that has read it."""
    card, spool = folder / "card", folder / "spool"
    card.mkdir()
    spool.mkdir()
    device = load_device_key(agency.camera_settings.parent / "device.key")
    maker = ShiftMaker(card, media, device=device, policy=agency.policy)
    ends = [laps * (number + 1) // recordings for number in range(recordings)]
    for number, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
        order.progress.say(f"records, recording {number + 1} of {recordings}")
        maker.record(media.stream(end - begin, first_lap=begin))
    place = ShiftPlace(camera_id(device.public_key), maker.close())
    (spool / place.camera_id.hex()).mkdir()
    (card / place.folder).rename(spool / place.camera_id.hex() / place.folder)
    shutil.rmtree(card)
    disk = FolderSpool(spool)
    sizes = {file.name: file.size_bytes for file in disk.files(place)}
    for name in sizes:
        disk.complete(place, name)
    return SpooledShift(spool, place, sum(sizes.values()), recordings)


def offload(
    shift: SpooledShift, folder: Path, template: Path, program: MosquittoProgram, *, ingest_profile: Path | None = None
) -> Offload:
    """Take the shift to a central that is new, in ``folder``; ``template`` is its agency's folder, with nothing stored.

    With ``ingest_profile`` the ingest worker writes into that file where its time went.

    Raises:
        CannotRun: it did not arrive.
    """
    shutil.copytree(template, folder / "agency")
    agency = BenchAgency.load(folder / "agency")
    try:
        with _central(folder, agency, program, ingest_profile) as central:
            return _measured(shift, agency, central)
    finally:
        shift.forget_receipts()
        shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class _Central:
    """What runs: its broker's port, and the process of each program."""

    port: int
    processes: dict[str, int]


@contextmanager
def _central(
    folder: Path, agency: BenchAgency, program: MosquittoProgram, ingest_profile: Path | None
) -> Iterator[_Central]:
    heard = EventLog(file=folder / "events.jsonl", on_event=lambda event: None)
    broker = MosquittoBroker(program, folder / "broker", agency.broker_tls)
    profiler = [] if ingest_profile is None else ["scripts.campaigns.thread_profile", str(ingest_profile)]
    commands = {
        "vault": ["dockd.central", "vault", "--config", str(agency.vault_settings)],
        "ingest": [*profiler, "dockd.central", "ingest", "--config", str(agency.central_settings), "--events"],
        "ledger": ["dockd.central", "ledger", "--config", str(agency.central_settings), "--events"],
    }
    children = {
        name: Child(name, [sys.executable, "-m", *command], log_file=folder / f"{name}.log", on_event=heard.add)
        for name, command in commands.items()
    }
    try:
        broker.start()
        nowhere = folder / "nowhere"
        agency.write_settings(
            broker=broker, broker_ca=None, dock_port=nowhere, camera_port=nowhere, card=nowhere, spool=nowhere, pre_event_s=0,
        )  # fmt: skip
        for child in children.values():
            child.start()
        vault_socket = agency.vault_settings.parent / "vault.socket"
        running = tuple(children.values())
        is_up = heard.wait_for(lambda event: event.name == "broker-connected", seconds=_START_S_MAX, alive=running)
        deadline_s = time.monotonic() + _START_S_MAX
        while not vault_socket.exists() and time.monotonic() < deadline_s:
            time.sleep(_LOOK_EVERY_S)
        if is_up is None or not vault_socket.exists():
            raise CannotRun(
                f"central was not up after {_START_S_MAX:.0f} s ({children['ingest'].last_words()})",
                expected="ingest at the broker, and the vault's socket",
                next_step="try again when the machine is less busy, or run ./scripts/bench, which says more",
            )
        processes = {name: child.process_id for name, child in children.items()}
        yield _Central(broker.port, {"broker": broker.process_id, **processes})
    finally:
        for child in children.values():
            child.stop()
        broker.stop()


@dataclass
class _Watch:
    """When the broker took over each block."""

    blocks: set[int] = field(default_factory=set)
    acknowledged_at_s: dict[int, float] = field(default_factory=dict)

    def last_block_at_s(self) -> float:
        return max(self.acknowledged_at_s[token] for token in self.blocks if token in self.acknowledged_at_s)


class _Watched:
    """A connection whose blocks are watched."""

    def __init__(self, plan: ConnectionPlan, on_event: OnBrokerEvent, *, address: BrokerAddress, watch: _Watch) -> None:
        self._on_event, self._watch = on_event, watch
        self._real = connector(address)(plan, self._take)

    def start(self) -> None:
        self._real.start()

    def stop(self) -> None:
        self._real.stop()

    def publish(self, publication: Publication) -> int | None:
        token = self._real.publish(publication)
        if token is not None and publication.topic.endswith("/block"):
            self._watch.blocks.add(token)
        return token

    def acknowledge(self, received: Received) -> None:
        self._real.acknowledge(received)

    def _take(self, event: BrokerEvent) -> None:
        if isinstance(event, Acknowledged):
            self._watch.acknowledged_at_s[event.token] = time.monotonic()
        self._on_event(event)


_: type[Connection] = _Watched


def _measured(shift: SpooledShift, agency: BenchAgency, central: _Central) -> Offload:
    told: queue.Queue[tuple[float, UploadEvent]] = queue.Queue()
    own, watch = agency.dock_settings.parent, _Watch()
    context = client_context(ca_file=own / "ca.pem", certificate_file=own / f"{DOCK}.pem", key_file=own / f"{DOCK}.key")
    address = BrokerAddress("127.0.0.1", central.port, context)
    uploader = Uploader(
        spool=FolderSpool(shift.spool),
        connect=lambda plan, on_event: _Watched(plan, on_event, address=address, watch=watch),
        dock_name=DOCK,
        policy=agency.policy.policy,
        on_event=lambda event: told.put((time.monotonic(), event)),
        clock=SystemClock(),
        entropy=SystemEntropy(),
    )
    cpu_before_s = _cpu_s(central)
    began_s = time.monotonic()
    uploader.start()
    try:
        ended_s = _last_receipt_at_s(told, shift, began_s)
    finally:
        uploader.stop()
    cpu_s = {name: after_s - cpu_before_s[name] for name, after_s in _cpu_s(central).items()}
    peaks = {name: peak_bytes(process) for name, process in central.processes.items()}
    return Offload(ended_s - began_s, ended_s - watch.last_block_at_s(), cpu_s, peaks)


def _cpu_s(central: _Central) -> dict[str, float]:
    return {"dock": time.process_time()} | {name: cpu_seconds(process) for name, process in central.processes.items()}


def _last_receipt_at_s(told: "queue.Queue[tuple[float, UploadEvent]]", shift: SpooledShift, began_s: float) -> float:
    """Return when the last receipt stood verified in the spool: one for each recording, one for the chain."""
    give_up_s = began_s + _OFFLOAD_S_MIN + shift.size_bytes / _SLOWEST_BYTES_PER_S
    left, state = shift.recording_count + 1, "nothing was told"
    while left:
        try:
            at_s, event = told.get(timeout=max(0.0, give_up_s - time.monotonic()))
        except queue.Empty:
            raise _not_arrived(f"{left} receipts are missing ({state})") from None
        match event:
            case ReceiptArrived():
                left -= 1
            case UploadState():
                state = event.text
            case FileStored():
                pass
            case _:
                raise _not_arrived(str(event))
    return at_s


def _not_arrived(what: str) -> CannotRun:
    return CannotRun(
        f"the offload did not end: {what}",
        expected="a receipt for each recording and for the chain",
        next_step="run ./scripts/bench, which says more",
    )
