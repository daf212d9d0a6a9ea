"""A worker's side of all its transfers, as a pure machine (spec/07-offload.md, 7.6).

It is told what arrived, what staging and the keeper answered, and what time it is; it returns what is to be done. It
holds no bytes of a file and touches none. The table stands in `receiver_table.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from protocol.errors import IllegalTransition, PeerError
from protocol.offload.blocks import Block, BlockSet
from protocol.offload.messages import (
    BLOCK_SIZE_BYTES,
    CREDIT_BYTES_MAX,
    BlockAck,
    Cancel,
    Checking,
    Control,
    Description,
    Fin,
    Held,
    Open,
    OpenReply,
    Refused,
    Reply,
    Stored,
    as_reason,
)
from protocol.offload.receiver_table import TRANSITIONS, Action, Event, State
from protocol.offload.topics import response_tail
from protocol.receipt import ReceiptWithProof

TRANSFERS_OPEN_MAX: Final = 64
TRANSFERS_PER_DOCK_MAX: Final = 16
CREDIT_PER_TRANSFER_BYTES_MAX: Final = 8 * 1024 * 1024
IDLE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the keeper whether this file is stored; the answer is `on_kept`, `on_unknown` or `on_held`."""

    description: Description


@dataclass(frozen=True, slots=True)
class Stage:
    """Make room for it, or take up what is there, with a new epoch; the answer is `on_staged` or `on_held`."""

    dock: str
    description: Description


@dataclass(frozen=True, slots=True)
class Write:
    """Write this block at its place; when it is durable, tell `on_synced`."""

    transfer: bytes
    index: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class Compare:
    """The place of this block is filled: where other bytes stand there, keep these too, apart, and raise an alarm."""

    transfer: bytes
    index: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class Keep:
    """Give the file to the keeper; the answer is `on_kept`, `on_refused` or `on_held`."""

    description: Description


@dataclass(frozen=True, slots=True)
class Send:
    """Answer that dock; ``request`` becomes the Correlation Data of the answer to an `open`."""

    dock: str
    message: Reply
    request: bytes | None = None


class Ending(StrEnum):
    """Why a transfer is closed, and so what becomes of what is staged."""

    KEPT = "kept"
    REFUSED = "refused"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Close:
    """Let go of what is staged: it is not wanted any more, was refused, or waits to be taken up again."""

    transfer: bytes
    ending: Ending


Effect = LookUp | Stage | Write | Compare | Keep | Send | Close
Effects = tuple[Effect, ...]


@dataclass(slots=True)
class _Transfer:
    dock: str
    description: Description
    request: bytes
    heard_at_ms: int
    state: State = State.ASKING
    epoch: int = 0
    credit_bytes: int = 0
    have: BlockSet = field(default_factory=lambda: BlockSet(0))
    written: set[int] = field(default_factory=set)
    arrived: Block | None = None


