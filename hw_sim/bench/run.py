"""One run of the bench: the officer's day over real programs, then everything checked by what lies on disk.

`play` makes the world and plays; `resume` starts an earlier world again and waits for what had not arrived. Both end in `finish`.
"""

import itertools
import time
from dataclasses import dataclass
from typing import Final

from firmware.ports import Gesture
from hw_sim.bench import day
from hw_sim.bench.board import Board
from hw_sim.bench.camera_faults import CAMERA_FAULTS, break_camera
from hw_sim.bench.checks import Outcome, examine
from hw_sim.bench.children import ChildEvent
from hw_sim.bench.errors import BenchError
from hw_sim.bench.evidence import ClosedShift, closed_shifts, shift_folders
from hw_sim.bench.options import RunOptions
from hw_sim.bench.recorded import Recorded, SignedGap
from hw_sim.bench.report import Report
from hw_sim.bench.world import World
from protocol.verify.recordings import RecordingView

START_SECONDS_MAX: Final = 30.0
DOCK_SECONDS_MAX: Final = 30.0
ROUNDING_NS: Final = 1_000_000
"""Times in a chain are rounded to microseconds: a frame belongs to the recording whose beginning is no more than this after it."""
_EXPOSED_SECONDS_MAX: Final = 5.0
SETTLE_SECONDS: Final = 0.3
"""Silence after which the card is looked at."""


@dataclass(slots=True)
class Docking:
    """When the camera docked, and what happened since; monotonic nanoseconds of the bench."""

    docked_at_mono_ns: int
    ready_at_mono_ns: int | None = None
    receipted_at_mono_ns: int | None = None

    def seconds_to(self, at_mono_ns: int | None) -> float | None:
        """Return seconds from docking; None for what did not happen."""
        return None if at_mono_ns is None else round((at_mono_ns - self.docked_at_mono_ns) / 1e9, 3)


def play(world: World, options: RunOptions, board: Board) -> Report:
    """Play the whole day in a fresh world."""
    board.step("starting the vault, central, the broker, the dock, and a camera in it")
    world.start(options)
    _wait(world, "dock", {"ready"}, seconds=START_SECONDS_MAX, what="the dock to find the camera ready")
    _wait_until_empty(world, options)
    world.cable.unplug()
    board.step(f"undocks the camera; standby, with {options.pre_event_s} s before a press in memory")
    if options.part_fault is not None:
        board.step(f"fault: {world.break_by(options.part_fault)}")
    fault = None if options.camera_fault is None else CAMERA_FAULTS[options.camera_fault]
    day.play(
        day.day(seconds=options.seconds, pre_event_s=options.pre_event_s, is_camera_broken=fault is not None),
        press=lambda gesture: _press(world, gesture),
        say=lambda words: board.step(f"officer {words}"),
        break_camera=lambda: None if fault is None else break_camera(world, fault, board),
    )
    since = world.events.count
    world.cable.plug()
    board.step("docks the camera")
    _wait(world, "camera", {"new-shift"}, seconds=DOCK_SECONDS_MAX, what="the camera to notice its dock", since=since)
    shifts = tuple(shift for shift in closed_shifts(world.card) if shift.report.recordings)
    recorded = tuple(_recorded(world, shift) for shift in shifts)
    flat = tuple(itertools.chain.from_iterable(recorded))
    world.remember(flat)
    return finish(world, options, board, shifts=shifts, recorded=flat, since=since)


def resume(world: World, options: RunOptions, board: Board) -> Report:
    """Start an earlier world again, unbroken, and wait for what had not arrived."""
    recorded = world.remembered()
    shifts = tuple(shift for shift in closed_shifts(world.card) if shift.report.recordings)
    board.step("starting everything again")
    since = world.events.count
    world.start(options)
    if not recorded:
        # The day was cut before the sensor could be asked: the chain, which is closed by docking, tells what there is.
        _wait(
            world, "camera", {"new-shift"}, seconds=DOCK_SECONDS_MAX, what="the camera to notice its dock", since=since
        )
        shifts = tuple(shift for shift in closed_shifts(world.card) if shift.report.recordings)
        recorded = tuple(
            told_by_chain(shift.folder, shift.number, view) for shift in shifts for view in shift.report.recordings
        )
    return finish(world, options, board, shifts=shifts, recorded=recorded, since=since)


