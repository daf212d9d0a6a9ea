"""The camera's main loop: one thread owns session, ring and chain; everything else only queues for it.

Sensors, buttons and the dock call from their own threads and never wait for the card, but for `call`. What an event means is
asked of `firmware.core.session` and done in `firmware.app.conductor`; what becomes of receipts is `firmware.app.eraser`.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from firmware.app.camera_keeper import CameraChange, CameraNews
from firmware.app.capture import Capture
from firmware.app.conductor import Conductor
from firmware.app.eraser import Eraser, ReceiptOutcome
from firmware.app.inbox import Call, GestureAt, Inbox, Item
from firmware.app.shift_log import ShiftLog
from firmware.app.telling import Say, never_failing
from firmware.core.recovery import RecoveryPlan
from firmware.core.session import EVENT_OF_GESTURE, Event, State
from firmware.errors import CameraFault, RecorderEnded
from firmware.ports import Camera, Clock, EncodedAudio, EncodedFrame, Indicator, Microphone, Panel, Signal, Store
from firmware.settings import CameraSettings
from protocol.entries import Heartbeat
from protocol.receipt import ReceiptWithProof

IDLE_WAIT_S: Final = 0.05
TURN_ITEM_COUNT_MAX: Final = 256
"""What is taken from the inbox between two GOPs written: a gesture waits for one GOP, not for a whole ring."""
CAMERA_SILENT_NS_MAX: Final = 3_000_000_000
"""A camera that delivers nothing for so long is dead, and the officer is told."""


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
        on_fault: Callable[[], None] = lambda: None,
    ) -> None:
        """Take every part; nothing is started. ``on_fault`` is called from the loop's own thread when `fault` has ended it."""
        self._settings, self._clock = settings, clock
        self._log, self._eraser, self._capture = log, eraser, capture
        self._camera, self._microphone, self._panel, self._indicator = camera, microphone, panel, indicator
        self._say, self._on_fault = never_failing(say), on_fault
        self._inbox = Inbox()
        self._deferred: deque[Item] = deque()
        self._conductor = Conductor(
            has_room=lambda: store.free_bytes() > settings.reserve_bytes,
            clock=clock,
            log=log,
            capture=capture,
            camera=camera,
            indicator=indicator,
            next_item=self._next,
            defer=lambda items: self._deferred.extendleft(reversed(items)),
            say=self._say,
        )
        self._heartbeat_due_ns = 0
        self._frame_seen_ns = 0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.fault: BaseException | None = None
        """What ended the loop, if it was not `stop`: the process must end, and recovery look at the next start."""

    @property
    def state(self) -> State:
        """Return what the camera is doing."""
        return self._conductor.state

    def start(self) -> None:
        """Recover the card, finish erasures, and begin to fill the ring; goes on with a recording that was cut.

        Raises:
            CameraFault: there is no picture; the shift is left in order. Without a microphone it records without sound.
            StoreFull, StoreUncertain: the card cannot be taken up.
        """
        plan = self._log.recover()
        self._eraser.redo()
        self._log.event("power-on")
        for alone in self._log.left_alone:
            self._say("left-alone", {"folder": alone.folder, "reason": alone.reason})
        self._heartbeat_due_ns = self._clock.mono_ns() + self._settings.heartbeat_s * 1_000_000_000
        self._frame_seen_ns = self._clock.mono_ns()
        self._indicator.show(Signal.STANDBY)
        if plan is not None:
            self._go_on(plan)
        self._inbox.open()
        self._thread.start()
        try:
            self._conductor.is_camera_on = True
            self._camera.start(self._inbox.put_media)
        except CameraFault:
            self.stop()
            raise
        try:
            if self._microphone is not None:
                self._microphone.start(self._inbox.put_media)
        except CameraFault as error:
            self._say("microphone-fault", {"text": str(error)})
        self._panel.start(lambda gesture: self._queue(GestureAt(gesture, self._clock.mono_ns() // 1000)))
        self._say("standby", {"shift_number": self._log.number, "pre_event_s": self._settings.pre_event_s})

    def stop(self) -> None:
        """Close what runs, sign the power-off, and return when all is durable, or the loop has a `fault`.

        Safe to call twice, from any thread but the loop's own.
        """
        assert threading.current_thread() is not self._thread, "the recorder cannot wait for itself"
        self._panel.stop()
        self._conductor.is_camera_on = False
        self._camera.stop()
        if self._microphone is not None:
            self._microphone.stop()
        if self._thread.ident is None:
            return
        self._ask(lambda: self._conductor.apply(Event.POWER_OFF, self._now_us()))
        self._thread.join()

    def docked(self) -> None:
        """Close recording and shift, open the next shift; returns when the closed one can be read.

        Raises:
            RecorderEnded: as `call`.
        """
        self.call(lambda: self._conductor.apply(Event.DOCKED, self._now_us()))

    def undocked(self) -> None:
        """Sign that the camera left its dock.

        Raises:
            RecorderEnded: as `call`.
        """
        self.call(lambda: self._log.event("undocked"))
        self._say("undocked", {})

    def take_receipt(self, brought: ReceiptWithProof) -> ReceiptOutcome:
        """Give a receipt to the erase gate; the slow part is done here, while the camera records on."""
        outcomes: list[ReceiptOutcome] = []
        self._eraser.prepare(brought.signed)
        is_done = self._ask(lambda: outcomes.append(self._eraser.take(brought)))
        return outcomes[0] if is_done else ReceiptOutcome(is_erased=False, reason="the camera is stopping")

    def hear_of_camera(self, news: CameraNews) -> None:
        """Take what the camera's keeper says, on the keeper's thread."""
        self._say(news.change.value, {"silence_ms": news.silence_ms, "text": str(news.fault or "")})
        if news.change is CameraChange.LOST:
            self._inbox.put(Call(self._conductor.lose_camera))
        elif news.change is CameraChange.STUCK:
            self._inbox.put(Call(lambda: _raise(news.fault or CameraFault("the camera does not close"))))

    def call(self, work: Callable[[], None]) -> None:
        """Do ``work`` on the loop's own thread and wait for it.

        What it raises ends the loop and is its `fault`.

        Raises:
            RecorderEnded: the loop has ended, or ends with this: the work may not have been done.
        """
        if not self._ask(work):
            raise RecorderEnded(
                f"the recorder has ended ({self.fault or 'it was stopped'}); nothing can be asked of it"
            )

    def _ask(self, work: Callable[[], None]) -> bool:
        """Do ``work`` as `call` does, and return whether it was done."""
        assert threading.current_thread() is not self._thread, "the recorder cannot wait for itself"
        item = Call(work)
        if not self._inbox.put(item):
            return False
        item.ended.wait()
        return item.is_done

    def _queue(self, item: GestureAt) -> None:
        self._inbox.put(item)

    def _go_on(self, plan: RecoveryPlan) -> None:
        """Continue a recording that was cut, muted if it was."""
        if plan.interrupted_recording_id is None:
            return
        self._capture.last_recording_id = plan.interrupted_recording_id
        self._conductor.apply(Event.START, self._now_us(), reason="resumed")
        if plan.was_muted and self.state is State.RECORDING:
            self._conductor.apply(Event.MUTE, self._now_us())

    def _run(self) -> None:
        try:
            while self.state is not State.OFF:
                self._turn()
        except BaseException as error:
            self.fault = error
            self._say("fault", {"text": f"{type(error).__name__}: {error}"})
            self._indicator.show(Signal.FAULT)
        finally:
            self._inbox.close()
            for item in self._deferred:
                if isinstance(item, Call):
                    item.ended.set()
            if self.fault is not None:
                self._on_fault()

    def _turn(self) -> None:
        item = self._next(0 if self._capture.is_behind else IDLE_WAIT_S)
        for _ in range(TURN_ITEM_COUNT_MAX):
            if item is None or self.state is State.OFF:
                break
            self._take(item)
            item = self._next(0)
        if item is not None:
            self._deferred.appendleft(item)
        if self.state is not State.OFF:
            self._conductor.write_next()
            self._on_time()

    def _next(self, wait_s: float) -> Item | None:
        return self._deferred.popleft() if self._deferred else self._inbox.get(wait_s)

    def _take(self, item: Item) -> None:
        if isinstance(item, EncodedFrame):
            self._frame_seen_ns = self._clock.mono_ns()
            self._conductor.take_frame(item)
        elif isinstance(item, EncodedAudio):
            self._capture.take_audio(item)
        elif isinstance(item, GestureAt):
            self._conductor.apply(EVENT_OF_GESTURE[item.gesture], item.mono_us)
        else:
            try:
                item.work()
                item.is_done = True
            except BaseException as error:
                self.fault = error
                raise
            finally:
                item.ended.set()

    def _on_time(self) -> None:
        now_ns = self._clock.mono_ns()
        if self._inbox.needs_key_frame:
            self._camera.request_key_frame()
        if now_ns - self._frame_seen_ns > CAMERA_SILENT_NS_MAX:
            self._conductor.lose_camera()
        if now_ns >= self._heartbeat_due_ns:
            self._heartbeat_due_ns = now_ns + self._settings.heartbeat_s * 1_000_000_000
            self._beat()
        if now_ns - self._log.opened_at_mono_ns >= self._settings.shift_hours_max * 3_600_000_000_000:
            self._conductor.apply(Event.SHIFT_AGED, now_ns // 1000)

    def _beat(self) -> None:
        if self.state in (State.STANDBY, State.FULL):
            self._log.append(Heartbeat(at=self._log.moment(), state=self.state.value))
            self._conductor.apply(Event.CARD_FREED if self._conductor.has_room() else Event.CARD_FULL, self._now_us())

    def _now_us(self) -> int:
        return self._clock.mono_ns() // 1000


def _raise(fault: CameraFault) -> None:
    raise fault
