"""The camera by picamera2, as it is installed: the V4L2 encoder of a Raspberry Pi up to 4, libx264 by PyAV anywhere else.

What happens between an opening and a close is `firmware.adapters.picamera2_session`. SensorTimestamp counts on
CLOCK_BOOTTIME, which is CLOCK_MONOTONIC on a machine that never suspends; a camera never does.
"""

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from firmware.adapters.picamera2_session import Parts, Session, Shape
from firmware.core.frame_watchdog import CameraStuck
from firmware.errors import CameraFault
from firmware.ports import Camera, EncodedFrame, VideoDescription

BUFFER_COUNT_DEFAULT: Final = 12
_BITS_PER_PIXEL: Final = 0.22
"""6.1 Mb/s at 1280x720, 30 fps: 2.75 GB an hour, the profile that the design reckons with."""
_V4L2_DEVICE_NAME: Final = Path("/sys/class/video4linux/video11/name")
"""The device that picamera2's H264Encoder opens, /dev/video11, is an encoder only where it is called so."""
_V4L2_ENCODER: Final = "bcm2835-codec-encode"
_UNKNOWN: Final = "of unknown version"


class Picamera2Missing(CameraFault):
    """picamera2 or libcamera cannot be imported."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return (
            "On a Raspberry Pi: apt-get install python3-picamera2, and make the .venv with --system-site-packages. "
            "Elsewhere, as root: apt-get install gcc python3-dev libcap-dev, then pip install --require-hashes -r scripts/lock/picamera2.txt."
        )


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
        self._shape = Shape(width_px, height_px, frame_rate_mhz, bit_rate_bps, buffer_count)
        self._camera_index = camera_index
        self._parts = _find_parts()
        self._name = _name(self._parts)
        self._session: Session | None = None
        self._unclosed: Session | None = None

    @property
    def description(self) -> VideoDescription:
        """Return size and rate as asked for; the name says the versions and the classes used."""
        return VideoDescription(self._name, self._shape.width_px, self._shape.height_px, self._shape.frame_rate_mhz)

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
            raise CameraStuck("the camera is still open from before, expected it to have closed when it was stopped")
        session = self._unclosed = Session(self._parts, self._shape, on_frame)
        session.open(self._camera_index)
        self._session, self._unclosed = session, None

    def stop(self) -> None:
        """End delivery and close the camera; one that does not close in time is left behind (see `start`)."""
        session, self._session = self._session, None
        if session is not None and not session.close():
            self._unclosed = session

    def request_key_frame(self) -> None:
        """Make the next frame that is encoded a key frame; asked for again before it came, it is one request."""
        session = self._session
        if session is not None:
            session.request_key_frame()


_: type[Camera] = Picamera2Camera


def _find_parts() -> Parts:
    try:
        import picamera2
        import picamera2.encoders

        from firmware.adapters import picamera2_hooks
    except ImportError as error:
        raise Picamera2Missing(f"picamera2 cannot be imported ({error}), expected it with its libcamera") from error
    encoder_class: Any = picamera2.encoders.H264Encoder if _has_v4l2_encoder() else picamera2_hooks.KeyFrameEncoder
    return Parts(picamera2, picamera2_hooks, encoder_class)


def _has_v4l2_encoder() -> bool:
    try:
        return _V4L2_DEVICE_NAME.read_text().strip() == _V4L2_ENCODER
    except OSError:
        return False


def _name(parts: Parts) -> str:
    classes = (parts.picamera2.Picamera2, _picamera2_class(parts.encoder_class))
    names = ", ".join(str(one.__name__) for one in classes)
    return f"picamera2 {_picamera2_version()} ({names}), libcamera {_libcamera_version(parts.picamera2)}"


def _picamera2_class(encoder_class: Any) -> Any:
    return next(one for one in encoder_class.__mro__ if one.__module__.startswith("picamera2."))


def _picamera2_version() -> str:
    try:
        return metadata.version("picamera2")
    except metadata.PackageNotFoundError:
        return _UNKNOWN


def _libcamera_version(picamera2: ModuleType) -> str:
    version = getattr(picamera2.libcamera.CameraManager, "version", _UNKNOWN)
    # In an older binding it belongs to the instance, and asking for that would start libcamera.
    return version if isinstance(version, str) else _UNKNOWN
