"""Both machines of the offload wire in memory, joined by a pipe that loses, repeats and reorders, under virtual time.


All bytes that cross the pipe are those of the real wire. Staging, keeper and files are the smallest things that tell the
truth: a block is durable when it was synced, a crash of the worker forgets what was not, and both sides' memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

from protocol.layout import media_name
from protocol.offload import receiver as worker_side
from protocol.offload import sender as dock_side
from protocol.offload.blocks import BlockSet, decode_block, encode_block
from protocol.offload.messages import (
    BLOCK_SIZE_BYTES,
    Description,
    Open,
    OpenReply,
    parse_message,
)
from protocol.offload.receiver import Ending, Receiver
from protocol.offload.sender import TransferSender
from protocol.offload.sender_table import State
from protocol.offload.topics import (
    block_topic,
    control_topic,
    open_topic,
    parse_topic,
    reply_topic,
    response_tail,
)
from protocol.receipt import ReceiptWithProof

DOCK = "dock-a"
WORKER = "ingest-1"
MIB = BLOCK_SIZE_BYTES


def description(number: int = 0, *, size_bytes: int = 5 * MIB + 17) -> Description:
    return Description(
        camera_id=bytes([7]) * 16,
        shift_id=bytes([8]) * 16,
        shift_number=3,
        name=media_name(bytes([9]) * 16, number),
        kind="media",
        size_bytes=size_bytes,
        identity=bytes([number]) * 32,
    )


def receipt_of(file: Description) -> ReceiptWithProof:
    """Return what stands for a file's receipt and proof on this wire, which looks at neither."""
    return ReceiptWithProof(signed=b"receipt of " + file.transfer, proof=b"proof of " + file.transfer)


@lru_cache(maxsize=64)
def block(transfer: bytes, index: int, size_bytes: int) -> bytes:
    return (transfer + index.to_bytes(4, "big")).ljust(64, b"\x55")[:size_bytes].ljust(size_bytes, b"\xaa")


@dataclass(frozen=True)
class Parcel:
    topic: str
    payload: bytes
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass
class Chances:
    """How bad the pipe is, in percent of messages; and how often something dies, in permille of turns."""

    lost: int = 0
    repeated: int = 0
    broker_dies: int = 0
    worker_dies: int = 0
    dock_dies: int = 0
    keeper_away: int = 0


@dataclass
class Counts:
    """What was seen on the way."""

    sent: dict[tuple[bytes, int], int] = field(default_factory=dict)
    epochs: dict[bytes, list[int]] = field(default_factory=dict)
    again_bytes_max: int = 0
    again_bytes: dict[bytes, int] = field(default_factory=dict)
    writes_of_durable: int = 0
    conflicts: int = 0
    kept: dict[bytes, int] = field(default_factory=dict)
    under_way_over_credit: int = 0
    promised_bytes_max: int = 0


