"""The whole verdict on what was given: policy, enrolment, chains, media, receipts (spec/05-verdict.md, 5.2 and 5.4).

Pure: the caller reads files and feeds media through `MediaVerifier`; here everything is put together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protocol.errors import PeerError
from protocol.keys import camera_id
from protocol.policy import Policy, TrustedPolicy, verify_enrolment, verify_policy
from protocol.receipt import ChainSubject, Receipt, ReceiptWithProof, RecordingSubject, verify_receipt
from protocol.receipt_proof import shown_in, tree_size_of
from protocol.verdict import Finding, Place, RecordingVerdict, Verdict, VerdictWord, verdict_word
from protocol.verify.chain import ChainReport
from protocol.verify.findings import FindingLog
from protocol.verify.recordings import RecordingView


@dataclass(frozen=True, slots=True)
class TrustReport:
    """What policy and enrolment say, and the camera's key when they hold."""

    policy: TrustedPolicy | None
    camera_key: bytes | None
    is_root_confirmed: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class ShiftEvidence:
    """One shift as far as it was read: its chain's report, what its media files showed, and its receipts with their proofs."""

    report: ChainReport
    findings: tuple[Finding, ...]
    receipts: tuple[ReceiptWithProof, ...]
    trust: TrustReport


def judge_trust(*, signed_policy: bytes | None, enrolment: bytes | None, root_fingerprint: bytes | None) -> TrustReport:
    """Check policy and enrolment; ``root_fingerprint`` comes from the reader, apart from the evidence."""
    if signed_policy is None:
        return TrustReport(None, None, False, (_issuer("policy-missing", "policy", "no signed policy is at hand"),))
    try:
        policy = verify_policy(signed_policy)
    except PeerError as error:
        return TrustReport(None, None, False, (_issuer("policy-invalid", "policy", str(error)),))
    findings: list[Finding] = []
    found = policy.root.fingerprint
    is_confirmed = root_fingerprint == found
    if root_fingerprint is None:
        findings.append(
            _issuer(
                "root-unconfirmed", "policy", f"compare root fingerprint {found.hex()} with the agency's published one"
            )
        )
    elif not is_confirmed:
        findings.append(
            _issuer("root-mismatch", "policy", f"root fingerprint {found.hex()}, {root_fingerprint.hex()} expected")
        )
    camera_key, finding = _enrolled_key(enrolment, policy.policy)
    if finding is not None:
        findings.append(finding)
    return TrustReport(policy, camera_key, is_confirmed, tuple(findings))


def _enrolled_key(enrolment: bytes | None, policy: Policy) -> tuple[bytes | None, Finding | None]:
    if enrolment is None:
        return None, _issuer("enrolment-missing", "enrolment", "no enrolment of the camera is at hand")
    try:
        camera_key = verify_enrolment(enrolment, policy).camera_key
    except PeerError as error:
        return None, _issuer("enrolment-invalid", "enrolment", str(error))
    if camera_id(camera_key) in policy.revoked_cameras:
        return camera_key, _issuer("camera-revoked", "enrolment", "the policy revokes this camera")
    return camera_key, None


def _issuer(kind: str, file: str, text: str) -> Finding:
    return Finding(kind=kind, place=Place(file=file), text=text)


def receipt_contradiction(receipt: Receipt, report: ChainReport, *, is_release: bool = False) -> str | None:
    """Say in which point a receipt is not true of this chain; None when it is (spec/04-trust.md, 4.5, points 2 and 3).

    In a release some bodies may be withheld: then what they would say is not held against the receipt.
    """
    if receipt.shift_id != report.shift_id:
        return f"it is about shift {receipt.shift_id.hex()}"
    if receipt.camera_id != camera_id(report.camera_key):
        return f"it is about camera {receipt.camera_id.hex()}"
    if (receipt.head_sequence, receipt.head_hash) != (report.head_sequence, report.head_hash):
        return f"its head is entry {receipt.head_sequence}, the chain's is entry {report.head_sequence} or another"
    subject = receipt.subject
    if isinstance(subject, ChainSubject):
        is_size_known = not (is_release and any(finding.kind == "body-withheld" for finding in report.findings))
        return (
            f"chain of {subject.size_bytes} bytes"
            if is_size_known and subject.size_bytes != report.size_bytes
            else None
        )
    recording = next((view for view in report.recordings if view.recording_id == subject.recording_id), None)
    if recording is None:
        is_unnamed = is_release and report.withheld_recording_count > 0
        return None if is_unnamed else f"recording {subject.recording_id.hex()} is not in this chain"
    if is_release and recording.is_partly_withheld:
        known = (len(recording.chunks) + recording.withheld_chunk_count, recording.ending_head_hash)
        is_same = known == (subject.chunk_count, subject.ending_head_hash)
    else:
        is_same = subject == recording_subject(recording)
    return None if is_same else "it describes the recording otherwise than the chain"


