"""Receipts in the verdict where the policy names a ledger: only those that stand in it anchor (spec/05-verdict.md, 5.2 and 5.4)."""

from protocol.layout import PROOF_SUFFIX
from protocol.verdict import Verdict
from tests.protocol.folders import Folder, kinds_of, verdict_on
from tests.protocol.ledgers import Ledger
from tests.protocol.vector_recipes import ledger_agency, logged

(FOLDER,) = logged().values()
AGENCY = ledger_agency()


def judged(**files: bytes | None) -> Verdict:
    """Return the verdict on the shift with some files changed or, where None, left out; `__` stands for a dot."""
    folder: Folder = dict(FOLDER)
    for name, data in files.items():
        file = name.removeprefix("f").replace("__", ".").replace("_", "-")
        folder.pop(file, None)
        folder |= {} if data is None else {file: data}
    return verdict_on(folder)


def test_receipts_that_stand_in_the_ledger_anchor_the_shift() -> None:
    verdict = judged()

    assert (verdict.verdict, verdict.assurance, verdict.receipt_count) == ("authentic", 2, 3)
    assert verdict.findings == ()


def test_a_receipt_without_its_proof_is_noted_and_counts_for_nothing() -> None:
    verdict = judged(f00__tlog_proof=None)

    assert verdict.verdict == "authentic"
    assert kinds_of(verdict) == ["receipt-unlogged", "receipt-missing"]
    assert verdict.receipt_count == 2
    assert [recording.has_receipt for recording in verdict.recordings] == [False, True]


def test_without_any_proof_nothing_anchors() -> None:
    verdict = verdict_on({name: data for name, data in FOLDER.items() if not name.endswith(PROOF_SUFFIX)})

    assert (verdict.verdict, verdict.assurance, verdict.receipt_count) == ("authentic", 0, 0)


def test_a_proof_of_another_receipt_leaves_the_issuer_in_doubt() -> None:
    verdict = judged(f00__tlog_proof=FOLDER["01.tlog-proof"])

    assert verdict.verdict == "issuer unconfirmed"
    assert "proof-invalid" in kinds_of(verdict)
    assert "the proof is not of this receipt" in verdict.findings[0].text


def test_a_proof_that_is_rubbish_or_too_large_does_not_hold() -> None:
    for proof in (b"", b"rubbish", bytes(5_000_000)):
        assert "proof-invalid" in kinds_of(judged(f00__tlog_proof=proof))


def test_a_copy_of_a_receipt_without_a_proof_takes_nothing_from_the_one_that_has_it() -> None:
    assert judged(fx__receipt=FOLDER["00.receipt"]).findings == ()
    assert judged(f0__receipt=FOLDER["00.receipt"]).findings == ()


def test_of_two_proofs_the_one_of_the_larger_tree_counts() -> None:
    ledger = Ledger()
    for name in ("00.receipt", "01.receipt", "02.receipt"):
        ledger.add(FOLDER[name], AGENCY.policy)
    ledger.grow(5)
    newer = ledger.proof(FOLDER["00.receipt"])

    for files in (
        {"fx__receipt": FOLDER["00.receipt"], "fx__tlog_proof": newer, "f00__tlog_proof": b"rotten"},
        {"f0__receipt": FOLDER["00.receipt"], "f0__tlog_proof": newer, "f00__tlog_proof": b"rotten"},
    ):
        assert judged(**files).findings == ()


def test_a_proof_beside_no_receipt_is_passed_over() -> None:
    assert judged(fx__tlog_proof=b"whose?").findings == ()
