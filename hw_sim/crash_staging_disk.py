"""A staging disk in memory that loses power at a chosen operation.

May break: at the operation that it is told, before it or after it took effect; then everything that was written and
not synced is lost, kept, or torn at 512 bytes, each write on its own; a file being made may be there and short, a
folder being removed may have lost some of its files. May not: lose what was synced, or what a durable call returned
from. It is never full.
"""

from pathlib import Path
from random import Random
from typing import Final

from dockd.central.ports import StagingDisk

SECTOR_SIZE_BYTES: Final = 512


class PowerCut(BaseException):
    """The machine is gone; nothing in the program may catch this."""


class _File:
    def __init__(self, content: bytes) -> None:
        self.durable = bytearray(content)
        self.pending: list[tuple[int, bytes]] = []

    def content(self) -> bytearray:
        content = bytearray(self.durable)
        for offset_bytes, data in self.pending:
            _put(content, offset_bytes, data)
        return content


def _put(content: bytearray, offset_bytes: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset_bytes + len(data) - len(content))))
    content[offset_bytes : offset_bytes + len(data)] = data


class CrashStagingDisk:
    """One disk up to one power cut; `after_cut` gives the disk that the next start finds."""

    def __init__(
        self, tree: dict[str, dict[str, bytes]] | None = None, *, cut_at: int | None = None, is_late: bool = False
    ) -> None:
        """Begin with ``tree``; operation ``cut_at``, counted from 0, cuts the power before it, or late: after it."""
        self._tree = {folder: {n: _File(c) for n, c in files.items()} for folder, files in (tree or {}).items()}
        self._cut_at = cut_at
        self._is_late = is_late
        self.operation_count = 0
        self.unfinished: tuple[str, str] | None = None

    def after_cut(self, draws: Random) -> dict[str, dict[str, bytes]]:
        """Return a tree that may be found after the cut."""
        tree = {folder: {n: _found(f, draws) for n, f in files.items()} for folder, files in self._tree.items()}
        if self.unfinished is not None and self.unfinished[0] in tree:
            doing, name = self.unfinished
            if name:
                tree[doing][name] = bytes(draws.choice((0, 512)))
            else:
                tree[doing] = {n: content for n, content in tree[doing].items() if draws.random() < 0.5}
        return tree

    def folders(self) -> tuple[str, ...]:
        """Return the names of all folders, sorted."""
        return tuple(sorted(self._tree))

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the names of the files of a folder, sorted."""
        return tuple(sorted(self._tree.get(folder, {})))

    def make_folder(self, folder: str) -> None:
        """Make a folder; an existing one is fine."""
        self._before()
        self._tree.setdefault(folder, {})
        self._after()

    def write_once(self, folder: str, name: str, data: bytes) -> None:
        """Make or replace a file, all or nothing."""
        self._before()
        self._tree[folder][name] = _File(data)
        self._after()

    def create(self, folder: str, name: str, size_bytes: int) -> None:
        """Make a file of this size."""
        self._before((folder, name))
        self._tree[folder][name] = _File(bytes(size_bytes))
        self._after()

    def write(self, folder: str, name: str, offset_bytes: int, data: bytes | memoryview) -> None:
        """Write; not durable before `sync`."""
        self._before()
        self._tree[folder][name].pending.append((offset_bytes, bytes(data)))
        self._after()

    def sync(self, folder: str, name: str) -> None:
        """Make what was written durable."""
        self._before()
        file = self._tree[folder][name]
        file.durable, file.pending = file.content(), []
        self._after()

    def read(self, folder: str, name: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return what is there, durable or not."""
        return bytes(self._tree[folder][name].content()[offset_bytes : offset_bytes + size_bytes])

    def size_bytes(self, folder: str, name: str) -> int | None:
        """Return the size of a file; None when there is none."""
        file = self._tree.get(folder, {}).get(name)
        return None if file is None else len(file.content())

    def rename_folder(self, folder: str, new_folder: str) -> None:
        """Give a folder another name."""
        assert new_folder not in self._tree
        self._before()
        self._tree[new_folder] = self._tree.pop(folder)
        self._after()

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with its files."""
        self._before((folder, ""))
        self._tree.pop(folder, None)
        self._after()

    def release(self, folder: str) -> None:
        """Do nothing: nothing is held open."""

    def path(self, folder: str, name: str) -> Path:
        """Return a name that leads nowhere: this disk is in memory."""
        return Path("/nowhere", folder, name)

    def free_bytes(self) -> int:
        """Return more than anybody needs."""
        return 1 << 50

    def _before(self, unfinished: tuple[str, str] | None = None) -> None:
        if self.operation_count == self._cut_at and not self._is_late:
            self.unfinished = unfinished
            raise PowerCut

    def _after(self) -> None:
        self.operation_count += 1
        if self._cut_at is not None and self.operation_count > self._cut_at:
            raise PowerCut


def _found(file: _File, draws: Random) -> bytes:
    content = bytearray(file.durable)
    for offset_bytes, data in file.pending:
        match draws.randrange(3):
            case 0:
                _put(content, offset_bytes, data)
            case 1:
                for at in range(0, len(data), SECTOR_SIZE_BYTES):
                    if draws.random() < 0.5:
                        _put(content, offset_bytes + at, data[at : at + SECTOR_SIZE_BYTES])
            case _:
                pass
    return bytes(content)


_: type[StagingDisk] = CrashStagingDisk
