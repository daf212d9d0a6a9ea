"""What the keeper stores comes into the ledger: the shift's opening and its end, erasures, and every receipt with its proof."""

from dataclasses import replace
from pathlib import Path

import pytest

from dockd.central.adapters.leaf_queue import SqliteLeafQueue
from dockd.central.adapters.tile_folder import TileFolder
from dockd.central.core.leaves import chain_openings, leaf_data, leaf_row, receipt_opening
from dockd.central.ports import ShiftKey
from protocol.canonical import digest
from protocol.entries import Erased
from protocol.ledger.leaves import AnchorOpening, ErasureOpening, ShiftOpening, open_leaf, parse_opening
from protocol.ledger.merkle import leaf_hash
from protocol.ledger.proof import parse_proof, verify_proof
from tests.builders import Agency, BuiltShift, Camera, build_shift, make_agency, make_camera, secret
from tests.dockd.evidence import Central, again, new_central, offers_of
from tests.dockd.ledgers import Desk


@pytest.fixture
def agency() -> Agency:
    return make_agency()


@pytest.fixture
def camera(agency: Agency) -> Camera:
    return make_camera(agency)


@pytest.fixture
def shift(tmp_path: Path, agency: Agency, camera: Camera) -> BuiltShift:
    return build_shift(tmp_path / "card", agency=agency, camera=camera)


@pytest.fixture
def central(tmp_path: Path, agency: Agency, camera: Camera) -> Central:
    made = new_central(tmp_path / "central", agency)
    made.enrol(camera)
    return made


def queue_of(central: Central) -> SqliteLeafQueue:
    return SqliteLeafQueue(central.folder / "catalogue.sqlite")


def test_a_stored_shift_queues_its_opening_its_end_and_each_receipt(
    central: Central, shift: BuiltShift, camera: Camera
) -> None:
    central.keep_all(offers_of(shift, camera))
    queue = queue_of(central)
    queue.place(100)

    rows = [placed.leaf for placed in queue.placed(0, 100)]
    assert [row.kind for row in rows] == ["shift-opening", "anchor", "receipt", "receipt", "receipt"]
    assert [parse_opening(row.opening) for row in rows[:2]] == [
        ShiftOpening(
            camera_id=camera.camera_id,
            shift_id=shift.shift_id,
            shift_number=1,
            head_hash=shift.report.opening_head_hash or b"",
            previous_shift=None,
        ),
        AnchorOpening(
            camera_id=camera.camera_id,
            shift_id=shift.shift_id,
            head_sequence=shift.report.head_sequence,
            head_hash=shift.report.head_hash,
        ),
    ]
    receipts = {row.receipt_hash for row in central.catalogue.receipts(ShiftKey(camera.camera_id, shift.shift_id))}
    assert {row.about for row in rows[2:]} == receipts
    assert len({row.salt for row in rows}) == 5
    assert all(open_leaf(leaf_data(row), row.salt, row.opening).kind == row.kind for row in rows)


def test_what_is_stored_again_or_asked_for_again_queues_nothing(
    central: Central, shift: BuiltShift, camera: Camera
) -> None:
    offers = offers_of(shift, camera)
    central.keep_all(offers)
    count = queue_of(central).waiting_count()
    central.keep_all(offers)
    for offer in offers:
        again(central).keeper.receipts_for(offer.description)

    assert queue_of(central).waiting_count() == count


def test_a_receipt_that_could_be_made_later_only_is_queued_then(
    central: Central, shift: BuiltShift, camera: Camera
) -> None:
    offers = offers_of(shift, camera)
    central.vault.is_away = True
    central.keep_all(offers)
    before = queue_of(central).waiting_count()
    central.vault.is_away = False
    for offer in offers:
        central.keeper.receipts_for(offer.description)

    assert (before, queue_of(central).waiting_count()) == (3, 5)


def test_erasures_that_a_chain_tells_of_are_queued_under_the_camera_that_says_so(
    shift: BuiltShift, camera: Camera
) -> None:
    erased = Erased(at=shift.report.bodies[0][1].at, shift_id=b"s" * 16, recording_id=b"r" * 16, receipt_hash=b"h" * 32)
    report = replace(shift.report, bodies=(*shift.report.bodies, (99, erased)))

    opening = chain_openings(camera.camera_id, report)[-1]

    assert opening == ErasureOpening(
        camera_id=camera.camera_id, shift_id=b"s" * 16, recording_id=b"r" * 16, receipt_hash=b"h" * 32
    )
    other = chain_openings(b"another camera..", report)[-1]
    assert leaf_row(opening, bytes(32)).about != leaf_row(other, bytes(32)).about


def test_the_opening_is_named_by_the_hash_that_the_next_entry_links_to(shift: BuiltShift, camera: Camera) -> None:
    opening = chain_openings(camera.camera_id, shift.report)[0]
    assert isinstance(opening, ShiftOpening)

    assert shift.files["chain"].count(opening.head_hash) == 1  # entry 1 says it of entry 0


def test_every_receipt_of_a_stored_shift_is_proved_once_the_ledger_has_run(
    central: Central, shift: BuiltShift, camera: Camera, tmp_path: Path
) -> None:
    central.keep_all(offers_of(shift, camera))
    (tmp_path / "ledger").mkdir()
    desk = Desk(TileFolder(tmp_path / "ledger", can_write=True), queue_of(central), threshold=2)
    desk.drain()

    for row in central.catalogue.receipts(ShiftKey(camera.camera_id, shift.shift_id)):
        proof = desk.proof_of(row)
        assert proof is not None
        parsed = parse_proof(proof)
        leaf = leaf_data(leaf_row(receipt_opening(row), parsed.extra or b""))
        assert len(verify_proof(parsed, leaf_hash(leaf), desk.trust).checkpoint.cosignatures) == 3


def test_a_leaf_says_nothing_that_could_be_guessed(shift: BuiltShift, camera: Camera) -> None:
    opening = chain_openings(camera.camera_id, shift.report)[0]
    one, other = (leaf_data(leaf_row(opening, secret(name, 32))) for name in ("one", "other"))

    assert one != other
    assert camera.camera_id not in one
    assert digest("sealcam/1 leaf", opening.encoded()) not in one
