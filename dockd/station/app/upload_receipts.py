"""Receipts on their way into the spool: only those that hold under the dock's own policy (spec/04-trust.md, 4.4 and 4.5).

Where the policy names a ledger, a receipt counts with a proof that holds, and only with it: one whose proof is not there, or
was dropped since the camera wants a newer one, is asked for again.
"""

from dockd.station.core.upload_plan import Work
from dockd.station.ports import ShiftPlace, Spool
from protocol.errors import PeerError
from protocol.ledger.checkpoint import VerifiedCheckpoint
from protocol.policy import Policy
from protocol.receipt import Receipt, ReceiptWithProof, receipt_hash, verify_receipt
from protocol.receipt_proof import shown_in


class ReceiptShelf:
    """The receipts in the spool; a signature and a proof are looked at once."""

    def __init__(self, spool: Spool, policy: Policy) -> None:
        """Know nothing yet."""
        self._spool = spool
        self._policy = policy
        self._verified: dict[bytes, Receipt] = {}
        self._shown: dict[ReceiptWithProof, VerifiedCheckpoint | None] = {}

    def of_shift(self, place: ShiftPlace) -> tuple[tuple[Receipt, ...], dict[str, str]]:
        """Return the receipts of a shift that hold, and by name why others are none."""
        receipts: list[Receipt] = []
        faults: dict[str, str] = {}
        for brought in self._spool.receipts(place):
            try:
                receipt = self._verify(brought.signed)
            except PeerError as error:
                faults[f"receipt {receipt_hash(brought.signed).hex()[:16]}"] = str(error)
                continue
            if self._is_shown(brought):
                receipts.append(receipt)
        return tuple(receipts), faults

    def keep(self, work: Work, brought: ReceiptWithProof) -> bytes | None:
        """Keep what came as a receipt for a file, and return its hash; None when as much is kept already.

        Raises:
            PeerError: it does not hold, or is about another camera or shift.
            OperatingError: the spool is full.
        """
        receipt, file = self._verify(brought.signed), work.description
        if (receipt.camera_id, receipt.shift_id) != (file.camera_id, file.shift_id):
            raise PeerError(
                f"a receipt for shift {receipt.shift_id.hex()} of camera {receipt.camera_id.hex()} came for "
                f"{file.name} of {work.place.folder}",
                section="spec/07-offload.md, 7.5",
            )
        checkpoint = self._show(brought)
        kept = next((each for each in self._spool.receipts(work.place) if each.signed == brought.signed), None)
        if kept is not None and (brought.proof in (None, kept.proof) or self._is_older(checkpoint, kept)):
            return None
        self._spool.add_receipt(work.place, brought)
        return receipt_hash(brought.signed)

    def _is_older(self, checkpoint: VerifiedCheckpoint | None, kept: ReceiptWithProof) -> bool:
        """Say whether what is kept is shown in a larger tree than ``checkpoint``'s: answers may come in any order."""
        if checkpoint is None or not self._is_shown(kept):
            return False
        shown = self._shown[kept]
        return shown is not None and shown.checkpoint.size > checkpoint.checkpoint.size

    def _is_shown(self, brought: ReceiptWithProof) -> bool:
        try:
            self._show(brought)
        except PeerError:
            return False
        return True

    def _show(self, brought: ReceiptWithProof) -> VerifiedCheckpoint | None:
        if brought not in self._shown:
            self._shown[brought] = shown_in(brought, self._verify(brought.signed), self._policy)
        return self._shown[brought]

    def _verify(self, signed: bytes) -> Receipt:
        name = receipt_hash(signed)
        if name not in self._verified:
            self._verified[name] = verify_receipt(signed, self._policy)
        return self._verified[name]
