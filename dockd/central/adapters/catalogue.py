"""The catalogue: what central knows of its objects, in SQLite through SQLAlchemy (architecture.md, 8).

Every change is one transaction, durable when it returns (WAL with synchronous=FULL). The store's objects can be trusted
without it; receipts and enrolments stand beside the footage as objects, too.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    create_engine,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool

from dockd.central.errors import CatalogueFault
from dockd.central.ports import (
    CameraRow,
    Catalogue,
    Change,
    FileRow,
    QuarantineRow,
    ReceiptRow,
    RecordingRow,
    ShiftKey,
    ShiftRow,
)

SCHEMA_VERSION: Final = 1
_BUSY_TIMEOUT_S: Final = 10

_metadata = MetaData()
_schema = Table("schema", _metadata, Column("version", Integer, nullable=False))
_cameras = Table(
    "cameras",
    _metadata,
    Column("camera_id", LargeBinary, primary_key=True),
    Column("serial", Text, unique=True),
    Column("enrolment", LargeBinary),
)
_shifts = Table(
    "shifts",
    _metadata,
    Column("camera_id", LargeBinary, ForeignKey("cameras.camera_id"), primary_key=True),
    Column("shift_id", LargeBinary, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("folder", Text, nullable=False),
    Column("head_sequence", Integer, nullable=False),
    Column("head_hash", LargeBinary, nullable=False),
    Column("chain_size_bytes", Integer, nullable=False),
    Column("stored_at_ms", Integer, nullable=False),
)


def _of_shift() -> tuple[Column[bytes], Column[bytes], ForeignKeyConstraint]:
    return (
        Column("camera_id", LargeBinary, primary_key=True),
        Column("shift_id", LargeBinary, primary_key=True),
        ForeignKeyConstraint(["camera_id", "shift_id"], ["shifts.camera_id", "shifts.shift_id"]),
    )


_recordings = Table(
    "recordings",
    _metadata,
    *_of_shift(),
    Column("recording_id", LargeBinary, primary_key=True),
    Column("subject", LargeBinary, nullable=False),
    Column("content_key_commitment", LargeBinary, nullable=False),
    Column("opened_at_utc_ms", Integer, nullable=False),
    Column("utc_source", Text, nullable=False),
    Column("utc_uncertainty_ms", Integer),
    Column("duration_us", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("is_key_box_opened", Boolean, nullable=False),
)
_files = Table(
    "files",
    _metadata,
    *_of_shift(),
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("recording_id", LargeBinary),
    Column("size_bytes", Integer, nullable=False),
    Column("identity", LargeBinary, nullable=False),
    Column("stored_at_ms", Integer, nullable=False),
)
_receipts = Table(
    "receipts",
    _metadata,
    *_of_shift(),
    # Empty for the chain's receipt: SQL's NULL would let a second one in.
    Column("subject_id", LargeBinary, primary_key=True),
    Column("receipt_hash", LargeBinary, nullable=False, unique=True),
    Column("signed", LargeBinary, nullable=False),
)
_outbox = Table(
    "outbox",
    _metadata,
    Column("receipt_hash", LargeBinary, ForeignKey("receipts.receipt_hash"), primary_key=True),
)
_quarantine = Table(
    "quarantine",
    _metadata,
    Column("object_name", Text, primary_key=True),
    Column("camera_id", LargeBinary, nullable=False),
    Column("shift_id", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("identity", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("arrival_count", Integer, nullable=False),
    Column("arrived_at_ms", Integer, nullable=False),
)


class SqliteCatalogue:
    """A catalogue in one file, which other processes may read and write at the same time."""

    def __init__(self, file: Path) -> None:
        """Open the catalogue in ``file``.

        Raises:
            CatalogueFault: there is none, it cannot be read, or it is of another version.
        """
        self._file: Final = file
        self._engine: Final = _engine(file)
        with self._transaction(is_reading=True) as connection:
            versions = connection.execute(select(_schema.c.version)).scalars().all()
        if versions != [SCHEMA_VERSION]:
            found = ", ".join(map(str, versions)) or "none"
            raise CatalogueFault(
                f"catalogue {file} has schema version {found}",
                expected=f"version {SCHEMA_VERSION}",
                next_step="run the release of Sealcam that wrote it; nothing was changed",
            )

    @classmethod
    def create(cls, file: Path) -> "SqliteCatalogue":
        """Make an empty catalogue; an existing file is refused.

        Raises:
            CatalogueFault: the file is there, or cannot be made.
        """
        is_made = False
        try:
            file.touch(mode=0o600, exist_ok=False)
            is_made = True
            engine = _engine(file)
            with engine.begin() as connection:
                _metadata.create_all(connection)
                connection.execute(insert(_schema).values(version=SCHEMA_VERSION))
            engine.dispose()
        except (OSError, DatabaseError) as error:
            if is_made:
                file.unlink(missing_ok=True)
            raise CatalogueFault(
                f"catalogue {file} cannot be made ({error})",
                expected="a new file in a folder that this user may write to",
                next_step="name another file, or check the folder",
            ) from error
        return cls(file)

    def close(self) -> None:
        """Let the file go: what is left is one file, without its log beside it."""
        self._engine.dispose()

    def apply(self, change: Change) -> None:
        """Insert everything; a name that is taken makes the whole change fail."""
        with self._transaction() as connection:
            if change.camera is not None:
                camera = upsert(_cameras).values(_camera_values(change.camera))
                connection.execute(camera.on_conflict_do_nothing(index_elements=["camera_id"]))
            if change.shift is not None:
                connection.execute(insert(_shifts).values(_values(change.shift)))
            for recording in change.recordings:
                connection.execute(insert(_recordings).values(_values(recording)))
            for file in change.files:
                connection.execute(insert(_files).values(_values(file)))
            for recording in change.opened:
                where = (*_is_of(_recordings, recording.key), _recordings.c.recording_id == recording.recording_id)
                connection.execute(update(_recordings).where(*where).values(is_key_box_opened=True))
            for receipt in change.receipts:
                connection.execute(
                    insert(_receipts).values(
                        camera_id=receipt.key.camera_id,
                        shift_id=receipt.key.shift_id,
                        subject_id=receipt.recording_id or b"",
                        receipt_hash=receipt.receipt_hash,
                        signed=receipt.signed,
                    )
                )
                connection.execute(insert(_outbox).values(receipt_hash=receipt.receipt_hash))

    def enrol(self, camera: CameraRow) -> None:
        """Insert or replace the camera's row."""
        with self._transaction() as connection:
            statement = upsert(_cameras).values(_camera_values(camera))
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["camera_id"], set_={"serial": camera.serial, "enrolment": camera.enrolment}
                )
            )

    def camera(self, camera_id: bytes) -> CameraRow | None:
        """Select by id."""
        with self._transaction(is_reading=True) as connection:
            row = connection.execute(select(_cameras).where(_cameras.c.camera_id == camera_id)).one_or_none()
        return None if row is None else _camera(row)

    def cameras(self) -> tuple[CameraRow, ...]:
        """Select all."""
        with self._transaction(is_reading=True) as connection:
            rows = connection.execute(select(_cameras).order_by(_cameras.c.serial, _cameras.c.camera_id)).all()
        return tuple(map(_camera, rows))

    def shift(self, key: ShiftKey) -> ShiftRow | None:
        """Select by key."""
        with self._transaction(is_reading=True) as connection:
            row = connection.execute(select(_shifts).where(*_is_of(_shifts, key))).one_or_none()
        return None if row is None else ShiftRow(**_fields(row))

    def shifts(self) -> tuple[ShiftRow, ...]:
        """Select all."""
        with self._transaction(is_reading=True) as connection:
            rows = connection.execute(select(_shifts).order_by(_shifts.c.camera_id, _shifts.c.number)).all()
        return tuple(ShiftRow(**_fields(row)) for row in rows)

    def recordings(self, key: ShiftKey | None = None) -> tuple[RecordingRow, ...]:
        """Select by shift, or all; by time of opening."""
        statement = select(_recordings).order_by(_recordings.c.opened_at_utc_ms, _recordings.c.recording_id)
        if key is not None:
            statement = statement.where(*_is_of(_recordings, key))
        with self._transaction(is_reading=True) as connection:
            rows = connection.execute(statement).all()
        return tuple(RecordingRow(**_fields(row)) for row in rows)

    def files(self, key: ShiftKey) -> tuple[FileRow, ...]:
        """Select by shift."""
        with self._transaction(is_reading=True) as connection:
            rows = connection.execute(select(_files).where(*_is_of(_files, key)).order_by(_files.c.name)).all()
        return tuple(FileRow(**_fields(row)) for row in rows)

    def receipts(self, key: ShiftKey) -> tuple[ReceiptRow, ...]:
        """Select by shift."""
        statement = select(_receipts).where(*_is_of(_receipts, key)).order_by(_receipts.c.subject_id)
        with self._transaction(is_reading=True) as connection:
            return tuple(map(_receipt, connection.execute(statement).all()))

    def outbox(self) -> tuple[ReceiptRow, ...]:
        """Select what is not published."""
        statement = select(_receipts).join(_outbox, _outbox.c.receipt_hash == _receipts.c.receipt_hash)
        with self._transaction(is_reading=True) as connection:
            return tuple(map(_receipt, connection.execute(statement).all()))

    def published(self, receipt: ReceiptRow) -> None:
        """Delete the outbox row."""
        with self._transaction() as connection:
            connection.execute(_outbox.delete().where(_outbox.c.receipt_hash == receipt.receipt_hash))

    def quarantine(self, row: QuarantineRow) -> None:
        """Insert, or count one more arrival."""
        statement = upsert(_quarantine).values(_values(row))
        with self._transaction() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["object_name"],
                    set_={
                        "reason": row.reason,
                        "cause": row.cause,
                        "identity": row.identity,
                        "arrived_at_ms": row.arrived_at_ms,
                        "arrival_count": _quarantine.c.arrival_count + 1,
                    },
                )
            )

    def quarantined(self, key: ShiftKey | None = None) -> tuple[QuarantineRow, ...]:
        """Select by shift, or all."""
        statement = select(_quarantine).order_by(_quarantine.c.object_name)
        if key is not None:
            statement = statement.where(*_is_of(_quarantine, key))
        with self._transaction(is_reading=True) as connection:
            rows = connection.execute(statement).all()
        return tuple(QuarantineRow(**_fields(row)) for row in rows)

    @contextmanager
    def _transaction(self, *, is_reading: bool = False) -> Iterator[Connection]:
        try:
            with self._engine.execution_options(is_reading=is_reading).begin() as connection:
                yield connection
        except DatabaseError as error:
            raise CatalogueFault(
                f"catalogue {self._file} cannot be used ({error.orig})",
                expected="a catalogue that provisioning made, which this user may write",
                next_step="check the path in the settings, the owner of the file, and the free space of its disk",
            ) from error


def _engine(file: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        # mode=rw: opening never makes an empty catalogue where a path is wrong.
        connection = sqlite3.connect(
            f"{file.resolve().as_uri()}?mode=rw",
            uri=True,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,  # the pool hands it to one thread at a time
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=1)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that turns into a writing one can fail against another writer; this one waits instead.
        is_reading = connection.get_execution_options().get("is_reading", False)
        connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")

    return engine


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


def _receipt(row: Row[Any]) -> ReceiptRow:
    key = ShiftKey(row.camera_id, row.shift_id)
    return ReceiptRow(key, row.subject_id or None, row.receipt_hash, row.signed)


_: type[Catalogue] = SqliteCatalogue
