"""Faults of the bench itself: what keeps it from running. What it learns about Sealcam is a finding in its report."""


class BenchError(Exception):
    """The bench cannot do what was asked; it says what was found, what was expected and what to do next."""

    def __init__(self, found: str, *, expected: str, next_step: str) -> None:
        """Take the three parts of the one sentence that the person at the terminal reads."""
        super().__init__(f"{found}; expected {expected}. Next: {next_step}")
        self._next_step = next_step

    def diagnosis(self) -> str:
        """Return the next thing to try."""
        return self._next_step


class ToolMissing(BenchError):
    """A program that the bench needs is not on this machine and could not be fetched."""


class BrokerFault(BenchError):
    """The broker did not start, or does not answer."""
