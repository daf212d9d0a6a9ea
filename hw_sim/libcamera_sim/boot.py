"""Puts the simulated libcamera in the place of the real one, so that picamera2 as it is installed runs on any machine.

It must run before picamera2 is imported for the first time. The modules are of the whole process; another scene is a
camera that is plugged in instead of the one before.
"""

import sys
from collections.abc import Iterable
from contextlib import suppress
from types import ModuleType

from firmware.ports import Clock
from hw_sim.libcamera_sim import buffers, control_types, controls, geometry, manager, properties, streams
from hw_sim.libcamera_sim.camera import Camera
from hw_sim.libcamera_sim.dma_heap import HEAP_PATH, SimulatedDmaHeap
from hw_sim.libcamera_sim.faults import Fault
from hw_sim.libcamera_sim.manager import CameraManager
from hw_sim.picture import MakePicture, MovingPicture
from hw_sim.scene import Scene

_CLASSES = (
    *(geometry.ColorSpace, geometry.Orientation, geometry.PixelFormat, geometry.Rectangle, geometry.Size),
    *(geometry.Transform, control_types.ControlId, control_types.ControlInfo, control_types.ControlType),
    *(buffers.FrameBuffer, buffers.FrameMetadata, buffers.Request),
    *(streams.CameraConfiguration, streams.SensorConfiguration, streams.Stream, streams.StreamConfiguration),
    *(streams.StreamFormats, streams.StreamRole, Camera, CameraManager, manager.FrameBufferAllocator),
)


def install(
    scene: Scene, *, clock: Clock, faults: Iterable[Fault] = (), make_picture: MakePicture = MovingPicture
) -> Camera:
    """Plug in a camera that sees ``scene``, and return it; the first call of a process puts the modules in place.

    Where picamera2 is not installed only libcamera is put in place: whoever imports picamera2 finds out.

    Raises:
        ValueError: the camera of an earlier call is still in use.
    """
    if not isinstance(sys.modules.get("libcamera"), _SimulatedModule):
        _put_modules()
        with suppress(ImportError):
            _put_dma_heap()
    camera = Camera(scene, clock=clock, faults=faults, make_picture=make_picture)
    CameraManager.singleton().plug_in(camera)
    return camera


class _SimulatedModule(ModuleType):
    """The package ``libcamera``."""


def _put_modules() -> None:
    libcamera, inner = _SimulatedModule("libcamera"), ModuleType("libcamera._libcamera")
    libcamera.__path__ = []
    for one in _CLASSES:
        setattr(libcamera, one.__name__, one)
        setattr(inner, one.__name__, one)
    for name, module in (("_libcamera", inner), ("controls", controls), ("properties", properties)):
        setattr(libcamera, name, module)
        sys.modules[f"libcamera.{name}"] = module
    sys.modules["libcamera"] = libcamera
    # The preview that draws on a screen is imported with picamera2, used or not, and asks for names of this module only.
    screen = ModuleType("pykms")
    screen.PixelFormat = _PixelFormatNames()  # type: ignore[attr-defined]
    sys.modules.setdefault("pykms", screen)


class _PixelFormatNames:
    """Has every name that it is asked for."""

    def __getattr__(self, name: str) -> str:
        return name


def _put_dma_heap() -> None:
    from picamera2 import dma_heap
    from picamera2.allocators import dmaallocator

    kernel = SimulatedDmaHeap(is_mappable=_is_mappable)
    dma_heap.heapNames[:] = [HEAP_PATH]
    dma_heap.fcntl = dmaallocator.fcntl = kernel


def _is_mappable(descriptor: int) -> bool:
    camera = CameraManager.singleton().plugged_in
    return camera is None or descriptor not in camera.unmappable_fds
