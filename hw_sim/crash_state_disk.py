"""A witness's state folder in memory, for power cuts: it keeps what the disk was before each step, and fails when told.

What a cut may leave is `hw_sim.crash_disk`'s.
"""

from collections.abc import Iterator
from random import Random
from typing import Final

from dockd.central.errors import StateFault, StateUncertain
from dockd.central.witness_ports import StateDisk
from hw_sim.crash_disk import Cut, Disk, Image, Inode, Model, NameChange, Write

FOLDER: Final = "state"


class CrashStateDisk:
    """A `StateDisk` that can be asked what would be left of it.

    May break: what is not synced, at any step; a write, which then leaves half of its bytes; a sync of a file. May not
    break: what was synced, and what the running system sees.
    """

    def __init__(
        self, image: Image | None = None, *, full_at_write: int | None = None, fail_at_sync: int | None = None
    ) -> None:
        """Begin with a folder that holds ``image``, durably. Faults are numbers of writes and of syncs, from 0."""
        self.disk = Disk.holding({FOLDER: {}} if image is None else image)
        self.before: list[Disk] = []
        """What the disk was before each step."""
        self._full_at_write, self._fail_at_sync = full_at_write, fail_at_sync
        self._write_count = self._sync_count = 0

    def after_cut(self, step: int, model: Model, random: Random, *, torn_count: int = 4) -> Iterator[Image]:
        """Give what may be left after a power cut before ``step``; after the last one: now."""
        disk = self.before[step] if step < len(self.before) else self.disk
        return disk.after_cut(model, random, torn_count=torn_count)

    def names(self) -> tuple[str, ...]:
        """Return the names of all files, sorted."""
        return tuple(sorted(name for _, name in self.disk.live_names().entries))

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""
        number = self.disk.live_names().entries.get((FOLDER, name))
        return None if number is None else self.disk.inodes[number].live

    def write(self, name: str, data: bytes) -> None:
        """Make a file, or give one other bytes."""
        is_full = self._write_count == self._full_at_write
        self._write_count += 1
        number = self.disk.live_names().entries.get((FOLDER, name))
        if number is None:
            number = max(self.disk.inodes, default=-1) + 1
            self._step(self.disk.with_inode(number, Inode()).renamed(NameChange(FOLDER, name, number)))
        else:
            self._step(self.disk.with_inode(number, self.disk.inodes[number].changed(Cut(0))))
        written = data[: len(data) // 2] if is_full else data
        self._step(self.disk.with_inode(number, self.disk.inodes[number].changed(Write(0, written))))
        if is_full:
            raise StateFault(f"{name} cannot be written", expected="space left", next_step="make room")

    def sync(self, name: str) -> None:
        """Make a file's bytes durable."""
        number = self.disk.live_names().entries[FOLDER, name]
        if self._sync_count == self._fail_at_sync:
            self._sync_count += 1
            self._step(self.disk.with_inode(number, self.disk.inodes[number].failed()))
            raise StateUncertain(f"syncing {name} failed: input/output error")
        self._sync_count += 1
        self._step(self.disk.synced(number))

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name."""
        number = self.disk.live_names().entries[FOLDER, name]
        self._step(self.disk.renamed(NameChange(FOLDER, new_name, number, name)))

    def sync_folder(self) -> None:
        """Make all names durable."""
        self._step(self.disk.folder_synced(FOLDER))

    def _step(self, disk: Disk) -> None:
        self.before.append(self.disk)
        self.disk = disk


_: type[StateDisk] = CrashStateDisk
