"""Frees the spool, in the one durable order: the camera's answers, then the decision, then the files (I1, I2).

Whether media may go is decided in `dockd.station.core.freeing`. What a power cut left undone is done at the next start.
"""

from dockd.station.app.notes import ShiftNotes
from dockd.station.core.freeing import Free, Keep, decide
from dockd.station.ports import ShiftPlace, Spool
from protocol.layout import CHAIN_NAME
from protocol.policy import Policy
from protocol.verify.chain import ChainReport, ChainVerifier

_PIECE_BYTES = 1024 * 1024


class Freer:
    """The only code of the dock that removes footage that was complete."""

    def __init__(self, *, spool: Spool, policy: Policy) -> None:
        """Take the spool and the dock's own policy."""
        self._spool, self._policy = spool, policy
        self._notes = ShiftNotes(spool)

    def redo(self) -> int:
        """At start, before any bay: finish what was begun; return how many files went."""
        count = 0
        for place in self._spool.shifts():
            if self._notes.is_freed(place):
                count += self._notes.do_freeing(place)
            elif self._notes.erased(place):
                freed = self.free(place, self._report_of(place))
                count += len(freed.names) if isinstance(freed, Free) else 0
        return count

    def free(self, place: ShiftPlace, report: ChainReport | None) -> Free | Keep:
        """Drop a shift's media if that may be, and return what was decided."""
        decision = decide(
            camera=place.camera_id,
            report=report,
            files=self._spool.files(place),
            receipts=self._spool.receipts(place),
            erased=self._notes.erased(place),
            policy=self._policy,
        )
        if isinstance(decision, Free):
            self._notes.order_freeing(place, decision.names)
            self._notes.do_freeing(place)
        return decision

    def _report_of(self, place: ShiftPlace) -> ChainReport | None:
        if not any(file.name == CHAIN_NAME and file.is_complete for file in self._spool.files(place)):
            return None
        verifier, offset = ChainVerifier(file=f"{place.folder}/{CHAIN_NAME}"), 0
        while data := self._spool.read(place, CHAIN_NAME, offset, _PIECE_BYTES):
            verifier.feed(data)
            offset += len(data)
        return verifier.finish()
