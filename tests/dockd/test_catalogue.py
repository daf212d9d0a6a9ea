"""The catalogue: all of a change or nothing of it, and no other version's file."""

import sqlite3
import stat
from pathlib import Path

import pytest

from dockd.central.adapters.catalogue import SqliteCatalogue
from dockd.central.adapters.catalogue_tables import SCHEMA_VERSION
from dockd.central.errors import CatalogueFault
from dockd.central.ports import CameraRow, Change, FileRow, QuarantineRow, ReceiptRow, RecordingRow, ShiftKey, ShiftRow

KEY = ShiftKey(b"c" * 16, b"s" * 16)
CAMERA = CameraRow(KEY.camera_id, None, None)
SHIFT = ShiftRow(KEY, 1, "shift-000001", 9, b"h" * 32, 1000, 5)
RECORDING = RecordingRow(KEY, b"r" * 16, b"subject", b"k" * 32, 7, "rtc", None, 3_000_000, 4000)
FILE = FileRow(KEY, "chain", "chain", None, 1000, b"i" * 32, 5)
RECEIPT = ReceiptRow(KEY, None, b"1" * 32, b"signed")
WHOLE = Change(camera=CAMERA, shift=SHIFT, recordings=(RECORDING,), files=(FILE,), receipts=(RECEIPT,))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.sqlite"


@pytest.fixture
def catalogue(file: Path) -> SqliteCatalogue:
    return SqliteCatalogue.create(file)


def test_a_change_is_read_back_by_another_process_as_it_was_written(catalogue: SqliteCatalogue, file: Path) -> None:
    catalogue.apply(WHOLE)

    other = SqliteCatalogue(file)
    assert other.camera(KEY.camera_id) == CAMERA
    assert other.shift(KEY) == SHIFT
    assert other.shifts() == (SHIFT,)
    assert other.recordings(KEY) == other.recordings() == (RECORDING,)
    assert other.files(KEY) == (FILE,)
    assert other.receipts(KEY) == other.outbox() == (RECEIPT,)


def test_a_change_that_fails_writes_nothing(catalogue: SqliteCatalogue) -> None:
    catalogue.apply(WHOLE)
    second = FileRow(KEY, "second", "media", b"r" * 16, 5, b"j" * 32, 6)

    with pytest.raises(CatalogueFault):
        catalogue.apply(Change(files=(second,), receipts=(RECEIPT,)))

    assert catalogue.files(KEY) == (FILE,)


def test_a_second_receipt_for_one_subject_is_refused(catalogue: SqliteCatalogue) -> None:
    catalogue.apply(WHOLE)

    with pytest.raises(CatalogueFault):
        catalogue.apply(Change(receipts=(ReceiptRow(KEY, None, b"2" * 32, b"another"),)))

    assert catalogue.receipts(KEY) == (RECEIPT,)


def test_a_file_without_its_shift_is_refused(catalogue: SqliteCatalogue) -> None:
    with pytest.raises(CatalogueFault, match="FOREIGN KEY"):
        catalogue.apply(Change(files=(FILE,)))


def test_a_receipt_stays_in_the_outbox_until_it_is_published(catalogue: SqliteCatalogue) -> None:
    catalogue.apply(WHOLE)

    catalogue.published(RECEIPT)
    catalogue.published(RECEIPT)

    assert catalogue.outbox() == ()
    assert catalogue.receipts(KEY) == (RECEIPT,)


def test_an_opened_key_box_is_remembered(catalogue: SqliteCatalogue) -> None:
    catalogue.apply(WHOLE)
    catalogue.apply(Change(opened=(RECORDING,)))

    assert [row.is_key_box_opened for row in catalogue.recordings(KEY)] == [True]


def test_a_camera_heard_of_again_keeps_its_enrolment(catalogue: SqliteCatalogue) -> None:
    enrolled = CameraRow(KEY.camera_id, "CAM-1", b"enrolment")
    catalogue.enrol(enrolled)
    catalogue.apply(WHOLE)

    assert catalogue.cameras() == (enrolled,)


def test_quarantined_bytes_that_come_again_are_counted(catalogue: SqliteCatalogue) -> None:
    row = QuarantineRow(KEY, "chain", b"i" * 32, "quarantine/x", "first", "file", 1, 5)
    catalogue.quarantine(row)
    catalogue.quarantine(QuarantineRow(KEY, "chain", b"i" * 32, "quarantine/x", "second", "file", 1, 9))

    found = catalogue.quarantined(KEY)
    assert found == catalogue.quarantined()
    assert [(each.reason, each.arrival_count, each.arrived_at_ms) for each in found] == [("second", 2, 9)]


def test_every_commit_is_synced(catalogue: SqliteCatalogue, file: Path) -> None:
    """WAL syncs at commits only with synchronous=FULL (2)."""
    with catalogue._file.transaction(is_reading=True) as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    assert pragmas == ["wal", 2, 1]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_catalogue_of_another_version_is_refused_and_left_alone(catalogue: SqliteCatalogue, file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE schema SET version = 7")
    connection.close()

    with pytest.raises(CatalogueFault, match=f"has schema version 7; expected version {SCHEMA_VERSION}"):
        SqliteCatalogue(file)


def test_opening_never_makes_a_catalogue(file: Path) -> None:
    with pytest.raises(CatalogueFault, match="cannot be used"):
        SqliteCatalogue(file)

    assert not file.exists()


def test_a_file_that_is_no_catalogue_is_refused(file: Path) -> None:
    file.write_bytes(b"something else entirely" * 100)

    with pytest.raises(CatalogueFault, match="not a database"):
        SqliteCatalogue(file)


def test_an_existing_file_is_never_made_anew(catalogue: SqliteCatalogue, file: Path) -> None:
    catalogue.apply(WHOLE)

    with pytest.raises(CatalogueFault, match="cannot be made"):
        SqliteCatalogue.create(file)

    assert catalogue.shift(KEY) == SHIFT
