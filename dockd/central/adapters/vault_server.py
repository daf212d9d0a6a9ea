"""The vault's end of its Unix socket: one request at a time, each bounded in size and time."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from dockd.central.adapters.vault_wire import address_of, receive, send
from dockd.central.core.vault_messages import Reply
from dockd.central.errors import SettingsFault
from protocol.errors import PeerError

_REQUEST_TIMEOUT_S: Final = 2.0
_LOOK_FOR_STOP_S: Final = 0.2
_BACKLOG: Final = 64

Answer = Callable[[bytes], Reply]


def serve(
    answer: Answer,
    socket_file: Path,
    *,
    should_stop: Callable[[], bool],
    on_ready: Callable[[], None],
    group_id: int | None = None,
) -> None:
    """Answer until ``should_stop``; only this user may connect, and ``group_id`` where one is given.

    ``on_ready`` is called once, when callers can connect.

    Raises:
        SettingsFault: a vault answers there already, or the socket cannot be made.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        _bind(listener, socket_file, group_id)
        try:
            on_ready()
            while not should_stop():
                with suppress(TimeoutError):
                    connection, _ = listener.accept()
                    with connection:
                        _serve_one(answer, connection)
        finally:
            socket_file.unlink(missing_ok=True)


def _serve_one(answer: Answer, connection: socket.socket) -> None:
    connection.settimeout(_REQUEST_TIMEOUT_S)
    # A caller that breaks off, is slow or sends rubbish harms nobody but itself.
    with suppress(OSError, PeerError):
        send(connection, answer(receive(connection)))


def _bind(listener: socket.socket, socket_file: Path, group_id: int | None) -> None:
    mask = os.umask(0o177)
    try:
        with address_of(socket_file) as address:
            if _is_answered(address):
                raise SettingsFault(
                    f"a vault answers at {socket_file} already",
                    expected="one vault a socket",
                    next_step="stop the other one, or name another socket in the settings",
                )
            if socket_file.is_socket():
                socket_file.unlink()  # of a process that died here
            listener.bind(address)
        if group_id is not None:
            os.chown(socket_file, -1, group_id)
            socket_file.chmod(0o660)
        listener.listen(_BACKLOG)
        listener.settimeout(_LOOK_FOR_STOP_S)
    except OSError as error:
        raise SettingsFault(
            f"the vault's socket {socket_file} cannot be made ({error.strerror})",
            expected="a path in a folder that this user may write to",
            next_step="check the path in the settings",
        ) from error
    finally:
        os.umask(mask)


def _is_answered(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
        return True
