"""Stories of honest cameras, drawn at random: nothing that happens to one may ever be called forged.

Power lost while recording and not, switched off, clocks that jump, no receipts or late ones, a muted sound, dropped frames that are
declared, a lost camera module, recordings that go on over a shift's end, kinds from the future, and releases that withhold.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from protocol.entries import Body
from protocol.verdict import VerdictWord
from protocol.verify.recordings import RecordingView
from scripts.campaigns.attacks.evidence import AGENCY, Written, write
from tests.protocol.folders import Folder, report_of
from tests.protocol.shifts import Change, changed, records, withheld

SHIFTS_MAX: Final = 3


@dataclass(frozen=True)
class Honest:
    """A story that is in order: its evidence, and the word that it must have."""

    told: str
    evidence: dict[str, Folder]
    words: tuple[VerdictWord, ...]


def stories(random: Random, count: int) -> Iterator[Honest]:
    """Return stories, the same for the same generator."""
    for number in range(count):
        yield _story(random, number)


def _story(random: Random, number: int) -> Honest:
    told: list[str] = []
    written: list[Written] = []
    for index in range(random.choice((1, 1, 1, 2, SHIFTS_MAX))):
        is_continued = bool(written) and "]" in written[-1].shift.story and random.random() < 0.3
        text = _text(random, is_continued=is_continued)
        change = _changes(random, text, written[-1].shift.recording_ids[-1] if is_continued else None)
        previous = written[-1].shift.last if written else None
        written.append(
            write(
                text, f"honest/{number}/{index}", number=index + 1, previous=previous, change=change,
                part_repeats=random.choice((1, 1, 4)),
            )
        )  # fmt: skip
        told.append(text)
    if len(written) > 1 and random.random() < 0.2:
        del written[0], told[0]
        told.insert(0, "the first shift is not given:")
    folders = {each.name: each.folder for each in written}
    for each in written:
        folders[each.name], more = _given(random, each)
        told.append(more)
    is_release = any("withheld" in part for part in told)
    has_gap = any(letter in "Rg" for each in written for letter in each.shift.story)
    exact: VerdictWord = "authentic with signed gaps" if has_gap else "authentic"
    words: tuple[VerdictWord, ...] = ("authentic", "authentic with signed gaps") if is_release else (exact,)
    return Honest(" ".join(part for part in told if part), folders, words)


def _text(random: Random, *, is_continued: bool) -> str:
    text = "O"
    if is_continued:
        text += _recording(random)
    for _ in range(random.randint(0, 5)):
        text += random.choice(("e", "h", "a", "x", "u", "k", "l", "L", "lL", "pr", "R", "RR", _recording(random)))
    return text + "Z"


def _recording(random: Random) -> str:
    text = random.choice("[[(")
    for position in range(random.randint(0, 4)):
        text += random.choice(("c", "c", "cm", "d", "g", "qc", "qcQc", "clLc", "ck", "C" if position else "c"))
    return text + random.choice("]]]R")


def _changes(random: Random, text: str, continues: bytes | None) -> dict[int, Change]:
    """Return what the camera says otherwise: a clock that is not set or jumps, no seconds before the press, what goes on."""
    change: dict[int, Change] = {}
    jump_at = random.randrange(len(text)) if random.random() < 0.4 else len(text)
    by_ms = random.choice((-3 * 86_400_000, 40 * 365 * 86_400_000, -1, 3_600_000))
    for at in range(jump_at, len(text)):
        change[at] = _clock(by_ms, is_unset=random.random() < 0.1)
    if continues is not None:
        opening = changed(continues=continues, reason="shift-end")
        change[1] = _both(change[1], opening) if 1 in change else opening
    for at, letter in enumerate(text):
        if letter in "[(" and random.random() < 0.2:
            without = changed(pre_event_wanted_ms=0, pre_event_ms=0)
            change[at] = _both(change[at], without) if at in change else without
    return change


def _clock(by_ms: int, *, is_unset: bool) -> Change:
    def change(body: Body) -> Body:
        update: dict[str, object] = {"utc_ms": body.at.utc_ms + by_ms}
        if is_unset:
            update = {"utc_ms": 0, "utc_source": "none", "utc_uncertainty_ms": None}
        return body.model_copy(update={"at": body.at.model_copy(update=update)})

    return change


def _both(first: Change, second: Change) -> Change:
    return lambda body: second(first(body))


def _given(random: Random, written: Written) -> tuple[Folder, str]:
    """Return what somebody hands on of a shift: all of it, without some receipts, or a release."""
    folder = dict(written.folder)
    told = ""
    if random.random() < 0.4:
        gone = [name for name in folder if name.endswith(".receipt") and random.random() < 0.6]
        folder = {name: data for name, data in folder.items() if name not in gone}
        told = f"without {len(gone)} receipts"
    if random.random() < 0.3:
        folder = {name: data for name, data in folder.items() if not name.endswith(".keybox")}
    if random.random() < 0.3:
        return _release(random, written, folder)
    return folder, told


def _release(random: Random, written: Written, folder: Folder) -> tuple[Folder, str]:
    """Return a release: some bodies withheld, the bytes of withheld chunks as zeros, media that nothing names left out."""
    share = random.choice((0.2, 0.6, 1.0))
    entries = written.shift.entries
    hidden = {entry.head.sequence for entry in entries if random.random() < share}
    views: dict[str, RecordingView] = {v.recording_id.hex(): v for v in report_of(written.shift).recordings}
    shown = [withheld(entry) if entry.head.sequence in hidden else entry for entry in entries]
    release = dict(folder) | {"chain": records(shown)}
    named = report_of(replace(written.shift, entries=tuple(shown)))
    still = {view.recording_id.hex(): view for view in named.recordings}
    for recording_id, view in views.items():
        for file in view.media:
            name = f"{recording_id}.{file.number:04d}.media"
            known = {each.number for each in still[recording_id].media} if recording_id in still else set()
            if file.number not in known:
                release.pop(name, None)
                continue
            data = bytearray(release[name])
            for chunk in view.chunks_of(file.number):
                if chunk.sequence in hidden:
                    start = chunk.chunk.offset_bytes
                    data[start : start + chunk.chunk.size_bytes] = bytes(chunk.chunk.size_bytes)
            release[name] = bytes(data)
        if recording_id not in still:
            release.pop(f"{recording_id}.keybox", None)
    return release, f"{len(hidden)} bodies withheld"


ROOT: Final = AGENCY.root_fingerprint
