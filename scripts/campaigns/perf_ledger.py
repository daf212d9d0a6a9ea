"""`perf ledger`: leaves appended in durable batches, proofs out of a tree of a million leaves, and a start after a cut.

Everything is the real thing: queue in SQLite, tiles and checkpoints fsynced, three witnesses' cosignatures made and verified. The tree
grows in memory-backed storage where there is some, since the disk is not the point; the disk's own figure stands beside.
"""

import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dockd.central.adapters.catalogue import SqliteCatalogue
from dockd.central.adapters.leaf_queue import SqliteLeafQueue
from dockd.central.adapters.tile_folder import TileFolder
from dockd.central.app.ledger_reading import LedgerReader, ReceiptProofs
from dockd.central.app.publishing import Publisher
from dockd.central.app.sequencer import BATCH_LEAVES_MAX, Sequencer
from dockd.central.core.leaves import RECEIPT_KIND, leaf_data, leaf_row, receipt_opening
from dockd.central.ports import EventFields, LeafRow, ReceiptRow, ShiftKey
from protocol.keys import SoftwareEd25519
from protocol.ledger.checkpoint import SignedCheckpoint
from protocol.ledger.merkle import leaf_hash
from protocol.ledger.note import NoteSignature, cosign_text
from protocol.ledger.proof import parse_proof, verify_proof
from protocol.ledger.trust import LedgerTrust
from scripts.campaigns.command import Campaign, CannotRun, Order
from scripts.campaigns.result import Row, at_least, at_most, measured

_LEAVES_MAX: Final = 1_000_000
_LEAVES_MIN: Final = 2 * BATCH_LEAVES_MAX
_DISK_LEAVES: Final = 4 * BATCH_LEAVES_MAX
_PUT_AT_ONCE: Final = 20_000
_PROOFS: Final = 300
_ROOM_BYTES: Final = 2 << 30
_MEMORY: Final = Path("/dev/shm")
_KEY_OF_SHIFT: Final = ShiftKey(bytes(16), bytes(16))
_NO_HASH: Final = bytes(32)
_TEMPLATE: Final = receipt_opening(ReceiptRow(_KEY_OF_SHIFT, None, _NO_HASH, b"")).encoded()


class _Witnesses:
    """Three that cosign whatever they are shown: what is measured is the log, not their wire."""

    def __init__(self, keys: Sequence[SoftwareEd25519]) -> None:
        self._keys = keys

    def collect(self, checkpoint: SignedCheckpoint, prove: object) -> tuple[NoteSignature, ...]:
        text = checkpoint.note.text
        return tuple(cosign_text(text, "witness.example/w", key, at_s=1_700_000_000) for key in self._keys)


def run(order: Order) -> Sequence[Row]:
    """Measure."""
    share = min(1.0, order.budget_s / CAMPAIGN.budget_s)
    count = max(_LEAVES_MIN, int(_LEAVES_MAX * share))
    with _ledger(_memory()) as ledger:
        per_s, slowest_s = ledger.append(count, order)
        rows = [
            measured("leaves in the tree", count, "leaves"),
            at_least("leaves appended in durable batches", round(per_s), "leaves/s", 5000),
            measured("slowest batch", round(slowest_s * 1000, 1), "ms"),
            *_proofs(ledger, count, order),
            *_starts(ledger, count),
        ]
    with _ledger(Path(tempfile.gettempdir())) as ledger:
        per_s, _ = ledger.append(min(_DISK_LEAVES, count), order)
        rows.append(at_least("leaves appended in durable batches, on the disk", round(per_s), "leaves/s", 5000))
    return rows


