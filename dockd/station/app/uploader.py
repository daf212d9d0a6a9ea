"""Takes what is in the spool to central over the broker, and brings receipts back (spec/07-offload.md, 7.5).

One thread. It reads complete files of the spool and adds receipts to it, while another thread writes other files there.
A receipt is kept only when it verifies under the dock's own policy and is about the camera and shift that were asked
about. What central stored, held or refused frees nothing: only `Spool.add_receipt` has an effect.
"""

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Final

from dockd.shared.errors import OperatingError
from dockd.shared.ports import (
    Acknowledged,
    BrokerEvent,
    Connect,
    Connected,
    ConnectionPlan,
    Disconnected,
    Publication,
    Received,
)
from dockd.station.app.upload_chains import ChainShelf
from dockd.station.app.upload_receipts import ReceiptShelf
from dockd.station.core.upload_board import Upload, UploadBoard
from dockd.station.core.upload_plan import covered_names, works_of
from dockd.station.core.upload_words import (
    FileRefused,
    FileStored,
    FileUndescribed,
    ReceiptArrived,
    ReceiptRejected,
    Snapshot,
    UploaderFailed,
    UploadEvent,
    UploadState,
    state_of,
)
from dockd.station.ports import Clock, Entropy, ShiftPlace, Spool
from protocol.errors import PeerError
from protocol.layout import CHAIN_NAME
from protocol.offload.blocks import encode_block
from protocol.offload.messages import BLOCK_SIZE_BYTES, Open, Presence, Reply, parse_message
from protocol.offload.sender import (
    Delivered,
    Effects,
    SendBlock,
    SendControl,
    SendOpen,
    WasHeld,
    WasRefused,
)
from protocol.offload.topics import (
    block_topic,
    control_topic,
    dock_filters,
    dock_presence_topic,
    is_dock_name,
    open_topic,
    parse_topic,
    response_tail,
)
from protocol.policy import Policy
from protocol.receipt import ReceiptWithProof

SCAN_EVERY_MS: Final = 30_000
LOOK_AGAIN_MS: Final = 5_000
STATE_EVERY_MS: Final = 5_000
RECEIVED_QUEUED_MAX: Final = 256
_LOOK_AFTER_S: Final = 0.5
_ITEMS_AT_ONCE: Final = 64


class _Stop:
    """The uploader is told to end."""


class _Look:
    """The spool has changed."""


_Item = BrokerEvent | _Stop | _Look


