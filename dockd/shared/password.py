"""The password that a client shows a broker which knows its clients by password; the user is the client's own name.

It stands in a file of its own and nowhere else: not in settings, not in a message, not in a log.
"""

import os
import stat
from pathlib import Path
from typing import Final

from dockd.shared.errors import CredentialsFault

LENGTH_MIN: Final = 12
LENGTH_MAX: Final = 256


def read_password(file: Path) -> str:
    """Return the one line of ``file``.

    Raises:
        CredentialsFault: it cannot be read, others can read it too, or it holds no password.
    """
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(LENGTH_MAX * 4 + 2)
    except OSError as error:
        raise CredentialsFault(
            f"password file {file} cannot be read ({error.strerror})",
            expected="a file that this user, and nobody else, may read",
            next_step="check password_file in the settings and the owner of the file",
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CredentialsFault(
            f"password file {file} has mode {stat.S_IMODE(mode):04o}",
            expected="mode 0600, since it is a secret",
            next_step=f"give this client a new password at the broker, and: chmod 600 {file}",
        )
    text = data.decode("utf-8", errors="replace").removesuffix("\n")
    if not LENGTH_MIN <= len(text) <= LENGTH_MAX or not text.isprintable() or "\N{REPLACEMENT CHARACTER}" in text:
        raise CredentialsFault(
            f"password file {file} holds no password of ours",
            expected=f"one line of {LENGTH_MIN} to {LENGTH_MAX} characters",
            next_step="write the password that the broker has for this client into it",
        )
    return text
