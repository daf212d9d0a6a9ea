"""Where the tree's hashes and its leaves lie: tiles of 256 hashes, bundles of 256 entries, and their paths.

Implements spec/08-ledger.md, 8.5 (C2SP tlog-tiles). Bytes and paths in, bytes and paths out; the files are the log's.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from protocol.ledger.merkle import ReadSubtree, node_hash
from protocol.ledger.text import HASH_SIZE_BYTES, malformed
from protocol.units import UINT_MAX

_SECTION: Final = "spec/08-ledger.md, 8.5"

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
ENTRY_OF_BUNDLE_SIZE_BYTES_MAX: Final = 65_535
# A tree of less than 2^63 leaves has no hash above them.
TILE_LEVEL_MAX: Final = 7

_PATH: Final = re.compile(
    r"tile/(?P<level>[0-9]|entries)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """``width`` hashes of a level, side by side: that of tile level 0 are leaf hashes, one of level L spans 256^L leaves."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        """Hold the tile to what a tree of less than 2^63 leaves can have."""
        _check_place(self.level, self.index, self.width)

    @property
    def path(self) -> str:
        """Return the path below the log's prefix."""
        return f"tile/{self.level}/{_format_place(self.index, self.width)}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """``width`` entries, side by side: the leaves of the tile of level 0 with the same index."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        """Hold the bundle to what a tree of less than 2^63 leaves can have."""
        _check_place(0, self.index, self.width)

    @property
    def path(self) -> str:
        """Return the path below the log's prefix."""
        return f"tile/entries/{_format_place(self.index, self.width)}"


def _check_place(level: int, index: int, width: int) -> None:
    if not 0 <= level <= TILE_LEVEL_MAX:
        raise malformed(f"tile level {level}, 0 to {TILE_LEVEL_MAX} expected", section=_SECTION)
    if not 1 <= width <= TILE_WIDTH:
        raise malformed(f"width {width}, 1 to {TILE_WIDTH} expected", section=_SECTION)
    if index < 0 or (index * TILE_WIDTH + width) << TILE_HEIGHT * level > UINT_MAX:
        raise malformed(f"tile {index} of level {level} lies beyond 2^63 leaves", section=_SECTION)


def _format_place(index: int, width: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    return "/".join(groups) + ("" if width == TILE_WIDTH else f".p/{width}")


def parse_path(path: str) -> Tile | Bundle:
    """Return what lies at this path.

    Raises:
        LedgerRefused: it is not the one path of a tile or a bundle.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise malformed(
            f"path {path[:80]!r}, tile/<L>/<N>[.p/<W>] or tile/entries/<N>[.p/<W>] expected", section=_SECTION
        )
    index = int(match["index"].replace("x", "").replace("/", ""))
    width = TILE_WIDTH if match["width"] is None else int(match["width"])
    found = Bundle(index, width) if match["level"] == "entries" else Tile(int(match["level"]), index, width)
    # 256 as the width of a partial one, and groups of zeros in front, are other names for the same.
    if found.path != path:
        raise malformed(f"path {path[:80]!r}, {found.path!r} expected", section=_SECTION)
    return found


def new_tiles(old_size: int, new_size: int) -> Iterator[Tile]:
    """Give the tiles that a tree of ``new_size`` leaves consists of and that of ``old_size`` has not, lowest level first."""
    for level in range(TILE_LEVEL_MAX + 1):
        for index, width in _new_places(old_size >> TILE_HEIGHT * level, new_size >> TILE_HEIGHT * level):
            yield Tile(level, index, width)


def tiles_of(size: int) -> Iterator[Tile]:
    """Give the tiles that the tree of ``size`` leaves consists of."""
    return new_tiles(0, size)


def new_bundles(old_size: int, new_size: int) -> Iterator[Bundle]:
    """Give the bundles that a log of ``new_size`` entries consists of and that of ``old_size`` has not."""
    return (Bundle(index, width) for index, width in _new_places(old_size, new_size))


def _new_places(old_count: int, new_count: int) -> Iterator[tuple[int, int]]:
    if old_count == new_count:
        return
    for index in range(old_count >> TILE_HEIGHT, new_count >> TILE_HEIGHT):
        yield index, TILE_WIDTH
    if new_count % TILE_WIDTH:
        yield new_count >> TILE_HEIGHT, new_count % TILE_WIDTH


@dataclass(frozen=True, slots=True)
class Place:
    """Where the hash of a subtree comes from: ``count`` hashes of ``tile`` beginning with number ``first``."""

    tile: Tile
    first: int
    count: int


def place_of(level: int, index: int, size: int) -> Place:
    """Return where the hash of the complete subtree (level, index) comes from in a tree of ``size`` leaves."""
    assert min(level, index) >= 0 and (index + 1) << level <= size <= UINT_MAX, f"subtree {level}, {index} of {size}"
    tile_level, height = divmod(level, TILE_HEIGHT)
    first = index << height
    tile_index = first >> TILE_HEIGHT
    width = min(TILE_WIDTH, (size >> TILE_HEIGHT * tile_level) - tile_index * TILE_WIDTH)
    return Place(Tile(tile_level, tile_index, width), first % TILE_WIDTH, 1 << height)


def subtree_hash(data: bytes, place: Place) -> bytes:
    """Return the hash of a subtree out of the bytes of its tile.

    Raises:
        LedgerRefused: the bytes are not as many as the tile has.
    """
    if len(data) != place.tile.width * HASH_SIZE_BYTES:
        expected = f"{place.tile.width * HASH_SIZE_BYTES} expected"
        raise malformed(f"{place.tile.path} of {len(data)} bytes, {expected}", section=_SECTION)
    ends = range(place.first * HASH_SIZE_BYTES, (place.first + place.count) * HASH_SIZE_BYTES, HASH_SIZE_BYTES)
    hashes = [data[at : at + HASH_SIZE_BYTES] for at in ends]
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def subtree_reader(size: int, read_tile: Callable[[Tile], bytes]) -> ReadSubtree:
    """Return what proofs are made through, for a tree of ``size`` leaves whose tiles ``read_tile`` gives."""

    def read(level: int, index: int) -> bytes:
        place = place_of(level, index, size)
        return subtree_hash(read_tile(place.tile), place)

    return read


def format_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of an entry bundle.

    Raises:
        LedgerRefused: there are none or too many, or one is too long.
    """
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise malformed(f"bundle of {len(entries)} entries, 1 to {TILE_WIDTH} expected", section=_SECTION)
    for entry in entries:
        if len(entry) > ENTRY_OF_BUNDLE_SIZE_BYTES_MAX:
            expected = f"at most {ENTRY_OF_BUNDLE_SIZE_BYTES_MAX} expected"
            raise malformed(f"entry of {len(entry)} bytes, {expected}", section=_SECTION)
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """Return the ``width`` entries of a bundle.

    Raises:
        LedgerRefused: it is cut, or holds fewer or more.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise malformed(f"bundle is cut in entry {len(entries)}", section=_SECTION)
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != width or at != len(data):
        raise malformed(
            f"bundle of {len(entries)} entries and {len(data) - at} bytes more, {width} expected", section=_SECTION
        )
    return tuple(entries)
