"""The ledger grows by batches, proves what it holds, and stops at what does not fit."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockd.central.core.ledger_tree import EMPTY_EDGE, Edge, edge_of, grown
from dockd.central.errors import LedgerMismatch
from dockd.central.ports import LeafRow
from hw_sim.crash_tile_store import CrashTileStore
from protocol.errors import LedgerRefused
from protocol.ledger.merkle import EMPTY_ROOT, Frontier, leaf_hash, verify_consistency
from protocol.ledger.tiles import TILE_LEVEL_MAX, tiles_of
from tests.dockd.ledgers import (
    Changed,
    Desk,
    data_of,
    desk_in_memory,
    leaves,
    new_queue,
    receipt,
    verified,
)


def plain_root(data: list[bytes]) -> bytes:
    """Return the root in the words of RFC 6962, without any of our tiles."""
    frontier = Frontier()
    for leaf in data:
        frontier, _ = frontier.append(leaf_hash(leaf))
    return frontier.root()


class Counting(CrashTileStore):
    read_count = 0

    def read(self, name: str) -> bytes | None:
        self.read_count += 1
        return super().read(name)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Return a ledger whose tree has tiles of three levels."""
    desk = Desk(Counting(), new_queue(tmp_path_factory.mktemp("large")))
    desk.queue.put(leaves(0, 66_000))
    desk.drain()
    return desk


def test_a_new_ledger_begins_with_the_signed_empty_tree(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path)

    signed = desk.sequencer.signed.checkpoint
    assert (signed.size, signed.root) == (0, EMPTY_ROOT)
    assert desk.store.read("checkpoint") == desk.sequencer.signed.encoded()
    assert desk.turn() == 0
    assert desk.store.read("cosigned") is None


def test_leaves_stand_in_the_tree_in_the_order_of_their_arrival(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path)
    desk.queue.put(leaves(0, 600))
    desk.drain()

    assert desk.size == 600
    assert list(desk.entries()) == data_of(leaves(0, 600))
    assert desk.sequencer.signed.checkpoint.root == plain_root(data_of(leaves(0, 600)))


def test_a_batch_is_bounded_and_the_rest_comes_with_the_next(tmp_path: Path) -> None:
    desk = Desk(CrashTileStore(), new_queue(tmp_path), batch_leaves_max=100)
    desk.queue.put(leaves(0, 250))

    assert [desk.turn(), desk.turn(), desk.turn(), desk.turn()] == [100, 100, 50, 0]


def test_partial_tiles_go_when_the_full_ones_are_there(tmp_path: Path) -> None:
    store = CrashTileStore()
    desk = Desk(store, new_queue(tmp_path))
    for end in (10, 250, 300, 513):
        desk.queue.put(leaves(0, end))
        desk.drain()

    assert sorted(name for name in store.files if name.startswith("tile/")) == [
        *("tile/0/000", "tile/0/001", "tile/0/002.p/1", "tile/1/000.p/1", "tile/1/000.p/2"),
        *("tile/entries/000", "tile/entries/001", "tile/entries/002.p/1"),
    ]


def test_a_receipt_is_proved_once_it_is_published_and_not_before(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path)
    desk.queue.put(leaves(0, 3))
    waiting = desk.proof_of(receipt(1))
    desk.sequencer.step()
    unpublished = desk.proof_of(receipt(1))
    desk.turn()

    assert waiting is None
    assert unpublished is None
    shown = desk.shown(1)
    assert shown is not None
    assert (shown.index, shown.checkpoint.checkpoint.size) == (1, 3)
    assert desk.proof_of(receipt(3)) is None


def test_a_proof_is_of_its_own_receipt_alone(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path)
    desk.queue.put(leaves(0, 9))
    desk.drain()
    proof = desk.proof_of(receipt(1))
    assert proof is not None

    with pytest.raises(LedgerRefused, match="inclusion"):
        verified(proof, 2, desk.trust)


