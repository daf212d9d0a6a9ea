"""The cameras that the bench can record with: what the audit sees, how they break, and what is said where one is missing."""

import subprocess
import sys

import pytest

from firmware.ports import EncodedAudio, EncodedFrame
from hw_sim.bench.cameras import CAMERAS, build_bench_camera
from hw_sim.libcamera_sim.faults import FaultKind
from tests.firmware.cameras import CLOCK, Film, numbers, scene

_WITHOUT_PICAMERA2 = """
import sys
sys.modules["picamera2"] = None
from firmware.errors import CameraSoftwareError
from hw_sim.bench.cameras import build_bench_camera
from tests.firmware.cameras import CLOCK, scene
try:
    build_bench_camera("picamera2", scene=scene(), clock=CLOCK, tap=lambda item: None)
except CameraSoftwareError as error:
    sys.exit(f"{error}. {error.diagnosis()}")
"""


@pytest.mark.parametrize("kind", CAMERAS)
def test_the_audit_sees_every_frame_before_the_recorder_does(kind: str) -> None:
    tapped: list[EncodedFrame | EncodedAudio] = []
    film = Film()
    camera = build_bench_camera(kind, scene=scene(), clock=CLOCK, tap=tapped.append).camera
    camera.start(film.take)
    film.wait_for(10)
    camera.stop()

    assert tapped == film.frames


def test_a_fault_acts_from_the_next_frame_on() -> None:
    world, film = scene(), Film()
    bench_camera = build_bench_camera("picamera2", scene=world, clock=CLOCK, tap=lambda item: None)
    bench_camera.camera.start(film.take)
    film.wait_for(10)
    fault = bench_camera.break_now({"do": "break-camera", "fault": "dropped-frames", "frame_count": 2})
    film.wait_for(30)
    bench_camera.camera.stop()

    shown = numbers(film.frames, world)
    assert fault.first_frame not in shown
    assert fault.first_frame - 1 in shown
    assert fault.first_frame + 2 in shown


@pytest.mark.parametrize(("kind", "fault"), [("simulated", FaultKind.STALLED_SENSOR), ("picamera2", "no-such-fault")])
def test_a_fault_that_a_camera_does_not_have_is_refused(kind: str, fault: str) -> None:
    bench_camera = build_bench_camera(kind, scene=scene(), clock=CLOCK, tap=lambda item: None)

    with pytest.raises(ValueError, match=fault):
        bench_camera.break_now({"fault": fault})


def test_where_picamera2_is_missing_the_packages_to_install_are_named() -> None:
    ended = subprocess.run([sys.executable, "-c", _WITHOUT_PICAMERA2], capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert "picamera2 cannot be imported" in ended.stderr
    assert "apt-get install gcc python3-dev libcap-dev" in ended.stderr
