"""Keeps a second dock program away from a spool: two that write one file would spoil it for both."""

import fcntl
import os
from pathlib import Path

from dockd.station.errors import SettingsFault


class SpoolLock:
    """Held from construction to `close`, or to the end of the process."""

    def __init__(self, spool_folder: Path) -> None:
        """Make the folder if it is not there, and lock it.

        Raises:
            SettingsFault: it cannot be made or written to, or another program has it.
        """
        try:
            spool_folder.mkdir(mode=0o700, exist_ok=True)
            self._descriptor = os.open(spool_folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsFault(
                f"spool folder {spool_folder} cannot be used ({error.strerror})",
                expected="a folder that this user may write to, in one that is there",
                next_step="check spool_folder in the settings, and whether its disk is mounted",
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise SpoolInUse(
                f"spool folder {spool_folder} is in use",
                expected="no other sealcam-dock on this spool",
                next_step="stop the other one first (systemctl stop sealcam-dock)",
            ) from error

    def close(self) -> None:
        """Let it go."""
        os.close(self._descriptor)


class SpoolInUse(SettingsFault):
    """Another dock program runs on this spool."""
