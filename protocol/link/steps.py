"""What both machines of the link share: times, the effect of sending, and the fault of an impossible step."""

from dataclasses import dataclass
from typing import Final

KNOCK_INTERVAL_NS: Final = 500_000_000
REST_NS: Final = 5_000_000_000
SILENCE_NS: Final = 5_000_000_000
RETRY_NS: Final = 500_000_000
PING_INTERVAL_NS: Final = 1_000_000_000
STALL_NS: Final = 1_000_000_000


class IllegalTransition(AssertionError):
    """A machine was told something by its own program that cannot happen in its state: our bug."""


@dataclass(frozen=True, slots=True)
class Send:
    """Put these bytes on the line, after those of earlier effects."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class SignTranscript:
    """Sign with the own key and give the signature to `on_signed`."""

    transcript: bytes


@dataclass(frozen=True, slots=True)
class WantNonce:
    """The spare nonce is used up: give 32 fresh random bytes to `take_nonce`."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """The other side broke the specification; for the log and its counter."""

    text: str