class Receiver:
    """All transfers of one worker. What is not for it as it stands now is ignored, never answered."""

    def __init__(self, worker: str, *, credit_bytes: int = CREDIT_BYTES_MAX) -> None:
        """Begin with none; ``credit_bytes`` is what all docks together may have under way."""
        assert credit_bytes >= 2 * BLOCK_SIZE_BYTES
        self._worker = worker
        self._credit_bytes = credit_bytes
        self._transfers: dict[bytes, _Transfer] = {}
        self._actions: Final[dict[Action, Callable[[_Transfer], Effects]]] = {
            Action.STAGE: lambda transfer: (Stage(transfer.dock, transfer.description),),
            Action.ANSWER: self._answer,
            Action.WRITE: self._write,
            Action.ACKNOWLEDGE: self._acknowledge,
            Action.KEEP: self._keep,
            Action.SAY_CHECKING: self._say_checking,
        }

    @property
    def open_transfers(self) -> Mapping[bytes, State]:
        """Return where each open transfer stands."""
        return {name: transfer.state for name, transfer in self._transfers.items()}

    @property
    def promised_bytes(self) -> int:
        """Return what all docks together may have under way now."""
        return sum(transfer.credit_bytes for transfer in self._transfers.values())

    def next_deadline_ms(self) -> int | None:
        """Return when `on_time` wants to be called."""
        return min(
            (t.heard_at_ms + IDLE_MS for t in self._transfers.values() if t.state is State.RECEIVING), default=None
        )

    def on_time(self, now_ms: int) -> Effects:
        """Close what has been silent for too long."""
        idle = [t for t in self._transfers.values() if t.state is State.RECEIVING and now_ms - t.heard_at_ms >= IDLE_MS]
        return tuple(effect for transfer in idle for effect in self._take(transfer, Event.IDLE))

    def on_open(
        self, dock: str, message: Open, now_ms: int, *, response_topic: str | None, correlation: bytes | None
    ) -> Effects:
        """Take an `open` that came on ``dock``'s topic, with its two MQTT properties.

        Raises:
            PeerError: the properties do not agree with topic and message: somebody wants the answer elsewhere.
        """
        if response_topic != response_tail(dock) or correlation != message.request:
            raise PeerError(
                f"open of {dock} with response topic {response_topic!r:.80}, {response_tail(dock)!r} expected, "
                "and its request as correlation data",
                section="spec/07-offload.md, 7.1",
            )
        name = message.description.transfer
        transfer = self._transfers.get(name)
        if transfer is None:
            reason = self._no_room(dock)
            if reason is not None:
                return (Send(dock, Held(transfer=name, reason=reason)),)
            self._transfers[name] = _Transfer(dock, message.description, message.request, now_ms)
            return (LookUp(message.description),)
        if transfer.dock != dock:
            return (Send(dock, Held(transfer=name, reason=f"{transfer.dock} is sending this file already")),)
        transfer.heard_at_ms = now_ms
        is_repeated = transfer.request == message.request
        transfer.request = message.request
        return self._take(transfer, Event.OPEN_REPEATED if is_repeated else Event.OPEN)

    def on_block(self, dock: str, block: Block, now_ms: int) -> Effects:
        """Take a block that came on ``dock``'s topic.

        Raises:
            PeerError: it is of this epoch, and has no place in the file.
        """
        transfer = self._transfers.get(block.transfer)
        if transfer is None or transfer.dock != dock or transfer.epoch != block.epoch:
            return ()
        size = transfer.description.block_size_bytes(block.index)
        if len(block.data) != size:
            raise PeerError(
                f"block {block.index} of {dock} has {len(block.data)} bytes, {size} expected",
                section="spec/07-offload.md, 7.4",
            )
        transfer.heard_at_ms = now_ms
        transfer.arrived = block
        return self._take(transfer, Event.BLOCK)

    def on_control(self, dock: str, message: Control, now_ms: int) -> Effects:
        """Take a `fin` or `cancel` that came on ``dock``'s topic."""
        transfer = self._transfers.get(message.transfer)
        if transfer is None or transfer.dock != dock or transfer.epoch != message.epoch:
            return ()
        transfer.heard_at_ms = now_ms
        match message:
            case Fin():
                return self._take(transfer, Event.FIN_FULL if transfer.have.is_full else Event.FIN_SHORT)
            case Cancel():
                return self._take(transfer, Event.CANCEL)

    def on_unknown(self, name: bytes) -> Effects:
        """Take the keeper's word that it does not store this file."""
        return self._take(self._transfers[name], Event.UNKNOWN)

    def on_staged(self, name: bytes, *, epoch: int, have: BlockSet) -> Effects:
        """Take staging's word: the new epoch, and which blocks are durable."""
        transfer = self._transfers[name]
        credit_bytes = self._grant(transfer)
        if credit_bytes < BLOCK_SIZE_BYTES:
            count = len(self._transfers) - 1
            return self.on_held(name, f"central is busy with {count} other files and takes this one soon")
        transfer.epoch, transfer.have, transfer.credit_bytes = epoch, have, credit_bytes
        transfer.written.clear()
        return self._take(transfer, Event.STAGED)

    def on_synced(self, durable: Mapping[bytes, Iterable[int]]) -> Effects:
        """Take staging's word that these blocks would survive a power cut now."""
        effects: list[Effect] = []
        for name, indices in durable.items():
            transfer = self._transfers.get(name)
            if transfer is not None:
                for index in indices:
                    transfer.have.add(index)
                    transfer.written.discard(index)
                effects.extend(self._take(transfer, Event.SYNCED))
        return tuple(effects)

    def on_kept(self, name: bytes, receipts: tuple[ReceiptWithProof, ...], held_reason: str | None) -> Effects:
        """Take the keeper's word that it stores this file."""
        reason = None if held_reason is None else as_reason(held_reason)
        answer = Stored(transfer=name, receipts=receipts, held_reason=reason)
        return self._finish(name, Event.KEPT, answer, Ending.KEPT)

    def on_refused(self, name: bytes, reason: str, section: str) -> Effects:
        """Take the keeper's word that it will not have this file."""
        answer = Refused(transfer=name, reason=as_reason(reason), section=section)
        return self._finish(name, Event.REFUSED, answer, Ending.REFUSED)

    def on_held(self, name: bytes, reason: str) -> Effects:
        """Take the word of keeper or staging that it cannot now."""
        return self._finish(name, Event.HELD, Held(transfer=name, reason=as_reason(reason)), Ending.LEFT)

    def _finish(self, name: bytes, event: Event, answer: Reply, ending: Ending) -> Effects:
        transfer = self._transfers[name]
        dock = transfer.dock
        return (*self._take(transfer, event, ending=ending), Send(dock, answer))

    def _take(self, transfer: _Transfer, event: Event, *, ending: Ending = Ending.LEFT) -> Effects:
        step = TRANSITIONS.get((transfer.state, event))
        if step is None:
            raise IllegalTransition(f"event {event} cannot happen in state {transfer.state}")
        transfer.state = step.state
        if step.action is Action.CLOSE:
            del self._transfers[transfer.description.transfer]
            return (Close(transfer.description.transfer, ending),)
        return () if step.action is None else self._actions[step.action](transfer)

    def _answer(self, transfer: _Transfer) -> Effects:
        reply = OpenReply(
            request=transfer.request,
            transfer=transfer.description.transfer,
            worker=self._worker,
            epoch=transfer.epoch,
            have=transfer.have.to_bytes(),
            credit_bytes=transfer.credit_bytes,
        )
        return (Send(transfer.dock, reply, transfer.request),)

    def _write(self, transfer: _Transfer) -> Effects:
        block, transfer.arrived = transfer.arrived, None
        assert block is not None
        if block.index in transfer.have or block.index in transfer.written:
            return (Compare(block.transfer, block.index, block.data),)
        transfer.written.add(block.index)
        return (Write(block.transfer, block.index, block.data),)

    def _acknowledge(self, transfer: _Transfer) -> Effects:
        transfer.credit_bytes = self._grant(transfer)
        ack = BlockAck(
            transfer=transfer.description.transfer,
            epoch=transfer.epoch,
            have=transfer.have.to_bytes(),
            credit_bytes=transfer.credit_bytes,
        )
        return (Send(transfer.dock, ack),)

    def _keep(self, transfer: _Transfer) -> Effects:
        transfer.credit_bytes = 0  # nothing more will come; others may have it
        return (*self._say_checking(transfer), Keep(transfer.description))

    def _say_checking(self, transfer: _Transfer) -> Effects:
        return (Send(transfer.dock, Checking(transfer=transfer.description.transfer)),)

    def _grant(self, transfer: _Transfer) -> int:
        """Return a fair credit for ``transfer``, in whole blocks; one share is always left for the next to come."""
        others_bytes = [t.credit_bytes for t in self._transfers.values() if t is not transfer and t.credit_bytes]
        fair_bytes = max(self._credit_bytes // (len(others_bytes) + 2), BLOCK_SIZE_BYTES)
        left_bytes = self._credit_bytes - sum(others_bytes)
        granted_bytes = min(fair_bytes, left_bytes, CREDIT_PER_TRANSFER_BYTES_MAX)
        return granted_bytes - granted_bytes % BLOCK_SIZE_BYTES

    def _no_room(self, dock: str) -> str | None:
        count = len(self._transfers)
        if count >= TRANSFERS_OPEN_MAX:
            return f"central has {count} transfers open, at most {TRANSFERS_OPEN_MAX}"
        count = sum(transfer.dock == dock for transfer in self._transfers.values())
        if count >= TRANSFERS_PER_DOCK_MAX:
            return f"{dock} has {count} transfers open, at most {TRANSFERS_PER_DOCK_MAX}"
        return None
