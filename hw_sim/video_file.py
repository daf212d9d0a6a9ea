"""Reads a video file for the simulated sensor to look at: one pass from beginning to end, each frame with its time.

Whatever FFmpeg decodes will do: any size, rate and pixel format. Damaged places are left out and counted. It scales
nothing and knows no clock; that is in ``video_picture``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, TypeAlias

import av
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

VIDEO_EXPECTED: Final = "a video file that FFmpeg decodes"
VIDEO_NEXT_STEP: Final = "name another one, or convert it first (ffmpeg -i FILE out.mp4)"
BREAK_S_MAX: Final = 10
"""A longer step in the file's time stamps is taken for damage, and cut to one frame."""
BARREN_PACKETS_MAX: Final = 2000
"""So many packets without a picture, and the file is given up."""
_RATE_DEFAULT: Final = Fraction(25)
_SHORT_NS: Final = 1_000_000_000
"""A file that ends so much earlier than it says has been cut."""
_ONLY_FILES: Final = {"protocol_whitelist": "file,crypto,data"}
"""A playlist in disguise opens no connection."""

_VideoPacket: TypeAlias = "Packet[VideoStream]"
"""Quoted: PyAV's Packet is generic for the type checker only."""


class UnusableVideo(Exception):
    """The file cannot be shown; ``found`` says why."""

    def __init__(self, found: str) -> None:
        """Take what was found; what was expected is always the same."""
        super().__init__(f"{found}; expected {VIDEO_EXPECTED}. Next: {VIDEO_NEXT_STEP}")
        self.found = found


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A decoded frame, and when it is shown, counted from the first of its pass."""

    begin_ns: int
    end_ns: int
    picture: VideoFrame


class VideoFile:
    """A file that is open for one pass."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            UnusableVideo: it is absent, no media file, or holds no video.
        """
        self._path = path
        self._not_decoded_count = 0
        self._reading_fault: str | None = None
        self._is_cut_at: str | None = None
        if not path.is_file():
            raise UnusableVideo(f"{path} is {'no file' if path.exists() else 'not there'}")
        try:
            # By its full path: a name like "http:..." would be taken for an address.
            self._container = av.open(str(path.resolve()), options=_ONLY_FILES)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UnusableVideo(f"{path} does not open as a video ({_words(error)})") from error
        try:
            self._stream = self._find_stream()
        except UnusableVideo:
            self._container.close()
            raise

    def __enter__(self) -> "VideoFile":
        """Return it, open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._container.close()

    @property
    def sentence(self) -> str:
        """Say what it is, for people."""
        context = self._stream.codec_context
        rate = self._stream.average_rate
        at = "" if rate is None else f" at {float(rate):.5g} fps"
        return f"{self._stream.codec.name} {context.width}x{context.height} {context.pix_fmt}{at}"

    @property
    def pixel_aspect(self) -> Fraction:
        """Return how wide a pixel is for its height."""
        aspect = self._stream.sample_aspect_ratio
        return aspect if aspect else Fraction(1)

    @property
    def damage(self) -> str | None:
        """Say what is wrong with what was read so far; None where nothing is."""
        lost = f"{self._not_decoded_count} frames cannot be decoded" if self._not_decoded_count else None
        return "; ".join(words for words in (lost, self._reading_fault, self._is_cut_at) if words) or None

    def frames(self) -> Iterator[TimedFrame]:
        """Decode the whole file once.

        Raises:
            UnusableVideo: nothing in it can be decoded.
        """
        timeline = _Timeline(self._stream)
        for pictures in self._decoded():
            for picture in pictures:
                yield timeline.placed(picture)
            if timeline.is_empty and self._not_decoded_count > BARREN_PACKETS_MAX:
                break
        if timeline.is_empty:
            why = f" ({self.damage})" if self.damage else ""
            raise UnusableVideo(f"{self._path} holds no picture that can be decoded{why}")
        said_ns = self._said_ns()
        if said_ns - timeline.end_ns > _SHORT_NS:
            self._is_cut_at = f"it ends after {timeline.end_ns / 1e9:.1f} s of {said_ns / 1e9:.1f} s"

    def _said_ns(self) -> int:
        """Return how long the file says it is; 0 where it does not."""
        if self._stream.duration is not None and self._stream.time_base is not None:
            return int(self._stream.duration * self._stream.time_base * 10**9)
        return (self._container.duration or 0) * 1000

    def _find_stream(self) -> VideoStream:
        # The picture of a record's cover is a video track too, of one frame.
        streams = [s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            what = "only sound" if self._container.streams.audio else "no video track"
            raise UnusableVideo(f"{self._path} holds {what}")
        stream = streams[0]
        if stream.codec_context is None:
            raise UnusableVideo(f"{self._path} is coded in a way that FFmpeg cannot decode here")
        # More threads would decode no more than is shown, only in bursts on all cores.
        stream.codec_context.thread_count = 1
        return stream

    def _decoded(self) -> Iterator[list[VideoFrame]]:
        """Yield the pictures of each packet, whole ones only."""
        for packet in self._packets():
            try:
                pictures = packet.decode()
            except (av.FFmpegError, ValueError):
                self._not_decoded_count += 1
                continue
            whole = [picture for picture in pictures if not picture.is_corrupt]
            self._not_decoded_count += len(pictures) - len(whole)
            yield whole

    def _packets(self) -> Iterator[_VideoPacket]:
        try:
            yield from self._container.demux(self._stream)
        except (av.FFmpegError, ValueError) as error:
            self._reading_fault = f"reading stops ({_words(error)})"


class _Timeline:
    """Gives each picture its time: the file's own where that goes on, else one frame after the last."""

    def __init__(self, stream: VideoStream) -> None:
        rate = stream.average_rate or stream.guessed_rate or _RATE_DEFAULT
        self._period_ns = max(1, round(10**9 / rate)) if rate > 0 else round(10**9 / _RATE_DEFAULT)
        self._period_ns = min(self._period_ns, BREAK_S_MAX * 10**9)
        self._time_base = stream.time_base or Fraction(1, 1_000_000)
        self._shift_ns: int | None = None
        self._last_ns = 0
        self.end_ns = 0

    @property
    def is_empty(self) -> bool:
        """Say whether nothing was placed yet."""
        return self._shift_ns is None

    def placed(self, picture: VideoFrame) -> TimedFrame:
        """Return ``picture`` with its time, which is later than that of the one before."""
        time_base = picture.time_base or self._time_base
        next_ns = 0 if self._shift_ns is None else self._last_ns + self._period_ns
        file_ns = None if picture.pts is None else int(picture.pts * time_base * 10**9)
        if self._shift_ns is None:
            self._shift_ns = -(file_ns or 0)
        begin_ns = next_ns if file_ns is None else file_ns + self._shift_ns
        if self.end_ns and not 0 < begin_ns - self._last_ns <= BREAK_S_MAX * 10**9:
            self._shift_ns += next_ns - begin_ns
            begin_ns = next_ns
        lasts_ns = int((picture.duration or 0) * time_base * 10**9)
        if not 0 < lasts_ns <= BREAK_S_MAX * 10**9:
            lasts_ns = self._period_ns
        self._last_ns, self.end_ns = begin_ns, begin_ns + lasts_ns
        return TimedFrame(begin_ns, begin_ns + lasts_ns, picture)


def probe(path: Path) -> str:
    """Return in words what the file is, once its first picture has been decoded.

    Raises:
        UnusableVideo: it cannot be shown.
    """
    with VideoFile(path) as file:
        next(file.frames())
        return file.sentence


def _words(error: Exception) -> str:
    if isinstance(error, OSError | av.FFmpegError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
