"""The card as a folder of a real file system (port `Store`): plain files, fdatasync, and the folder synced after every name.

Durability on ext4 and weaker: a file's bytes after fdatasync, its name after fsync of its folder (fsync(2)).
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from firmware.errors import StoreFull, StoreUncertain
from firmware.ports import Store, StoredFile

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OPEN_FILES_MAX: Final = 8
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_SYNC_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class FileStore:
    """Shift folders below one root; files 0600, folders 0700."""

    def __init__(self, root: Path) -> None:
        """Use ``root``, which must exist."""
        self._root = root
        self._open: dict[tuple[str, str], int] = {}

    def settle(self) -> None:
        """Sync every file and folder that is there, and let the system forget what it holds of the files.

        After a sync that failed the system may show bytes that are not on the card: what is read from here on is.
        """
        for folder in self.folders():
            for file in self.files(folder):
                self._sync_path(self._root / folder / file.name, _SYNC_FLAGS)
            self._sync_folder(self._root / folder)
        self._sync_folder(self._root)

    def make_folder(self, folder: str) -> None:
        """Make a folder and sync its parent; an existing one is fine."""
        with _faults(f"folder {folder} cannot be made"), suppress(FileExistsError):
            os.mkdir(self._root / folder, 0o700)
        self._sync_folder(self._root)

    def folders(self) -> tuple[str, ...]:
        """Return the names of all folders, sorted."""
        with _faults("the card cannot be read"), os.scandir(self._root) as entries:
            return tuple(sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False)))

    def files(self, folder: str) -> tuple[StoredFile, ...]:
        """Return the files of a folder, sorted by name."""
        with _faults(f"folder {folder} cannot be read"), os.scandir(self._root / folder) as entries:
            found = []
            for entry in entries:
                # Another thread may be erasing: what is gone by now was not there.
                with suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False):
                        found.append(StoredFile(entry.name, entry.stat().st_size))
        return tuple(sorted(found, key=lambda file: file.name))

    def create(self, folder: str, name: str) -> None:
        """Make an empty file, durable in its folder."""
        with _faults(f"{folder}/{name} cannot be made"):
            descriptor = os.open(self._root / folder / name, _WRITE_FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        self._keep(folder, name, descriptor)
        self._sync_folder(self._root / folder)

    def append(self, folder: str, name: str, data: bytes | bytearray) -> None:
        """Add bytes at the end; not yet durable."""
        with _faults(f"{folder}/{name} cannot be written"):
            _write_all(self._descriptor(folder, name), data)

    def sync(self, folder: str, name: str) -> None:
        """Return when all bytes of the file would survive a power cut."""
        with _faults(f"{folder}/{name} cannot be synced"):
            descriptor = self._descriptor(folder, name)
        _sync(os.fdatasync, descriptor, f"{folder}/{name}")

    def write_once(self, folder: str, name: str, data: bytes) -> None:
        """Write a whole small file under another name, then give it its own: it is there whole or not at all."""
        final, partial = self._root / folder / name, self._root / folder / f"{name}.partial"
        if final.exists():
            raise FileExistsError(errno.EEXIST, "file exists", str(final))
        try:
            self._write_partial(partial, data)
        except StoreFull:
            with suppress(OSError):
                partial.unlink()
            raise
        with _faults(f"{folder}/{name} cannot be made"):
            os.rename(partial, final)
        self._sync_folder(self._root / folder)

    def read(self, folder: str, name: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` bytes; fewer at the end of the file only."""
        with _faults(f"{folder}/{name} cannot be read"), (self._root / folder / name).open("rb") as file:
            file.seek(offset_bytes)
            return file.read(size_bytes)

    def truncate(self, folder: str, name: str, size_bytes: int) -> None:
        """Cut a file and return when that is durable."""
        with _faults(f"{folder}/{name} cannot be cut"):
            descriptor = self._descriptor(folder, name)
            found_bytes = os.fstat(descriptor).st_size
            if found_bytes < size_bytes:
                raise ValueError(f"{folder}/{name} has {found_bytes} bytes and cannot be cut to {size_bytes}")
            os.ftruncate(descriptor, size_bytes)
        _sync(os.fdatasync, descriptor, f"{folder}/{name}")

    def remove(self, folder: str, name: str) -> None:
        """Remove a file and return when that is durable; an absent one is fine."""
        self._forget(folder, name)
        with _faults(f"{folder}/{name} cannot be removed"), suppress(FileNotFoundError):
            os.unlink(self._root / folder / name)
        with suppress(FileNotFoundError):
            self._sync_folder(self._root / folder)

    def remove_folder(self, folder: str) -> None:
        """Remove an empty folder and return when that is durable; an absent one is fine."""
        with _faults(f"folder {folder} cannot be removed"), suppress(FileNotFoundError):
            os.rmdir(self._root / folder)
        self._sync_folder(self._root)

    def free_bytes(self) -> int:
        """Return the bytes that can still be written."""
        with _faults("the card cannot be asked for its room"):
            state = os.statvfs(self._root)
        return state.f_bavail * state.f_frsize

    def close(self) -> None:
        """Let all files go; safe to call twice."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _write_partial(self, path: Path, data: bytes) -> None:
        with _faults(f"{path.parent.name}/{path.name} cannot be written"):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
            try:
                _write_all(descriptor, data)
                _sync(os.fdatasync, descriptor, path.name)
            finally:
                os.close(descriptor)

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

    def _sync_folder(self, path: Path) -> None:
        self._sync_path(path, _SYNC_FLAGS | os.O_DIRECTORY)

    @staticmethod
    def _sync_path(path: Path, flags: int) -> None:
        with _faults(f"{path.name} cannot be synced"):
            descriptor = os.open(path, flags)
        try:
            _sync(os.fsync, descriptor, path.name)
            if not flags & os.O_DIRECTORY:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes | bytearray) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync(call: Callable[[int], None], descriptor: int, what: str) -> None:
    """Sync; whatever is reported, even a full card, leaves open what is durable.

    A failed fsync may have dropped dirty pages, and a second one can then succeed without them (fsync(2)): so no retry.
    """
    try:
        call(descriptor)
    except OSError as error:
        raise StoreUncertain(f"{what} cannot be synced: {error.strerror}; what is durable is not known") from error


@contextmanager
def _faults(what: str) -> Iterator[None]:
    """Turn what the system reports into the port's faults; absence and presence of a file are the caller's to know."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        fault = StoreFull if error.errno in _FULL else StoreUncertain
        raise fault(f"{what}: {error.strerror}") from error


_: type[Store] = FileStore
