"""What a witness needs from the world, and what its server needs from it, as typed ports (dockd/design/witness.md)."""

from dataclasses import dataclass
from typing import Protocol


class StateDisk(Protocol):
    """One flat folder of small files, on which the witness itself takes the steps that make a state durable.

    `write` may raise StateFault: what is durable stands. The other calls that change something raise StateUncertain when
    they fail: what is durable is not known any more, and the process ends.
    """

    def names(self) -> tuple[str, ...]:
        """Return the names of all files, sorted."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Make a file, or give one other bytes. Nothing is durable: after a crash the file may be gone, cut, or mixed."""

    def sync(self, name: str) -> None:
        """Return when a file's bytes would survive a power cut; its name may not yet."""

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name, in place of the file that has it; not durable before `sync_folder`."""

    def sync_folder(self) -> None:
        """Return when all names would survive a power cut."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    content_type: str
    body: bytes


class Witnessing(Protocol):
    """The witness as its server sees it. Any thread may call it; every call may block for a write to the disk."""

    def add_checkpoint(self, body: bytes) -> Answer:
        """Return the answer to a request; a cosignature is in it only after the state that it stands for is durable.

        Raises:
            StateUncertain: answer with nothing but a failure, and end the process.
        """

    def refuse(self, reason: str) -> None:
        """Count a request that the server turned away unread, and why."""

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """Return the newest checkpoint that was cosigned, of the log whose origin has this SHA-256 in hex."""

    def page(self) -> tuple[bytes, str]:
        """Return the page for people, and the policy (CSP) that it is shown under."""

    def state(self) -> bytes:
        """Return the same for machines, as JSON."""
