"""The cameras that the bench can record with: the one simulated as a whole, and picamera2 over a simulated libcamera."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from firmware.adapters.picamera2_camera import Picamera2Camera
from firmware.ports import Camera, Clock, EncodedFrame, VideoDescription
from hw_sim.encoded import SimulatedCamera, Tap
from hw_sim.libcamera_sim.boot import install
from hw_sim.libcamera_sim.faults import Fault, FaultKind
from hw_sim.picture import MakePicture, MovingPicture
from hw_sim.scene import Scene
from hw_sim.sensor import SimulatedSensor

CAMERAS: Final = ("simulated", "picamera2")
_BUFFER_COUNT: Final = 30
"""About 1 s: a bench shares its machine, and a machine that stands still for half a second is no fault of the camera's."""


@dataclass(frozen=True, slots=True)
class BenchCamera:
    """A camera with what the bench needs besides: the sensor's own count, and a way to break it."""

    camera: Camera
    sensor: SimulatedSensor
    break_now: Callable[[dict[str, Any]], Fault]
    """Takes ``fault`` (see ``FaultKind``), ``frame_count`` and ``duration_ms``; acts from the next frame on.

    Raises:
        ValueError: this camera does not break so.
    """


def build_bench_camera(
    kind: str, *, scene: Scene, clock: Clock, tap: Tap, make_picture: MakePicture = MovingPicture
) -> BenchCamera:
    """Return a camera of ``CAMERAS`` that sees ``scene``, and shows ``tap`` every access unit before anybody else.

    Raises:
        Picamera2Missing: picamera2 is not installed; what it says names what to install.
    """
    if kind == "simulated":
        whole = SimulatedCamera(
            scene=scene, clock=clock, picture=make_picture(scene), tap=tap, buffer_count=_BUFFER_COUNT
        )
        return BenchCamera(whole, whole.sensor, _refuse)
    device = install(scene, clock=clock, make_picture=make_picture)

    def break_now(order: dict[str, Any]) -> Fault:
        fault = Fault(
            FaultKind(order["fault"]),
            scene.first_frame_from(clock.mono_ns()),
            frame_count=order.get("frame_count", 1),
            duration_ms=order.get("duration_ms"),
        )
        device.faults.add(fault)
        return fault

    camera = Picamera2Camera(
        width_px=scene.width_px,
        height_px=scene.height_px,
        frame_rate_mhz=scene.frame_rate_mhz,
        buffer_count=_BUFFER_COUNT,
    )
    return BenchCamera(_TappedCamera(camera, tap), device.sensor, break_now)


def _refuse(order: dict[str, Any]) -> Fault:
    raise ValueError(f"the simulated camera has no fault {order.get('fault')!r}; the camera picamera2 has")


class _TappedCamera:
    """A camera that shows its frames to the audit as well."""

    def __init__(self, camera: Camera, tap: Tap) -> None:
        self._camera, self._tap = camera, tap

    @property
    def description(self) -> VideoDescription:
        return self._camera.description

    def start(self, on_frame: Callable[[EncodedFrame], None]) -> None:
        def show_and_pass_on(frame: EncodedFrame) -> None:
            self._tap(frame)
            on_frame(frame)

        self._camera.start(show_and_pass_on)

    def stop(self) -> None:
        self._camera.stop()

    def request_key_frame(self) -> None:
        self._camera.request_key_frame()


_: type[Camera] = _TappedCamera
