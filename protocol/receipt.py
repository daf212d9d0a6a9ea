"""Central's receipt (spec/04-trust.md, 4.4). The camera's erase gate, which reads it, stands in the firmware."""

from typing import Annotated, Final, Literal

from pydantic import Field

from protocol.canonical import Row, Structure, decode, digest, parse
from protocol.cose import payload_of, sign_attached, verify_attached
from protocol.entries import MediaFiles
from protocol.errors import BadSignature
from protocol.keys import EntryKey, key_id
from protocol.policy import Level, Policy
from protocol.units import (
    LEDGER_PROOF_SIZE_BYTES_MAX,
    RECEIPT_SIZE_BYTES_MAX,
    Extensions,
    Hash,
    Id,
    Int,
    Positive,
    Uint,
)

_PURPOSE: Final = "sealcam/1 receipt"


class RecordingSubject(Row):
    """A recording that central holds: what its chain says of it."""

    kind: Literal["recording"]
    recording_id: Id
    chunk_count: Uint
    media: MediaFiles
    ending_head_hash: Hash
    key_box_hash: Hash


class ChainSubject(Row):
    """The chain file of a closed shift that central holds."""

    kind: Literal["chain"]
    size_bytes: Positive


class Receipt(Structure):
    """Central's promise that it can read these bytes back after a power cut, and that the vault can open them."""

    receipt_id: Id
    camera_id: Id
    shift_id: Id
    level: Level
    head_sequence: Uint
    head_hash: Hash
    subject: Annotated[RecordingSubject | ChainSubject, Field(union_mode="left_to_right")]
    key_box_opened: bool
    central_key_id: Id
    policy_version: Positive
    stored_at_ms: Int
    ext: Extensions = Field(default_factory=dict)


class ReceiptWithProof(Row):
    """A signed receipt as it travels, with the proof that it stands in the ledger; nothing in it is verified.

    The receipt stays the same for ever; ``proof`` is made anew against newer checkpoints, None where none is at hand.
    """

    signed: Annotated[bytes, Field(max_length=RECEIPT_SIZE_BYTES_MAX)]
    proof: Annotated[bytes, Field(max_length=LEDGER_PROOF_SIZE_BYTES_MAX)] | None


def sign_receipt(receipt: Receipt, central: EntryKey) -> bytes:
    """Return the receipt signed by the central key that it names."""
    assert receipt.central_key_id == key_id(central.public_key)
    return sign_attached(central, _PURPOSE, receipt.encoded())


def receipt_hash(signed: bytes) -> bytes:
    """Return what an `erased` entry says of the receipt behind it."""
    return digest(_PURPOSE, signed)


def verify_receipt(signed: bytes, policy: Policy) -> Receipt:
    """Return a receipt that a central key of ``policy`` signed. What it says of a chain is not looked at.

    Raises:
        PeerError: malformed, or not signed by a central key of this policy.
    """
    sign1 = decode(signed, size_bytes_max=RECEIPT_SIZE_BYTES_MAX)
    receipt = parse(Receipt, decode(payload_of(sign1)), section="spec/04-trust.md, 4.4")
    central_key = policy.central_key_of(receipt.central_key_id)
    if central_key is None:
        raise BadSignature(f"receipt names central key {receipt.central_key_id.hex()}, which the policy does not")
    verify_attached(sign1, central_key, _PURPOSE)
    return receipt
