"""Secrets in files: read only when nobody else can read them, written so that nobody else ever could."""

import os
import stat
import tempfile
from pathlib import Path

from dockd.central.errors import SettingsFault


def read_private(file: Path, *, what: str, size_bytes: int) -> bytes:
    """Return the secret in ``file``, of exactly ``size_bytes``.

    Raises:
        SettingsFault: it is missing, of another size, or others may read or write it.
    """
    try:
        with file.open("rb") as stream:
            status = os.fstat(stream.fileno())
            data = stream.read(size_bytes + 1)
    except OSError as error:
        raise SettingsFault(
            f"{what} {file} cannot be read ({error.strerror})",
            expected="a file that this user, and nobody else, may read",
            next_step="check the path in the settings, or restore the file from the backup in the safe",
        ) from error
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsFault(
            f"{what} {file} has mode {stat.S_IMODE(status.st_mode):04o}",
            expected="mode 0600, since it is a secret",
            next_step=f"find out who could read it; if nobody did: chmod 600 {file}",
        )
    if len(data) != size_bytes:
        found = f"more than {size_bytes}" if len(data) > size_bytes else str(len(data))
        raise SettingsFault(
            f"{what} {file} has {found} bytes",
            expected=f"{size_bytes} bytes",
            next_step="check the path in the settings, or restore the file from its backup",
        )
    return data


def write_new(file: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Make ``file`` with ``data``, durable on return; an existing one is refused.

    Raises:
        SettingsFault: it is there already, or cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        _sync_folder(file.parent)
    except OSError as error:
        raise SettingsFault(
            f"{file} cannot be written ({error.strerror})",
            expected="a new file in a folder that this user may write to, with space left",
            next_step="name another folder, or check owner, mode and free space of this one",
        ) from error


def replace(file: Path, data: bytes) -> None:
    """Write a file anew, with the mode that it had: the old or the new one whatever happens, the new one durable on return.

    Raises:
        SettingsFault: it cannot be written; the old one stands.
    """
    try:
        mode = file.stat().st_mode & 0o777
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.absolute().parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                os.fchmod(descriptor, mode)
                stream.write(data)
                stream.flush()
                os.fsync(descriptor)
            os.replace(name, file)
        except OSError:
            os.unlink(name)
            raise
        _sync_folder(file.absolute().parent)
    except OSError as error:
        raise SettingsFault(
            f"{file} cannot be written ({error.strerror})",
            expected="a file that is there, in a folder that this user may write to, with space left",
            next_step="check owner, mode and free space, and run this again",
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
