"""Faults of this package. What is learned about evidence is a finding (`protocol.verdict`), never one of these."""

from typing import Literal

LedgerFault = Literal[
    "form", "key", "signature", "origin", "log-signature", "witnesses", "inclusion", "consistency", "leaf"
]
"""Why something of the ledger is refused: not in its one form; a public key that is none; a signature by a known key that does not
hold; a checkpoint of another log; one that its log did not sign; one with too few cosignatures; a leaf that is not shown to be in the
tree; a tree that is not shown to go on from another; a leaf that does not say what it was opened with."""


class ProtocolError(Exception):
    """The root of this package's faults."""


class PeerError(ProtocolError):
    """The other side, or a file, broke the specification; ``section`` names the rule."""

    def __init__(self, message: str, *, section: str) -> None:
        """Say what was found and what was expected, and cite the section."""
        super().__init__(f"{message} ({section})")
        self.section = section


class NotCanonical(PeerError):
    """Bytes are not the one deterministic encoding of what they say (spec/01-encoding.md, 1.1)."""

    def __init__(self, message: str) -> None:
        """Say what was found."""
        super().__init__(message, section="spec/01-encoding.md, 1.1")


class BodyMismatch(PeerError):
    """A body is not the one that its entry's head commits to (spec/02-chain.md, 2.2)."""

    def __init__(self, message: str) -> None:
        """Say what was found."""
        super().__init__(message, section="spec/02-chain.md, 2.2")


class BadSignature(PeerError):
    """A signature or a public key does not hold (spec/01-encoding.md, 1.3 and 1.4)."""

    def __init__(self, message: str) -> None:
        """Say what was found."""
        super().__init__(message, section="spec/01-encoding.md, 1.3")


class LedgerRefused(PeerError):
    """Something of the ledger does not hold; ``kind`` says in which way."""

    def __init__(self, message: str, *, kind: LedgerFault, section: str) -> None:
        """Say what was found and what was expected, name the way it failed, and cite the section."""
        super().__init__(message, section=section)
        self.kind: LedgerFault = kind


class KeyBoxUnreadable(ProtocolError):
    """A private key does not open a key box, or what was in it is not the key that the camera committed to."""


class SettingsError(ProtocolError):
    """A settings file cannot be used; the message names file, line and key and says what to write instead."""


class IllegalTransition(AssertionError):
    """A machine was told of something that cannot happen in its state: a bug of the caller."""
