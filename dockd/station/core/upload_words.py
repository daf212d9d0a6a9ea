"""What the dock says of its offload: events, and one state in words for people. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from dockd.station.ports import ShiftPlace

SILENCE_MS: Final = 3_000

StateCode = Literal["idle", "uploading", "no-broker", "no-worker", "no-answer", "held", "refused", "undescribed"]


@dataclass(frozen=True, slots=True)
class UploadState:
    """How the offload stands; told when it changes. Only ``idle`` means that receipts cover the whole spool."""

    code: StateCode
    text: str


@dataclass(frozen=True, slots=True)
class FileStored:
    """Central says that it has a file. Nothing may be freed or erased for that."""

    place: ShiftPlace
    name: str


@dataclass(frozen=True, slots=True)
class ReceiptArrived:
    """A receipt was verified and is durable in the spool."""

    place: ShiftPlace
    receipt_hash: bytes


@dataclass(frozen=True, slots=True)
class ReceiptRejected:
    """What came as a receipt is none of ours; it was not kept."""

    place: ShiftPlace
    text: str


@dataclass(frozen=True, slots=True)
class FileRefused:
    """Central looked at the file and will not have it; the dock keeps it and asks again."""

    place: ShiftPlace
    name: str
    reason: str
    section: str


@dataclass(frozen=True, slots=True)
class FileUndescribed:
    """A file that cannot be offered to central, since its chain does not describe it or cannot be read."""

    place: ShiftPlace
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class UploaderFailed:
    """The uploader has ended, because what is durable in the spool is no longer known or by a bug of ours."""

    error: BaseException


UploadEvent = (
    UploadState | FileStored | ReceiptArrived | ReceiptRejected | FileRefused | FileUndescribed | UploaderFailed
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the words are made from. ``silent_ms``: how long the longest wait for an answer of central has lasted."""

    is_connected: bool
    broker_reason: str
    left_count: int
    left_bytes: int
    active_count: int
    silent_ms: int
    is_open_acknowledged: bool
    has_subscribers: bool
    broker_refusal: str | None
    held_reason: str | None
    refused: str | None
    undescribed: str | None


def state_of(seen: Snapshot) -> UploadState:
    """Return the state in words."""
    if not seen.is_connected:
        return UploadState("no-broker", f"cannot reach the broker: {seen.broker_reason}")
    if seen.left_count == 0 and seen.undescribed is not None:
        return UploadState("undescribed", f"cannot be offered to central: {seen.undescribed}")
    if seen.left_count == 0:
        return UploadState("idle", "central has everything and has receipted it")
    if seen.active_count:
        if seen.broker_refusal is not None:
            return UploadState("no-broker", f"the broker refuses what this dock sends: {seen.broker_refusal}")
        if seen.is_open_acknowledged and not seen.has_subscribers:
            return UploadState("no-worker", "no ingest worker is online")
        if seen.silent_ms >= SILENCE_MS:
            seconds = seen.silent_ms // 1000
            if seen.is_open_acknowledged:
                return UploadState("no-answer", f"the broker acknowledges but central does not answer ({seconds} s)")
            return UploadState("no-answer", f"neither the broker nor central answers ({seconds} s)")
        return _uploading(seen)
    if seen.held_reason is not None:
        return UploadState("held", f"central holds: {seen.held_reason}")
    if seen.refused is not None:
        return UploadState("refused", f"central refuses {seen.refused}")
    return _uploading(seen)


def _uploading(seen: Snapshot) -> UploadState:
    return UploadState("uploading", f"{seen.left_count} files without receipt, {seen.left_bytes} bytes")
