"""The erase gate under attack: condition 5 of spec/04-trust.md, 4.5, the ledger, broken in every way (I2).

As in `test_gate.py`: each attack gets through a gate that lacks the one condition which stops it.
"""

from dataclasses import replace
from typing import Any, Final

import pytest

from firmware.core.gate import Permission, Refusal, decide
from protocol.keys import SoftwareEd25519
from protocol.ledger.checkpoint import VerifiedCheckpoint, verify_checkpoint
from protocol.ledger.proof import format_proof, parse_proof
from protocol.ledger.trust import LedgerTrust
from protocol.policy import LedgerIdentity, Policy
from protocol.receipt import Receipt, ReceiptWithProof
from protocol.receipt_proof import shown_in
from protocol.verify.chain import ChainReport
from tests.builders import BuiltShift, build_shift, secret
from tests.firmware.gates import AGENCY, CAMERA, Attack, Decide, chain_of, cut_out, decided, receipt_of, without
from tests.protocol.ledgers import Ledger, with_ledger


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA)


# Condition 5: what a ledger, its witnesses and whoever carries proofs can try.

WITNESSES: Final = Ledger().witnesses
LOGGED: Final = with_ledger(AGENCY, Ledger()).policy


def ledger_with(report: ChainReport, name: str = "ledger", *, after: int = 4, **options: Any) -> Ledger:
    """Return a ledger with the receipt of a shift's first recording among the leaves of others."""
    ledger = Ledger(name, **options)
    ledger.grow(3)
    ledger.add(receipt_of(report), AGENCY.policy)
    ledger.grow(after)
    return ledger


def proof_of(report: ChainReport, name: str = "ledger", *, after: int = 4, **options: Any) -> bytes:
    return ledger_with(report, name, after=after).proof(receipt_of(report), **options)


def proof_by(ledger: Ledger, report: ChainReport) -> bytes:
    ledger.add(receipt_of(report), AGENCY.policy)
    return ledger.proof(receipt_of(report))


def proof_of_chain(report: ChainReport) -> bytes:
    ledger = ledger_with(report)
    signed = receipt_of(report, chain_of(report))
    ledger.add(signed, AGENCY.policy)
    return ledger.proof(signed)


def believing(**changes: object) -> Decide:
    """Return a gate that looks at proofs under another policy."""
    policy = with_ledger(AGENCY, Ledger()).with_policy(**changes).policy
    return without(shown_in=lambda brought, receipt, _: shown_in(brought, receipt, policy))


def believing_in(ledger: Ledger) -> Decide:
    policy = with_ledger(AGENCY, ledger).policy
    return without(shown_in=lambda brought, receipt, _: shown_in(brought, receipt, policy))


def without_inclusion() -> Decide:
    """Return a gate that believes a checkpoint without asking what stands in it."""

    def shown(brought: ReceiptWithProof, receipt: Receipt, policy: Policy) -> VerifiedCheckpoint:
        assert brought.proof is not None
        assert policy.ledger is not None
        trust = LedgerTrust(policy.ledger.origin, policy.ledger.keys, policy.witness_keys, policy.witness_threshold)
        return verify_checkpoint(parse_proof(brought.proof).checkpoint, trust)

    return without(shown_in=shown)


ELSEWHERE: Final = Ledger("elsewhere", origin="elsewhere.example/sealcam")
FORGED_LOG: Final = Ledger("forger")
STRANGER: Final = SoftwareEd25519(secret("stranger"))
LEDGER_ATTACKS: Final = (
    Attack(
        "5, unlogged",
        receipt_of,
        "no proof came with it that it stands in ledger.example/sealcam",
        lambda: without(shown_in=lambda brought, receipt, policy: None),
        policy=LOGGED,
    ),
    Attack(
        "5, in another ledger",
        receipt_of,
        "checkpoint of the log 'elsewhere.example/sealcam', 'ledger.example/sealcam' expected",
        lambda: believing_in(ELSEWHERE),
        policy=LOGGED,
        proof=lambda report: proof_by(ELSEWHERE, report),
    ),
    Attack(
        "5, in a log that another key signs",
        receipt_of,
        "is signed by none of the 1 keys of that log",
        lambda: believing_in(FORGED_LOG),
        policy=LOGGED,
        proof=lambda report: proof_by(FORGED_LOG, report),
    ),
    Attack(
        "5, old policy: of the log's key before the last",
        receipt_of,
        "is signed by none of the 1 keys of that log",
        lambda: believing_in(Ledger()),
        policy=with_ledger(AGENCY, Ledger())
        .with_policy(ledger=LedgerIdentity(origin=Ledger().origin, keys=(STRANGER.public_key,)))
        .policy,
        proof=proof_of,
    ),
    Attack(
        "5, old policy: witnessed as one before asked for",
        receipt_of,
        "is cosigned by 2 of 3 trusted witnesses, 3 expected",
        lambda: believing_in(Ledger()),
        policy=with_ledger(AGENCY, Ledger(witness_count=3)).policy,
        proof=proof_of,
    ),
    Attack(
        "5, unwitnessed",
        receipt_of,
        "is cosigned by 0 of 2 trusted witnesses, 2 expected",
        lambda: believing(witness_threshold=0),
        policy=LOGGED,
        proof=lambda report: proof_of(report, witnesses=()),
    ),
    Attack(
        "5, one witness of two",
        receipt_of,
        "is cosigned by 1 of 2 trusted witnesses, 2 expected",
        lambda: believing(witness_threshold=1),
        policy=LOGGED,
        proof=lambda report: proof_of(report, witnesses=WITNESSES[:1]),
    ),
    Attack(
        "5, one witness repeated",
        receipt_of,
        "is cosigned by 1 of 2 trusted witnesses, 2 expected",
        lambda: believing(witness_threshold=1),
        policy=LOGGED,
        proof=lambda report: proof_of(report, witnesses=(WITNESSES[0], WITNESSES[0])),
    ),
    Attack(
        "5, a witness that nobody pinned",
        receipt_of,
        "is cosigned by 1 of 2 trusted witnesses, 2 expected",
        lambda: believing(witness_keys=(WITNESSES[0].public_key, STRANGER.public_key)),
        policy=LOGGED,
        proof=lambda report: proof_of(report, witnesses=(WITNESSES[0], STRANGER)),
    ),
    Attack(
        "5, with the proof of another receipt",
        receipt_of,
        "the proof is not of this receipt",
        without_inclusion,
        policy=LOGGED,
        proof=proof_of_chain,
    ),
    Attack(
        "5, smaller tree",
        receipt_of,
        "is of a tree of 5 leaves, and this camera has accepted one of 8",
        lambda: cut_out("tree.size < largest.size"),
        policy=LOGGED,
        proof=lambda report: proof_of(report, size=5),
        largest=lambda report: ledger_with(report).checkpoint(),
    ),
    Attack(
        "5, forked",
        receipt_of,
        "the ledger is forked: 8 leaves with another root",
        lambda: cut_out("tree.size == largest.size and tree.root != largest.root"),
        policy=LOGGED,
        proof=proof_of,
        largest=lambda report: replace(ledger_with(report).checkpoint(), root=secret("fork")),
    ),
)  # fmt: skip


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
