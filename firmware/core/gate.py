"""The erase gate: whether a receipt lets this camera erase (spec/04-trust.md, 4.5; invariant I2). Pure, no clock.

What is erased, and in which durable order, is `firmware.app.eraser`.
"""

from dataclasses import dataclass
from typing import Final

from protocol.errors import PeerError
from protocol.policy import Policy
from protocol.receipt import ChainSubject, Receipt, RecordingSubject, verify_receipt
from protocol.verify.chain import ChainReport
from protocol.verify.shift import receipt_contradiction

_LEVELS: Final = {"stored": 1, "locked": 2}


@dataclass(frozen=True, slots=True)
class Permission:
    """The gate is open for what this receipt names, and nothing else."""

    receipt: Receipt
    recording_id: bytes | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The gate stays shut, and why."""

    reason: str
    is_true_but_early: bool = False
    """All holds but the order: it opens when the recordings are gone, so the receipt is kept until then."""


def decide(
    signed: bytes, *, policy: Policy, own_shift: ChainReport | None, has_recordings_left: bool
) -> Permission | Refusal:
    """Say whether ``signed`` permits erasing.

    ``own_shift`` is this camera's own reading of its own chain of the shift that the receipt names, None where it has none;
    ``has_recordings_left``: some recording of that shift is still on the card.
    """
    try:
        receipt = verify_receipt(signed, policy)
    except PeerError as error:
        return Refusal(f"the receipt is not central's: {error}")
    if policy.ledger is not None:
        return Refusal("the policy names a ledger, and the receipt is not shown to stand in it")
    if own_shift is None or not own_shift.is_closed:
        return Refusal("the receipt is about a shift that this camera does not have, or has not closed")
    contradiction = receipt_contradiction(receipt, own_shift)
    if contradiction is not None:
        return Refusal(f"the receipt is not true of this camera's own chain: {contradiction}")
    if _LEVELS[receipt.level] < _LEVELS[policy.erase_level]:
        return Refusal(f"the receipt says {receipt.level}, the policy asks for {policy.erase_level}")
    subject = receipt.subject
    if isinstance(subject, RecordingSubject):
        if not receipt.key_box_opened:
            return Refusal("the vault has not opened the recording's key box")
        return Permission(receipt, subject.recording_id)
    assert isinstance(subject, ChainSubject)
    if has_recordings_left:
        return Refusal("the chain goes last: recordings of the shift are still on the card", is_true_but_early=True)
    return Permission(receipt, None)


def receipted_shift_id(signed: bytes, policy: Policy) -> bytes | None:
    """Return which shift a receipt is about, to find the own chain; None when it is not central's."""
    try:
        return verify_receipt(signed, policy).shift_id
    except PeerError:
        return None
