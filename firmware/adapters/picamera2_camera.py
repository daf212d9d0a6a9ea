"""The camera by picamera2, as it is installed: the V4L2 encoder of a Raspberry Pi up to 4, libx264 by PyAV anywhere else.

Facts it is built on (firmware/design/picamera2.md): absolute time is the encoder's first timestamp plus the frame's own;
an output may neither raise nor block; a stop can hang, so every stop is bounded. SensorTimestamp counts from the boot and
stands on CLOCK_BOOTTIME, which is CLOCK_MONOTONIC on a machine that never suspends; a camera never does.
"""

import atexit
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from firmware.adapters.frame_delivery import FrameDelivery
from firmware.core.frame_watchdog import CameraStuck
from firmware.errors import CameraFault
from firmware.ports import Camera, EncodedFrame, VideoDescription

BUFFER_COUNT_DEFAULT: Final = 12
CLOSE_WAIT_S: Final = 1.5
"""How long a stop waits for the camera to close. Measured: 0.25 to 0.45 s where nothing is wrong."""
_LOOP_WAIT_S: Final = 0.75
"""How long picamera2's loop is given to stop the camera before it is done without the loop."""
_OPEN_WAIT_S: Final = 10.0
_BITS_PER_PIXEL: Final = 0.22
"""6.1 Mb/s at 1280x720, 30 fps: 2.75 GB an hour, the profile that the design reckons with."""
_RATE_TOLERANCE: Final = 0.01
_V4L2_ENCODER_NAME: Final = Path("/sys/class/video4linux/video11/name")
"""The device that picamera2's H264Encoder opens, /dev/video11, is an encoder only where it is called so."""
_V4L2_ENCODER: Final = "bcm2835-codec-encode"


class Picamera2Missing(CameraFault):
    """picamera2 or libcamera cannot be imported."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return (
            "On a Raspberry Pi: apt-get install python3-picamera2, and make the .venv with --system-site-packages. "
            "Elsewhere, as root: apt-get install gcc python3-dev libcap-dev, then install scripts/lock/picamera2.txt."
        )


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is to be recorded."""

    width_px: int
    height_px: int
    frame_rate_mhz: int
    bit_rate_bps: int
    buffer_count: int

    @property
    def frame_us(self) -> int:
        return round(1e9 / self.frame_rate_mhz)


class Picamera2Camera:
    """A camera module with its encoder: one key frame a second, with SPS and PPS, and no B-frames."""

    def __init__(
        self,
        *,
        width_px: int,
        height_px: int,
        frame_rate_mhz: int,
        bit_rate_bps: int | None = None,
        buffer_count: int = BUFFER_COUNT_DEFAULT,
        camera_index: int = 0,
    ) -> None:
        """Find picamera2 and its encoder; nothing is opened. Without ``bit_rate_bps`` the rate follows the picture's size.

        Raises:
            Picamera2Missing: picamera2 is not installed, or not whole.
        """
        bit_rate_bps = bit_rate_bps or round(width_px * height_px * frame_rate_mhz / 1000 * _BITS_PER_PIXEL)
        self._shape = _Shape(width_px, height_px, frame_rate_mhz, bit_rate_bps, buffer_count)
        self._camera_index = camera_index
        self._picamera2, self._hooks = _import_picamera2()
        self._encoder_class = _encoder_class(self._picamera2, self._hooks)
        self._name = _name(self._picamera2, self._encoder_class)
        self._session: _Session | None = None
        self._unclosed: _Session | None = None

    @property
    def description(self) -> VideoDescription:
        """Return size and rate as asked for; the name says the versions and the classes used."""
        return VideoDescription(
            self._name, self._shape.width_px, self._shape.height_px, self._shape.frame_rate_mhz
        )

    def start(self, on_frame: Callable[[EncodedFrame], None]) -> None:
        """Open the camera and begin to deliver, on a thread of our own, with a key frame.

        Raises:
            CameraStuck: an earlier session has not closed yet.
            CameraFault: the camera is not there, is in use, or cannot do what was asked.
            ValueError: it runs already.
        """
        if self._session is not None:
            raise ValueError("the camera runs already; stop it before it is started again")
        if self._unclosed is not None and not self._unclosed.is_closed:
            raise CameraStuck("found the camera still open from before, expected it to have closed when it was stopped")
        self._unclosed = None
        session = _Session(self._picamera2, self._hooks, lambda: _new_encoder(self._encoder_class, self._shape), self._shape, on_frame)
        try:
            session.open(self._camera_index)
        except CameraFault:
            self._unclosed = session
            raise
        self._session = session

    def stop(self) -> None:
        """End delivery and close the camera; a camera that does not close is left behind after ``CLOSE_WAIT_S``."""
        session, self._session = self._session, None
        if session is not None and not session.close():
            self._unclosed = session

    def request_key_frame(self) -> None:
        """Make the next frame that is encoded a key frame; asked for again before it came, it is one request."""
        session = self._session
        if session is not None:
            session.request_key_frame()


_: type[Camera] = Picamera2Camera


