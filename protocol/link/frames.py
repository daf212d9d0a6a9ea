"""Frames on a line that loses, changes and inserts bytes (spec/06-dock-link.md, 6.1).

What a frame carries is not looked at here. Memory is bounded by one frame and what was fed last.
"""

from dataclasses import dataclass
from typing import Final
from zlib import crc32

MAGIC: Final = bytes.fromhex("a55ea101")
HEADER_SIZE_BYTES: Final = 12
TRAILER_SIZE_BYTES: Final = 4
PAYLOAD_SIZE_BYTES_MAX: Final = 131_072
KIND_MESSAGE: Final = 1
KIND_DATA: Final = 2
PARTIAL_NS_MAX: Final = 10_000_000_000

_CHECKED_SIZE_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that arrived whole."""

    kind: int
    payload: bytes


def encode_frame(kind: int, *pieces: bytes) -> bytes:
    """Return a frame whose payload is ``pieces``, one after the other."""
    size = sum(len(piece) for piece in pieces)
    assert size <= PAYLOAD_SIZE_BYTES_MAX, size
    front = MAGIC + bytes([kind]) + size.to_bytes(3, "big")
    check = 0
    for piece in pieces:
        check = crc32(piece, check)
    return b"".join((front, crc32(front).to_bytes(4, "big"), *pieces, check.to_bytes(4, "big")))


class FrameReader:
    """Finds the frames in what a line brings, whatever stands between them."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buffer = bytearray()
        self._partial_since_mono_ns: int | None = None
        self.frame_count = 0
        self.discarded_bytes = 0
        """Bytes that were no part of a good frame."""

    @property
    def held_bytes(self) -> int:
        """Return how many bytes wait for the rest of a frame."""
        return len(self._buffer)

    def feed(self, data: bytes, *, now_mono_ns: int) -> list[Frame]:
        """Take what arrived and return the frames that it completes."""
        self._buffer += data
        since = self._partial_since_mono_ns
        is_given_up = since is not None and now_mono_ns - since > PARTIAL_NS_MAX
        frames, at = self._scan(is_given_up=is_given_up)
        if at or is_given_up:
            # One move of the rest for each feed, not one for each frame.
            del self._buffer[:at]
            self._partial_since_mono_ns = None
        if self._buffer and self._partial_since_mono_ns is None:
            self._partial_since_mono_ns = now_mono_ns
        self.frame_count += len(frames)
        return frames

    def _scan(self, *, is_given_up: bool) -> tuple[list[Frame], int]:
        """Return the frames, and where the first byte stands that is still needed."""
        frames: list[Frame] = []
        at = 0
        buffer = self._buffer
        while True:
            begin = buffer.find(MAGIC, at)
            if begin < 0:
                return frames, self._skip_to(at, max(at, len(buffer) - _magic_begun(buffer)))
            at = self._skip_to(at, begin)
            if len(buffer) - at < HEADER_SIZE_BYTES:
                return frames, at
            size = _payload_size(buffer, at)
            if size is None:
                at = self._skip_to(at, at + 1)
                continue
            payload_at = at + HEADER_SIZE_BYTES
            end = payload_at + size + TRAILER_SIZE_BYTES
            if len(buffer) < end and not is_given_up:
                return frames, at
            # By way of a view, since a slice of a bytearray is a copy of its own.
            with memoryview(buffer) as view:
                payload = bytes(view[payload_at : end - TRAILER_SIZE_BYTES])
            if len(buffer) < end or crc32(payload) != int.from_bytes(buffer[end - TRAILER_SIZE_BYTES : end], "big"):
                is_given_up = False
                at = self._skip_to(at, at + len(MAGIC))
                continue
            frames.append(Frame(buffer[at + 4], payload))
            at = end

    def _skip_to(self, at: int, begin: int) -> int:
        self.discarded_bytes += begin - at
        return begin


def _payload_size(buffer: bytearray, at: int) -> int | None:
    """Return the length in the header at ``at``; None when the header is not good."""
    checked_end = at + _CHECKED_SIZE_BYTES
    if crc32(buffer[at:checked_end]) != int.from_bytes(buffer[checked_end : checked_end + 4], "big"):
        return None
    size = int.from_bytes(buffer[at + 5 : checked_end], "big")
    return size if size <= PAYLOAD_SIZE_BYTES_MAX else None


def _magic_begun(buffer: bytearray) -> int:
    """Return how many bytes at the end may be the beginning of a magic."""
    return next((count for count in (3, 2, 1) if buffer.endswith(MAGIC[:count])), 0)
