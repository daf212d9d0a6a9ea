"""A clock for tests, which moves only when it is told to or waited on: time passes without being spent."""

import threading
from typing import Final

from firmware.ports import Clock, WallTime

_UNIX_MS_AT_START: Final = 1_790_000_000_000


class ManualClock:
    """Time stands still until ``advance`` or ``wait`` moves it. Any thread may ask.

    May break: nothing. May not break: monotonic time never goes back. One waiting thread a clock: two that wait would
    each push the other's time on.
    """

    def __init__(self, *, start_mono_ns: int = 1_000_000_000, boot_id: bytes = bytes(16)) -> None:
        """Stop the clock at ``start_mono_ns``."""
        self._boot_id = boot_id
        self._start_mono_ns = self._mono_ns = start_mono_ns
        self._lock = threading.Lock()

    @property
    def boot_id(self) -> bytes:
        """Return the boot id given at construction."""
        return self._boot_id

    def mono_ns(self) -> int:
        """Return the time that was last set."""
        with self._lock:
            return self._mono_ns

    def utc(self) -> WallTime:
        """Return a wall time that moves with monotonic time, with source ``rtc``."""
        return WallTime(_UNIX_MS_AT_START + (self.mono_ns() - self._start_mono_ns) // 1_000_000, "rtc", 1000)

    def advance(self, nanoseconds: int) -> None:
        """Move on by ``nanoseconds``."""
        if nanoseconds < 0:
            raise ValueError(f"asked to go back by {-nanoseconds} ns; monotonic time only goes forward")
        with self._lock:
            self._mono_ns += nanoseconds

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Move on by ``timeout_s`` at once and say whether ``stop`` is set; in place of ``threading.Event.wait``."""
        if stop.is_set():
            return True
        # Rounded up: a waiter that wakes a nanosecond early would spin.
        self.advance(-int(-max(0.0, timeout_s) * 1e9 // 1))
        return stop.is_set()


_: type[Clock] = ManualClock
