"""picamera2 from one opening of the camera to its close, every step of which may hang and none of which is waited for long.

Facts it is built on: absolute time is the encoder's first timestamp plus the frame's own; an output may neither raise nor
block; picamera2's own stop waits for its loop for ever, and its loop may be gone.
"""

import atexit
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType
from typing import Any, Final

from firmware.adapters.frame_delivery import FrameDelivery
from firmware.core.frame_watchdog import CameraStuck
from firmware.errors import CameraFault
from firmware.ports import EncodedFrame

OPEN_WAIT_S: Final = 10.0
CLOSE_WAIT_S: Final = 1.0
"""How long a stop waits for the camera to close. Measured: 0.25 to 0.45 s where nothing is wrong."""
_LOOP_WAIT_S: Final = 0.5
"""How long picamera2's loop is given to stop the camera before that is done without the loop."""
_RATE_TOLERANCE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Parts:
    """What was found of picamera2."""

    picamera2: ModuleType
    hooks: ModuleType
    encoder_class: Any


@dataclass(frozen=True, slots=True)
class Shape:
    """What is to be recorded."""

    width_px: int
    height_px: int
    frame_rate_mhz: int
    bit_rate_bps: int
    buffer_count: int

    @property
    def frame_us(self) -> int:
        """Return the duration of a frame, as a control says it."""
        return round(1e9 / self.frame_rate_mhz)

    @property
    def gop_frame_count(self) -> int:
        """Return how many frames a second has."""
        return max(1, (self.frame_rate_mhz + 500) // 1000)


class Session:
    """One stream of frames; it is opened once and closed once."""

    def __init__(self, parts: Parts, shape: Shape, on_frame: Callable[[EncodedFrame], None]) -> None:
        """Open nothing yet."""
        self._parts, self._shape = parts, shape
        self._delivery = FrameDelivery(on_frame)
        self._device: Any = None
        self._encoder: Any = None
        self._is_key_frame_asked = False
        self._lock = threading.Lock()
        self._is_opened = self._is_left_behind = False
        self._opener, self._closer = _Task("camera opening"), _Task("camera closing")

    @property
    def is_closed(self) -> bool:
        """Say whether the camera can be opened again."""
        return not self._opener.is_running and not self._closer.is_running

    def open(self, camera_index: int) -> None:
        """Open and start; what goes wrong on the way is closed again, as far as that goes.

        Raises:
            CameraStuck: it has not opened in time; should it open later, it is closed at once.
            CameraFault: the camera is not there, is in use, or cannot do what was asked.
        """
        self._opener.run(lambda: self._open_or_undo(camera_index), wait_s=OPEN_WAIT_S)
        error = self._opener.error
        if error is None and not self._leave_behind_unless_opened():
            return
        if error is None:
            self._delivery.close()
            raise CameraStuck(f"the camera has not opened within {OPEN_WAIT_S:g} s, expected less than 2 s")
        self.close()
        if isinstance(error, CameraFault):
            raise error
        raise CameraFault(f"picamera2 could not start the camera ({_in_words(error)}), expected frames") from error

    def close(self) -> bool:
        """End delivery, close the camera, and say whether it closed in time."""
        self._delivery.close()
        if self._device is None:
            return True
        self._closer.run(self._close, wait_s=CLOSE_WAIT_S)
        if self._closer.is_running:
            # picamera2 would close it at the end of the process again, which would hang the end.
            atexit.unregister(self._device.close)
        return not self._closer.is_running

    def request_key_frame(self) -> None:
        """Ask the encoder; each request makes a key frame of its own, so one that still waits is not made again."""
        # An older picamera2 cannot be asked: then the next one comes within the second.
        ask = getattr(self._encoder, "force_key_frame", None)
        if ask is not None and not self._is_key_frame_asked:
            self._is_key_frame_asked = True
            ask()

    def _leave_behind_unless_opened(self) -> bool:
        with self._lock:
            self._is_left_behind = not self._is_opened
            return self._is_left_behind

    def _open_or_undo(self, camera_index: int) -> None:
        self._open(camera_index)
        with self._lock:
            self._is_opened = not self._is_left_behind
        if self._is_left_behind:
            self._close()

    def _open(self, camera_index: int) -> None:
        camera_class, hooks, shape = self._parts.picamera2.Picamera2, self._parts.hooks, self._shape
        # Asked first, since opening a camera that is not there leaves a pipe open each time.
        found = camera_class.global_camera_info()
        if camera_index >= len(found):
            raise CameraFault(f"found {len(found)} cameras, expected camera number {camera_index} to be one of them")
        device = self._device = camera_class(camera_index)
        device.configure(
            device.create_video_configuration(
                main={"size": (shape.width_px, shape.height_px), "format": "YUV420"},
                raw=None,
                buffer_count=shape.buffer_count,
                controls={"FrameDurationLimits": (shape.frame_us, shape.frame_us)},
                queue=False,
            )
        )
        self._expect_shape()
        self._encoder = _new_encoder(self._parts.encoder_class, shape)
        device.start_encoder(self._encoder, hooks.FrameOutput(self._take))
        device.start(show_preview=hooks.SteadyLoop())

    def _expect_shape(self) -> None:
        """Refuse what libcamera made of the request, if it is something else."""
        shape, got = self._shape, self._device.camera_configuration()["main"]
        if (got["size"], got["format"]) != ((shape.width_px, shape.height_px), "YUV420"):
            raise CameraFault(
                f"the camera gives {got['size']} in {got['format']}, "
                f"expected {(shape.width_px, shape.height_px)} in YUV420; choose a size that it can give"
            )
        shortest_us, longest_us = self._device.camera_controls["FrameDurationLimits"][:2]
        if not shortest_us * (1 - _RATE_TOLERANCE) <= shape.frame_us <= longest_us * (1 + _RATE_TOLERANCE):
            raise CameraFault(
                f"the camera takes {shortest_us} to {longest_us} us for a frame of this size, "
                f"expected {shape.frame_us} us; choose another frame rate or a smaller picture"
            )

    def _take(self, data: bytes, is_key: bool, timestamp_us: int) -> None:
        """Take one access unit on picamera2's thread."""
        if is_key:
            self._is_key_frame_asked = False
        if not self._delivery.put(EncodedFrame(data, is_key, self._encoder.firsttimestamp + timestamp_us)):
            self.request_key_frame()

    def _close(self) -> None:
        device = self._device
        # The last is done first, and each is done whatever became of the one before.
        with ExitStack() as steps:
            steps.callback(device.close)
            if self._encoder is not None and self._encoder.running:
                steps.callback(device.stop_encoder)
            steps.callback(self._stop_frames)

    def _stop_frames(self) -> None:
        device = self._device
        if not device.started:
            return
        with suppress(Exception):  # a timeout, a cancelled job, or what the driver says of a camera that is gone
            device.dispatch_functions([device.stop_], wait=_LOOP_WAIT_S, immediate=True)
        if device.started:
            device.cancel_all_and_flush()
            device.stop_()


def _new_encoder(encoder_class: Any, shape: Shape) -> Any:
    """Return an encoder of one key frame a second, with SPS and PPS in each; neither of the two makes B-frames so."""
    encoder = encoder_class(
        bitrate=shape.bit_rate_bps,
        repeat=True,
        iperiod=shape.gop_frame_count,
        framerate=Fraction(shape.frame_rate_mhz, 1000),
    )
    # Only libx264 has it: several threads hold frames back, and one is fast enough.
    encoder.threads = 1
    return encoder


class _Task:
    """Something that may hang, on a thread of its own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self.error: Exception | None = None

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def run(self, work: Callable[[], None], *, wait_s: float) -> None:
        """Do ``work`` and return when it is done or when ``wait_s`` have passed."""
        self._thread = threading.Thread(target=self._run, args=[work], name=self._name, daemon=True)
        self._thread.start()
        self._thread.join(wait_s)

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # picamera2 raises whatever its parts raise, and each means the same to us
            self.error = error


def _in_words(error: BaseException) -> str:
    """Return an error with what caused it, since picamera2's outermost error says the least."""
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    return ": ".join(str(one).rstrip(".") or type(one).__name__ for one in causes)
