"""The machine's own clock and entropy, and event lines on standard output."""

import json
import secrets
import sys
import threading
import time
from typing import Final

from dockd.central.ports import Clock, Entropy, EventFields


class SystemClock:
    """Wall time of this machine."""

    def unix_ms(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def mono_ms(self) -> int:
        """Return milliseconds that only go forward."""
        return time.monotonic_ns() // 1_000_000


class SystemEntropy:
    """The kernel's generator."""

    def take(self, size_bytes: int) -> bytes:
        """Return unpredictable bytes."""
        return secrets.token_bytes(size_bytes)


class EventLines:
    """Writes each event as one JSON object a line: ``event``, ``at_ms``, and its fields. Any thread may."""

    def __init__(self, *, clock: Clock, is_on: bool) -> None:
        """Say nothing where ``is_on`` is false."""
        self._clock: Final = clock
        self._is_on: Final = is_on
        self._lock: Final = threading.Lock()

    def __call__(self, name: str, fields: EventFields) -> None:
        """Write one line, at once: whoever reads them waits for them."""
        if self._is_on:
            line = json.dumps({"event": name, "at_ms": self._clock.unix_ms(), **fields})
            with self._lock:
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()


_clocks: type[Clock] = SystemClock
_entropies: type[Entropy] = SystemEntropy