def test_every_leaf_is_proved_against_every_published_size(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path)
    for end in (1, 2, 255, 256, 257, 700):
        desk.queue.put(leaves(0, end))
        desk.drain()
        for number in {0, end // 2, end - 1}:
            shown = desk.shown(number)
            assert shown is not None
            assert (shown.index, shown.checkpoint.checkpoint.size) == (number, end)


def test_old_sizes_are_proved_consistent_though_their_partial_tiles_are_gone(large: Desk) -> None:
    newest = large.sequencer.signed.checkpoint

    for old_size in (1, 200, 256, 8191, 8192, 8193, 65_536, 65_999, 66_000):
        proof = large.reader.consistency(newest.size)(old_size)
        verify_consistency(old_size, large.reader.root(old_size, newest.size), newest.size, newest.root, proof)


def test_a_proof_reads_few_tiles_and_is_small(large: Desk) -> None:
    store = large.store
    assert isinstance(store, Counting)
    store.read_count = 0
    proof = large.proof_of(receipt(1234))

    # The published checkpoint; the leaf's own tiles of levels 0 to 2, and the right edge of the lower two.
    assert store.read_count <= 6
    assert proof is not None
    assert len(proof) <= 2000


@given(st.lists(st.sampled_from([1, 2, 3, 200, 255, 256, 257, 511, 512, 700]), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_tiles_do_not_depend_on_how_the_leaves_came(sizes: list[int]) -> None:
    total = sum(sizes)
    data = [number.to_bytes(40, "big") for number in range(total)]
    edge, files, start = EMPTY_EDGE, {}, 0
    for size in sizes:
        edge, new = grown(edge, data[start : start + size])
        files.update(new)
        start += size
    whole, at_once = grown(EMPTY_EDGE, data)

    assert edge == whole
    assert {name: files[name] for name in at_once} == at_once
    assert set(at_once) >= {tile.path for tile in tiles_of(total)}
    assert edge_of(total, lambda tile: files[tile.path], lambda bundle: files[bundle.path]) == whole


def test_an_edge_holds_less_than_a_tile_of_each_level() -> None:
    edge, _ = grown(EMPTY_EDGE, [bytes([number % 256]) for number in range(70_000)])

    assert isinstance(edge, Edge)
    assert [len(level) for level in edge.hashes] == [70_000 % 256, 273 % 256, 1, *[0] * (TILE_LEVEL_MAX - 2)]


def test_a_restart_goes_on_where_it_stopped(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path)
    desk.queue.put(leaves(0, 300))
    desk.drain()
    again = Desk(desk.store, desk.queue)
    again.queue.put(leaves(300, 600))
    again.drain()

    assert list(again.entries()) == data_of(leaves(0, 600))
    assert again.sequencer.signed.checkpoint.root == plain_root(data_of(leaves(0, 600)))


def test_an_older_copy_of_the_files_grows_into_the_same_tree_again(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path, threshold=2)
    desk.queue.put(leaves(0, 300))
    desk.drain()
    older = dict(desk.store.files)  # type: ignore[attr-defined]
    desk.queue.put(leaves(300, 700))
    desk.drain()
    desk.queue.put(leaves(700, 710))

    again = Desk(CrashTileStore(older), desk.queue, witnesses=desk.witnesses, threshold=2)
    again.drain()

    assert again.reader.root(700, again.size) == desk.sequencer.signed.checkpoint.root
    assert again.shown(705) is not None
    assert desk.witnesses.refusals == []


# What does not fit: found when the ledger is opened, and never repaired.


def _flip(name: str) -> Changed:
    def change(files: dict[str, bytes]) -> None:
        files[name] = bytes([files[name][0] ^ 1]) + files[name][1:]

    return change


def _swap_entries(files: dict[str, bytes]) -> None:
    data = files["tile/entries/002.p/88"]
    half = len(data) // 88
    files["tile/entries/002.p/88"] = data[half : 2 * half] + data[:half] + data[2 * half :]


def _of_another_log(files: dict[str, bytes]) -> None:
    files["checkpoint"] = files["checkpoint"].replace(b"city-of-example", b"city-of-elsewhere")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_flip("tile/0/002.p/88"), "the tiles give root"),
        (_flip("tile/1/000.p/2"), "the tiles give root"),
        (lambda files: files.pop("tile/0/002.p/88"), "tile/0/002.p/88 is not there"),
        (lambda files: files.update({"tile/1/000.p/2": b"short"}), "tile/1/000.p/2 of 5 bytes"),
        (_flip("tile/entries/002.p/88"), "is damaged"),
        (_swap_entries, "bundle 2 is not what tile 2 is made of"),
        (lambda files: files.pop("checkpoint"), "there are tiles and no checkpoint"),
        (_flip("checkpoint"), "checkpoint does not hold"),
        (_of_another_log, "checkpoint of the log"),
        (lambda files: files.update({"checkpoint": files["old"]}), "600 leaves were published"),
        (lambda files: files.update({"cosigned": b"x"}), "cosigned does not hold"),
    ],
)
def test_files_that_do_not_belong_together_stop_the_ledger(tmp_path: Path, change: Changed, says: str) -> None:
    desk = desk_in_memory(tmp_path)
    desk.queue.put(leaves(0, 550))
    desk.drain()
    files = dict(desk.store.files)  # type: ignore[attr-defined]
    files["old"] = files["checkpoint"]
    desk.queue.put(leaves(550, 600))
    desk.drain()
    files |= desk.store.files  # type: ignore[attr-defined]
    change(files)
    before = dict(files)
    store = CrashTileStore(files)

    with pytest.raises(LedgerMismatch, match=says):
        Desk(store, desk.queue)

    assert store.files == before


def test_a_ledger_whose_folder_was_emptied_is_not_begun_anew(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path)
    desk.queue.put(leaves(0, 5))
    desk.drain()

    with pytest.raises(
        LedgerMismatch, match="the catalogue has 5 leaves in their places, and the ledger's folder is empty"
    ):
        Desk(CrashTileStore(), desk.queue)


def test_a_catalogue_from_an_older_backup_is_found(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path)
    desk.queue.put(leaves(0, 50))
    desk.drain()
    older = new_queue(tmp_path / "older")
    older.put(leaves(0, 20))
    older.place(20)

    with pytest.raises(LedgerMismatch, match="the catalogue has 20 leaves in their places, and the checkpoint 50"):
        Desk(desk.store, older)


def test_a_catalogue_with_another_leaf_in_a_place_is_found(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path)
    desk.queue.put(leaves(0, 50))
    desk.drain()
    other = new_queue(tmp_path / "other")
    last = leaves(49, 50)[0]
    other.put((*leaves(0, 49), LeafRow(last.kind, last.about, last.opening, b"t" * 32)))
    other.place(50)

    with pytest.raises(LedgerMismatch, match="are not those that stand in the tree"):
        Desk(desk.store, other)


def test_a_damaged_tile_is_never_given_out_as_a_proof(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path)
    desk.queue.put(leaves(0, 600))
    desk.drain()
    _flip("tile/0/000")(desk.store.files)  # type: ignore[attr-defined]

    with pytest.raises(LedgerMismatch, match="inclusion"):
        desk.proof_of(receipt(9))
