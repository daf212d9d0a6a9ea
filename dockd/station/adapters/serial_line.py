"""The serial line of a bay (port `Line`), on a USB port, a UART or a pseudo-terminal.

pyserial opens and configures it; bytes go by read(2) and write(2) after poll(2), which is half as fast again as pyserial's
own read.
"""

import errno
import os
import select
import time
from pathlib import Path
from typing import Final

import serial

from dockd.station.errors import LineAbsent, LineLost
from dockd.station.ports import Line

READ_BYTES_MAX: Final = 256 * 1024
_TERMINAL_BYTES: Final = 2048
_GONE: Final = select.POLLHUP | select.POLLERR | select.POLLNVAL


class SerialLine:
    """One open port, locked against other programs that ask for the lock too."""

    def __init__(self, port: Path, *, baud_rate: int) -> None:
        """Open ``port``. A USB port and a pseudo-terminal ignore ``baud_rate``.

        Raises:
            LineLost: it is not there, not ours to open, in use, or no serial port; the message says which.
        """
        self._port = port
        try:
            self._serial = serial.Serial(str(port), baudrate=baud_rate, timeout=0, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            raise _fault(port, error) from error
        self._descriptor: int = self._serial.fileno()
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(self._descriptor, select.POLLIN)
        self._writable.register(self._descriptor, select.POLLOUT)

    def read(self, timeout_ms: int) -> bytes:
        """Return what has arrived, at least one byte, or nothing when ``timeout_ms`` passed."""
        if not self._readable.poll(timeout_ms):
            return b""
        data = self._read_once()
        if not data:
            # A terminal that is ready to be read and has nothing is one whose other end has hung up.
            raise self._lost("the other end has hung up")
        if len(data) < _TERMINAL_BYTES:
            return data
        # A terminal gives out 4 kB at a time, however much it holds.
        pieces, size = [data], len(data)
        while size < READ_BYTES_MAX and (data := self._read_once()):
            pieces.append(data)
            size += len(data)
        return b"".join(pieces)

    def write(self, data: bytes, timeout_ms: int) -> int:
        """Send and return how many bytes were taken before ``timeout_ms`` passed."""
        deadline = time.monotonic() + timeout_ms / 1000
        left = memoryview(data)
        while left:
            left = left[self._write_once(left) :]
            if not left:
                break
            ready = self._writable.poll(max(0.0, (deadline - time.monotonic()) * 1000))
            if not ready:
                break
            if ready[0][1] & _GONE:
                raise self._lost("the other end has hung up")
        return len(data) - len(left)

    def close(self) -> None:
        """Let the line go; safe to call twice."""
        self._serial.close()

    def _read_once(self) -> bytes:
        try:
            return os.read(self._descriptor, READ_BYTES_MAX)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error

    def _write_once(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error

    def _lost(self, why: str) -> LineLost:
        return LineLost(
            f"the line at {self._port} has ended ({why})",
            expected="a camera in the bay",
            next_step="seat the camera again; if none is there, nothing is wrong",
        )


def _fault(port: Path, error: OSError | ValueError) -> LineLost:
    number = error.errno if isinstance(error, OSError) else None
    expected = "a serial port that this program may open"
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO):
        return LineAbsent(
            f"{port} is not there",
            expected=expected,
            next_step="plug the camera or its cable in, or correct the bay's port in the settings",
        )
    if number in (errno.EACCES, errno.EPERM):
        return LineLost(
            f"{port} may not be opened by this user",
            expected=expected,
            next_step="add the user to the group that owns the port (on Debian: dialout), then log in again",
        )
    if number in (errno.EBUSY, errno.EAGAIN):
        return LineLost(
            f"{port} is in use by another program",
            expected=expected,
            next_step="end the other program (fuser -v shows which), or give each bay a port of its own",
        )
    return LineLost(
        f"{port} cannot be used as a serial port ({error})",
        expected=expected,
        next_step="correct the bay's port and baud_rate in the settings",
    )


_: type[Line] = SerialLine
