"""The machine's own clock and entropy, event lines on standard output, and the status file."""

import json
import os
import secrets
import sys
import threading
import time
from pathlib import Path
from typing import Final

from dockd.station.errors import SettingsFault
from dockd.station.ports import Clock, Entropy


class SystemClock:
    """This machine's clocks."""

    def mono_ns(self) -> int:
        """Return nanoseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    def unix_ms(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000


class SystemEntropy:
    """The kernel's generator."""

    def take(self, size_bytes: int) -> bytes:
        """Return unpredictable bytes."""
        return secrets.token_bytes(size_bytes)


class EventLines:
    """Says what happens: as JSON lines on standard output, or as sentences on standard error. Any thread."""

    def __init__(self, *, clock: Clock, is_json: bool) -> None:
        """Write JSON lines where ``is_json`` is true."""
        self._clock: Final = clock
        self._is_json: Final = is_json
        self._lock = threading.Lock()

    def __call__(self, name: str, fields: dict[str, object]) -> None:
        """Say one event: its name, when it was, and its fields."""
        times = {"mono_ns": self._clock.mono_ns(), "unix_ms": self._clock.unix_ms()}
        with self._lock:
            if self._is_json:
                print(json.dumps({"event": name, **times, **fields}), flush=True)
            else:
                words = fields.get("text") or ", ".join(f"{key} {value}" for key, value in fields.items())
                print(f"{name}: {words}", file=sys.stderr, flush=True)


class StatusFile:
    """One small file, replaced whole, so that a reader never sees half of it. Not durable: it is about now."""

    def __init__(self, file: Path) -> None:
        """Write to ``file``; its folder must exist.

        Raises:
            SettingsFault: it cannot be written.
        """
        self._file = file
        try:
            self.write(b"{}\n")
        except OSError as error:
            raise SettingsFault(
                f"status file {file} cannot be written ({error.strerror})",
                expected="a file in a folder that this user may write to",
                next_step="check status_file in the settings, and owner and mode of its folder",
            ) from error

    def write(self, data: bytes) -> None:
        """Put ``data`` in place of what is there."""
        partial = self._file.with_name(f"{self._file.name}.partial")
        partial.write_bytes(data)
        os.replace(partial, self._file)


_clocks: type[Clock] = SystemClock
_entropies: type[Entropy] = SystemEntropy
