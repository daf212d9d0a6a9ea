"""The peer of fragmenter and sealer: PyAV's own muxer, writing a fragmented MP4 of the same packets."""

import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from firmware.ports import EncodedFrame
from scripts.campaigns.media import Item, Media

_MICROSECOND: Final = Fraction(1, 1_000_000)
# A fragment for each key frame, as ours; the header waits for the first packet, out of which the parameter sets are read.
_OPTIONS: Final = {"movflags": "frag_keyframe+delay_moov+default_base_moof"}


class Sink:
    """Takes what is written and keeps it as it came: memory that grows would cost more than muxing does."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep the bytes."""
        self._pieces.append(data)
        return len(data)

    def content(self) -> bytes:
        """Return all of it."""
        return b"".join(self._pieces)


class PlainMuxer:
    """Muxes encoded media without a look at it.

    With ``is_careful`` it takes the parameter sets from the stream and counts microseconds; otherwise it adds a stream by codec
    and rate, as PyAV's own examples do.
    """

    def __init__(self, media: Media, *, is_careful: bool = True) -> None:
        """Take what the encoders say of themselves."""
        self._media, self._is_careful = media, is_careful
        self._key_frame = media.frames[0].data

    def write(self, target: Path | Sink, stream: Sequence[Item]) -> None:
        """Write the whole stream; time 0 is its first frame."""
        origin_us = stream[0].captured_at_mono_us
        rate_hz = self._media.audio.sample_rate_hz
        with (
            av.open(str(target) if isinstance(target, Path) else target, "w", format="mp4", options=_OPTIONS) as film,
            av.open(io.BytesIO(self._key_frame), "r", format="h264") as source,
        ):
            video = self._careful_stream(film, source) if self._is_careful else self._usual_stream(film)
            audio = film.add_stream("aac", rate=rate_hz, layout="mono")
            self._mux(film, video, audio, (item for item in stream), origin_us)

    @staticmethod
    def _careful_stream(film: OutputContainer, source: InputContainer) -> VideoStream:
        stream = film.add_stream_from_template(source.streams.video[0])
        stream.time_base = _MICROSECOND
        return stream

    def _usual_stream(self, film: OutputContainer) -> VideoStream:
        video = self._media.video
        stream = film.add_stream("libx264", rate=Fraction(video.frame_rate_mhz, 1000))
        stream.width, stream.height, stream.pix_fmt = video.width_px, video.height_px, "yuv420p"
        return stream

    def _mux(
        self, film: OutputContainer, video: VideoStream, audio: AudioStream, items: Iterable[Item], origin_us: int
    ) -> None:
        rate_hz = self._media.audio.sample_rate_hz
        for item in items:
            at_us = item.captured_at_mono_us - origin_us
            packet = av.Packet(item.data)
            if isinstance(item, EncodedFrame):
                packet.stream, packet.time_base, packet.is_keyframe = video, _MICROSECOND, item.is_key
                packet.pts = packet.dts = at_us
            elif at_us < 0:
                continue  # before the picture: ours leaves it out as well
            else:
                packet.stream, packet.time_base, packet.is_keyframe = audio, Fraction(1, rate_hz), True
                packet.pts = packet.dts = round(at_us * rate_hz / 1_000_000)
                packet.duration = item.sample_count
            film.mux(packet)
