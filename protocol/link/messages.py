"""Messages of the dock link and the data frames beside them (spec/06-dock-link.md, 6.2).

Two closed unions, one for each direction; parsed once, at the edge. Bulk bytes have no CBOR around them.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from protocol.canonical import Row, Structure, decode
from protocol.errors import PeerError
from protocol.link.frames import KIND_DATA, KIND_MESSAGE, PAYLOAD_SIZE_BYTES_MAX, encode_frame
from protocol.units import LEDGER_PROOF_SIZE_BYTES_MAX, DeviceKey, Ed25519Key, Hash, Uint

SESSION_SIZE_BYTES: Final = 8
NONCE_SIZE_BYTES: Final = 32
LISTING_FILES_MAX: Final = 256
WINDOW_BYTES_MIN: Final = 1024
WINDOW_BYTES_MAX: Final = 4 * 1024 * 1024
FRAME_BYTES_MIN: Final = 512
FRAME_BYTES_MAX: Final = 65_536
REASON_LENGTH_MAX: Final = 200
RECEIPT_SIZE_BYTES_MAX: Final = 65_000

_DATA_HEADER_SIZE_BYTES: Final = SESSION_SIZE_BYTES + 16
_SECTION: Final = "spec/06-dock-link.md, 6.2"

SessionId = Annotated[bytes, Field(min_length=SESSION_SIZE_BYTES, max_length=SESSION_SIZE_BYTES)]
Nonce = Annotated[bytes, Field(min_length=NONCE_SIZE_BYTES, max_length=NONCE_SIZE_BYTES)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,64}$")]
Reason = Annotated[str, Field(max_length=REASON_LENGTH_MAX)]
Signature = Annotated[bytes, Field(max_length=128)]


class Knock(Structure):
    """The dock asks whether a camera is there."""

    kind: Literal["knock"] = "knock"
    version: Literal[1] = 1


class CameraHello(Structure):
    """Who the camera is, by its own word and central's; a promise until the proof."""

    kind: Literal["camera-hello"] = "camera-hello"
    version: Literal[1] = 1
    camera_key: DeviceKey
    enrolment: Annotated[bytes, Field(max_length=4096)]
    policy_version: Uint
    nonce: Nonce


class Hello(Structure):
    """Who the dock is; travels as bytes in `DockHello`, since it is signed."""

    version: Literal[1] = 1
    dock_key: Ed25519Key
    policy_version: Uint
    nonce: Nonce


class DockHello(Structure):
    """The dock's hello and its signature over the transcript."""

    kind: Literal["dock-hello"] = "dock-hello"
    hello: Annotated[bytes, Field(max_length=256)]
    signature: Signature


class CameraProof(Structure):
    """The camera's signature over the transcript."""

    kind: Literal["camera-proof"] = "camera-proof"
    signature: Signature


class Refused(Structure):
    """The other side's hello or proof does not hold."""

    kind: Literal["refused"] = "refused"
    reason: Reason


class FilePlace(Row):
    """Where a listing goes on."""

    folder: Name
    name: Name


class ListFiles(Structure):
    """Ask for the files of closed shifts, or for the next page of them."""

    kind: Literal["list"] = "list"
    session: SessionId
    request: Uint
    after: FilePlace | None


class ListedFile(Row):
    """A file of a closed shift."""

    folder: Name
    name: Name
    size_bytes: Uint


class Listing(Structure):
    """One page of files."""

    kind: Literal["listing"] = "listing"
    session: SessionId
    request: Uint
    files: Annotated[tuple[ListedFile, ...], Field(max_length=LISTING_FILES_MAX)]
    is_last: bool


class ReadFile(Structure):
    """Ask for a file from any byte on; ends the read before."""

    kind: Literal["read"] = "read"
    session: SessionId
    request: Uint
    folder: Name
    name: Name
    offset_bytes: Uint
    window_bytes: Annotated[int, Field(ge=WINDOW_BYTES_MIN, le=WINDOW_BYTES_MAX)]
    frame_bytes: Annotated[int, Field(ge=FRAME_BYTES_MIN, le=FRAME_BYTES_MAX)]


class Taken(Structure):
    """Everything before the offset has arrived; moves the window and nothing else."""

    kind: Literal["taken"] = "taken"
    session: SessionId
    request: Uint
    offset_bytes: Uint


