"""What the station needs from the world, as typed ports."""

from dataclasses import dataclass
from typing import Protocol

from protocol.receipt import ReceiptWithProof


@dataclass(frozen=True, slots=True, order=True)
class ShiftPlace:
    """Where a shift's files stand in the spool: the camera's id, and the folder's name as on the card."""

    camera_id: bytes
    folder: str


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """A file in the spool. ``is_complete``: all its bytes are durable and were verified on arrival."""

    name: str
    size_bytes: int
    is_complete: bool


class Spool(Protocol):
    """The dock's own disk, which holds footage until central has receipted it.

    Every call may raise SpoolFull (nothing lost, earlier bytes stand) or SpoolUncertain (an fsync failed).
    """

    def open_shift(self, place: ShiftPlace) -> None:
        """Make the shift's folder, durable; an existing one is fine."""

    def shifts(self) -> tuple[ShiftPlace, ...]:
        """Return every shift in the spool, sorted."""

    def files(self, place: ShiftPlace) -> tuple[SpooledFile, ...]:
        """Return the files of a shift, sorted by name."""

    def append(self, place: ShiftPlace, name: str, offset_bytes: int, data: bytes) -> None:
        """Add bytes at ``offset_bytes``, which must be the file's present size; not yet durable."""

    def sync(self, place: ShiftPlace, name: str) -> None:
        """Return when the file's bytes would survive a power cut."""

    def complete(self, place: ShiftPlace, name: str) -> None:
        """Sync, then mark the file complete, durably."""

    def discard(self, place: ShiftPlace, name: str) -> None:
        """Remove an incomplete or a quarantined-elsewhere file, to read it again; durable on return."""

    def read(self, place: ShiftPlace, name: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` bytes; fewer at the end of the file only."""

    def add_receipt(self, place: ShiftPlace, brought: ReceiptWithProof) -> None:
        """Keep a receipt beside the shift, and its proof, if it has one, in place of an earlier one; durable on return.

        After a crash the proof may be there without its receipt, or be the one before.
        """

    def drop_proof(self, place: ShiftPlace, brought: ReceiptWithProof) -> None:
        """Keep a receipt's proof no longer; one that has taken its place since stays."""

    def receipts(self, place: ShiftPlace) -> tuple[ReceiptWithProof, ...]:
        """Return the receipts kept for a shift, each with the proof kept for it."""

    def keep_note(self, place: ShiftPlace, name: str, data: bytes) -> None:
        """Keep a small file of the dock's own beside a shift, in place of an earlier one; durable on return."""

    def note(self, place: ShiftPlace, name: str) -> bytes | None:
        """Return a note; None where there is none."""

    def free_bytes(self) -> int:
        """Return the bytes that can still be written."""


class Line(Protocol):
    """A serial line to one camera."""

    def read(self, timeout_ms: int) -> bytes:
        """Return what has arrived, at least one byte, or nothing when ``timeout_ms`` passed.

        Raises:
            LineLost: the other end or the device is gone; open a new one.
        """

    def write(self, data: bytes, timeout_ms: int) -> int:
        """Send and return how many bytes were taken before ``timeout_ms`` passed.

        Raises:
            LineLost: as ``read``.
        """

    def close(self) -> None:
        """Let the line go; safe to call twice."""


class Clock(Protocol):
    """Time. Monotonic time orders and measures; wall time is for people to read."""

    def mono_ns(self) -> int:
        """Return nanoseconds of CLOCK_MONOTONIC."""

    def unix_ms(self) -> int:
        """Return wall time as this machine has it."""


class Entropy(Protocol):
    """Where nonces come from."""

    def take(self, size_bytes: int) -> bytes:
        """Return ``size_bytes`` unpredictable bytes."""
