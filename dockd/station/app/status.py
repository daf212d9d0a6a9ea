"""What each bay does, in one small JSON file that is replaced whole: for the dock's screen and for `sealcam-dock status`."""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from dockd.station.ports import Clock

WRITE_EVERY_NS: Final = 250_000_000

BayState = Literal["empty", "reading", "verified", "waiting-for-receipt", "ready", "trouble"]


@dataclass(frozen=True, slots=True)
class BayStatus:
    """One bay. ``reading``: footage arrives. ``verified``: all that was listed is here, a fresh listing is awaited.

    ``waiting-for-receipt``: everything is verified and durable here (``is_ready``), central's receipts are awaited.
    ``ready``: and the camera holds no closed shift any more.
    """

    bay: str
    state: BayState = "empty"
    is_ready: bool = False
    camera: str | None = None
    docked_s: float = 0.0
    shift_count: int = 0
    bytes_listed: int = 0
    bytes_held: int = 0
    bytes_per_s: int = 0
    seconds_left: float | None = None
    finding_count: int = 0
    trouble: str | None = None


class StatusBoard:
    """Collects the bays' states; any thread."""

    def __init__(self, *, dock: str, bays: tuple[str, ...], clock: Clock, write: Callable[[bytes], None]) -> None:
        """Begin with empty bays; ``write`` puts the file in place."""
        self._dock, self._clock, self._write = dock, clock, write
        self._bays = {bay: BayStatus(bay) for bay in bays}
        self._offload: dict[str, str] = {"code": "off", "text": "no broker is set: what is read is held here"}
        self._spool_free_bytes = 0
        self._lock = threading.Lock()
        self._written_at_ns = 0
        self._put(is_urgent=True)

    def set_bay(self, status: BayStatus) -> None:
        """Show a bay's state; a new word at once, numbers a few times a second."""
        with self._lock:
            before = self._bays[status.bay]
            self._bays[status.bay] = status
            is_word_new = (before.state, before.trouble, before.is_ready) != (
                status.state,
                status.trouble,
                status.is_ready,
            )
            self._put(is_urgent=is_word_new)

    def set_trouble(self, bay: str, text: str | None) -> None:
        """Show that a bay itself is in trouble, or empty again."""
        with self._lock:
            changed = replace(BayStatus(bay), state="empty" if text is None else "trouble", trouble=text)
            if changed != self._bays[bay]:
                self._bays[bay] = changed
                self._put(is_urgent=True)

    def set_offload(self, code: str, text: str) -> None:
        """Show how the way to central is."""
        with self._lock:
            self._offload = {"code": code, "text": text}
            self._put(is_urgent=True)

    def beat(self, spool_free_bytes: int) -> None:
        """Show that the dock lives, and how much room it has."""
        with self._lock:
            self._spool_free_bytes = spool_free_bytes
            self._put(is_urgent=False)

    def _put(self, *, is_urgent: bool) -> None:
        now = self._clock.mono_ns()
        if not is_urgent and now - self._written_at_ns < WRITE_EVERY_NS:
            return
        self._written_at_ns = now
        value = {
            "dock": self._dock,
            "updated_at_unix_ms": self._clock.unix_ms(),
            "spool_free_bytes": self._spool_free_bytes,
            "offload": self._offload,
            "bays": [asdict(bay) for bay in self._bays.values()],
        }
        self._write(json.dumps(value, indent=1).encode() + b"\n")
