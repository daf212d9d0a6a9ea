"""Does what the session's table says: opens, closes, mutes, marks, and tells the officer. Belongs to the recorder's loop.

What an event means stands in `firmware.core.session` and nowhere else. A close waits here for the end of the last GOP, so
that a recording holds the moment of its stop.
"""

from collections.abc import Callable, Sequence
from typing import Final

from firmware.app.capture import Capture
from firmware.app.inbox import Item
from firmware.app.shift_log import ShiftLog
from firmware.app.telling import Say
from firmware.core.pairing import AUDIO_WAIT_US
from firmware.core.session import Action, Event, State, step
from firmware.ports import Camera, Clock, EncodedAudio, EncodedFrame, Indicator, Signal
from protocol.entries import CloseReason, OpenReason

LAST_GOP_WAIT_US: Final = 500_000
"""How long a stop waits for the key frame that ends the last GOP; the encoder was asked for it."""
_DRAIN_WAIT_S: Final = 0.01

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
_WHOLE_CLOSES: Final = frozenset(
    {Action.CLOSE_STOP, Action.CLOSE_DOCKED, Action.CLOSE_SHIFT_END, Action.CLOSE_POWER_OFF}
)
"""Closes that take everything up to their moment; the others end where the last durable chunk does."""
_SIGNAL_OF_STATE: Final[dict[State, Signal]] = {
    State.STANDBY: Signal.STANDBY,
    State.RECORDING: Signal.RECORDING,
    State.MUTED: Signal.RECORDING_MUTED,
    State.FULL: Signal.CARD_FULL,
    State.OFF: Signal.OFF,
}


class Conductor:
    """The session, and the hands that carry it out."""

    def __init__(
        self,
        *,
        has_room: Callable[[], bool],
        clock: Clock,
        log: ShiftLog,
        capture: Capture,
        camera: Camera,
        indicator: Indicator,
        next_item: Callable[[float], Item | None],
        defer: Callable[[Sequence[Item]], None],
        say: Say,
    ) -> None:
        """Take the parts. ``next_item`` gives what came next, ``defer`` puts back what has to wait, both in order."""
        self.has_room, self._clock, self._log, self._capture = has_room, clock, log, capture
        self._camera, self._indicator, self._say = camera, indicator, say
        self._next_item, self._defer = next_item, defer
        self.state = State.STANDBY
        self.is_camera_on = False
        self._is_camera_lost = False

    def apply(self, event: Event, mono_us: int, *, reason: OpenReason = "press") -> None:
        """Look the event up and do what the table says."""
        if event is Event.START:
            # The card is asked at the press: it may have been filled or freed since the last heartbeat.
            if self.state is State.STANDBY and not self.has_room():
                self.apply(Event.CARD_FULL, mono_us)
            elif self.state is State.FULL and self.has_room():
                self.apply(Event.CARD_FREED, mono_us)
        found = step(self.state, event)
        self.state = found.state
        if found.signal is not None:
            self._show(found.signal)
        for action in found.actions:
            self._do(action, mono_us, _CONTINUE_REASONS.get(event, reason))

    def take_frame(self, frame: EncodedFrame) -> None:
        """Take a frame of the camera."""
        if self._is_camera_lost:
            self._is_camera_lost = False
            self._log.event("camera-back")
            self._show(_SIGNAL_OF_STATE[self.state])
        self._capture.take_frame(frame)
        if self._capture.needs_key_frame:
            self._camera.request_key_frame()

    def lose_camera(self) -> None:
        """Say, once, that no frames come: what has come is written, and the officer told."""
        if not self._is_camera_lost and self.is_camera_on:
            self._is_camera_lost = True
            self._capture.end_stream()
            self._log.event("camera-lost")
            self._show(Signal.FAULT)

    def write_next(self) -> None:
        """Write a GOP, if one is ready, and do what follows from it."""
        event = self._capture.write_next(self._now_us())
        if event is not None:
            self.apply(event, self._now_us())

    def _show(self, signal: Signal) -> None:
        # Nothing is being recorded then, whatever was pressed.
        self._indicator.show(Signal.FAULT if self._is_camera_lost else signal)

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
            case _:
                self._close(action, mono_us)
        self._say(action.value.split(":")[0], {"reason": reason, "state": self.state.value})

    def _close(self, action: Action, mono_us: int) -> None:
        reason = _CLOSE_REASONS[action]
        if action in _WHOLE_CLOSES and not self._take_all_until(mono_us):
            reason = "full"
        self._capture.end(reason)

    def _take_all_until(self, mono_us: int) -> bool:
        """Take and write what belongs before ``mono_us``: the GOP that ends there, and its sound. False: the card is full.

        Gestures and calls wait meanwhile, and so do the frames after that GOP.
        """
        waiting: list[Item] = []
        if self.is_camera_on:
            self._camera.request_key_frame()
            give_up_us = self._now_us() + LAST_GOP_WAIT_US
            while self._capture.closed_until_us < mono_us and self._now_us() < give_up_us:
                self._take_one(waiting, is_frame_taken=True)
        if self._capture.closed_until_us < mono_us:
            self._capture.end_stream()
        give_up_us = self._now_us() + AUDIO_WAIT_US
        is_written = self._write_all()
        while is_written and self.is_camera_on and self._capture.is_waiting_for_audio and self._now_us() < give_up_us:
            self._take_one(waiting, is_frame_taken=False)
            is_written = self._write_all()
        self._capture.end_audio()
        self._defer(waiting)
        return is_written and self._write_all()

    def _take_one(self, waiting: list[Item], *, is_frame_taken: bool) -> None:
        item = self._next_item(_DRAIN_WAIT_S)
        if isinstance(item, EncodedAudio):
            self._capture.take_audio(item)
        elif isinstance(item, EncodedFrame) and is_frame_taken:
            self.take_frame(item)
        elif item is not None:
            waiting.append(item)

    def _write_all(self) -> bool:
        """Write every GOP that is ready, in new recordings where need be; False when the card is full."""
        while True:
            event = self._capture.write_next(self._now_us())
            if event is Event.CARD_FULL:
                return False
            if event is not None:
                for action in step(State.RECORDING, event).actions:
                    self._do(action, self._now_us(), _CONTINUE_REASONS[event])
            elif not self._capture.is_behind:
                return True

    def _now_us(self) -> int:
        return self._clock.mono_ns() // 1000
