"""Entries of a shift's chain: head, bodies of every kind, and which signatures a kind carries.

Implements spec/02-chain.md, 2.2 to 2.4, and spec/03-recording.md, 3.2 to 3.4. Signing and walking a chain stand in `protocol.chain`.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from protocol.canonical import Row, Structure
from protocol.units import (
    CHECKPOINT_SIZE_BYTES_MAX,
    CHUNKS_PER_RECORDING_MAX,
    MEDIA_FILES_PER_RECORDING_MAX,
    PART_SIZE_BYTES_MAX,
    PARTS_PER_CHUNK_MAX,
    SPANS_PER_CHUNK_MAX,
    DeviceKey,
    Ed25519Key,
    Extensions,
    Hash,
    Id,
    Int,
    Kind,
    Positive,
    Uint,
    Word,
)

UtcSource = Literal["none", "rtc", "dock", "central"]
EventName = Literal[
    "power-on", "power-off", "standby", "sleep", "wake", "stealth-on", "stealth-off", "mute-on", "mute-off", "mark", "docked",
    "undocked", "battery", "heat", "storage", "clock-step", "firmware", "camera-lost", "camera-back", "press-refused",
]  # fmt: skip
AudioState = Literal["present", "muted", "off-by-policy", "failed"]
PartKind = Literal["init", "video", "audio", "data"]
OpenReason = Literal["press", "resumed", "write-error", "format-change", "shift-end", "trigger"]
CloseReason = Literal["stop", "docked", "full", "write-error", "format-change", "shift-end", "power-off"]
ShiftCloseReason = Literal["docked", "age", "command"]


class Head(Row):
    """What is signed: it links an entry to the one before, names the next key and commits to the body."""

    version: Literal[1]
    shift_id: Id
    sequence: Uint
    previous: Hash | None
    kind: Kind
    next_key: Ed25519Key | None
    body_hash: Hash


class Moment(Row):
    """When something happened: monotonic within a boot, and wall time as a claim."""

    mono_ns: Uint
    boot_id: Id
    utc_ms: Int
    utc_source: UtcSource
    utc_uncertainty_ms: Uint | None


class Body(Structure):
    """What every body has."""

    at: Moment
    ext: Extensions = Field(default_factory=dict)


class EntryPlace(Row):
    """The last entry of an earlier shift."""

    shift_id: Id
    sequence: Uint
    head_hash: Hash


class ShiftOpened(Body):
    """The first entry: camera, number, and what the camera knew of shift before, policy and ledger."""

    camera_key: DeviceKey
    shift_number: Positive
    previous_shift: EntryPlace | None
    policy_version: Uint
    policy_hash: Hash
    checkpoint: Annotated[bytes, Field(max_length=CHECKPOINT_SIZE_BYTES_MAX)] | None
    firmware_version: Word


class Assigned(Body):
    """A check-out: a salted commitment to an officer."""

    pseudonym: Hash


class Heartbeat(Body):
    """Alive in ``state``, and not recording."""

    state: Kind


class Event(Body):
    """Something that happened to the camera or that the officer did."""

    name: EventName
    recording_id: Id | None
    value: Int | None


class VideoFormat(Row):
    """Codec, size and nominal rate of the picture."""

    codec: Word
    width_px: Positive
    height_px: Positive
    frame_rate_mhz: Positive


class AudioFormat(Row):
    """Codec, rate and channels of the sound."""

    codec: Word
    sample_rate_hz: Positive
    channel_count: Positive


class RecordingOpened(Body):
    """A recording begins; commits to its content key and key box."""

    recording_id: Id
    continues: Id | None
    reason: OpenReason
    origin_mono_us: Uint
    pre_event_wanted_ms: Uint
    pre_event_ms: Uint
    video: VideoFormat
    audio: AudioFormat | None
    suite: Literal[1]
    content_key_commitment: Hash
    key_box_hash: Hash


class AudioSpan(Row):
    """What the sound of a stretch of media time is."""

    start_us: Uint
    end_us: Uint
    state: AudioState


class FrameGap(Row):
    """Frames that the camera did not deliver."""

    start_us: Uint
    end_us: Uint
    missing_frame_count: Uint
    reason: Kind


class Part(Row):
    """One sealed piece of a chunk."""

    kind: PartKind
    size_bytes: Annotated[int, Field(ge=17, le=PART_SIZE_BYTES_MAX)]
    commitment: Hash
    hash: Hash


class Chunk(Body):
    """One GOP, sealed: where its bytes stand and what they hash to."""

    recording_id: Id
    index: Annotated[int, Field(ge=0, lt=CHUNKS_PER_RECORDING_MAX)]
    media_number: Annotated[int, Field(ge=0, lt=MEDIA_FILES_PER_RECORDING_MAX)]
    offset_bytes: Uint
    start_us: Uint
    duration_us: Uint
    frame_count: Uint
    is_pre_event: bool
    audio: Annotated[tuple[AudioSpan, ...], Field(max_length=SPANS_PER_CHUNK_MAX)]
    gaps: Annotated[tuple[FrameGap, ...], Field(max_length=SPANS_PER_CHUNK_MAX)]
    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=PARTS_PER_CHUNK_MAX)]

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all parts in the media file."""
        return sum(part.size_bytes for part in self.parts)


class MediaFile(Row):
    """A media file of a recording and its size."""

    number: Annotated[int, Field(ge=0, lt=MEDIA_FILES_PER_RECORDING_MAX)]
    size_bytes: Uint


MediaFiles = Annotated[tuple[MediaFile, ...], Field(max_length=MEDIA_FILES_PER_RECORDING_MAX)]


class RecordingClosed(Body):
    """A recording ended in order."""

    recording_id: Id
    reason: CloseReason
    chunk_count: Uint
    duration_us: Uint
    media: MediaFiles


class Resumed(Body):
    """A process took the chain up again; the one before it is gone with its keys."""

    is_clean: bool
    interrupted_recording_id: Id | None
    trimmed_chain_bytes: Uint
    trimmed_media_bytes: Uint


class Erased(Body):
    """The camera erased a recording, or the chain of a closed shift, behind a receipt."""

    shift_id: Id
    recording_id: Id | None
    receipt_hash: Hash


class ShiftClosed(Body):
    """The last entry of a shift."""

    reason: ShiftCloseReason
    recording_count: Uint


BODY_OF_KIND: Final[dict[str, type[Body]]] = {
    "shift-opened": ShiftOpened,
    "assigned": Assigned,
    "heartbeat": Heartbeat,
    "event": Event,
    "recording-opened": RecordingOpened,
    "chunk": Chunk,
    "recording-closed": RecordingClosed,
    "resumed": Resumed,
    "erased": Erased,
    "shift-closed": ShiftClosed,
}
KIND_OF_BODY: Final[dict[type[Body], str]] = {body: kind for kind, body in BODY_OF_KIND.items()}
DEVICE_SIGNED_KINDS: Final = frozenset({"shift-opened", "resumed", "shift-closed"})
DEVICE_ONLY_KINDS: Final = frozenset({"shift-opened", "resumed"})
"""Kinds without an entry signature: the key that would make it does not exist."""


def names_no_next_key(kind: str, body: Body | None) -> bool | None:
    """Say whether an entry of this kind has ``next_key`` null; None when a withheld body leaves it open (2.3)."""
    if kind == "shift-closed":
        return True
    if kind == "event":
        return None if body is None else isinstance(body, Event) and body.name == "power-off"
    return False


def describe_kind(value: Any) -> str:
    """Return the kind of a body, for messages."""
    return KIND_OF_BODY.get(type(value), type(value).__name__)
