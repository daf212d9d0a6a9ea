"""The catalogue: what central knows of its objects, in SQLite through SQLAlchemy (architecture.md, 8).

The store's objects can be trusted without it; receipts and enrolments stand beside the footage as objects, too.
"""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, Table, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from dockd.central.adapters.catalogue_file import CatalogueFile
from dockd.central.adapters.catalogue_tables import CAMERAS, FILES, OUTBOX, QUARANTINE, RECEIPTS, RECORDINGS, SHIFTS
from dockd.central.adapters.leaf_queue import put_leaves, receipt_of
from dockd.central.ports import (
    CameraRow,
    Catalogue,
    Change,
    FileRow,
    LeafRow,
    QuarantineRow,
    ReceiptRow,
    RecordingRow,
    ShiftKey,
    ShiftRow,
)


class SqliteCatalogue:
    """A catalogue in one file, which other processes may read and write at the same time."""

    def __init__(self, file: Path) -> None:
        """Open the catalogue in ``file``; an older version is brought up to date.

        Raises:
            CatalogueFault: there is none, it cannot be read, or it is of a version that this release does not know.
        """
        self._file: Final = CatalogueFile(file)

    @classmethod
    def create(cls, file: Path) -> "SqliteCatalogue":
        """Make an empty catalogue; an existing file is refused.

        Raises:
            CatalogueFault: the file is there, or cannot be made.
        """
        CatalogueFile.create(file).close()
        return cls(file)

    def close(self) -> None:
        """Let the file go: what is left is one file, without its log beside it."""
        self._file.close()

    def apply(self, change: Change) -> None:
        """Insert everything; a name that is taken makes the whole change fail."""
        with self._file.transaction() as connection:
            if change.camera is not None:
                camera = upsert(CAMERAS).values(_camera_values(change.camera))
                connection.execute(camera.on_conflict_do_nothing(index_elements=["camera_id"]))
            if change.shift is not None:
                connection.execute(insert(SHIFTS).values(_values(change.shift)))
            for recording in change.recordings:
                connection.execute(insert(RECORDINGS).values(_values(recording)))
            for file in change.files:
                connection.execute(insert(FILES).values(_values(file)))
            for recording in change.opened:
                where = (*_is_of(RECORDINGS, recording.key), RECORDINGS.c.recording_id == recording.recording_id)
                connection.execute(update(RECORDINGS).where(*where).values(is_key_box_opened=True))
            for receipt in change.receipts:
                connection.execute(
                    insert(RECEIPTS).values(
                        camera_id=receipt.key.camera_id,
                        shift_id=receipt.key.shift_id,
                        subject_id=receipt.recording_id or b"",
                        receipt_hash=receipt.receipt_hash,
                        signed=receipt.signed,
                    )
                )
                connection.execute(insert(OUTBOX).values(receipt_hash=receipt.receipt_hash))
            put_leaves(connection, change.leaves)

    def enrol(self, camera: CameraRow, leaves: tuple[LeafRow, ...] = ()) -> None:
        """Insert or replace the camera's row."""
        with self._file.transaction() as connection:
            statement = upsert(CAMERAS).values(_camera_values(camera))
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["camera_id"], set_={"serial": camera.serial, "enrolment": camera.enrolment}
                )
            )
            put_leaves(connection, leaves)

    def camera(self, camera_id: bytes) -> CameraRow | None:
        """Select by id."""
        with self._file.transaction(is_reading=True) as connection:
            row = connection.execute(select(CAMERAS).where(CAMERAS.c.camera_id == camera_id)).one_or_none()
        return None if row is None else _camera(row)

    def cameras(self) -> tuple[CameraRow, ...]:
        """Select all."""
        with self._file.transaction(is_reading=True) as connection:
            rows = connection.execute(select(CAMERAS).order_by(CAMERAS.c.serial, CAMERAS.c.camera_id)).all()
        return tuple(map(_camera, rows))

    def shift(self, key: ShiftKey) -> ShiftRow | None:
        """Select by key."""
        with self._file.transaction(is_reading=True) as connection:
            row = connection.execute(select(SHIFTS).where(*_is_of(SHIFTS, key))).one_or_none()
        return None if row is None else ShiftRow(**_fields(row))

    def shifts(self) -> tuple[ShiftRow, ...]:
        """Select all."""
        with self._file.transaction(is_reading=True) as connection:
            rows = connection.execute(select(SHIFTS).order_by(SHIFTS.c.camera_id, SHIFTS.c.number)).all()
        return tuple(ShiftRow(**_fields(row)) for row in rows)

    def recordings(self, key: ShiftKey | None = None) -> tuple[RecordingRow, ...]:
        """Select by shift, or all; by time of opening."""
        statement = select(RECORDINGS).order_by(RECORDINGS.c.opened_at_utc_ms, RECORDINGS.c.recording_id)
        if key is not None:
            statement = statement.where(*_is_of(RECORDINGS, key))
        with self._file.transaction(is_reading=True) as connection:
            rows = connection.execute(statement).all()
        return tuple(RecordingRow(**_fields(row)) for row in rows)

    def files(self, key: ShiftKey) -> tuple[FileRow, ...]:
        """Select by shift."""
        with self._file.transaction(is_reading=True) as connection:
            rows = connection.execute(select(FILES).where(*_is_of(FILES, key)).order_by(FILES.c.name)).all()
        return tuple(FileRow(**_fields(row)) for row in rows)

    def receipts(self, key: ShiftKey) -> tuple[ReceiptRow, ...]:
        """Select by shift."""
        statement = select(RECEIPTS).where(*_is_of(RECEIPTS, key)).order_by(RECEIPTS.c.subject_id)
        with self._file.transaction(is_reading=True) as connection:
            return tuple(map(receipt_of, connection.execute(statement).all()))

    def outbox(self) -> tuple[ReceiptRow, ...]:
        """Select what is not published."""
        statement = select(RECEIPTS).join(OUTBOX, OUTBOX.c.receipt_hash == RECEIPTS.c.receipt_hash)
        with self._file.transaction(is_reading=True) as connection:
            return tuple(map(receipt_of, connection.execute(statement).all()))

    def published(self, receipt: ReceiptRow) -> None:
        """Delete the outbox row."""
        with self._file.transaction() as connection:
            connection.execute(OUTBOX.delete().where(OUTBOX.c.receipt_hash == receipt.receipt_hash))

    def quarantine(self, row: QuarantineRow) -> None:
        """Insert, or count one more arrival."""
        statement = upsert(QUARANTINE).values(_values(row))
        with self._file.transaction() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["object_name"],
                    set_={
                        "reason": row.reason,
                        "cause": row.cause,
                        "identity": row.identity,
                        "arrived_at_ms": row.arrived_at_ms,
                        "arrival_count": QUARANTINE.c.arrival_count + 1,
                    },
                )
            )

    def quarantined(self, key: ShiftKey | None = None) -> tuple[QuarantineRow, ...]:
        """Select by shift, or all."""
        statement = select(QUARANTINE).order_by(QUARANTINE.c.object_name)
        if key is not None:
            statement = statement.where(*_is_of(QUARANTINE, key))
        with self._file.transaction(is_reading=True) as connection:
            rows = connection.execute(statement).all()
        return tuple(QuarantineRow(**_fields(row)) for row in rows)


def _is_of(table: Table, key: ShiftKey) -> tuple[Any, Any]:
    return table.c.camera_id == key.camera_id, table.c.shift_id == key.shift_id


def _values(row: ShiftRow | RecordingRow | FileRow | QuarantineRow) -> dict[str, Any]:
    """Return the columns of a row: its fields, with the key as two of them."""
    values = {name: getattr(row, name) for name in row.__slots__ if name != "key"}
    return {**values, "camera_id": row.key.camera_id, "shift_id": row.key.shift_id}


def _fields(row: Row[Any]) -> dict[str, Any]:
    fields = dict(row._mapping)
    fields["key"] = ShiftKey(fields.pop("camera_id"), fields.pop("shift_id"))
    return fields


def _camera_values(camera: CameraRow) -> dict[str, Any]:
    return {"camera_id": camera.camera_id, "serial": camera.serial, "enrolment": camera.enrolment}


def _camera(row: Row[Any]) -> CameraRow:
    return CameraRow(row.camera_id, row.serial, row.enrolment)


_: type[Catalogue] = SqliteCatalogue
