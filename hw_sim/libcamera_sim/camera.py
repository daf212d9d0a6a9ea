"""The simulated camera as libcamera shows it: requests go in empty, and come back with the frames of a scene.

It follows ``SimulatedSensor``: the sensor exposes whether or not a request waits for the frame, and what finds no buffer is
lost. Time comes from the clock that is passed in; frames carry the time of their exposure, to the nanosecond.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from firmware.ports import Clock
from hw_sim.libcamera_sim import controls, properties
from hw_sim.libcamera_sim.buffers import FrameBuffer, Request, RequestStatus
from hw_sim.libcamera_sim.control_types import ControlId, ControlInfo
from hw_sim.libcamera_sim.faults import Fault, FaultScript
from hw_sim.libcamera_sim.geometry import Rectangle, Size
from hw_sim.libcamera_sim.request_sensor import RequestSensor
from hw_sim.libcamera_sim.streams import (
    PIXEL_ARRAY,
    CameraConfiguration,
    Stream,
    StreamConfiguration,
    StreamRole,
)
from hw_sim.picture import MakePicture, MovingPicture, Picture, Planes
from hw_sim.scene import Scene

MODEL: Final = "simulated_sensor"
_EXPOSURE_US_MAX: Final = 20_000
_WHOLE_ARRAY: Final = Rectangle(0, 0, PIXEL_ARRAY.width, PIXEL_ARRAY.height)


class Camera:
    """The one camera of the simulated libcamera; its sensor runs at the scene's rate and at no other.

    May break, when told to by its script (``faults``): dropped frames, a sensor that stalls, a buffer that comes late,
    a camera that is gone for a while, frames that cannot be encoded, a stop that hangs. May break by itself: frames,
    the newest, when the application holds all requests. May not break: the order of frames, their exposure times, the
    counter in their pixels, one acquisition at a time.

    A stop that hangs leaves the interpreter to other threads here; libcamera's own binding keeps it while it stops.
    """

    def __init__(
        self, scene: Scene, *, clock: Clock, faults: Iterable[Fault] = (), make_picture: MakePicture = MovingPicture
    ) -> None:
        """Make a camera that nobody has acquired; ``make_picture`` gives what it looks at, for a size."""
        self.id = f"/base/simulated/{MODEL}@10"
        self.sensor = RequestSensor(scene)
        self.faults = FaultScript(scene, faults)
        self.unmappable_fds: set[int] = set()
        """Buffers that cannot be mapped for writing now: see ``FaultKind.ENCODER_ERROR``."""
        self._scene, self._clock, self._make_picture = scene, clock, make_picture
        self._on_complete: Callable[[Request], None] = lambda request: None
        self._condition = threading.Condition()
        self._queue: deque[Request] = deque()
        self._pictures: dict[tuple[int, int], Picture] = {}
        self._streams: tuple[Stream, ...] = ()
        self._is_acquired = self._is_streaming = False
        self._run_begin = 0
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        """Name it as libcamera does."""
        return f"<libcamera.Camera '{self.id}'>"

    def connect(self, on_complete: Callable[[Request], None]) -> None:
        """Say who hears of completed requests."""
        self._on_complete = on_complete

    @property
    def is_present(self) -> bool:
        """Say whether the camera is there now."""
        return not self.faults.is_gone(self._clock.mono_ns())

    @property
    def is_acquired(self) -> bool:
        """Say whether somebody has it."""
        return self._is_acquired

    @property
    def properties(self) -> Mapping[ControlId, object]:
        """Return what the camera says of itself."""
        return {
            properties.Model: MODEL,
            properties.Location: 2,
            properties.Rotation: 0,
            properties.UnitCellSize: Size(1400, 1400),
            properties.PixelArraySize: PIXEL_ARRAY,
            properties.PixelArrayActiveAreas: [_WHOLE_ARRAY],
            properties.ScalerCropMaximum: _WHOLE_ARRAY,
            properties.ColorFilterArrangement: properties.draft.ColorFilterArrangementEnum.RGGB,
        }

    @property
    def controls(self) -> Mapping[ControlId, ControlInfo]:
        """Return what can be set. Only the frame duration means anything here, and it is what it is."""
        shortest_us, longest_us = math.floor(self._frame_us), math.ceil(self._frame_us)
        return {
            controls.FrameDurationLimits: ControlInfo(shortest_us, longest_us, (shortest_us, longest_us)),
            controls.ExposureTime: ControlInfo(26, longest_us, _EXPOSURE_US_MAX),
            controls.ExposureTimeMode: ControlInfo(0, 1, 0),
            controls.AnalogueGain: ControlInfo(1.0, 16.0, 1.0),
            controls.AnalogueGainMode: ControlInfo(0, 1, 0),
            controls.AeEnable: ControlInfo(False, True, True),
            controls.AwbEnable: ControlInfo(False, True, True),
            controls.Brightness: ControlInfo(-1.0, 1.0, 0.0),
            controls.Contrast: ControlInfo(0.0, 32.0, 1.0),
            controls.Saturation: ControlInfo(0.0, 32.0, 1.0),
            controls.Sharpness: ControlInfo(0.0, 16.0, 1.0),
            controls.NoiseReductionMode: ControlInfo(0, 4, 0),
            controls.ScalerCrop: ControlInfo(Rectangle(0, 0, 64, 64), _WHOLE_ARRAY, _WHOLE_ARRAY),
        }

    def acquire(self) -> None:
        """Have the camera for oneself.

        Raises:
            RuntimeError: somebody has it, or it is gone.
        """
        self._expect_present("acquire camera")
        if self._is_acquired:
            raise RuntimeError("Failed to acquire camera: Device or resource busy")
        self._is_acquired = True

    def release(self) -> None:
        """Let others have it."""
        self._is_acquired = False

    def generate_configuration(self, roles: Sequence[StreamRole]) -> CameraConfiguration:
        """Return a configuration to change and validate."""
        return CameraConfiguration([StreamConfiguration(role) for role in roles])

    def configure(self, configuration: CameraConfiguration) -> None:
        """Become what was validated.

        Raises:
            RuntimeError: the camera streams, or is gone.
        """
        self._expect_present("configure camera")
        if self._is_streaming:
            raise RuntimeError("Failed to configure camera: Device or resource busy")
        for stream in configuration:
            stream.stream = Stream(stream)
            size = (stream.size.width, stream.size.height)
            if not stream.is_raw and size not in self._pictures:
                self._pictures[size] = self._make_picture(replace(self._scene, width_px=size[0], height_px=size[1]))
        self._streams = tuple(stream.stream for stream in configuration if stream.stream is not None)
        self.sensor.set_buffer_count(min(stream.buffer_count for stream in configuration))

    def create_request(self, cookie: int = 0) -> Request:
        """Return an empty request."""
        return Request(cookie)

    def start(self, wanted: Mapping[ControlId, object] | None = None) -> None:
        """Begin to stream. ``wanted`` changes nothing: the sensor has one rate, and exposure is the scene's.

        Raises:
            RuntimeError: it streams already, or is gone.
        """
        self._expect_present("start camera")
        if self._is_streaming:
            raise RuntimeError("Failed to start camera: Device or resource busy")
        now_mono_ns = self._clock.mono_ns()
        self.sensor.start(now_mono_ns)
        self._run_begin = self._scene.first_frame_from(now_mono_ns)
        self._is_streaming = True
        self._thread = threading.Thread(target=self._run, name="simulated libcamera", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the stream; what is queued is cancelled."""
        if not self._is_streaming:
            return
        hang = self.faults.take_hang(self._clock.mono_ns())
        if hang is not None:
            threading.Event().wait(None if hang.duration_ms is None else hang.duration_ms / 1000)
        with self._condition:
            self._is_streaming = False
            self._condition.notify_all()
        assert self._thread is not None
        self._thread.join()
        self.sensor.stop(self._clock.mono_ns())
        while self._queue:
            request = self._queue.popleft()
            request.cancel()
            self._on_complete(request)

    def queue_request(self, request: Request) -> None:
        """Ask for a frame.

        Raises:
            RuntimeError: the camera does not stream, or is gone.
        """
        self._expect_present("queue request")
        with self._condition:
            if not self._is_streaming:
                raise RuntimeError("Failed to queue request: Permission denied")
            if request.is_out:
                request.is_out = False
                self.sensor.give_back(self._clock.mono_ns())
            self._queue.append(request)
            self._condition.notify_all()

    @property
    def _frame_us(self) -> float:
        return 1e9 / self._scene.frame_rate_mhz

    def _expect_present(self, what: str) -> None:
        if not self.is_present:
            raise RuntimeError(f"Failed to {what}: No such device")

    def _run(self) -> None:
        while (number := self._next_frame()) is not None:
            arrives_at_ns = self._scene.exposed_at_mono_ns(number) + self.faults.lateness_ns(number)
            if self.faults.is_lost(number, run_begin=self._run_begin) or not self._wait_until(arrives_at_ns):
                self.sensor.lose(number, self._clock.mono_ns())
            else:
                self._complete(number)

    def _next_frame(self) -> int | None:
        """Wait for a finished frame for which a request is there; None when the stream has ended."""
        with self._condition:
            while self._is_streaming:
                number = self.sensor.take(self._clock.mono_ns()) if self._queue else None
                if number is not None:
                    return number
                wait_ns = self.sensor.next_exposure_mono_ns() - self._clock.mono_ns()
                self._condition.wait(max(0, wait_ns) / 1e9 if self._queue else None)
        return None

    def _wait_until(self, mono_ns: int) -> bool:
        """Return at that time, or with False when the stream has ended."""
        with self._condition:
            while self._is_streaming and (wait_ns := mono_ns - self._clock.mono_ns()) > 0:
                self._condition.wait(wait_ns / 1e9)
            return self._is_streaming

    def _complete(self, number: int) -> None:
        with self._condition:
            request = self._queue.popleft()
            request.is_out = True
        exposed_ns = self._scene.exposed_at_mono_ns(number)
        for stream, buffer in request.buffers.items():
            configuration = stream.configuration
            if not configuration.is_raw:
                size = (configuration.size.width, configuration.size.height)
                self._pictures[size].draw(number, _planes(buffer, configuration))
            buffer.fill(sequence=number, timestamp_ns=exposed_ns)
            self._set_mappable(buffer, not self.faults.fails_encoding(number))
        request.sequence = number
        request.metadata = self._metadata(exposed_ns)
        request.status = RequestStatus.Complete
        self._on_complete(request)

    def _set_mappable(self, buffer: FrameBuffer, is_mappable: bool) -> None:
        change = self.unmappable_fds.discard if is_mappable else self.unmappable_fds.add
        change(buffer.planes[0].fd)

    def _metadata(self, exposed_ns: int) -> dict[ControlId, object]:
        return {
            controls.SensorTimestamp: exposed_ns,
            controls.FrameDuration: round(self._frame_us),
            controls.ExposureTime: min(_EXPOSURE_US_MAX, math.floor(self._frame_us)),
            controls.AnalogueGain: 1.0,
            controls.DigitalGain: 1.0,
            controls.ColourTemperature: 5000,
            controls.Lux: 400.0,
            controls.ScalerCrop: _WHOLE_ARRAY,
        }


def _planes(buffer: FrameBuffer, configuration: StreamConfiguration) -> Planes:
    """Return the planes of a YUV420 buffer in place: chroma rows are half as long as luma rows, padding included."""
    width_px, height_px, stride = configuration.size.width, configuration.size.height, configuration.stride
    luma_bytes, chroma_bytes = stride * height_px, stride // 2 * (height_px // 2)
    chroma_blue, chroma_red = (
        buffer.pixels[begin : begin + chroma_bytes].reshape(height_px // 2, stride // 2)[:, : width_px // 2]
        for begin in (luma_bytes, luma_bytes + chroma_bytes)
    )
    return Planes(buffer.pixels[:luma_bytes].reshape(height_px, stride)[:, :width_px], chroma_blue, chroma_red)
