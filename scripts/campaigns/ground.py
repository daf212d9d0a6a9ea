"""Where a benchmark writes: memory (tmpfs) where the disk is not the point, and the disk itself, for its own figure beside."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.campaigns.command import CannotRun
from scripts.campaigns.result import ROOT, Row, measured

_SHARED_MEMORY: Final = Path("/dev/shm")
_RESERVE_BYTES: Final = 1 << 30
"""What is left to everybody else."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A folder in memory where there is one, and one on the repository's disk; both go at the end."""

    fast: Path
    disk: Path
    is_in_memory: bool

    def row(self) -> Row:
        """Return the row that says where the figures come from."""
        return measured("written to tmpfs", int(self.is_in_memory), "1 yes, 0 the temporary folder")


@contextmanager
def ground(fast_bytes: int, disk_bytes: int) -> Iterator[Ground]:
    """Make both folders, with room for so much, and remove them with all that is in them, also where the run is ended by a signal.

    Raises:
        CannotRun: there is not so much room.
    """
    is_in_memory = _is_tmpfs(_SHARED_MEMORY) and _free_bytes(_SHARED_MEMORY) >= fast_bytes + _RESERVE_BYTES
    fast_parent, disk_parent = _SHARED_MEMORY if is_in_memory else Path(tempfile.gettempdir()), ROOT / ".cache"
    disk_parent.mkdir(exist_ok=True)
    wanted = ((fast_parent, fast_bytes), (disk_parent, disk_bytes))
    for parent, size_bytes in wanted:
        if _free_bytes(parent) < size_bytes + _RESERVE_BYTES:
            raise CannotRun(
                f"{parent} has {_free_bytes(parent) >> 20} MiB left",
                expected=f"{size_bytes + _RESERVE_BYTES >> 20} MiB",
                next_step="free some, or give a smaller --budget",
            )
    with _ended_in_order():
        prefix = f"sealcam-perf-{os.getpid()}-"
        fast, disk = (Path(tempfile.mkdtemp(prefix=prefix, dir=parent)) for parent, _ in wanted)
        try:
            yield Ground(fast, disk, is_in_memory)
        finally:
            for folder in (fast, disk):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM unwind as Ctrl-C does: what stays in /dev/shm takes memory until the machine restarts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _is_tmpfs(folder: Path) -> bool:
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return False
    return any(fields[1] == str(folder) and fields[2] == "tmpfs" for fields in mounts)


def _free_bytes(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize
