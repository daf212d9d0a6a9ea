"""The ledger's queue: a table of the catalogue, so that a leaf is written with what it is about or not at all."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, func, select, text
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import Connection

from dockd.central.adapters.catalogue_file import CatalogueFile
from dockd.central.adapters.catalogue_tables import LEAVES, RECEIPTS
from dockd.central.core.leaves import RECEIPT_KIND
from dockd.central.ledger_ports import LeafQueue, PlacedLeaf
from dockd.central.ports import LeafRow, ReceiptRow, ShiftKey

_PLACE: Final = text(
    "UPDATE leaves SET leaf_index = next.leaf_index FROM ("
    "SELECT number, :first - 1 + row_number() OVER (ORDER BY number) AS leaf_index"
    " FROM leaves WHERE leaf_index IS NULL ORDER BY number LIMIT :count"
    ") AS next WHERE leaves.number = next.number"
)


class SqliteLeafQueue:
    """The queue in a catalogue's file, which the keeper writes to at the same time."""

    def __init__(self, file: Path) -> None:
        """Open the catalogue in ``file``.

        Raises:
            CatalogueFault: there is none, it cannot be read, or it is of a version that this release does not know.
        """
        self._file: Final = CatalogueFile(file)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def put(self, leaves: tuple[LeafRow, ...]) -> None:
        """Insert what is not there."""
        with self._file.transaction() as connection:
            put_leaves(connection, leaves)

    def place(self, count_max: int) -> int:
        """Update in one statement, behind the lock that every writer takes."""
        with self._file.transaction(is_reading=True) as connection:
            # A poll that finds nothing takes no lock and syncs nothing.
            first_waiting = select(LEAVES.c.number).where(LEAVES.c.leaf_index.is_(None)).limit(1)
            if connection.execute(first_waiting).first() is None:
                return 0
        with self._file.transaction() as connection:
            first = _placed_count(connection)
            return connection.execute(_PLACE, {"first": first, "count": count_max}).rowcount

    def placed_count(self) -> int:
        """Return the last place and one."""
        with self._file.transaction(is_reading=True) as connection:
            return _placed_count(connection)

    def waiting_count(self) -> int:
        """Count what has no place."""
        statement = select(func.count()).select_from(LEAVES).where(LEAVES.c.leaf_index.is_(None))
        with self._file.transaction(is_reading=True) as connection:
            return connection.execute(statement).scalar_one()

    def placed(self, start: int, end: int) -> tuple[PlacedLeaf, ...]:
        """Select by place."""
        statement = select(LEAVES).where(LEAVES.c.leaf_index >= start, LEAVES.c.leaf_index < end)
        with self._file.transaction(is_reading=True) as connection:
            return tuple(map(_placed, connection.execute(statement.order_by(LEAVES.c.leaf_index)).all()))

    def find(self, kind: str, about: bytes) -> PlacedLeaf | None:
        """Select by name."""
        statement = select(LEAVES).where(
            LEAVES.c.kind == kind, LEAVES.c.about == about, LEAVES.c.leaf_index.is_not(None)
        )
        with self._file.transaction(is_reading=True) as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else _placed(row)

    def receipts_without_leaf(self, count_max: int) -> tuple[ReceiptRow, ...]:
        """Select the receipts that no leaf is about."""
        is_logged = select(LEAVES.c.number).where(
            LEAVES.c.kind == RECEIPT_KIND, LEAVES.c.about == RECEIPTS.c.receipt_hash
        )
        statement = select(RECEIPTS).where(~is_logged.exists()).order_by(RECEIPTS.c.receipt_hash).limit(count_max)
        with self._file.transaction(is_reading=True) as connection:
            return tuple(map(receipt_of, connection.execute(statement).all()))


def put_leaves(connection: Connection, leaves: tuple[LeafRow, ...]) -> None:
    """Let leaves wait, within a transaction of the caller's; one that is there already keeps its salt and its place."""
    if leaves:
        rows = [{"kind": leaf.kind, "about": leaf.about, "opening": leaf.opening, "salt": leaf.salt} for leaf in leaves]
        connection.execute(upsert(LEAVES).on_conflict_do_nothing(index_elements=["kind", "about"]), rows)


def receipt_of(row: Row[Any]) -> ReceiptRow:
    """Return a row of the receipts' table."""
    return ReceiptRow(ShiftKey(row.camera_id, row.shift_id), row.subject_id or None, row.receipt_hash, row.signed)


def _placed_count(connection: Connection) -> int:
    last = connection.execute(select(func.max(LEAVES.c.leaf_index))).scalar_one()
    return 0 if last is None else last + 1


def _placed(row: Row[Any]) -> PlacedLeaf:
    return PlacedLeaf(row.leaf_index, LeafRow(row.kind, row.about, row.opening, row.salt))


_: type[LeafQueue] = SqliteLeafQueue
