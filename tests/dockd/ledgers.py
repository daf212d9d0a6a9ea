"""A ledger on a desk: its queue in a real catalogue, files wherever a test wants them, witnesses that decide as real ones do."""

import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dockd.central.adapters.catalogue import SqliteCatalogue
from dockd.central.adapters.leaf_queue import SqliteLeafQueue
from dockd.central.app.ledger_reading import LedgerReader, ReceiptProofs
from dockd.central.app.publishing import Publisher
from dockd.central.app.sequencer import Sequencer
from dockd.central.core.leaves import leaf_data, leaf_row, receipt_opening
from dockd.central.ledger_ports import Cosigning, LeafQueue, ProveConsistency, TileStore
from dockd.central.ports import EventFields, LeafRow, ReceiptRow, ShiftKey
from hw_sim.crash_tile_store import CrashTileStore
from protocol.keys import SoftwareEd25519
from protocol.ledger.add_checkpoint import AddCheckpoint, Outcome, TreeHead, decide, parse_add_checkpoint
from protocol.ledger.add_checkpoint import format_add_checkpoint as request_body
from protocol.ledger.checkpoint import SignedCheckpoint
from protocol.ledger.leaves import make_leaf
from protocol.ledger.merkle import leaf_hash
from protocol.ledger.note import NoteSignature, cosign_text
from protocol.ledger.proof import VerifiedInclusion, parse_proof, verify_proof
from protocol.ledger.tiles import TILE_WIDTH, Bundle
from protocol.ledger.trust import LedgerTrust
from tests.builders import secret

ORIGIN = "city-of-example/sealcam"
KEY = SoftwareEd25519(secret("ledger", 32))
WITNESS_KEYS = tuple(SoftwareEd25519(secret(f"witness/{number}", 32)) for number in range(3))


def trust(threshold: int = 0) -> LedgerTrust:
    return LedgerTrust(ORIGIN, (KEY.public_key,), tuple(key.public_key for key in WITNESS_KEYS), threshold)


def receipt(number: int) -> ReceiptRow:
    """Return a receipt's row; nothing of it is looked at here but its hash and its place."""
    key = ShiftKey(b"c" * 16, (number % 7).to_bytes(16, "big"))
    return ReceiptRow(key, number.to_bytes(16, "big"), number.to_bytes(32, "big"), b"signed")


@functools.cache
def leaf_of(number: int) -> LeafRow:
    return leaf_row(receipt_opening(receipt(number)), secret(f"salt/{number}", 32))


def leaves(start: int, end: int) -> tuple[LeafRow, ...]:
    return tuple(leaf_of(number) for number in range(start, end))


@functools.cache
def _empty_catalogue() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "catalogue.sqlite"
        SqliteCatalogue.create(file).close()
        return file.read_bytes()


def new_queue(folder: Path) -> SqliteLeafQueue:
    folder.mkdir(exist_ok=True)
    file = folder / "catalogue.sqlite"
    file.write_bytes(_empty_catalogue())
    return SqliteLeafQueue(file)


class Witnesses:
    """Witnesses as they are, without their wire: the decision of `protocol.ledger.add_checkpoint`, and a head that is kept."""

    def __init__(self, keys: tuple[SoftwareEd25519, ...] = WITNESS_KEYS) -> None:
        self._keys = keys
        self.heads: dict[bytes, TreeHead] = {}
        self.away: set[bytes] = set()
        self.refusals: list[Outcome] = []
        self.asked_count = 0
        self._at_s = 1_700_000_000

    def collect(self, checkpoint: SignedCheckpoint, prove: ProveConsistency) -> tuple[NoteSignature, ...]:
        self.asked_count += 1
        return tuple(line for key in self._keys if (line := self._ask(key, checkpoint, prove)) is not None)

    def _ask(self, key: SoftwareEd25519, checkpoint: SignedCheckpoint, prove: ProveConsistency) -> NoteSignature | None:
        if key.public_key in self.away:
            return None
        known = self.heads.get(key.public_key)
        old_size = 0 if known is None else known.size
        if old_size > checkpoint.checkpoint.size:
            return None
        body = request_body(AddCheckpoint(old_size, prove(old_size), checkpoint))
        decision = decide(parse_add_checkpoint(body), (KEY.public_key,), known)
        if decision.outcome is not Outcome.COSIGN:
            self.refusals.append(decision.outcome)
            return None
        self.heads[key.public_key] = decision.head
        self._at_s += 1
        return cosign_text(checkpoint.note.text, "witness.example/one", key, at_s=self._at_s)


_: type[Cosigning] = Witnesses


@dataclass
class Desk:
    """Sequencer, publisher and proofs over one store and one queue; made again, it is the ledger after a restart."""

    store: TileStore
    queue: LeafQueue
    witnesses: Witnesses = field(default_factory=Witnesses)
    threshold: int = 0
    batch_leaves_max: int = 8192
    events: list[tuple[str, EventFields]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now_ms = 0
        self.trust = trust(self.threshold)
        self.sequencer = Sequencer(
            store=self.store,
            queue=self.queue,
            key=KEY,
            trust=self.trust,
            on_event=self._on_event,
            batch_leaves_max=self.batch_leaves_max,
        )
        self.reader = LedgerReader(self.store, self.trust)
        self.publisher = Publisher(
            store=self.store, reader=self.reader, cosigning=self.witnesses, on_event=self._on_event
        )
        self.proof_of = ReceiptProofs(self.reader, self.queue)

    def _on_event(self, name: str, fields: EventFields) -> None:
        self.events.append((name, fields))

    def turn(self) -> int:
        count = self.sequencer.step()
        self.publisher.step(self.sequencer.signed, self.now_ms)
        return count

    def drain(self) -> None:
        while self.turn():
            pass

    @property
    def size(self) -> int:
        return self.sequencer.signed.checkpoint.size

    def shown(self, number: int) -> VerifiedInclusion | None:
        """Return what a camera finds in the proof of this receipt."""
        proof = self.proof_of(receipt(number))
        return None if proof is None else verified(proof, number, self.trust)

    def entries(self) -> Iterator[bytes]:
        for index in range((self.size + TILE_WIDTH - 1) // TILE_WIDTH):
            yield from self.reader.entries(Bundle(index, min(TILE_WIDTH, self.size - index * TILE_WIDTH)))


def verified(proof: bytes, number: int, by: LedgerTrust) -> VerifiedInclusion:
    """Verify a proof as a camera does: the leaf is made of the receipt and the salt that came along."""
    parsed = parse_proof(proof)
    assert parsed.extra is not None
    return verify_proof(parsed, leaf_hash(make_leaf(receipt_opening(receipt(number)), parsed.extra)), by)


def data_of(rows: tuple[LeafRow, ...]) -> list[bytes]:
    return [leaf_data(row) for row in rows]


def desk_in_memory(folder: Path, *, files: Mapping[str, bytes] | None = None, threshold: int = 0) -> Desk:
    return Desk(CrashTileStore(files), new_queue(folder), threshold=threshold)


Changed = Callable[[dict[str, bytes]], None]
