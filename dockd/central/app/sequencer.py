"""Grows the ledger: places leaves, writes tiles, signs the checkpoint (dockd/design/ledger.md; I4).

Durable steps, each of which may be the last before a crash: places in the catalogue; tiles and bundles; the checkpoint.
A place is durable before anything is made of it, so that whatever is done again is done with the same leaves in the
same places, and no two trees of one size can differ. Nothing is said to anyone before its checkpoint is durable.
"""

from typing import Final

from dockd.central.app.ledger_reading import LedgerReader
from dockd.central.core.leaves import leaf_data
from dockd.central.core.ledger_tree import (
    CHECKPOINT_NAME,
    COSIGNED_NAME,
    EMPTY_EDGE,
    TILES_FOLDER,
    Edge,
    edge_of,
    grown,
    outgrown,
)
from dockd.central.errors import LedgerMismatch
from dockd.central.ledger_ports import LeafQueue, PlacedLeaf, TileStore
from dockd.central.ports import OnEvent
from protocol.errors import LedgerRefused
from protocol.keys import EntryKey
from protocol.ledger.checkpoint import Checkpoint, SignedCheckpoint, parse_signed_checkpoint, sign_checkpoint
from protocol.ledger.merkle import leaf_hash
from protocol.ledger.tiles import TILE_WIDTH, Bundle, format_bundle
from protocol.ledger.trust import LedgerTrust

BATCH_LEAVES_MAX: Final = 8192


