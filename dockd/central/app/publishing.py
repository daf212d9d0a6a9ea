"""Publishes checkpoints: has witnesses cosign the newest one, and makes durable what is believed by enough of them.

Proofs are made against the published checkpoint alone. Witnesses that are down or refuse hold it back and are said in
an event; they never lower the threshold.
"""

from typing import Final

from dockd.central.app.ledger_reading import LedgerReader
from dockd.central.core.ledger_tree import COSIGNED_NAME
from dockd.central.ledger_ports import Cosigning, TileStore
from dockd.central.ports import OnEvent
from protocol.errors import LedgerRefused
from protocol.ledger.checkpoint import SignedCheckpoint
from protocol.ledger.note import Note, NoteSignature, cosigners
from protocol.units import NOTE_SIGNATURES_MAX

RETRY_MS_MIN: Final = 500
RETRY_MS_MAX: Final = 30_000


class Publisher:
    """Goes from one published checkpoint to a larger one; time comes in as an argument."""

    def __init__(self, *, store: TileStore, reader: LedgerReader, cosigning: Cosigning, on_event: OnEvent) -> None:
        """Take the ledger, and who asks the witnesses.

        Raises:
            StoreFault, LedgerMismatch: the ledger cannot be read.
        """
        self._store = store
        self._reader = reader
        self._cosigning = cosigning
        self._on_event = on_event
        published = reader.published()
        self._size = 0 if published is None else published.checkpoint.size
        self._retry_ms = RETRY_MS_MIN
        self._not_before_ms: int | None = None

    def step(self, newest: SignedCheckpoint, now_ms: int) -> bool:
        """Publish the newest checkpoint, durable on return, if it is larger and enough witnesses cosign it; say if it was.

        After a failure nobody is asked for a while.

        Raises:
            StoreFault, LedgerMismatch: the ledger cannot be read or written now.
        """
        size = newest.checkpoint.size
        if size <= self._size or (self._not_before_ms is not None and now_ms < self._not_before_ms):
            return False
        threshold = self._reader.trust.witness_threshold
        good: tuple[NoteSignature, ...] = ()
        if threshold:
            good = self._good(newest, self._cosigning.collect(newest, self._reader.consistency(size)))
        cosigned = newest.with_signatures(good)
        count = len(cosigners(cosigned.note, self._reader.trust.outside_keys))
        if count < threshold:
            self._not_before_ms = now_ms + self._retry_ms
            self._retry_ms = min(2 * self._retry_ms, RETRY_MS_MAX)
            self._on_event("unwitnessed", {"size": size, "cosignatures": count, "threshold": threshold})
            return False
        self._store.write({COSIGNED_NAME: cosigned.encoded()})
        self._size, self._not_before_ms, self._retry_ms = size, None, RETRY_MS_MIN
        self._on_event("published", {"size": size, "cosignatures": count})
        return True

    def _good(self, newest: SignedCheckpoint, lines: tuple[NoteSignature, ...]) -> tuple[NoteSignature, ...]:
        """Return the lines that are by known witnesses and hold: one that does not would make readers refuse all of it."""
        room = NOTE_SIGNATURES_MAX - len(newest.note.signatures)
        return tuple(line for line in lines if self._is_good(newest.note.text, line))[:room]

    def _is_good(self, text: str, line: NoteSignature) -> bool:
        try:
            return bool(cosigners(Note(text, (line,)), self._reader.trust.outside_keys))
        except LedgerRefused as error:
            self._on_event("cosignature-refused", {"witness": line.name, "reason": str(error)})
            return False


class NoWitnesses:
    """For a policy that asks for none."""

    def collect(self, checkpoint: SignedCheckpoint, prove: object) -> tuple[NoteSignature, ...]:
        """Ask nobody."""
        return ()


_: type[Cosigning] = NoWitnesses
