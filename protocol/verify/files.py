"""Put the files of a shift's folder together with its chain: which are missing, foreign or short, and what each one shows.

Pure: what the files hold comes through a reader that the caller passes in (spec/05-verdict.md, 5.1 and 5.2, rules 2 to 5 and 7).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from protocol.keybox import key_box_hash
from protocol.layout import CHAIN_NAME, key_box_name, media_name, parse_file_name, parse_shift_folder
from protocol.verdict import Finding, Place
from protocol.verify.chain import ChainReport, ChainVerifier
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
    if CHAIN_NAME not in names:
        return None, (_finding("chain-missing", folder, CHAIN_NAME, "the folder has no chain"),)
    verifier = ChainVerifier(camera_key=trust.camera_key, file=_path(folder, CHAIN_NAME))
    for data in read(CHAIN_NAME):
        verifier.feed(data)
    report = verifier.finish()
    if report is None:
        return None, (_finding("chain-empty", folder, CHAIN_NAME, "nothing in the file is an entry"),)
    findings = [*_folder_findings(folder, report), *_file_findings(folder, names, report)]
    for recording in report.recordings:
        for file in recording.media:
            name = media_name(recording.recording_id, file.number)
            if name in names:
                media = MediaVerifier(recording, file.number, file=_path(folder, name))
                for data in read(name):
                    media.feed(data)
                findings += media.finish()
        box = key_box_name(recording.recording_id)
        if (
            box in names
            and recording.opened is not None
            and key_box_hash(b"".join(read(box))) != recording.opened.key_box_hash
        ):
            findings.append(_finding("key-box-mismatch", folder, box, "not the key box that the camera signed"))
    receipts = tuple(b"".join(read(name)) for name in names if name.endswith(".receipt"))
    return ShiftEvidence(report, tuple(findings), receipts, trust), ()


def _folder_findings(folder: str, report: ChainReport) -> Iterator[Finding]:
    named = parse_shift_folder(folder.rsplit("/", 1)[-1])
    if named is not None and named[1] != report.shift_id:
        yield _finding(
            "entry-out-of-sequence",
            folder,
            CHAIN_NAME,
            f"the chain is of shift {report.shift_id.hex()}, not of the one that its folder is named for",
        )


def _file_findings(folder: str, names: Sequence[str], report: ChainReport) -> Iterator[Finding]:
    """Find media that are missing and files of recordings that the chain does not have."""
    expected = {media_name(view.recording_id, file.number): view for view in report.recordings for file in view.media}
    known = {view.recording_id for view in report.recordings}
    for name, view in expected.items():
        if name not in names:
            place = Place(
                shift_id=report.shift_id.hex(), recording_id=view.recording_id.hex(), file=_path(folder, name)
            )
            yield Finding(
                kind="media-missing", place=place, text="the chain describes this media file, and it is not here"
            )
    for name in names:
        parsed = parse_file_name(name)
        if parsed is None or parsed.recording_id is None:
            continue
        is_foreign = parsed.recording_id not in known or (parsed.kind == "media" and name not in expected)
        if is_foreign:
            yield _finding("file-unknown", folder, name, "the chain describes no such file")


def succession_findings(reports: Mapping[str, ChainReport]) -> tuple[Finding, ...]:
    """Find shifts of one camera that do not follow each other as their openings say; keys are folders."""
    by_place = {(report.camera_key, report.shift_id): report for report in reports.values()}
    findings = []
    for folder, report in reports.items():
        before = None if report.opened is None else report.opened.previous_shift
        named = None if before is None else by_place.get((report.camera_key, before.shift_id))
        if (
            before is not None
            and named is not None
            and (named.head_sequence, named.head_hash) != (before.sequence, before.head_hash)
        ):
            text = f"names entry {before.sequence} as the last of the shift before, whose last here is entry {named.head_sequence} or another"
            findings.append(_finding("entry-not-linked", folder, CHAIN_NAME, text))
    return tuple(findings)


def _path(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _finding(kind: str, folder: str, name: str, text: str) -> Finding:
    return Finding(kind=kind, place=Place(file=_path(folder, name)), text=text)
