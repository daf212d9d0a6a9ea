"""The simulated libcamera's camera manager: lists cameras, and hands completed requests to whoever watches its descriptor."""

import os
import threading
from typing import Final

from hw_sim.libcamera_sim.buffers import FrameBuffer, Request
from hw_sim.libcamera_sim.camera import Camera
from hw_sim.libcamera_sim.streams import Stream

VERSION: Final = "v0.0.0+simulated"


class CameraManager:
    """The process's one list of cameras."""

    version = VERSION
    _one: "CameraManager | None" = None

    def __init__(self) -> None:
        """List no camera yet."""
        self._event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._camera: Camera | None = None
        self._ready: list[Request] = []

    @classmethod
    def singleton(cls) -> "CameraManager":
        """Return the one there is."""
        if cls._one is None:
            cls._one = cls()
        return cls._one

    def plug_in(self, camera: Camera) -> None:
        """List ``camera`` instead of the one before.

        Raises:
            ValueError: somebody still has the one before.
        """
        if self._camera is not None and self._camera.is_acquired:
            raise ValueError("the simulated camera is in use; close it before another is plugged in")
        camera.connect(self._complete)
        self._camera = camera

    @property
    def plugged_in(self) -> Camera | None:
        """Return the camera, whether or not it is there now."""
        return self._camera

    @property
    def cameras(self) -> list[Camera]:
        """Return the cameras that are there now."""
        return [self._camera] if self._camera is not None and self._camera.is_present else []

    def get(self, camera_id: str) -> Camera:
        """Return a camera by its id."""
        return next(camera for camera in self.cameras if camera.id == camera_id)

    @property
    def event_fd(self) -> int:
        """Return the descriptor that becomes readable when a request has completed."""
        return self._event_fd

    def get_ready_requests(self) -> list[Request]:
        """Return the completed requests; none where there are none."""
        try:
            os.eventfd_read(self._event_fd)
        except BlockingIOError:
            return []
        with self._lock:
            ready, self._ready = self._ready, []
        return ready

    def _complete(self, request: Request) -> None:
        with self._lock:
            self._ready.append(request)
        os.eventfd_write(self._event_fd, 1)


class FrameBufferAllocator:
    """Makes frame buffers of the camera's own, for applications that bring none."""

    def __init__(self, camera: Camera) -> None:
        """Make none yet."""
        self._buffers: dict[Stream, list[FrameBuffer]] = {}

    def allocate(self, stream: Stream) -> int:
        """Make the buffers of a stream and return how many."""
        size_bytes = stream.configuration.frame_size
        made = []
        for index in range(stream.configuration.buffer_count):
            memory_fd = os.memfd_create(f"simulated-frame-{index}")
            os.ftruncate(memory_fd, size_bytes)
            plane = FrameBuffer.Plane()
            plane.fd, plane.length = memory_fd, size_bytes
            os.close(memory_fd)
            made.append(FrameBuffer([plane]))
        self._buffers[stream] = made
        return len(made)

    def buffers(self, stream: Stream) -> list[FrameBuffer]:
        """Return the buffers made for a stream."""
        return self._buffers[stream]
