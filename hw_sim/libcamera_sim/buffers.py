"""Frame buffers and requests: what picamera2 hands to the camera, and gets back filled."""

import mmap
import os
import weakref
from collections.abc import Sequence
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from hw_sim.libcamera_sim.control_types import ControlId
from hw_sim.libcamera_sim.streams import Stream

NO_DESCRIPTOR: Final = -1


class FrameStatus(Enum):
    """How a frame ended."""

    Success = 0
    Error = 1
    Cancelled = 2


class RequestStatus(Enum):
    """How a request ended."""

    Pending = 0
    Complete = 1
    Cancelled = 2


class MetadataPlane:
    """What is known of a plane's bytes after capture."""

    def __init__(self) -> None:
        """Nothing is used yet."""
        self.bytes_used = 0


class FrameMetadata:
    """What is known of a frame after capture."""

    Status = FrameStatus
    Plane = MetadataPlane

    def __init__(self, plane_count: int) -> None:
        """Nothing was captured yet."""
        self.status = FrameStatus.Success
        self.sequence = 0
        self.timestamp = 0
        self.planes = [MetadataPlane() for _ in range(plane_count)]


class BufferPlane:
    """A piece of memory by its descriptor. A descriptor that is set is duplicated, as libcamera does."""

    def __init__(self) -> None:
        """No memory yet."""
        self._fd = NO_DESCRIPTOR
        self.offset = 0
        self.length = 0

    @property
    def fd(self) -> int:
        """Return the descriptor of our own."""
        return self._fd

    @fd.setter
    def fd(self, descriptor: int) -> None:
        self._fd = os.dup(descriptor)
        weakref.finalize(self, os.close, self._fd)


class FrameBuffer:
    """The memory of one frame of one stream."""

    Plane = BufferPlane

    def __init__(self, planes: Sequence[BufferPlane], cookie: int = 0) -> None:
        """Take the planes; all of picamera2's lie in one piece of memory."""
        self.planes = list(planes)
        self.cookie = cookie
        self.metadata = FrameMetadata(len(self.planes))
        memory = mmap.mmap(self.planes[0].fd, sum(plane.length for plane in self.planes))
        self.pixels: npt.NDArray[np.uint8] = np.frombuffer(memory, np.uint8)

    def fill(self, *, sequence: int, timestamp_ns: int) -> None:
        """Say what the pixels are of."""
        self.metadata.status = FrameStatus.Success
        self.metadata.sequence, self.metadata.timestamp = sequence, timestamp_ns
        for plane, known in zip(self.planes, self.metadata.planes, strict=True):
            known.bytes_used = plane.length


class Request:
    """One frame that is asked for."""

    Status = RequestStatus

    def __init__(self, cookie: int) -> None:
        """Ask with no buffer yet."""
        self.cookie = cookie
        self.buffers: dict[Stream, FrameBuffer] = {}
        self.controls: dict[ControlId, object] = {}
        self.metadata: dict[ControlId, object] = {}
        self.status = RequestStatus.Pending
        self.sequence = 0
        self.is_out = False
        """Completed, and not queued again since: its buffers are the application's."""

    def add_buffer(self, stream: Stream, buffer: FrameBuffer) -> None:
        """Say where the frame of ``stream`` goes."""
        self.buffers[stream] = buffer

    def set_control(self, control: ControlId, value: object) -> None:
        """Say with what setting the frame is to be taken."""
        self.controls[control] = value

    def reuse(self) -> None:
        """Make it ready to be queued again, with the same buffers."""
        self.controls, self.metadata = {}, {}
        self.status = RequestStatus.Pending

    def cancel(self) -> None:
        """End it without a frame."""
        self.status = RequestStatus.Cancelled
        for buffer in self.buffers.values():
            buffer.metadata.status = FrameStatus.Cancelled
