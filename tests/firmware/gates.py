"""What attacks on the erase gate are made of: receipts that are false in one point, and gates that lack one condition."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from firmware.core import gate
from firmware.core.gate import Permission, Refusal, decide
from protocol.canonical import decode, encode, parse
from protocol.cose import payload_of
from protocol.keys import key_id
from protocol.ledger.checkpoint import Checkpoint
from protocol.policy import Policy
from protocol.receipt import ChainSubject, Receipt, ReceiptWithProof, RecordingSubject, sign_receipt
from protocol.verify.chain import ChainReport
from protocol.verify.shift import receipt_contradiction, recording_subject
from tests.builders import make_agency, make_camera, make_receipt

AGENCY: Final = make_agency()
CAMERA: Final = make_camera(AGENCY)
Decide = Callable[..., Permission | Refusal]


def recording_of(report: ChainReport) -> RecordingSubject:
    subject = recording_subject(report.recordings[0])
    assert subject is not None
    return subject


def chain_of(report: ChainReport) -> ChainSubject:
    return ChainSubject(kind="chain", size_bytes=report.size_bytes)


def receipt_of(report: ChainReport, subject: RecordingSubject | ChainSubject | None = None, **changes: object) -> bytes:
    subject = recording_of(report) if subject is None else subject
    return make_receipt(subject, report=report, agency=AGENCY, camera=CAMERA, **changes)  # type: ignore[arg-type]


def decided(
    signed: bytes,
    report: ChainReport | None,
    *,
    policy: Policy = AGENCY.policy,
    has_recordings_left: bool = True,
    proof: bytes | None = None,
    largest: Checkpoint | None = None,
    gate: Decide = decide,
) -> Permission | Refusal:
    """Ask a gate."""
    brought = ReceiptWithProof(signed=signed, proof=proof)
    return gate(brought, policy=policy, largest=largest, own_shift=report, has_recordings_left=has_recordings_left)


def changed(report: ChainReport, **changes: object) -> bytes:
    """Return a receipt for a recording of which it says something else."""
    return receipt_of(report, recording_of(report).model_copy(update=changes))


def forged(report: ChainReport) -> bytes:
    """Return a receipt that names central's key and is signed by a dock's."""
    liar = replace(AGENCY, central=AGENCY.dock)
    right = Receipt.model_validate(_fields(receipt_of(report)) | {"central_key_id": key_id(AGENCY.dock.public_key)})
    by_dock = decode(sign_receipt(right, liar.central))
    by_central = decode(receipt_of(report))
    assert isinstance(by_dock, tuple)
    assert isinstance(by_central, tuple)
    return encode([*by_central[:-1], by_dock[-1]])


def _fields(signed: bytes) -> dict[str, Any]:
    receipt = unverified(signed, AGENCY.policy)
    return {name: getattr(receipt, name) for name in Receipt.model_fields}


def unverified(signed: bytes, policy: Policy) -> Receipt:
    """Return what a receipt says, whoever signed it."""
    return parse(Receipt, decode(payload_of(decode(signed))), section="spec/04-trust.md, 4.4")


# Gates that lack one condition.


def without(**parts: object) -> Decide:
    """Return a gate with some of the functions that it asks exchanged."""
    return _gate(Path(gate.__file__).read_text(encoding="utf-8"), parts)


def cut_out(condition: str) -> Decide:
    """Return a gate in which one `if` of its source is never true."""
    source = Path(gate.__file__).read_text(encoding="utf-8")
    assert source.count(f"if {condition}:") == 1, f"the gate does not ask for {condition!r} any more"
    return _gate(source.replace(f"if {condition}:", "if False:"), {})


def _gate(source: str, parts: dict[str, object]) -> Decide:
    space: dict[str, Any] = {"__name__": gate.__name__}
    exec(compile(source, gate.__file__, "exec"), space)
    # The same classes, so that a permission is known as one.
    space.update(parts, Permission=Permission, Refusal=Refusal)
    return space["decide"]  # type: ignore[no-any-return]


def forgiving(field: str) -> Decide:
    """Return a gate that does not compare one field of the receipt with the chain."""

    def contradiction(receipt: Receipt, report: ChainReport) -> str | None:
        truth = {
            "camera_id": CAMERA.camera_id,
            "shift_id": report.shift_id,
            "head_sequence": report.head_sequence,
            "head_hash": report.head_hash,
        }
        return receipt_contradiction(receipt.model_copy(update={field: truth[field]}), report)

    return without(receipt_contradiction=contradiction)


def forgiving_subject(field: str) -> Decide:
    """Return a gate that does not compare one field of the receipt's subject with the chain."""

    def contradiction(receipt: Receipt, report: ChainReport) -> str | None:
        is_recording = isinstance(receipt.subject, RecordingSubject)
        truth = getattr(recording_of(report) if is_recording else chain_of(report), field)
        subject = receipt.subject.model_copy(update={field: truth})
        return receipt_contradiction(receipt.model_copy(update={"subject": subject}), report)

    return without(receipt_contradiction=contradiction)


@dataclass(frozen=True)
class Attack:
    """A receipt that must not open the gate, why it must not, and a gate that lacks this reason."""

    name: str
    signed: Callable[[ChainReport], bytes]
    reason: str
    weakened: Callable[[], Decide]
    policy: Policy = AGENCY.policy
    has_recordings_left: bool = True
    proof: Callable[[ChainReport], bytes | None] = lambda report: None
    largest: Callable[[ChainReport], Checkpoint | None] = lambda report: None

    def ask(self, decide: Decide, report: ChainReport) -> Permission | Refusal:
        """Put the attack to a gate."""
        return decided(
            self.signed(report),
            report,
            policy=self.policy,
            has_recordings_left=self.has_recordings_left,
            proof=self.proof(report),
            largest=self.largest(report),
            gate=decide,
        )
