"""What of a shift has to go to central, in which order, and what receipts cover it (spec/07-offload.md, 7.2 and 7.5).

Pure: chain reports, file lists and verified receipts in, descriptions out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dockd.station.ports import ShiftPlace, SpooledFile
from protocol.entries import Event
from protocol.layout import parse_file_name, parse_shift_folder
from protocol.offload.messages import Description, media_identity
from protocol.receipt import ChainSubject, Receipt, RecordingSubject
from protocol.verify.chain import ChainReport
from protocol.verify.shift import recording_subject

_RANK: Final = {"chain": 0, "key-box": 1, "media": 2}


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """What a chain says of a recording, as far as offload needs it. ``subject``: what a receipt must say of it."""

    recording_id: bytes
    ending_head_hash: bytes | None
    key_box_hash: bytes | None
    subject: RecordingSubject | None
    is_flagged: bool


@dataclass(frozen=True, slots=True)
class ShiftFacts:
    """What a chain says of its shift. It is small, so that a dock can keep it for every shift in the spool."""

    shift_id: bytes
    shift_number: int
    head_sequence: int
    head_hash: bytes
    size_bytes: int
    recordings: tuple[RecordingFacts, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """One file that is to be at central. ``rank`` orders the files of all shifts."""

    place: ShiftPlace
    description: Description
    recording_id: bytes | None
    rank: tuple[int, bool, int, str]


def facts_of(report: ChainReport, *, shift_number: int) -> ShiftFacts:
    """Return what offload needs of a chain report; the number is the folder's, which the chain confirms or not."""
    marks = (body for _, body in report.bodies if isinstance(body, Event) and body.name == "mark")
    flagged = {mark.recording_id for mark in marks}
    return ShiftFacts(
        shift_id=report.shift_id,
        shift_number=shift_number,
        head_sequence=report.head_sequence,
        head_hash=report.head_hash,
        size_bytes=report.size_bytes,
        recordings=tuple(
            RecordingFacts(
                recording_id=view.recording_id,
                ending_head_hash=view.ending_head_hash,
                key_box_hash=None if view.opened is None else view.opened.key_box_hash,
                subject=recording_subject(view),
                is_flagged=view.recording_id in flagged,
            )
            for view in report.recordings
        ),
    )


def works_of(
    place: ShiftPlace, facts: ShiftFacts, files: Iterable[SpooledFile]
) -> tuple[tuple[Work, ...], tuple[str, ...]]:
    """Return the complete files of a shift as work, in order; and the names of those that its chain does not describe."""
    works: list[Work] = []
    undescribed: list[str] = []
    for file in files:
        if file.is_complete:
            work = _work(place, facts, file)
            if work is None:
                undescribed.append(file.name)
            else:
                works.append(work)
    return tuple(sorted(works, key=lambda work: work.rank)), tuple(undescribed)


def covered_names(facts: ShiftFacts, works: Iterable[Work], receipts: Iterable[Receipt]) -> frozenset[str]:
    """Return the names of the files that one of these verified receipts is about."""
    covered: set[str] = set()
    for receipt in receipts:
        if (receipt.shift_id, receipt.head_sequence, receipt.head_hash) != (
            facts.shift_id, facts.head_sequence, facts.head_hash,
        ):  # fmt: skip
            continue
        subject = receipt.subject
        if isinstance(subject, ChainSubject):
            if subject.size_bytes == facts.size_bytes:
                covered.update(work.description.name for work in works if work.description.kind == "chain")
        elif any(subject == recording.subject for recording in facts.recordings):
            covered.update(work.description.name for work in works if work.recording_id == subject.recording_id)
    return frozenset(covered)


def _work(place: ShiftPlace, facts: ShiftFacts, file: SpooledFile) -> Work | None:
    parsed = parse_file_name(file.name)
    assert parsed is not None, file.name
    is_flagged = False
    identity: bytes | None = facts.head_hash
    if parsed.kind != "chain":
        recording = next((r for r in facts.recordings if r.recording_id == parsed.recording_id), None)
        identity = None if recording is None else _identity(recording, parsed.number)
        is_flagged = recording is not None and recording.is_flagged
    if identity is None:
        return None
    description = Description(
        camera_id=place.camera_id,
        shift_id=facts.shift_id,
        shift_number=facts.shift_number,
        name=file.name,
        kind=parsed.kind,
        size_bytes=file.size_bytes,
        identity=identity,
    )
    rank = (_RANK[parsed.kind], not is_flagged, facts.shift_number, file.name)
    return Work(place, description, parsed.recording_id, rank)


def _identity(recording: RecordingFacts, number: int | None) -> bytes | None:
    if number is None:
        return recording.key_box_hash
    return None if recording.ending_head_hash is None else media_identity(recording.ending_head_hash, number)


def number_of(place: ShiftPlace) -> int:
    """Return the shift's number as its folder says it."""
    parsed = parse_shift_folder(place.folder)
    assert parsed is not None, place.folder
    return parsed[0]
