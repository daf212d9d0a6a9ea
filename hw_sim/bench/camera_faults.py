"""The camera's faults as a run of the bench plays them: what breaks, and what must hold all the same.

Where the camera's program ends by itself, the bench starts it again at once, as systemd does on a board.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hw_sim.bench.board import Board
from hw_sim.bench.options import CameraFaultName
from hw_sim.bench.recorded import Recorded
from hw_sim.bench.silence import goes_on
from hw_sim.bench.world import World
from hw_sim.libcamera_sim.faults import FaultKind
from protocol.verdict import Verdict

"""How long a camera that records may be without a picture, whatever becomes of sensor, libcamera, picamera2 or process."""
PLAY_OUT_S_MAX: Final = 15.0
"""After that the officer's day goes on, and the evidence tells how long the camera was silent."""
_LOOK_S: Final = 0.02
"""How often the bench looks whether the camera's program has ended."""


@dataclass(frozen=True, slots=True)
class CameraFault:
    """One fault: in words, as orders for the simulated libcamera, and what it costs."""

    words: str
    orders: tuple[Mapping[str, Any], ...]
    is_lossless: bool = False
    is_flow_lost: bool = False
    """No frame comes until the camera is started again."""


_STALL: Final = {"fault": FaultKind.STALLED_SENSOR}
CAMERA_FAULTS: Final[Mapping[CameraFaultName, CameraFault]] = {
    "camera-dropped-frames": CameraFault(
        "5 frames are exposed and never arrive", ({"fault": FaultKind.DROPPED_FRAMES, "frame_count": 5},)
    ),
    "camera-late-buffer": CameraFault(
        "a buffer arrives 250 ms late, and what follows waits for it",
        ({"fault": FaultKind.LATE_BUFFER, "duration_ms": 250},),
        is_lossless=True,
    ),
    "camera-stalled-sensor": CameraFault(
        "the sensor gives nothing any more until it is started again", (_STALL,), is_flow_lost=True
    ),
    "camera-gone": CameraFault(
        "the camera is not there for 2.2 s", ({"fault": FaultKind.CAMERA_GONE, "duration_ms": 2200},), is_flow_lost=True
    ),
    "camera-encoder-error": CameraFault(
        "2 frames cannot be encoded", ({"fault": FaultKind.ENCODER_ERROR, "frame_count": 2},)
    ),
    "camera-hanging-close": CameraFault(
        "the sensor stalls, and closing the camera takes 0.9 s longer",
        ({"fault": FaultKind.HANGING_CLOSE, "duration_ms": 900}, _STALL),
        is_flow_lost=True,
    ),
    "camera-never-closes": CameraFault(
        "the sensor stalls, and the camera never closes",
        ({"fault": FaultKind.HANGING_CLOSE}, _STALL),
        is_flow_lost=True,
    ),
}


def break_camera(world: World, fault: CameraFault, board: Board) -> None:
    """Break the camera while it records, and return when what came after the fault is sealed, or `PLAY_OUT_S_MAX` have passed."""
    position = world.events.count
    for order in fault.orders:
        world.camera.send({"do": "break-camera", **order})
    board.step(f"fault: {fault.words}")
    deadline = time.monotonic() + PLAY_OUT_S_MAX
    is_away, chunks_to_come = fault.is_flow_lost, 2
    while chunks_to_come and time.monotonic() < deadline:
        if not world.camera.is_running:
            code = world.restart_camera()
            board.step(f"the camera's program has ended by itself, with exit code {code}: it is started again at once")
            is_away, position = False, world.events.count
        event = world.events.wait_for(lambda event: event.child == "camera", seconds=_LOOK_S, since=position)
        if event is None:
            continue
        position = world.events.all().index(event, position) + 1
        is_away = is_away and event.name != "camera-back"
        if event.name == "chunk" and not is_away:
            chunks_to_come -= 1


def what_did_not_hold(
    fault: CameraFault, *, verdict: Verdict, recorded: Sequence[Recorded], silence_s: float | None, silence_s_max: float
) -> tuple[str, ...]:
    """Return in words what the fault cost beyond what it may."""
    problems = []
    wanted = "authentic" if fault.is_lossless else "authentic with signed gaps"
    if verdict.verdict != wanted:
        problems.append(f"the verdict is {verdict.verdict}, {wanted} expected where {fault.words}")
    broken = recorded[0].recording_id if recorded else None
    named = {finding.place.recording_id for finding in verdict.findings if finding.finding_class == "gap"}
    if not fault.is_lossless and broken not in named:
        problems.append(f"no finding names a gap in recording {broken}, during which {fault.words}")
    if silence_s is not None and silence_s > silence_s_max:
        problems.append(f"the camera was without a picture for {silence_s} s, at most {silence_s_max:g} s expected")
    if not goes_on(recorded):
        problems.append("a recording goes on from another than the one before it")
    return tuple(problems)
