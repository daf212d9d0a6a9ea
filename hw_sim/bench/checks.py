"""What the bench checks at the end, each by what lies on disk: the verdict, the frames in the pixels, receipts, and erasure.

Every line that does not hold becomes a problem, in words; no problem, and the run was good.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from hw_sim.bench.board import Board
from hw_sim.bench.camera_faults import CAMERA_FAULTS, CameraFault, what_did_not_hold
from hw_sim.bench.evidence import ClosedShift, changed_files, erased_entries, receipts_below
from hw_sim.bench.options import RunOptions
from hw_sim.bench.recorded import Recorded
from hw_sim.bench.report import RecordingRow
from hw_sim.bench.silence import declared_of, silence_s
from hw_sim.bench.world import World
from hw_sim.count_frames import Count, count
from hw_sim.watching import UnusableFile
from protocol.__main__ import UnusableInput, verify_folder
from protocol.layout import CHAIN_NAME, parse_file_name
from protocol.receipt import RecordingSubject
from protocol.verdict import Verdict

RECORDINGS_OF_A_DAY: Final = 2
_PLAY_SECONDS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that was found."""

    verdict: str
    assurance: int
    sentence: str
    problems: tuple[str, ...]
    findings: tuple[str, ...]
    rows: tuple[RecordingRow, ...]
    receipt_count: int
    is_erased_after_receipt: bool
    silence_s: float | None


@dataclass(slots=True)
class Looked:
    """What was found on the way."""

    problems: list[str] = field(default_factory=list)
    receipted: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    receipt_count: int = 0


def examine(
    world: World, *, recorded: Sequence[Recorded], shifts: Sequence[ClosedShift], options: RunOptions, board: Board
) -> Outcome:
    """Look at card and store, decrypt each recording through the vault, count its frames, and say what does not hold."""
    looked = Looked()
    camera_fault = None if options.camera_fault is None else CAMERA_FAULTS[options.camera_fault]
    verdict = verdict_of(world, looked)
    silence = silence_s(recorded, frame_rate_mhz=world.frame_rate_mhz)
    looked.problems += _complaints(verdict, camera_fault, recorded, silence, options.silence_s_max)
    is_erased_after_receipt = _look_at_erasure(world, recorded, shifts, looked)
    rows = tuple(_row(world, item, looked, board) for item in recorded)
    is_counted = all(item.frames_captured is not None for item in recorded)
    # A camera that had to start again goes on in a recording more, which names the one before.
    begun_count = sum(item.continues is None or camera_fault is None for item in recorded)
    if is_counted and begun_count != RECORDINGS_OF_A_DAY:
        looked.problems.append(f"{begun_count} recordings were begun, {RECORDINGS_OF_A_DAY} expected")
    played = [row for row in rows if row.mp4 is not None]
    if played and all(row.av_offset_ms is None for row in played):
        # One recording may be too short, or muted too long, for a whole tone; a day is not.
        looked.problems.append("no tone was heard in any recording, so that nobody knows whether the sound is in step")
    trouble = world.trouble()
    if options.part_fault is not None or any(item.recording_id not in looked.receipted for item in recorded):
        looked.problems.insert(0, f"not everything arrived: {trouble or 'no program said why'}")
    word = "unreadable" if verdict is None else verdict.verdict
    return Outcome(
        verdict=word,
        assurance=0 if verdict is None else verdict.assurance,
        sentence=_sentence(word, verdict, looked),
        problems=tuple(looked.problems),
        findings=() if verdict is None else tuple(finding.sentence() for finding in verdict.findings),
        rows=rows,
        receipt_count=looked.receipt_count,
        is_erased_after_receipt=is_erased_after_receipt,
        silence_s=silence,
    )


def _sentence(word: str, verdict: Verdict | None, looked: Looked) -> str:
    if not looked.problems and verdict is not None:
        return f"{verdict.sentence} The camera erased only what central had receipted."
    held = "" if looked.erased else " Nothing was erased: the card still holds everything."
    return f"Not everything held: {looked.problems[0]}.{held}"


def verdict_of(world: World, looked: Looked) -> Verdict | None:
    """Return the verdict on all that central holds."""
    try:
        verdict: Verdict = verify_folder(world.sealed, world.root_fingerprint, policy_file=None, enrolment_file=None)
    except UnusableInput:
        looked.problems.append("central holds no evidence")
        return None
    return verdict


def _complaints(
    verdict: Verdict | None,
    fault: CameraFault | None,
    recorded: Sequence[Recorded],
    silence: float | None,
    silence_s_max: float,
) -> tuple[str, ...]:
    """Return what the verdict should not say, or should and does not."""
    if verdict is None:
        return ()
    if fault is not None:
        return what_did_not_hold(
            fault, verdict=verdict, recorded=recorded, silence_s=silence, silence_s_max=silence_s_max
        )
    if verdict.verdict != "authentic":
        is_slow = any(finding.kind == "frames-dropped" for finding in verdict.findings)
        hint = "; this machine was too busy for the sensor's frames, a smaller --size or --fps helps" if is_slow else ""
        return (f"the verdict is {verdict.verdict}, authentic expected{hint}",)
    return ()