class ReadRefused(Structure):
    """The camera does not read this out."""

    kind: Literal["read-refused"] = "read-refused"
    session: SessionId
    request: Uint
    reason: Reason


class BringReceipt(Structure):
    """Central's signed receipt and its proof of the ledger; the dock is only their messenger."""

    kind: Literal["receipt"] = "receipt"
    session: SessionId
    receipt: Annotated[bytes, Field(max_length=RECEIPT_SIZE_BYTES_MAX)]
    proof: Annotated[bytes, Field(max_length=LEDGER_PROOF_SIZE_BYTES_MAX)] | None


class ReceiptAnswer(Structure):
    """What the camera's erase gate decided, durable before it is said.

    ``is_proof_wanted``: nothing is wrong but the proof, so that a newer one may open the gate.
    """

    kind: Literal["receipt-answer"] = "receipt-answer"
    session: SessionId
    receipt_hash: Hash
    is_erased: bool
    is_proof_wanted: bool
    reason: Reason


class Ping(Structure):
    """The dock is there; ``is_ready`` is for the camera's light and has no other effect."""

    kind: Literal["ping"] = "ping"
    session: SessionId
    is_ready: bool


class Pong(Structure):
    """The camera is there."""

    kind: Literal["pong"] = "pong"
    session: SessionId


class Bye(Structure):
    """The sender knows no such session, or ends it."""

    kind: Literal["bye"] = "bye"
    session: SessionId
    reason: Reason


FromDock = Knock | DockHello | Refused | ListFiles | ReadFile | Taken | BringReceipt | Ping | Bye
FromCamera = CameraHello | CameraProof | Refused | Listing | ReadRefused | ReceiptAnswer | Pong | Bye
Request = ListFiles | ReadFile | Taken | BringReceipt | Ping
Answer = Listing | ReadRefused | ReceiptAnswer | Pong

AnyMessage = TypeVar("AnyMessage")

_FROM_DOCK: Final[TypeAdapter[FromDock]] = TypeAdapter(Annotated[FromDock, Field(discriminator="kind")])
_FROM_CAMERA: Final[TypeAdapter[FromCamera]] = TypeAdapter(Annotated[FromCamera, Field(discriminator="kind")])


def encode_message(message: FromDock | FromCamera) -> bytes:
    """Return the frame of a message."""
    return encode_frame(KIND_MESSAGE, message.encoded())


def parse_from_dock(payload: bytes) -> FromDock:
    """Return what a dock said.

    Raises:
        PeerError: it is none of the dock's messages.
    """
    return _parse(_FROM_DOCK, payload)


def parse_from_camera(payload: bytes) -> FromCamera:
    """Return what a camera said.

    Raises:
        PeerError: it is none of the camera's messages.
    """
    return _parse(_FROM_CAMERA, payload)


def shorten(reason: str) -> str:
    """Return a sentence cut to what fits into a message."""
    return reason if len(reason) <= REASON_LENGTH_MAX else f"{reason[: REASON_LENGTH_MAX - 1]}…"


def _parse(adapter: TypeAdapter[AnyMessage], payload: bytes) -> AnyMessage:
    value = decode(payload, size_bytes_max=PAYLOAD_SIZE_BYTES_MAX)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "message"
        raise PeerError(f"{place}: {first['msg']}", section=_SECTION) from None


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a file."""

    session: bytes
    request: int
    offset_bytes: int
    data: bytes


def encode_data(data: Data) -> bytes:
    """Return the frame of some bytes of a file."""
    front = data.session + data.request.to_bytes(8, "big") + data.offset_bytes.to_bytes(8, "big")
    return encode_frame(KIND_DATA, front, data.data)


def parse_data(payload: bytes) -> Data:
    """Return the bytes of a file that a data frame carries.

    Raises:
        PeerError: it is shorter or longer than a data frame may be.
    """
    size = len(payload) - _DATA_HEADER_SIZE_BYTES
    if not 1 <= size <= FRAME_BYTES_MAX:
        raise PeerError(f"data frame with {size} bytes of a file, 1 to {FRAME_BYTES_MAX} expected", section=_SECTION)
    request_at = SESSION_SIZE_BYTES
    return Data(
        payload[:request_at],
        int.from_bytes(payload[request_at : request_at + 8], "big"),
        int.from_bytes(payload[request_at + 8 : _DATA_HEADER_SIZE_BYTES], "big"),
        payload[_DATA_HEADER_SIZE_BYTES:],
    )
