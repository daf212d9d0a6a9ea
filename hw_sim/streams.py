"""Named random streams: one integer seed decides everything a simulation draws (style guide, 8).

Each simulated part draws from its own stream, so a new draw in one part does not shift the draws of another.
Not for secrets: those come from the entropy port.
"""

from dataclasses import dataclass
from hashlib import sha256
from random import Random


@dataclass(frozen=True, slots=True)
class Streams:
    """All random streams of one simulation run."""

    seed: int

    def stream(self, name: str) -> Random:
        """Return a new generator at the beginning of the stream ``name``: same seed and name, same draws."""
        return Random(sha256(f"{self.seed}/{name}".encode()).digest())
