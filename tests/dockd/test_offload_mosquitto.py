"""The whole offload over a real mosquitto with mutual TLS 1.3: spool, uploader, broker, worker, staging (I1, I2, I8)."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockd.shared.adapters.mqtt_client import BrokerAddress
from dockd.station.core.upload_words import FileRefused, FileStored, ReceiptArrived, ReceiptRejected, UploadState
from hw_sim.ack_only_broker import AckOnlyBroker
from hw_sim.bench.broker import MosquittoBroker
from hw_sim.bench.child import tied_to_parent
from protocol.offload.messages import BLOCK_SIZE_BYTES, Description, Open
from protocol.offload.receiver import CREDIT_PER_TRANSFER_BYTES_MAX
from protocol.receipt import verify_receipt
from tests.builders import make_agency, make_camera, make_receipt
from tests.dockd.offload_dock import DOCK, PATIENCE_S, Dock, Shift
from tests.dockd.offload_worker import ThreadedWorker
from tests.hw_sim.mqtt_parties import HOST, REPOSITORY, Agency, Party, real_agency, running_broker

WORKER = "ingest-1"
MIB = BLOCK_SIZE_BYTES


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    return real_agency(tmp_path_factory.mktemp("agency") / "ca")


@pytest.fixture(scope="module")
def broker(agency: Agency, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MosquittoBroker]:
    with running_broker(agency, tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Shift]:
    """Return what makes a shift of about 20 MB in a folder."""
    return lambda folder: Shift(folder, chunks=9, part_bytes=2_000_000)


def address_of(agency: Agency, port: int, name: str) -> BrokerAddress:
    return BrokerAddress(HOST, port, agency.context(agency.client(name)))


class WorkerProcess:
    """A worker that can be killed."""

    def __init__(self, folder: Path, agency: Agency, port: int, *, sync_s: float) -> None:
        credentials = agency.client(WORKER)
        self._command = [
            *(sys.executable, "-m", "tests.dockd.offload_worker", str(folder), str(port)),
            *(str(agency.authority.ca_file), str(credentials.certificate_file), str(credentials.key_file)),
            str(sync_s),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            tied_to_parent(self._command), cwd=REPOSITORY, stdout=subprocess.DEVNULL, env={"PYTHONPATH": "."}
        )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture
def worker_process(agency: Agency, broker: MosquittoBroker, tmp_path: Path) -> Iterator[WorkerProcess]:
    process = WorkerProcess(tmp_path / "central", agency, broker.port, sync_s=0.03)
    process.start()
    yield process
    process.kill()


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def sent_again_bytes(dock: Dock) -> int:
    return MIB * sum(count - 1 for count in dock.blocks.values())


def test_a_shift_of_20_mb_arrives_identical_and_its_receipts_come_back(
    agency: Agency, broker: MosquittoBroker, tmp_path: Path, large: Callable[[Path], Shift]
) -> None:
    shift = large(tmp_path)
    shift.prepare_receipts(tmp_path / "central/kept")
    with (
        ThreadedWorker(tmp_path / "central", address_of(agency, broker.port, WORKER)),
        Dock(shift, address_of(agency, broker.port, DOCK)) as dock,
    ):
        text = dock.wait_for_state("idle")

    assert shift.size_bytes > 20_000_000
    assert text == "central has everything and has receipted it"
    assert shift.is_identical_at(tmp_path / "central/kept")
    assert shift.are_all_receipts_here()
    assert sent_again_bytes(dock) == 0
    assert list((tmp_path / "central/staging").iterdir()) == [tmp_path / "central/staging/lock"]
    stored = [event.name for event in dock.events if isinstance(event, FileStored)]
    assert [name.split(".")[-1] for name in stored] == ["chain", "keybox", "media"]
    assert len([event for event in dock.events if isinstance(event, ReceiptArrived)]) == 2


def test_a_worker_killed_in_the_middle_costs_no_more_than_the_credit(
    worker_process: WorkerProcess,
    agency: Agency,
    broker: MosquittoBroker,
    tmp_path: Path,
    large: Callable[[Path], Shift],
) -> None:
    shift = large(tmp_path)
    shift.prepare_receipts(tmp_path / "central/kept")
    with Dock(shift, address_of(agency, broker.port, DOCK)) as dock:
        wait_until(lambda: len(dock.blocks) >= 12)
        worker_process.kill()
        dock.wait_for_state("no-worker")
        worker_process.start()
        dock.wait_for_state("idle")

    assert shift.is_identical_at(tmp_path / "central/kept")
    assert shift.are_all_receipts_here()
    assert sent_again_bytes(dock) <= CREDIT_PER_TRANSFER_BYTES_MAX


def test_a_broker_killed_and_without_its_database_costs_no_more_than_the_credit(
    agency: Agency, tmp_path: Path, large: Callable[[Path], Shift]
) -> None:
    shift = large(tmp_path)
    shift.prepare_receipts(tmp_path / "central/kept")
    with running_broker(agency, tmp_path / "broker") as broker:
        process = WorkerProcess(tmp_path / "central", agency, broker.port, sync_s=0.03)
        process.start()
        with Dock(shift, address_of(agency, broker.port, DOCK)) as dock:
            wait_until(lambda: len(dock.blocks) >= 12)
            broker.kill()
            shutil.rmtree(tmp_path / "broker/state")
            assert "cannot reach the broker" in dock.wait_for_state("no-broker")
            broker.start()
            dock.wait_for_state("idle")
        process.kill()

    assert shift.is_identical_at(tmp_path / "central/kept")
    assert shift.are_all_receipts_here()
    assert sent_again_bytes(dock) <= CREDIT_PER_TRANSFER_BYTES_MAX


def test_a_dock_started_again_takes_up_what_is_staged(
    worker_process: WorkerProcess,
    agency: Agency,
    broker: MosquittoBroker,
    tmp_path: Path,
    large: Callable[[Path], Shift],
) -> None:
    shift = large(tmp_path)
    shift.prepare_receipts(tmp_path / "central/kept")
    with Dock(shift, address_of(agency, broker.port, DOCK)) as first:
        wait_until(lambda: len(first.blocks) >= 12)
    with Dock(shift, address_of(agency, broker.port, DOCK)) as second:
        second.wait_for_state("idle")

    assert shift.is_identical_at(tmp_path / "central/kept")
    again = sum(count for key, count in second.blocks.items() if key in first.blocks)
    assert again * MIB <= CREDIT_PER_TRANSFER_BYTES_MAX


def test_without_a_worker_the_dock_says_so_and_goes_on_by_itself_when_there_is_one(
    agency: Agency, broker: MosquittoBroker, tmp_path: Path
) -> None:
    shift = Shift(tmp_path)
    shift.prepare_receipts(tmp_path / "central/kept")
    with Dock(shift, address_of(agency, broker.port, DOCK)) as dock:
        text = dock.wait_for_state("no-worker")
        with ThreadedWorker(tmp_path / "central", address_of(agency, broker.port, WORKER)):
            dock.wait_for_state("idle")

    assert text == "no ingest worker is online"
    assert shift.are_all_receipts_here()


@pytest.mark.parametrize("deliver_retained", [False, True])
def test_a_broker_that_only_acknowledges_frees_nothing_and_is_named(
    agency: Agency, tmp_path: Path, deliver_retained: bool
) -> None:
    shift, tls = Shift(tmp_path), agency.broker_tls()
    with (
        AckOnlyBroker(
            ca_file=tls.ca_file,
            certificate_file=tls.certificate_file,
            key_file=tls.key_file,
            deliver_retained=deliver_retained,
        ) as liar,
        ThreadedWorker(tmp_path / "central", address_of(agency, liar.port, WORKER)),
        Dock(shift, address_of(agency, liar.port, DOCK), speed=20) as dock,
    ):
        text = dock.wait_for_state("no-answer")

    assert text.startswith("the broker acknowledges but central does not answer (")
    assert shift.spool.receipts(shift.place) == ()


def test_a_broker_that_is_not_there_is_named(agency: Agency, tmp_path: Path) -> None:
    with Dock(Shift(tmp_path), address_of(agency, 1, DOCK)) as dock:
        told = dock.wait_for(lambda event: isinstance(event, UploadState) and "nothing listens" in event.text)

    assert isinstance(told, UploadState)
    assert told.code == "no-broker"
    assert "start the broker" in told.text


def test_what_central_refuses_stays_in_the_spool_and_is_never_called_stored(
    agency: Agency, broker: MosquittoBroker, tmp_path: Path
) -> None:
    shift = Shift(tmp_path)
    shift.prepare_receipts(tmp_path / "central/kept")
    with ThreadedWorker(tmp_path / "central", address_of(agency, broker.port, WORKER)) as worker:
        worker.keeper.refuses = "media"
        with Dock(shift, address_of(agency, broker.port, DOCK), speed=40) as dock:
            refused = dock.wait_for(lambda event: isinstance(event, FileRefused))
            text = dock.wait_for_state("refused")
            receipts_then = shift.spool.receipts(shift.place)
            worker.keeper.refuses = None
            dock.wait_for_state("idle")

    assert isinstance(refused, FileRefused)
    assert (refused.reason, refused.section) == ("this test refuses it", "spec/02-chain.md, 2.2")
    assert "this test refuses it" in text
    assert len(receipts_then) == 1
    assert shift.are_all_receipts_here()


def test_what_central_holds_is_told_with_its_reason_and_heals(
    agency: Agency, broker: MosquittoBroker, tmp_path: Path
) -> None:
    shift = Shift(tmp_path)
    shift.prepare_receipts(tmp_path / "central/kept")
    with ThreadedWorker(tmp_path / "central", address_of(agency, broker.port, WORKER)) as worker:
        worker.keeper.is_away = True
        with Dock(shift, address_of(agency, broker.port, DOCK), speed=40) as dock:
            text = dock.wait_for_state("held")
            worker.keeper.is_away = False
            dock.wait_for_state("idle")

    assert text.startswith("central holds: the catalogue is locked")
    assert shift.are_all_receipts_here()


def test_a_full_staging_disk_is_told_to_the_dock(agency: Agency, broker: MosquittoBroker, tmp_path: Path) -> None:
    with (
        ThreadedWorker(tmp_path / "central", address_of(agency, broker.port, WORKER), free_bytes_min=1 << 60),
        Dock(Shift(tmp_path), address_of(agency, broker.port, DOCK)) as dock,
    ):
        text = dock.wait_for_state("held")

    assert text.startswith("central holds: central's staging has no room for another file")


def test_a_receipt_that_comes_late_is_asked_for_until_it_is_there(
    agency: Agency, broker: MosquittoBroker, tmp_path: Path
) -> None:
    shift = Shift(tmp_path)
    with (
        ThreadedWorker(tmp_path / "central", address_of(agency, broker.port, WORKER)),
        Dock(shift, address_of(agency, broker.port, DOCK), speed=40) as dock,
    ):
        stored = 0
        while stored < 3:
            dock.wait_for(lambda event: isinstance(event, FileStored))
            stored += 1
        receipts_then = shift.spool.receipts(shift.place)
        shift.prepare_receipts(tmp_path / "central/kept")
        dock.wait_for_state("idle")

    assert receipts_then == ()
    assert shift.are_all_receipts_here()
    assert sent_again_bytes(dock) == 0


def test_receipts_of_strangers_and_about_others_are_not_kept(
    agency: Agency, broker: MosquittoBroker, tmp_path: Path
) -> None:
    shift = Shift(tmp_path)
    stranger, other_camera = make_agency("stranger"), make_camera(shift.agency, "CAM-9")
    subject = verify_receipt(shift.receipts[-1], shift.agency.policy).subject
    of_stranger = make_receipt(subject, report=shift.built.report, agency=stranger, camera=shift.camera)
    about_other = make_receipt(subject, report=shift.built.report, agency=shift.agency, camera=other_camera)
    kept = tmp_path / "central/kept"
    shift.prepare_receipts(kept)
    names = (kept / "receipts.json").read_text()
    (kept / "receipts.json").write_text(
        names.replace(shift.receipts[0].hex(), of_stranger.hex()).replace(shift.receipts[1].hex(), about_other.hex())
    )
    with (
        ThreadedWorker(tmp_path / "central", address_of(agency, broker.port, WORKER)),
        Dock(shift, address_of(agency, broker.port, DOCK)) as dock,
    ):
        texts: list[str] = []
        while len(texts) < 2:
            event = dock.wait_for(lambda event: isinstance(event, ReceiptRejected))
            assert isinstance(event, ReceiptRejected)
            texts.append(event.text)

    assert "came for chain" in texts[0]
    assert "which the policy does not" in texts[1]
    assert shift.spool.receipts(shift.place) == ()


def test_an_open_with_a_spoofed_response_topic_is_not_answered_and_told(
    agency: Agency, broker: MosquittoBroker, tmp_path: Path
) -> None:
    file = Description(
        camera_id=bytes(16), shift_id=bytes(16), shift_number=1, name="chain", kind="chain", size_bytes=1, identity=bytes(32)
    )  # fmt: skip
    message = Open(request=bytes(16), description=file).encoded()
    with (
        ThreadedWorker(tmp_path / "central", address_of(agency, broker.port, WORKER)) as worker,
        Party(agency.context(agency.client("dock-b")), broker.port) as attacker,
    ):
        wait_until(lambda: ("broker-connected", {"worker": WORKER}) in worker.events)
        attacker.subscribe("sealcam/1/ingest/+/to/dock-b/reply")
        attacker.publish("sealcam/1/dock/dock-b/open", message)
        wait_until(lambda: any(name == "wire-breach" for name, _ in worker.events))

        assert attacker.hears_nothing()

    reason = next(fields["reason"] for name, fields in worker.events if name == "wire-breach")
    assert "response topic None" in str(reason)


def test_garbage_on_every_topic_changes_nothing(agency: Agency, broker: MosquittoBroker, tmp_path: Path) -> None:
    shift = Shift(tmp_path)
    shift.prepare_receipts(tmp_path / "central/kept")
    with (
        ThreadedWorker(tmp_path / "central", address_of(agency, broker.port, WORKER)),
        Party(agency.context(agency.client("dock-b")), broker.port) as attacker,
        Party(agency.context(agency.client("ingest-9")), broker.port) as false_worker,
        Dock(shift, address_of(agency, broker.port, DOCK)) as dock,
    ):
        for tail in ("open", f"to/{WORKER}/block", f"to/{WORKER}/control"):
            for payload in (b"", b"\xff" * 30, b"\xa1\x61\x61\x01"):
                attacker.publish(f"sealcam/1/dock/dock-b/{tail}", payload)
        for tail in ("st", f"to/{DOCK}/reply"):
            for payload in (b"", b"\xff" * 30, b"\xa1\x61\x61\x01"):
                false_worker.publish(f"sealcam/1/ingest/ingest-9/{tail}", payload)
        dock.wait_for_state("idle")

    assert shift.is_identical_at(tmp_path / "central/kept")
