"""Brings receipts from the spool to the camera, keeps its answers, and lets the spool be freed behind them.

The camera alone decides whether it erases; a refusal is said once and the receipt brought again later. One that wants another
proof gets the receipt again as soon as central has given a newer one.
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
from protocol.receipt import ReceiptWithProof, receipt_hash
from protocol.receipt_proof import tree_size_of

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
        on_proof_wanted: Callable[[], None],
    ) -> None:
        """Take the camera's session; ``look`` looks up what the spool holds of a shift now.

        ``on_proof_wanted``: the spool lacks a proof now, which central is to be asked for.
        """
        self._camera_id, self._asking, self._spool, self._policy = camera_id, asking, spool, policy
        self._say, self._look, self._on_erased = say, look, on_erased
        self._on_proof_wanted = on_proof_wanted
        self._notes = ShiftNotes(spool)
        self._freer = Freer(spool=spool, policy=policy)
        self._look_at_ns = 0
        self._tried: dict[ReceiptWithProof, int] = {}
        self._settled: set[ShiftPlace] = set()
        self._bringing: tuple[ShiftPlace, ReceiptWithProof] | None = None
        self._refused: set[tuple[bytes, str]] = set()
        self._accepted_size = 0

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
            brought = self._next_of(place, now_ns)
            if brought is not None:
                self._bringing = (place, brought)
                self._tried[brought] = now_ns
                return self._asking.bring_receipt(brought, now_ns)
        self._look_at_ns = now_ns + LOOK_EVERY_NS
        return ()

    def take(self, answer: ReceiptAnswered) -> None:
        """Take the camera's answer."""
        bringing, self._bringing = self._bringing, None
        if bringing is None or receipt_hash(bringing[1].signed) != answer.receipt_hash:
            return
        place, brought = bringing
        recording = recording_of(brought.signed, self._policy)
        about: dict[str, object] = {
            "folder": place.folder,
            "recording_id": None if recording is None else recording.hex(),
        }
        if not answer.is_erased:
            if (answer.receipt_hash, answer.reason) not in self._refused:
                self._refused.add((answer.receipt_hash, answer.reason))
                self._say("receipt-refused", {"text": f"the camera does not erase: {answer.reason}", **about})
            if answer.is_proof_wanted:
                self._want_proof(place, brought)
            return
        self._accepted_size = max(self._accepted_size, tree_size_of(brought))
        self._notes.add_erased(place, answer.receipt_hash)
        self._say("erased", about)
        for other in self._spool.receipts(place):
            # The chain's own receipt, refused while recordings were left, may be good now.
            self._tried.pop(other, None)
        self._on_erased()
        self._free(place)

    def _next_of(self, place: ShiftPlace, now_ns: int) -> ReceiptWithProof | None:
        """Return a receipt behind which the camera has not erased yet: those of recordings before the chain's, and among
        them the one shown in the smallest tree, since the camera accepts no smaller one after a larger.
        """
        if self._notes.is_freed(place):
            self._settled.add(place)
            return None
        erased = self._notes.erased(place)
        waiting = [
            brought
            for brought in self._spool.receipts(place)
            if receipt_hash(brought.signed) not in erased
            and (brought not in self._tried or now_ns - self._tried[brought] >= AGAIN_NS)
            and self._has_proof(place, brought)
        ]
        return min(waiting, key=self._turn_of, default=None)

    def _has_proof(self, place: ShiftPlace, brought: ReceiptWithProof) -> bool:
        """Say whether the camera need not refuse it for its proof; one that it must refuse by now is dropped."""
        if self._policy.ledger is None:
            return True
        if brought.proof is not None and tree_size_of(brought) < self._accepted_size:
            self._want_proof(place, brought)
            return False
        return brought.proof is not None

    def _want_proof(self, place: ShiftPlace, brought: ReceiptWithProof) -> None:
        """Drop a proof that does not serve the camera: without it the receipt counts as not yet given."""
        self._spool.drop_proof(place, brought)
        self._on_proof_wanted()

    def _turn_of(self, brought: ReceiptWithProof) -> tuple[bool, int]:
        return recording_of(brought.signed, self._policy) is None, tree_size_of(brought)

    def _free(self, place: ShiftPlace) -> None:
        decision = self._freer.free(place, self._look(place).report)
        if isinstance(decision, Free):
            self._look(place)
            self._settled.add(place)
            self._say("freed", {"folder": place.folder, "file_count": len(decision.names)})