class _Ledger:
    """One ledger in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "ledger").mkdir()
        SqliteCatalogue.create(folder / "catalogue.sqlite").close()
        key, *witnesses = (SoftwareEd25519(hashlib.sha256(bytes([number])).digest()) for number in range(4))
        self._key = key
        self._witnesses = _Witnesses(witnesses)
        self.trust = LedgerTrust(
            "city-of-example/sealcam", (key.public_key,), tuple(one.public_key for one in witnesses), 2
        )
        self.queue = SqliteLeafQueue(folder / "catalogue.sqlite")
        self.store = TileFolder(folder / "ledger", can_write=True)
        self.open()

    def open(self) -> None:
        """Start, as after a cut."""
        self.sequencer = Sequencer(
            store=self.store, queue=self.queue, key=self._key, trust=self.trust, on_event=_say_nothing
        )
        reader = LedgerReader(self.store, self.trust)
        self.publisher = Publisher(store=self.store, reader=reader, cosigning=self._witnesses, on_event=_say_nothing)
        self.proof_of = ReceiptProofs(reader, self.queue)

    def append(self, count: int, order: Order) -> tuple[float, float]:
        """Queue so many leaves, then take them into the tree; return leaves a second of the latter, and its slowest batch."""
        draws = order.stream("salts")
        for start in range(0, count, _PUT_AT_ONCE):
            order.progress.say(f"queues leaves, {start:,d} of {count:,d}")
            end = min(count, start + _PUT_AT_ONCE)
            self.queue.put(tuple(_leaf(number, draws.randbytes(32)) for number in range(start, end)))
        times_s, done = [], 0
        while done < count:
            began_s = time.perf_counter()
            done += self.sequencer.step()
            self.publisher.step(self.sequencer.signed, 0)
            times_s.append(time.perf_counter() - began_s)
            order.progress.say(f"appends, {done:,d} of {count:,d}")
        return count / sum(times_s), max(times_s)


def _proofs(ledger: _Ledger, count: int, order: Order) -> Iterator[Row]:
    """Measure what a proof weighs, and what making and verifying it takes."""
    made_s, verified_s, sizes = [], [], []
    for number in order.stream("proofs").sample(range(count), _PROOFS):
        receipt = _receipt(number)
        began_s = time.perf_counter()
        proof = ledger.proof_of(receipt)
        made_s.append(time.perf_counter() - began_s)
        assert proof is not None, f"leaf {number} is not proved"
        sizes.append(len(proof))
        salt = parse_proof(proof).extra
        assert salt is not None
        leaf = leaf_hash(leaf_data(leaf_row(receipt_opening(receipt), salt)))
        began_s = time.perf_counter()
        shown = verify_proof(parse_proof(proof), leaf, ledger.trust)
        verified_s.append(time.perf_counter() - began_s)
        assert shown.index == number
    yield at_most("largest proof", max(sizes), "B", 2000)
    yield measured("a proof made", round(statistics.median(made_s) * 1000, 3), "ms")
    yield at_most("a proof verified, with 3 cosignatures", round(statistics.median(verified_s) * 1000, 3), "ms", 1.0)


def _starts(ledger: _Ledger, count: int) -> Iterator[Row]:
    """Measure a start: the whole check of what is there, and the batch that a cut left with places and no tiles."""
    began_s = time.perf_counter()
    ledger.open()
    yield measured("start", round((time.perf_counter() - began_s) * 1000, 1), "ms")
    salts = (hashlib.sha256(b"%d" % number).digest() for number in range(BATCH_LEAVES_MAX))
    ledger.queue.put(tuple(_leaf(count + number, salt) for number, salt in enumerate(salts)))
    ledger.queue.place(BATCH_LEAVES_MAX)
    began_s = time.perf_counter()
    ledger.open()
    ledger.sequencer.step()
    yield measured("start and a whole batch that a cut left", round((time.perf_counter() - began_s) * 1000, 1), "ms")


def _receipt(number: int) -> ReceiptRow:
    return ReceiptRow(_KEY_OF_SHIFT, None, hashlib.sha256(b"receipt %d" % number).digest(), b"")


def _leaf(number: int, salt: bytes) -> LeafRow:
    """Return the leaf of a receipt; its opening is cut out of one, since making a million is not what is measured."""
    about = _receipt(number).receipt_hash
    return LeafRow(RECEIPT_KIND, about, _TEMPLATE.replace(_NO_HASH, about), salt)


def _say_nothing(name: str, fields: EventFields) -> None:
    pass


def _memory() -> Path:
    folder = _MEMORY if _MEMORY.is_dir() else Path(tempfile.gettempdir())
    status = os.statvfs(folder)
    if status.f_bavail * status.f_frsize < _ROOM_BYTES:
        raise CannotRun(
            f"{folder} has less than {_ROOM_BYTES >> 30} GiB free",
            expected="room for a catalogue of a million leaves",
            next_step="free some, or give the machine more memory",
        )
    return folder


@contextmanager
def _ledger(place: Path) -> Iterator[_Ledger]:
    with tempfile.TemporaryDirectory(prefix="sealcam-ledger-", dir=place) as folder:
        ledger = _Ledger(Path(folder))
        try:
            yield ledger
        finally:
            ledger.store.close()
            ledger.queue.close()


CAMPAIGN: Final = Campaign(
    summary="the ledger: durable appends, proofs at a million leaves, a start after a cut", budget_s=240, run=run
)
