"""The erase gate: whether a receipt lets this camera erase (spec/04-trust.md, 4.5; invariant I2). Pure, no clock.

What is erased, and in which durable order, is `firmware.app.eraser`; what was accepted of the ledger is remembered in
`firmware.app.checkpoints`.
"""

from dataclasses import dataclass
from typing import Final

from protocol.errors import PeerError
from protocol.ledger.checkpoint import Checkpoint, VerifiedCheckpoint
from protocol.policy import Policy
from protocol.receipt import ChainSubject, Receipt, ReceiptWithProof, RecordingSubject, verify_receipt
from protocol.receipt_proof import shown_in
from protocol.verify.chain import ChainReport
from protocol.verify.shift import receipt_contradiction

_LEVELS: Final = {"stored": 1, "locked": 2}


@dataclass(frozen=True, slots=True)
class Permission:
    """The gate is open for what this receipt names, and nothing else.

    ``checkpoint`` shows the receipt in the ledger and is to be remembered; None where the policy names no ledger.
    """

    receipt: Receipt
    recording_id: bytes | None
    checkpoint: VerifiedCheckpoint | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The gate stays shut, and why."""

    reason: str
    is_true_but_early: bool = False
    """All holds but the order: it opens when the recordings are gone, so the receipt is kept until then."""
    is_proof_wanted: bool = False
    """All holds but the ledger's proof: another one may open the gate."""
    checkpoint: VerifiedCheckpoint | None = None
    """What a receipt that is early was shown in, to be remembered as of a permission."""


def decide(
    brought: ReceiptWithProof,
    *,
    policy: Policy,
    largest: Checkpoint | None,
    own_shift: ChainReport | None,
    has_recordings_left: bool,
) -> Permission | Refusal:
    """Say whether a receipt, with its proof of the ledger, permits erasing.

    ``largest`` is the largest checkpoint of the policy's ledger that this camera ever accepted, None before the first;
    ``own_shift`` its own reading of its own chain of the shift that the receipt names, None where it has none;
    ``has_recordings_left``: some recording of that shift is still on the card.
    """
    try:
        receipt = verify_receipt(brought.signed, policy)
    except PeerError as error:
        return Refusal(f"the receipt is not central's: {error}")
    if own_shift is None or not own_shift.is_closed:
        return Refusal("the receipt is about a shift that this camera does not have, or has not closed")
    contradiction = receipt_contradiction(receipt, own_shift)
    if contradiction is not None:
        return Refusal(f"the receipt is not true of this camera's own chain: {contradiction}")
    if _LEVELS[receipt.level] < _LEVELS[policy.erase_level]:
        return Refusal(f"the receipt says {receipt.level}, the policy asks for {policy.erase_level}")
    subject = receipt.subject
    if isinstance(subject, RecordingSubject) and not receipt.key_box_opened:
        return Refusal("the vault has not opened the recording's key box")
    try:
        shown = shown_in(brought, receipt, policy)
    except PeerError as error:
        return Refusal(f"the receipt is not shown to stand in the ledger: {error}", is_proof_wanted=True)
    if shown is not None and largest is not None:
        tree = shown.checkpoint
        if tree.size < largest.size:
            text = f"the proof is of a tree of {tree.size} leaves, and this camera has accepted one of {largest.size}"
            return Refusal(text, is_proof_wanted=True)
        if tree.size == largest.size and tree.root != largest.root:
            text = (
                f"the ledger is forked: {tree.size} leaves with another root than those that this camera has accepted"
            )
            return Refusal(text, is_proof_wanted=True)
    if isinstance(subject, RecordingSubject):
        return Permission(receipt, subject.recording_id, shown)
    assert isinstance(subject, ChainSubject)
    if has_recordings_left:
        text = "the chain goes last: recordings of the shift are still on the card"
        return Refusal(text, is_true_but_early=True, checkpoint=shown)
    return Permission(receipt, None, shown)


def receipted_shift_id(signed: bytes, policy: Policy) -> bytes | None:
    """Return which shift a receipt is about, to find the own chain; None when it is not central's."""
    try:
        return verify_receipt(signed, policy).shift_id
    except PeerError:
        return None
