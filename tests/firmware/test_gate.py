"""The erase gate under attack: every condition of spec/04-trust.md, 4.5 broken in turn (I2).

Each attack breaks one condition only. That it is this condition which stops it is shown by a gate without it: there the
attack gets through.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from firmware.core import gate
from firmware.core.gate import Permission, Refusal, decide
from protocol.canonical import decode, encode, parse
from protocol.cose import payload_of
from protocol.keys import key_id
from protocol.policy import LedgerIdentity, Level, Policy
from protocol.receipt import ChainSubject, Receipt, RecordingSubject, sign_receipt
from protocol.verify.chain import ChainReport
from protocol.verify.shift import receipt_contradiction, recording_subject
from tests.builders import BuiltShift, build_shift, make_agency, make_camera, make_receipt, secret

AGENCY: Final = make_agency()
CAMERA: Final = make_camera(AGENCY)
Decide = Callable[..., Permission | Refusal]


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA, number=2, chunks=2)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA, number=3, is_closed=False)


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
        "5, not shown to stand in the ledger that the policy names",
        receipt_of,
        "not shown to stand in it",
        lambda: cut_out("policy.ledger is not None"),
        policy=AGENCY.with_policy(ledger=LedgerIdentity(origin="ledger.example", keys=(AGENCY.dock.public_key,))).policy,
    ),
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_for_its_reason(attack: Attack, shift: BuiltShift) -> None:
    asked = {"policy": attack.policy, "own_shift": shift.report, "has_recordings_left": attack.has_recordings_left}
    decision = decide(attack.signed(shift.report), **asked)  # type: ignore[arg-type]

    assert isinstance(decision, Refusal)
    assert attack.reason in decision.reason


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_gate_without_that_condition_lets_it_through(attack: Attack, shift: BuiltShift) -> None:
    asked = {"policy": attack.policy, "own_shift": shift.report, "has_recordings_left": attack.has_recordings_left}
    decision = attack.weakened()(attack.signed(shift.report), **asked)

    assert isinstance(decision, Permission)


def test_a_shift_that_is_not_closed_is_not_erased(running: BuiltShift) -> None:
    asked = {"policy": AGENCY.policy, "own_shift": running.report, "has_recordings_left": True}
    signed = receipt_of(running.report)

    assert isinstance(decide(signed, **asked), Refusal)  # type: ignore[arg-type]
    assert isinstance(cut_out("own_shift is None or not own_shift.is_closed")(signed, **asked), Permission)


def test_a_shift_that_is_not_on_the_card_is_not_erased(shift: BuiltShift) -> None:
    decision = decide(receipt_of(shift.report), policy=AGENCY.policy, own_shift=None, has_recordings_left=True)

    assert isinstance(decision, Refusal)
    assert "does not have" in decision.reason


def test_a_receipt_opens_the_gate_for_its_own_shift_only(shift: BuiltShift, other: BuiltShift) -> None:
    decision = decide(receipt_of(other.report), policy=AGENCY.policy, own_shift=shift.report, has_recordings_left=True)

    assert isinstance(decision, Refusal)


def test_a_true_receipt_for_a_recording_opens_the_gate_for_that_recording(shift: BuiltShift) -> None:
    decision = decide(receipt_of(shift.report), policy=AGENCY.policy, own_shift=shift.report, has_recordings_left=True)

    assert isinstance(decision, Permission)
    assert decision.recording_id == shift.recordings[0].recording_id


def test_a_true_receipt_for_the_chain_opens_the_gate_when_the_recordings_are_gone(shift: BuiltShift) -> None:
    signed = receipt_of(shift.report, chain_of(shift.report))
    early = decide(signed, policy=AGENCY.policy, own_shift=shift.report, has_recordings_left=True)
    late = decide(signed, policy=AGENCY.policy, own_shift=shift.report, has_recordings_left=False)

    assert isinstance(early, Refusal)
    assert early.is_true_but_early
    assert isinstance(late, Permission)
    assert late.recording_id is None


def test_only_a_receipt_that_is_true_counts_as_early(shift: BuiltShift) -> None:
    signed = receipt_of(shift.report, ChainSubject(kind="chain", size_bytes=1))
    decision = decide(signed, policy=AGENCY.policy, own_shift=shift.report, has_recordings_left=True)

    assert isinstance(decision, Refusal)
    assert not decision.is_true_but_early


@pytest.mark.parametrize("level", ["stored", "locked"])
def test_a_higher_level_than_asked_for_is_enough(shift: BuiltShift, level: Level) -> None:
    signed = receipt_of(shift.report, level="locked")
    policy = make_agency(erase_level=level).policy

    assert isinstance(decide(signed, policy=policy, own_shift=shift.report, has_recordings_left=True), Permission)


@pytest.mark.parametrize("signed", [b"", b"\x00", b"\xff" * 100, bytes(200_000)], ids=["empty", "0", "ff", "large"])
def test_rubbish_is_refused(shift: BuiltShift, signed: bytes) -> None:
    decision = decide(signed, policy=AGENCY.policy, own_shift=shift.report, has_recordings_left=True)

    assert isinstance(decision, Refusal)


def test_no_flipped_bit_of_a_receipt_opens_the_gate(shift: BuiltShift) -> None:
    signed = receipt_of(shift.report)
    for at in range(0, len(signed), 3):
        bent = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
        decision = decide(bent, policy=AGENCY.policy, own_shift=shift.report, has_recordings_left=True)

        assert isinstance(decision, Refusal), f"byte {at}"


def test_a_receipt_encoded_otherwise_is_refused(shift: BuiltShift) -> None:
    """spec/01-encoding.md, 1.1: an array of four in the long form says the same and is not the same."""
    signed = receipt_of(shift.report)
    assert signed[0] == 0x84
    decision = decide(b"\x98\x04" + signed[1:], policy=AGENCY.policy, own_shift=shift.report, has_recordings_left=True)

    assert isinstance(decision, Refusal)


def test_whose_shift_it_is_is_told_only_by_a_receipt_of_central(shift: BuiltShift) -> None:
    assert gate.receipted_shift_id(receipt_of(shift.report), AGENCY.policy) == shift.shift_id
    assert gate.receipted_shift_id(forged(shift.report), AGENCY.policy) is None
