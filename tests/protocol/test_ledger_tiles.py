"""Tiles and bundles: which there are, what lies where, and the one path of each."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import LedgerRefused
from protocol.ledger.merkle import consistency_proof, inclusion_proof, leaf_hash, root_of
from protocol.ledger.tiles import (
    Bundle,
    Tile,
    format_bundle,
    new_bundles,
    new_tiles,
    parse_bundle,
    parse_path,
    place_of,
    subtree_hash,
    subtree_reader,
    tiles_of,
)
from tests.protocol.ledger_trees import MemoryTree, leaf_data

TREE = MemoryTree(70_000)


def tile_bytes(tile: Tile) -> bytes:
    return b"".join(TREE.hashes[8 * tile.level, tile.index * 256 + number] for number in range(tile.width))


@pytest.mark.parametrize(
    ("found", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(2, 0, 1), "tile/2/000.p/1"),
        (Tile(7, 0, 127), "tile/7/000.p/127"),
        (Bundle(1000, 255), "tile/entries/x001/000.p/255"),
        (Bundle(999), "tile/entries/999"),
        (Tile(0, 2**55 - 1, 255), "tile/0/x036/x028/x797/x018/x963/967.p/255"),
    ],
)
def test_a_tile_has_its_path_and_is_found_by_it(found: Tile | Bundle, path: str) -> None:
    assert found.path == path
    assert parse_path(path) == found


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0",
        "/tile/0/000",
        "tile/0/000/",
        "tile/00/000",
        "tile/8/000",
        "tile/63/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/x1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/../../x",
        "tile/entries/000.p/256",
        "tile/data/000",
        "tile/7/000",
        "tile/7/001.p/1",
        "tile/0/x036/x028/x797/x018/x963/967",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "checkpoint",
    ],
)
def test_another_path_is_refused(path: str) -> None:
    with pytest.raises(LedgerRefused) as caught:
        parse_path(path)
    assert caught.value.kind == "form"


def test_a_tree_of_seventy_thousand_leaves_consists_of_the_tiles_that_the_page_counts() -> None:
    tiles = list(tiles_of(70_000))

    assert [sum(tile.level == level and tile.width == 256 for tile in tiles) for level in range(3)] == [273, 1, 0]
    assert [tile for tile in tiles if tile.width < 256] == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_what_a_grown_tree_needs_is_what_it_had_and_what_is_new(first: int, second: int) -> None:
    old, new = sorted((first, second))

    assert set(tiles_of(new)) <= set(tiles_of(old)) | set(new_tiles(old, new))
    assert set(new_tiles(old, new)) == set(tiles_of(new)) - set(tiles_of(old))
    assert [bundle.width for bundle in new_bundles(0, new)] == [tile.width for tile in tiles_of(new) if tile.level == 0]
    assert len(set(new_bundles(old, new))) == sum(tile.level == 0 for tile in new_tiles(old, new))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 70_000), st.data())
def test_every_complete_subtree_is_found_in_a_tile_of_the_tree(size: int, data: st.DataObject) -> None:
    level = data.draw(st.integers(0, size.bit_length() - 1))
    index = data.draw(st.integers(0, (size >> level) - 1))
    place = place_of(level, index, size)

    assert place.tile.width == 256 or place.tile in set(tiles_of(size))
    assert subtree_hash(tile_bytes(place.tile), place) == TREE.hashes[level, index]


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 65_535, 65_536, 65_537, 70_000])
def test_proofs_made_through_tiles_are_those_of_the_tree(size: int) -> None:
    present = set(tiles_of(size))

    def read_tile(tile: Tile) -> bytes:
        assert tile in present
        return tile_bytes(tile)

    read = subtree_reader(size, read_tile)

    assert root_of(size, read) == TREE.roots[size]
    for index in {0, size // 2, size - 1}:
        assert inclusion_proof(index, size, read) == inclusion_proof(index, size, TREE.read)
        assert consistency_proof(index + 1, size, read) == consistency_proof(index + 1, size, TREE.read)


def test_a_tile_of_another_length_is_refused() -> None:
    place = place_of(0, 3, 300)

    with pytest.raises(LedgerRefused, match="tile/0/000 of 8191 bytes, 8192 expected"):
        subtree_hash(tile_bytes(place.tile)[:-1], place)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    assert parse_bundle(format_bundle(entries), len(entries)) == tuple(entries)


def test_a_bundle_is_lengths_and_entries() -> None:
    assert format_bundle([b"ab", b"", b"c" * 258]) == b"\0\2ab\0\0\1\2" + b"c" * 258


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"", 1), (b"\0", 1), (b"\0\2a", 1), (b"\0\1a", 2), (b"\0\1a\0\1b", 1), (b"\0\1a\0", 1), (b"\0\1a\0", 2)],
)
def test_a_bundle_that_is_cut_or_has_another_count_is_refused(data: bytes, width: int) -> None:
    with pytest.raises(LedgerRefused):
        parse_bundle(data, width)


@pytest.mark.parametrize("entries", [[], [b""] * 257, [bytes(65_536)]])
def test_what_fits_into_no_bundle_is_refused(entries: list[bytes]) -> None:
    with pytest.raises(LedgerRefused):
        format_bundle(entries)


def test_the_entries_of_a_bundle_are_the_leaves_of_its_tile() -> None:
    entries = [leaf_data(number) for number in range(256, 512)]
    place = place_of(8, 1, 600)

    assert [leaf_hash(entry) for entry in entries] == [TREE.hashes[0, number] for number in range(256, 512)]
    assert subtree_hash(tile_bytes(place.tile), place) == TREE.hashes[8, 1]
