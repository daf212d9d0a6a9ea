"""Watches a video file: decodes every frame and all sound, and notes the counters in both with their times.

It knows the counters and nothing of how the file was made, so that it can be believed about the file. What the notes
mean is decided in ``count_frames``.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeAlias

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from hw_sim.counter import Plane, read_number
from hw_sim.sound import Burst, BurstFinder, Samples

AnyPacket: TypeAlias = "Packet[Stream]"
"""Quoted: PyAV's Packet is generic for the type checker only."""

_BREAK_US: Final = 10_000
"""A longer step in the time stamps of the sound (this is about half a block) is a break, a shorter one is rounding."""


class UnusableFile(Exception):
    """The file cannot be counted; the message says what was found, what was expected, and what to do."""


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """One frame of the file; ``number`` is None where it does not decode or its counter cannot be read."""

    pts_us: float
    number: int | None


@dataclass(frozen=True, slots=True)
class HeardBurst:
    """One tone burst, at the file's time."""

    onset_us: float
    tone_index: int


@dataclass(slots=True)
class Watched:
    """Everything seen and heard in one file, in the order of the file's time."""

    frames: list[SeenFrame] = field(default_factory=list)
    frames_decoded: int = 0
    bursts: list[HeardBurst] = field(default_factory=list)
    audio_spans_us: list[tuple[float, float]] = field(default_factory=list)
    """Begin and end of every stretch of sound without a break."""


def watch(path: Path) -> Watched:
    """Decode all of ``path``.

    Raises:
        UnusableFile: it is absent, is no video, or is damaged so that decoding stops.
    """
    if not path.is_file():
        raise UnusableFile(f"{path}: there is no such file; give the path of an MP4")
    watched = Watched()
    try:
        with av.open(path) as container:
            if not container.streams.video:
                raise UnusableFile(f"{path}: the file holds no video track; expected an MP4 with H.264 video")
            video = container.streams.video[0]
            audio = container.streams.audio[0] if container.streams.audio else None
            eye, ear = _Eye(watched), _Ear(audio, watched) if audio else None
            for packet in container.demux([stream for stream in (video, audio) if stream]):
                if packet.stream is video:
                    eye.see(packet)
                elif ear:
                    ear.hear(packet)
            eye.finish()
            if ear:
                ear.finish()
    except (av.FFmpegError, ValueError) as error:
        what = error.strerror if isinstance(error, av.FFmpegError) else error
        where = (
            f"decoding stops after frame {watched.frames_decoded}" if watched.frames else "it does not open as a video"
        )
        raise UnusableFile(
            f"{path}: {where} ({what}); expected an undamaged MP4 of the simulated sensor; "
            "make it again, or check the footage with sealcam-verify"
        ) from error
    return watched


class _Eye:
    """Notes every frame of the file, those too that the decoder swallows because what they lean on is not there."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._not_decoded: Counter[float] = Counter()

    def see(self, packet: AnyPacket) -> None:
        """Take the next piece of the file; the last one is empty and makes the decoder give what it still holds."""
        if packet.size and not packet.is_discard:
            self._not_decoded[_time_us(packet.pts, packet.time_base)] += 1
        for frame in packet.decode():
            assert isinstance(frame, VideoFrame)
            time_us = _time_us(frame.pts, frame.time_base)
            number = None if frame.is_corrupt else read_number(_luma(frame))
            self._watched.frames.append(SeenFrame(time_us, number))
            self._watched.frames_decoded += 1
            self._not_decoded[time_us] -= 1

    def finish(self) -> None:
        """Put the frames that never came out where they belong."""
        self._watched.frames += [SeenFrame(time_us, None) for time_us in self._not_decoded.elements()]
        self._watched.frames.sort(key=lambda frame: frame.pts_us)


def _luma(frame: VideoFrame) -> Plane:
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        frame = frame.reformat(format="gray")
    plane = frame.planes[0]
    pixels: Plane = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    return pixels[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)[:, : plane.width]


def _time_us(pts: int | None, time_base: Fraction | None) -> float:
    if pts is None or time_base is None:
        raise ValueError("a frame has no time stamp")
    return float(pts * Fraction(time_base) * 1_000_000)


class _Ear:
    """Joins decoded sound into stretches without a break and finds the bursts in each."""

    def __init__(self, stream: AudioStream, watched: Watched) -> None:
        self._rate_hz = stream.rate
        self._watched = watched
        self._finder: BurstFinder | None = None
        self._stretch_samples = 0
        self._anchor_samples: list[int] = []
        self._anchor_times_us: list[float] = []
        self._end_us = 0.0

    def hear(self, packet: AnyPacket) -> None:
        """Take the next piece of the file."""
        for frame in packet.decode():
            assert isinstance(frame, AudioFrame)
            self._hear_decoded(frame)

    def _hear_decoded(self, frame: AudioFrame) -> None:
        begin_us = _time_us(frame.pts, frame.time_base)
        if self._finder is None or abs(begin_us - self._end_us) > _BREAK_US:
            self.finish()
            self._finder = BurstFinder(self._rate_hz)
            self._stretch_samples, self._anchor_samples, self._anchor_times_us = 0, [], []
        self._anchor_samples.append(self._stretch_samples)
        self._anchor_times_us.append(begin_us)
        self._stretch_samples += frame.samples
        self._end_us = begin_us + frame.samples * 1e6 / self._rate_hz
        self._note(self._finder.feed(_mono(frame)))

    def finish(self) -> None:
        """Close the stretch that is open, if any."""
        if self._finder is None:
            return
        self._note(self._finder.finish())
        self._watched.audio_spans_us.append((self._anchor_times_us[0], self._end_us))
        self._finder = None

    def _note(self, bursts: Iterator[Burst]) -> None:
        for burst in bursts:
            piece = bisect_right(self._anchor_samples, burst.onset_sample) - 1
            into_piece_us = (burst.onset_sample - self._anchor_samples[piece]) * 1e6 / self._rate_hz
            onset_us = self._anchor_times_us[piece] + into_piece_us
            self._watched.bursts.append(HeardBurst(onset_us, burst.tone_index))


def _mono(frame: AudioFrame) -> Samples:
    """Return the first channel as floats between -1 and 1."""
    samples = frame.to_ndarray()
    channel = samples[0] if frame.format.is_planar else samples[0, :: frame.layout.nb_channels]
    if np.issubdtype(channel.dtype, np.integer):
        return (channel / np.iinfo(channel.dtype).max).astype(np.float32)
    return channel.astype(np.float32)
