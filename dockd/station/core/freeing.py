"""Whether the spool may drop the media of a shift (invariants I1 and I2). Pure.

Media go only when every recording of the shift, and its chain, has a receipt that holds under the dock's own policy, stands
in the ledger that the policy names, if it names one, and is true of the chain at hand, and the camera has said of each that it
erased behind it. Chain, key boxes and receipts stay.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from dockd.station.ports import SpooledFile
from protocol.errors import PeerError
from protocol.keys import camera_id
from protocol.layout import parse_file_name
from protocol.policy import Policy
from protocol.receipt import ChainSubject, Receipt, ReceiptWithProof, RecordingSubject, receipt_hash, verify_receipt
from protocol.receipt_proof import shown_in
from protocol.verify.chain import ChainReport
from protocol.verify.shift import receipt_contradiction

_LEVELS = {"stored": 1, "locked": 2}


@dataclass(frozen=True, slots=True)
class Free:
    """Drop these files."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Keep:
    """Drop nothing, and why."""

    reason: str


def recording_of(signed: bytes, policy: Policy) -> bytes | None:
    """Return which recording a receipt is about; None for a chain's, or for what is no receipt."""
    try:
        subject = verify_receipt(signed, policy).subject
    except PeerError:
        return None
    return subject.recording_id if isinstance(subject, RecordingSubject) else None


def decide(
    *,
    camera: bytes,
    report: ChainReport | None,
    files: Iterable[SpooledFile],
    receipts: Iterable[ReceiptWithProof],
    erased: Collection[bytes],
    policy: Policy,
) -> Free | Keep:
    """Say whether the media among ``files`` may go.

    ``camera`` is the camera_id that the shift stands under in the spool; ``erased`` are hashes of receipts behind which
    that camera said that it erased.
    """
    if report is None or not report.is_closed:
        return Keep("the chain is not here, or not closed")
    if camera_id(report.camera_key) != camera:
        return Keep("the chain is of another camera")
    if report.has_alterations:
        return Keep("the chain has findings: what it does not describe may be missing from the receipts")
    covered: set[bytes | None] = set()
    for brought in receipts:
        verified = _verified(brought, report=report, policy=policy)
        if isinstance(verified, Receipt) and receipt_hash(brought.signed) in erased:
            subject = verified.subject
            covered.add(None if isinstance(subject, ChainSubject) else subject.recording_id)
    wanted: set[bytes | None] = {None, *(view.recording_id for view in report.recordings)}
    if missing := len(wanted - covered):
        return Keep(f"{missing} of {len(wanted)} receipts are missing, or the camera has not erased behind them")
    names = []
    for file in files:
        parsed = parse_file_name(file.name)
        if parsed is None or parsed.kind != "media":
            continue
        if not file.is_complete or parsed.recording_id not in wanted:
            return Keep(f"{file.name} is not complete, or no receipt speaks for it")
        names.append(file.name)
    return Free(tuple(names))


def _verified(brought: ReceiptWithProof, *, report: ChainReport, policy: Policy) -> Receipt | str:
    try:
        receipt = verify_receipt(brought.signed, policy)
    except PeerError as error:
        return f"it is not central's: {error}"
    try:
        shown_in(brought, receipt, policy)
    except PeerError as error:
        return f"it is not shown to stand in the ledger: {error}"
    contradiction = receipt_contradiction(receipt, report)
    if contradiction is not None:
        return f"it is not true of the chain: {contradiction}"
    if _LEVELS[receipt.level] < _LEVELS[policy.erase_level]:
        return f"it says {receipt.level}, the policy asks for {policy.erase_level}"
    if isinstance(receipt.subject, RecordingSubject) and not receipt.key_box_opened:
        return "the vault has not opened the key box"
    return receipt
