"""What the camera's end of the link wants done. The app does it and tells `protocol.link.camera` what came of it."""

from dataclasses import dataclass

from protocol.link.steps import Malformed, Send, SignTranscript, WantNonce
from protocol.receipt import ReceiptWithProof


@dataclass(frozen=True, slots=True)
class CloseShift:
    """Docked at a proven dock: close the shift, then call `on_shift_closed` with this number."""

    docking: int
    dock_key: bytes


@dataclass(frozen=True, slots=True)
class Undocked:
    """No longer docked."""


@dataclass(frozen=True, slots=True)
class MakeListing:
    """Look up the files of closed shifts and give them to `on_listing`."""

    request: int


@dataclass(frozen=True, slots=True)
class JudgeReceipt:
    """Ask the erase gate, and call `on_receipt_judged` when what it says is durable."""

    receipt_hash: bytes
    brought: ReceiptWithProof


@dataclass(frozen=True, slots=True)
class ShowReady:
    """Show that the dock has everything, or no longer."""

    is_ready: bool


@dataclass(frozen=True, slots=True)
class DockRefused:
    """A dock could not prove itself, or it refused this camera."""

    reason: str


CameraEffect = (
    Send | SignTranscript | WantNonce | Malformed | CloseShift | Undocked | MakeListing | JudgeReceipt | ShowReady
    | DockRefused
)  # fmt: skip
Effects = tuple[CameraEffect, ...]
