"""The ledger's queue: leaves come with what they are about, and a place once given is kept."""

import sqlite3
from pathlib import Path

import pytest

from dockd.central.adapters.catalogue import SqliteCatalogue
from dockd.central.adapters.leaf_queue import SqliteLeafQueue
from dockd.central.errors import CatalogueFault
from dockd.central.ledger_ports import PlacedLeaf
from dockd.central.ports import CameraRow, Change, LeafRow
from tests.dockd.test_catalogue import CAMERA, FILE, KEY, RECEIPT, SHIFT, WHOLE

LEAF = LeafRow("receipt", RECEIPT.receipt_hash, b"opening", b"s" * 32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    SqliteCatalogue.create(tmp_path / "catalogue.sqlite").close()
    return tmp_path / "catalogue.sqlite"


@pytest.fixture
def catalogue(file: Path) -> SqliteCatalogue:
    return SqliteCatalogue(file)


@pytest.fixture
def queue(file: Path) -> SqliteLeafQueue:
    return SqliteLeafQueue(file)


def leaf(number: int) -> LeafRow:
    return LeafRow("receipt", number.to_bytes(32, "big"), b"opening %d" % number, number.to_bytes(32, "little"))


def test_a_receipt_and_its_leaf_are_written_together(catalogue: SqliteCatalogue, queue: SqliteLeafQueue) -> None:
    catalogue.apply(Change(camera=CAMERA, shift=SHIFT, files=(FILE,), receipts=(RECEIPT,), leaves=(LEAF,)))

    assert catalogue.receipts(KEY) == (RECEIPT,)
    assert queue.waiting_count() == 1
    assert queue.place(10) == 1
    assert queue.find("receipt", RECEIPT.receipt_hash) == PlacedLeaf(0, LEAF)


def test_a_change_that_fails_leaves_no_leaf(catalogue: SqliteCatalogue, queue: SqliteLeafQueue) -> None:
    catalogue.apply(WHOLE)

    with pytest.raises(CatalogueFault):
        catalogue.apply(Change(receipts=(RECEIPT,), leaves=(LEAF,)))

    assert queue.waiting_count() == 0


def test_a_leaf_that_cannot_be_written_takes_its_receipt_with_it(
    catalogue: SqliteCatalogue, queue: SqliteLeafQueue, file: Path
) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TRIGGER no BEFORE INSERT ON leaves BEGIN SELECT RAISE(ABORT, 'no room'); END")
    connection.commit()
    connection.close()

    with pytest.raises(CatalogueFault, match="no room"):
        catalogue.apply(Change(camera=CAMERA, shift=SHIFT, files=(FILE,), receipts=(RECEIPT,), leaves=(LEAF,)))

    assert catalogue.receipts(KEY) == ()
    assert catalogue.shift(KEY) is None


def test_an_enrolment_brings_its_leaf(catalogue: SqliteCatalogue, queue: SqliteLeafQueue) -> None:
    camera_leaf = LeafRow("camera", KEY.camera_id, b"key", b"s" * 32)
    catalogue.enrol(CameraRow(KEY.camera_id, "CAM-1", b"enrolment"), (camera_leaf,))
    queue.place(1)

    assert queue.placed(0, 9) == (PlacedLeaf(0, camera_leaf),)


def test_places_are_given_in_order_of_arrival_without_holes(queue: SqliteLeafQueue) -> None:
    queue.put(tuple(leaf(number) for number in range(7)))

    assert [queue.place(3), queue.place(3), queue.place(3), queue.place(3)] == [3, 3, 1, 0]
    assert queue.placed(0, 100) == tuple(PlacedLeaf(number, leaf(number)) for number in range(7))
    assert queue.placed(2, 4) == (PlacedLeaf(2, leaf(2)), PlacedLeaf(3, leaf(3)))
    assert (queue.placed_count(), queue.waiting_count()) == (7, 0)


def test_a_leaf_that_comes_again_keeps_its_salt_and_its_place(queue: SqliteLeafQueue) -> None:
    queue.put((leaf(1),))
    queue.place(10)
    queue.put((LeafRow("receipt", leaf(1).about, b"another", b"t" * 32), leaf(2)))

    assert queue.place(10) == 1
    assert queue.placed(0, 9) == (PlacedLeaf(0, leaf(1)), PlacedLeaf(1, leaf(2)))


def test_a_waiting_leaf_is_not_found(queue: SqliteLeafQueue) -> None:
    queue.put((leaf(1),))

    assert queue.find("receipt", leaf(1).about) is None


def test_places_are_read_by_another_process(queue: SqliteLeafQueue, file: Path) -> None:
    queue.put((leaf(1),))
    queue.place(10)

    assert SqliteLeafQueue(file).placed(0, 1) == (PlacedLeaf(0, leaf(1)),)


def test_receipts_of_before_the_ledger_are_found_until_they_have_a_leaf(
    catalogue: SqliteCatalogue, queue: SqliteLeafQueue
) -> None:
    catalogue.apply(WHOLE)
    assert queue.receipts_without_leaf(9) == (RECEIPT,)

    queue.put((LEAF,))

    assert queue.receipts_without_leaf(9) == ()


def test_the_queue_is_the_catalogues_and_refuses_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(CatalogueFault, match="cannot be used"):
        SqliteLeafQueue(tmp_path / "none.sqlite")
