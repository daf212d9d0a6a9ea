"""An ingest worker: takes files from docks over the broker, stages them, and gives them to the keeper (spec 7.6).

One thread runs the machine and staging, the keeper has a second one, so that a long verification holds up no dock. The
connection's own thread only queues. Blocks are made durable in groups: whatever has arrived meanwhile, then one sync.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dockd.central.app.staging import Staging
from dockd.central.errors import StagingFull
from dockd.central.ports import EventFields, IntakeRefused, Keeper, Kept, OnEvent
from dockd.shared.errors import OperatingError
from dockd.shared.ports import (
    BrokerEvent,
    Connect,
    Connected,
    ConnectionPlan,
    Disconnected,
    Publication,
    Received,
)
from protocol.errors import PeerError
from protocol.offload.blocks import decode_block
from protocol.offload.messages import Cancel, Description, Fin, Open, Presence, parse_message
from protocol.offload.receiver import Close, Compare, Effects, Ending, Keep, LookUp, Receiver, Send, Stage, Write
from protocol.offload.topics import (
    Topic,
    is_worker_name,
    parse_topic,
    reply_topic,
    worker_filters,
    worker_presence_topic,
)

RECEIVED_QUEUED_MAX: Final = 64
GROUP_BYTES_MAX: Final = 16 * 1024 * 1024
GROUP_MESSAGES_MAX: Final = 64
_LOOK_AFTER_S: Final = 1.0
_BREACH_EVERY_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Job:
    """Work for the keeper: look a file up, or keep the one that is staged."""

    description: Description
    staged: Path | None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the keeper said: what became of the file, None for not stored, or why not."""

    description: Description
    outcome: Kept | IntakeRefused | OperatingError | None


@dataclass(frozen=True, slots=True)
class _Fatal:
    """The keeper's thread met what nobody handles."""

    error: BaseException


class _Stop:
    """The worker is told to end."""


_Item = BrokerEvent | _Answer | _Fatal | _Stop


