"""The erase gate under attack: conditions 1 to 4 of spec/04-trust.md, 4.5 broken in turn (I2).

Each attack breaks one condition only. That it is this condition which stops it is shown by a gate without it: there the
attack gets through. Condition 5 stands in `test_gate_ledger.py`.
"""

from typing import Final

import pytest

from firmware.core import gate
from firmware.core.gate import Permission, Refusal, decide
from protocol.policy import Level
from protocol.receipt import ChainSubject
from protocol.units import RECEIPT_SIZE_BYTES_MAX
from tests.builders import BuiltShift, build_shift, make_agency, secret
from tests.firmware.gates import (
    AGENCY,
    CAMERA,
    Attack,
    _unverified,
    chain_of,
    changed,
    cut_out,
    decided,
    forged,
    forgiving,
    forgiving_subject,
    receipt_of,
    recording_of,
    without,
)


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA, number=2, chunks=2)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA, number=3, is_closed=False)


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
        lambda: cut_out("isinstance(subject, RecordingSubject) and not receipt.key_box_opened"),
    ),
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_for_its_reason(attack: Attack, shift: BuiltShift) -> None:
    decision = attack.ask(decide, shift.report)

    assert isinstance(decision, Refusal)
    assert attack.reason in decision.reason
    assert not decision.is_proof_wanted


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_gate_without_that_condition_lets_it_through(attack: Attack, shift: BuiltShift) -> None:
    decision = attack.ask(attack.weakened(), shift.report)

    assert isinstance(decision, Permission)


def test_a_shift_that_is_not_closed_is_not_erased(running: BuiltShift) -> None:
    signed = receipt_of(running.report)
    weakened = cut_out("own_shift is None or not own_shift.is_closed")

    assert isinstance(decided(signed, running.report), Refusal)
    assert isinstance(decided(signed, running.report, gate=weakened), Permission)


def test_a_shift_that_is_not_on_the_card_is_not_erased(shift: BuiltShift) -> None:
    decision = decided(receipt_of(shift.report), None)

    assert isinstance(decision, Refusal)
    assert "does not have" in decision.reason


def test_a_receipt_opens_the_gate_for_its_own_shift_only(shift: BuiltShift, other: BuiltShift) -> None:
    decision = decided(receipt_of(other.report), shift.report)

    assert isinstance(decision, Refusal)


def test_a_true_receipt_for_a_recording_opens_the_gate_for_that_recording(shift: BuiltShift) -> None:
    decision = decided(receipt_of(shift.report), shift.report)

    assert isinstance(decision, Permission)
    assert decision.recording_id == shift.recordings[0].recording_id


def test_a_true_receipt_for_the_chain_opens_the_gate_when_the_recordings_are_gone(shift: BuiltShift) -> None:
    signed = receipt_of(shift.report, chain_of(shift.report))
    early = decided(signed, shift.report)
    late = decided(signed, shift.report, has_recordings_left=False)

    assert isinstance(early, Refusal)
    assert early.is_true_but_early
    assert isinstance(late, Permission)
    assert late.recording_id is None


def test_only_a_receipt_that_is_true_counts_as_early(shift: BuiltShift) -> None:
    signed = receipt_of(shift.report, ChainSubject(kind="chain", size_bytes=1))
    decision = decided(signed, shift.report)

    assert isinstance(decision, Refusal)
    assert not decision.is_true_but_early


@pytest.mark.parametrize("level", ["stored", "locked"])
def test_a_higher_level_than_asked_for_is_enough(shift: BuiltShift, level: Level) -> None:
    signed = receipt_of(shift.report, level="locked")
    policy = make_agency(erase_level=level).policy

    assert isinstance(decided(signed, shift.report, policy=policy), Permission)


@pytest.mark.parametrize(
    "signed", [b"", b"\x00", b"\xff" * 100, bytes(RECEIPT_SIZE_BYTES_MAX)], ids=["empty", "0", "ff", "large"]
)
def test_rubbish_is_refused(shift: BuiltShift, signed: bytes) -> None:
    decision = decided(signed, shift.report)

    assert isinstance(decision, Refusal)


def test_no_flipped_bit_of_a_receipt_opens_the_gate(shift: BuiltShift) -> None:
    signed = receipt_of(shift.report)
    for at in range(0, len(signed), 3):
        bent = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
        decision = decided(bent, shift.report)

        assert isinstance(decision, Refusal), f"byte {at}"


def test_a_receipt_encoded_otherwise_is_refused(shift: BuiltShift) -> None:
    """spec/01-encoding.md, 1.1: an array of four in the long form says the same and is not the same."""
    signed = receipt_of(shift.report)
    assert signed[0] == 0x84
    decision = decided(b"\x98\x04" + signed[1:], shift.report)

    assert isinstance(decision, Refusal)


def test_whose_shift_it_is_is_told_only_by_a_receipt_of_central(shift: BuiltShift) -> None:
    assert gate.receipted_shift_id(receipt_of(shift.report), AGENCY.policy) == shift.shift_id
    assert gate.receipted_shift_id(forged(shift.report), AGENCY.policy) is None
