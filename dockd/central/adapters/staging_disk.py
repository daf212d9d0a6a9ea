"""The staging folder on a real disk: plain files, pwrite and fdatasync (spec/07-offload.md, 7.6).

It decides nothing. It keeps descriptors open from the first write to `release`, since an error of an earlier write is
reported to a descriptor that was open then.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dockd.central.errors import StagingFault, StagingFull, StagingUncertain
from dockd.central.ports import StagingDisk

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_NEW_SUFFIX: Final = ".new"
_LOCK_NAME: Final = "lock"


class PosixStagingDisk:
    """One folder on a local file system, used by one process at a time."""

    def __init__(self, root: Path) -> None:
        """Make the folder where it is missing, and lock it.

        Raises:
            StagingFault: it cannot be made or written, or another process uses it.
        """
        self._root = root
        self._descriptors: dict[tuple[str, str], int] = {}
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(root / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StagingFault(
                f"another process uses the staging folder {root}",
                expected="one ingest worker to a folder",
                next_step="stop the other worker, or give this one its own folder in the settings",
            ) from None
        except OSError as error:
            raise StagingFault(
                f"the staging folder {root} cannot be used ({error.strerror})",
                expected="a folder that this user may write to",
                next_step="check the path in the settings and the owner of the folder",
            ) from error
        self._sync_folder(root.parent)

    def close(self) -> None:
        """Let go of everything; safe to call twice."""
        for folder, _ in tuple(self._descriptors):
            self.release(folder)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def folders(self) -> tuple[str, ...]:
        """Return the names of all folders, sorted."""
        return tuple(sorted(entry.name for entry in os.scandir(self._root) if entry.is_dir(follow_symlinks=False)))

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the names of the files of a folder, sorted; none where there is no such folder."""
        try:
            names = [entry.name for entry in os.scandir(self._root / folder)]
        except FileNotFoundError:
            return ()
        return tuple(sorted(name for name in names if not name.endswith(_NEW_SUFFIX)))

    def make_folder(self, folder: str) -> None:
        """Make a folder; an existing one is fine."""
        with self._faults(f"making {folder}"):
            (self._root / folder).mkdir(mode=0o700, exist_ok=True)
            self._sync_folder(self._root)

    def write_once(self, folder: str, name: str, data: bytes) -> None:
        """Make a file with this content, or replace it; after a crash it is the old or the new, never a part."""
        new = self.path(folder, name + _NEW_SUFFIX)
        with self._faults(f"writing {folder}/{name}"):
            with new.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            new.rename(self.path(folder, name))
            self._sync_folder(self._root / folder)

    def create(self, folder: str, name: str, size_bytes: int) -> None:
        """Make a file of this size, with the room for all of it reserved."""
        with self._faults(f"making {folder}/{name}"):
            descriptor = self._descriptor(folder, name, flags=os.O_CREAT)
            os.ftruncate(descriptor, 0)
            if size_bytes:
                # A disk that is full says so here, before the dock sends gigabytes.
                os.posix_fallocate(descriptor, 0, size_bytes)
            os.fsync(descriptor)
            self._sync_folder(self._root / folder)

    def write(self, folder: str, name: str, offset_bytes: int, data: bytes | memoryview) -> None:
        """Write all of ``data``; not durable before `sync`."""
        view = memoryview(data)
        with self._faults(f"writing {folder}/{name}"):
            descriptor = self._descriptor(folder, name)
            while len(view):
                count = os.pwrite(descriptor, view, offset_bytes)
                view, offset_bytes = view[count:], offset_bytes + count

    def sync(self, folder: str, name: str) -> None:
        """Return when what was written to the file would survive a power cut."""
        try:
            os.fdatasync(self._descriptor(folder, name))
        except OSError as error:
            # Whatever it says, a full disk too: the kernel may now take pages for clean that never reached the disk.
            raise StagingUncertain(f"syncing {folder}/{name} in {self._root} failed: {error.strerror}") from error

    def read(self, folder: str, name: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` bytes; fewer at the end of the file only."""
        with self._faults(f"reading {folder}/{name}"):
            return os.pread(self._descriptor(folder, name), size_bytes, offset_bytes)

    def size_bytes(self, folder: str, name: str) -> int | None:
        """Return the size of a file; None when there is none."""
        try:
            return self.path(folder, name).stat().st_size
        except FileNotFoundError:
            return None

    def rename_folder(self, folder: str, new_folder: str) -> None:
        """Give a folder another name, which is free."""
        self.release(folder)
        with self._faults(f"renaming {folder}"):
            (self._root / folder).rename(self._root / new_folder)
            self._sync_folder(self._root)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with its files; none is fine."""
        self.release(folder)
        with self._faults(f"removing {folder}"):
            if (self._root / folder).exists():
                shutil.rmtree(self._root / folder)
                self._sync_folder(self._root)

    def release(self, folder: str) -> None:
        """Let go of what is held open in a folder, so that somebody else may move its files."""
        for key in [key for key in self._descriptors if key[0] == folder]:
            os.close(self._descriptors.pop(key))

    def path(self, folder: str, name: str) -> Path:
        """Return where a file is, for those who take it over."""
        return self._root / folder / name

    def free_bytes(self) -> int:
        """Return how much room is left."""
        status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize

    def _descriptor(self, folder: str, name: str, *, flags: int = 0) -> int:
        key = (folder, name)
        if key not in self._descriptors:
            self._descriptors[key] = os.open(self.path(folder, name), os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
        return self._descriptors[key]

    def _sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _faults(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise StagingFull(
                    f"central's staging disk is full ({doing} in {self._root})",
                    expected="room for the files that are arriving",
                    next_step="free space on that disk, or give central a larger one; the docks hold everything meanwhile",
                ) from error
            raise StagingUncertain(f"{doing} in {self._root} failed: {error.strerror}") from error


_: type[StagingDisk] = PosixStagingDisk
