"""Helpers of the tests here: let the simulated parts run on a clock that costs no time, and mux what they deliver.

The muxer is FFmpeg's, in an ordinary MP4: the counting is tested on files that none of our own code wrote.
"""

import io
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from firmware.ports import EncodedAudio, EncodedFrame
from hw_sim.encoded import SAMPLE_RATE_HZ, SimulatedCamera, SimulatedMicrophone
from hw_sim.manual_clock import ManualClock
from hw_sim.picture import Picture
from hw_sim.scene import Scene

PATIENCE_S: Final = 20
ORIGIN_NS: Final = 5_000_000_123


def scene(*, width_px: int = 160, height_px: int = 120, frame_rate_mhz: int = 30_000, seed: int = 7) -> Scene:
    """Return a small scene that begins at an odd time."""
    return Scene(seed, ORIGIN_NS, width_px, height_px, frame_rate_mhz)


def film_frames(
    scene: Scene,
    count: int,
    *,
    started_after_s: int = 0,
    key_frame_asked_after: int | None = None,
    picture: Picture | None = None,
) -> list[EncodedFrame]:
    """Return the first ``count`` frames of a camera that starts ``started_after_s`` after the scene."""
    clock = ManualClock(start_mono_ns=scene.start_mono_ns + started_after_s * 10**9)
    camera = SimulatedCamera(scene=scene, clock=clock, wait=clock.wait, bit_rate_bps=400_000, picture=picture)
    frames: list[EncodedFrame] = []
    is_enough = threading.Event()

    def on_frame(frame: EncodedFrame) -> None:
        if len(frames) < count:
            frames.append(frame)
        if len(frames) == key_frame_asked_after:
            camera.request_key_frame()
        if len(frames) == count:
            is_enough.set()

    camera.start(on_frame)
    assert is_enough.wait(PATIENCE_S)
    camera.stop()
    return frames


def film_sound(scene: Scene, count: int, *, started_after_s: int = 0) -> list[EncodedAudio]:
    """Return the first ``count`` blocks of a microphone that starts ``started_after_s`` after the scene."""
    clock = ManualClock(start_mono_ns=scene.start_mono_ns + started_after_s * 10**9)
    microphone = SimulatedMicrophone(scene=scene, clock=clock, wait=clock.wait)
    blocks: list[EncodedAudio] = []
    is_enough = threading.Event()

    def on_audio(block: EncodedAudio) -> None:
        if len(blocks) < count:
            blocks.append(block)
        if len(blocks) == count:
            is_enough.set()

    microphone.start(on_audio)
    assert is_enough.wait(PATIENCE_S)
    microphone.stop()
    return blocks


def write_mp4(
    path: Path, frames: Sequence[EncodedFrame], blocks: Sequence[EncodedAudio] = (), *, audio_shift_us: int = 0
) -> Path:
    """Mux into an MP4 whose time 0 is the first frame; return ``path``."""
    origin_us = frames[0].captured_at_mono_us
    with av.open(path, "w") as film, av.open(io.BytesIO(b"".join(f.data for f in frames)), format="h264") as source:
        video = film.add_stream_from_template(source.streams.video[0])
        video.time_base = Fraction(1, 1_000_000)
        sound = film.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono") if blocks else None
        packets = []
        for frame in frames:
            packet = av.Packet(frame.data)
            packet.stream, packet.time_base, packet.is_keyframe = video, Fraction(1, 1_000_000), frame.is_key
            packet.pts = packet.dts = frame.captured_at_mono_us - origin_us
            packets.append(packet)
        for block in blocks:
            assert sound is not None
            packet = av.Packet(block.data)
            packet.stream, packet.time_base, packet.is_keyframe = sound, Fraction(1, SAMPLE_RATE_HZ), True
            shifted_us = block.captured_at_mono_us - origin_us + audio_shift_us
            packet.pts = packet.dts = round(shifted_us * SAMPLE_RATE_HZ / 1_000_000)
            packet.duration = block.sample_count
            packets.append(packet)
        film.mux(sorted(packets, key=lambda each: (each.pts or 0) * (each.time_base or 0)))
    return path
