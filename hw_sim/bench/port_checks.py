"""What the bench checks of a real camera: the verdict, receipts, erasure, and the frames that decode against those that the chain declares.

A real picture carries no counter, so that a frame which the camera did not sign cannot be missed here.
"""

from collections.abc import Sequence

from hw_sim.bench.board import Board
from hw_sim.bench.checks import Looked, Outcome, decrypted, row_before_counting, verdict_of
from hw_sim.bench.evidence import receipts_below
from hw_sim.bench.recorded import Recorded
from hw_sim.bench.report import RecordingRow
from hw_sim.bench.silence import silence_s
from hw_sim.bench.world import World
from hw_sim.watching import UnusableFile, watch
from protocol.receipt import RecordingSubject


def examine_at_port(world: World, *, recorded: Sequence[Recorded], board: Board) -> Outcome:
    """Say what does not hold of what a camera at a port brought."""
    looked = Looked()
    verdict = verdict_of(world, looked)
    if verdict is not None and not verdict.verdict.startswith("authentic"):
        looked.problems.append(f"the verdict is {verdict.verdict}, authentic expected, with signed gaps or without")
    if not recorded:
        looked.problems.append("the camera brought no recording; make one, and dock it again")
    _look_at_custody(world, recorded, looked)
    rows = tuple(_row(world, item, looked, board) for item in recorded)
    word = "unreadable" if verdict is None else verdict.verdict
    if verdict is not None and not looked.problems:
        sentence = f"{verdict.sentence} The camera answered that it has erased what central had receipted."
    else:
        sentence = f"Not everything held: {looked.problems[0]}."
    return Outcome(
        verdict=word,
        assurance=0 if verdict is None else verdict.assurance,
        sentence=sentence,
        problems=tuple(looked.problems),
        findings=() if verdict is None else tuple(finding.sentence() for finding in verdict.findings),
        rows=rows,
        receipt_count=looked.receipt_count,
        is_erased_after_receipt=bool(rows) and all(row.is_receipted and row.is_erased for row in rows),
        silence_s=max((found for item in recorded if (found := _silence_s(item)) is not None), default=None),
    )


def _silence_s(item: Recorded) -> float | None:
    return silence_s([item], frame_rate_mhz=item.frame_rate_mhz) if item.frame_rate_mhz else None


def _look_at_custody(world: World, recorded: Sequence[Recorded], looked: Looked) -> None:
    """Take receipts from central's store, and what the camera answered from the dock, in that order for each recording."""
    receipts = receipts_below(world.sealed, world.policy)
    looked.receipt_count = len(receipts)
    subjects = [receipt.subject for receipt in receipts.values()]
    looked.receipted = {one.recording_id.hex() for one in subjects if isinstance(one, RecordingSubject)}
    heard = [
        (event.name, str(event.fields.get("recording_id")))
        for event in world.events.all()
        if event.child == "dock" and event.name in ("receipted", "erased")
    ]
    looked.erased = {recording for name, recording in heard if name == "erased"}
    for item in recorded:
        receipted, erased = ("receipted", item.recording_id), ("erased", item.recording_id)
        if item.recording_id not in looked.receipted:
            looked.problems.append(
                f"recording {item.recording_id} has no receipt: {world.trouble() or 'no program said why'}"
            )
        elif erased not in heard:
            looked.problems.append(
                f"recording {item.recording_id} is receipted, and the camera did not answer that it is erased"
            )
        elif receipted in heard and heard.index(erased) < heard.index(receipted):
            looked.problems.append(f"recording {item.recording_id} was erased before its receipt had come to the dock")


def _row(world: World, item: Recorded, looked: Looked, board: Board) -> RecordingRow:
    """Decrypt one recording through the vault, and decode every frame."""
    board.live(f"recording {item.recording_id[:8]}: decrypting and decoding")
    row = row_before_counting(item, looked)
    path = decrypted(world, item, looked) if row.is_receipted else None
    if path is None:
        return row
    try:
        decoded = watch(path).frames_decoded
    except UnusableFile as error:
        looked.problems.append(f"recording {item.recording_id}: {error}")
        return row
    if decoded != item.frames_in_chain:
        looked.problems.append(
            f"recording {item.recording_id}: {decoded} frames decoded, {item.frames_in_chain} expected as its chain declares"
        )
    counts = {
        "frames_decoded": decoded,
        "frames_missing": max(0, (item.frames_in_chain or 0) - decoded),
        "frames_declared_missing": sum(gap.missing_frame_count for gap in item.gaps),
        "mp4": world.relative(path),
    }
    return row.model_copy(update=counts)
