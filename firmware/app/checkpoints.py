"""Remembers the largest checkpoint of the ledger that this camera ever accepted (spec/04-trust.md, 4.5, point 5).

It stands on the card, apart from the shifts, which are erased one day. Each is written under a name of its own, and those
before it go afterwards: a power cut leaves one of them or both, and the largest counts. It is never lowered.
"""

import re
from collections.abc import Iterator
from typing import Final

from firmware.core.recovery import PARTIAL_SUFFIX
from firmware.ports import Store
from protocol.canonical import digest
from protocol.errors import PeerError
from protocol.ledger.checkpoint import Checkpoint, SignedCheckpoint, VerifiedCheckpoint, parse_signed_checkpoint
from protocol.policy import Policy
from protocol.units import LEDGER_PROOF_SIZE_BYTES_MAX

FOLDER: Final = "ledger"
_NAME: Final = re.compile(r"([0-9a-f]{16})-([0-9]{19})\.checkpoint")


class CheckpointShelf:
    """What the card remembers of the ledger that the policy names. One thread writes."""

    def __init__(self, *, store: Store, policy: Policy) -> None:
        """Take the card, and the policy that names the ledger; nothing is touched."""
        self._store = store
        self._ledger = policy.ledger

    def largest(self) -> Checkpoint | None:
        """Return the largest checkpoint accepted of this ledger; None before the first, and where there is no ledger."""
        kept = max(self._kept(), default=None)
        if kept is None or self._ledger is None:
            return None
        signed = self._read(kept[1])
        # Where the file has rotted its name still says how large it was: only a larger tree is accepted then.
        return Checkpoint(self._ledger.origin, kept[0], bytes(32)) if signed is None else signed.checkpoint

    def newest_note(self) -> bytes | None:
        """Return the largest checkpoint accepted as its log and witnesses signed it; None where there is none."""
        kept = max(self._kept(), default=None)
        signed = None if kept is None else self._read(kept[1])
        return None if signed is None else signed.encoded()

    def accept(self, accepted: VerifiedCheckpoint) -> None:
        """Remember a checkpoint that the erase gate accepted; durable on return.

        Raises:
            StoreFull: the card has no room for it; what was remembered before stands.
        """
        before = sorted(self._kept())
        if before and before[-1][0] >= accepted.checkpoint.size:
            return
        self._store.make_folder(FOLDER)
        cut_short = [file.name for file in self._store.files(FOLDER) if file.name.endswith(PARTIAL_SUFFIX)]
        name = f"{self._prefix()}-{accepted.checkpoint.size:019d}.checkpoint"
        self._store.write_once(FOLDER, name, accepted.signed_bytes)
        for old in (*(name for _, name in before), *cut_short):
            self._store.remove(FOLDER, old)

    def _prefix(self) -> str:
        """Return what names the ledger: one that takes its place counts from the beginning."""
        assert self._ledger is not None
        return digest("sealcam/1 ledger-origin", self._ledger.origin.encode()).hex()[:16]

    def _kept(self) -> Iterator[tuple[int, str]]:
        """Give tree size and name of the checkpoints of this ledger on the card."""
        if self._ledger is None or FOLDER not in self._store.folders():
            return
        for file in self._store.files(FOLDER):
            match = _NAME.fullmatch(file.name)
            if match is not None and match[1] == self._prefix():
                yield int(match[2]), file.name

    def _read(self, name: str) -> SignedCheckpoint | None:
        # It was verified before it was kept; under a policy with other witnesses since then it counts all the same.
        try:
            return parse_signed_checkpoint(self._store.read(FOLDER, name, 0, LEDGER_PROOF_SIZE_BYTES_MAX))
        except PeerError:
            return None