class Sequencer:
    """The one writer of a ledger's tree."""

    def __init__(
        self,
        *,
        store: TileStore,
        queue: LeafQueue,
        key: EntryKey,
        trust: LedgerTrust,
        on_event: OnEvent,
        batch_leaves_max: int = BATCH_LEAVES_MAX,
    ) -> None:
        """Open the ledger; a new one is begun with the signed checkpoint of the empty tree.

        Raises:
            LedgerMismatch: checkpoint, tiles and queue do not belong together. Nothing was changed.
            StoreFault, CatalogueFault: they cannot be read.
        """
        self._store = store
        self._queue = queue
        self._key = key
        self._origin = trust.origin
        self._on_event = on_event
        self._batch_leaves_max = batch_leaves_max
        self._reader = LedgerReader(store, trust)
        # Its own checkpoint needs no witness: it is there before they see it.
        self._own_trust = LedgerTrust(trust.origin, trust.log_keys, (), 0)
        self._signed, self._edge = self._opened()

    @property
    def signed(self) -> SignedCheckpoint:
        """Return the newest durable checkpoint, with the log's own signature."""
        return self._signed

    @property
    def reader(self) -> LedgerReader:
        """Return who reads this ledger."""
        return self._reader

    def step(self) -> int:
        """Take one batch of leaves into the tree, durable on return; return how many there were.

        Raises:
            LedgerMismatch: the queue's places have holes.
            StoreFault, CatalogueFault: not now; asked again it goes on where it stopped.
            StoreUncertain: end the process.
        """
        size = self._edge.size
        batch = self._queue.placed(size, size + self._batch_leaves_max)
        if not batch:
            self._queue.place(self._batch_leaves_max)
            batch = self._queue.placed(size, size + self._batch_leaves_max)
        if not batch:
            return 0
        if [placed.index for placed in batch] != list(range(size, size + len(batch))):
            raise self._mismatch(f"the catalogue has no leaf {size}, and a later one", "places without holes")
        edge, files = grown(self._edge, [leaf_data(placed.leaf) for placed in batch])
        self._store.write(files)
        signed = self._sign(edge)
        self._store.write({CHECKPOINT_NAME: signed.encoded()})
        self._signed, self._edge = signed, edge
        self._on_event("logged", {"leaves": len(batch), "size": edge.size, "root": signed.checkpoint.root.hex()})
        self._store.drop(outgrown(size, edge.size))
        return len(batch)

    def _sign(self, edge: Edge) -> SignedCheckpoint:
        return sign_checkpoint(Checkpoint(self._origin, edge.size, edge.frontier.root()), self._key)

    def _opened(self) -> tuple[SignedCheckpoint, Edge]:
        verified = self._reader.checkpoint(CHECKPOINT_NAME, self._own_trust)
        if verified is None:
            return self._begun()
        tree = verified.checkpoint
        self._check_root(CHECKPOINT_NAME, tree, tree.size)
        published = self._reader.checkpoint(COSIGNED_NAME, self._own_trust)
        if published is not None:
            if published.checkpoint.size > tree.size:
                found = f"{published.checkpoint.size} leaves were published, and the checkpoint has {tree.size}"
                raise self._mismatch(found, "a checkpoint that is at least as large")
            self._check_root(COSIGNED_NAME, published.checkpoint, tree.size)
        try:
            edge = edge_of(tree.size, self._reader.tile, lambda bundle: format_bundle(self._reader.entries(bundle)))
        except LedgerRefused as error:
            raise self._mismatch(str(error), "tiles as they were written") from error
        self._check_queue(tree.size)
        return parse_signed_checkpoint(verified.signed_bytes), edge

    def _begun(self) -> tuple[SignedCheckpoint, Edge]:
        """Begin a new ledger: only where there are no traces of an old one."""
        if self._store.has_any(TILES_FOLDER) or self._store.read(COSIGNED_NAME) is not None:
            raise self._mismatch("there are tiles and no checkpoint", "the checkpoint that was signed last")
        if self._queue.placed_count():
            found = f"the catalogue has {self._queue.placed_count()} leaves in their places, and the ledger's folder is empty"
            raise self._mismatch(found, "the folder of the ledger that this catalogue belongs to")
        signed = self._sign(EMPTY_EDGE)
        self._store.write({CHECKPOINT_NAME: signed.encoded()})
        self._on_event("ledger-begun", {"origin": self._origin})
        return signed, EMPTY_EDGE

    def _check_root(self, name: str, tree: Checkpoint, size: int) -> None:
        root = self._reader.root(tree.size, size)
        if root != tree.root:
            raise self._mismatch(
                f"the tiles give root {root.hex()} for {tree.size} leaves", f"{tree.root.hex()}, as {name} says"
            )

    def _check_queue(self, size: int) -> None:
        """See whether the catalogue is the one that this tree was made of, by the last leaves.

        One that was restored from an older backup has fewer, or others in their places.
        """
        count = self._queue.placed_count()
        if count < size:
            raise self._mismatch(
                f"the catalogue has {count} leaves in their places, and the checkpoint {size}",
                "a catalogue that is at least as new as the ledger",
            )
        if size == 0:
            return
        index = (size - 1) // TILE_WIDTH
        entries = self._reader.entries(Bundle(index, size - index * TILE_WIDTH))
        hashes = b"".join(map(leaf_hash, entries))
        if hashes != self._reader.leaf_hashes(index, len(entries)):
            raise self._mismatch(
                f"bundle {index} is not what tile {index} is made of", "entries and hashes of the same leaves"
            )
        rows = self._queue.placed(index * TILE_WIDTH, size)
        if [leaf_data(placed.leaf) for placed in rows] != list(entries):
            raise self._mismatch(
                f"leaves {_range(rows)} of the catalogue are not those that stand in the tree",
                "the same leaves in the same places",
            )

    def _mismatch(self, found: str, expected: str) -> LedgerMismatch:
        return LedgerMismatch(
            f"ledger {self._origin} is not opened: {found}",
            expected=expected,
            next_step="restore what is older from its newest backup, ledger and catalogue of one time; never delete a checkpoint",
        )


def _range(rows: tuple[PlacedLeaf, ...]) -> str:
    return f"{rows[0].index} to {rows[-1].index}" if rows else "of the last tile"
