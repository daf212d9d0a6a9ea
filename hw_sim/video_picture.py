"""A video file as what the simulated sensor looks at: scaled, paced by the sensor's clock, looped, with the counter on it.

For each frame of the sensor the file's nearest in time is shown, below the strip of the counter, with its aspect kept.
One thread decodes a few frames ahead, at a low priority and into a bounded queue: a file that cannot be decoded in time
plays slower, and never costs the sensor a frame. While nobody films, the film stands still.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter

from hw_sim.counter import Plane, strip_height_px
from hw_sim.picture import Picture, Planes, draw_counter
from hw_sim.scene import Scene
from hw_sim.video_file import TimedFrame, UnusableVideo, VideoFile

AHEAD_FRAMES: Final = 8
JUMP_FRAMES: Final = 15
"""A sensor that is so far ahead of the film does not wait for it, and the film does not hurry after it."""
_BLACK: Final = 16
_NEUTRAL: Final = 128
_NICE: Final = 10
_STOP_S_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A frame of the film at its size on the picture, and where it stands there."""

    planes: Planes
    x_px: int
    y_px: int


class VideoPicture:
    """A film on the wall in front of the sensor. ``draw`` is for one thread; `close` ends the decoding.

    May break: the pace, when decoding is slower than the sensor; ``late_count`` says how many frames showed the one
    before. May not break: the counter, nor that ``draw`` returns at once.
    """

    def __init__(
        self, scene: Scene, path: Path, *, patience_s: float = 0.0, on_damage: Callable[[str], None] | None = None
    ) -> None:
        """Decode the first frame. ``draw`` waits up to ``patience_s`` for its frame; the sensor's clock does not.

        Raises:
            UnusableVideo: there is none.
        """
        self._scene, self._path, self._patience_s = scene, path, patience_s
        self._on_damage = on_damage
        self._pixel_aspect = Fraction(1)
        self._frames = self._played()
        self._film = _Film(self._frames)
        self._fit = _Fit(scene)
        try:
            self._shown = self._fit.fitted(self._film.first.picture, self._pixel_aspect)
        except (av.FFmpegError, ValueError) as error:
            raise UnusableVideo(f"{path} has pictures that cannot be scaled ({error})") from error
        self._shown_number = 0
        self._condition = threading.Condition()
        self._ready: deque[tuple[int, _Fitted]] = deque()
        self._wanted = 0
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self.late_count = 0

    def draw(self, number: int, planes: Planes) -> None:
        """Draw frame ``number``; the first one that is drawn shows the beginning of the film."""
        with self._condition:
            self._wanted = number
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, args=[number], name="video", daemon=True)
                self._thread.start()
                self._shown_number = number
            elif not self._condition.wait_for(self._has_reached, self._patience_s):
                self.late_count += 1
        _paste(self._shown, planes)
        draw_counter(planes, number)

    def close(self) -> None:
        """End the decoding and close the file. Safe to call twice."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(_STOP_S_MAX)
        if self._thread is None or not self._thread.is_alive():
            self._frames.close()

    def _has_reached(self) -> bool:
        """Turn to the newest frame that is not ahead of the one wanted; say whether it is that one."""
        while self._ready and self._ready[0][0] <= self._wanted:
            self._shown_number, self._shown = self._ready.popleft()
            self._condition.notify_all()
        return self._shown_number >= self._wanted or self._is_closed

    def _run(self, number: int) -> None:
        # Of this thread alone: where the machine is short of time, the film gives way and the camera does not.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        begin_ns = self._scene.exposed_at_mono_ns(number)
        timed, fitted = self._film.first, self._shown
        while True:
            number += 1
            with self._condition:
                self._condition.wait_for(lambda: len(self._ready) < AHEAD_FRAMES or self._is_closed)
                if self._is_closed:
                    return
                wanted = self._wanted
            if wanted - number > JUMP_FRAMES:
                begin_ns += self._scene.exposed_at_mono_ns(wanted) - self._scene.exposed_at_mono_ns(number)
                number = wanted
            nearest = self._film.at(self._scene.exposed_at_mono_ns(number) - begin_ns)
            if nearest is not timed:
                timed = nearest
                with suppress(av.FFmpegError, ValueError):  # in a format that cannot be scaled: the last one stands
                    fitted = self._fit.fitted(nearest.picture, self._pixel_aspect)
            with self._condition:
                self._ready.append((number, fitted))
                self._condition.notify_all()

    def _played(self) -> Generator[TimedFrame, None, None]:
        """Yield the film over and over; a still picture once."""
        begin_ns = 0
        is_damage_said = False
        while True:
            count, end_ns = 0, 0
            with VideoFile(self._path) as file:
                self._pixel_aspect = file.pixel_aspect
                for timed in file.frames():
                    count, end_ns = count + 1, timed.end_ns
                    yield TimedFrame(begin_ns + timed.begin_ns, begin_ns + end_ns, timed.picture)
                if file.damage and self._on_damage is not None and not is_damage_said:
                    self._on_damage(f"{self._path.name}: {file.damage}; what can be decoded is shown")
                    is_damage_said = True
            if count <= 1:
                return
            begin_ns += end_ns


_picture_fits: type[Picture] = VideoPicture


class _Film:
    """Finds the nearest of frames that come in order of time."""

    def __init__(self, frames: Iterator[TimedFrame]) -> None:
        self._frames = frames
        self.first = self._now = next(frames)
        self._next: TimedFrame | None = None
        self._is_over = False

    def at(self, time_ns: int) -> TimedFrame:
        """Return the frame that begins nearest to ``time_ns``, which never falls."""
        while not self._is_over:
            if self._next is None:
                self._next = self._pulled()
            if self._next is None or self._next.begin_ns - time_ns > time_ns - self._now.begin_ns:
                break
            self._now, self._next = self._next, None
        return self._now

    def _pulled(self) -> TimedFrame | None:
        try:
            return next(self._frames)
        except (StopIteration, UnusableVideo):  # a still picture; or somebody has taken the file away meanwhile
            self._is_over = True
            return None


class _Fit:
    """Scales frames into what is left of the picture below the counter."""

    def __init__(self, scene: Scene) -> None:
        self._top_px = strip_height_px(scene.width_px, scene.height_px)
        self._width_px, self._height_px = scene.width_px, scene.height_px - self._top_px
        self._reformatter = VideoReformatter()

    def fitted(self, picture: VideoFrame, pixel_aspect: Fraction) -> _Fitted:
        """Return ``picture`` upright, whole, as large as there is room, in the middle."""
        quarter_turns = round(picture.rotation / 90) % 4
        aspect = Fraction(picture.width, picture.height) * pixel_aspect
        width_px, height_px = largest_size_px(
            1 / aspect if quarter_turns % 2 else aspect, self._width_px, self._height_px
        )
        lying_px = (height_px, width_px) if quarter_turns % 2 else (width_px, height_px)
        scaled = self._reformatter.reformat(
            picture, *lying_px, "yuv420p", interpolation="BILINEAR", dst_color_range="MPEG", threads=1
        )
        turned = (np.rot90(_view(plane), quarter_turns) for plane in scaled.planes)
        x_px, y_px = (self._width_px - width_px) // 4 * 2, (self._height_px - height_px) // 4 * 2
        return _Fitted(Planes(*turned), x_px, self._top_px + y_px)


def largest_size_px(aspect: Fraction, width_px: int, height_px: int) -> tuple[int, int]:
    """Return the largest even width and height of about that aspect within a room of even size."""
    if aspect * height_px >= width_px:
        return width_px, min(height_px, max(2, round(width_px / aspect / 2) * 2))
    return min(width_px, max(2, round(height_px * aspect / 2) * 2)), height_px


def _paste(fitted: _Fitted, planes: Planes) -> None:
    for source, target, step, rest in (
        (fitted.planes.luma, planes.luma, 1, _BLACK),
        (fitted.planes.chroma_blue, planes.chroma_blue, 2, _NEUTRAL),
        (fitted.planes.chroma_red, planes.chroma_red, 2, _NEUTRAL),
    ):
        rows, columns = source.shape
        y_px, x_px = fitted.y_px // step, fitted.x_px // step
        target[:y_px], target[y_px + rows :] = rest, rest
        target[y_px : y_px + rows, :x_px], target[y_px : y_px + rows, x_px + columns :] = rest, rest
        target[y_px : y_px + rows, x_px : x_px + columns] = source


def _view(plane: VideoPlane) -> Plane:
    pixels: Plane = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    return pixels[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)[:, : plane.width]
