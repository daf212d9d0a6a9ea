"""Helpers of the camera tests: both cameras over one kind of scene, on the real clock, and what they delivered.

picamera2 has its own threads and timeouts, so here time is spent: no test films longer than it must.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import av
import numpy as np

from firmware.adapters.picamera2_camera import Picamera2Camera
from firmware.adapters.system_clock import SystemClock
from firmware.ports import Camera, EncodedFrame
from hw_sim.counter import read_number
from hw_sim.encoded import SimulatedCamera
from hw_sim.libcamera_sim.boot import install
from hw_sim.libcamera_sim.faults import Fault, FaultKind
from hw_sim.scene import Scene
from hw_sim.sensor import SimulatedSensor

CLOCK: Final = SystemClock(utc_source="none", utc_uncertainty_ms=None)
PATIENCE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Set:
    """A camera, what it looks at, and a way to break it from the next frame on."""

    camera: Camera
    scene: Scene
    sensor: SimulatedSensor
    break_now: Callable[..., None]


def scene(*, width_px: int = 320, height_px: int = 240, frame_rate_mhz: int = 30_000) -> Scene:
    """Return a small scene that began a moment ago, at an odd time."""
    return Scene(11, CLOCK.mono_ns() - 1_234_567, width_px, height_px, frame_rate_mhz)


def simulated(world: Scene) -> Set:
    """Return the camera that is simulated as a whole."""

    def cannot(kind: FaultKind, **fields: int) -> None:
        raise AssertionError(f"the simulated camera has no fault {kind}")

    camera = SimulatedCamera(scene=world, clock=CLOCK)
    return Set(camera, world, camera.sensor, cannot)


def over_libcamera(world: Scene) -> Set:
    """Return picamera2's camera over the simulated libcamera."""
    device = install(world, clock=CLOCK)

    def break_now(kind: FaultKind, **fields: int) -> None:
        device.faults.add(Fault(kind, world.first_frame_from(CLOCK.mono_ns()), **fields))

    camera = Picamera2Camera(width_px=world.width_px, height_px=world.height_px, frame_rate_mhz=world.frame_rate_mhz)
    return Set(camera, world, device.sensor, break_now)


@dataclass
class Film:
    """Frames as they arrived, to wait on. Its ``take`` is what a camera is started with."""

    frames: list[EncodedFrame] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, frame: EncodedFrame) -> None:
        """Take the next frame."""
        with self.changed:
            self.frames.append(frame)
            self.changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until ``count`` frames are there."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.frames) >= count, PATIENCE_S), (
                f"{len(self.frames)} frames came, expected {count}"
            )


def shoot(camera: Camera, count: int) -> list[EncodedFrame]:
    """Return the first ``count`` frames or a few more, of a camera that runs for just that."""
    film = Film()
    camera.start(film.take)
    film.wait_for(count)
    camera.stop()
    return film.frames


def numbers(frames: Sequence[EncodedFrame], world: Scene) -> list[int | None]:
    """Return the numbers that the decoded pixels show."""
    decoder = av.CodecContext.create("h264", "r")
    packets = [av.Packet(frame.data) for frame in frames]
    pictures = [picture for packet in (*packets, None) for picture in decoder.decode(packet)]
    assert len(pictures) == len(frames)
    return [read_number(np.asarray(picture.to_ndarray(), np.uint8)[: world.height_px]) for picture in pictures]
