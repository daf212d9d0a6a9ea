"""What a bay reads next, and when it has everything (architecture.md, 4, point 6). Pure: listings and spool in, tasks out.

The chain travels first, then key boxes, then media, recordings with a mark before the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from dockd.station.ports import ShiftPlace, SpooledFile
from protocol.entries import Event
from protocol.layout import CHAIN_NAME, FileName, parse_file_name, parse_shift_folder
from protocol.link.messages import ListedFile
from protocol.verdict import Finding
from protocol.verify.chain import ChainReport

READS_MAX: Final = 2
"""How often a file is read that does not verify: the second time shows whether the line or the card is at fault."""

_CHAIN, _KEY_BOX, _MARKED_MEDIA, _MEDIA = range(4)


@dataclass(frozen=True, slots=True)
class Task:
    """A file to read from the camera, from ``have_bytes`` on; those before stand in the spool."""

    place: ShiftPlace
    name: str
    parsed: FileName
    size_bytes: int
    have_bytes: int


@dataclass(frozen=True, slots=True)
class Holding:
    """What the spool holds of one shift, and what its chain says, as far as that has arrived."""

    files: Mapping[str, SpooledFile]
    report: ChainReport | None
    freed: frozenset[str]
    """Files that the spool once held complete, and dropped when central had receipted and the camera erased them."""

    def has(self, name: str) -> bool:
        """Say whether a file need not be read any more."""
        file = self.files.get(name)
        return name in self.freed or (file is not None and file.is_complete)


EMPTY: Final = Holding({}, None, frozenset())


def marked_recordings(report: ChainReport) -> frozenset[bytes]:
    """Return the recordings that the officer marked."""
    return frozenset(
        body.recording_id
        for _, body in report.bodies
        if isinstance(body, Event) and body.name == "mark" and body.recording_id is not None
    )


def tasks(camera_id: bytes, listed: Iterable[ListedFile], holdings: Mapping[ShiftPlace, Holding]) -> tuple[Task, ...]:
    """Return what is still to be read, in the order in which to read it.

    Media and key box of a shift whose chain is listed wait for the chain, since nothing else says what they must be.
    """
    files = tuple(listed)
    chains = {file.folder for file in files if file.name == CHAIN_NAME}
    found: list[tuple[tuple[int, int, str, int, str], Task]] = []
    for file in files:
        parsed, shift = parse_file_name(file.name), parse_shift_folder(file.folder)
        if parsed is None or shift is None:
            continue
        place = ShiftPlace(camera_id, file.folder)
        holding = holdings.get(place, EMPTY)
        if holding.has(file.name):
            continue
        if parsed.kind != "chain" and file.folder in chains and not holding.has(CHAIN_NAME):
            continue
        spooled = holding.files.get(file.name)
        have = 0 if spooled is None else spooled.size_bytes
        task = Task(place, file.name, parsed, file.size_bytes, have)
        rank, position = _rank(parsed, holding.report)
        found.append(((rank, shift[0], file.folder, position, file.name), task))
    return tuple(task for _, task in sorted(found, key=lambda item: item[0]))


def strangers(listed: Iterable[ListedFile]) -> tuple[ListedFile, ...]:
    """Return listed files whose names have no place in a shift; they are not read."""
    return tuple(
        file for file in listed if parse_file_name(file.name) is None or parse_shift_folder(file.folder) is None
    )


def verified_shifts(
    camera_id: bytes, listed: Iterable[ListedFile], holdings: Mapping[ShiftPlace, Holding]
) -> frozenset[ShiftPlace]:
    """Return the listed shifts of which the spool holds every file, verified and durable."""
    files = tuple(listed)
    places = {ShiftPlace(camera_id, file.folder) for file in files if parse_shift_folder(file.folder) is not None}
    open_places = {task.place for task in tasks(camera_id, files, holdings)}
    waiting = {
        ShiftPlace(camera_id, file.folder)
        for file in files
        if parse_file_name(file.name) is not None
        and not holdings.get(ShiftPlace(camera_id, file.folder), EMPTY).has(file.name)
    }
    return frozenset(places - open_places - waiting)


def is_read_again(findings: Iterable[Finding], *, reads: int) -> bool:
    """Say whether a file that was read ``reads`` times is read once more before it is taken as it is."""
    is_wrong = any(finding.finding_class in ("altered", "incomplete") for finding in findings)
    return is_wrong and reads < READS_MAX


def _rank(parsed: FileName, report: ChainReport | None) -> tuple[int, int]:
    """Return how early a file travels, and where its recording stands in the shift."""
    if parsed.kind == "chain":
        return _CHAIN, 0
    order = {} if report is None else {view.recording_id: index for index, view in enumerate(report.recordings)}
    assert parsed.recording_id is not None
    position = order.get(parsed.recording_id, len(order))
    if parsed.kind == "key-box":
        return _KEY_BOX, position
    is_marked = report is not None and parsed.recording_id in marked_recordings(report)
    return (_MARKED_MEDIA if is_marked else _MEDIA), position