class Uploader:
    """The dock's side of the offload. ``on_event`` is called on its thread and must not block."""

    def __init__(
        self,
        *,
        spool: Spool,
        connect: Connect,
        dock_name: str,
        policy: Policy,
        on_event: Callable[[UploadEvent], None],
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Take what is needed; nothing happens before ``start``."""
        assert is_dock_name(dock_name), dock_name
        self._spool = spool
        self._dock = dock_name
        self._on_event = on_event
        self._clock = clock
        self._entropy = entropy
        self._chains = ChainShelf(spool)
        self._receipts = ReceiptShelf(spool, policy)
        self._board = UploadBoard()
        self._undescribed: dict[ShiftPlace, dict[str, str]] = {}
        self._workers: dict[str, bytes] = {}
        self._items: queue.Queue[_Item] = queue.Queue()
        self._scan_at_ms = 0
        self._is_connected = False
        self._broker_reason = "not connected yet"
        self._open_token: int | None = None
        self._is_open_acknowledged = False
        self._has_subscribers = True
        self._broker_refusal: str | None = None
        self._state: UploadState | None = None
        self._state_told_at_ms = 0
        topic, instance = dock_presence_topic(dock_name), entropy.take(16)
        online, offline = (Presence(name=dock_name, instance=instance, is_online=is_on) for is_on in (True, False))
        plan = ConnectionPlan(
            name=dock_name,
            filters=dock_filters(dock_name),
            hello=Publication(topic, online.encoded(), is_retained=True),
            will=Publication(topic, offline.encoded(), is_retained=True),
        )
        self._connection = connect(plan, self._on_broker_event)
        self._thread = threading.Thread(target=self._run, name="uploader", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done; safe to call twice, and what is under way is taken up at the next start."""
        self._items.put(_Stop())
        if self._thread.is_alive():
            self._thread.join()

    def notify(self) -> None:
        """Tell that the spool has changed; any thread may."""
        self._items.put(_Look())

    def _on_broker_event(self, event: BrokerEvent) -> None:
        if not isinstance(event, Received) or self._items.qsize() < RECEIVED_QUEUED_MAX:
            self._items.put(event)

    def _run(self) -> None:
        self._connection.start()
        try:
            while self._turn():
                pass
        except Exception as error:  # the outermost loop: whoever composed us ends the process
            self._on_event(UploaderFailed(error))
        finally:
            self._connection.stop()

    def _turn(self) -> bool:
        try:
            if not self._take(self._items.get(timeout=self._wait_s())):
                return False
            for _ in range(_ITEMS_AT_ONCE - 1):
                if not self._take(self._items.get_nowait()):
                    return False
        except queue.Empty:
            pass
        if self._now_ms() >= self._scan_at_ms:
            self._scan()
        if self._chains.is_reading and (place := self._read_on()) is not None:
            self._look_at(place)
        self._do_what_is_due()
        self._tell_state()
        return True

    def _take(self, item: _Item) -> bool:
        now_ms = self._now_ms()
        match item:
            case Received():
                self._take_message(item)
                self._connection.acknowledge(item)
            case Acknowledged():
                if item.token == self._open_token:
                    self._is_open_acknowledged, self._has_subscribers = True, item.has_subscribers
                self._broker_refusal = item.refusal
            case Connected():
                self._is_connected = True
                self._nudge()
            case Disconnected():
                self._is_connected, self._broker_reason = False, item.reason
                self._is_open_acknowledged = False
                self._workers.clear()  # not when it is up again: retained presence may come before we hear of that
                for upload in self._board.active:
                    self._perform(upload, upload.sender.lost(now_ms))
            case _Look():
                self._scan_at_ms = now_ms
            case _Stop():
                for upload in self._board.active:
                    self._perform(upload, upload.sender.rest(now_ms))
                return False
        return True

    def _take_message(self, message: Received) -> None:
        topic = parse_topic(message.topic)
        if topic is None or topic.worker is None or topic.dock not in (None, self._dock):
            return
        try:
            parsed = parse_message(message.payload)
            if topic.kind == "worker-presence" and isinstance(parsed, Presence):
                self._take_presence(topic.worker, parsed)
            elif topic.kind == "reply" and isinstance(parsed, Reply):
                upload = self._board.of_transfer(parsed.transfer)
                if upload is not None:
                    self._perform(upload, upload.sender.on_reply(topic.worker, parsed, self._now_ms()))
        except PeerError:
            return  # no word of central's: who waits for one asks again

    def _take_presence(self, worker: str, presence: Presence) -> None:
        if presence.name != worker or (presence.is_online and self._workers.get(worker) == presence.instance):
            return
        if not presence.is_online and self._workers.get(worker) != presence.instance:
            return  # the will of a process that has a successor already
        for upload in self._board.active:
            if upload.sender.worker == worker:
                self._perform(upload, upload.sender.lost(self._now_ms()))
        if presence.is_online:
            self._workers[worker] = presence.instance
            self._nudge()
        else:
            del self._workers[worker]

    def _nudge(self) -> None:
        for upload in (*self._board.active, *self._board.waiting):
            if self._board.may_act(upload):
                self._perform(upload, upload.sender.nudge(self._now_ms()))

    def _perform(self, upload: Upload, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case SendOpen(message):
                    self._send_open(message)
                case SendBlock(worker, epoch, index):
                    if not self._send_block(upload, worker, epoch, index):
                        return
                case SendControl(worker, control):
                    self._connection.publish(Publication(control_topic(self._dock, worker), control.encoded()))
                case Delivered(receipts, held_reason):
                    self._take_delivery(upload, receipts, held_reason)
                case WasHeld(reason):
                    upload.held_reason = reason
                case WasRefused(reason, section):
                    name, place = upload.work.description.name, upload.work.place
                    upload.refused = f"{name} of {place.folder}: {reason}"
                    self._on_event(FileRefused(place, name, reason, section))

    def _send_open(self, message: Open) -> None:
        self._open_token = self._connection.publish(
            Publication(
                open_topic(self._dock),
                message.encoded(),
                response_topic=response_tail(self._dock),
                correlation=message.request,
            )
        )

    def _send_block(self, upload: Upload, worker: str, epoch: int, index: int) -> bool:
        file = upload.work.description
        size_bytes = file.block_size_bytes(index)
        try:
            data = self._spool.read(upload.work.place, file.name, index * BLOCK_SIZE_BYTES, size_bytes)
        except OSError:
            data = b""
        if len(data) != size_bytes:
            # The file is going from the spool, or its disk fails: nothing that central could be asked to judge.
            self._scan_at_ms = self._now_ms() + LOOK_AGAIN_MS
            self._perform(upload, upload.sender.rest(self._now_ms()))
            return False
        message = encode_block(upload.sender.transfer, epoch, index, data)
        self._connection.publish(Publication(block_topic(self._dock, worker), message))
        return True

    def _take_delivery(self, upload: Upload, receipts: tuple[ReceiptWithProof, ...], held_reason: str | None) -> None:
        place, name = upload.work.place, upload.work.description.name
        if not upload.is_stored:
            self._on_event(FileStored(place, name))
        upload.was_stored(self._now_ms(), held_reason)
        for brought in receipts:
            try:
                kept = self._receipts.keep(upload.work, brought)
            except PeerError as error:
                self._on_event(ReceiptRejected(place, str(error)))
            except OperatingError as error:  # the spool is full: it is asked for again
                upload.held_reason = str(error)
            else:
                if kept is not None:
                    self._on_event(ReceiptArrived(place, kept))
        if receipts:
            self._look_at(place)

    def _scan(self) -> None:
        """Look at the whole spool again."""
        self._scan_at_ms = self._now_ms() + SCAN_EVERY_MS
        places = self._spool.shifts()
        self._chains.keep_only(set(places))
        self._let_rest(self._board.keep_only(set(places)))
        self._undescribed = {place: notes for place, notes in self._undescribed.items() if place in places}
        for place in places:
            self._look_at(place)

    def _look_at(self, place: ShiftPlace) -> None:
        files = self._spool.files(place)
        if not any(file.name == CHAIN_NAME and file.is_complete for file in files):
            return
        if not self._chains.is_known(place):
            self._chains.want(place)
            return
        facts = self._chains.facts(place)
        if facts is None:
            self._note_undescribed(place, {CHAIN_NAME: "no entry of this chain can be read"})
            return
        works, undescribed = works_of(place, facts, files)
        receipts, faults = self._receipts.of_shift(place)
        notes = dict.fromkeys(undescribed, "the shift's chain does not describe this file")
        self._note_undescribed(place, notes | faults)
        self._let_rest(self._board.put(place, works, covered_names(facts, works, receipts)))

    def _note_undescribed(self, place: ShiftPlace, notes: dict[str, str]) -> None:
        known = self._undescribed.get(place, {})
        self._undescribed[place] = notes
        for name, text in notes.items():
            if name not in known:
                self._on_event(FileUndescribed(place, name, text))

    def _let_rest(self, uploads: Iterable[Upload]) -> None:
        for upload in uploads:
            self._perform(upload, upload.sender.rest(self._now_ms()))

    def _read_on(self) -> ShiftPlace | None:
        try:
            return self._chains.step()
        except OSError:
            self._scan_at_ms = self._now_ms() + LOOK_AGAIN_MS
            self._chains.keep_only(set())
            return None

    def _do_what_is_due(self) -> None:
        now_ms = self._now_ms()
        for upload in self._board.uploads:
            deadline_ms = upload.sender.next_deadline_ms()
            if deadline_ms is not None and deadline_ms <= now_ms and self._board.may_act(upload):
                self._perform(upload, upload.sender.on_time(now_ms))
        for work in self._board.ready(now_ms) if self._is_connected else ():
            upload = self._board.begin(work, seed=self._entropy.take(16))
            self._perform(upload, upload.sender.start(now_ms))

    def _tell_state(self) -> None:
        now_ms = self._now_ms()
        active, left, uploads = self._board.active, self._board.left(), self._board.uploads
        state = state_of(
            Snapshot(
                is_connected=self._is_connected,
                broker_reason=self._broker_reason,
                left_count=len(left) + self._chains.is_reading,
                left_bytes=sum(work.description.size_bytes for work in left),
                active_count=len(active),
                silent_ms=max((upload.sender.silent_ms(now_ms) or 0 for upload in active), default=0),
                is_open_acknowledged=self._is_open_acknowledged,
                has_subscribers=self._has_subscribers or bool(self._workers),
                broker_refusal=self._broker_refusal,
                held_reason=next((upload.held_reason for upload in uploads if upload.held_reason), None),
                refused=next((upload.refused for upload in uploads if upload.refused), None),
                undescribed=next(
                    (
                        f"{name} of {place.folder}: {text}"
                        for place, notes in self._undescribed.items()
                        for name, text in notes.items()
                    ),
                    None,
                ),
            )
        )
        is_new = self._state is None or state.code != self._state.code or state.code == "no-broker"
        if state != self._state and (is_new or now_ms - self._state_told_at_ms >= STATE_EVERY_MS):
            self._state, self._state_told_at_ms = state, now_ms
            self._on_event(state)

    def _wait_s(self) -> float:
        if self._chains.is_reading:
            return 0.0
        deadlines = [upload.sender.next_deadline_ms() for upload in self._board.active]
        next_ms = min((d for d in deadlines if d is not None), default=None)
        if next_ms is None:
            return _LOOK_AFTER_S
        return min(max(next_ms - self._now_ms(), 0) / 1000, _LOOK_AFTER_S)

    def _now_ms(self) -> int:
        return self._clock.mono_ns() // 1_000_000
