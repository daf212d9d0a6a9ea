"""What is asked of the vault and what it answers, as closed messages. Pure; the socket stands in the adapters."""

from typing import Annotated, Final, Literal

from pydantic import Field

from protocol.canonical import Structure, decode, parse
from protocol.errors import PeerError
from protocol.units import Hash, Id

MESSAGE_SIZE_BYTES_MAX: Final = 65_536
SECTION: Final = "dockd.central.core.vault_messages"

KeyBoxBytes = Annotated[bytes, Field(min_length=1, max_length=16_384)]
ReasonText = Annotated[str, Field(min_length=1, max_length=500)]


class HelloRequest(Structure):
    """Which key does the vault hold?"""

    kind: Literal["hello"]


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


class Present(Structure):
    """The vault is there, and the key_id (spec/01-encoding.md, 1.4) of its public key."""

    kind: Literal["present"]
    key_id: Id


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


Request = HelloRequest | CheckRequest | OpenRequest
Reply = Present | Checked | Opened | Refused
_REQUESTS: Final[dict[object, type[Request]]] = {
    "hello": HelloRequest,
    "check": CheckRequest,
    "open": OpenRequest,
}
_REPLIES: Final[dict[object, type[Reply]]] = {
    "present": Present,
    "checked": Checked,
    "opened": Opened,
    "refused": Refused,
}


def parse_request(data: bytes) -> Request:
    """Return the request.

    Raises:
        PeerError: it is none.
    """
    value = decode(data, size_bytes_max=MESSAGE_SIZE_BYTES_MAX)
    model = _REQUESTS.get(value.get("kind")) if isinstance(value, dict) else None
    if model is None:
        raise PeerError("message is none that the vault answers", section=SECTION)
    return parse(model, value, section=SECTION)


def parse_reply(data: bytes) -> Reply:
    """Return the reply.

    Raises:
        PeerError: it is none.
    """
    value = decode(data, size_bytes_max=MESSAGE_SIZE_BYTES_MAX)
    model = _REPLIES.get(value.get("kind")) if isinstance(value, dict) else None
    if model is None:
        raise PeerError("message is no reply of a vault", section=SECTION)
    return parse(model, value, section=SECTION)
