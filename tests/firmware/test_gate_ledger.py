"""The erase gate under attack: condition 5 of spec/04-trust.md, 4.5, the ledger, broken in every way (I2).

As in `test_gate.py`: each attack gets through a gate that lacks the one condition which stops it.
"""

from dataclasses import replace

import pytest

from firmware.core.gate import Permission, Refusal, decide
from protocol.ledger.proof import format_proof, parse_proof
from tests.builders import BuiltShift, build_shift
from tests.firmware.gate_ledger_attacks import (
    LEDGER_ATTACKS,
    LOGGED,
    STRANGER,
    WITNESSES,
    ledger_with,
    proof_of,
    proof_of_chain,
)
from tests.firmware.gates import AGENCY, CAMERA, Attack, chain_of, decided, receipt_of


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA)


@pytest.mark.parametrize("attack", LEDGER_ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_for_its_reason(attack: Attack, shift: BuiltShift) -> None:
    decision = attack.ask(decide, shift.report)

    assert isinstance(decision, Refusal)
    assert attack.reason in decision.reason


@pytest.mark.parametrize("attack", LEDGER_ATTACKS, ids=lambda attack: attack.name)
def test_a_gate_without_that_condition_lets_it_through(attack: Attack, shift: BuiltShift) -> None:
    decision = attack.ask(attack.weakened(), shift.report)

    assert isinstance(decision, Permission)


def test_a_receipt_with_its_proof_opens_the_gate_and_names_what_to_remember(shift: BuiltShift) -> None:
    proof = proof_of(shift.report)
    decision = decided(receipt_of(shift.report), shift.report, policy=LOGGED, proof=proof)

    assert isinstance(decision, Permission)
    assert decision.checkpoint is not None
    assert decision.checkpoint.checkpoint == ledger_with(shift.report).checkpoint()
    assert decision.checkpoint.signed_bytes == parse_proof(proof).checkpoint


def test_a_receipt_from_yesterday_with_a_proof_against_a_newer_and_larger_checkpoint_opens_the_gate(
    shift: BuiltShift,
) -> None:
    yesterday = ledger_with(shift.report).checkpoint()
    today = proof_of(shift.report, after=1000)
    decision = decided(receipt_of(shift.report), shift.report, policy=LOGGED, proof=today, largest=yesterday)

    assert isinstance(decision, Permission)


def test_the_very_checkpoint_that_was_accepted_last_opens_the_gate_again(shift: BuiltShift) -> None:
    known = ledger_with(shift.report).checkpoint()
    decision = decided(
        receipt_of(shift.report), shift.report, policy=LOGGED, proof=proof_of(shift.report), largest=known
    )

    assert isinstance(decision, Permission)


def test_more_witnesses_than_asked_for_do_no_harm(shift: BuiltShift) -> None:
    proof = proof_of(shift.report, witnesses=(*WITNESSES, STRANGER))

    assert isinstance(decided(receipt_of(shift.report), shift.report, policy=LOGGED, proof=proof), Permission)


def test_a_policy_without_a_ledger_asks_for_no_proof_and_remembers_none(shift: BuiltShift) -> None:
    for proof in (None, b"rubbish", proof_of(shift.report)):
        decision = decided(receipt_of(shift.report), shift.report, proof=proof)

        assert isinstance(decision, Permission)
        assert decision.checkpoint is None


@pytest.mark.parametrize("attack", LEDGER_ATTACKS, ids=lambda attack: attack.name)
def test_another_proof_is_wanted_where_it_is_the_proof_alone_that_fails(attack: Attack, shift: BuiltShift) -> None:
    decision = attack.ask(decide, shift.report)

    assert isinstance(decision, Refusal)
    assert decision.is_proof_wanted


def test_a_chains_receipt_that_is_early_is_kept_only_with_a_proof_that_holds(shift: BuiltShift) -> None:
    signed = receipt_of(shift.report, chain_of(shift.report))
    early = decided(signed, shift.report, policy=LOGGED, proof=proof_of_chain(shift.report))
    unproved = decided(signed, shift.report, policy=LOGGED, proof=proof_of(shift.report))

    assert isinstance(early, Refusal)
    assert early.is_true_but_early
    assert early.checkpoint is not None
    assert isinstance(unproved, Refusal)
    assert not unproved.is_true_but_early


def test_no_changed_byte_of_a_proof_opens_the_gate(shift: BuiltShift) -> None:
    proof = proof_of(shift.report)
    for at in range(0, len(proof), 3):
        bent = proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :]
        decision = decided(receipt_of(shift.report), shift.report, policy=LOGGED, proof=bent)

        # A key's name in a signature line is for people: its id, which binds the name, is checked with it.
        assert isinstance(decision, Refusal), f"byte {at}"


def test_no_cut_of_a_proof_opens_the_gate(shift: BuiltShift) -> None:
    proof = proof_of(shift.report)
    for size in range(0, len(proof), 7):
        decision = decided(receipt_of(shift.report), shift.report, policy=LOGGED, proof=proof[:size])

        assert isinstance(decision, Refusal), f"{size} bytes"


@pytest.mark.parametrize("salt", [None, b"short", bytes(33)], ids=["none", "short", "long"])
def test_a_proof_without_the_salt_of_the_leaf_is_refused(shift: BuiltShift, salt: bytes | None) -> None:
    proof = format_proof(replace(parse_proof(proof_of(shift.report)), extra=salt))
    decision = decided(receipt_of(shift.report), shift.report, policy=LOGGED, proof=proof)

    assert isinstance(decision, Refusal)
    assert "32 expected" in decision.reason
