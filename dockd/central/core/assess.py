"""What central makes of a file that arrived: in order, or a reason to keep it apart. Pure: reports in, sentences out.

Only what has no finding of the classes altered, incomplete and cut is taken into its place (spec/05-verdict.md, 5.3): a
chain on its way to central never has a body withheld, and a gap that the camera signed is evidence like any other.
"""

from dataclasses import dataclass
from typing import Final

from dockd.central.ports import RecordingRow, ShiftKey
from protocol.canonical import decode, parse
from protocol.keybox import key_box_hash
from protocol.keys import camera_id
from protocol.layout import parse_file_name
from protocol.offload.messages import Description, media_identity
from protocol.receipt import RecordingSubject
from protocol.verdict import Finding
from protocol.verify.chain import ChainReport
from protocol.verify.recordings import RecordingView
from protocol.verify.shift import recording_subject

_BARRING_CLASSES: Final = frozenset({"altered", "incomplete", "cut"})


@dataclass(frozen=True, slots=True)
class Assessment:
    """``reason`` is None for a file in order; else why it goes into quarantine.

    ``is_mislabelled``: only the description is wrong.
    """

    reason: str | None
    findings: tuple[Finding, ...] = ()
    is_mislabelled: bool = False


def assess_chain(report: ChainReport | None, description: Description) -> Assessment:
    """Judge a chain that was verified under the enrolled camera's key, or under its own where the camera is not
    enrolled.
    """
    if report is None:
        return Assessment("nothing in it is an entry")
    barring = [finding for finding in report.findings if finding.finding_class in _BARRING_CLASSES]
    if report.shift_id != description.shift_id:
        return Assessment(f"it is the chain of shift {report.shift_id.hex()}", report.findings)
    if barring:
        return Assessment(barring[0].sentence(), report.findings)
    assert report.opened is not None
    found_id = camera_id(report.camera_key)
    if found_id != description.camera_id:
        return Assessment(f"it is the chain of camera {found_id.hex()}", report.findings)
    if report.opened.shift_number != description.shift_number:
        text = f"the chain is of shift number {report.opened.shift_number}, {description.shift_number} was described"
        return Assessment(text, report.findings)
    return _labelled(report.head_hash, description)


def assess_key_box(data: bytes, recording: RecordingRow | None, description: Description) -> Assessment:
    """Judge a key box by what the recording's opening commits to."""
    if recording is None:
        return Assessment("the shift's chain tells of no such recording")
    found = key_box_hash(data)
    if found != subject_of(recording).key_box_hash:
        return Assessment("it is not the key box that the camera's entry names: its hash is another")
    return _labelled(found, description)


def assess_media(findings: tuple[Finding, ...], view: RecordingView | None, description: Description) -> Assessment:
    """Judge a media file by what `MediaVerifier` found in it."""
    parsed = parse_file_name(description.name)
    assert parsed is not None
    if view is None or view.ending_head_hash is None:
        return Assessment("the shift's chain tells of no such recording")
    if not any(file.number == parsed.number for file in view.media):
        return Assessment(f"the shift's chain tells of no media file {parsed.number} of this recording")
    if findings:
        return Assessment(findings[0].sentence(), findings)
    assert parsed.number is not None
    return _labelled(media_identity(view.ending_head_hash, parsed.number), description)


def _labelled(identity: bytes, description: Description) -> Assessment:
    if identity == description.identity:
        return Assessment(None)
    return Assessment(
        f"the {description.kind} is in order, but its identity is {identity.hex()} and not the described one",
        is_mislabelled=True,
    )


def recording_rows(report: ChainReport, row_key: ShiftKey) -> tuple[RecordingRow, ...]:
    """Return what the catalogue holds of a chain's recordings; the chain is in order."""
    rows: list[RecordingRow] = []
    for view in report.recordings:
        subject = recording_subject(view)
        assert subject is not None
        assert view.opened is not None
        rows.append(
            RecordingRow(
                key=row_key,
                recording_id=view.recording_id,
                subject=subject.encoded(),
                content_key_commitment=view.opened.content_key_commitment,
                opened_at_utc_ms=view.opened.at.utc_ms,
                utc_source=view.opened.at.utc_source,
                utc_uncertainty_ms=view.opened.at.utc_uncertainty_ms,
                duration_us=view.duration_us,
                size_bytes=view.size_bytes,
            )
        )
    return tuple(rows)


def subject_of(recording: RecordingRow) -> RecordingSubject:
    """Return what a receipt says of a recording."""
    return parse(RecordingSubject, decode(recording.subject), section="spec/04-trust.md, 4.4")