def recording_subject(recording: RecordingView) -> RecordingSubject | None:
    """Return what a receipt must say of a recording; None while it has no end, or part of it is withheld."""
    if recording.opened is None or recording.withheld_chunk_count or recording.ending_head_hash is None:
        return None
    return RecordingSubject(
        kind="recording",
        recording_id=recording.recording_id,
        chunk_count=len(recording.chunks),
        media=recording.media,
        ending_head_hash=recording.ending_head_hash,
        key_box_hash=recording.opened.key_box_hash,
    )


def judge(shifts: Sequence[ShiftEvidence], *, findings: Sequence[Finding] = ()) -> Verdict:
    """Return the verdict on everything; ``findings`` are those about files that belong to no shift."""
    everything: list[Finding] = [*findings, *_trust_findings(shifts)]
    recordings: list[RecordingVerdict] = []
    assurances: list[int] = []
    receipt_count = 0
    for shift in shifts:
        everything += [*shift.report.findings, *shift.findings]
        receipts = _receipts_of(shift)
        everything += receipts.findings
        receipt_count += receipts.good_count
        found = [_recording_verdict(shift.report, view, receipts) for view in shift.report.recordings]
        recordings += found
        # A shift that recorded nothing says that nothing was recorded, and rests on its anchor like any other.
        assurances += [recording.assurance for recording in found] or [2 if receipts.has_anchor else 0]
    roots = {None if shift.trust.policy is None else shift.trust.policy.root.fingerprint for shift in shifts}
    root = next(iter(roots)) if len(roots) == 1 else None
    word = verdict_word(everything, has_chain=bool(shifts))
    assurance = min(assurances, default=0)
    return Verdict(
        verdict=word,
        assurance=assurance,
        sentence=_sentence(word, assurance, recordings, everything),
        findings=tuple(everything),
        recordings=tuple(recordings),
        shift_count=len(shifts),
        entry_count=sum(shift.report.entry_count for shift in shifts),
        receipt_count=receipt_count,
        root_fingerprint=None if root is None else root.hex(),
        is_root_confirmed=bool(shifts) and all(shift.trust.is_root_confirmed for shift in shifts),
    )


def _trust_findings(shifts: Sequence[ShiftEvidence]) -> Iterator[Finding]:
    """Yield what is found about policy and enrolment: once where it is so of every shift, else with the shift named."""
    shifts_of: dict[Finding, list[str]] = {}
    for shift in shifts:
        for finding in shift.trust.findings:
            shifts_of.setdefault(finding, []).append(shift.report.shift_id.hex())
    log = FindingLog("*")
    for finding, shift_ids in shifts_of.items():
        if len(shift_ids) == len(shifts):
            yield finding
            continue
        for shift_id in shift_ids:
            log.add(finding.model_copy(update={"place": finding.place.model_copy(update={"shift_id": shift_id})}))
    yield from log.findings()


@dataclass(frozen=True, slots=True)
class _Receipts:
    """What the receipts at hand show of one shift."""

    receipted: frozenset[bytes]
    has_anchor: bool
    """A good receipt covers the chain's last entry, which stands."""
    good_count: int
    findings: tuple[Finding, ...]


