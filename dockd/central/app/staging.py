"""Where files arrive from docks, block by block, each transfer in a folder of its own (spec/07-offload.md, 7.6).

A folder is named after its transfer and holds `description`, `data`, `journal`, and whatever blocks came twice with
different bytes. A block counts as here only when its bytes were synced before its record was written and synced; so
a power cut at any instant costs blocks that nobody was told of, and nothing else. All of this is a copy: the docks
hold everything until they have receipts, so what is staged may be dropped to make room while its transfer is closed.
What was set aside (`aside-...`) is no evidence, it is for whoever looks into the alarm; people remove it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dockd.central.core.staging_journal import JournalState, What, encode_record, read_journal, reserved_bytes
from dockd.central.errors import StagingFull, StagingUncertain
from dockd.central.ports import StagingDisk
from protocol.canonical import decode, encode, parse
from protocol.errors import PeerError
from protocol.offload.blocks import BlockSet
from protocol.offload.messages import BLOCK_SIZE_BYTES, Description

DATA: Final = "data"
DESCRIPTION: Final = "description"
JOURNAL: Final = "journal"
CONFLICTS_KEPT_MAX: Final = 16
REFUSALS_MAX: Final = 2
_ASIDE: Final = "aside-"
_CONFLICT: Final = "conflict-"


@dataclass(frozen=True, slots=True)
class StagingLimits:
    """What staging may take. One dock can fill its own part only."""

    transfers_max: int = 1024
    dock_bytes_max: int = 256 * 1024 * 1024 * 1024
    aside_bytes_max: int = 64 * 1024 * 1024 * 1024
    free_bytes_min: int = 1024 * 1024 * 1024


@dataclass(slots=True)
class _Staged:
    dock: str
    description: Description
    epoch: int
    have: BlockSet
    journal_size_bytes: int
    dirty: list[int] = field(default_factory=list)


class Staging:
    """All that is staged. One thread uses it."""

    def __init__(self, disk: StagingDisk, *, limits: StagingLimits) -> None:
        """Look at what is there already; what was half made is removed."""
        self._disk = disk
        self._limits = limits
        self._open: dict[bytes, _Staged] = {}
        # Closed transfers, least recently used first: what may be dropped to make room.
        self._closed: dict[bytes, tuple[str, int]] = {}
        for folder in disk.folders():
            if not folder.startswith(_ASIDE):
                self._recall(folder)

    def open(self, dock: str, description: Description) -> tuple[int, BlockSet]:
        """Return a new epoch, durable, and the blocks that are here; takes up what was staged before.

        Raises:
            StagingFull: there is no room for the whole file; nothing was made.
        """
        transfer = description.transfer
        staged = self._open.get(transfer)
        if staged is None:
            staged = self._take_up(dock, description) if transfer in self._closed else None
        if staged is None:
            self._make_room(dock, description.size_bytes)
            staged = self._make(dock, description)
        self._closed.pop(transfer, None)
        self._open[transfer] = staged
        staged.epoch += 1
        self._append(staged, encode_record(transfer, What.EPOCH, staged.epoch))
        return staged.epoch, BlockSet.from_bytes(staged.have.to_bytes(), description.block_count)

    def write(self, transfer: bytes, index: int, data: bytes | memoryview) -> None:
        """Write a block at its place; it is not here before `sync` has named it.

        Raises:
            StagingFull: the disk is full in spite of the room that was reserved.
        """
        staged = self._open[transfer]
        self._disk.write(transfer.hex(), DATA, index * BLOCK_SIZE_BYTES, data)
        staged.dirty.append(index)

    def matches(self, transfer: bytes, index: int, data: bytes | memoryview) -> bool:
        """Say whether these bytes stand in that place, durable or not."""
        return self._disk.read(transfer.hex(), DATA, index * BLOCK_SIZE_BYTES, len(data)) == data

    def sync(self) -> Mapping[bytes, tuple[int, ...]]:
        """Make all written blocks durable, and return them: they are here now."""
        durable: dict[bytes, tuple[int, ...]] = {}
        for transfer, staged in self._open.items():
            if staged.dirty:
                indices, staged.dirty = tuple(staged.dirty), []
                self._disk.sync(transfer.hex(), DATA)
                # Not before: a record whose block is not there would be a hole in a file that central calls whole.
                records = b"".join(encode_record(transfer, What.BLOCK, index) for index in indices)
                try:
                    self._append(staged, records)
                except StagingFull as error:
                    raise StagingUncertain(
                        f"the journal of {transfer.hex()} has no room in spite of its reserve: {error}"
                    ) from error
                for index in indices:
                    staged.have.add(index)
                durable[transfer] = indices
        return durable

    def keep_conflict(self, transfer: bytes, index: int, data: bytes | memoryview) -> Path | None:
        """Keep other bytes for a place that is filled, beside the file; None when there are enough of them already."""
        folder = transfer.hex()
        count = len(self._conflicts(folder))
        if count >= CONFLICTS_KEPT_MAX:
            return None
        name = f"{_CONFLICT}{index:05d}-{count:02d}"
        self._disk.write_once(folder, name, bytes(data))
        return self._disk.path(folder, name)

    def hand_over(self, transfer: bytes) -> Path:
        """Return the whole file, of which nothing is held open, for somebody who may move it away."""
        staged = self._open[transfer]
        assert staged.have.is_full, f"{len(staged.have)} of {staged.have.block_count} blocks are here"
        self._disk.release(transfer.hex())
        return self._disk.path(transfer.hex(), DATA)

    def close(self, transfer: bytes) -> None:
        """Let go of a transfer that may be taken up again; one that is not open is fine."""
        staged = self._open.pop(transfer, None)
        if staged is not None:
            self._disk.release(transfer.hex())
            self._closed[transfer] = (staged.dock, staged.description.size_bytes)

    def remove(self, transfer: bytes) -> None:
        """Drop what is staged of a file that central keeps; bytes that contradicted it are set aside."""
        self._open.pop(transfer, None)
        self._closed.pop(transfer, None)
        folder = transfer.hex()
        if self._conflicts(folder):
            self._set_aside(folder)
        else:
            self._disk.remove_folder(folder)

    def refuse(self, transfer: bytes) -> bool:
        """Note that the file was refused and close it; True when it was set aside, so that all of it must come again."""
        staged = self._open.pop(transfer, None)
        if staged is None:
            return False
        folder = transfer.hex()
        self._append(staged, encode_record(transfer, What.REFUSED, 0))
        refused_count = self._journal_state(transfer).refused_count
        if refused_count >= REFUSALS_MAX or self._conflicts(folder):
            self._set_aside(folder)
            return True
        self._disk.release(folder)
        self._closed[transfer] = (staged.dock, staged.description.size_bytes)
        return False

    def _recall(self, folder: str) -> None:
        found = self._description_in(folder)
        if found is None or self._disk.size_bytes(folder, DATA) != found[1].size_bytes:
            # Half made, or the data was taken over before the folder could be removed.
            if self._conflicts(folder):
                self._set_aside(folder)
            else:
                self._disk.remove_folder(folder)
            return
        self._closed[found[1].transfer] = (found[0], found[1].size_bytes)

    def _description_in(self, folder: str) -> tuple[str, Description] | None:
        size_bytes = self._disk.size_bytes(folder, DESCRIPTION)
        if size_bytes is None:
            return None
        try:
            dock, description = decode(self._disk.read(folder, DESCRIPTION, 0, size_bytes))
            parsed = parse(Description, description, section="spec/07-offload.md, 7.2")
        except (PeerError, TypeError, ValueError):
            return None
        return (str(dock), parsed) if parsed.transfer.hex() == folder else None

    def _take_up(self, dock: str, description: Description) -> _Staged | None:
        transfer, folder = description.transfer, description.transfer.hex()
        if self._disk.size_bytes(folder, DATA) != description.size_bytes:
            self.remove(transfer)
            return None
        journal = self._journal_state(transfer)
        have = BlockSet(description.block_count, (i for i in journal.blocks if i < description.block_count))
        return _Staged(dock, description, journal.epoch, have, journal.size_bytes)

    def _make(self, dock: str, description: Description) -> _Staged:
        folder = description.transfer.hex()
        try:
            self._disk.make_folder(folder)
            self._disk.write_once(folder, DESCRIPTION, encode([dock, description.to_wire()]))
            self._disk.create(folder, JOURNAL, reserved_bytes(description.block_count))
            self._disk.create(folder, DATA, description.size_bytes)
        except StagingFull:
            self._disk.remove_folder(folder)
            raise
        return _Staged(dock, description, 0, BlockSet(description.block_count), 0)

    def _make_room(self, dock: str, size_bytes: int) -> None:
        limits = self._limits
        while len(self._open) + len(self._closed) >= limits.transfers_max:
            self._drop_oldest(None, f"{limits.transfers_max} transfers are open")
        while self._dock_bytes(dock) + size_bytes > limits.dock_bytes_max:
            self._drop_oldest(dock, f"{dock} has {self._dock_bytes(dock)} bytes open, {limits.dock_bytes_max} allowed")
        while self._disk.free_bytes() - size_bytes < limits.free_bytes_min:
            free_bytes = self._disk.free_bytes()
            self._drop_oldest(None, f"{free_bytes} bytes free, {size_bytes + limits.free_bytes_min} needed")

    def _drop_oldest(self, dock: str | None, why: str) -> None:
        for transfer, (owner, _) in self._closed.items():
            if dock in (None, owner):
                self.remove(transfer)
                return
        raise StagingFull(
            f"central's staging has no room for another file: {why}",
            expected="room for the files that are arriving",
            next_step="free space on the staging disk or raise its bounds; the docks hold everything meanwhile",
        )

    def _dock_bytes(self, dock: str) -> int:
        closed_bytes = sum(size for owner, size in self._closed.values() if owner == dock)
        return closed_bytes + sum(s.description.size_bytes for s in self._open.values() if s.dock == dock)

    def _journal_state(self, transfer: bytes) -> JournalState:
        size_bytes = self._disk.size_bytes(transfer.hex(), JOURNAL) or 0
        return read_journal(transfer, self._disk.read(transfer.hex(), JOURNAL, 0, size_bytes))

    def _append(self, staged: _Staged, records: bytes) -> None:
        folder = staged.description.transfer.hex()
        self._disk.write(folder, JOURNAL, staged.journal_size_bytes, records)
        self._disk.sync(folder, JOURNAL)
        staged.journal_size_bytes += len(records)

    def _conflicts(self, folder: str) -> tuple[str, ...]:
        return tuple(name for name in self._disk.files(folder) if name.startswith(_CONFLICT))

    def _set_aside(self, folder: str) -> None:
        """Put a folder where people find it; one too many is dropped instead, for the dock has its file."""
        taken = {name for name in self._disk.folders() if name.startswith(_ASIDE)}
        if sum(map(self._size_bytes, (folder, *taken))) > self._limits.aside_bytes_max:
            self._disk.remove_folder(folder)
            return
        number = next(number for number in range(len(taken) + 1) if f"{_ASIDE}{folder}-{number}" not in taken)
        self._disk.rename_folder(folder, f"{_ASIDE}{folder}-{number}")

    def _size_bytes(self, folder: str) -> int:
        return sum(self._disk.size_bytes(folder, name) or 0 for name in self._disk.files(folder))
