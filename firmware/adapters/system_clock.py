"""The kernel's clocks (port `Clock`)."""

import time
from pathlib import Path
from typing import Final

from firmware.ports import Clock, WallTime

_BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """CLOCK_MONOTONIC and CLOCK_REALTIME; where the wall time comes from is a setting, since the kernel does not know."""

    def __init__(self, *, utc_source: str, utc_uncertainty_ms: int | None) -> None:
        """Take what is claimed of the wall time: its source and uncertainty."""
        self._utc_source = utc_source
        self._utc_uncertainty_ms = utc_uncertainty_ms
        self.boot_id: bytes = bytes.fromhex(_BOOT_ID_FILE.read_text(encoding="ascii").strip().replace("-", ""))

    def mono_ns(self) -> int:
        """Return nanoseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    def utc(self) -> WallTime:
        """Return CLOCK_REALTIME with the claimed source."""
        return WallTime(time.time_ns() // 1_000_000, self._utc_source, self._utc_uncertainty_ms)


_: type[Clock] = SystemClock
