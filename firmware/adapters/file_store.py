"""The card as a folder of a real file system (port `Store`): plain files, fdatasync, and the folder synced after every name.

Durability on ext4 and weaker: a file's bytes after fdatasync, its name after fsync of its folder (fsync(2)).
"""

import errno
import os
from pathlib import Path
from typing import Final

from firmware.errors import StoreFull, StoreUncertain
from firmware.ports import Store, StoredFile

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OPEN_FILES_MAX: Final = 8
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class FileStore:
    """Shift folders below one root; files 0600, folders 0700."""

    def __init__(self, root: Path) -> None:
        """Use ``root``, which must exist."""
        self._root = root
        self._open: dict[tuple[str, str], int] = {}

    def make_folder(self, folder: str) -> None:
        """Make a folder and sync its parent; an existing one is fine."""
        try:
            os.mkdir(self._root / folder, 0o700)
        except FileExistsError:
            return
        except OSError as error:
            raise self._fault(error, f"folder {folder} cannot be made") from error
        self._sync_folder(self._root)

    def folders(self) -> tuple[str, ...]:
        """Return the names of all folders, sorted."""
        return tuple(sorted(entry.name for entry in os.scandir(self._root) if entry.is_dir(follow_symlinks=False)))

    def files(self, folder: str) -> tuple[StoredFile, ...]:
        """Return the files of a folder, sorted by name."""
        entries = [entry for entry in os.scandir(self._root / folder) if entry.is_file(follow_symlinks=False)]
        return tuple(sorted((StoredFile(entry.name, entry.stat().st_size) for entry in entries), key=lambda file: file.name))

    def create(self, folder: str, name: str) -> None:
        """Make an empty file, durable in its folder."""
        try:
            descriptor = os.open(self._root / folder / name, _WRITE_FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise
        except OSError as error:
            raise self._fault(error, f"{folder}/{name} cannot be made") from error
        self._keep(folder, name, descriptor)
        self._sync_folder(self._root / folder)

    def append(self, folder: str, name: str, data: bytes | bytearray) -> None:
        """Add bytes at the end; not yet durable."""
        self._write_all(self._descriptor(folder, name), data, f"{folder}/{name}")

    def sync(self, folder: str, name: str) -> None:
        """Return when all bytes of the file would survive a power cut."""
        self._sync(self._descriptor(folder, name), f"{folder}/{name}")

    def write_once(self, folder: str, name: str, data: bytes) -> None:
        """Write a whole small file under another name, then give it its own: it is there whole or not at all."""
        final, partial = self._root / folder / name, self._root / folder / f"{name}.partial"
        if final.exists():
            raise FileExistsError(errno.EEXIST, "file exists", str(final))
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._fault(error, f"{folder}/{name} cannot be made") from error
        try:
            self._write_all(descriptor, data, f"{folder}/{name}")
            self._sync(descriptor, f"{folder}/{name}")
        finally:
            os.close(descriptor)
        os.rename(partial, final)
        self._sync_folder(self._root / folder)

    def read(self, folder: str, name: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` bytes; fewer at the end of the file only."""
        with (self._root / folder / name).open("rb") as file:
            file.seek(offset_bytes)
            return file.read(size_bytes)

    def truncate(self, folder: str, name: str, size_bytes: int) -> None:
        """Cut a file and return when that is durable."""
        descriptor = self._descriptor(folder, name)
        try:
            os.ftruncate(descriptor, size_bytes)
        except OSError as error:
            raise self._fault(error, f"{folder}/{name} cannot be cut") from error
        self._sync(descriptor, f"{folder}/{name}")

    def remove(self, folder: str, name: str) -> None:
        """Remove a file and return when that is durable; an absent one is fine."""
        self._forget(folder, name)
        try:
            os.unlink(self._root / folder / name)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._fault(error, f"{folder}/{name} cannot be removed") from error
        self._sync_folder(self._root / folder)

    def remove_folder(self, folder: str) -> None:
        """Remove an empty folder and return when that is durable; an absent one is fine."""
        try:
            os.rmdir(self._root / folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._fault(error, f"folder {folder} cannot be removed") from error
        self._sync_folder(self._root)

    def free_bytes(self) -> int:
        """Return the bytes that can still be written."""
        state = os.statvfs(self._root)
        return state.f_bavail * state.f_frsize

    def close(self) -> None:
        """Let all files go; safe to call twice."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _descriptor(self, folder: str, name: str) -> int:
        found = self._open.get((folder, name))
        if found is None:
            found = os.open(self._root / folder / name, _WRITE_FLAGS)
            self._keep(folder, name, found)
        return found

    def _keep(self, folder: str, name: str, descriptor: int) -> None:
        if len(self._open) >= _OPEN_FILES_MAX:
            oldest = next(iter(self._open))
            os.close(self._open.pop(oldest))
        self._open[folder, name] = descriptor

    def _forget(self, folder: str, name: str) -> None:
        descriptor = self._open.pop((folder, name), None)
        if descriptor is not None:
            os.close(descriptor)

    def _write_all(self, descriptor: int, data: bytes | bytearray, what: str) -> None:
        left = memoryview(data)
        while left:
            try:
                written = os.write(descriptor, left)
            except OSError as error:
                raise self._fault(error, f"{what} cannot be written") from error
            left = left[written:]

    def _sync(self, descriptor: int, what: str) -> None:
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            # A failed fsync may have dropped dirty pages; a second one can then succeed without them (fsync(2)).
            raise StoreUncertain(f"{what}: fdatasync failed: {error.strerror}; what is durable is not known") from error

    def _sync_folder(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise StoreUncertain(f"folder {path.name}: fsync failed: {error.strerror}") from error
        finally:
            os.close(descriptor)

    @staticmethod
    def _fault(error: OSError, what: str) -> StoreFull | StoreUncertain:
        if error.errno in _FULL:
            return StoreFull(f"{what}: {error.strerror}")
        return StoreUncertain(f"{what}: {error.strerror}")


_: type[Store] = FileStore
