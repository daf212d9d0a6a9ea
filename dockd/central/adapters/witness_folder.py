"""A witness's state folder on a real disk: write, fsync, rename, fsync of the folder, each for itself. It decides nothing."""

import fcntl
import os
from pathlib import Path
from typing import Final

from dockd.central.errors import StateFault, StateUncertain
from dockd.central.witness_ports import StateDisk

_LOCK_NAME: Final = "lock"
STATE_SIZE_BYTES_MAX: Final = 1 << 20


class WitnessFolder:
    """One folder, used by one witness at a time."""

    def __init__(self, folder: Path, *, is_locked: bool = True) -> None:
        """Take an existing folder, and lock it; without the lock it is only to be looked at.

        Raises:
            StateFault: it is not there, cannot be used, or another witness uses it.
        """
        self._folder = folder
        self._lock = -1
        try:
            os.scandir(folder).close()
            if is_locked:
                self._lock = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.sync_folder()
        except BlockingIOError:
            os.close(self._lock)
            raise StateFault(
                f"another witness uses {folder}",
                expected="one witness to a state: two would sign two histories",
                next_step="stop the other one",
            ) from None
        except OSError as error:
            raise StateFault(
                f"the state folder {folder} cannot be used ({error.strerror})",
                expected="the folder that `sealcam-central witness init` made, for this user to write to",
                next_step="check state_folder in the settings, and the folder's owner; never begin with an empty one "
                "under a key that has signed",
            ) from error

    def close(self) -> None:
        """Let go of the lock; safe to call twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def names(self) -> tuple[str, ...]:
        """Return the names of all files, sorted."""
        try:
            return tuple(sorted(entry.name for entry in os.scandir(self._folder) if entry.is_file()))
        except OSError as error:
            raise self._unreadable("the folder", error) from error

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""
        try:
            with (self._folder / name).open("rb") as stream:
                return stream.read(STATE_SIZE_BYTES_MAX)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(name, error) from error

    def write(self, name: str, data: bytes) -> None:
        """Make a file, or give one other bytes."""
        try:
            descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
        except OSError as error:
            raise StateFault(
                f"{name} in {self._folder} cannot be written ({error.strerror})",
                expected="a folder with space left, which this user may write to",
                next_step="make room; what was kept stands, and nothing is signed until then",
            ) from error

    def sync(self, name: str) -> None:
        """Return when a file's bytes would survive a power cut."""
        self._sync(self._folder / name, os.O_RDONLY)

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name, in place of the file that has it."""
        try:
            (self._folder / name).replace(self._folder / new_name)
        except OSError as error:
            raise StateUncertain(f"renaming {name} in {self._folder} failed: {error.strerror}") from error

    def sync_folder(self) -> None:
        """Return when all names would survive a power cut."""
        self._sync(self._folder, os.O_RDONLY | os.O_DIRECTORY)

    def _sync(self, path: Path, flags: int) -> None:
        try:
            descriptor = os.open(path, flags)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            # Whatever it says, a full disk too: the kernel may now take pages for clean that never reached the disk.
            raise StateUncertain(f"syncing {path} failed: {error.strerror}") from error

    def _unreadable(self, what: str, error: OSError) -> StateFault:
        return StateFault(
            f"{what} in {self._folder} cannot be read ({error.strerror})",
            expected="the state of this witness",
            next_step="check the disk; never begin with an empty folder under a key that has signed",
        )


_: type[StateDisk] = WitnessFolder
