"""Video files for the tests, made by PyAV: frame ``k`` carries the number ``k`` in its pixels, as the sensor's frames do."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from hw_sim.counter import Plane, draw_number, read_number, strip_height_px
from hw_sim.picture import Planes
from hw_sim.scene import Scene
from hw_sim.video_picture import VideoPicture, largest_size_px

NTSC = Fraction(30_000, 1001)


def numbered(width_px: int, height_px: int, number: int) -> Plane:
    """Return a grey picture with its number."""
    luma = np.full((height_px, width_px), 90, np.uint8)
    draw_number(luma, number)
    return luma


def make_clip(
    path: Path,
    count: int = 12,
    *,
    size_px: tuple[int, int] = (320, 240),
    rate: Fraction = Fraction(30),
    codec: str = "mpeg4",
    pixel_format: str = "yuv420p",
    times_ms: Sequence[int] | None = None,
    pixel_aspect: Fraction = Fraction(1),
    first_number: int = 0,
) -> Path:
    """Write ``count`` frames, at ``times_ms`` where they are given, else at ``rate``; return ``path``."""
    with av.open(path, "w") as film:
        stream = film.add_stream(codec, rate=rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size_px
        stream.pix_fmt = pixel_format
        stream.codec_context.sample_aspect_ratio = pixel_aspect
        if codec != "ffv1":
            stream.bit_rate = 4_000_000
        if codec == "libx264":
            stream.options = {"preset": "ultrafast"}
        stream.codec_context.time_base = 1 / rate if times_ms is None else Fraction(1, 1000)
        for index in range(count):
            grey = av.VideoFrame.from_ndarray(numbered(*size_px, first_number + index), format="gray")
            frame = grey.reformat(format=pixel_format, dst_color_range="MPEG")
            frame.pts = index if times_ms is None else times_ms[index]
            frame.time_base = stream.codec_context.time_base
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return path


def make_sound(path: Path) -> Path:
    """Write a second of silence; return ``path``."""
    with av.open(path, "w") as film:
        stream = film.add_stream("aac", rate=48_000, layout="mono")
        assert isinstance(stream, AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return path


def turned(path: Path, by: Path) -> Path:
    """Write the MP4 at ``by`` again as a telephone held upright writes it: with a matrix that turns it clockwise."""
    data = bytearray(by.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    quarter = [0, 1 << 16, 0, (1 << 32) - (1 << 16), 0, 0, 0, 0, 1 << 30]
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big") for value in quarter)
    path.write_bytes(data)
    return path


def blank_planes(scene: Scene) -> Planes:
    """Return planes full of what a careless drawing would leave there."""
    half = (scene.height_px // 2, scene.width_px // 2)
    return Planes(
        np.full((scene.height_px, scene.width_px), 77, np.uint8), np.full(half, 7, np.uint8), np.full(half, 7, np.uint8)
    )


def shown_numbers(
    picture: VideoPicture, scene: Scene, numbers: Sequence[int], *, aspect: Fraction = Fraction(4, 3)
) -> list[int | None]:
    """Draw frames; return which frame of a clip of that aspect each of them shows."""
    seen = []
    for number in numbers:
        planes = blank_planes(scene)
        picture.draw(number, planes)
        assert read_number(planes.luma) == number
        seen.append(read_number(inner(planes.luma, aspect)))
    return seen


def inner(luma: Plane, aspect: Fraction) -> Plane:
    """Return the part of a drawn picture where a clip of that aspect is."""
    height_px, width_px = luma.shape
    below = luma[strip_height_px(width_px, height_px) :]
    inner_width_px, inner_height_px = largest_size_px(aspect, width_px, below.shape[0])
    x_px, y_px = (width_px - inner_width_px) // 4 * 2, (below.shape[0] - inner_height_px) // 4 * 2
    return below[y_px : y_px + inner_height_px, x_px : x_px + inner_width_px]