class Ingest:
    """One worker. ``now_ms`` is monotonic; ``instance`` is 16 random bytes, new for each process."""

    def __init__(
        self,
        *,
        worker: str,
        connect: Connect,
        staging: Staging,
        keeper: Keeper,
        on_event: OnEvent,
        now_ms: Callable[[], int],
        instance: bytes,
    ) -> None:
        """Take what is needed; nothing happens before ``run``."""
        assert is_worker_name(worker), worker
        self._worker = worker
        self._staging = staging
        self._keeper = keeper
        self._on_event = on_event
        self._now_ms = now_ms
        self._receiver = Receiver(worker)
        self._items: queue.Queue[_Item] = queue.Queue()
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._is_ending = threading.Event()
        self._unsynced_bytes = 0
        self._breach_at_ms: dict[str | None, int] = {}
        topic = worker_presence_topic(worker)
        online, offline = (
            Presence(name=worker, instance=instance, is_online=is_on).encoded() for is_on in (True, False)
        )
        plan = ConnectionPlan(
            name=worker,
            filters=worker_filters(worker),
            hello=Publication(topic, online, is_retained=True),
            will=Publication(topic, offline, is_retained=True),
        )
        self._connection = connect(plan, self._on_broker_event)

    def run(self) -> None:
        """Serve until `stop`, or until a fault that nobody handles; that one is raised."""
        keeper = threading.Thread(target=self._run_keeper, name="keeper", daemon=True)
        keeper.start()
        self._connection.start()
        try:
            while self._take_group():
                pass
        finally:
            self._connection.stop()
            self._is_ending.set()
            self._jobs.put(None)
            keeper.join()

    def stop(self) -> None:
        """Let `run` end after what it is doing; any thread or signal handler may call it."""
        self._items.put(_Stop())

    def _on_broker_event(self, event: BrokerEvent) -> None:
        if isinstance(event, Received) and self._items.qsize() >= RECEIVED_QUEUED_MAX:
            return  # an honest broker holds back long before this; the wire may lose messages
        if isinstance(event, Received | Connected | Disconnected):
            self._items.put(event)

    def _take_group(self) -> bool:
        """Handle what has arrived, make it durable, do what is due; False when it is time to end."""
        now_ms = self._now_ms()
        deadline_ms = self._receiver.next_deadline_ms()
        wait_s = _LOOK_AFTER_S if deadline_ms is None else min(max(deadline_ms - now_ms, 0) / 1000, _LOOK_AFTER_S)
        try:
            if not self._take(self._items.get(timeout=wait_s)):
                return False
            for _ in range(GROUP_MESSAGES_MAX - 1):
                if not self._take(self._items.get_nowait()):
                    return False
        except queue.Empty:
            pass
        self._sync()
        self._perform(self._receiver.on_time(self._now_ms()))
        return True

    def _take(self, item: _Item) -> bool:
        match item:
            case Received():
                self._take_message(item)
                self._connection.acknowledge(item)
            case _Answer():
                self._perform(self._told(item))
            case Connected():
                self._on_event("broker-connected", {"worker": self._worker})
            case Disconnected():
                self._on_event("broker-disconnected", {"worker": self._worker, "reason": item.reason})
            case _Fatal():
                raise item.error
            case _Stop():
                return False
        return True

    def _take_message(self, message: Received) -> None:
        topic = parse_topic(message.topic)
        if topic is None or topic.worker not in (None, self._worker):
            return
        try:
            self._perform(self._effects_of(topic, message))
        except PeerError as error:
            now_ms = self._now_ms()
            if now_ms - self._breach_at_ms.get(topic.dock, -_BREACH_EVERY_MS) >= _BREACH_EVERY_MS:
                self._breach_at_ms[topic.dock] = now_ms
                self._on_event("wire-breach", {"dock": topic.dock, "topic": topic.kind, "reason": str(error)})

    def _effects_of(self, topic: Topic, message: Received) -> Effects:
        now_ms, dock = self._now_ms(), topic.dock
        if dock is None:
            return ()
        if topic.kind == "block":
            return self._receiver.on_block(dock, decode_block(message.payload), now_ms)
        parsed = parse_message(message.payload)
        if topic.kind == "open" and isinstance(parsed, Open):
            return self._receiver.on_open(
                dock, parsed, now_ms, response_topic=message.response_topic, correlation=message.correlation
            )
        if topic.kind == "control" and isinstance(parsed, Fin | Cancel):
            return self._receiver.on_control(dock, parsed, now_ms)
        raise PeerError(f"{parsed.kind} on the topic for {topic.kind}", section="spec/07-offload.md, 7.1")

    def _told(self, answer: _Answer) -> Effects:
        file, transfer = answer.description, answer.description.transfer
        match answer.outcome:
            case None:
                return self._receiver.on_unknown(transfer)
            case Kept(receipts, held_reason):
                fields: EventFields = {"receipts": len(receipts), "held_reason": held_reason}
                self._tell("file-kept", file, fields)
                return self._receiver.on_kept(transfer, receipts, held_reason)
            case IntakeRefused() as refusal:
                self._tell("file-refused", file, {"reason": refusal.reason, "section": refusal.section})
                return self._receiver.on_refused(transfer, refusal.reason, refusal.section)
            case OperatingError() as fault:
                self._tell("file-held", file, {"reason": str(fault)})
                return self._receiver.on_held(transfer, str(fault))

    def _perform(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case Send(dock, message, request):
                    topic = reply_topic(self._worker, dock)
                    self._connection.publish(Publication(topic, message.encoded(), correlation=request))
                case Write(transfer, index, data):
                    self._write(transfer, index, data)
                case Compare(transfer, index, data):
                    self._compare(transfer, index, data)
                case LookUp(file):
                    self._jobs.put(_Job(file, None))
                case Stage(dock, file):
                    self._stage(dock, file)
                case Keep(file):
                    self._jobs.put(_Job(file, self._staging.hand_over(file.transfer)))
                case Close(transfer, ending):
                    self._close(transfer, ending)

    def _stage(self, dock: str, file: Description) -> None:
        self._sync()
        try:
            epoch, have = self._staging.open(dock, file)
        except StagingFull as fault:
            self._hold(file.transfer, fault)
            return
        self._perform(self._receiver.on_staged(file.transfer, epoch=epoch, have=have))

    def _write(self, transfer: bytes, index: int, data: memoryview) -> None:
        try:
            self._staging.write(transfer, index, data)
        except StagingFull as fault:
            self._hold(transfer, fault)
            return
        self._unsynced_bytes += len(data)
        if self._unsynced_bytes >= GROUP_BYTES_MAX:
            self._sync()

    def _compare(self, transfer: bytes, index: int, data: memoryview) -> None:
        if self._staging.matches(transfer, index, data):
            return
        try:
            kept = self._staging.keep_conflict(transfer, index, data)
        except StagingFull:
            kept = None
        name = None if kept is None else str(kept)
        self._on_event("block-conflict", {"transfer": transfer.hex(), "block": index, "other_bytes": name})

    def _close(self, transfer: bytes, ending: Ending) -> None:
        self._sync()
        match ending:
            case Ending.KEPT:
                self._staging.remove(transfer)
            case Ending.REFUSED:
                if self._staging.refuse(transfer):
                    self._on_event("staged-set-aside", {"transfer": transfer.hex()})
            case Ending.LEFT:
                self._staging.close(transfer)

    def _hold(self, transfer: bytes, fault: StagingFull) -> None:
        self._on_event("staging-full", {"transfer": transfer.hex(), "reason": str(fault)})
        self._perform(self._receiver.on_held(transfer, str(fault)))

    def _sync(self) -> None:
        self._unsynced_bytes = 0
        self._perform(self._receiver.on_synced(self._staging.sync()))

    def _tell(self, name: str, file: Description, fields: EventFields) -> None:
        place: EventFields = {"camera": file.camera_id.hex(), "shift": file.shift_id.hex(), "file": file.name}
        self._on_event(name, place | fields)

    def _run_keeper(self) -> None:
        while (job := self._jobs.get()) is not None and not self._is_ending.is_set():
            outcome: Kept | IntakeRefused | OperatingError | None
            try:
                if job.staged is None:
                    outcome = self._keeper.receipts_for(job.description)
                else:
                    outcome = self._keeper.keep(job.description, job.staged)
            except (IntakeRefused, OperatingError) as error:
                outcome = error
            except BaseException as error:  # the outermost loop of this thread: `run` raises it
                self._items.put(_Fatal(error))
                return
            self._items.put(_Answer(job.description, outcome))
