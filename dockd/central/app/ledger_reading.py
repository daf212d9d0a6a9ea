"""Reads the ledger's files: checkpoints that are believed, and proofs out of few tiles (spec/08-ledger.md, 8.4 and 8.10).

Files are not trusted: a checkpoint is verified, and a proof is checked before it is given to anybody.
"""

from typing import Final

from dockd.central.core.leaves import RECEIPT_KIND, leaf_data
from dockd.central.core.ledger_tree import COSIGNED_NAME, full
from dockd.central.errors import LedgerMismatch
from dockd.central.ledger_ports import LeafQueue, ProveConsistency, TileStore
from dockd.central.ports import ProofOf, ReceiptRow
from protocol.errors import LedgerRefused, PeerError
from protocol.ledger.checkpoint import VerifiedCheckpoint, verify_checkpoint
from protocol.ledger.merkle import ReadSubtree, consistency_proof, inclusion_proof, leaf_hash, root_of, verify_inclusion
from protocol.ledger.proof import LedgerProof, format_proof
from protocol.ledger.tiles import Bundle, Tile, parse_bundle, subtree_reader
from protocol.ledger.trust import LedgerTrust

_HASH_SIZE_BYTES: Final = 32


class LedgerReader:
    """One ledger, as its files are now. Another process may write them meanwhile."""

    def __init__(self, store: TileStore, trust: LedgerTrust) -> None:
        """Take where the files are, and whose checkpoints are believed."""
        self._store = store
        self._trust = trust

    @property
    def trust(self) -> LedgerTrust:
        """Return whose checkpoints are believed."""
        return self._trust

    def checkpoint(self, name: str, trust: LedgerTrust) -> VerifiedCheckpoint | None:
        """Return the checkpoint in a file; None where there is none.

        Raises:
            LedgerMismatch: it is not one that ``trust`` believes.
        """
        data = self._store.read(name)
        if data is None:
            return None
        try:
            return verify_checkpoint(data, trust)
        except LedgerRefused as error:
            raise _mismatch(f"{name} does not hold: {error}", "a checkpoint that this ledger's key signed") from error

    def published(self) -> VerifiedCheckpoint | None:
        """Return the newest checkpoint that enough witnesses have cosigned; None where there is none.

        Raises:
            LedgerMismatch: the file is not what this ledger's key signed.
        """
        data = self._store.read(COSIGNED_NAME)
        if data is None:
            return None
        try:
            return verify_checkpoint(data, self._trust)
        except LedgerRefused as error:
            # A newer policy may ask for other witnesses than those that cosigned: they will cosign the next one.
            if error.kind == "witnesses":
                return None
            raise _mismatch(f"{COSIGNED_NAME} does not hold: {error}", "a checkpoint that was published") from error

    def tile(self, tile: Tile) -> bytes:
        """Return a tile's bytes; those of a partial one may come out of the full one, which outlives it.

        Raises:
            LedgerMismatch: it is not there.
        """
        data = self._store.read(tile.path)
        if data is None and (whole := self._store.read(full(tile).path)) is not None:
            data = whole[: tile.width * _HASH_SIZE_BYTES]
        if data is None:
            raise _mismatch(f"{tile.path} is not there", "every tile of a tree that was signed")
        return data

    def entries(self, bundle: Bundle) -> tuple[bytes, ...]:
        """Return the leaves of a bundle.

        Raises:
            LedgerMismatch: it is not there, or no bundle.
        """
        try:
            if (data := self._store.read(bundle.path)) is not None:
                return parse_bundle(data, bundle.width)
            if (data := self._store.read(full(bundle).path)) is not None:
                return parse_bundle(data, full(bundle).width)[: bundle.width]
        except LedgerRefused as error:
            raise _mismatch(f"{bundle.path} is damaged: {error}", f"{bundle.width} entries") from error
        raise _mismatch(f"{bundle.path} is not there", "every entry of a tree that was signed")

    def leaf_hashes(self, index: int, width: int) -> bytes:
        """Return the first ``width`` leaf hashes of a tile.

        Raises:
            LedgerMismatch: it is not there.
        """
        return self.tile(Tile(0, index, width))

    def root(self, old_size: int, size: int) -> bytes:
        """Return the root of the first ``old_size`` leaves that the tiles of the tree of ``size`` leaves give.

        Raises:
            LedgerMismatch: a tile is missing or damaged.
        """
        try:
            return root_of(old_size, self._subtrees(size))
        except LedgerRefused as error:
            raise _mismatch(str(error), "tiles as they were written") from error

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """Return the proof that a leaf is in the tree of the first ``size`` leaves.

        Raises:
            LedgerMismatch: a tile is missing or damaged.
        """
        try:
            return inclusion_proof(index, size, self._subtrees(size))
        except LedgerRefused as error:
            raise _mismatch(str(error), "tiles as they were written") from error

    def consistency(self, size: int) -> ProveConsistency:
        """Return what proves that the tree of ``size`` leaves begins with that of fewer."""

        def prove(old_size: int) -> tuple[bytes, ...]:
            try:
                return consistency_proof(old_size, size, self._subtrees(size))
            except LedgerRefused as error:
                raise _mismatch(str(error), "tiles as they were written") from error

        return prove

    def _subtrees(self, size: int) -> ReadSubtree:
        """Read each tile once: a proof takes several hashes out of some."""
        tiles: dict[Tile, bytes] = {}

        def read(tile: Tile) -> bytes:
            if tile not in tiles:
                tiles[tile] = self.tile(tile)
            return tiles[tile]

        return subtree_reader(size, read)


class ReceiptProofs:
    """Proofs of receipts, for the keeper; a function in the form of the port `ProofOf`."""

    def __init__(self, reader: LedgerReader, queue: LeafQueue) -> None:
        """Take the ledger, and where a receipt's place and salt stand."""
        self._reader = reader
        self._queue = queue

    def __call__(self, row: ReceiptRow) -> bytes | None:
        """Return a `.tlog-proof` with the leaf's salt, against the newest published checkpoint; None: not in it yet.

        Raises:
            OperatingError: the ledger or the catalogue cannot be read, or they do not belong together.
        """
        placed = self._queue.find(RECEIPT_KIND, row.receipt_hash)
        published = self._reader.published()
        if placed is None or published is None or placed.index >= published.checkpoint.size:
            return None
        tree = published.checkpoint
        hashes = self._reader.inclusion(placed.index, tree.size)
        try:
            verify_inclusion(leaf_hash(leaf_data(placed.leaf)), placed.index, tree.size, hashes, tree.root)
        except PeerError as error:
            raise _mismatch(str(error), f"the leaf of receipt {row.receipt_hash.hex()} in the tree") from error
        return format_proof(LedgerProof(placed.index, hashes, published.signed_bytes, placed.leaf.salt))


def _mismatch(found: str, expected: str) -> LedgerMismatch:
    return LedgerMismatch(
        f"the ledger's files do not belong together: {found}",
        expected=expected,
        next_step="restore the ledger's folder from a backup, or from whoever copies it, and find out what changed it",
    )


def _is_proof_of(proofs: ReceiptProofs) -> ProofOf:
    return proofs
