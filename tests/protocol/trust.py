"""An agency with fixed keys: its root, policy and central, what it enrols and what it receipts."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from protocol.canonical import digest
from protocol.keybox import SealingKey
from protocol.keys import SoftwareEd25519, camera_id, key_id
from protocol.policy import Enrolment, Policy, Root, sign_enrolment, sign_policy
from protocol.receipt import ChainSubject, Receipt, RecordingSubject, sign_receipt
from protocol.verify.chain import ChainReport
from protocol.verify.shift import recording_subject
from tests.protocol.shifts import DEVICE, UNIX_MS, Device, entry_key, secret


@dataclass(frozen=True)
class Agency:
    """Everyone who signs, and the policy that says so."""

    root: SoftwareEd25519
    central: SoftwareEd25519
    vault: SealingKey
    escrow: SealingKey
    policy: Policy
    signed_policy: bytes
    root_fingerprint: bytes

    def enrol(self, device: Device = DEVICE, **changes: Any) -> bytes:
        values: dict[str, object] = {
            "camera_key": device.public_key,
            "serial": "CAM-1",
            "enrolled_at_ms": UNIX_MS,
            "central_key_id": key_id(self.central.public_key),
            "policy_version": self.policy.version,
        }
        return sign_enrolment(Enrolment.model_validate(values | changes), self.central)

    def receipt(
        self, report: ChainReport, subject: RecordingSubject | ChainSubject, device: Device = DEVICE, **changes: Any
    ) -> bytes:
        """Return a receipt about this chain; ``changes`` make it untrue."""
        values: dict[str, object] = {
            "receipt_id": secret(f"receipt {subject!r}", 16),
            "camera_id": camera_id(device.public_key),
            "shift_id": report.shift_id,
            "level": "stored",
            "head_sequence": report.head_sequence,
            "head_hash": report.head_hash,
            "subject": subject,
            "key_box_opened": isinstance(subject, RecordingSubject),
            "central_key_id": key_id(self.central.public_key),
            "policy_version": self.policy.version,
            "stored_at_ms": UNIX_MS,
        }
        return sign_receipt(Receipt.model_validate(values | changes), self.central)

    def receipts(self, report: ChainReport, device: Device = DEVICE) -> tuple[bytes, ...]:
        """Return the receipts for all recordings of a chain, and for the chain."""
        subjects: list[RecordingSubject | ChainSubject] = [
            subject for view in report.recordings if (subject := recording_subject(view)) is not None
        ]
        subjects.append(ChainSubject(kind="chain", size_bytes=report.size_bytes))
        return tuple(self.receipt(report, subject, device) for subject in subjects)


def make_policy(name: str = "agency", **changes: object) -> Policy:
    values: dict[str, object] = {
        "version": 1,
        "agency": name,
        "issued_at_ms": UNIX_MS,
        "central_keys": (entry_key(f"{name}/central").public_key,),
        "dock_keys": (entry_key(f"{name}/dock").public_key,),
        "vault_key": SealingKey(secret(f"{name}/vault", 96)).public_key,
        "escrow_key": SealingKey(secret(f"{name}/escrow", 96)).public_key,
        "ledger": None,
        "witness_keys": (),
        "witness_threshold": 0,
        "erase_level": "stored",
        "revoked_cameras": (),
    }
    return Policy.model_validate(values | changes)


def make_agency(name: str = "agency", **changes: object) -> Agency:
    """Return an agency; ``changes`` are to its policy."""
    policy, root_key = make_policy(name, **changes), entry_key(f"{name}/root")
    root = Root(threshold=1, keys=(root_key.public_key,))
    return Agency(
        root=root_key,
        central=entry_key(f"{name}/central"),
        vault=_sealing_key(f"{name}/vault"),
        escrow=_sealing_key(f"{name}/escrow"),
        policy=policy,
        signed_policy=sign_policy(policy, root, (root_key,)),
        root_fingerprint=root.fingerprint,
    )


@lru_cache
def _sealing_key(name: str) -> SealingKey:
    return SealingKey(secret(name, 96))


AGENCY = make_agency()
POLICY_HASH = digest("sealcam/1 policy", AGENCY.policy.encoded())
