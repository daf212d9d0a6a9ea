"""Search disk images for what may never stand on them: pieces of the encoded stream, and secrets, in the clear.

`scripts/search_card` runs it. It looks at every byte of an image, free space included, and knows no file system. A window of the
stream counts from 64 bytes on; secrets count raw, in hex and in base64.
"""

import argparse
import base64
import mmap
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

WINDOW_SIZE_BYTES: Final = 64
_BLOCK_SIZE_BYTES: Final = 32
"""Every window of 64 bytes holds a whole block of 32 that begins at a multiple of 32 in the stream."""
_DISTINCT_BYTES_MIN: Final = 12
"""Blocks of fewer different bytes (padding, runs of zeros) say nothing: any disk is full of them."""
_PREFIX_SIZE_BYTES: Final = 8
_PIECE_SIZE_BYTES: Final = 16 * 1024 * 1024
_FILTER_BITS: Final = 24
_EXAMPLE: Final = """example: scripts/search_card --stream o/audit/stream.bin --secrets o/audit/secrets.hex card.img spool.img
exit code: 0 nothing found, 1 something found, 2 unusable input"""

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that stands in an image and may not."""

    image: str
    offset_bytes: int
    what: str

    def sentence(self) -> str:
        """Return the hit in one line."""
        return f"{self.image}, byte {self.offset_bytes}: {self.what}"


class PatternSet:
    """Finds many patterns at once, at any byte: by their first eight bytes, then whole."""

    def __init__(self, patterns: Sequence[bytes]) -> None:
        """Take patterns of eight bytes or more."""
        self._patterns = patterns
        prefixes = np.array(
            [int.from_bytes(pattern[:_PREFIX_SIZE_BYTES], "little") for pattern in patterns], dtype=np.uint64
        )
        self._order = np.argsort(prefixes, kind="stable")
        self._sorted: Words = prefixes[self._order]
        self._filter = np.zeros(1 << _FILTER_BITS, dtype=bool)
        self._filter[self._slots(prefixes)] = True

    def find(self, data: bytes | mmap.mmap) -> Iterator[tuple[int, int]]:
        """Return (offset, number of the pattern) for every place where a pattern stands."""
        size = len(data)
        for base in range(0, size, _PIECE_SIZE_BYTES):
            piece = np.frombuffer(data[base : base + _PIECE_SIZE_BYTES + _PREFIX_SIZE_BYTES - 1], dtype=np.uint8)
            for shift in range(_PREFIX_SIZE_BYTES):
                count = (len(piece) - shift) // _PREFIX_SIZE_BYTES
                if count <= 0:
                    continue
                words = piece[shift : shift + count * _PREFIX_SIZE_BYTES].view(np.uint64)
                candidates = np.flatnonzero(self._filter[self._slots(words)])
                places = np.searchsorted(self._sorted, words[candidates])
                is_known = self._sorted[np.minimum(places, len(self._sorted) - 1)] == words[candidates]
                for index in candidates[is_known]:
                    offset = base + shift + int(index) * _PREFIX_SIZE_BYTES
                    yield from ((offset, number) for number in self._matches(data, offset, words[index]))

    def _matches(self, data: bytes | mmap.mmap, offset: int, word: np.uint64) -> Iterator[int]:
        first, last = np.searchsorted(self._sorted, word, "left"), np.searchsorted(self._sorted, word, "right")
        for position in range(int(first), int(last)):
            number = int(self._order[position])
            pattern = self._patterns[number]
            if data[offset : offset + len(pattern)] == pattern:
                yield number

    @staticmethod
    def _slots(words: Words) -> Words:
        # A multiplicative hash: prefixes of text differ in few bits only.
        return (words * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - _FILTER_BITS)


def find_stream(image: str, data: bytes | mmap.mmap, stream: bytes) -> list[Hit]:
    """Return every window of 64 bytes or more of ``stream`` that stands in ``data``."""
    blocks = [
        (at, stream[at : at + _BLOCK_SIZE_BYTES])
        for at in range(0, len(stream) - _BLOCK_SIZE_BYTES + 1, _BLOCK_SIZE_BYTES)
    ]
    telling = [(at, block) for at, block in blocks if len(set(block)) >= _DISTINCT_BYTES_MIN]
    if not telling:
        return []
    hits: list[Hit] = []
    for offset, number in PatternSet([block for _, block in telling]).find(data):
        at = telling[number][0]
        size = _common_size(data, offset, stream, at)
        if size >= WINDOW_SIZE_BYTES:
            hits.append(Hit(image, offset, f"{size} bytes of the encoded stream, from its byte {at}"))
    return hits


def _common_size(data: bytes | mmap.mmap, offset: int, stream: bytes, at: int) -> int:
    """Return how many bytes around ``offset`` and ``at`` are the same, up to a window on either side."""
    left = 0
    while left < min(offset, at, WINDOW_SIZE_BYTES) and data[offset - left - 1] == stream[at - left - 1]:
        left += 1
    right = 0
    room = min(len(data) - offset, len(stream) - at, 2 * WINDOW_SIZE_BYTES)
    while right < room and data[offset + right] == stream[at + right]:
        right += 1
    return left + right


def forms_of(secret: bytes) -> dict[str, bytes]:
    """Return the ways in which a secret may have been written down."""
    forms = {"raw": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
    for shift in range(3):
        # Inside a longer base64 text only the digits that no neighbour shares are the secret's own.
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            digits = encode(bytes(shift) + secret)
            begin, end = -(-shift * 8 // 6), (shift + len(secret)) * 8 // 6
            forms[f"{name}+{shift}"] = digits[begin:end]
    return forms


def find_secrets(image: str, data: bytes | mmap.mmap, secrets: Sequence[bytes]) -> list[Hit]:
    """Return every secret, in any of its forms, that stands in ``data``."""
    named = [(name, form) for secret in secrets for name, form in forms_of(secret).items()]
    if not named:
        return []
    found = PatternSet([form for _, form in named]).find(data)
    return [Hit(image, offset, f"a secret in {named[number][0]}") for offset, number in found]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the search and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="search_card", description=__doc__, epilog=_EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGE", help="an image of a card or a disk, or any file"
    )
    parser.add_argument("--stream", type=Path, required=True, help="the encoded stream, as the encoder gave it")
    parser.add_argument("--secrets", type=Path, required=True, help="secrets, one in hex a line")
    options = parser.parse_args(arguments)
    try:
        stream = options.stream.read_bytes()
        secrets = [bytes.fromhex(line) for line in options.secrets.read_text().split()]
        hits = [hit for image in options.images for hit in _search(image, stream, secrets)]
    except (OSError, ValueError) as error:
        print(f"search_card: {error}", file=sys.stderr)
        return 2
    for hit in hits[:50]:
        print(hit.sentence())
    size = sum(image.stat().st_size for image in options.images)
    print(
        f"{len(hits)} found: searched {size:,d} bytes in {len(options.images)} images for {len(stream):,d} bytes of stream "
        f"and {len(secrets)} secrets"
    )
    return 1 if hits else 0


def _search(image: Path, stream: bytes, secrets: Sequence[bytes]) -> list[Hit]:
    if image.stat().st_size == 0:
        return []
    with image.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return [*find_stream(str(image), data, stream), *find_secrets(str(image), data, secrets)]


if __name__ == "__main__":
    sys.exit(main())
