"""The ledger's queue: leaves with their openings and salts, and their places in the tree once they have one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the queue; what was receipted before is put into it by whoever runs the ledger."""
    op.create_table(
        "leaves",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("about", sa.LargeBinary, nullable=False),
        sa.Column("opening", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("leaf_index", sa.Integer, unique=True),
        sa.UniqueConstraint("kind", "about"),
        sqlite_autoincrement=True,
    )
    waiting = sa.text("leaf_index IS NULL")
    op.create_index("leaves_waiting", "leaves", ["number"], sqlite_where=waiting)