class _Session:
    """picamera2 from one opening to its close."""

    def __init__(
        self, picamera2: ModuleType, hooks: ModuleType, shape: _Shape, on_frame: Callable[[EncodedFrame], None]
    ) -> None:
        self._picamera2, self._hooks, self._shape = picamera2, hooks, shape
        self._delivery = FrameDelivery(on_frame)
        self._device: Any = None
        self._encoder: Any = None
        self._is_key_frame_asked = self._is_left_behind = False
        self._opener = _Task("camera opening")
        self._closer = _Task("camera closing")

    @property
    def is_closed(self) -> bool:
        """Say whether the camera can be opened again."""
        return not self._opener.is_running and not self._closer.is_running

    def open(self, camera_index: int) -> None:
        """Open and start; what goes wrong on the way is closed again, as far as that goes.

        Raises:
            CameraFault: as `Picamera2Camera.start`.
        """
        self._opener.run(lambda: self._open(camera_index), wait_s=_OPEN_WAIT_S)
        if self._opener.is_running:
            self._is_left_behind = True
            self.close()
            raise CameraStuck(f"the camera has not opened within {_OPEN_WAIT_S:g} s, expected less than 2 s")
        error = self._opener.error
        if error is not None:
            self.close()
            if isinstance(error, CameraFault):
                raise error
            raise CameraFault(f"picamera2 could not start the camera: {_in_words(error)}") from error

    def close(self) -> bool:
        """End delivery, close the camera, and say whether it closed in time."""
        self._delivery.close()
        if self._device is None:
            return True
        self._closer.run(self._close, wait_s=CLOSE_WAIT_S)
        if self._closer.is_running:
            # It would be closed at the end of the process again, which would hang the end.
            atexit.unregister(self._device.close)
        return not self._closer.is_running

    def request_key_frame(self) -> None:
        # Each request makes a key frame of its own, so one that still waits is not made again.
        if not self._is_key_frame_asked:
            self._is_key_frame_asked = True
            self._encoder.force_key_frame()

    def _open(self, camera_index: int) -> None:
        camera_class = self._picamera2.Picamera2
        # Asked first, since opening a camera that is not there leaves a pipe open each time.
        found = camera_class.global_camera_info()
        if camera_index >= len(found):
            raise CameraFault(f"found {len(found)} cameras, expected camera number {camera_index} to be one of them")
        device = self._device = camera_class(camera_index)
        if self._is_left_behind:
            device.close()
            return
        shape = self._shape
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
        self._encoder = _new_encoder(self._picamera2, shape)
        device.start_encoder(self._encoder, self._hooks.FrameOutput(self._take))
        device.start(show_preview=self._hooks.SteadyLoop())

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
                f"expected {shape.frame_us} us; choose a lower frame rate or a smaller picture"
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
        # device.stop() would wait for the loop for ever, and the loop may be gone.
        with suppress(Exception):
            device.dispatch_functions([device.stop_], wait=_LOOP_WAIT_S, immediate=True)
        if device.started:
            device.cancel_all_and_flush()
            device.stop_()


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


def _import_picamera2() -> tuple[ModuleType, ModuleType]:
    try:
        import picamera2
        import picamera2.encoders

        from firmware.adapters import picamera2_hooks
    except ImportError as error:
        raise Picamera2Missing(f"picamera2 cannot be imported ({error}), expected it with its libcamera") from error
    return picamera2, picamera2_hooks


def _has_v4l2_encoder() -> bool:
    try:
        return _V4L2_ENCODER_NAME.read_text().strip() == _V4L2_ENCODER
    except OSError:
        return False


def _encoder_class(picamera2: ModuleType, hooks: ModuleType) -> Any:
    return picamera2.encoders.H264Encoder if _has_v4l2_encoder() else hooks.KeyFrameEncoder


def _new_encoder(encoder_class: Any, shape: _Shape) -> Any:
    encoder = encoder_class(
        bitrate=shape.bit_rate_bps,
        repeat=True,
        iperiod=max(1, (shape.frame_rate_mhz + 500) // 1000),
        framerate=Fraction(shape.frame_rate_mhz, 1000),
    )
    # Only libx264 has it: several threads hold frames back, and one is fast enough.
    encoder.threads = 1
    return encoder


def _name(picamera2: ModuleType, encoder_class: Any) -> str:
    try:
        version = metadata.version("picamera2")
    except metadata.PackageNotFoundError:
        version = "of unknown version"
    libcamera = getattr(picamera2.libcamera.CameraManager, "version", "of unknown version")
    if not isinstance(libcamera, str):
        libcamera = "of unknown version"  # an older binding, in which it is a property of the instance
    encoder = next(one.__name__ for one in encoder_class.__mro__ if one.__module__.startswith("picamera2."))
    return f"picamera2 {version} ({picamera2.Picamera2.__name__}, {encoder}), libcamera {libcamera}"


def _in_words(error: BaseException) -> str:
    """Return an error with what caused it, since picamera2's outermost error says the least."""
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    return ": ".join(str(one) or type(one).__name__ for one in causes)
