"""The picture a simulated sensor sees: a seeded scene that scrolls, with things that move in it and the frame counter.

A frame is a function of the scene and its number alone, so nothing has to be drawn that nobody takes. What is costly
is drawn once at construction; a frame is then one addition, a few small copies and the counter. Encodes nothing.
``Picture`` is the port; a video file stands behind it too, in ``video_picture``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from hw_sim.counter import Plane, draw_number, strip_height_px
from hw_sim.scene import Scene
from hw_sim.streams import Streams

_SCROLL_PX_PER_FRAME: Final = 2
"""Even, so that the chroma planes scroll by whole pixels."""
_NOISE_MARGIN_PX: Final = 64
_NOISE_LEVELS: Final = 9
_MOVER_COUNT: Final = 5
_NEUTRAL: Final = 128


@dataclass(frozen=True, slots=True)
class Planes:
    """The three planes of one YUV 4:2:0 frame, each as (rows, columns) that can be written to."""

    luma: Plane
    chroma_blue: Plane
    chroma_red: Plane


class Picture(Protocol):
    """What a simulated sensor looks at, at the size of its scene."""

    def draw(self, number: int, planes: Planes) -> None:
        """Draw frame ``number``, with its counter, over all of ``planes``. It keeps no reference, and never waits long."""


MakePicture = Callable[[Scene], Picture]


def draw_counter(planes: Planes, number: int) -> None:
    """Draw the frame counter into the strip at the top, in black and white."""
    draw_number(planes.luma, number)
    height_px, width_px = planes.luma.shape
    strip_px = strip_height_px(width_px, height_px)
    planes.chroma_blue[: strip_px // 2] = _NEUTRAL
    planes.chroma_red[: strip_px // 2] = _NEUTRAL


@dataclass(frozen=True, slots=True)
class _Mover:
    texture: Planes
    period_x_frames: float
    period_y_frames: float
    phase: float


class MovingPicture:
    """Draws any frame of ``scene`` into given planes. Drawing changes nothing in the picture: any order, any thread."""

    def __init__(self, scene: Scene) -> None:
        """Draw everything that does not change from frame to frame."""
        seed = Streams(scene.seed).stream("hw_sim/picture").getrandbits(128)
        random = np.random.Generator(np.random.PCG64(seed))
        self._width_px, self._height_px = scene.width_px, scene.height_px
        half_width_px, half_height_px = scene.width_px // 2, scene.height_px // 2
        self._background = Planes(
            luma=_scenery(random, scene.width_px, scene.height_px, low=40, high=190, fine=24),
            chroma_blue=_scenery(random, half_width_px, half_height_px, low=96, high=160, fine=0),
            chroma_red=_scenery(random, half_width_px, half_height_px, low=96, high=160, fine=0),
        )
        noise_shape = (scene.height_px + _NOISE_MARGIN_PX, scene.width_px + _NOISE_MARGIN_PX)
        self._noise: Plane = random.integers(0, _NOISE_LEVELS, noise_shape, np.uint8)
        self._movers = tuple(self._mover(random) for _ in range(_MOVER_COUNT))

    def draw(self, number: int, planes: Planes) -> None:
        """Draw frame ``number`` with its counter."""
        scroll_px = number * _SCROLL_PX_PER_FRAME % self._width_px
        noise_x_px, noise_y_px = number * 37 % _NOISE_MARGIN_PX, number * 23 % _NOISE_MARGIN_PX
        noise = self._noise[noise_y_px : noise_y_px + self._height_px, noise_x_px : noise_x_px + self._width_px]
        np.add(self._background.luma[:, scroll_px : scroll_px + self._width_px], noise, out=planes.luma)
        chroma = slice(scroll_px // 2, scroll_px // 2 + self._width_px // 2)
        planes.chroma_blue[:] = self._background.chroma_blue[:, chroma]
        planes.chroma_red[:] = self._background.chroma_red[:, chroma]
        for mover in self._movers:
            self._draw_mover(mover, number, planes)
        draw_counter(planes, number)

    def _draw_mover(self, mover: _Mover, number: int, planes: Planes) -> None:
        rows, columns = mover.texture.luma.shape
        turn = 2 * np.pi * (number / mover.period_x_frames + mover.phase)
        other_turn = 2 * np.pi * (number / mover.period_y_frames + mover.phase)
        x_px = int((self._width_px - columns) * (0.5 + 0.5 * np.sin(turn))) // 2 * 2
        y_px = int((self._height_px - rows) * (0.5 + 0.5 * np.cos(other_turn))) // 2 * 2
        planes.luma[y_px : y_px + rows, x_px : x_px + columns] = mover.texture.luma
        half = (slice(y_px // 2, (y_px + rows) // 2), slice(x_px // 2, (x_px + columns) // 2))
        planes.chroma_blue[half] = mover.texture.chroma_blue
        planes.chroma_red[half] = mover.texture.chroma_red

    def _mover(self, random: np.random.Generator) -> _Mover:
        side_px = int(random.integers(self._height_px // 10, self._height_px // 5)) // 2 * 2
        shape, half_shape = (side_px, side_px), (side_px // 2, side_px // 2)
        level = int(random.integers(50, 180))
        texture = Planes(
            luma=random.integers(level, level + 40, shape, np.uint8),
            chroma_blue=np.full(half_shape, random.integers(64, 192), np.uint8),
            chroma_red=np.full(half_shape, random.integers(64, 192), np.uint8),
        )
        period_x_frames, period_y_frames = random.uniform(90, 300, 2)
        return _Mover(texture, float(period_x_frames), float(period_y_frames), float(random.uniform(0, 1)))


_picture_fits: type[Picture] = MovingPicture


def _scenery(random: np.random.Generator, width_px: int, height_px: int, *, low: int, high: int, fine: int) -> Plane:
    """Return smooth hills with fine texture, twice as wide as asked and periodic, so that any window of it is whole."""
    grid = random.uniform(low, high, (9, 13))
    grid[:, -1] = grid[:, 0]
    across = np.stack([np.interp(np.linspace(0, 12, width_px, endpoint=False), np.arange(13), row) for row in grid])
    down = np.linspace(0, 8, height_px)
    hills: npt.NDArray[np.float64] = np.stack([np.interp(down, np.arange(9), column) for column in across.T], axis=1)
    if fine:
        hills = hills + random.integers(0, fine, hills.shape)
    return np.tile(hills.astype(np.uint8), (1, 2))
