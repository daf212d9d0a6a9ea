"""Brings a catalogue to the newest version with alembic, within a transaction of the caller's."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, update
from sqlalchemy.engine import Connection

from dockd.central.adapters.catalogue_tables import SCHEMA, SCHEMA_VERSION

_ALEMBIC_TABLE: Final = "alembic_version"


def upgrade(connection: Connection, version: int) -> None:
    """Take the tables from ``version`` to the newest; 0: there are none."""
    config = Config()
    # ConfigParser reads % in a path as a reference.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    # Version 1 was made before alembic was: its file does not say which revision it is.
    if version and not inspect(connection).has_table(_ALEMBIC_TABLE):
        command.stamp(config, revision_of(version))
    command.upgrade(config, revision_of(SCHEMA_VERSION))
    # What every release reads first, the ones before alembic included.
    connection.execute(update(SCHEMA).values(version=SCHEMA_VERSION))


def revision_of(version: int) -> str:
    """Return alembic's name of a version."""
    return f"{version:04d}"
