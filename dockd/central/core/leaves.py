"""What central writes into its ledger, and when: leaves to be, made of openings and salts (spec/08-ledger.md, 8.1 and 8.2). Pure."""

from typing import Final

from dockd.central.ports import LeafRow, ReceiptRow
from protocol.canonical import digest
from protocol.entries import Erased
from protocol.ledger.leaves import (
    AnchorOpening,
    AnyOpening,
    CameraKeyOpening,
    ErasureOpening,
    Leaf,
    PolicyOpening,
    ReceiptOpening,
    ShiftOpening,
    commitment_of,
)
from protocol.policy import TrustedPolicy
from protocol.verify.chain import ChainReport

RECEIPT_KIND: Final = "receipt"


def receipt_opening(row: ReceiptRow) -> ReceiptOpening:
    """Say that central gave this receipt."""
    return ReceiptOpening(receipt_hash=row.receipt_hash, camera_id=row.key.camera_id, shift_id=row.key.shift_id)


def camera_opening(camera_id: bytes, enrolment: bytes) -> CameraKeyOpening:
    """Say that the agency knows this camera."""
    return CameraKeyOpening(camera_id=camera_id, enrolment_hash=digest("sealcam/1 enrolment", enrolment))


def policy_opening(policy: TrustedPolicy) -> PolicyOpening:
    """Say that this policy holds."""
    return PolicyOpening(version=policy.policy.version, policy_hash=policy.policy_hash)


def chain_openings(camera_id: bytes, report: ChainReport) -> tuple[AnyOpening, ...]:
    """Say what a stored chain fixes: the shift's opening, its last entry, and what the camera erased meanwhile."""
    openings: list[AnyOpening] = []
    if report.opened is not None and report.opening_head_hash is not None:
        openings.append(
            ShiftOpening(
                camera_id=camera_id,
                shift_id=report.shift_id,
                shift_number=report.opened.shift_number,
                head_hash=report.opening_head_hash,
                previous_shift=report.opened.previous_shift,
            )
        )
    openings.append(
        AnchorOpening(
            camera_id=camera_id,
            shift_id=report.shift_id,
            head_sequence=report.head_sequence,
            head_hash=report.head_hash,
        )
    )
    for _, body in report.bodies:
        if isinstance(body, Erased):
            openings.append(
                ErasureOpening(
                    camera_id=camera_id,
                    shift_id=body.shift_id,
                    recording_id=body.recording_id,
                    receipt_hash=body.receipt_hash,
                )
            )
    return tuple(openings)


def leaf_row(opening: AnyOpening, salt: bytes) -> LeafRow:
    """Return the leaf to be for an opening, under a salt that is used for no other."""
    return LeafRow(opening.kind, _about(opening), opening.encoded(), salt)


def leaf_data(row: LeafRow) -> bytes:
    """Return the leaf as it stands in the tree."""
    return Leaf(version=1, kind=row.kind, commitment=commitment_of(row.salt, row.opening)).encoded()


def _about(opening: AnyOpening) -> bytes:
    """Return what names, within its kind, a thing that central logs once."""
    match opening:
        case ReceiptOpening():
            return opening.receipt_hash
        case CameraKeyOpening():
            return opening.enrolment_hash
        case PolicyOpening():
            return opening.policy_hash
        # With the camera: no other may take the place of what it signed by signing it first.
        case ShiftOpening() | AnchorOpening():
            return opening.camera_id + opening.head_hash
        case ErasureOpening():
            return opening.camera_id + opening.receipt_hash
        case _:
            # What people do may happen twice in the same words, and each time is a leaf of its own.
            raise AssertionError(f"nothing names an opening of kind {opening.kind}")
