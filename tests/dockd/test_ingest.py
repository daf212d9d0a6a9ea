"""The ingest worker against a dock that this test plays by hand, over the real broker (spec/07-offload.md, 7.6)."""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from dockd.central.errors import StagingUncertain
from dockd.shared.adapters.mqtt_client import BrokerAddress, MqttClient
from dockd.shared.ports import BrokerEvent, Connected, ConnectionPlan, Publication, Received
from hw_sim.bench.broker import MosquittoBroker
from protocol.layout import media_name
from protocol.offload.blocks import encode_block
from protocol.offload.messages import (
    BLOCK_SIZE_BYTES,
    BlockAck,
    Checking,
    Description,
    Fin,
    Held,
    Message,
    Open,
    OpenReply,
    Refused,
    Stored,
    parse_message,
)
from protocol.offload.topics import (
    block_topic,
    control_topic,
    dock_filters,
    dock_presence_topic,
    open_topic,
    response_tail,
)
from tests.dockd.offload_worker import FolderKeeper, ThreadedWorker, make_ingest
from tests.hw_sim.mqtt_parties import HOST, PATIENCE_SECONDS, Agency, real_agency, running_broker

DOCK, WORKER = "dock-a", "ingest-1"
MIB = BLOCK_SIZE_BYTES


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    return real_agency(tmp_path_factory.mktemp("agency") / "ca")


@pytest.fixture(scope="module")
def broker(agency: Agency, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MosquittoBroker]:
    with running_broker(agency, tmp_path_factory.mktemp("broker")) as running:
        yield running


def address_of(agency: Agency, broker: MosquittoBroker, name: str) -> BrokerAddress:
    return BrokerAddress(HOST, broker.port, agency.context(agency.client(name)))


@pytest.fixture
def worker(agency: Agency, broker: MosquittoBroker, tmp_path: Path) -> Iterator[ThreadedWorker]:
    with ThreadedWorker(tmp_path / "central", address_of(agency, broker, WORKER)) as running:
        wait_until(lambda: ("broker-connected", {"worker": WORKER}) in running.events)
        yield running


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


class HandDock:
    """A dock that sends what it is told to, and keeps what comes."""

    def __init__(self, address: BrokerAddress) -> None:
        self._events: queue.Queue[BrokerEvent] = queue.Queue()
        topic = dock_presence_topic(DOCK)
        plan = ConnectionPlan(DOCK, dock_filters(DOCK), Publication(topic, b"on"), Publication(topic, b"off"))
        self._connection = MqttClient(plan, self._events.put, address=address)

    def __enter__(self) -> "HandDock":
        self._connection.start()
        while not isinstance(self._events.get(timeout=PATIENCE_SECONDS), Connected):
            pass
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.stop()

    def open(self, file: Description, *, request: int = 1) -> Message:
        name = request.to_bytes(16, "big")
        message = Open(request=name, description=file)
        self._connection.publish(Publication(open_topic(DOCK), message.encoded(), False, response_tail(DOCK), name))
        return self.hear()

    def block(self, file: Description, epoch: int, index: int, data: bytes) -> None:
        topic = block_topic(DOCK, WORKER)
        self._connection.publish(Publication(topic, encode_block(file.transfer, epoch, index, data)))

    def fin(self, file: Description, epoch: int) -> None:
        message = Fin(transfer=file.transfer, epoch=epoch)
        self._connection.publish(Publication(control_topic(DOCK, WORKER), message.encoded()))

    def hear(self, *, patience_s: float = PATIENCE_SECONDS) -> Message:
        while True:
            event = self._events.get(timeout=patience_s)
            if isinstance(event, Received):
                self._connection.acknowledge(event)
                if event.topic.endswith("/reply"):
                    return parse_message(event.payload)

    def hear_until(self, kind: type[Message]) -> Message:
        while not isinstance(message := self.hear(), kind):
            pass
        return message


@pytest.fixture
def dock(agency: Agency, broker: MosquittoBroker) -> Iterator[HandDock]:
    with HandDock(address_of(agency, broker, DOCK)) as hand:
        yield hand


def description(*, size_bytes: int = 2 * MIB + 5) -> Description:
    return Description(
        camera_id=bytes(16),
        shift_id=bytes([1]) * 16,
        shift_number=1,
        name=media_name(bytes([2]) * 16, 0),
        kind="media",
        size_bytes=size_bytes,
        identity=bytes([3]) * 32,
    )


FILE = description()
CONTENT = Random(7).randbytes(FILE.size_bytes)


def piece(index: int) -> bytes:
    return CONTENT[index * MIB : (index + 1) * MIB]


def opened(dock: HandDock, *, request: int = 1) -> OpenReply:
    reply = dock.open(FILE, request=request)
    assert isinstance(reply, OpenReply)
    return reply


def send_all(dock: HandDock, epoch: int) -> None:
    for index in range(FILE.block_count):
        dock.block(FILE, epoch, index, piece(index))
    have = b""
    while have != b"\xe0":
        ack = dock.hear_until(BlockAck)
        assert isinstance(ack, BlockAck)
        have = ack.have


