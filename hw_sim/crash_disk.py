"""A disk that remembers what is durable and what is not yet, and tells what it may hold after a power cut.

Values only: every operation returns a new disk. `hw_sim.crash_store` puts the firmware's `Store` over it.

What may be left of what was not synced. Data: nothing, all, or torn at sectors, each of them new, zero or garbage, the size
independent of it; what was synced stands. Names, by model: A (ordered, as ext4): the oldest operations up to some point, and
any sync of anything makes all earlier ones durable. B (the weakest that POSIX allows): each operation for itself, until its
own folder is synced.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from itertools import combinations
from random import Random
from typing import Final

SECTOR_SIZE_BYTES: Final = 512
_ALL_SUBSETS_MAX: Final = 4
_SAMPLED_SUBSETS: Final = 16

Image = Mapping[str, Mapping[str, bytes]]
"""What a disk holds: folders, the files in them, and their bytes."""


class Model(StrEnum):
    """How names become durable."""

    ORDERED = "A"
    WEAKEST = "B"


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at a place of a file. In limbo: a sync of it failed, and no later one will write it."""

    offset_bytes: int
    data: bytes
    is_in_limbo: bool = False

    def within(self, size_bytes: int) -> "Write":
        """Return what of it is left where the file ends at ``size_bytes``."""
        return replace(self, data=self.data[: max(0, size_bytes - self.offset_bytes)])


@dataclass(frozen=True, slots=True)
class Cut:
    """The end of a file, moved forward."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Inode:
    """A file without a name: the bytes that are durable, and what happened to them since."""

    durable: bytes = b""
    pending: tuple[Write | Cut, ...] = ()
    live: bytes = b""

    def changed(self, change: Write | Cut) -> "Inode":
        """Return the file after a change that is not durable."""
        return replace(self, pending=(*self.pending, change), live=_apply(self.live, change))

    def synced(self) -> "Inode":
        """Return the file after a sync that succeeded."""
        durable = self.durable
        left: list[Write] = []
        for change in self.pending:
            if isinstance(change, Write) and change.is_in_limbo:
                left.append(change)
                continue
            durable = _apply(durable, change)
            if isinstance(change, Cut):
                # The system has dropped what it showed behind the cut: once the end is durable, it does not come back.
                left = [kept for item in left if (kept := item.within(change.size_bytes)).data]
        return replace(self, durable=durable, pending=tuple(left))

    def failed(self) -> "Inode":
        """Return the file after a sync that failed: its pages count as written."""
        pending = (replace(item, is_in_limbo=True) if isinstance(item, Write) else item for item in self.pending)
        return replace(self, pending=tuple(pending))

    def reread(self) -> "Inode":
        """Return the file as it is once the system has dropped its pages: what is in limbo is not there."""
        return Inode(self.durable, (), self.durable) if self.pending else self

    def after_cut(self, random: Random, torn_count: int) -> Iterator[bytes]:
        """Give contents that may be left, the two plain ones first."""
        yield self.durable
        if not self.pending:
            return
        yield self.live
        for _ in range(torn_count):
            left = self.durable
            for change in self.pending:
                left = _torn(left, change, random)
            yield left


@dataclass(frozen=True, slots=True)
class NameChange:
    """One change of names. ``folder`` None: of the root, with ``name`` the folder's; inode None: removed."""

    folder: str | None
    name: str
    inode: int | None
    old_name: str | None = None
    """Set for a rename, which is one change."""


@dataclass(frozen=True, slots=True)
class Names:
    """Folders and names that are durable, and the changes since, oldest first."""

    folders: frozenset[str] = frozenset()
    entries: Mapping[tuple[str, str], int] = field(default_factory=dict)
    pending: tuple[NameChange, ...] = ()

    def with_changes(self, changes: tuple[NameChange, ...]) -> "Names":
        """Return the durable names with some changes on top, and none pending."""
        folders, entries = set(self.folders), dict(self.entries)
        for change in changes:
            if change.folder is None:
                (folders.discard if change.inode is None else folders.add)(change.name)
                continue
            if change.old_name is not None:
                entries.pop((change.folder, change.old_name), None)
            if change.inode is None:
                entries.pop((change.folder, change.name), None)
            else:
                entries[change.folder, change.name] = change.inode
        return Names(frozenset(folders), entries)

    def live(self) -> "Names":
        """Return the names as the running system sees them."""
        return self.with_changes(self.pending)

    def committed(self, folder: str | None, *, is_everything: bool) -> "Names":
        """Return the names after a sync of ``folder``, None being the root."""
        done = tuple(change for change in self.pending if is_everything or change.folder == folder)
        return replace(self.with_changes(done), pending=tuple(item for item in self.pending if item not in done))

    def after_cut(self, model: Model, random: Random) -> Iterator["Names"]:
        """Give names that may be left."""
        pending = self.pending
        if model is Model.ORDERED:
            for count in range(len(pending) + 1):
                yield self.with_changes(pending[:count])
        elif len(pending) <= _ALL_SUBSETS_MAX:
            for count in range(len(pending) + 1):
                for subset in combinations(pending, count):
                    yield self.with_changes(subset)
        else:
            for _ in range(_SAMPLED_SUBSETS):
                yield self.with_changes(tuple(change for change in pending if random.random() < 0.5))


