"""What the ledger needs from the world, as typed ports: its queue, its tiles, and witnesses (dockd/design/ledger.md)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dockd.central.ports import LeafRow, ReceiptRow
from protocol.ledger.checkpoint import SignedCheckpoint
from protocol.ledger.note import NoteSignature


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
    """The ledger's public files: tiles, bundles and checkpoints, by the paths that spec/08-ledger.md, 8.5 gives them.

    A name holds all of its bytes or does not exist, whatever crashes. Every call may raise StoreFault (what was there
    stands); a call that writes may raise StoreUncertain (an fsync failed: end the process).
    """

    def write(self, files: Mapping[str, bytes]) -> None:
        """Make or replace files, all of them durable on return; after a crash any of them may be there, each whole."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""

    def has_any(self, folder: str) -> bool:
        """Say whether there is any file below a folder."""

    def drop(self, folders: tuple[str, ...]) -> None:
        """Remove folders with all that is in them; absent ones are fine. Nobody needs them: it need not be durable."""


ProveConsistency = Callable[[int], tuple[bytes, ...]]
"""Gives the proof that the tree of the checkpoint begins with that of so many leaves, which are not more than it has."""


class Cosigning(Protocol):
    """Whoever asks the witnesses."""

    def collect(self, checkpoint: SignedCheckpoint, prove: ProveConsistency) -> tuple[NoteSignature, ...]:
        """Return the lines that witnesses answer for a checkpoint that the log signed; they are verified by who gets them.

        Each witness is shown that the tree grew from what it saw last, which is this adapter's to remember or to ask. Blocks
        no longer than its settings allow. A witness that does not answer, or refuses, has no line: it is never a fault.
        """
