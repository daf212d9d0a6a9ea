"""Put the files of a shift's folder together with its chain: which are missing, foreign or short, and what each one shows.

Pure: what the files hold comes through a reader that the caller passes in (spec/05-verdict.md, 5.1 and 5.2, rules 2 to 5 and 7).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from protocol.entries import EntryPlace
from protocol.keybox import key_box_hash
from protocol.layout import (
    CHAIN_NAME,
    RECEIPT_SUFFIX,
    key_box_name,
    media_name,
    parse_file_name,
    parse_shift_folder,
    proof_name,
)
from protocol.receipt import ReceiptWithProof
from protocol.units import (
    KEY_BOX_SIZE_BYTES_MAX,
    LEDGER_PROOF_SIZE_BYTES_MAX,
    RECEIPT_SIZE_BYTES_MAX,
    RECEIPTS_PER_SHIFT_MAX,
)
from protocol.verdict import Finding, Place
from protocol.verify.chain import ChainReport, ChainVerifier
from protocol.verify.findings import FindingLog
from protocol.verify.media import MediaVerifier
from protocol.verify.shift import ShiftEvidence, TrustReport

ReadFile = Callable[[str], Iterator[bytes]]
"""Gives the bytes of a file of the folder, in order, in pieces of any size."""


def read_shift(
    *, folder: str, names: Sequence[str], read: ReadFile, trust: TrustReport
) -> tuple[ShiftEvidence | None, tuple[Finding, ...]]:
    """Return a shift's evidence, or None and why, when its chain cannot be read.

    ``names`` are the names of the folder's files; ``trust`` is what policy and enrolment showed.
    """
    present = frozenset(names)
    if CHAIN_NAME not in present:
        return None, (_finding("chain-missing", folder, CHAIN_NAME, "the folder has no chain"),)
    verifier = ChainVerifier(camera_key=trust.camera_key, file=_path(folder, CHAIN_NAME))
    for data in read(CHAIN_NAME):
        verifier.feed(data)
    report = verifier.finish()
    if report is None:
        return None, (_finding("chain-empty", folder, CHAIN_NAME, "nothing in the file is an entry"),)
    findings = tuple(_content_findings(folder, present, report, read))
    about_folder = FindingLog(_path(folder, "*"))
    for finding in (*_folder_findings(folder, report), *_file_findings(folder, names, report, read)):
        about_folder.add(finding)
    receipt_names = [name for name in names if name.endswith(RECEIPT_SUFFIX)]
    if len(receipt_names) > RECEIPTS_PER_SHIFT_MAX:
        text = f"{len(receipt_names)} receipts, of which the first {RECEIPTS_PER_SHIFT_MAX} were read: no shift has so many"
        about_folder.add(_finding("file-unknown", folder, "*", text))
    receipts = tuple(_receipt(name, present, read) for name in receipt_names[:RECEIPTS_PER_SHIFT_MAX])
    return ShiftEvidence(report, (*findings, *about_folder.findings()), receipts, trust), ()


def _content_findings(folder: str, present: frozenset[str], report: ChainReport, read: ReadFile) -> Iterator[Finding]:
    """Read the media files and key boxes that the chain describes, and find what is not as it says."""
    for recording in report.recordings:
        for file in recording.media:
            name = media_name(recording.recording_id, file.number)
            if name in present:
                media = MediaVerifier(recording, file.number, file=_path(folder, name))
                for data in read(name):
                    media.feed(data)
                yield from media.finish()
        box = key_box_name(recording.recording_id)
        if box in present and recording.opened is not None:
            found = key_box_hash(_small(read(box), KEY_BOX_SIZE_BYTES_MAX))
            if found != recording.opened.key_box_hash:
                yield _finding("key-box-mismatch", folder, box, "not the key box that the camera signed")


def _small(pieces: Iterator[bytes], size_bytes_max: int) -> bytes:
    """Return a file's bytes, and of one that is too large only so many that its reader notices."""
    data = bytearray()
    for piece in pieces:
        data += piece[: size_bytes_max + 1 - len(data)]
        if len(data) > size_bytes_max:
            break
    return bytes(data)


def _receipt(name: str, present: frozenset[str], read: ReadFile) -> ReceiptWithProof:
    """Return a receipt with the proof beside it; what is too large for either stands as no bytes, which are neither."""
    signed, proof_file = _small(read(name), RECEIPT_SIZE_BYTES_MAX), proof_name(name)
    proof = _small(read(proof_file), LEDGER_PROOF_SIZE_BYTES_MAX) if proof_file in present else None
    return ReceiptWithProof(
        signed=b"" if len(signed) > RECEIPT_SIZE_BYTES_MAX else signed,
        proof=b"" if proof is not None and len(proof) > LEDGER_PROOF_SIZE_BYTES_MAX else proof,
    )