def test_a_file_is_acknowledged_checked_and_stored(worker: ThreadedWorker, dock: HandDock, tmp_path: Path) -> None:
    reply = opened(dock)
    send_all(dock, reply.epoch)
    dock.fin(FILE, reply.epoch)

    assert (reply.worker, reply.have, reply.credit_bytes) == (WORKER, b"\0", 8 * MIB)
    assert dock.hear() == Checking(transfer=FILE.transfer)
    assert dock.hear() == Stored(transfer=FILE.transfer, receipts=(), held_reason=None)
    assert (tmp_path / "central/kept" / FILE.shift_id.hex() / FILE.name).read_bytes() == CONTENT
    assert dock.open(FILE, request=2) == Stored(transfer=FILE.transfer, receipts=(), held_reason=None)


def test_conflicting_bytes_are_both_kept_and_an_alarm_raised(worker: ThreadedWorker, dock: HandDock) -> None:
    reply, other = opened(dock), bytes(MIB)
    dock.block(FILE, reply.epoch, 1, piece(1))
    dock.block(FILE, reply.epoch, 1, piece(1))
    dock.block(FILE, reply.epoch, 1, other)
    send_all(dock, reply.epoch)
    dock.fin(FILE, reply.epoch)
    dock.hear_until(Stored)

    (alarm,) = [fields for name, fields in worker.events if name == "block-conflict"]
    assert (alarm["transfer"], alarm["block"]) == (FILE.transfer.hex(), 1)
    staging = Path(str(alarm["other_bytes"])).parents[1]
    (kept,) = staging.glob("aside-*/conflict-*")
    assert kept.read_bytes() == other


def test_after_a_conflict_a_refusal_lets_everything_come_anew(worker: ThreadedWorker, dock: HandDock) -> None:
    worker.keeper.refuses = "media"
    reply = opened(dock)
    dock.block(FILE, reply.epoch, 1, piece(1))
    dock.block(FILE, reply.epoch, 1, bytes(MIB))
    send_all(dock, reply.epoch)
    dock.fin(FILE, reply.epoch)

    assert isinstance(dock.hear_until(Refused), Refused)
    assert opened(dock, request=2).have == b"\0"
    assert ("staged-set-aside", {"transfer": FILE.transfer.hex()}) in worker.events


def test_a_refused_file_is_judged_again_without_its_bytes(worker: ThreadedWorker, dock: HandDock) -> None:
    worker.keeper.refuses = "media"
    reply = opened(dock)
    send_all(dock, reply.epoch)
    dock.fin(FILE, reply.epoch)
    dock.hear_until(Refused)
    worker.keeper.refuses = None

    again = opened(dock, request=2)
    dock.fin(FILE, again.epoch)

    assert again.have == b"\xe0"
    assert isinstance(dock.hear_until(Stored), Stored)


def test_a_block_of_an_old_epoch_is_not_written(worker: ThreadedWorker, dock: HandDock, tmp_path: Path) -> None:
    old, new = opened(dock), opened(dock, request=2)
    dock.block(FILE, old.epoch, 0, piece(0))
    dock.block(FILE, new.epoch, 1, piece(1))
    ack = dock.hear_until(BlockAck)

    assert new.epoch > old.epoch
    assert isinstance(ack, BlockAck)
    assert ack.have == b"\x40"
    data = (tmp_path / "central/staging" / FILE.transfer.hex() / "data").read_bytes()
    assert data == bytes(MIB) + piece(1) + bytes(5)


def test_a_disk_that_fills_up_in_the_middle_is_told_and_loses_nothing(worker: ThreadedWorker, dock: HandDock) -> None:
    reply = opened(dock)
    dock.block(FILE, reply.epoch, 0, piece(0))
    dock.hear_until(BlockAck)
    os.dup2(os.open("/dev/full", os.O_RDWR), worker.disk._descriptor(FILE.transfer.hex(), "data"))
    dock.block(FILE, reply.epoch, 1, piece(1))
    held = dock.hear_until(Held)

    assert isinstance(held, Held)
    assert "staging disk is full" in held.reason
    assert opened(dock, request=2).have == b"\x80"


class BrokenKeeper(FolderKeeper):
    """A keeper that no longer knows what is durable."""

    def keep(self, description: Description, staged: Path) -> "object":  # type: ignore[override]
        raise StagingUncertain("fsync failed")


def test_a_fault_that_nobody_handles_ends_the_worker_and_says_nothing_to_the_dock(
    agency: Agency, broker: MosquittoBroker, tmp_path: Path, dock: HandDock
) -> None:
    raised: list[BaseException] = []
    events: list[str] = []
    ingest, disk = make_ingest(
        tmp_path,
        address_of(agency, broker, WORKER),
        BrokenKeeper(tmp_path / "kept"),
        lambda name, _: events.append(name),
    )

    def run() -> None:
        try:
            ingest.run()
        except StagingUncertain as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: "broker-connected" in events)
    reply = opened(dock)
    send_all(dock, reply.epoch)
    dock.fin(FILE, reply.epoch)
    thread.join(PATIENCE_SECONDS)
    disk.close()

    assert [str(error) for error in raised] == ["fsync failed"]
    assert dock.hear() == Checking(transfer=FILE.transfer)
    with pytest.raises(queue.Empty):
        dock.hear(patience_s=0.2)
