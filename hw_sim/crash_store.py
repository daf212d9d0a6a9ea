"""The camera's card in memory, for power cuts: it keeps what the disk was before each step, and fails when told.

It takes the same steps as the store over a real file system: a small file is written under another name, synced, renamed
and its folder synced; every other name is followed by a sync of its folder. What a cut may leave is `hw_sim.crash_disk`'s.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from firmware.errors import StoreFull, StoreUncertain
from firmware.ports import Store, StoredFile
from hw_sim.crash_disk import Cut, Disk, Image, Inode, Model, NameChange, Write

CARD_SIZE_BYTES: Final = 1 << 30
_PARTIAL: Final = ".partial"


@dataclass(frozen=True, slots=True)
class Appended:
    """What the firmware handed over to be written at the end of a file, durable or not."""

    step: int
    folder: str
    name: str
    offset_bytes: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, by number from 0. Bytes are written by `append` and `write_once`, syncs are of files and folders."""

    full_at_write: int | None = None
    """This write has no room after half of its bytes, nor has any after it until something is removed or cut."""
    fail_at_sync: int | None = None
    """This sync fails, once."""


class CrashStore:
    """A `Store` that can be asked what would be left of it.

    May break: what is not synced, at any step; a write when the card is full; a sync, once. May not break: what was synced
    and its order, and what the running system sees of it.
    """

    def __init__(
        self, image: Image | None = None, *, size_bytes: int = CARD_SIZE_BYTES, faults: Faults | None = None
    ) -> None:
        """Begin with a card that holds ``image``, durably."""
        self.disk = Disk() if image is None else Disk.holding(image)
        self._size_bytes = size_bytes
        self._faults = Faults() if faults is None else faults
        self._write_count = self._sync_count = 0
        self._is_full = False
        self.steps: list[tuple[str, Disk]] = []
        """Every step that changed the disk or made it durable, with the disk before it."""
        self.appended: list[Appended] = []
        self.asked_by: dict[int, str] = {}
        """Who asked for a step, where somebody watches and says so."""
        self.fault_step: int | None = None
        """The first step that was made to go wrong."""

    @classmethod
    def of_killed(cls, disk: Disk) -> "CrashStore":
        """Return the card after the process was killed and the system ran on: nothing is lost, nothing more durable."""
        store = cls()
        store.disk = disk
        return store

    @property
    def step(self) -> int:
        """Return the number of the next step."""
        return len(self.steps)

    @property
    def write_count(self) -> int:
        """Return how many writes were asked for."""
        return self._write_count

    @property
    def sync_count(self) -> int:
        """Return how many syncs were asked for."""
        return self._sync_count

    def disk_before(self, step: int) -> Disk:
        """Return the disk as it was before a step; after the last one, as it is now."""
        return self.steps[step][1] if step < len(self.steps) else self.disk

    def after_cut(self, step: int, model: Model, random: Random, *, torn_count: int = 4) -> Iterator[Image]:
        """Give what may be left after a power cut before ``step``."""
        return self.disk_before(step).after_cut(model, random, torn_count=torn_count)

    def settle(self) -> None:
        """Sync everything; what a failed sync left behind is not there any more."""
        names = self.disk.live_names()
        for folder in sorted(names.folders):
            for number in sorted(number for (inside, _), number in names.entries.items() if inside == folder):
                if self.disk.inodes[number].pending:
                    self._sync_inode(number, f"fdatasync {folder}, settling")
                    self.disk = self.disk.with_inode(number, self.disk.inodes[number].reread())
            if any(change.folder == folder for held in self.disk.names.values() for change in held.pending):
                self._sync_folder(folder)
        if any(held.pending for held in self.disk.names.values()):
            self._sync_folder(None)

    def make_folder(self, folder: str) -> None:
        """Make a folder and sync its parent."""
        if folder not in self.disk.live_names().folders:
            self._change(f"mkdir {folder}", self.disk.renamed(NameChange(None, folder, 0)))
        self._sync_folder(None)

    def folders(self) -> tuple[str, ...]:
        """Return the names of all folders, sorted."""
        return tuple(sorted(self.disk.live_names().folders))

    def files(self, folder: str) -> tuple[StoredFile, ...]:
        """Return the files of a folder, sorted by name."""
        live = self.disk.live()
        if folder not in live:
            raise FileNotFoundError(errno.ENOENT, "no such folder", folder)
        return tuple(StoredFile(name, len(data)) for name, data in sorted(live[folder].items()))

    def create(self, folder: str, name: str) -> None:
        """Make an empty file and sync its folder."""
        self._expect_absent(folder, name)
        self._link(folder, name)
        self._sync_folder(folder)

    def append(self, folder: str, name: str, data: bytes | bytearray) -> None:
        """Add bytes at the end; not yet durable."""
        number = self._number(folder, name)
        self.appended.append(Appended(self.step, folder, name, len(self.disk.inodes[number].live), bytes(data)))
        self._write(number, bytes(data), f"append {folder}/{name}")

    def sync(self, folder: str, name: str) -> None:
        """Sync a file."""
        self._sync_inode(self._number(folder, name), f"fdatasync {folder}/{name}")

    def write_once(self, folder: str, name: str, data: bytes) -> None:
        """Write under another name, sync, rename, sync the folder."""
        self._expect_absent(folder, name)
        partial = name + _PARTIAL
        if (folder, partial) in self.disk.live_names().entries:
            number = self._number(folder, partial)
            inode = self.disk.inodes[number]
            self._change(f"truncate {folder}/{partial}", self.disk.with_inode(number, inode.changed(Cut(0))))
        else:
            number = self._link(folder, partial)
        try:
            self._write(number, data, f"write {folder}/{partial}")
        except StoreFull:
            self._change(f"unlink {folder}/{partial}", self.disk.renamed(NameChange(folder, partial, None)))
            raise
        self._sync_inode(number, f"fdatasync {folder}/{partial}")
        self._change(f"rename {folder}/{name}", self.disk.renamed(NameChange(folder, name, number, partial)))
        self._sync_folder(folder)

    def read(self, folder: str, name: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` bytes."""
        return self.disk.inodes[self._number(folder, name)].live[offset_bytes : offset_bytes + size_bytes]

    def truncate(self, folder: str, name: str, size_bytes: int) -> None:
        """Cut a file and sync it."""
        number = self._number(folder, name)
        inode = self.disk.inodes[number]
        if len(inode.live) < size_bytes:
            raise ValueError(f"{folder}/{name} has {len(inode.live)} bytes and cannot be cut to {size_bytes}")
        self._change(f"truncate {folder}/{name}", self.disk.with_inode(number, inode.changed(Cut(size_bytes))))
        self._is_full = False
        self._sync_inode(number, f"fdatasync {folder}/{name}")

    def remove(self, folder: str, name: str) -> None:
        """Remove a file and sync its folder."""
        names = self.disk.live_names()
        if (folder, name) in names.entries:
            self._change(f"unlink {folder}/{name}", self.disk.renamed(NameChange(folder, name, None)))
            self._is_full = False
        if folder in names.folders:
            self._sync_folder(folder)

    def remove_folder(self, folder: str) -> None:
        """Remove an empty folder and sync its parent."""
        names = self.disk.live_names()
        if any(inside == folder for inside, _ in names.entries):
            raise StoreUncertain(f"folder {folder} cannot be removed: it is not empty")
        if folder in names.folders:
            self._change(f"rmdir {folder}", self.disk.renamed(NameChange(None, folder, None)))
        self._sync_folder(None)

    def free_bytes(self) -> int:
        """Return the bytes that can still be written."""
        used = sum(len(data) for files in self.disk.live().values() for data in files.values())
        return 0 if self._is_full else max(0, self._size_bytes - used)

    def _number(self, folder: str, name: str) -> int:
        names = self.disk.live_names()
        if folder not in names.folders or (folder, name) not in names.entries:
            raise FileNotFoundError(errno.ENOENT, "no such file", f"{folder}/{name}")
        return names.entries[folder, name]

    def _expect_absent(self, folder: str, name: str) -> None:
        names = self.disk.live_names()
        if folder not in names.folders:
            raise FileNotFoundError(errno.ENOENT, "no such folder", folder)
        if (folder, name) in names.entries:
            raise FileExistsError(errno.EEXIST, "file exists", f"{folder}/{name}")

    def _change(self, step: str, disk: Disk) -> None:
        self.steps.append((step, self.disk))
        self.disk = disk

    def _link(self, folder: str, name: str) -> int:
        number = max(self.disk.inodes, default=-1) + 1
        disk = self.disk.with_inode(number, Inode()).renamed(NameChange(folder, name, number))
        self._change(f"create {folder}/{name}", disk)
        return number

    def _write(self, number: int, data: bytes, what: str) -> None:
        inode = self.disk.inodes[number]
        is_told = self._write_count == self._faults.full_at_write
        self._is_full = self._is_full or is_told or len(data) > self.free_bytes()
        self._write_count += 1
        if self._is_full:
            data = data[: len(data) // 2] if is_told else data[:0]
            self.fault_step = self.step if self.fault_step is None else self.fault_step
        self._change(what, self.disk.with_inode(number, inode.changed(Write(len(inode.live), data))))
        if self._is_full:
            raise StoreFull(f"{what}: no space left on the card")

    def _sync_inode(self, number: int, what: str) -> None:
        if self._is_failing():
            self._change(what, self.disk.with_inode(number, self.disk.inodes[number].failed()))
            raise StoreUncertain(f"{what} failed: input/output error")
        self._change(what, self.disk.synced(number))

    def _sync_folder(self, folder: str | None) -> None:
        what = f"fsync {'the root' if folder is None else folder}"
        if self._is_failing():
            raise StoreUncertain(f"{what} failed: input/output error")
        self._change(what, self.disk.folder_synced(folder))

    def _is_failing(self) -> bool:
        is_failing = self._sync_count == self._faults.fail_at_sync
        self._sync_count += 1
        if is_failing:
            self.fault_step = self.step
        return is_failing


_: type[Store] = CrashStore
