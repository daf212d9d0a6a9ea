"""The vault's Unix socket: how its address is reached, and the messages on it.

A message is its size (4 bytes, big-endian, at most `MESSAGE_SIZE_BYTES_MAX`), then one map in deterministic CBOR
(spec/01-encoding.md, 1.1). One connection carries one request and its reply.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dockd.central.core.vault_messages import MESSAGE_SIZE_BYTES_MAX, SECTION, Reply, Request
from protocol.errors import PeerError

_HEADER_SIZE_BYTES: Final = 4
_ADDRESS_BYTES_MAX: Final = 107  # sockaddr_un holds 108, the last one a zero


def send(connection: socket.socket, message: Request | Reply) -> None:
    """Send one message; raises OSError where the connection does."""
    data = message.encoded()
    assert len(data) <= MESSAGE_SIZE_BYTES_MAX
    connection.sendall(len(data).to_bytes(_HEADER_SIZE_BYTES, "big") + data)


def receive(connection: socket.socket) -> bytes:
    """Return the bytes of one message.

    Raises:
        PeerError: the connection ends early, or the message is too large.
        OSError: the connection failed, or its timeout passed.
    """
    size = int.from_bytes(_exactly(connection, _HEADER_SIZE_BYTES), "big")
    if not 1 <= size <= MESSAGE_SIZE_BYTES_MAX:
        raise PeerError(f"message of {size} bytes, 1 to {MESSAGE_SIZE_BYTES_MAX} expected", section=SECTION)
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size_bytes: int) -> bytes:
    data = bytearray()
    while len(data) < size_bytes:
        piece = connection.recv(size_bytes - len(data))
        if not piece:
            raise PeerError(f"connection ended after {len(data)} of {size_bytes} bytes", section=SECTION)
        data += piece
    return bytes(data)


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """Yield an address for ``path`` that fits into the kernel's 108 bytes, however long the path is."""
    if len(os.fsencode(path)) <= _ADDRESS_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
