"""The camera's main loop: one thread owns session, ring and chain; everything else only queues for it.

It asks `firmware.core.session` what an event means and does it. Sensors, buttons and the dock call from their own threads and
never wait for the card, but for `call`. What becomes of receipts is `firmware.app.eraser`.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from firmware.app.capture import Capture, Say
from firmware.app.eraser import Eraser, ReceiptOutcome
from firmware.app.shift_log import ShiftLog
from firmware.core.pairing import AUDIO_WAIT_US
from firmware.core.session import EVENT_OF_GESTURE, Action, Event, State, step
from firmware.ports import (
    Camera,
    Clock,
    EncodedAudio,
    EncodedFrame,
    Gesture,
    Indicator,
    Microphone,
    Panel,
    Signal,
    Store,
)
from firmware.settings import CameraSettings
from protocol.entries import CloseReason, Heartbeat, OpenReason

INBOX_ITEM_COUNT_MAX: Final = 8192
"""Frames and audio of more than a minute: a card that stands still that long has failed."""
IDLE_WAIT_MS: Final = 50
LAST_GOP_WAIT_US: Final = 500_000
"""How long a stop waits for the key frame that ends the last GOP; the encoder was asked for it."""

_CLOSE_REASONS: Final[dict[Action, CloseReason]] = {
    Action.CLOSE_STOP: "stop",
    Action.CLOSE_DOCKED: "docked",
    Action.CLOSE_FULL: "full",
    Action.CLOSE_SHIFT_END: "shift-end",
    Action.CLOSE_FORMAT: "format-change",
    Action.CLOSE_WRITE_ERROR: "write-error",
    Action.CLOSE_POWER_OFF: "power-off",
}
_CONTINUE_REASONS: Final[dict[Event, OpenReason]] = {
    Event.SHIFT_AGED: "shift-end",
    Event.FORMAT_CHANGED: "format-change",
    Event.WRITE_FAILED: "write-error",
}
_DRAINED_CLOSES: Final = frozenset({Action.CLOSE_STOP, Action.CLOSE_DOCKED, Action.CLOSE_SHIFT_END})
"""Closes that wait for the last GOP to end; the others end where the last durable chunk does."""


@dataclass(frozen=True, slots=True)
class _GestureAt:
    gesture: Gesture
    mono_us: int


@dataclass(frozen=True, slots=True)
class _Call:
    """Something that another thread wants done here; ``done`` is set when it is."""

    work: Callable[[], None]
    done: threading.Event


_Item = EncodedFrame | EncodedAudio | _GestureAt | _Call


class Recorder:
    """A camera that records: from `start` to `stop` there is always an open shift."""

    def __init__(
        self,
        *,
        settings: CameraSettings,
        store: Store,
        clock: Clock,
        log: ShiftLog,
        eraser: Eraser,
        capture: Capture,
        camera: Camera,
        microphone: Microphone | None,
        panel: Panel,
        indicator: Indicator,
        say: Say,
    ) -> None:
        """Take every part; nothing is started."""
        self._settings, self._store, self._clock = settings, store, clock
        self._log, self._eraser, self._capture = log, eraser, capture
        self._camera, self._microphone, self._panel, self._indicator = camera, microphone, panel, indicator
        self._say = say
        self._state = State.STANDBY
        self._inbox: queue.Queue[_Item] = queue.Queue(INBOX_ITEM_COUNT_MAX)
        self._deferred: deque[_Item] = deque()
        self._heartbeat_due_ns = 0
        self._is_running = False
        self._is_camera_on = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.fault: BaseException | None = None
        """What ended the loop, if it was not `stop`: the process must end, and recovery look at the next start."""

    @property
    def state(self) -> State:
        """Return what the camera is doing."""
        return self._state

    def start(self) -> None:
        """Recover the card, finish erasures, and begin to fill the ring; goes on with a recording that was cut."""
        plan = self._log.recover()
        self._eraser.redo()
        self._log.event("power-on")
        self._is_running = self._is_camera_on = True
        self._heartbeat_due_ns = self._clock.mono_ns() + self._settings.heartbeat_s * 1_000_000_000
        self._indicator.show(Signal.STANDBY)
        if plan is not None and plan.interrupted_recording_id is not None:
            self._capture.last_recording_id = plan.interrupted_recording_id
            self._apply(Event.START, self._now_us(), reason="resumed")
        self._thread.start()
        self._camera.start(self._queue)
        if self._microphone is not None:
            self._microphone.start(self._queue)
        self._panel.start(lambda gesture: self._queue(_GestureAt(gesture, self._now_us())))
        self._say("standby", {"shift_number": self._log.number, "pre_event_s": self._settings.pre_event_s})

    def stop(self) -> None:
        """Close what runs, sign the power-off, and return when all is durable."""
        self._panel.stop()
        self._is_camera_on = False
        self._camera.stop()
        if self._microphone is not None:
            self._microphone.stop()
        self.call(lambda: self._apply(Event.POWER_OFF, self._now_us()))
        self._is_running = False
        if self._thread.ident is not None:
            self._thread.join()

    def docked(self) -> None:
        """Close recording and shift, open the next shift; returns when the closed one can be read."""
        self.call(lambda: self._apply(Event.DOCKED, self._now_us()))

    def undocked(self) -> None:
        """Sign that the camera left its dock."""
        self.call(lambda: self._log.event("undocked"))
        self._say("undocked", {})

    def take_receipt(self, signed: bytes) -> ReceiptOutcome:
        """Give a receipt to the erase gate."""
        outcomes: list[ReceiptOutcome] = []
        self.call(lambda: outcomes.append(self._eraser.take(signed)))
        return outcomes[0] if outcomes else ReceiptOutcome(is_erased=False, reason="the camera is stopping")

    def call(self, work: Callable[[], None]) -> None:
        """Do ``work`` on the loop's own thread and wait for it; nothing is done once the loop has ended."""
        item = _Call(work, threading.Event())
        self._queue(item)
        while not item.done.wait(0.05) and self._thread.is_alive():
            pass

    def _queue(self, item: _Item) -> None:
        # A full inbox means that the card stands still. What is dropped shows as a gap in the frames' times, and is signed.
        try:
            self._inbox.put_nowait(item)
        except queue.Full:
            if isinstance(item, _Call | _GestureAt):
                self._inbox.put(item)

    def _run(self) -> None:
        try:
            while self._is_running:
                self._turn()
        except BaseException as error:
            self.fault = error
            self._say("fault", {"text": f"{type(error).__name__}: {error}"})
            self._indicator.show(Signal.FAULT)
            raise

    def _turn(self) -> None:
        item = self._next(IDLE_WAIT_MS / 1000)
        if item is not None:
            self._take(item)
        self._write_ready()
        self._on_time()

    def _next(self, wait_s: float) -> _Item | None:
        if self._deferred:
            return self._deferred.popleft()
        try:
            return self._inbox.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _take(self, item: _Item) -> None:
        if isinstance(item, EncodedFrame):
            self._capture.take_frame(item)
            if self._capture.needs_key_frame:
                self._camera.request_key_frame()
        elif isinstance(item, EncodedAudio):
            self._capture.take_audio(item)
        elif isinstance(item, _GestureAt):
            self._apply(EVENT_OF_GESTURE[item.gesture], item.mono_us)
        else:
            try:
                item.work()
            finally:
                item.done.set()

    def _write_ready(self) -> None:
        while events := self._capture.write_ready(self._now_us()):
            for event in events:
                self._apply(event, self._now_us())

    def _on_time(self) -> None:
        now_ns = self._clock.mono_ns()
        if now_ns >= self._heartbeat_due_ns:
            self._heartbeat_due_ns = now_ns + self._settings.heartbeat_s * 1_000_000_000
            if self._state in (State.STANDBY, State.FULL):
                self._log.append(Heartbeat(at=self._log.moment(), state=self._state.value))
                self._apply(Event.CARD_FREED if self._has_room() else Event.CARD_FULL, now_ns // 1000)
        if now_ns - self._log.opened_at_mono_ns >= self._settings.shift_hours_max * 3_600_000_000_000:
            self._apply(Event.SHIFT_AGED, now_ns // 1000)

    def _has_room(self) -> bool:
        return self._store.free_bytes() > self._settings.reserve_bytes

    def _apply(self, event: Event, mono_us: int, *, reason: OpenReason = "press") -> None:
        """Look the event up and do what the table says."""
        if event is Event.START and self._state is State.STANDBY and not self._has_room():
            self._apply(Event.CARD_FULL, mono_us)
        found = step(self._state, event)
        self._state = found.state
        if found.signal is not None:
            self._indicator.show(found.signal)
        for action in found.actions:
            self._do(action, mono_us, _CONTINUE_REASONS.get(event, reason))

    def _do(self, action: Action, mono_us: int, reason: OpenReason) -> None:
        match action:
            case Action.OPEN | Action.CONTINUE:
                self._camera.request_key_frame()
                continues = None if reason == "press" else self._capture.last_recording_id
                self._capture.open(reason, mono_us, continues=continues)
            case Action.MUTE_ON:
                self._capture.mute(mono_us)
            case Action.MUTE_OFF:
                self._capture.unmute(mono_us)
            case Action.MARK:
                self._capture.mark(mono_us)
            case Action.REFUSE:
                self._log.event("press-refused")
            case Action.NEW_SHIFT_DOCKED:
                self._log.close_and_open_next("docked")
                self._log.event("docked")
            case Action.NEW_SHIFT_AGED:
                self._log.close_and_open_next("age")
            case Action.POWER_OFF:
                self._log.event("power-off")
                self._is_running = False
            case _:
                self._end_recording(action)
        self._say(action.value.split(":")[0], {"reason": reason, "state": self._state.value})

    def _end_recording(self, action: Action) -> None:
        if action in _DRAINED_CLOSES and self._is_camera_on:
            self._drain_last_gop()
        elif action is Action.CLOSE_POWER_OFF:
            self._capture.flush()
            self._capture.write_ready(self._now_us())
        self._capture.end(_CLOSE_REASONS[action])

    def _drain_last_gop(self) -> None:
        """Take what comes until the GOP of the stop has ended and its sound is there; gestures and calls wait."""
        self._camera.request_key_frame()
        gop_count = self._capture.closed_gop_count
        deadline_us = self._now_us() + LAST_GOP_WAIT_US
        waiting: list[_Item] = []
        while self._now_us() < deadline_us:
            item = self._next(0.01)
            if isinstance(item, EncodedFrame | EncodedAudio):
                is_new_gop_open = self._capture.closed_gop_count > gop_count
                if isinstance(item, EncodedFrame) and is_new_gop_open:
                    waiting.append(item)
                else:
                    self._take(item)
            elif item is not None:
                waiting.append(item)
            if self._capture.closed_gop_count > gop_count:
                deadline_us = min(deadline_us, self._now_us() + AUDIO_WAIT_US)
                if self._capture.write_ready(self._now_us()) or not self._capture.is_waiting_for_audio:
                    break
        else:
            self._capture.flush()
            self._capture.write_ready(self._now_us())
        self._deferred.extendleft(reversed(waiting))

    def _now_us(self) -> int:
        return self._clock.mono_ns() // 1000
