"""Receipts that must not open the erase gate for want of a good proof, as data: condition 5 of spec/04-trust.md, 4.5, broken in every way."""

from dataclasses import replace
from typing import Any, Final

from protocol.keys import SoftwareEd25519
from protocol.ledger.checkpoint import VerifiedCheckpoint, verify_checkpoint
from protocol.ledger.proof import parse_proof
from protocol.ledger.trust import LedgerTrust
from protocol.policy import LedgerIdentity, Policy
from protocol.receipt import Receipt, ReceiptWithProof
from protocol.receipt_proof import shown_in
from protocol.verify.chain import ChainReport
from tests.builders import secret
from tests.firmware.gates import AGENCY, Attack, Decide, chain_of, cut_out, receipt_of, without
from tests.protocol.ledgers import Ledger, with_ledger

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
