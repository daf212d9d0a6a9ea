"""The dock's side of one transfer, as a pure machine (spec/07-offload.md, 7.5).

It is told what arrived and what time it is, and returns what is to be sent. It reads no file, knows no broker, and
verifies no receipt: that is the app's, with what `Delivered` carries. The table stands in `sender_table.py`.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocol.canonical import digest
from protocol.errors import IllegalTransition
from protocol.offload.blocks import BlockSet
from protocol.offload.messages import (
    BlockAck,
    Cancel,
    Checking,
    Description,
    Fin,
    Held,
    Open,
    OpenReply,
    Refused,
    Reply,
    Stored,
)
from protocol.offload.sender_table import TRANSITIONS, Action, Event, State
from protocol.receipt import ReceiptWithProof

OPEN_AGAIN_MS_MIN: Final = 1_000
OPEN_AGAIN_MS_MAX: Final = 30_000
STALL_MS: Final = 15_000
FIN_AGAIN_MS: Final = 15_000
FINS_UNANSWERED_MAX: Final = 2
WAIT_MS_MIN: Final = 500
"""A receipt waits for its ledger and the witnesses for about as long."""
HELD_WAIT_MS_MAX: Final = 60_000
REFUSED_WAIT_MS_MAX: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class SendOpen:
    """Send this to the workers."""

    message: Open


@dataclass(frozen=True, slots=True)
class SendBlock:
    """Send this block of the file to that worker."""

    worker: str
    epoch: int
    index: int


@dataclass(frozen=True, slots=True)
class SendControl:
    """Send this to that worker."""

    worker: str
    message: Fin | Cancel


@dataclass(frozen=True, slots=True)
class Delivered:
    """Central has the file. Neither receipts nor proofs are verified yet."""

    receipts: tuple[ReceiptWithProof, ...]
    held_reason: str | None


@dataclass(frozen=True, slots=True)
class WasHeld:
    """Central cannot take it now."""

    reason: str


@dataclass(frozen=True, slots=True)
class WasRefused:
    """Central will not have it."""

    reason: str
    section: str


Effect = SendOpen | SendBlock | SendControl | Delivered | WasHeld | WasRefused
Effects = tuple[Effect, ...]


class TransferSender:
    """One file's way to central. ``seed``: 16 random bytes, new for each machine; the requests are derived from it."""

    def __init__(self, description: Description, *, seed: bytes) -> None:
        """Begin at rest."""
        self.description: Final = description
        self.transfer: Final = description.transfer
        self.state = State.RESTING
        self._seed = seed
        self._request = b""
        self._asked_count = 0
        self._open_again_ms = OPEN_AGAIN_MS_MIN
        self._wait_ms = WAIT_MS_MIN
        self._fins_unanswered_count = 0
        self._deadline_ms: int | None = None
        self._silent_since_ms: int | None = None
        self._worker: str | None = None
        self._epoch = 0
        self._credit_bytes = 0
        self._have = BlockSet(description.block_count)
        self._to_send: deque[int] = deque()
        self._under_way: set[int] = set()
        self._under_way_bytes = 0
        self._actions: Final[dict[Action, Callable[[int], Effects]]] = {
            Action.ASK: self._ask_anew,
            Action.ASK_AGAIN: self._ask,
            Action.ADOPT: self._adopt,
            Action.ADVANCE: self._pump,
            Action.SEND_FIN: self._send_fin,
            Action.AWAIT: self._await_verdict,
            Action.CANCEL: self._cancel,
            Action.HOLD: self._hold,
            Action.REFUSE: self._refuse,
            Action.DELIVER: self._deliver,
        }

    @property
    def worker(self) -> str | None:
        """Return the worker that took the transfer."""
        return self._worker

    @property
    def under_way_bytes(self) -> int:
        """Return how much was sent in this epoch and not acknowledged yet."""
        return self._under_way_bytes

    @property
    def durable_bytes(self) -> int:
        """Return how much central is known to have staged."""
        block_size, last = self.description.block_size_bytes, self._have.block_count - 1
        size = len(self._have) * block_size(0)
        return size - block_size(0) + block_size(last) if last in self._have else size

    def silent_ms(self, now_ms: int) -> int | None:
        """Return for how long there has been no answer; None where none is waited for."""
        return None if self._silent_since_ms is None else now_ms - self._silent_since_ms

    def next_deadline_ms(self) -> int | None:
        """Return when `on_time` wants to be called."""
        return self._deadline_ms

    def start(self, now_ms: int) -> Effects:
        """Begin, or ask again for what is done."""
        self._open_again_ms = OPEN_AGAIN_MS_MIN
        return self._take(Event.START, now_ms)

    def nudge(self, now_ms: int) -> Effects:
        """Tell that a connection or a worker has appeared: waiting any longer makes no sense."""
        self._open_again_ms = OPEN_AGAIN_MS_MIN
        return self._take(Event.NUDGE, now_ms)

    def lost(self, now_ms: int) -> Effects:
        """Tell that the connection, or the worker, is gone, and with it what was under way."""
        return self._take(Event.LOST, now_ms)

    def rest(self, now_ms: int) -> Effects:
        """Leave it for now; `start` takes it up again."""
        return self._take(Event.REST, now_ms)

    def on_time(self, now_ms: int) -> Effects:
        """Do what is due."""
        if self._deadline_ms is None or now_ms < self._deadline_ms:
            return ()
        if self.state is State.FINISHING and (self._fins_unanswered_count > FINS_UNANSWERED_MAX or not self._epoch):
            # Without an epoch (`checking` came to an `open`) there is no fin to send: asking takes its place.
            return self._take(Event.UNANSWERED, now_ms)
        return self._take(Event.DUE, now_ms)

    def on_reply(self, worker: str, reply: Reply, now_ms: int) -> Effects:
        """Take an answer that came on ``worker``'s topic. What is not for this machine as it stands now is ignored.

        Raises:
            PeerError: the answer breaks the specification.
        """
        if reply.transfer != self.transfer:
            return ()
        match reply:
            case OpenReply():
                return self._on_open_reply(worker, reply, now_ms)
            case BlockAck():
                return self._on_block_ack(worker, reply, now_ms)
            case Checking():
                if self.state is State.OPENING:
                    self._worker = worker
                return self._take(Event.CHECKING, now_ms) if worker == self._worker else ()
            case Held():
                return self._take(Event.HELD, now_ms, outcome=WasHeld(reply.reason))
            case Refused():
                return self._take(Event.REFUSED, now_ms, outcome=WasRefused(reply.reason, reply.section))
            case Stored():
                event = Event.STORED if reply.held_reason is None else Event.STORED_HELD
                return self._take(event, now_ms, outcome=Delivered(reply.receipts, reply.held_reason))

    def _on_open_reply(self, worker: str, reply: OpenReply, now_ms: int) -> Effects:
        if reply.request != self._request or reply.worker != worker:
            return ()
        if self.state is not State.OPENING and (worker != self._worker or reply.epoch <= self._epoch):
            return ()  # a second worker answered, or the same answer came twice
        have = BlockSet.from_bytes(reply.have, self.description.block_count)
        self._worker, self._epoch, self._credit_bytes, self._have = worker, reply.epoch, reply.credit_bytes, have
        return self._take(Event.REPLY, now_ms)

    def _on_block_ack(self, worker: str, ack: BlockAck, now_ms: int) -> Effects:
        if worker != self._worker or ack.epoch != self._epoch:
            return ()
        have = BlockSet.from_bytes(ack.have, self.description.block_count)
        self._credit_bytes = ack.credit_bytes
        arrived = [index for index in self._under_way if index in have]
        for index in arrived:
            self._have.add(index)
            self._under_way.discard(index)
            self._under_way_bytes -= self.description.block_size_bytes(index)
        if arrived:
            self._silent_since_ms = now_ms
            self._deadline_ms = now_ms + STALL_MS
        return self._take(Event.ACK, now_ms)

    def _take(self, event: Event, now_ms: int, *, outcome: Effect | None = None) -> Effects:
        """Do the step; ``outcome`` goes out with it, unless the step is one that does nothing."""
        step = TRANSITIONS.get((self.state, event))
        if step is None:
            raise IllegalTransition(f"event {event} cannot happen in state {self.state}")
        self.state = step.state
        if step.action is None:
            return ()
        effects = self._actions[step.action](now_ms)
        return effects if outcome is None else (*effects, outcome)

    def _ask_anew(self, now_ms: int) -> Effects:
        self._forget_worker()
        self._asked_count += 1
        counter = self._asked_count.to_bytes(8, "big")
        self._request = digest("sealcam/1 offload-request", self._seed, counter)[:16]
        self._open_again_ms = OPEN_AGAIN_MS_MIN
        return self._ask(now_ms)

    def _ask(self, now_ms: int) -> Effects:
        self._deadline_ms = now_ms + self._open_again_ms
        self._open_again_ms = min(2 * self._open_again_ms, OPEN_AGAIN_MS_MAX)
        if self._silent_since_ms is None:
            self._silent_since_ms = now_ms
        return (SendOpen(Open(request=self._request, description=self.description)),)

    def _adopt(self, now_ms: int) -> Effects:
        self._under_way.clear()
        self._under_way_bytes = 0
        self._to_send = deque(self._have.missing())
        self._silent_since_ms = now_ms
        self._deadline_ms = now_ms + STALL_MS
        return self._pump(now_ms)

    def _pump(self, now_ms: int) -> Effects:
        """Send what the credit allows; it is never less than a block."""
        if self._have.is_full:
            self._fins_unanswered_count = 0
            return self._take(Event.FULL, now_ms)
        assert self._worker is not None
        blocks: list[Effect] = []
        while self._to_send:
            size = self.description.block_size_bytes(self._to_send[0])
            if self._under_way_bytes + size > self._credit_bytes:
                break
            index = self._to_send.popleft()
            self._under_way.add(index)
            self._under_way_bytes += size
            blocks.append(SendBlock(self._worker, self._epoch, index))
        return tuple(blocks)

    def _send_fin(self, now_ms: int) -> Effects:
        self._fins_unanswered_count += 1
        self._deadline_ms = now_ms + FIN_AGAIN_MS
        assert self._worker is not None
        return (SendControl(self._worker, Fin(transfer=self.transfer, epoch=self._epoch)),)

    def _await_verdict(self, now_ms: int) -> Effects:
        self._fins_unanswered_count = 0
        self._silent_since_ms = now_ms
        self._deadline_ms = now_ms + FIN_AGAIN_MS
        return ()

    def _cancel(self, _now_ms: int) -> Effects:
        worker, epoch = self._worker, self._epoch
        self._settle(None)
        if worker is None or not epoch:
            return ()
        return (SendControl(worker, Cancel(transfer=self.transfer, epoch=epoch)),)

    def _hold(self, now_ms: int) -> Effects:
        self._settle(now_ms + self._next_wait_ms(HELD_WAIT_MS_MAX))
        return ()

    def _refuse(self, now_ms: int) -> Effects:
        self._settle(now_ms + self._next_wait_ms(REFUSED_WAIT_MS_MAX))
        return ()

    def _deliver(self, _now_ms: int) -> Effects:
        self._wait_ms = WAIT_MS_MIN
        self._settle(None)
        return ()

    def _next_wait_ms(self, wait_ms_max: int) -> int:
        wait_ms = min(self._wait_ms, wait_ms_max)
        self._wait_ms = 2 * wait_ms
        return wait_ms

    def _settle(self, deadline_ms: int | None) -> None:
        """Nothing is under way, and no answer is waited for."""
        self._forget_worker()
        self._deadline_ms = deadline_ms
        self._silent_since_ms = None

    def _forget_worker(self) -> None:
        self._worker, self._epoch = None, 0
        self._to_send.clear()
        self._under_way.clear()
        self._under_way_bytes = 0
