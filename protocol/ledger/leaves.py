"""The leaves of Sealcam's ledger: salted commitments to openings, and what an opening says.

Implements spec/08-ledger.md, 8.1 and 8.2. The tree and its bundles hold leaves only. Salts and openings are kept by the log, apart from them;
who has both for a leaf can check it.
"""

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from protocol.canonical import Row, Structure, decode, digest, parse
from protocol.entries import EntryPlace
from protocol.errors import LedgerRefused, PeerError
from protocol.units import (
    LEAF_SALT_SIZE_BYTES,
    LEAF_SIZE_BYTES_MAX,
    OPENING_SIZE_BYTES_MAX,
    Extensions,
    Hash,
    Id,
    Int,
    Kind,
    PersonText,
    Positive,
    Uint,
    Word,
)

_PURPOSE: Final = "sealcam/1 leaf"
_LEAF_SECTION: Final = "spec/08-ledger.md, 8.1"
_OPENING_SECTION: Final = "spec/08-ledger.md, 8.2"

AccessAction = Literal["view", "download", "redact"]


class Opening(Structure):
    """What every opening has besides its kind."""

    ext: Extensions = Field(default_factory=dict)


class CameraKeyOpening(Opening):
    """The agency knows this camera from here on."""

    kind: Literal["camera-key"] = "camera-key"
    camera_id: Id
    enrolment_hash: Hash


class PolicyOpening(Opening):
    """This policy holds from here on."""

    kind: Literal["policy"] = "policy"
    version: Positive
    policy_hash: Hash


class ShiftOpening(Opening):
    """A camera opened a shift; cosigned before a recording began, it fixes everything that the shift's keys can sign."""

    kind: Literal["shift-opening"] = "shift-opening"
    camera_id: Id
    shift_id: Id
    shift_number: Positive
    head_hash: Hash
    previous_shift: EntryPlace | None


class AnchorOpening(Opening):
    """Central has seen a shift's chain up to this entry."""

    kind: Literal["anchor"] = "anchor"
    camera_id: Id
    shift_id: Id
    head_sequence: Uint
    head_hash: Hash


class ReceiptOpening(Opening):
    """Central gave this receipt."""

    kind: Literal["receipt"] = "receipt"
    receipt_hash: Hash
    camera_id: Id
    shift_id: Id


class ErasureOpening(Opening):
    """A camera erased a recording, or the chain of a shift where it is null, behind this receipt."""

    kind: Literal["erasure"] = "erasure"
    camera_id: Id
    shift_id: Id
    recording_id: Id | None
    receipt_hash: Hash


class AccessOpening(Opening):
    """A person looked at a recording, and said why."""

    kind: Literal["access"] = "access"
    recording_id: Id
    action: AccessAction
    person: Hash
    reason: PersonText
    at_ms: Int


class ExportOpening(Opening):
    """A recording left central in a bundle."""

    kind: Literal["export"] = "export"
    recording_id: Id
    bundle_hash: Hash
    person: Hash
    reason: PersonText
    at_ms: Int


class HoldOpening(Opening):
    """A recording is not to be disposed of, or no longer held: ``is_set`` says which."""

    kind: Literal["hold"] = "hold"
    recording_id: Id
    is_set: bool
    person: Hash
    reason: PersonText
    at_ms: Int


class DisposalOpening(Opening):
    """Every copy of a recording and of its key box is destroyed, by a rule and two people; the head shows that it existed."""

    kind: Literal["disposal"] = "disposal"
    recording_id: Id
    rule: Word
    people: Annotated[tuple[Hash, ...], Field(min_length=2, max_length=2)]
    ending_head_hash: Hash
    at_ms: Int

    @model_validator(mode="after")
    def _check(self) -> "DisposalOpening":
        if self.people[0] == self.people[1]:
            raise ValueError("the two people are one")
        return self


