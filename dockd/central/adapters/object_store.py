"""Central's objects in a local folder, through obstore (architecture.md, 8).

obstore promises no durability: traced, it neither fsyncs a file nor a folder. So every change here ends with fsync of
the file and of each folder up to the store's own. A small object is written under a name of its own first, and only
durable bytes get the final name: a crash leaves no torn object.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore

from dockd.central.errors import ObjectExists, ObjectMissing, StoreFault, StoreFull, StoreUncertain
from dockd.central.ports import ObjectStore, StoredObject

STAGING_FOLDER: Final = "staging"
_NEW_FOLDER: Final = "new"
_PIECE_SIZE_BYTES: Final = 4 * 1024 * 1024
_NO_SPACE: Final = ("os error 28", "os error 122")  # ENOSPC, EDQUOT


class FolderObjectStore:
    """Objects as files below one folder, ``staging`` among them, so that adopting a staged file is a rename."""

    def __init__(self, folder: Path) -> None:
        """Open the store in ``folder``, which must be there.

        Raises:
            StoreFault: it is not a folder, or cannot be written.
        """
        self._folder: Final = folder.resolve()
        if not self._folder.is_dir() or not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise StoreFault(
                f"{folder} is not a folder that this user may write to",
                expected="the folder of central's objects",
                next_step="check the path in the settings, and that its disk is mounted",
            )
        self._store = LocalStore(self._folder)
        self._numbers = itertools.count()

    def name_of(self, staged: Path) -> str:
        """Return the path below the store's folder."""
        return str(staged.resolve().relative_to(self._folder))

    def move(self, name: str, new_name: str) -> None:
        """Fsync the file, rename it, fsync the folders of both names."""
        with self._faults(name):
            _sync_file(self._folder / name)
        with self._faults(new_name):
            obstore.rename(self._store, name, new_name, overwrite=False)
        self._sync_folders(new_name)
        self._sync_folders(name)

    def put(self, name: str, data: bytes, *, can_replace: bool = False) -> None:
        """Write and fsync the bytes under a name of their own, rename, fsync the folders."""
        new = f"{_NEW_FOLDER}/{os.getpid()}-{next(self._numbers)}"
        try:
            with self._faults(name):
                obstore.put(self._store, new, data, use_multipart=False)
                _sync_file(self._folder / new)
                obstore.rename(self._store, new, name, overwrite=can_replace)
        except (StoreFault, ObjectExists):
            with suppress(OSError):
                (self._folder / new).unlink(missing_ok=True)
            raise
        self._sync_folders(name)

    def remove(self, name: str) -> None:
        """Unlink, and fsync the folder."""
        try:
            with self._faults(name):
                obstore.delete(self._store, name)
        except ObjectMissing:
            return
        _sync_folder((self._folder / name).parent)

    def settle(self, name: str) -> None:
        """Fsync the file and its folders."""
        if self.size_bytes(name) is None:
            raise self._missing(name)
        _sync_file(self._folder / name)
        self._sync_folders(name)

    def size_bytes(self, name: str) -> int | None:
        """Ask for the object's head."""
        try:
            with self._faults(name):
                return int(obstore.head(self._store, name)["size"])
        except ObjectMissing:
            return None

    def read(self, name: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Read one range."""
        if size_bytes == 0:
            return b""
        with self._faults(name):
            data = bytes(obstore.get_range(self._store, name, start=offset_bytes, length=size_bytes))
        if len(data) != size_bytes:
            raise self._missing(name)
        return data

    def pieces(self, name: str) -> Iterator[memoryview]:
        """Read in ranges, which is three to five times as fast here as the library's own stream."""
        size_bytes = self.size_bytes(name)
        if size_bytes is None:
            raise self._missing(name)
        for start in range(0, size_bytes, _PIECE_SIZE_BYTES):
            with self._faults(name):
                end = min(start + _PIECE_SIZE_BYTES, size_bytes)
                piece = memoryview(obstore.get_range(self._store, name, start=start, end=end))
            if len(piece) != end - start:
                raise self._missing(name)
            yield piece

    def names(self, prefix: str) -> tuple[StoredObject, ...]:
        """List recursively."""
        with self._faults(prefix):
            found = [
                StoredObject(str(item["path"]), int(item["size"]))
                for batch in obstore.list(self._store, prefix)
                for item in batch
            ]
        return tuple(sorted(found, key=lambda item: item.name))

    def _sync_folders(self, name: str) -> None:
        # obstore makes folders as it goes, and a new folder's own entry is durable only with its parent's fsync.
        folder = (self._folder / name).parent
        while True:
            _sync_folder(folder)
            if folder == self._folder:
                return
            folder = folder.parent

    def _missing(self, name: str) -> ObjectMissing:
        return ObjectMissing(
            f"object {name} is not there, or shorter than it was",
            expected=f"it in {self._folder}",
            next_step="restore it from a backup, or let the dock or camera that still has it send it again",
        )

    @contextmanager
    def _faults(self, name: str) -> Iterator[None]:
        """Turn the library's exceptions into ours."""
        try:
            yield
        except AlreadyExistsError:
            raise ObjectExists(f"object {name} is there already") from None
        except FileNotFoundError:
            raise self._missing(name) from None
        except (BaseError, OSError) as error:
            first_line = str(error).split("\n", 1)[0]
            if any(mark in str(error) for mark in _NO_SPACE):
                raise StoreFull(
                    f"no room for {name} in {self._folder}",
                    expected="free space on central's disk",
                    next_step="add space; docks and cameras keep their footage until then",
                ) from error
            raise StoreFault(
                f"{name} in {self._folder} cannot be used ({first_line})",
                expected="a folder that this user may read and write",
                next_step="check the disk, and the owner and mode of the folder",
            ) from error


def _sync_file(path: Path) -> None:
    _sync(path, os.O_RDONLY)


def _sync_folder(path: Path) -> None:
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise StoreUncertain(
            f"fsync of {path} failed ({error.strerror}): what is durable is not known; this process must restart"
        ) from error
    finally:
        os.close(descriptor)


_: type[ObjectStore] = FolderObjectStore
