"""What the dock's end of the link wants done, and what it reports. The app does it, in order."""

from dataclasses import dataclass

from protocol.link.messages import ListedFile
from protocol.link.steps import Malformed, Send, SignTranscript, WantNonce


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """The camera has proved itself and is enrolled under the dock's policy."""

    camera_key: bytes
    serial: str
    enrolment: bytes
    camera_policy_version: int


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session is over; the machine knocks for the next one."""

    reason: str


@dataclass(frozen=True, slots=True)
class CameraRefused:
    """A camera is there that is not trusted, or that does not trust this dock. Nothing was read."""

    reason: str


@dataclass(frozen=True, slots=True)
class Vacant:
    """Nobody answers any more."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A fresh listing, whole."""

    files: tuple[ListedFile, ...]


@dataclass(frozen=True, slots=True)
class Arrived:
    """The next bytes of the file that is being read."""

    offset_bytes: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ReadEnded:
    """The file has arrived up to the size that was asked for, or the camera refused, and says why."""

    refusal: str | None


@dataclass(frozen=True, slots=True)
class ReceiptAnswered:
    """What the camera's erase gate says of the receipt that was brought."""

    receipt_hash: bytes
    is_erased: bool
    is_proof_wanted: bool
    reason: str


DockEffect = (
    Send
    | SignTranscript
    | WantNonce
    | Malformed
    | SessionOpened
    | SessionEnded
    | CameraRefused
    | Vacant
    | Listed
    | Arrived
    | ReadEnded
    | ReceiptAnswered
)
Effects = tuple[DockEffect, ...]