class CheckOutOpening(Opening):
    """An officer took a camera, or gave it back."""

    kind: Literal["check-out"] = "check-out"
    camera_id: Id
    pseudonym: Hash
    is_return: bool
    at_ms: Int


AnyOpening = (
    CameraKeyOpening
    | PolicyOpening
    | ShiftOpening
    | AnchorOpening
    | ReceiptOpening
    | ErasureOpening
    | AccessOpening
    | ExportOpening
    | HoldOpening
    | DisposalOpening
    | CheckOutOpening
)
OPENING_OF_KIND: Final[dict[str, type[AnyOpening]]] = {
    "camera-key": CameraKeyOpening,
    "policy": PolicyOpening,
    "shift-opening": ShiftOpening,
    "anchor": AnchorOpening,
    "receipt": ReceiptOpening,
    "erasure": ErasureOpening,
    "access": AccessOpening,
    "export": ExportOpening,
    "hold": HoldOpening,
    "disposal": DisposalOpening,
    "check-out": CheckOutOpening,
}


class Leaf(Row):
    """A leaf as it stands in the tree: its kind, and a commitment to the rest."""

    version: Literal[1]
    kind: Kind
    commitment: Hash


def commitment_of(salt: bytes, opening: bytes) -> bytes:
    """Return what a leaf says of an opening."""
    assert len(salt) == LEAF_SALT_SIZE_BYTES, f"salt of {len(salt)} bytes, {LEAF_SALT_SIZE_BYTES} expected"
    return digest(_PURPOSE, salt, opening)


def make_leaf(opening: AnyOpening, salt: bytes) -> bytes:
    """Return the leaf for an opening under 32 random bytes that are used for no other."""
    encoded = opening.encoded()
    assert len(encoded) <= OPENING_SIZE_BYTES_MAX, f"opening of {len(encoded)} bytes, which no reader would take"
    return Leaf(version=1, kind=opening.kind, commitment=commitment_of(salt, encoded)).encoded()


def parse_leaf(data: bytes) -> Leaf:
    """Return a leaf, of whatever kind.

    Raises:
        PeerError: it is not canonical or not of this form.
    """
    return parse(Leaf, decode(data, size_bytes_max=LEAF_SIZE_BYTES_MAX), section=_LEAF_SECTION)


def parse_opening(data: bytes) -> AnyOpening:
    """Return an opening of one of the kinds.

    Raises:
        PeerError: it is not canonical, of an unknown kind, or not of that kind's form.
    """
    value = decode(data, size_bytes_max=OPENING_SIZE_BYTES_MAX)
    kind = value.get("kind") if isinstance(value, dict) else None
    model = OPENING_OF_KIND.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise PeerError(
            f"opening of kind {kind!r:.60}, one of {', '.join(OPENING_OF_KIND)} expected", section=_OPENING_SECTION
        )
    return parse(model, value, section=_OPENING_SECTION)


def open_leaf(leaf: bytes, salt: bytes, opening: bytes) -> AnyOpening:
    """Return what a leaf commits to.

    Raises:
        LedgerRefused: ``leaf``, where the leaf commits to something else.
        PeerError: leaf or opening is not of its form.
    """
    found = parse_leaf(leaf)
    if len(salt) != LEAF_SALT_SIZE_BYTES:
        message = f"salt of {len(salt)} bytes, {LEAF_SALT_SIZE_BYTES} expected"
        raise LedgerRefused(message, kind="leaf", section=_LEAF_SECTION)
    expected = commitment_of(salt, opening)
    if found.commitment != expected:
        message = f"leaf of kind {found.kind} commits to {found.commitment.hex()}, the opening to {expected.hex()}"
        raise LedgerRefused(message, kind="leaf", section=_LEAF_SECTION)
    said = parse_opening(opening)
    if said.kind != found.kind:
        message = f"leaf of kind {found.kind}, its opening is of kind {said.kind}"
        raise LedgerRefused(message, kind="leaf", section=_LEAF_SECTION)
    return said
