"""When central signs a receipt, and what it says (spec/04-trust.md, 4.4).

Pure: the vault's answer, ids and time come in as values.
"""

from collections.abc import Set
from dataclasses import dataclass

from dockd.central.core.assess import subject_of
from dockd.central.ports import CameraRow, RecordingRow, ShiftRow
from protocol.errors import PeerError
from protocol.keys import EntryKey, key_id
from protocol.layout import key_box_name, media_name
from protocol.policy import Policy, verify_enrolment
from protocol.receipt import ChainSubject, Receipt, RecordingSubject


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs receipts, and under which policy."""

    key: EntryKey
    policy: Policy

    @property
    def key_id(self) -> bytes:
        """Return the name of the signing key."""
        return key_id(self.key.public_key)


def enrolled_key(camera: CameraRow | None, policy: Policy) -> bytes | None:
    """Return an enrolled camera's device key; None for a camera whose enrolment is not there or does not hold."""
    if camera is None or camera.enrolment is None:
        return None
    try:
        return verify_enrolment(camera.enrolment, policy).camera_key
    except PeerError:
        return None


def camera_hold(camera: CameraRow | None, policy: Policy) -> str | None:
    """Say why this camera gets no receipts at all; None when it does."""
    if camera is None or camera.enrolment is None:
        return "the camera is not enrolled; enrol it with `sealcam-central enrol`"
    try:
        verify_enrolment(camera.enrolment, policy)
    except PeerError as error:
        return f"the camera's enrolment does not hold under policy version {policy.version}: {error}"
    if camera.camera_id in policy.revoked_cameras:
        return f"policy version {policy.version} revokes the camera: its footage is kept, and not released for erasing"
    return None


def files_of(recording: RecordingRow) -> tuple[str, ...]:
    """Return the names of all files that a recording consists of beside the chain."""
    subject = subject_of(recording)
    media = (media_name(recording.recording_id, file.number) for file in subject.media)
    return (key_box_name(recording.recording_id), *media)


def missing_files(recording: RecordingRow, stored: Set[str]) -> tuple[str, ...]:
    """Return the names of the files that are still to come."""
    return tuple(name for name in files_of(recording) if name not in stored)


def chain_receipt(shift: ShiftRow, issuer: Issuer, *, receipt_id: bytes, now_ms: int) -> Receipt:
    """Return the receipt for a chain that is stored."""
    subject = ChainSubject(kind="chain", size_bytes=shift.chain_size_bytes)
    return _receipt(shift, subject, issuer, receipt_id=receipt_id, now_ms=now_ms)


def recording_receipt(
    shift: ShiftRow, recording: RecordingRow, issuer: Issuer, *, receipt_id: bytes, now_ms: int
) -> Receipt:
    """Return the receipt for a recording all of whose files are stored, and whose key box the vault has opened."""
    return _receipt(shift, subject_of(recording), issuer, receipt_id=receipt_id, now_ms=now_ms)


def _receipt(
    shift: ShiftRow, subject: RecordingSubject | ChainSubject, issuer: Issuer, *, receipt_id: bytes, now_ms: int
) -> Receipt:
    return Receipt(
        receipt_id=receipt_id,
        camera_id=shift.key.camera_id,
        shift_id=shift.key.shift_id,
        # A local folder cannot lock: a store with retention will say so of itself.
        level="stored",
        head_sequence=shift.head_sequence,
        head_hash=shift.head_hash,
        subject=subject,
        key_box_opened=isinstance(subject, RecordingSubject),
        central_key_id=issuer.key_id,
        policy_version=issuer.policy.version,
        stored_at_ms=now_ms,
    )
