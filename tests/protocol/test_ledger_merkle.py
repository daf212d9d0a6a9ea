"""Roots and proofs: as RFC 6962 defines them, for every small size, and refused after any change."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import LedgerRefused
from protocol.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    frontier_of,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.protocol.ledger_trees import (
    REFERENCE_LEAVES,
    REFERENCE_ROOTS,
    MemoryTree,
    leaf_data,
    plain_path,
    plain_root,
    plain_subproof,
)

SIZE_MAX = 70
TREE = MemoryTree(SIZE_MAX)
LEAVES = [leaf_hash(leaf_data(number)) for number in range(SIZE_MAX)]
LARGE = MemoryTree(5_000)
HASHES = st.binary(min_size=32, max_size=32)


def test_the_reference_tree_has_its_known_roots() -> None:
    tree = MemoryTree()
    for data in REFERENCE_LEAVES:
        tree.append(data)

    assert [root.hex() for root in tree.roots[1:]] == list(REFERENCE_ROOTS)


def test_the_empty_tree_has_the_hash_of_nothing_as_its_root() -> None:
    assert root_of(0, TREE.read).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Frontier().root() == EMPTY_ROOT


@pytest.mark.parametrize("size", range(SIZE_MAX + 1))
def test_the_root_is_that_of_the_definition(size: int) -> None:
    assert root_of(size, TREE.read) == TREE.roots[size] == plain_root(LEAVES[:size])


@pytest.mark.parametrize("size", range(1, SIZE_MAX + 1))
def test_every_inclusion_proof_is_that_of_the_definition_and_holds(size: int) -> None:
    for index in range(size):
        proof = inclusion_proof(index, size, TREE.read)

        assert list(proof) == plain_path(index, LEAVES[:size])
        verify_inclusion(LEAVES[index], index, size, proof, TREE.roots[size])


@pytest.mark.parametrize("size", range(SIZE_MAX + 1))
def test_every_consistency_proof_is_that_of_the_definition_and_holds(size: int) -> None:
    for old in range(size + 1):
        proof = consistency_proof(old, size, TREE.read)

        assert list(proof) == (plain_subproof(old, LEAVES[:size]) if old else [])
        verify_consistency(old, TREE.roots[old], size, TREE.roots[size], proof)


def changed(proof: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    """Give the proof with each hash changed, left out, doubled and in its neighbour's place, and with one more at either end."""
    for at, one in enumerate(proof):
        yield (*proof[:at], bytes([one[0] ^ 1]) + one[1:], *proof[at + 1 :])
        yield (*proof[:at], *proof[at + 1 :])
        yield (*proof[:at], one, one, *proof[at + 1 :])
        yield (*proof[:at], one[:-1], *proof[at + 1 :])
        if at and proof[at - 1] != one:
            yield (*proof[: at - 1], one, proof[at - 1], *proof[at + 1 :])
    yield (*proof, EMPTY_ROOT)
    yield (EMPTY_ROOT, *proof)


@pytest.mark.parametrize("size", range(1, 34))
def test_no_changed_inclusion_proof_holds(size: int) -> None:
    for index in range(size):
        proof = inclusion_proof(index, size, TREE.read)
        for other in changed(proof):
            with pytest.raises(LedgerRefused) as caught:
                verify_inclusion(LEAVES[index], index, size, other, TREE.roots[size])
            assert caught.value.kind == "inclusion"


@pytest.mark.parametrize("size", range(1, 34))
def test_no_changed_consistency_proof_holds(size: int) -> None:
    for old in range(size + 1):
        proof = consistency_proof(old, size, TREE.read)
        for other in changed(proof):
            with pytest.raises(LedgerRefused) as caught:
                verify_consistency(old, TREE.roots[old], size, TREE.roots[size], other)
            assert caught.value.kind == "consistency"


