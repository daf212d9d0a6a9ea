"""What the ledger needs from the world, as typed ports: its queue, its tiles, and witnesses (design/ledger.md)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dockd.central.ports import LeafRow, ReceiptRow


@dataclass(frozen=True, slots=True)
class PlacedLeaf:
    """A leaf and its place in the tree, which it keeps for ever."""

    index: int
    leaf: LeafRow


class LeafQueue(Protocol):
    """The leaves of the ledger, in the catalogue: waiting, or placed. Every call may raise CatalogueFault: nothing was
    written.

    Places are given without holes, from 0. A leaf is never removed, and what it says never changes.
    """

    def put(self, leaves: tuple[LeafRow, ...]) -> None:
        """Let leaves wait, durable on return; one of a kind and about that is there already is left as it is."""

    def place(self, count_max: int) -> int:
        """Give waiting leaves the next places in the order of their arrival, durable on return; return how many got one."""

    def placed_count(self) -> int:
        """Return how many leaves have a place."""

    def waiting_count(self) -> int:
        """Return how many have none yet."""

    def placed(self, start: int, end: int) -> tuple[PlacedLeaf, ...]:
        """Return the leaves from place ``start`` up to ``end``, in order; fewer where there are not so many."""

    def find(self, kind: str, about: bytes) -> PlacedLeaf | None:
        """Return this leaf; None while it has no place."""

    def receipts_without_leaf(self, count_max: int) -> tuple[ReceiptRow, ...]:
        """Return receipts that no leaf is about: those from before the agency kept a ledger."""


class TileStore(Protocol):
    """The ledger's public files: tiles, bundles and checkpoints, by the paths that the specification gives them.

    A name holds all of its bytes or does not exist, whatever crashes. Every call may raise StoreFault (what was there
    stands); a call that writes may raise StoreUncertain (an fsync failed: end the process).
    """

    def write(self, files: Mapping[str, bytes]) -> None:
        """Make or replace files, all of them durable on return; after a crash any of them may be there, each whole."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the names of the files below a folder, at any depth, sorted."""

    def remove(self, names: tuple[str, ...]) -> None:
        """Remove files; absent ones are fine. Need not be durable: only what nobody needs is removed."""


ProveConsistency = Callable[[int], tuple[bytes, ...]]
"""Gives the proof that the tree of the checkpoint begins with that of so many leaves."""


class Cosigning(Protocol):
    """Whoever asks the witnesses."""

    def collect(self, checkpoint: bytes, size: int, prove: ProveConsistency) -> bytes:
        """Return the signature lines that witnesses give for the log's signed checkpoint, as they come: not verified.

        Each witness is shown that the tree grew from what it saw last, which is this adapter's to remember or to ask.
        Blocks for as long as its settings allow. A witness that does not answer, or refuses, has no line: never a fault.
        """