def _receipts_of(shift: ShiftEvidence) -> _Receipts:
    report, trust = shift.report, shift.trust
    receipted: set[bytes] = set()
    good_count = 0
    place = Place(shift_id=report.shift_id.hex())
    log = FindingLog("*")
    if trust.policy is not None:
        for brought in _newest_of_each(shift.receipts):
            try:
                receipt = verify_receipt(brought.signed, trust.policy.policy)
            except PeerError as error:
                log.add(Finding(kind="receipt-invalid", place=place, text=str(error)))
                continue
            contradiction = receipt_contradiction(receipt, report, is_release=True)
            if contradiction is not None:
                text = f"a receipt is not true of this chain: {contradiction}"
                log.add(Finding(kind="receipt-contradicts", place=place, text=text))
                continue
            unlogged = _ledger_finding(brought, receipt, trust.policy.policy)
            if unlogged is not None:
                log.add(unlogged)
                continue
            good_count += 1
            if isinstance(receipt.subject, RecordingSubject):
                receipted.add(receipt.subject.recording_id)
        if report.opened is not None and report.opened.policy_hash != trust.policy.policy_hash:
            text = f"the shift was opened under policy version {report.opened.policy_version}, which is not the one at hand"
            log.add(Finding(kind="policy-of-shift-unknown", place=place, text=text))
    for view in report.recordings:
        if view.recording_id not in receipted:
            lacking = Place(shift_id=report.shift_id.hex(), recording_id=view.recording_id.hex())
            text = "no receipt of central that holds is at hand for this recording"
            log.add(Finding(kind="receipt-missing", place=lacking, text=text))
    # Under a root that is not the agency's anybody can make receipts.
    is_mismatched = any(finding.kind == "root-mismatch" for finding in trust.findings)
    has_anchor = good_count > 0 and report.does_head_stand and not is_mismatched
    return _Receipts(frozenset(receipted), has_anchor, good_count, log.findings())


def _newest_of_each(receipts: Sequence[ReceiptWithProof]) -> Iterator[ReceiptWithProof]:
    """Give each receipt once, however many copies of it are at hand: with the proof of the largest tree."""
    newest: dict[bytes, ReceiptWithProof] = {}
    for brought in receipts:
        known = newest.setdefault(brought.signed, brought)
        if tree_size_of(brought) > tree_size_of(known):
            newest[brought.signed] = brought
    yield from newest.values()


def _ledger_finding(brought: ReceiptWithProof, receipt: Receipt, policy: Policy) -> Finding | None:
    """Say why a receipt does not stand in the ledger that the policy names; None when it does, or none is named."""
    subject = receipt.subject
    recording_id = subject.recording_id.hex() if isinstance(subject, RecordingSubject) else None
    place = Place(shift_id=receipt.shift_id.hex(), recording_id=recording_id)
    try:
        shown_in(brought, receipt, policy)
    except PeerError as error:
        if brought.proof is None:
            text = "the policy names a ledger, and no proof is at hand that this receipt stands in it: it counts for nothing"
            return Finding(kind="receipt-unlogged", place=place, text=text)
        return Finding(
            kind="proof-invalid", place=place, text=f"the ledger's proof of a receipt does not hold: {error}"
        )
    return None


def _recording_verdict(report: ChainReport, view: RecordingView, receipts: _Receipts) -> RecordingVerdict:
    return RecordingVerdict(
        recording_id=view.recording_id.hex(),
        shift_id=report.shift_id.hex(),
        chunk_count=len(view.chunks),
        duration_us=view.duration_us,
        size_bytes=view.size_bytes,
        pre_event_ms=0 if view.opened is None else view.opened.pre_event_ms,
        has_receipt=view.recording_id in receipts.receipted,
        assurance=0 if not receipts.has_anchor else 1 if view.is_after_unclean_resume else 2,
    )


_ASSURANCE_WORDS = {
    3: "its shift was witnessed before it was recorded",
    2: "anchored when the camera docked",
    1: "recorded after the camera had stopped without warning in the same shift",
    0: "no receipt of central that holds is at hand",
}


def _sentence(word: VerdictWord, assurance: int, recordings: list[RecordingVerdict], findings: list[Finding]) -> str:
    count = f"{len(recordings)} recording{'' if len(recordings) == 1 else 's'}"
    grave = [finding for finding in findings if finding.finding_class in ("altered", "incomplete")]
    grave_count = sum(finding.count for finding in grave)
    gaps = sum(finding.count for finding in findings if finding.finding_class == "gap")
    basis = f"assurance {assurance}: {_ASSURANCE_WORDS[assurance]}"
    match word:
        case "unreadable":
            return "No Sealcam chain could be read here."
        case "altered or incomplete":
            return f"Altered or incomplete: {grave_count} finding{'' if grave_count == 1 else 's'} over {count}; the first is {grave[0].sentence()}"
        case "issuer unconfirmed":
            return f"Nothing in {count} is altered or missing, but who issued them is not confirmed ({basis})."
        case "authentic with signed gaps":
            return f"Authentic with signed gaps: {count}, {gaps} gap{'' if gaps == 1 else 's'} that the camera itself signed ({basis})."
        case "authentic":
            return f"Authentic: {count}, nothing altered and nothing missing ({basis})."
