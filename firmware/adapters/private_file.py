"""Files that nobody but the camera's own user may read: device key, PIN."""

import os
import stat
from pathlib import Path

from firmware.errors import OperatingError


class DeviceKeyUnusable(OperatingError):
    """The device key is absent, open to others, or something else than a P-256 key."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return (
            "Enrol the camera again, or set the file's mode to 0600 and its owner to the camera's user; "
            "a new camera makes its key with: sealcam-camera make-key."
        )


def read_private(path: Path, *, what: str, size_bytes_max: int) -> bytes:
    """Return a file of mode 0600.

    Raises:
        DeviceKeyUnusable: it is not there, others can read it, or it is larger than such a file is.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(size_bytes_max + 1)
    except OSError as error:
        raise DeviceKeyUnusable(f"{what} {path}: {error.strerror}") from error
    if mode & 0o077:
        raise DeviceKeyUnusable(f"{what} {path} has mode {mode:04o}, 0600 expected: others could have copied it")
    if len(data) > size_bytes_max:
        raise DeviceKeyUnusable(f"{what} {path} has more than {size_bytes_max} bytes: it is something else")
    return data


def write_private(path: Path, data: bytes, *, what: str) -> None:
    """Make a file of mode 0600, durable on return; an existing one is refused.

    Raises:
        DeviceKeyUnusable: it is there already, or cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError as error:
        raise DeviceKeyUnusable(f"{what} {path} is there already: a camera makes its key once") from error
    except OSError as error:
        raise DeviceKeyUnusable(f"{what} {path} cannot be made: {error.strerror}") from error
