"""A camera at its dock with something to erase, and a ledger in which the receipts for it stand."""

from firmware.app.checkpoints import FOLDER
from firmware.app.eraser import ReceiptOutcome
from hw_sim.crash_store import CrashStore, Faults
from protocol.entries import Erased
from protocol.layout import parse_file_name
from protocol.receipt import ReceiptWithProof, receipt_hash
from protocol.verify.chain import ChainReport
from tests.firmware.crash_judge import Card
from tests.firmware.crash_world import AGENCY, Life, receipts_for


class Day:
    """A camera with one closed shift of two recordings, and an open one."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.life = Life(CrashStore(faults=faults), "first life")
        self.life.start()
        self.life.record(2)
        self.life.record(1)
        self.shift_id = self.life.dock()
        self.folder = next(
            folder for folder in self.life.store.folders() if folder not in (FOLDER, self.life.log.folder)
        )
        self.report: ChainReport = self.life.report(self.shift_id)
        self.of_chain, self.of_first, self.of_second = receipts_for(self.report)
        for signed in receipts_for(self.report):
            self.life.ledger.add(signed, AGENCY.policy)

    def take(self, signed: bytes) -> ReceiptOutcome:
        return self.bring(signed, self.proof(signed))

    def bring(self, signed: bytes, proof: bytes | None) -> ReceiptOutcome:
        self.life.eraser.prepare(signed)
        return self.life.eraser.take(ReceiptWithProof(signed=signed, proof=proof))

    def proof(self, signed: bytes, *, size: int | None = None) -> bytes:
        ledger = self.life.ledger
        if receipt_hash(signed) not in ledger.salts:
            # Whatever the day's ledger never took has a proof of somebody else's leaf.
            return ledger.proof(self.of_first)
        return ledger.proof(signed, size=size)

    def restart(self, name: str = "second life") -> None:
        self.life = Life(CrashStore.of_killed(self.life.store.disk), name, ledger=self.life.ledger)
        self.life.start()

    @property
    def names(self) -> set[str]:
        return {file.name for file in self.life.store.files(self.folder)}

    @property
    def recordings(self) -> set[bytes]:
        parsed = [parse_file_name(name) for name in self.names]
        return {found.recording_id for found in parsed if found is not None and found.recording_id is not None}

    @property
    def erased(self) -> list[tuple[bytes, bytes | None]]:
        """Return what all chains on the card say was erased, each as often as they say it."""
        card = Card.of(self.life.store.disk.live())
        bodies = [body for report in card.reports.values() for _, body in report.bodies]
        return [(body.shift_id, body.recording_id) for body in bodies if isinstance(body, Erased)]
