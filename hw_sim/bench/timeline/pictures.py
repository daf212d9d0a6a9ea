"""Small JPEGs out of a film, decoded by FFmpeg: one large for the player, and one for each stretch of the time axis.

Only key frames are decoded, so an hour of film costs little more than reading it. A film that cannot be decoded has no pictures;
what is wrong with it is for the verdict to say, not for this page.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

THUMBNAIL_COUNT: Final = 8
THUMBNAIL_WIDTH_PX: Final = 192
POSTER_WIDTH_PX: Final = 640
_QUALITY: Final = {"qmin": "3", "qmax": "6"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG and where in the film it was taken."""

    film_us: int
    width_px: int
    height_px: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Pictures:
    """What one film looks like."""

    poster: Picture
    thumbnails: tuple[Picture, ...]


def pictures_of(path: Path, *, poster_at_us: int) -> Pictures | None:
    """Return pictures of a film, evenly over its length; None when nothing in it can be decoded."""
    try:
        keys_us, end_us = _key_times(path)
        if not keys_us:
            return None
        wanted_us = [_at_or_before(end_us * number // THUMBNAIL_COUNT, keys_us) for number in range(THUMBNAIL_COUNT)]
        poster_us = _at_or_before(poster_at_us, keys_us)
        frames = dict(_decoded(path, {*wanted_us, poster_us}))
        thumbnails = tuple(_picture(at_us, frames[at_us], THUMBNAIL_WIDTH_PX) for at_us in wanted_us if at_us in frames)
        poster = _picture(poster_us, frames[poster_us], POSTER_WIDTH_PX) if poster_us in frames else None
    except (av.error.FFmpegError, OSError):
        return None
    return None if poster is None else Pictures(poster, thumbnails)


def _key_times(path: Path) -> tuple[list[int], int]:
    """Return the times of all key frames, and the time of the last frame."""
    keys_us, end_us = [], 0
    with av.open(path) as film:
        for stream in film.streams.video[:1]:
            for packet in film.demux(stream):
                if packet.pts is not None and stream.time_base is not None:
                    at_us = round(packet.pts * stream.time_base * 1_000_000)
                    end_us = max(end_us, at_us)
                    keys_us += [at_us] if packet.is_keyframe else []
    return sorted(keys_us), end_us


def _at_or_before(wanted_us: int, keys_us: Sequence[int]) -> int:
    return keys_us[max(0, bisect_right(keys_us, wanted_us) - 1)]


def _decoded(path: Path, wanted_us: Set[int]) -> Iterator[tuple[int, VideoFrame]]:
    """Yield the key frames at these times; no other is decoded."""
    with av.open(path) as film:
        stream = film.streams.video[0]
        decoder = stream.codec_context
        decoder.thread_type = "NONE"
        for packet in film.demux(stream):
            if packet.pts is None or stream.time_base is None or not packet.is_keyframe:
                continue
            at_us = round(packet.pts * stream.time_base * 1_000_000)
            if at_us in wanted_us:
                # Asked for its last frame, a decoder gives out the one that it holds back for the order of display.
                frames = [*decoder.decode(packet), *decoder.decode(None)]
                decoder.flush_buffers()
                yield from ((at_us, frame) for frame in frames[:1])


def _picture(at_us: int, frame: VideoFrame, width_px_max: int) -> Picture:
    width_px = min(width_px_max, frame.width) & ~1
    height_px = max(2, round(frame.height * width_px / frame.width) & ~1)
    small = frame.reformat(
        width=width_px, height=height_px, format="yuvj420p", dst_color_range=ColorRange.JPEG, interpolation="AREA"
    )
    encoder = VideoCodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width_px, height_px, "yuvj420p"
    encoder.color_range, encoder.time_base, encoder.options = ColorRange.JPEG, Fraction(1, 25), dict(_QUALITY)
    small.pts, small.time_base = 0, Fraction(1, 25)
    jpeg = b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])
    return Picture(at_us, width_px, height_px, jpeg)
