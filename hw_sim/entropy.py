"""An entropy source that remembers what it gave away, for the audit that searches a card for secrets.

It changes nothing about the draws themselves: the bytes come from the source it wraps.
"""

import threading

from firmware.ports import Entropy


class RecordingEntropy:
    """Passes every draw through to ``inner`` and keeps a copy. Any thread may draw.

    May break: nothing. May not break: size, order or value of a draw.
    """

    def __init__(self, inner: Entropy) -> None:
        """Wrap ``inner``, which alone decides what is drawn."""
        self._inner = inner
        self._lock = threading.Lock()
        self._drawn: list[bytes] = []

    def take(self, size_bytes: int) -> bytes:
        """Return what ``inner`` returns; the copy is kept before the caller sees it."""
        with self._lock:
            value = self._inner.take(size_bytes)
            self._drawn.append(bytes(value))
        return value

    @property
    def drawn(self) -> tuple[bytes, ...]:
        """Return every value drawn so far, oldest first."""
        with self._lock:
            return tuple(self._drawn)


_: type[Entropy] = RecordingEntropy
