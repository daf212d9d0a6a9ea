"""Cameras, shifts, recordings, files, receipts and their outbox, quarantine."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _of_shift() -> tuple[sa.Column[bytes], sa.Column[bytes]]:
    return (
        sa.Column("camera_id", sa.LargeBinary, primary_key=True),
        sa.Column("shift_id", sa.LargeBinary, primary_key=True),
    )


def _to_shift() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["camera_id", "shift_id"], ["shifts.camera_id", "shifts.shift_id"])


def upgrade() -> None:
    """Make all tables."""
    schema = op.create_table("schema", sa.Column("version", sa.Integer, nullable=False))
    op.bulk_insert(schema, [{"version": 1}])
    op.create_table(
        "cameras",
        sa.Column("camera_id", sa.LargeBinary, primary_key=True),
        sa.Column("serial", sa.Text, unique=True),
        sa.Column("enrolment", sa.LargeBinary),
    )
    op.create_table(
        "shifts",
        sa.Column("camera_id", sa.LargeBinary, sa.ForeignKey("cameras.camera_id"), primary_key=True),
        sa.Column("shift_id", sa.LargeBinary, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("head_sequence", sa.Integer, nullable=False),
        sa.Column("head_hash", sa.LargeBinary, nullable=False),
        sa.Column("chain_size_bytes", sa.Integer, nullable=False),
        sa.Column("stored_at_ms", sa.Integer, nullable=False),
    )
    op.create_table(
        "recordings",
        *_of_shift(),
        sa.Column("recording_id", sa.LargeBinary, primary_key=True),
        sa.Column("subject", sa.LargeBinary, nullable=False),
        sa.Column("content_key_commitment", sa.LargeBinary, nullable=False),
        sa.Column("opened_at_utc_ms", sa.Integer, nullable=False),
        sa.Column("utc_source", sa.Text, nullable=False),
        sa.Column("utc_uncertainty_ms", sa.Integer),
        sa.Column("duration_us", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("is_key_box_opened", sa.Boolean, nullable=False),
        _to_shift(),
    )
    op.create_table(
        "files",
        *_of_shift(),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("recording_id", sa.LargeBinary),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("identity", sa.LargeBinary, nullable=False),
        sa.Column("stored_at_ms", sa.Integer, nullable=False),
        _to_shift(),
    )
    op.create_table(
        "receipts",
        *_of_shift(),
        sa.Column("subject_id", sa.LargeBinary, primary_key=True),
        sa.Column("receipt_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("signed", sa.LargeBinary, nullable=False),
        _to_shift(),
    )
    op.create_table(
        "outbox",
        sa.Column("receipt_hash", sa.LargeBinary, sa.ForeignKey("receipts.receipt_hash"), primary_key=True),
    )
    op.create_table(
        "quarantine",
        sa.Column("object_name", sa.Text, primary_key=True),
        sa.Column("camera_id", sa.LargeBinary, nullable=False),
        sa.Column("shift_id", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("identity", sa.LargeBinary, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("arrival_count", sa.Integer, nullable=False),
        sa.Column("arrived_at_ms", sa.Integer, nullable=False),
    )
