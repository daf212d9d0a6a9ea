"""The erase gate under attack: conditions 1 to 4 of spec/04-trust.md, 4.5 broken in turn (I2).

Each attack breaks one condition only. That it is this condition which stops it is shown by a gate without it: there the
attack gets through. Condition 5 stands in `test_gate_ledger.py`.
"""

import pytest

from firmware.core import gate
from firmware.core.gate import Permission, Refusal, decide
from protocol.policy import Level
from protocol.receipt import ChainSubject
from protocol.units import RECEIPT_SIZE_BYTES_MAX
from tests.builders import BuiltShift, build_shift, make_agency
from tests.firmware.gate_attacks import ATTACKS
from tests.firmware.gates import AGENCY, CAMERA, Attack, chain_of, cut_out, decided, forged, receipt_of


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA, number=2, chunks=2)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA, number=3, is_closed=False)


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
