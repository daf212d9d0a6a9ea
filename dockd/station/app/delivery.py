"""Brings receipts from the spool to the camera, keeps its answers, and lets the spool be freed behind them.

The camera alone decides whether it erases; a refusal is said once and the receipt brought again later.
"""

from collections.abc import Callable
from typing import Final

from dockd.station.app.freeing import Freer
from dockd.station.app.notes import ShiftNotes
from dockd.station.core.bay import Holding
from dockd.station.core.freeing import Free, recording_of
from dockd.station.ports import ShiftPlace, Spool
from protocol.link.asking import Asking
from protocol.link.dock_effects import Effects, ReceiptAnswered
from protocol.policy import Policy
from protocol.receipt import receipt_hash

LOOK_EVERY_NS: Final = 1_000_000_000
AGAIN_NS: Final = 30_000_000_000

Say = Callable[[str, dict[str, object]], None]


class Delivery:
    """The receipts of one docked camera, one at a time."""

    def __init__(
        self,
        *,
        camera_id: bytes,
        asking: Asking,
        spool: Spool,
        policy: Policy,
        say: Say,
        look: Callable[[ShiftPlace], Holding],
        on_erased: Callable[[], None],
    ) -> None:
        """Take the camera's session; ``look`` looks up what the spool holds of a shift now."""
        self._camera_id, self._asking, self._spool, self._policy = camera_id, asking, spool, policy
        self._say, self._look, self._on_erased = say, look, on_erased
        self._notes = ShiftNotes(spool)
        self._freer = Freer(spool=spool, policy=policy)
        self._look_at_ns = 0
        self._tried: dict[bytes, int] = {}
        self._settled: set[ShiftPlace] = set()
        self._bringing: tuple[ShiftPlace, bytes] | None = None
        self._refused: set[tuple[bytes, str]] = set()

    def look_soon(self) -> None:
        """Look into the spool at the next turn."""
        self._look_at_ns = 0

    def next(self, now_ns: int) -> Effects:
        """Return the next receipt to send, if there is one and none is under way."""
        if self._asking.is_bringing or now_ns < self._look_at_ns:
            return ()
        for place in self._spool.shifts():
            if place.camera_id != self._camera_id or place in self._settled:
                continue
            signed = self._next_of(place, now_ns)
            if signed is not None:
                self._bringing = (place, signed)
                self._tried[receipt_hash(signed)] = now_ns
                return self._asking.bring_receipt(signed, now_ns)
        self._look_at_ns = now_ns + LOOK_EVERY_NS
        return ()

    def take(self, answer: ReceiptAnswered) -> None:
        """Take the camera's answer."""
        bringing, self._bringing = self._bringing, None
        if bringing is None or receipt_hash(bringing[1]) != answer.receipt_hash:
            return
        place, signed = bringing
        recording = recording_of(signed, self._policy)
        about: dict[str, object] = {
            "folder": place.folder,
            "recording_id": None if recording is None else recording.hex(),
        }
        if not answer.is_erased:
            if (answer.receipt_hash, answer.reason) not in self._refused:
                self._refused.add((answer.receipt_hash, answer.reason))
                self._say("receipt-refused", {"text": f"the camera does not erase: {answer.reason}", **about})
            return
        self._notes.add_erased(place, answer.receipt_hash)
        self._say("erased", about)
        for other in self._spool.receipts(place):
            # The chain's own receipt, refused while recordings were left, may be good now.
            self._tried.pop(receipt_hash(other), None)
        self._on_erased()
        self._free(place)

    def _next_of(self, place: ShiftPlace, now_ns: int) -> bytes | None:
        """Return a receipt behind which the camera has not erased yet; those of recordings before the chain's."""
        if self._notes.is_freed(place):
            self._settled.add(place)
            return None
        erased = self._notes.erased(place)
        waiting = [
            signed
            for signed in self._spool.receipts(place)
            if (named := receipt_hash(signed)) not in erased
            and (named not in self._tried or now_ns - self._tried[named] >= AGAIN_NS)
        ]
        return min(waiting, key=lambda signed: recording_of(signed, self._policy) is None, default=None)

    def _free(self, place: ShiftPlace) -> None:
        decision = self._freer.free(place, self._look(place).report)
        if isinstance(decision, Free):
            self._look(place)
            self._settled.add(place)
            self._say("freed", {"folder": place.folder, "file_count": len(decision.names)})
