"""The catalogue's file: opened, brought up to date, and written in transactions (architecture.md, 8).

Every change is one transaction, durable when it returns (WAL with synchronous=FULL). Other processes may read and
write at the same time. What is in the tables is the affair of those who are built on it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import create_engine, event, select
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool

from dockd.central.adapters.catalogue_tables import SCHEMA, SCHEMA_VERSION
from dockd.central.errors import CatalogueFault

_BUSY_TIMEOUT_S: Final = 10


class CatalogueFile:
    """One SQLite file of the newest version."""

    def __init__(self, file: Path) -> None:
        """Open ``file``; an older version is brought up to date, all of it or nothing.

        Raises:
            CatalogueFault: there is none, it cannot be read, or it is of a version that this release does not know.
        """
        self._file: Final = file
        self._engine: Final = _engine(file)
        with self.transaction(is_reading=True) as connection:
            version = self._version(connection)
        if version < SCHEMA_VERSION:
            with self.transaction() as connection:
                # Another process may have been faster: it is looked at again behind the lock.
                _migrate(connection, self._version(connection))

    @classmethod
    def create(cls, file: Path) -> "CatalogueFile":
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
                _migrate(connection, 0)
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

    @contextmanager
    def transaction(self, *, is_reading: bool = False) -> Iterator[Connection]:
        """Give a connection, whose changes are durable when the block ends well, and gone when it does not.

        Raises:
            CatalogueFault: nothing was written.
        """
        try:
            with self._engine.execution_options(is_reading=is_reading).begin() as connection:
                yield connection
        except DatabaseError as error:
            raise CatalogueFault(
                f"catalogue {self._file} cannot be used ({error.orig})",
                expected="a catalogue that provisioning made, which this user may write",
                next_step="check the path in the settings, the owner of the file, and the free space of its disk",
            ) from error

    def _version(self, connection: Connection) -> int:
        versions = connection.execute(select(SCHEMA.c.version)).scalars().all()
        if len(versions) == 1 and 1 <= versions[0] <= SCHEMA_VERSION:
            return int(versions[0])
        found = ", ".join(map(str, versions)) or "none"
        raise CatalogueFault(
            f"catalogue {self._file} has schema version {found}",
            expected=f"version {SCHEMA_VERSION}, or an older one",
            next_step="run the release of Sealcam that wrote it; nothing was changed",
        )


def _migrate(connection: Connection, version: int) -> None:
    """Bring the tables from ``version`` (0: none) to the newest, within the caller's transaction."""
    if version < SCHEMA_VERSION:
        # Only here: alembic takes as long to load as all the rest of a command that looks.
        from dockd.central.adapters.migrations.upgrading import upgrade

        upgrade(connection, version)


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
