"""The ledger's public files in a local folder, which any web server may serve as it is.

Not through the object store: that syncs every folder up to its own for each small object, and a batch of leaves is
dozens of them. Here the bytes of all files are synced, then all get their names, then each folder is synced once.
"""

import fcntl
import itertools
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Final

from dockd.central.errors import StoreFault, StoreFull, StoreUncertain
from dockd.central.ledger_ports import TileStore

_NEW_FOLDER: Final = "new"
_LOCK_NAME: Final = "lock"


class TileFolder:
    """Files below one folder. One process writes at a time, any number read."""

    def __init__(self, folder: Path, *, can_write: bool) -> None:
        """Open ``folder``, which must be there; who can write holds it until `close`, or until its process ends.

        Raises:
            StoreFault: it is no folder, cannot be used, or another process writes to it.
        """
        self._folder: Final = folder.resolve()
        self._numbers: Final = itertools.count()
        self._linked: Final[set[Path]] = set()
        self._lock: int | None = None
        wanted = os.R_OK | os.X_OK | (os.W_OK if can_write else 0)
        if not self._folder.is_dir() or not os.access(self._folder, wanted):
            raise StoreFault(
                f"{folder} is not a folder that this user may {'write to' if can_write else 'read'}",
                expected="the folder of the ledger",
                next_step="check the path in the settings, and that its disk is mounted",
            )
        if can_write:
            self._lock = self._locked(folder)
            # What a crash left behind without a name.
            shutil.rmtree(self._folder / _NEW_FOLDER, ignore_errors=True)

    def close(self) -> None:
        """Let another process write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write and fsync all bytes under names of their own, rename all, fsync each folder."""
        assert self._lock is not None, "opened for reading"
        new = self._folder / _NEW_FOLDER
        made = {name: new / str(next(self._numbers)) for name in files}
        try:
            with self._faults(next(iter(files), "nothing")):
                new.mkdir(exist_ok=True)
                for name, path in made.items():
                    _write(path, files[name])
                for name in files:
                    (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
        except StoreFault:
            # No name has changed yet.
            shutil.rmtree(new, ignore_errors=True)
            raise
        folders = set()
        try:
            for name, path in made.items():
                path.replace(self._folder / name)
                folders.add((self._folder / name).parent)
        except OSError as error:
            raise StoreUncertain(
                f"a file of {self._folder} did not get its name ({error.strerror}), others of its batch did: this process must restart"
            ) from error
        for folder in sorted(self._to_sync(folders)):
            _sync_folder(folder)
        self._linked.update(folders)

    def read(self, name: str) -> bytes | None:
        """Read the whole file."""
        with self._faults(name):
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                return None

    def has_any(self, folder: str) -> bool:
        """Look until there is one."""
        with self._faults(folder):
            return any(files for _, _, files in os.walk(self._folder / folder))

    def drop(self, folders: tuple[str, ...]) -> None:
        """Remove trees."""
        for folder in folders:
            shutil.rmtree(self._folder / folder, ignore_errors=True)

    def _to_sync(self, folders: set[Path]) -> set[Path]:
        """Return the folders that got a name, and above those that this process sees for the first time all others."""
        found = set(folders)
        for folder in folders - self._linked:
            while folder != self._folder:
                folder = folder.parent
                found.add(folder)
        return found

    def _locked(self, folder: Path) -> int:
        with self._faults(_LOCK_NAME):
            descriptor = os.open(self._folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise StoreFault(
                f"another process writes to the ledger in {folder}",
                expected="one process that keeps a ledger",
                next_step="stop the other one first",
            ) from error
        return descriptor

    @contextmanager
    def _faults(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (ENOSPC, EDQUOT):
                raise StoreFull(
                    f"no room for {name} in {self._folder}",
                    expected="free space on the ledger's disk",
                    next_step="add space; receipts wait until then, and cameras keep their footage",
                ) from error
            raise StoreFault(
                f"{name} in {self._folder} cannot be used ({error.strerror})",
                expected="a folder that this user may read, and the ledger's process write",
                next_step="check the disk, and the owner and mode of the folder",
            ) from error


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        _sync(descriptor, path)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(descriptor, path)
    finally:
        os.close(descriptor)


def _sync(descriptor: int, path: Path) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise StoreUncertain(
            f"fsync of {path} failed ({error.strerror}): what is durable is not known; this process must restart"
        ) from error


_: type[TileStore] = TileFolder
