"""The vault's Unix socket: how its address is reached, and the messages on it.

A message is its size (4 bytes, big-endian, at most `MESSAGE_SIZE_BYTES_MAX`), then one map in deterministic CBOR
(spec/01-encoding.md, 1.1). One connection carries one request and its reply.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from protocol.canonical import Structure, decode, parse
from protocol.errors import PeerError
from protocol.units import Hash

MESSAGE_SIZE_BYTES_MAX: Final = 65_536
_HEADER_SIZE_BYTES: Final = 4
_ADDRESS_BYTES_MAX: Final = 107  # sockaddr_un holds 108, the last one a zero
_SECTION: Final = "dockd.central.adapters.vault_wire"

KeyBoxBytes = Annotated[bytes, Field(min_length=1, max_length=16_384)]
ReasonText = Annotated[str, Field(min_length=1, max_length=500)]


class CheckRequest(Structure):
    """Does this key box open, and to the committed key?"""

    kind: Literal["check"]
    key_box: KeyBoxBytes
    commitment: Hash


class OpenRequest(Structure):
    """Open this key box; ``reason`` is written down."""

    kind: Literal["open"]
    key_box: KeyBoxBytes
    commitment: Hash
    reason: ReasonText


class Checked(Structure):
    """It opens to the committed key."""

    kind: Literal["checked"]


class Opened(Structure):
    """The content key."""

    kind: Literal["opened"]
    content_key: Hash


class Refused(Structure):
    """It does not open, or the request is not one; ``text`` says why."""

    kind: Literal["refused"]
    text: Annotated[str, Field(max_length=1000)]


Request = CheckRequest | OpenRequest
Reply = Checked | Opened | Refused
_REQUESTS: Final[dict[object, type[Request]]] = {"check": CheckRequest, "open": OpenRequest}
_REPLIES: Final[dict[object, type[Reply]]] = {"checked": Checked, "opened": Opened, "refused": Refused}


def parse_request(data: bytes) -> Request:
    """Return the request.

    Raises:
        PeerError: it is none.
    """
    value = decode(data, size_bytes_max=MESSAGE_SIZE_BYTES_MAX)
    model = _REQUESTS.get(value.get("kind")) if isinstance(value, dict) else None
    if model is None:
        raise PeerError("message is no check and no open", section=_SECTION)
    return parse(model, value, section=_SECTION)


def parse_reply(data: bytes) -> Reply:
    """Return the reply.

    Raises:
        PeerError: it is none.
    """
    value = decode(data, size_bytes_max=MESSAGE_SIZE_BYTES_MAX)
    model = _REPLIES.get(value.get("kind")) if isinstance(value, dict) else None
    if model is None:
        raise PeerError("message is no reply of a vault", section=_SECTION)
    return parse(model, value, section=_SECTION)


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
        raise PeerError(f"message of {size} bytes, 1 to {MESSAGE_SIZE_BYTES_MAX} expected", section=_SECTION)
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size_bytes: int) -> bytes:
    data = bytearray()
    while len(data) < size_bytes:
        piece = connection.recv(size_bytes - len(data))
        if not piece:
            raise PeerError(f"connection ended after {len(data)} of {size_bytes} bytes", section=_SECTION)
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
