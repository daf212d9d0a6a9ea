"""Receipts that must not open the erase gate, as data: each breaks one condition of spec/04-trust.md, 4.5, and has a gate without it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from firmware.core import gate
from firmware.core.gate import Permission, Refusal
from protocol.canonical import decode, encode, parse
from protocol.cose import payload_of
from protocol.keys import key_id
from protocol.policy import Policy
from protocol.receipt import ChainSubject, Receipt, RecordingSubject, sign_receipt
from protocol.verify.chain import ChainReport
from protocol.verify.shift import receipt_contradiction, recording_subject
from tests.builders import make_agency, make_camera, make_receipt, secret

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
    receipt = _unverified(signed, AGENCY.policy)
    return {name: getattr(receipt, name) for name in Receipt.model_fields}


def _unverified(signed: bytes, policy: Policy) -> Receipt:
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


ATTACKS: Final = (
    Attack("1, signed by a dock", forged, "is not central's", lambda: without(verify_receipt=_unverified)),
    Attack(
        "1, signed by a central of another policy",
        receipt_of,
        "which the policy does not",
        lambda: without(verify_receipt=_unverified),
        policy=make_agency("another agency").policy,
    ),
    Attack(
        "2, another camera's",
        lambda report: receipt_of(report, camera_id=bytes(16)),
        "about camera",
        lambda: forgiving("camera_id"),
    ),
    Attack(
        "2, another shift's",
        lambda report: receipt_of(report, shift_id=bytes(16)),
        "about shift",
        lambda: forgiving("shift_id"),
    ),
    Attack(
        "2, of an earlier head",
        lambda report: receipt_of(report, head_sequence=report.head_sequence - 1),
        "its head is entry",
        lambda: forgiving("head_sequence"),
    ),
    Attack(
        "2, of a fork's head",
        lambda report: receipt_of(report, head_hash=secret("fork")),
        "its head is entry",
        lambda: forgiving("head_hash"),
    ),
    Attack(
        "3, fewer chunks",
        lambda report: changed(report, chunk_count=2),
        "otherwise than the chain",
        lambda: forgiving_subject("chunk_count"),
    ),
    Attack(
        "3, shorter media",
        lambda report: changed(
            report, media=tuple(file.model_copy(update={"size_bytes": 1}) for file in recording_of(report).media)
        ),
        "otherwise than the chain",
        lambda: forgiving_subject("media"),
    ),
    Attack(
        "3, no media",
        lambda report: changed(report, media=()),
        "otherwise than the chain",
        lambda: forgiving_subject("media"),
    ),
    Attack(
        "3, another ending",
        lambda report: changed(report, ending_head_hash=report.head_hash),
        "otherwise than the chain",
        lambda: forgiving_subject("ending_head_hash"),
    ),
    Attack(
        "3, another key box",
        lambda report: changed(report, key_box_hash=secret("box")),
        "otherwise than the chain",
        lambda: forgiving_subject("key_box_hash"),
    ),
    Attack(
        "3, a recording that is not there",
        lambda report: changed(report, recording_id=bytes(16)),
        "is not in this chain",
        lambda: forgiving_subject("recording_id"),
    ),
    Attack(
        "3, a shorter chain",
        lambda report: receipt_of(report, ChainSubject(kind="chain", size_bytes=report.size_bytes - 1)),
        "chain of",
        lambda: forgiving_subject("size_bytes"),
        has_recordings_left=False,
    ),
    Attack(
        "3, the chain before its recordings",
        lambda report: receipt_of(report, chain_of(report)),
        "the chain goes last",
        lambda: cut_out("has_recordings_left"),
    ),
    Attack(
        "4, stored where locked is asked for",
        receipt_of,
        "says stored, the policy asks for locked",
        lambda: cut_out("_LEVELS[receipt.level] < _LEVELS[policy.erase_level]"),
        policy=make_agency(erase_level="locked").policy,
    ),
    Attack(
        "4, key box not opened",
        lambda report: receipt_of(report, key_box_opened=False),
        "has not opened",
        lambda: cut_out("not receipt.key_box_opened"),
    ),
    Attack(
        "5, unwitnessed where witnesses are asked for",
        receipt_of,
        "witnesses, and the receipt shows none",
        lambda: cut_out("policy.witness_threshold > 0"),
        policy=AGENCY.with_policy(witness_keys=(AGENCY.dock.public_key,), witness_threshold=1).policy,
    ),
)  # fmt: skip