def _look_at_erasure(world: World, recorded: Sequence[Recorded], shifts: Sequence[ClosedShift], looked: Looked) -> bool:
    """Compare card, `erased` entries and receipts; say whether all is erased, each behind a receipt that central made first."""
    receipts = receipts_below(world.sealed, world.policy)
    subjects = {key: receipt.subject for key, receipt in receipts.items()}
    looked.receipt_count = len(receipts)
    looked.receipted = {s.recording_id.hex() for s in subjects.values() if isinstance(s, RecordingSubject)}
    for entry in erased_entries(world.card, world.sealed):
        if entry.recording_id is None:
            continue
        recording = entry.recording_id.hex()
        looked.erased.add(recording)
        subject = subjects.get(entry.receipt_hash)
        if not isinstance(subject, RecordingSubject) or subject.recording_id != entry.recording_id:
            looked.problems.append(f"recording {recording} was erased behind something that is no receipt for it")
        elif receipts[entry.receipt_hash].stored_at_ms > entry.at.utc_ms:
            looked.problems.append(f"recording {recording} was erased before central receipted it")
    for shift in shifts:
        chains = {s.kind for key, s in subjects.items() if receipts[key].shift_id == shift.report.shift_id}
        may_be_gone = {view.recording_id.hex() for view in shift.report.recordings} & looked.receipted
        is_chain_receipted = "chain" in chains
        lost = [
            name
            for name in changed_files(shift, world.card)
            if name.split(".")[0] not in may_be_gone
            and not (name == CHAIN_NAME and is_chain_receipted)
            and parse_file_name(name) is not None
        ]
        if lost:
            looked.problems.append(f"without a receipt the card lost or changed {', '.join(lost)} of {shift.folder}")
    wanted = {item.recording_id for item in recorded}
    for recording in sorted(wanted - looked.receipted):
        looked.problems.append(f"recording {recording} has no receipt")
    for recording in sorted((wanted & looked.receipted) - looked.erased):
        looked.problems.append(f"recording {recording} is receipted and not erased")
    left = [path for path in world.card.rglob("*.media") if path.name.split(".")[0] in looked.erased]
    if left:
        looked.problems.append(f"{len(left)} media files are still on the card after their erased entry")
    return bool(wanted) and wanted <= looked.erased and not looked.problems


def row_before_counting(item: Recorded, looked: Looked) -> RecordingRow:
    """Return what chain and receipts tell of a recording."""
    pre_event_s = item.pre_event_ms / 1000
    return RecordingRow(
        recording_id=item.recording_id,
        shift_number=item.shift_number,
        live_s=round(item.duration_us / 1e6 - pre_event_s, 3),
        pre_event_s=pre_event_s,
        chunks=item.chunk_count,
        bytes=item.size_bytes,
        frames_captured=item.frames_captured,
        frames_in_chain=item.frames_in_chain,
        continues=item.continues,
        is_receipted=item.recording_id in looked.receipted,
        is_erased=item.recording_id in looked.erased,
    )


def _row(world: World, item: Recorded, looked: Looked, board: Board) -> RecordingRow:
    """Decrypt one recording through the vault and count what is in it."""
    board.live(f"recording {item.recording_id[:8]}: decrypting and counting")
    row = row_before_counting(item, looked)
    if not row.is_receipted:
        return row
    counted = _counted(world, item, looked)
    if counted is None:
        return row
    # The sensor's own numbers are the measure: a beginning or an end that is lost does not show in the pixels alone.
    first = counted.first if item.frame_first is None else item.frame_first
    last = counted.last if item.frame_last is None else item.frame_last
    missing = counted.frames_missing + max(0, counted.first - first) + max(0, last - counted.last)
    declared = declared_of(item, absent=counted.absent, first_number=first, frame_rate_mhz=world.frame_rate_mhz)
    missing -= declared.frame_count
    expected = last - first + 1 - declared.frame_count
    complaints = [*declared.problems, *replace(counted, frames_missing=0).complaints()]
    if missing or counted.frames_decoded != expected:
        complaints.insert(
            0, f"{counted.frames_decoded} of {expected} frames decoded, {missing} missing without a signed gap"
        )
    looked.problems += [f"recording {item.recording_id}: {complaint}" for complaint in complaints]
    return row.model_copy(
        update={
            "frames_decoded": counted.frames_decoded,
            "frames_missing": missing,
            "frames_declared_missing": declared.frame_count,
            "av_offset_ms": counted.av_offset_ms_max,
            "mp4": world.relative(_mp4(world, item)),
        }
    )


def _mp4(world: World, item: Recorded) -> Path:
    return world.mp4_folder / f"{item.recording_id}.mp4"


def decrypted(world: World, item: Recorded, looked: Looked) -> Path | None:
    """Have the vault open a recording, and return the film; None where that cannot be, which is a problem."""
    path = _mp4(world, item)
    if not path.exists():
        done = subprocess.run(
            world.play_command(item.recording_id, path),
            capture_output=True,
            text=True,
            timeout=_PLAY_SECONDS_MAX,
            check=False,
        )
        if done.returncode != 0:
            looked.problems.append(f"recording {item.recording_id} cannot be played: {done.stderr.strip()}")
            return None
    return path


def _counted(world: World, item: Recorded, looked: Looked) -> Count | None:
    path = decrypted(world, item, looked)
    if path is None:
        return None
    try:
        return count(path, frame_rate_mhz=world.frame_rate_mhz)
    except UnusableFile as error:
        looked.problems.append(f"recording {item.recording_id}: {error}")
        return None
