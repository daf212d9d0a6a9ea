"""Real encoded media for benchmarks: some seconds of the simulated sensor and microphone, encoded once, then repeated at later times.

One lap is a whole number of GOPs and of audio blocks, so that laps follow each other without a gap or an overlap.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, TypeVar

from firmware.ports import AudioDescription, EncodedAudio, EncodedFrame, VideoDescription
from hw_sim.encoded import SimulatedCamera, SimulatedMicrophone
from hw_sim.manual_clock import ManualClock
from hw_sim.scene import Scene
from scripts.campaigns.command import CannotRun, Order

ORIGIN_US: Final = 5_000_000
LAP_S: Final = 8
"""The shortest that holds whole blocks of sound: 375 of 1024 samples at 48 kHz."""
WIDTH_PX, HEIGHT_PX, FRAME_RATE_MHZ = 1280, 720, 30_000
_LAP_FRAMES: Final = LAP_S * FRAME_RATE_MHZ // 1000
_LAP_BLOCKS: Final = LAP_S * 48_000 // 1024
_AUDIO_DELAY_US: Final = 64_000
"""How much later than the frame of the same time a block leaves its encoder."""
_ENCODE_S_MAX: Final = 120

Item = EncodedFrame | EncodedAudio
_T = TypeVar("_T")


@dataclass(frozen=True)
class Media:
    """One lap of 720p30 at about 6 Mb/s with sound, in the order of capture."""

    video: VideoDescription
    audio: AudioDescription
    frames: tuple[EncodedFrame, ...]
    blocks: tuple[EncodedAudio, ...]

    @cached_property
    def lap_bytes(self) -> int:
        """Return the encoded bytes of a lap."""
        return sum(len(item.data) for item in self._items)

    @property
    def _items(self) -> tuple[Item, ...]:
        return (*self.frames, *self.blocks)

    def stream(self, laps: int, *, first_lap: int = 0) -> tuple[Item, ...]:
        """Return ``laps`` laps as they would leave the encoders, at the times of lap ``first_lap`` and those after it."""
        items: list[tuple[int, Item]] = []
        for lap in range(first_lap, first_lap + laps):
            shift_us = lap * LAP_S * 1_000_000
            for item in self._items:
                moved = replace(item, captured_at_mono_us=item.captured_at_mono_us + shift_us)
                items.append((arrival_us(moved), moved))
        return tuple(item for _, item in sorted(items, key=lambda pair: pair[0]))


def arrival_us(item: Item) -> int:
    """Return when it leaves its encoder."""
    return item.captured_at_mono_us + (_AUDIO_DELAY_US if isinstance(item, EncodedAudio) else 0)


def encode(order: Order) -> Media:
    """Return a lap of media. Sensor and microphone run as fast as they can, on clocks of their own."""
    order.progress.say(f"encodes {LAP_S} s of {WIDTH_PX}x{HEIGHT_PX}, which all runs repeat")
    seed = order.stream("scene").randrange(1 << 31)
    scene = Scene(seed, ORIGIN_US * 1000, WIDTH_PX, HEIGHT_PX, FRAME_RATE_MHZ)
    frames: list[EncodedFrame] = []
    blocks: list[EncodedAudio] = []
    clock = ManualClock(start_mono_ns=scene.start_mono_ns)
    camera = SimulatedCamera(scene=scene, clock=clock, wait=clock.wait)
    _collect(camera.start, camera.stop, frames, _LAP_FRAMES)
    clock = ManualClock(start_mono_ns=scene.start_mono_ns)
    microphone = SimulatedMicrophone(scene=scene, clock=clock, wait=clock.wait)
    _collect(microphone.start, microphone.stop, blocks, _LAP_BLOCKS)
    return Media(camera.description, microphone.description, tuple(frames), tuple(blocks))


def _collect(
    start: Callable[[Callable[[_T], None]], None], stop: Callable[[], None], into: list[_T], count: int
) -> None:
    is_enough = threading.Event()

    def take(item: _T) -> None:
        if len(into) < count:
            into.append(item)
        if len(into) == count:
            is_enough.set()

    start(take)
    try:
        if not is_enough.wait(_ENCODE_S_MAX):
            raise CannotRun(
                f"{len(into)} of {count} encoded in {_ENCODE_S_MAX} s",
                expected="all of them",
                next_step="try again when the machine is less busy",
            )
    finally:
        stop()
