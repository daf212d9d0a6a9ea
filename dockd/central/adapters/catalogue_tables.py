"""The catalogue's tables as they are now (version 2); how they came to be so stands in `migrations`, and a test compares the two."""

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION: Final = 2

METADATA = MetaData()
SCHEMA = Table("schema", METADATA, Column("version", Integer, nullable=False))
CAMERAS = Table(
    "cameras",
    METADATA,
    Column("camera_id", LargeBinary, primary_key=True),
    Column("serial", Text, unique=True),
    Column("enrolment", LargeBinary),
)
SHIFTS = Table(
    "shifts",
    METADATA,
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


RECORDINGS = Table(
    "recordings",
    METADATA,
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
FILES = Table(
    "files",
    METADATA,
    *_of_shift(),
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("recording_id", LargeBinary),
    Column("size_bytes", Integer, nullable=False),
    Column("identity", LargeBinary, nullable=False),
    Column("stored_at_ms", Integer, nullable=False),
)
RECEIPTS = Table(
    "receipts",
    METADATA,
    *_of_shift(),
    # Empty for the chain's receipt: SQL's NULL would let a second one in.
    Column("subject_id", LargeBinary, primary_key=True),
    Column("receipt_hash", LargeBinary, nullable=False, unique=True),
    Column("signed", LargeBinary, nullable=False),
)
OUTBOX = Table(
    "outbox",
    METADATA,
    Column("receipt_hash", LargeBinary, ForeignKey("receipts.receipt_hash"), primary_key=True),
)
QUARANTINE = Table(
    "quarantine",
    METADATA,
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
LEAVES = Table(
    "leaves",
    METADATA,
    # The order of arrival; never used twice, so that no leaf is taken for another.
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("about", LargeBinary, nullable=False),
    Column("opening", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    # The place in the tree, NULL until it is given; then it stays (I4).
    Column("leaf_index", Integer, unique=True),
    UniqueConstraint("kind", "about"),
    sqlite_autoincrement=True,
)
Index("leaves_waiting", LEAVES.c.number, sqlite_where=LEAVES.c.leaf_index.is_(None))