def finish(
    world: World,
    options: RunOptions,
    board: Board,
    *,
    shifts: tuple[ClosedShift, ...],
    recorded: tuple[Recorded, ...],
    since: int,
) -> Report:
    """Wait until everything is receipted and erased, or patience ends; then look at what is really there."""
    docked = world.events.wait_for(
        lambda event: event.name == "docked" and event.child == "dock", seconds=DOCK_SECONDS_MAX, since=since
    )
    docking = Docking(time.monotonic_ns() if docked is None else docked.heard_at_mono_ns)
    deadline = time.monotonic() + options.patience_s
    wanted = {item.recording_id for item in recorded}
    receipted = set[str]()
    position = since
    while time.monotonic() < deadline:
        event = world.events.wait_for(_is_progress, seconds=SETTLE_SECONDS, since=position)
        world.require_alive()
        if event is not None:
            position = world.events.all().index(event, position) + 1
            _note(event, docking, receipted, wanted)
        elif docking.ready_at_mono_ns is not None and len(shift_folders(world.card)) == 1:
            break  # only the open shift is left: every closed one is receipted and erased
        else:
            left_s = deadline - time.monotonic()
            board.live(f"waiting for receipts: {len(receipted)} of {len(wanted)}, {left_s:.0f} s of patience left")
    board.step("looks at what is there: verifying, decrypting, counting frames")
    world.stop_camera()
    outcome = examine(world, recorded=recorded, shifts=shifts, options=options, board=board)
    return report_of(world, options, docking, outcome)


def _is_progress(event: ChildEvent) -> bool:
    return (event.child, event.name) in {("dock", "ready"), ("dock", "receipted")}


def _note(event: ChildEvent, docking: Docking, receipted: set[str], wanted: set[str]) -> None:
    recording = str(event.fields.get("recording_id") or "")
    if event.name == "ready" and docking.ready_at_mono_ns is None:
        docking.ready_at_mono_ns = event.heard_at_mono_ns
    elif event.name == "receipted" and recording in wanted:
        receipted.add(recording)
        if wanted <= receipted and docking.receipted_at_mono_ns is None:
            docking.receipted_at_mono_ns = event.heard_at_mono_ns


def _press(world: World, gesture: Gesture) -> None:
    world.camera.send({"do": "press", "gesture": gesture.value})


def _wait(world: World, child: str, names: set[str], *, seconds: float, what: str, since: int = 0) -> ChildEvent:
    found = world.events.wait_for(
        lambda event: event.child == child and event.name in names, seconds=seconds, since=since, alive=world.children
    )
    if found is None:
        raise BenchError(
            f"{child} did not say {' or '.join(sorted(names))} within {seconds:.0f} s",
            expected=what,
            next_step=f"look at {world.logs} and {world.events_file}",
        )
    return found


def _wait_until_empty(world: World, options: RunOptions) -> None:
    """Wait until the commissioning shift is receipted and erased, so that the day begins with an empty card."""
    deadline = time.monotonic() + options.patience_s
    while closed_shifts(world.card) and time.monotonic() < deadline:
        world.require_alive()
        time.sleep(0.1)


def _recorded(world: World, shift: ClosedShift) -> tuple[Recorded, ...]:
    """Return a shift's recordings, with how many frames the sensor, which counts by itself, exposed in the time of each."""
    found = []
    for number, view in enumerate(shift.report.recordings):
        assert view.opened is not None
        begin_us = view.opened.origin_mono_us
        since = world.events.count
        order = {
            "do": "exposed",
            "id": number,
            "begin_mono_ns": begin_us * 1000 - ROUNDING_NS,
            "end_mono_ns": (begin_us + view.duration_us) * 1000 - ROUNDING_NS,
        }
        world.camera.send(order)
        answer = world.events.wait_for(
            lambda event, number=number: event.name == "exposed" and event.fields["id"] == number,  # type: ignore[misc]
            seconds=_EXPOSED_SECONDS_MAX,
            since=since,
            alive=world.children,
        )
        if answer is None:
            raise world.camera.gone()
        frames = {
            f"frame{key}": answer.fields[name]
            for key, name in (("s_captured", "count"), ("_first", "first"), ("_last", "last"))
        }
        found.append(told_by_chain(shift.folder, shift.number, view).model_copy(update=frames))
    return tuple(found)


