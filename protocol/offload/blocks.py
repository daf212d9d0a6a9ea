"""Blocks on the wire, and the set of blocks that a side has (spec/07-offload.md, 7.3 and 7.4)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from protocol.errors import PeerError
from protocol.offload.messages import BLOCK_SIZE_BYTES

HEADER_SIZE_BYTES: Final = 24
_SECTION: Final = "spec/07-offload.md, 7.4"


@dataclass(frozen=True, slots=True)
class Block:
    """One block as it came; ``data`` is a view into the message."""

    transfer: bytes
    epoch: int
    index: int
    data: memoryview


def encode_block(transfer: bytes, epoch: int, index: int, data: bytes) -> bytes:
    """Return the message of a block."""
    return b"".join((transfer, epoch.to_bytes(4, "big"), index.to_bytes(4, "big"), data))


def decode_block(message: bytes) -> Block:
    """Return the block of a message; whether it fits its file is for the receiver to say.

    Raises:
        PeerError: too short for a header and a byte, or too long.
    """
    size = len(message) - HEADER_SIZE_BYTES
    if not 1 <= size <= BLOCK_SIZE_BYTES:
        raise PeerError(f"block message of {len(message)} bytes", section=_SECTION)
    view = memoryview(message)
    return Block(
        bytes(view[:16]),
        int.from_bytes(view[16:20], "big"),
        int.from_bytes(view[20:24], "big"),
        view[HEADER_SIZE_BYTES:],
    )


class BlockSet:
    """Which of a file's blocks are there; it only grows."""

    def __init__(self, block_count: int, indices: Iterable[int] = ()) -> None:
        """Begin with ``indices``."""
        self.block_count: Final = block_count
        self._bits = bytearray(-(-block_count // 8))
        self._missing_count = block_count
        for index in indices:
            self.add(index)

    @classmethod
    def from_bytes(cls, data: bytes, block_count: int) -> "BlockSet":
        """Return what a `have` says of a file of ``block_count`` blocks.

        Raises:
            PeerError: of another length, or with a bit where there is no block.
        """
        blocks = cls(block_count)
        if len(data) != len(blocks._bits):
            raise PeerError(
                f"have of {len(data)} bytes for {block_count} blocks, {len(blocks._bits)} expected",
                section="spec/07-offload.md, 7.3",
            )
        if data and block_count % 8 and data[-1] & (0xFF >> block_count % 8):
            raise PeerError(f"have names a block past the last of {block_count}", section="spec/07-offload.md, 7.3")
        blocks._bits[:] = data
        blocks._missing_count = block_count - int.from_bytes(data, "big").bit_count()
        return blocks

    def to_bytes(self) -> bytes:
        """Return the `have`."""
        return bytes(self._bits)

    def __contains__(self, index: int) -> bool:
        """Say whether the block is there."""
        return 0 <= index < self.block_count and bool(self._bits[index >> 3] & (0x80 >> (index & 7)))

    def __len__(self) -> int:
        """Return how many are there."""
        return self.block_count - self._missing_count

    @property
    def is_full(self) -> bool:
        """Say whether all are there."""
        return self._missing_count == 0

    def add(self, index: int) -> None:
        """Add a block that the file has; one that is there already is fine."""
        assert 0 <= index < self.block_count, f"block {index} of {self.block_count}"
        if index not in self:
            self._bits[index >> 3] |= 0x80 >> (index & 7)
            self._missing_count -= 1

    def missing(self) -> Iterator[int]:
        """Yield the indices that are not there, rising."""
        return (index for index in range(self.block_count) if index not in self)
