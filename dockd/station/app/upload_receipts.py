"""Receipts on their way into the spool: only those that hold under the dock's own policy (spec/04-trust.md, 4.4)."""

from dockd.station.core.upload_plan import Work
from dockd.station.ports import ShiftPlace, Spool
from protocol.errors import PeerError
from protocol.policy import Policy
from protocol.receipt import Receipt, receipt_hash, verify_receipt


class ReceiptShelf:
    """The receipts in the spool; a signature is looked at once."""

    def __init__(self, spool: Spool, policy: Policy) -> None:
        """Know nothing yet."""
        self._spool = spool
        self._policy = policy
        self._verified: dict[bytes, Receipt] = {}

    def of_shift(self, place: ShiftPlace) -> tuple[tuple[Receipt, ...], dict[str, str]]:
        """Return the receipts of a shift that hold, and by name why others do not."""
        receipts: list[Receipt] = []
        faults: dict[str, str] = {}
        for signed in self._spool.receipts(place):
            try:
                receipts.append(self._verify(signed))
            except PeerError as error:
                faults[f"receipt {receipt_hash(signed).hex()[:16]}"] = str(error)
        return tuple(receipts), faults

    def keep(self, work: Work, signed: bytes) -> bytes | None:
        """Keep what came as a receipt for a file, and return its hash; None when it is kept already.

        Raises:
            PeerError: it does not hold, or is about another camera or shift.
            OperatingError: the spool is full.
        """
        receipt, file = self._verify(signed), work.description
        if (receipt.camera_id, receipt.shift_id) != (file.camera_id, file.shift_id):
            raise PeerError(
                f"a receipt for shift {receipt.shift_id.hex()} of camera {receipt.camera_id.hex()} came for "
                f"{file.name} of {work.place.folder}",
                section="spec/07-offload.md, 7.5",
            )
        if signed in self._spool.receipts(work.place):
            return None
        name = receipt_hash(signed)
        self._spool.add_receipt(work.place, name, signed)
        return name

    def _verify(self, signed: bytes) -> Receipt:
        name = receipt_hash(signed)
        if name not in self._verified:
            self._verified[name] = verify_receipt(signed, self._policy)
        return self._verified[name]
