"""How the ledger's tree grows: its right edge and new leaves in, the files of the larger tree out. Pure (spec/08-ledger.md, 8.5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from protocol.ledger.merkle import Frontier, frontier_of, leaf_hash
from protocol.ledger.tiles import (
    TILE_HEIGHT,
    TILE_LEVEL_MAX,
    TILE_WIDTH,
    Bundle,
    Tile,
    format_bundle,
    new_bundles,
    new_tiles,
    parse_bundle,
    subtree_reader,
)

CHECKPOINT_NAME: Final = "checkpoint"
COSIGNED_NAME: Final = "cosigned"
"""The newest checkpoint that enough witnesses have cosigned: the only one that proofs are made against."""
TILES_FOLDER: Final = "tile"
_HASH_SIZE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Edge:
    """All that a growing tree needs of what it is: the frontier, and the partial tile of each level, and the partial bundle."""

    frontier: Frontier
    hashes: tuple[tuple[bytes, ...], ...]
    entries: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Return how many leaves the tree has."""
        return self.frontier.size


EMPTY_EDGE: Final = Edge(Frontier(), ((),) * (TILE_LEVEL_MAX + 1), ())


def grown(edge: Edge, leaves: Sequence[bytes]) -> tuple[Edge, dict[str, bytes]]:
    """Return the edge after these leaves, and the files that the larger tree has and the smaller one has not, by their paths."""
    frontier = edge.frontier
    hashes = [list(level) for level in edge.hashes]
    for leaf in leaves:
        frontier, made = frontier.append(leaf_hash(leaf))
        for subtree in made[::TILE_HEIGHT]:
            hashes[subtree.level // TILE_HEIGHT].append(subtree.hash)
    entries = [*edge.entries, *leaves]
    files: dict[str, bytes] = {}
    for tile in new_tiles(edge.size, frontier.size):
        files[tile.path] = b"".join(_part(hashes[tile.level], tile, edge.size >> TILE_HEIGHT * tile.level))
    for bundle in new_bundles(edge.size, frontier.size):
        files[bundle.path] = format_bundle(_part(entries, bundle, edge.size))
    tails = tuple(tuple(_tail(level, frontier.size >> TILE_HEIGHT * place)) for place, level in enumerate(hashes))
    return Edge(frontier, tails, tuple(_tail(entries, frontier.size))), files


def _part(row: Sequence[bytes], place: Tile | Bundle, old_count: int) -> Sequence[bytes]:
    """Return the members of a tile out of a row that begins with the partial tile of ``old_count`` members."""
    first = place.index * TILE_WIDTH - old_count // TILE_WIDTH * TILE_WIDTH
    return row[first : first + place.width]


def _tail(row: Sequence[bytes], count: int) -> Sequence[bytes]:
    return row[len(row) - count % TILE_WIDTH :]


def edge_of(size: int, read_tile: Callable[[Tile], bytes], read_bundle: Callable[[Bundle], bytes]) -> Edge:
    """Return the edge of a tree of ``size`` leaves as its files have it; whether they are right is shown by its root.

    Raises:
        LedgerRefused: a file has not the size that it should have.
    """
    frontier = frontier_of(size, subtree_reader(size, read_tile))
    hashes = []
    for level in range(TILE_LEVEL_MAX + 1):
        index, width = divmod(size >> TILE_HEIGHT * level, TILE_WIDTH)
        data = read_tile(Tile(level, index, width)) if width else b""
        hashes.append(tuple(data[at : at + _HASH_SIZE_BYTES] for at in range(0, len(data), _HASH_SIZE_BYTES)))
    index, width = divmod(size, TILE_WIDTH)
    entries = parse_bundle(read_bundle(Bundle(index, width)), width) if width else ()
    return Edge(frontier, tuple(hashes), entries)


def full(place: Tile | Bundle) -> Tile | Bundle:
    """Return the full tile that a partial one becomes; its first members are those of the partial one."""
    return replace(place, width=TILE_WIDTH)


def outgrown(old_size: int, new_size: int) -> tuple[str, ...]:
    """Return the folders of partial tiles and bundles that are not needed any more, since the full ones are there."""
    places: list[Tile | Bundle] = [tile for tile in new_tiles(old_size, new_size) if tile.width == TILE_WIDTH]
    places += [bundle for bundle in new_bundles(old_size, new_size) if bundle.width == TILE_WIDTH]
    return tuple(f"{place.path}.p" for place in places)
