"""Whether a receipt stands in the ledger that the policy names (spec/04-trust.md, 4.5, point 5).

What a camera, a dock and the verifier ask alike. That the tree is not smaller than one seen before is asked where that is
remembered: in the camera's erase gate.
"""

from typing import Final

from protocol.errors import LedgerRefused, PeerError
from protocol.ledger.checkpoint import VerifiedCheckpoint, parse_signed_checkpoint
from protocol.ledger.leaves import ReceiptOpening, make_leaf
from protocol.ledger.merkle import leaf_hash
from protocol.ledger.proof import parse_proof, verify_proof
from protocol.ledger.trust import LedgerTrust
from protocol.policy import Policy
from protocol.receipt import Receipt, ReceiptWithProof, receipt_hash
from protocol.units import LEAF_SALT_SIZE_BYTES

_SECTION: Final = "spec/04-trust.md, 4.5"


def shown_in(brought: ReceiptWithProof, receipt: Receipt, policy: Policy) -> VerifiedCheckpoint | None:
    """Return the checkpoint of the policy's ledger that shows a receipt; None where the policy names no ledger.

    ``receipt`` is what ``brought`` was verified to say.

    Raises:
        PeerError: no proof came with it, or it does not hold: another ledger's, too few witnesses, another receipt's.
    """
    if policy.ledger is None:
        return None
    if brought.proof is None:
        raise PeerError(f"no proof came with it that it stands in {policy.ledger.origin}", section=_SECTION)
    proof = parse_proof(brought.proof)
    salt = b"" if proof.extra is None else proof.extra
    if len(salt) != LEAF_SALT_SIZE_BYTES:
        message = f"the proof has {len(salt)} bytes of salt for the receipt's leaf, {LEAF_SALT_SIZE_BYTES} expected"
        raise PeerError(message, section=_SECTION)
    opening = ReceiptOpening(
        receipt_hash=receipt_hash(brought.signed), camera_id=receipt.camera_id, shift_id=receipt.shift_id
    )
    trust = LedgerTrust(policy.ledger.origin, policy.ledger.keys, policy.witness_keys, policy.witness_threshold)
    try:
        return verify_proof(proof, leaf_hash(make_leaf(opening, salt)), trust).checkpoint
    except LedgerRefused as error:
        if error.kind != "inclusion":
            raise
        raise PeerError(f"the proof is not of this receipt: {error}", section=_SECTION) from None


def tree_size_of(brought: ReceiptWithProof) -> int:
    """Return how large the tree is that a receipt's proof speaks of; 0 where there is none that can be read. Unverified."""
    if brought.proof is None:
        return 0
    try:
        return parse_signed_checkpoint(parse_proof(brought.proof).checkpoint).checkpoint.size
    except PeerError:
        return 0