class Pipe:
    """One dock, one worker, and the broker between them."""

    def __init__(self, files: Sequence[Description], *, seed: int, chances: Chances) -> None:
        self.draws = Random(seed)
        self.chances = chances
        self.files = {file.transfer: file for file in files}
        self.now_ms = 0
        self.under_way: list[Parcel] = []
        self.counts = Counts()
        self.durable: dict[bytes, dict[int, bytes]] = {}
        self.unsynced: dict[bytes, dict[int, bytes]] = {}
        self.epoch_given: dict[bytes, int] = {}
        self.stored: dict[bytes, bytes] = {}
        self.done: dict[bytes, tuple[ReceiptWithProof, ...]] = {}
        self.is_keeper_away = False
        self.receiver = Receiver(WORKER)
        self.senders = self._new_senders()

    def run(self, *, turns: int) -> None:
        """Let things happen for a number of turns, faults included."""
        for _ in range(turns):
            self._maybe_die()
            self._turn()

    def heal(self, *, virtual_ms_max: int) -> None:
        """End all faults and let it come to rest, or to the end of the time that it is given."""
        self.chances = Chances()
        self.is_keeper_away = False
        deadline_ms = self.now_ms + virtual_ms_max
        while self.now_ms < deadline_ms and not all(s.state is State.DONE for s in self.senders.values()):
            self._turn()

    def kill_worker(self) -> None:
        self.receiver = Receiver(WORKER)
        self.unsynced.clear()
        # The will of the dead one, and the presence of the next, reach the dock in the end.
        for sender in self.senders.values():
            self._perform_dock(sender, sender.lost(self.now_ms))
            self._perform_dock(sender, sender.nudge(self.now_ms))

    def kill_broker(self) -> None:
        self.under_way.clear()
        for sender in self.senders.values():
            self._perform_dock(sender, sender.lost(self.now_ms))
            self._perform_dock(sender, sender.nudge(self.now_ms))

    def kill_dock(self) -> None:
        self.senders = self._new_senders()

    def post(self, parcel: Parcel) -> None:
        """Give a message to the broker, as a dock, a worker or an attacker."""
        self.under_way.append(parcel)

    def deliver(self, parcel: Parcel) -> None:
        topic = parse_topic(parcel.topic)
        assert topic is not None
        if topic.kind == "reply":
            message = parse_message(parcel.payload)
            assert topic.worker is not None
            for sender in tuple(self.senders.values()):
                self._perform_dock(sender, sender.on_reply(topic.worker, message, self.now_ms))  # type: ignore[arg-type]
            return
        assert topic.dock is not None
        if topic.kind == "open":
            opened = parse_message(parcel.payload)
            assert isinstance(opened, Open)
            effects = self.receiver.on_open(
                topic.dock, opened, self.now_ms, response_topic=parcel.response_topic, correlation=parcel.correlation
            )
        elif topic.kind == "block":
            effects = self.receiver.on_block(topic.dock, decode_block(parcel.payload), self.now_ms)
        else:
            control = parse_message(parcel.payload)
            effects = self.receiver.on_control(topic.dock, control, self.now_ms)  # type: ignore[arg-type]
        self._perform_worker(effects)

    def _new_senders(self) -> dict[bytes, TransferSender]:
        senders = {
            transfer: TransferSender(file, seed=self.draws.randbytes(16)) for transfer, file in self.files.items()
        }
        for sender in senders.values():
            self._perform_dock(sender, sender.start(self.now_ms))
        return senders

    def _maybe_die(self) -> None:
        chances = self.chances
        for permille, what in (
            (chances.broker_dies, self.kill_broker),
            (chances.worker_dies, self.kill_worker),
            (chances.dock_dies, self.kill_dock),
        ):
            if self.draws.randrange(1000) < permille:
                what()
        if self.draws.randrange(1000) < chances.keeper_away:
            self.is_keeper_away = not self.is_keeper_away

    def _turn(self) -> None:
        if self.under_way and self.draws.randrange(4):
            parcel = self.under_way.pop(self.draws.randrange(len(self.under_way)))
            if self.draws.randrange(100) < self.chances.repeated:
                self.under_way.append(parcel)
            if self.draws.randrange(100) >= self.chances.lost:
                self.deliver(parcel)
        elif self.draws.randrange(2) or self.under_way:
            self._sync()
            self.now_ms += self.draws.randrange(50)
        else:
            self._sync()
            deadlines = [s.next_deadline_ms() for s in self.senders.values()] + [self.receiver.next_deadline_ms()]
            self.now_ms = max(self.now_ms + 1, min((d for d in deadlines if d is not None), default=self.now_ms + 1000))
        self._perform_worker(self.receiver.on_time(self.now_ms))
        for sender in tuple(self.senders.values()):
            self._perform_dock(sender, sender.on_time(self.now_ms))

    def _sync(self) -> None:
        synced: dict[bytes, tuple[int, ...]] = {}
        for transfer, blocks in self.unsynced.items():
            for index, data in blocks.items():
                if index in self.durable.setdefault(transfer, {}):
                    self.counts.writes_of_durable += 1
                self.durable[transfer][index] = data
            synced[transfer] = tuple(blocks)
        self.unsynced.clear()
        if synced:
            self._perform_worker(self.receiver.on_synced(synced))

    def _perform_dock(self, sender: TransferSender, effects: dock_side.Effects) -> None:
        file, transfer = sender.description, sender.transfer
        for effect in effects:
            match effect:
                case dock_side.SendOpen(message):
                    self.post(Parcel(open_topic(DOCK), message.encoded(), response_tail(DOCK), message.request))
                case dock_side.SendBlock(worker, epoch, index):
                    self._count_block(transfer, epoch, index)
                    data = block(transfer, index, file.block_size_bytes(index))
                    self.post(Parcel(block_topic(DOCK, worker), encode_block(transfer, epoch, index, data)))
                case dock_side.SendControl(worker, control):
                    self.post(Parcel(control_topic(DOCK, worker), control.encoded()))
                case dock_side.Delivered(receipts, _):
                    self.done[transfer] = receipts
        if sender.under_way_bytes > worker_side.CREDIT_PER_TRANSFER_BYTES_MAX:
            self.counts.under_way_over_credit += 1

    def _count_block(self, transfer: bytes, epoch: int, index: int) -> None:
        counts, key = self.counts, (transfer, index)
        epochs = counts.epochs.setdefault(transfer, [])
        if not epochs or epochs[-1] != epoch:
            epochs.append(epoch)
            counts.again_bytes[transfer] = 0
        if key in counts.sent:
            counts.again_bytes[transfer] += self.files[transfer].block_size_bytes(index)
            counts.again_bytes_max = max(counts.again_bytes_max, counts.again_bytes[transfer])
        counts.sent[key] = counts.sent.get(key, 0) + 1

    def _perform_worker(self, effects: worker_side.Effects) -> None:
        self.counts.promised_bytes_max = max(self.counts.promised_bytes_max, self.receiver.promised_bytes)
        for effect in effects:
            match effect:
                case worker_side.LookUp(file):
                    self._perform_worker(self._look_up(file))
                case worker_side.Stage(_, file):
                    self._sync()
                    epoch = self.epoch_given[file.transfer] = self.epoch_given.get(file.transfer, 0) + 1
                    have = BlockSet(file.block_count, self.durable.get(file.transfer, {}))
                    self._perform_worker(self.receiver.on_staged(file.transfer, epoch=epoch, have=have))
                case worker_side.Write(transfer, index, data):
                    self.unsynced.setdefault(transfer, {})[index] = bytes(data)
                case worker_side.Compare(transfer, index, data):
                    here = {**self.durable.get(transfer, {}), **self.unsynced.get(transfer, {})}
                    self.counts.conflicts += here[index] != data
                case worker_side.Keep(file):
                    self._perform_worker(self._keep(file))
                case worker_side.Send(dock, message, request):
                    self.post(Parcel(reply_topic(WORKER, dock), message.encoded(), None, request))
                    if isinstance(message, OpenReply):
                        assert request == message.request
                case worker_side.Close(transfer, ending):
                    self._sync()
                    if ending is Ending.KEPT:
                        self.durable.pop(transfer, None)

    def _look_up(self, file: Description) -> worker_side.Effects:
        if self.is_keeper_away:
            return self.receiver.on_held(file.transfer, "the catalogue is away")
        if file.transfer in self.stored:
            return self.receiver.on_kept(file.transfer, (receipt_of(file),), None)
        return self.receiver.on_unknown(file.transfer)

    def _keep(self, file: Description) -> worker_side.Effects:
        transfer = file.transfer
        if self.is_keeper_away:
            return self.receiver.on_held(transfer, "the object store is away")
        self.stored[transfer] = b"".join(data for _, data in sorted(self.durable.get(transfer, {}).items()))
        self.counts.kept[transfer] = self.counts.kept.get(transfer, 0) + 1
        return self.receiver.on_kept(transfer, (receipt_of(file),), None)