@pytest.mark.parametrize("size", range(1, 34))
def test_an_inclusion_proof_is_good_for_its_leaf_number_and_root_only(size: int) -> None:
    for index in range(size):
        proof = inclusion_proof(index, size, TREE.read)
        others = [(LEAVES[index], other, size, TREE.roots[size]) for other in range(-1, size + 2) if other != index]
        others += [(LEAVES[index - 1], index, size, TREE.roots[size])] if size > 1 else []
        others += [(LEAVES[index], index, size, TREE.roots[size - 1]), (LEAVES[index], index, 2**63, TREE.roots[size])]
        for leaf, number, leaves, root in others:
            with pytest.raises(LedgerRefused):
                verify_inclusion(leaf, number, leaves, proof, root)


@pytest.mark.parametrize("size", range(2, 34))
def test_a_consistency_proof_is_good_for_its_two_roots_only(size: int) -> None:
    for old in range(1, size):
        proof = consistency_proof(old, size, TREE.read)
        for old_root, new_root in (
            (TREE.roots[old - 1], TREE.roots[size]),
            (TREE.roots[old], TREE.roots[size + 1]),
            (TREE.roots[size], TREE.roots[old]),
        ):
            with pytest.raises(LedgerRefused):
                verify_consistency(old, old_root, size, new_root, proof)


def test_a_tree_never_goes_on_from_a_larger_one() -> None:
    with pytest.raises(LedgerRefused, match="a tree of 4 leaves, at least 5 expected"):
        verify_consistency(5, TREE.roots[5], 4, TREE.roots[4], ())


def test_an_empty_tree_with_a_root_is_no_beginning() -> None:
    with pytest.raises(LedgerRefused, match="0 leaves with root"):
        verify_consistency(0, TREE.roots[1], 5, TREE.roots[5], ())


def test_a_fork_has_no_consistency_proof() -> None:
    fork = MemoryTree(9)
    fork.append(b"another leaf 9")
    for number in range(10, 20):
        fork.append(leaf_data(number))

    with pytest.raises(LedgerRefused, match="old root"):
        verify_consistency(12, TREE.roots[12], 20, fork.roots[20], consistency_proof(12, 20, fork.read))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_proofs_of_larger_trees_hold_and_read_few_hashes(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(LARGE.roots) - 1))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    LARGE.read_count = 0

    verify_inclusion(LARGE.hashes[0, index], index, size, inclusion_proof(index, size, LARGE.read), LARGE.roots[size])
    assert LARGE.read_count <= 2 * size.bit_length()
    LARGE.read_count = 0
    verify_consistency(old, LARGE.roots[old], size, LARGE.roots[size], consistency_proof(old, size, LARGE.read))
    assert LARGE.read_count <= 2 * size.bit_length()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(1, 2**63 - 1), st.lists(HASHES, max_size=70))
def test_any_other_hashes_are_refused_and_nothing_else_happens(index: int, size: int, proof: list[bytes]) -> None:
    with pytest.raises(LedgerRefused):
        verify_inclusion(leaf_hash(b""), index, size, proof, EMPTY_ROOT)
    with pytest.raises(LedgerRefused):
        verify_consistency(min(index, size - 1), leaf_hash(b""), size, EMPTY_ROOT, proof)


def test_the_largest_tree_has_proofs_of_sixty_three_hashes() -> None:
    of_level = [leaf_hash(b"the same leaf everywhere")]
    while len(of_level) < 63:
        of_level.append(node_hash(of_level[-1], of_level[-1]))
    size = 2**63 - 1
    proof = inclusion_proof(0, size, lambda level, _index: of_level[level])

    assert len(proof) == 63
    verify_inclusion(of_level[0], 0, size, proof, root_of(size, lambda level, _index: of_level[level]))


def test_the_edge_is_found_again_from_the_hashes() -> None:
    for size in (0, 1, 7, 64, 4_999, 5_000):
        frontier = frontier_of(size, LARGE.read)

        assert frontier.root() == LARGE.roots[size]
    assert frontier == LARGE.frontier
