"""Where picamera2 calls us: encoded frames come out, its loop does its work, and libx264 is told to make a key frame.

Imports picamera2, so it is itself imported only where a camera is opened (`firmware.adapters.picamera2_camera`).
"""

from collections.abc import Callable
from typing import Any

from picamera2.encoders import LibavH264Encoder
from picamera2.outputs import Output
from picamera2.previews import NullPreview


class FrameOutput(Output):  # type: ignore[misc]  # picamera2 has no types
    """Hands every access unit on at once. An exception or a wait in here would end the recording and hang its stop."""

    def __init__(self, take: Callable[[bytes, bool, int], None]) -> None:
        """Take who gets (access unit, is it a key frame, microseconds since the first): it neither blocks nor raises."""
        super().__init__()
        self._take = take

    def outputframe(
        self, frame: Any, keyframe: bool = True, timestamp: int | None = None, packet: Any = None, audio: bool = False
    ) -> None:
        """Take one access unit from picamera2."""
        if not audio and timestamp is not None:
            self._take(bytes(frame), bool(keyframe), int(timestamp))


class SteadyLoop(NullPreview):  # type: ignore[misc]  # picamera2 has no types
    """picamera2's own loop, which outlives an error of the encoder: one frame is lost then, not the camera.

    Measured: NullPreview's thread ends with such an error, and nothing ever answers a stop again. The error itself is
    logged by picamera2. The frame's buffer stays taken, so an encoder that fails for good runs dry of buffers, which the
    frame watchdog sees.
    """

    def handle_request(self, picam2: Any) -> None:
        """Do what is ready."""
        try:
            super().handle_request(picam2)
        except Exception:  # whatever an encoder or a driver raises, the next frame is another try
            self.error_count = getattr(self, "error_count", 0) + 1


class KeyFrameEncoder(LibavH264Encoder):  # type: ignore[misc]  # picamera2 has no types
    """picamera2's libx264 encoder, whose key frames can be asked for.

    Measured with picamera2 0.3.38: its own `force_key_frame` gives PyAV the picture type as a letter, which PyAV from 14
    on refuses, so that the frame is lost and no key frame made.
    """

    _is_key_frame_asked = False

    def force_key_frame(self) -> None:
        """Make the next frame a key frame."""
        self._is_key_frame_asked = True

    def _start(self) -> None:
        super()._start()
        self._stream: Any = _MarkingStream(self._stream, self._take_request)

    def _take_request(self) -> bool:
        was_asked, self._is_key_frame_asked = self._is_key_frame_asked, False
        return was_asked


class _MarkingStream:
    """PyAV's stream, through which frames are encoded: marks the one that must be a key frame."""

    def __init__(self, stream: Any, take_request: Callable[[], bool]) -> None:
        # Imported with the encoder only: the V4L2 encoder of a Raspberry Pi does without PyAV.
        from av.video.frame import PictureType

        self._stream, self._take_request, self._key = stream, take_request, PictureType.I

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def encode(self, frame: Any = None) -> Any:
        if frame is not None and self._take_request():
            frame.pict_type = self._key
        return self._stream.encode(frame)
