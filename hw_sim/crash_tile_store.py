"""A ledger's files in memory, on a machine that loses power at a chosen operation.

May break: at the operation that it is told, before it, after it, or in the middle of it; then any of the files that
were being written may be there, each whole, and any of the folders that were being dropped may be gone. May not: lose
what a call returned from. It is never full.
"""

from collections.abc import Mapping
from random import Random

from dockd.central.ledger_ports import TileStore


class PowerCut(BaseException):
    """The machine is gone; nothing in the program may catch this."""


class CrashTileStore:
    """One store up to one power cut; ``files`` is what the next start finds."""

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        cut_at: int | None = None,
        share: float = 0.5,
        draws: Random | None = None,
    ) -> None:
        """Begin with ``files``; operation ``cut_at``, counted from 0, is cut off, None: never.

        Of what that operation does, each part is done with probability ``share``: 0 cuts before it, 1 after it.
        """
        self.files: dict[str, bytes] = dict(files or {})
        self._cut_at = cut_at
        self._share = share
        self._draws = draws or Random(0)
        self.operation_count = 0

    def write(self, files: Mapping[str, bytes]) -> None:
        """Take all, or some and no more."""
        if self._is_cut():
            self.files.update({name: data for name, data in files.items() if self._draws.random() < self._share})
            raise PowerCut
        self.files.update(files)

    def read(self, name: str) -> bytes | None:
        """Return what is there."""
        return self.files.get(name)

    def has_any(self, folder: str) -> bool:
        """Look through the names."""
        return any(name.startswith(f"{folder}/") for name in self.files)

    def drop(self, folders: tuple[str, ...]) -> None:
        """Remove all, or some and no more."""
        is_cut = self._is_cut()
        for folder in folders:
            if not is_cut or self._draws.random() < self._share:
                self.files = {name: data for name, data in self.files.items() if not name.startswith(f"{folder}/")}
        if is_cut:
            raise PowerCut

    def _is_cut(self) -> bool:
        self.operation_count += 1
        return self.operation_count - 1 == self._cut_at


_: type[TileStore] = CrashTileStore