def told_by_chain(folder: str, number: int, view: RecordingView) -> Recorded:
    """Return a recording without the sensor's counts, which only the camera that recorded it knows."""
    continues = None if view.opened is None else view.opened.continues
    gaps = (gap for chunk_view in view.chunks for gap in chunk_view.chunk.gaps)
    return Recorded(
        recording_id=view.recording_id.hex(),
        shift_folder=folder,
        shift_number=number,
        duration_us=view.duration_us,
        pre_event_ms=0 if view.opened is None else view.opened.pre_event_ms,
        chunk_count=len(view.chunks),
        size_bytes=view.size_bytes,
        frames_captured=None,
        frame_first=None,
        frame_last=None,
        frames_in_chain=sum(chunk_view.chunk.frame_count for chunk_view in view.chunks),
        frame_rate_mhz=None if view.opened is None else view.opened.video.frame_rate_mhz,
        origin_mono_us=0 if view.opened is None else view.opened.origin_mono_us,
        continues=None if continues is None else continues.hex(),
        gaps=tuple(
            SignedGap(start_us=gap.start_us, end_us=gap.end_us, missing_frame_count=gap.missing_frame_count)
            for gap in gaps
        ),
    )


def report_of(world: World, options: RunOptions, docking: Docking, outcome: Outcome) -> Report:
    """Put everything that was found into the report."""
    rows = outcome.rows
    offsets = [row.av_offset_ms for row in rows if row.av_offset_ms is not None]
    return Report(
        is_good=not outcome.problems,
        verdict=outcome.verdict,
        assurance=outcome.assurance,
        sentence=outcome.sentence,
        problems=outcome.problems,
        findings=outcome.findings,
        recordings=rows,
        frames_captured=sum(row.frames_captured or 0 for row in rows),
        frames_decoded=sum(row.frames_decoded for row in rows),
        frames_missing=sum(row.frames_missing for row in rows),
        frames_declared_missing=sum(row.frames_declared_missing for row in rows),
        camera_silence_s=outcome.silence_s,
        av_offset_ms_max=max(offsets, default=None),
        pre_event_s=min((row.pre_event_s for row in rows if row.continues is None), default=0.0),
        pre_event_wanted_s=options.pre_event_s,
        chunks=sum(row.chunks for row in rows),
        bytes=sum(row.bytes for row in rows),
        receipts=outcome.receipt_count,
        erased_after_receipt=outcome.is_erased_after_receipt,
        seconds_from_docked_to_ready=docking.seconds_to(docking.ready_at_mono_ns),
        seconds_from_docked_to_receipted=docking.seconds_to(docking.receipted_at_mono_ns),
        camera=_camera_name(world),
        video=None if options.video is None else f"{options.video.name}: {options.video_format}",
        broker=world.broker.title,
        broker_client_auth=world.broker.client_auth,
        ledger=None if world.policy.ledger is None else world.policy.ledger.origin,
        witnesses=world.policy.witness_threshold,
        seed=options.seed,
        fault=options.fault,
        sealed=world.relative(world.sealed),
        mp4=tuple(row.mp4 for row in rows if row.mp4 is not None),
        events=world.relative(world.events_file),
        root_fingerprint=world.root_fingerprint.hex(),
    )


def _camera_name(world: World) -> str:
    """Return what the camera's process said of its camera."""
    named = [
        str(event.fields["name"]) for event in world.events.all() if (event.child, event.name) == ("camera", "camera")
    ]
    return named[-1] if named else "unknown"