def _folder_findings(folder: str, report: ChainReport) -> Iterator[Finding]:
    named = parse_shift_folder(folder.rsplit("/", 1)[-1])
    if named is not None and named[1] != report.shift_id:
        yield _finding(
            "entry-out-of-sequence",
            folder,
            CHAIN_NAME,
            f"the chain is of shift {report.shift_id.hex()}, not of the one that its folder is named for",
        )
    elif named is not None and report.opened is not None and named[0] != report.opened.shift_number:
        text = f"the chain is of shift number {report.opened.shift_number}, its folder is named for number {named[0]}"
        yield _finding("entry-out-of-sequence", folder, CHAIN_NAME, text)


def _file_findings(folder: str, names: Sequence[str], report: ChainReport, read: ReadFile) -> Iterator[Finding]:
    """Find media that are missing and files of recordings that the chain does not have."""
    present = frozenset(names)
    expected = {media_name(view.recording_id, file.number): view for view in report.recordings for file in view.media}
    known = {view.recording_id: view for view in report.recordings}
    for name, view in expected.items():
        if name not in present:
            place = Place(
                shift_id=report.shift_id.hex(), recording_id=view.recording_id.hex(), file=_path(folder, name)
            )
            yield Finding(
                kind="media-missing", place=place, text="the chain describes this media file, and it is not here"
            )
    for name in names:
        parsed = parse_file_name(name)
        if parsed is None or parsed.recording_id is None or name in expected:
            continue
        owner = known.get(parsed.recording_id)
        # A camera that stops before the first chunk is durable leaves an empty file, which nothing needs to describe.
        is_foreign = owner is None or (parsed.kind == "media" and any(read(name)))
        if is_foreign:
            yield _finding("file-unknown", folder, name, "the chain describes no such file")


def succession_findings(reports: Mapping[str, ChainReport]) -> tuple[Finding, ...]:
    """Find shifts of one camera that do not follow each other as their openings say; keys are folders."""
    log = FindingLog("*")
    for finding in (*_fork_findings(reports), *_order_findings(reports)):
        log.add(finding)
    return log.findings()


def _fork_findings(reports: Mapping[str, ChainReport]) -> Iterator[Finding]:
    """Find two continuations of one entry: what a cloned card makes. Both are kept, and that is the finding."""
    first_of_shift: dict[tuple[bytes, bytes], tuple[str, ChainReport]] = {}
    first_after: dict[tuple[bytes, EntryPlace], tuple[str, ChainReport]] = {}
    for folder, report in reports.items():
        before_folder, before = first_of_shift.setdefault((report.camera_key, report.shift_id), (folder, report))
        if before.head_hash != report.head_hash:
            text = f"ends otherwise than the chain of the same shift in {before_folder}"
            yield _finding("entry-not-linked", folder, CHAIN_NAME, text)
        named = None if report.opened is None else report.opened.previous_shift
        if named is None:
            continue
        sibling_folder, sibling = first_after.setdefault((report.camera_key, named), (folder, report))
        if sibling.shift_id != report.shift_id:
            text = f"follows the same shift as the one in {sibling_folder}"
            yield _finding("entry-not-linked", folder, CHAIN_NAME, text)


def _order_findings(reports: Mapping[str, ChainReport]) -> Iterator[Finding]:
    by_shift = {(report.camera_key, report.shift_id): report for report in reports.values()}
    by_number = {
        (report.camera_key, report.opened.shift_number): report
        for report in reports.values()
        if report.opened is not None
    }
    first_number: dict[bytes, int] = {}
    for camera_key, number in by_number:
        first_number[camera_key] = min(number, first_number.get(camera_key, number))
    for folder, report in reports.items():
        if report.opened is None:
            continue
        named = report.opened.previous_shift
        before = by_number.get((report.camera_key, report.opened.shift_number - 1))
        if named is not None:
            before = by_shift.get((report.camera_key, named.shift_id), before)
        if before is None:
            if named is not None:
                number = report.opened.shift_number - 1
                yield _absent_shift(folder, named, number, has_earlier=first_number[report.camera_key] < number)
            continue
        found = EntryPlace(shift_id=before.shift_id, sequence=before.head_sequence, head_hash=before.head_hash)
        if named != found:
            said = "no shift before it" if named is None else f"entry {named.sequence} of shift {named.shift_id.hex()}"
            text = (
                f"names {said}; the one before it here ends with entry {found.sequence} of shift {found.shift_id.hex()}"
            )
            yield _finding("entry-not-linked", folder, CHAIN_NAME, text)


def _absent_shift(folder: str, named: EntryPlace, number: int, *, has_earlier: bool) -> Finding:
    """Say that the shift before this one is not here: a hole where an earlier one is, else the edge of what was given."""
    text = f"follows shift {number}, {named.shift_id.hex()}, which is not here"
    if has_earlier:
        return _finding("shift-missing", folder, CHAIN_NAME, f"{text}, although an earlier shift of this camera is")
    return _finding("shift-before-absent", folder, CHAIN_NAME, text)


def _path(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _finding(kind: str, folder: str, name: str, text: str) -> Finding:
    return Finding(kind=kind, place=Place(file=_path(folder, name)), text=text)
