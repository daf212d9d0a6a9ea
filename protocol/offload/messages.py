"""Messages of the offload wire, and the description of a file that names its transfer.

Implements spec/07-offload.md, 7.2 and 7.3. Knows no topics and no states.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from protocol.canonical import Buffer, Structure, decode, digest, parse
from protocol.errors import PeerError
from protocol.layout import parse_file_name
from protocol.offload.topics import DOCK_PATTERN, WORKER_PATTERN
from protocol.receipt import ReceiptWithProof
from protocol.units import CHAIN_SIZE_BYTES_MAX, Hash, Id, Positive, Uint

BLOCK_SIZE_BYTES: Final = 1024 * 1024
BLOCKS_PER_FILE_MAX: Final = 65_536
FILE_SIZE_BYTES_MAX: Final = BLOCK_SIZE_BYTES * BLOCKS_PER_FILE_MAX
KEY_BOX_SIZE_BYTES_MAX: Final = 65_536
CREDIT_BYTES_MAX: Final = 64 * 1024 * 1024
RECEIPTS_PER_FILE_MAX: Final = 8
REASON_LENGTH_MAX: Final = 500

FileKind = Literal["chain", "media", "key-box"]
Epoch = Annotated[int, Field(ge=1, lt=2**32)]
Have = Annotated[bytes, Field(max_length=BLOCKS_PER_FILE_MAX // 8)]
Credit = Annotated[int, Field(ge=BLOCK_SIZE_BYTES, le=CREDIT_BYTES_MAX)]
Reason = Annotated[str, Field(min_length=1, max_length=REASON_LENGTH_MAX)]
WorkerName = Annotated[str, Field(pattern=f"^{WORKER_PATTERN}$")]
ClientName = Annotated[str, Field(pattern=f"^({DOCK_PATTERN}|{WORKER_PATTERN})$")]

_SECTION: Final = "spec/07-offload.md, 7.3"
_SIZE_BYTES_MAX: Final = {
    "chain": CHAIN_SIZE_BYTES_MAX,
    "media": FILE_SIZE_BYTES_MAX,
    "key-box": KEY_BOX_SIZE_BYTES_MAX,
}


class Description(Structure):
    """What a dock says of a file before it sends it. ``identity`` follows from the kind (spec/07-offload.md, 7.2)."""

    camera_id: Id
    shift_id: Id
    shift_number: Positive
    name: Annotated[str, Field(max_length=64)]
    kind: FileKind
    size_bytes: Annotated[Uint, Field(le=FILE_SIZE_BYTES_MAX)]
    identity: Hash

    @model_validator(mode="after")
    def _check(self) -> "Description":
        parsed = parse_file_name(self.name)
        if parsed is None or parsed.kind != self.kind:
            raise ValueError(f"{self.name!r} is no name of a {self.kind} file")
        if self.size_bytes > _SIZE_BYTES_MAX[self.kind]:
            raise ValueError(f"{self.kind} of {self.size_bytes} bytes, at most {_SIZE_BYTES_MAX[self.kind]} expected")
        return self

    @property
    def block_count(self) -> int:
        """Return into how many blocks the file is cut."""
        return -(-self.size_bytes // BLOCK_SIZE_BYTES)

    def block_size_bytes(self, index: int) -> int:
        """Return the size of a block, 0 where there is none of this index."""
        return max(0, min(BLOCK_SIZE_BYTES, self.size_bytes - index * BLOCK_SIZE_BYTES))

    @property
    def transfer(self) -> bytes:
        """Return the 16-byte name of the transfer: the same file asks for the same one."""
        return digest("sealcam/1 transfer", self.encoded())[:16]


def media_identity(ending_head_hash: bytes, number: int) -> bytes:
    """Return the identity of a media file: the entry that ends its recording, and its number."""
    return digest("sealcam/1 media-identity", ending_head_hash, number.to_bytes(4, "big"))


class Presence(Structure):
    """Who is there; retained. The will is the same, with ``is_online`` false."""

    kind: Literal["presence"] = "presence"
    name: ClientName
    instance: Id
    is_online: bool


class Open(Structure):
    """A dock asks that a file be taken, or taken on."""

    kind: Literal["open"] = "open"
    request: Id
    description: Description


class OpenReply(Structure):
    """A worker takes it: what it has, and how much may be under way."""

    kind: Literal["open-reply"] = "open-reply"
    request: Id
    transfer: Id
    worker: WorkerName
    epoch: Epoch
    have: Have
    credit_bytes: Credit


class BlockAck(Structure):
    """The worker's word that these blocks are durable in staging; it frees credit and nothing else."""

    kind: Literal["block-ack"] = "block-ack"
    transfer: Id
    epoch: Epoch
    have: Have
    credit_bytes: Credit


class Fin(Structure):
    """The dock has seen every block acknowledged and asks for the verdict."""

    kind: Literal["fin"] = "fin"
    transfer: Id
    epoch: Epoch


class Cancel(Structure):
    """The dock lets the transfer rest; what is staged stays."""

    kind: Literal["cancel"] = "cancel"
    transfer: Id
    epoch: Epoch


class Checking(Structure):
    """All blocks are there and are being verified."""

    kind: Literal["checking"] = "checking"
    transfer: Id


class Held(Structure):
    """Central cannot take it now; ask again later."""

    kind: Literal["held"] = "held"
    transfer: Id
    reason: Reason


class Stored(Structure):
    """Central has the file; with the receipts that cover it, where there can be any yet."""

    kind: Literal["stored"] = "stored"
    transfer: Id
    receipts: Annotated[tuple[ReceiptWithProof, ...], Field(max_length=RECEIPTS_PER_FILE_MAX)]
    held_reason: Reason | None


class Refused(Structure):
    """Central looked at the whole file and will not have it."""

    kind: Literal["refused"] = "refused"
    transfer: Id
    reason: Reason
    section: Annotated[str, Field(max_length=100)]


Control = Fin | Cancel
Reply = OpenReply | BlockAck | Checking | Held | Stored | Refused
Message = Presence | Open | Control | Reply

_MODEL_OF_KIND: Final[dict[str, type[Message]]] = {
    "presence": Presence,
    "open": Open,
    "fin": Fin,
    "cancel": Cancel,
    "open-reply": OpenReply,
    "block-ack": BlockAck,
    "checking": Checking,
    "held": Held,
    "stored": Stored,
    "refused": Refused,
}


def parse_message(data: Buffer) -> Message:
    """Return the message that these bytes are.

    Raises:
        PeerError: not canonical, of no known kind, or a key missing, unknown, of another type or out of its range.
    """
    value: Any = decode(data)
    if not isinstance(value, dict):
        raise PeerError("a message that is no map", section=_SECTION)
    model = _MODEL_OF_KIND.get(str(value.get("kind")))
    if model is None:
        raise PeerError(f"message of kind {value.get('kind')!r:.40}", section=_SECTION)
    return parse(model, value, section=_SECTION)


def as_reason(text: str) -> str:
    """Return ``text`` as a reason that fits into a message."""
    return text[:REASON_LENGTH_MAX] or "no reason given"