@dataclass(frozen=True, slots=True)
class Disk:
    """Files and names; names once for each model, since they differ in what a sync makes durable."""

    inodes: Mapping[int, Inode] = field(default_factory=dict)
    names: Mapping[Model, Names] = field(default_factory=lambda: {model: Names() for model in Model})

    @classmethod
    def holding(cls, image: Image) -> "Disk":
        """Return a disk that holds ``image``, all of it durable."""
        inodes: dict[int, Inode] = {}
        entries: dict[tuple[str, str], int] = {}
        for folder, files in image.items():
            for name, data in files.items():
                entries[folder, name] = len(inodes)
                inodes[len(inodes)] = Inode(data, (), data)
        return cls(inodes, {model: Names(frozenset(image), entries) for model in Model})

    def live_names(self) -> Names:
        """Return the names as the running system sees them: the same in both models."""
        return self.names[Model.ORDERED].live()

    def live(self) -> Image:
        """Return everything as the running system sees it."""
        return self._image(self.live_names(), {number: inode.live for number, inode in self.inodes.items()})

    def renamed(self, change: NameChange) -> "Disk":
        """Return the disk after a change of names that is not durable."""
        names = {model: replace(names, pending=(*names.pending, change)) for model, names in self.names.items()}
        return replace(self, names=names)

    def with_inode(self, number: int, inode: Inode) -> "Disk":
        """Return the disk with one file changed."""
        return replace(self, inodes={**self.inodes, number: inode})

    def synced(self, number: int) -> "Disk":
        """Return the disk after the sync of a file; by model A it takes all names with it."""
        names = {**self.names, Model.ORDERED: self.names[Model.ORDERED].committed(None, is_everything=True)}
        return replace(self.with_inode(number, self.inodes[number].synced()), names=names)

    def folder_synced(self, folder: str | None) -> "Disk":
        """Return the disk after the sync of a folder, None being the root."""
        names = {
            model: names.committed(folder, is_everything=model is Model.ORDERED) for model, names in self.names.items()
        }
        return replace(self, names=names)

    def after_cut(self, model: Model, random: Random, *, torn_count: int = 4) -> Iterator[Image]:
        """Give what the disk may hold after a power cut now, each content once."""
        seen: set[bytes] = set()
        for names in self.names[model].after_cut(model, random):
            for contents in self._contents(names, random, torn_count):
                image = self._image(names, contents)
                key = digest(image)
                if key not in seen:
                    seen.add(key)
                    yield image

    def _contents(self, names: Names, random: Random, torn_count: int) -> Iterator[dict[int, bytes]]:
        """Give bytes for every file that has a name; where several are unsynced, their states are drawn together."""
        plain = {number: self.inodes[number].durable for number in set(names.entries.values())}
        unsynced = [number for number in sorted(plain) if self.inodes[number].pending]
        drawn = [list(self.inodes[number].after_cut(random, torn_count)) for number in unsynced]
        if len(unsynced) <= 1:
            for data in drawn[0] if drawn else [b""]:
                yield plain | dict.fromkeys(unsynced, data)
            return
        for index in range(2 + torn_count):
            yield plain | {number: states[index] for number, states in zip(unsynced, drawn, strict=True)}
        for _ in range(torn_count):
            yield plain | {number: random.choice(states) for number, states in zip(unsynced, drawn, strict=True)}

    @staticmethod
    def _image(names: Names, contents: Mapping[int, bytes]) -> Image:
        image: dict[str, dict[str, bytes]] = {folder: {} for folder in sorted(names.folders)}
        for (folder, name), number in sorted(names.entries.items()):
            if folder in image:
                image[folder][name] = contents[number]
        return image


def digest(image: Image) -> bytes:
    """Return a hash by which equal contents are known."""
    state = sha256()
    for folder, files in image.items():
        state.update(f"{folder}\n{len(files)}\n".encode())
        for name, data in files.items():
            state.update(f"{name}\n{len(data)}\n".encode())
            state.update(data)
    return state.digest()


def _apply(data: bytes, change: Write | Cut) -> bytes:
    if isinstance(change, Cut):
        return data[: change.size_bytes]
    head = data[: change.offset_bytes].ljust(change.offset_bytes, b"\0")
    return head + change.data + data[change.offset_bytes + len(change.data) :]


def _torn(data: bytes, change: Write | Cut, random: Random) -> bytes:
    """Return what may be left of a change: for a write, each sector for itself, and a size of its own."""
    if isinstance(change, Cut):
        return data if random.random() < 0.5 else _apply(data, change)
    end = change.offset_bytes + len(change.data)
    torn = bytearray()
    at = change.offset_bytes
    while at < end:
        until = min(end, (at // SECTOR_SIZE_BYTES + 1) * SECTOR_SIZE_BYTES)
        new = change.data[at - change.offset_bytes : until - change.offset_bytes]
        torn += random.choice((new, new, bytes(until - at), random.randbytes(until - at)))
        at = until
    if random.random() < 0.5:
        return _apply(data, Write(change.offset_bytes, bytes(torn)))
    return _apply(data, Write(change.offset_bytes, bytes(torn[: random.randrange(len(torn) + 1)])))
