"""What the kernel says of a process: CPU time and memory at its highest."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_FORGET_PEAK: Final = "5"
"""Written to clear_refs, it sets the peak to the present size (proc(5))."""


def cpu_seconds(process_id: int) -> float:
    """Return user and system time of all its threads."""
    # Behind the command's name, which may hold anything: utime and stime are the 12th and 13th from there.
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def peak_bytes(process_id: int) -> int:
    """Return the most memory that it ever had resident."""
    return _status_bytes(process_id, "VmHWM")


def peak_growth_bytes(run: Callable[[], object]) -> int | None:
    """Return by how much this process grew at most during ``run``; None where the kernel does not tell."""
    # What was freed before and is still ours would hide a growth.
    ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text(_FORGET_PEAK)
    except OSError:
        return None
    before_bytes = _status_bytes(os.getpid(), "VmRSS")
    run()
    return max(0, peak_bytes(os.getpid()) - before_bytes)


def _status_bytes(process_id: int, name: str) -> int:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024
