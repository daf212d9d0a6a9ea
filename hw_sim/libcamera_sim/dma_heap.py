"""The kernel's dma-heap, as far as picamera2 asks for it: memory by ioctl, from memfd instead of from a device.

picamera2's own allocator and heap run as they are; only the system call under them is answered here.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from typing import Any, Final

HEAP_PATH: Final = "/dev/null"
"""What is opened in the place of /dev/dma_heap/...: it can be opened and closed anywhere."""

_ALLOC: Final = 0xC0184800
_SYNC: Final = 0x40086200
_SYNC_WRITE: Final = 2
_SYNC_END: Final = 4


class SimulatedDmaHeap:
    """Stands for the module ``fcntl`` in picamera2's two modules that talk to the kernel's dma-heap."""

    def __init__(self, *, is_mappable: Callable[[int], bool]) -> None:
        """Ask ``is_mappable`` about a buffer's descriptor whenever it is mapped for writing."""
        self._is_mappable = is_mappable

    def ioctl(self, descriptor: int, request: int, argument: Any = 0) -> int:
        """Answer as the kernel would.

        Raises:
            OSError: EIO where a buffer cannot be mapped.
        """
        request &= 0xFFFF_FFFF  # videodev2 names the larger ones by negative numbers
        if request == _ALLOC:
            argument.fd = os.memfd_create("simulated-dma-heap", os.MFD_CLOEXEC)
            os.ftruncate(argument.fd, argument.len)
        elif request == _SYNC and isinstance(argument, ctypes.Structure):
            flags = int(getattr(argument, "flags", 0))
            is_write_beginning = flags & _SYNC_WRITE and not flags & _SYNC_END
            if is_write_beginning and not self._is_mappable(descriptor):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return 0
