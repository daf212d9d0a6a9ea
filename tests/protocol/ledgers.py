"""A small ledger in memory: leaves, checkpoints that its key signs and its witnesses cosign, and proofs of receipts.

Everything is made by the production code, from fixed seeds; what it keeps from doing wrong is its user's affair.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocol.keys import SoftwareEd25519
from protocol.ledger.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint
from protocol.ledger.leaves import ReceiptOpening, make_leaf
from protocol.ledger.merkle import inclusion_proof, leaf_hash, node_hash, root_of
from protocol.ledger.note import cosign_text
from protocol.ledger.proof import LedgerProof, format_proof
from protocol.policy import LedgerIdentity, Policy
from protocol.receipt import Receipt, ReceiptWithProof, receipt_hash, verify_receipt
from tests.builders import Agency, secret

COSIGNED_AT_S = 1_790_000_000


def with_ledger(
    agency: Agency, ledger: "Ledger", *, threshold: int | None = None, version: int | None = None
) -> Agency:
    """Return the agency under a policy that names the ledger and asks for all of its witnesses, or ``threshold``."""
    changes: dict[str, object] = {
        "ledger": ledger.identity,
        "witness_keys": tuple(witness.public_key for witness in ledger.witnesses),
        "witness_threshold": len(ledger.witnesses) if threshold is None else threshold,
    }
    return agency.with_policy(**changes, **({} if version is None else {"version": version}))


@dataclass
class Ledger:
    """A log and its witnesses. ``name`` seeds keys and salts; what has another name has another ledger."""

    name: str = "ledger"
    origin: str = "ledger.example/sealcam"
    witness_count: int = 2
    leaves: list[bytes] = field(default_factory=list)
    salts: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)

    @property
    def key(self) -> SoftwareEd25519:
        return SoftwareEd25519(secret(f"{self.name}/log"))

    @property
    def witnesses(self) -> tuple[SoftwareEd25519, ...]:
        return tuple(SoftwareEd25519(secret(f"{self.name}/witness/{number}")) for number in range(self.witness_count))

    @property
    def identity(self) -> LedgerIdentity:
        return LedgerIdentity(origin=self.origin, keys=(self.key.public_key,))

    @property
    def size(self) -> int:
        return len(self.leaves)

    def grow(self, count: int = 1) -> None:
        """Add leaves of others."""
        for _ in range(count):
            self.leaves.append(secret(f"{self.name}/other leaf/{len(self.leaves)}", 50))

    def add(self, signed: bytes, policy: Policy) -> None:
        """Add the leaf of a receipt; the same one again is one leaf."""
        named = receipt_hash(signed)
        if named not in self.salts:
            self.add_leaf_of(signed, verify_receipt(signed, policy))

    def add_leaf_of(self, signed: bytes, receipt: Receipt) -> None:
        """Add a leaf for a receipt that may be false."""
        named, salt = receipt_hash(signed), secret(f"{self.name}/salt/{len(self.leaves)}")
        opening = ReceiptOpening(receipt_hash=named, camera_id=receipt.camera_id, shift_id=receipt.shift_id)
        self.salts[named] = (len(self.leaves), salt)
        self.leaves.append(make_leaf(opening, salt))

    def checkpoint(self, *, size: int | None = None) -> Checkpoint:
        """Return the head of the tree, or of its first ``size`` leaves."""
        size = self.size if size is None else size
        return Checkpoint(self.origin, size, root_of(size, self._subtree))

    def cosigned(
        self, *, size: int | None = None, witnesses: Sequence[SoftwareEd25519] | None = None
    ) -> SignedCheckpoint:
        """Return the checkpoint, signed by the log and cosigned by its witnesses, or by those named, as often as named."""
        signed = sign_checkpoint(self.checkpoint(size=size), self.key)
        text = signed.checkpoint.text
        lines = tuple(
            cosign_text(text, f"witness-{number}.example", witness, at_s=COSIGNED_AT_S + number)
            for number, witness in enumerate(self.witnesses if witnesses is None else witnesses)
        )
        return signed.with_signatures(lines)

    def proof(
        self, signed: bytes, *, size: int | None = None, witnesses: Sequence[SoftwareEd25519] | None = None
    ) -> bytes:
        """Return the proof for a receipt that was added, against the newest checkpoint or that of ``size`` leaves."""
        index, salt = self.salts[receipt_hash(signed)]
        size = self.size if size is None else size
        hashes = inclusion_proof(index, size, self._subtree)
        return format_proof(LedgerProof(index, hashes, self.cosigned(size=size, witnesses=witnesses).encoded(), salt))

    def proved(self, signed: bytes, policy: Policy) -> ReceiptWithProof:
        """Add a receipt, if it is not there, and return it with its proof against the newest checkpoint."""
        self.add(signed, policy)
        return ReceiptWithProof(signed=signed, proof=self.proof(signed))

    def _subtree(self, level: int, index: int) -> bytes:
        if level == 0:
            return leaf_hash(self.leaves[index])
        return node_hash(self._subtree(level - 1, 2 * index), self._subtree(level - 1, 2 * index + 1))


def bare(*receipts: bytes) -> tuple[ReceiptWithProof, ...]:
    """Return receipts without a proof, as they travel where the policy names no ledger."""
    return tuple(ReceiptWithProof(signed=signed, proof=None) for signed in receipts)
