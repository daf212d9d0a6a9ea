"""Faults that station and central share. What is learned about evidence is a finding, never one of these."""


class DockdError(Exception):
    """The root of this package's faults."""


class OperatingError(DockdError):
    """The world failed in a known way, and we know our state; the message says what was found and what was expected."""

    def __init__(self, found: str, *, expected: str, next_step: str) -> None:
        """Take the three parts of the one sentence that an operator reads."""
        super().__init__(f"{found}; expected {expected}. Next: {next_step}")
        self._next_step = next_step

    def diagnosis(self) -> str:
        """Return the next thing to try."""
        return self._next_step


class CredentialsFault(OperatingError):
    """A certificate, a private key or a revocation list is missing, unreadable or not what it should be."""


class BrokerUnreachable(OperatingError):
    """The broker is not there, is not the one that we trust, or does not let us in."""
