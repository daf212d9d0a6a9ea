"""The kernel's random numbers (port `Entropy`)."""

import os

from firmware.ports import Entropy


class OsEntropy:
    """getrandom(2), which blocks until the kernel is seeded and never after."""

    def take(self, size_bytes: int) -> bytes:
        """Return ``size_bytes`` unpredictable bytes."""
        return os.urandom(size_bytes)


_: type[Entropy] = OsEntropy
