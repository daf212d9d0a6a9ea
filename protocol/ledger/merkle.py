"""The Merkle tree: roots, proofs and their verification, and the right edge that a growing log keeps in memory.

Implements spec/08-ledger.md, 8.3 and 8.4 (RFC 6962, 2.1; RFC 9162, 2.1.3.2 and 2.1.4.2). Where the hashes lie is the caller's affair.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from protocol.errors import LedgerFault, LedgerRefused
from protocol.units import PROOF_HASHES_MAX, UINT_MAX

_SECTION: Final = "spec/08-ledger.md, 8.4"

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""

ReadSubtree = Callable[[int, int], bytes]
"""Gives the hash of the complete subtree (level, index): over the leaves from index * 2^level up to (index + 1) * 2^level."""


@dataclass(frozen=True, slots=True)
class Subtree:
    """A complete subtree and its hash; it never changes once it is complete."""

    level: int
    index: int
    hash: bytes


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees that shrink from left to right; that of no subtree is the empty tree's."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def complete_subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Give level and index of the complete subtrees, largest first, that the leaves from ``start`` up to ``end`` consist of.

    ``start`` is a multiple of the smallest power of two that is not below their number, as it is for every node of a tree.
    """
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def range_hash(start: int, end: int, read: ReadSubtree) -> bytes:
    """Return the hash of the node over these leaves; ``start`` as `complete_subtrees` says."""
    return fold([read(level, index) for level, index in complete_subtrees(start, end)])


def root_of(size: int, read: ReadSubtree) -> bytes:
    """Return the root of the tree of the first ``size`` leaves."""
    return range_hash(0, size, read)


def inclusion_proof(index: int, size: int, read: ReadSubtree) -> tuple[bytes, ...]:
    """Return the proof that leaf ``index`` is in the tree of ``size`` leaves; reads at most two hashes a level."""
    assert 0 <= index < size <= UINT_MAX, f"leaf {index} of {size}"
    start, end, proof = 0, size, []
    while end - start > 1:
        middle = start + _left_size(end - start)
        if index < middle:
            proof.append(range_hash(middle, end, read))
            end = middle
        else:
            proof.append(range_hash(start, middle, read))
            start = middle
    return tuple(reversed(proof))


def consistency_proof(old_size: int, new_size: int, read: ReadSubtree) -> tuple[bytes, ...]:
    """Return the proof that the tree of ``new_size`` leaves begins with that of ``old_size``; empty for equal sizes and for 0."""
    assert 0 <= old_size <= new_size <= UINT_MAX, f"from {old_size} to {new_size} leaves"
    if old_size == 0:
        return ()
    start, end, proof = 0, new_size, []
    while end != old_size:
        middle = start + _left_size(end - start)
        if old_size <= middle:
            proof.append(range_hash(middle, end, read))
            end = middle
        else:
            proof.append(range_hash(start, middle, read))
            start = middle
    if start > 0:  # Otherwise this node is the old root, which the verifier has.
        proof.append(range_hash(start, end, read))
    return tuple(reversed(proof))


def _left_size(size: int) -> int:
    """Return the largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf with the hash ``leaf`` is number ``index`` of the tree of ``size`` leaves with this root.

    Raises:
        LedgerRefused: ``inclusion``.
    """
    if not 0 <= index < size <= UINT_MAX:
        raise _refused("inclusion", f"leaf {index} in a tree of {size} leaves")
    _check_hashes("inclusion", leaf, root, *proof)
    node, last, found = index, size - 1, leaf
    for place, sibling in enumerate(proof):
        if last == 0:
            raise _refused("inclusion", f"{len(proof)} hashes, {place} expected for leaf {index} of {size}")
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            node, last = _skip_missing_siblings(node, last)
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise _refused("inclusion", f"{len(proof)} hashes, more expected for leaf {index} of {size}")
    if found != root:
        raise _refused("inclusion", f"leaf {index} of {size} leads to root {found.hex()}, {root.hex()} expected")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the new tree begins with all of the old one.

    Raises:
        LedgerRefused: ``consistency``.
    """
    if not 0 <= old_size <= new_size <= UINT_MAX:
        raise _refused("consistency", f"a tree of {new_size} leaves, at least {old_size} expected")
    _check_hashes("consistency", old_root, new_root, *proof)
    if old_size in (0, new_size):
        if proof:
            raise _refused("consistency", f"{len(proof)} hashes from {old_size} to {new_size} leaves, none expected")
        expected = new_root if old_size == new_size else EMPTY_ROOT
        if old_root != expected:
            raise _refused("consistency", f"{old_size} leaves with root {old_root.hex()}, {expected.hex()} expected")
        return
    hashes = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    found_old, found_new = _roots_of_consistency(old_size, new_size, hashes)
    if found_old != old_root:
        raise _refused("consistency", f"old root {found_old.hex()} follows, {old_root.hex()} expected")
    if found_new != new_root:
        raise _refused("consistency", f"new root {found_new.hex()} follows, {new_root.hex()} expected")


def _roots_of_consistency(old_size: int, new_size: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    wrong_length = _refused("consistency", f"{len(hashes)} hashes do not fit {old_size} and {new_size} leaves")
    if not hashes:
        raise wrong_length
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    found_old = found_new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise wrong_length
        if node & 1 or node == last:
            found_old = node_hash(sibling, found_old)
            found_new = node_hash(sibling, found_new)
            node, last = _skip_missing_siblings(node, last)
        else:
            found_new = node_hash(found_new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise wrong_length
    return found_old, found_new


def _skip_missing_siblings(node: int, last: int) -> tuple[int, int]:
    """Go up over the levels where the last node stands alone and is its own parent."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _check_hashes(kind: LedgerFault, *hashes: bytes) -> None:
    if len(hashes) - 2 > PROOF_HASHES_MAX:
        raise _refused(kind, f"{len(hashes) - 2} hashes, at most {PROOF_HASHES_MAX} expected")
    for one in hashes:
        if len(one) != 32:
            raise _refused(kind, f"hash of {len(one)} bytes, 32 expected")


def _refused(kind: LedgerFault, message: str) -> LedgerRefused:
    return LedgerRefused(f"{kind} proof: {message}", kind=kind, section=_SECTION)


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: its size, and the hashes of the complete subtrees that it consists of, largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Hold the two to each other."""
        assert 0 <= self.size <= UINT_MAX and len(self.hashes) == self.size.bit_count(), f"edge of {self.size} leaves"

    def append(self, leaf: bytes) -> tuple["Frontier", tuple[Subtree, ...]]:
        """Return the edge after one more leaf hash, and the subtrees that it completed, the leaf itself first."""
        hashes, made = list(self.hashes), [Subtree(0, self.size, leaf)]
        while self.size >> (len(made) - 1) & 1:
            below = made[-1]
            made.append(Subtree(below.level + 1, below.index >> 1, node_hash(hashes.pop(), below.hash)))
        return Frontier(self.size + 1, (*hashes, made[-1].hash)), tuple(made)

    def root(self) -> bytes:
        """Return the root of the tree."""
        return fold(self.hashes)


def frontier_of(size: int, read: ReadSubtree) -> Frontier:
    """Return the right edge of the tree of the first ``size`` leaves, as a log needs it when it starts."""
    return Frontier(size, tuple(read(level, index) for level, index in complete_subtrees(0, size)))
