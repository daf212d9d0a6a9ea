"""A catalogue that an older release wrote is brought up to date with everything in it, or left as it was."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dockd.central.adapters.catalogue import SqliteCatalogue
from dockd.central.adapters.catalogue_file import CatalogueFile
from dockd.central.adapters.catalogue_tables import METADATA, SCHEMA_VERSION
from dockd.central.adapters.leaf_queue import SqliteLeafQueue
from dockd.central.errors import CatalogueFault
from dockd.central.ports import CameraRow, Change, LeafRow, QuarantineRow
from tests.dockd.test_catalogue import FILE, KEY, RECEIPT, RECORDING, SHIFT

# A dump of what the release with schema version 1 wrote for the rows of `test_catalogue`.
VERSION_1 = Path(__file__).with_name("catalogue_version_1.sql")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    file = tmp_path / "catalogue.sqlite"
    connection = sqlite3.connect(file)
    connection.executescript(VERSION_1.read_text())
    connection.close()
    return file


def tables_of(file: Path) -> dict[str, str]:
    connection = sqlite3.connect(file)
    found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
    connection.close()
    return found


def test_everything_of_version_1_is_there_after_opening(old: Path) -> None:
    catalogue = SqliteCatalogue(old)

    opened = replace(RECORDING, is_key_box_opened=True)
    assert catalogue.cameras() == (CameraRow(KEY.camera_id, "CAM-1", b"enrolment"),)
    assert catalogue.shifts() == (SHIFT,)
    assert catalogue.recordings() == (opened,)
    assert catalogue.files(KEY) == (FILE,)
    assert catalogue.receipts(KEY) == catalogue.outbox() == (RECEIPT,)
    assert catalogue.quarantined() == (QuarantineRow(KEY, "chain", b"i" * 32, "quarantine/x", "first", "file", 1, 5),)


def test_a_migrated_catalogue_takes_leaves_and_knows_which_receipts_have_none(old: Path) -> None:
    catalogue, queue = SqliteCatalogue(old), SqliteLeafQueue(old)
    unlogged = queue.receipts_without_leaf(10)
    catalogue.apply(Change(leaves=(LeafRow("receipt", RECEIPT.receipt_hash, b"opening", b"s" * 32),)))

    assert unlogged == (RECEIPT,)
    assert queue.receipts_without_leaf(10) == ()
    assert queue.place(10) == 1


def test_migrated_and_made_new_are_the_same_tables_and_those_that_the_code_names(old: Path, tmp_path: Path) -> None:
    CatalogueFile(old).close()
    new = tmp_path / "new.sqlite"
    made = CatalogueFile.create(new)

    assert tables_of(old).keys() == tables_of(new).keys()
    for file in (made, CatalogueFile(old)):
        with file.transaction(is_reading=True) as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
            assert connection.exec_driver_sql("SELECT version FROM schema").scalars().all() == [SCHEMA_VERSION]


def test_a_migration_that_fails_leaves_the_old_file_as_it_was(old: Path) -> None:
    connection = sqlite3.connect(old)
    connection.execute("CREATE TABLE leaves (mine TEXT)")  # in the way of the new table
    connection.commit()
    connection.close()
    before = tables_of(old)

    with pytest.raises(CatalogueFault, match="leaves already exists"):
        SqliteCatalogue(old)

    assert tables_of(old) == before


def test_two_that_open_an_old_file_at_once_migrate_it_once(old: Path) -> None:
    both = threading.Barrier(2)

    def opened(_: int) -> CatalogueFile:
        both.wait()
        return CatalogueFile(old)

    with ThreadPoolExecutor(2) as pool:
        files = list(pool.map(opened, range(2)))

    for file in files:
        with file.transaction(is_reading=True) as connection:
            assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == ["0002"]
