"""What the camera does at each event: one table, no I/O (ARCHITECTURE.md, "A recording's life").

Recording and docking vary independently, so docking is no state here: it is an event that ends a recording and the shift.
Mute is a state of the recording alone.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from firmware.errors import IllegalTransition
from firmware.ports import Gesture, Signal


class State(StrEnum):
    """What the camera is doing."""

    STANDBY = "standby"
    RECORDING = "recording"
    MUTED = "muted"
    FULL = "full"
    OFF = "off"


class Event(StrEnum):
    """What can happen to it. The first four are gestures."""

    START = "start"
    STOP = "stop"
    MUTE = "mute"
    MARK = "mark"
    DOCKED = "docked"
    SHIFT_AGED = "shift-aged"
    CARD_FULL = "card-full"
    CARD_FREED = "card-freed"
    FORMAT_CHANGED = "format-changed"
    WRITE_FAILED = "write-failed"
    POWER_OFF = "power-off"


class Action(StrEnum):
    """What the app must do; in the order of the tuple."""

    OPEN = "open-with-pre-event"
    CONTINUE = "open-in-continuation"
    CLOSE_STOP = "close:stop"
    CLOSE_DOCKED = "close:docked"
    CLOSE_FULL = "close:full"
    CLOSE_SHIFT_END = "close:shift-end"
    CLOSE_FORMAT = "close:format-change"
    CLOSE_WRITE_ERROR = "close:write-error"
    CLOSE_POWER_OFF = "close:power-off"
    MUTE_ON = "mute-on"
    MUTE_OFF = "mute-off"
    MARK = "mark"
    REFUSE = "press-refused"
    NEW_SHIFT_DOCKED = "new-shift:docked"
    NEW_SHIFT_AGED = "new-shift:age"
    POWER_OFF = "power-off"


EVENT_OF_GESTURE: Final[dict[Gesture, Event]] = {
    Gesture.START: Event.START,
    Gesture.STOP: Event.STOP,
    Gesture.MUTE: Event.MUTE,
    Gesture.MARK: Event.MARK,
}


@dataclass(frozen=True, slots=True)
class Step:
    """Where an event leads, what is to be done, and what the officer is told."""

    state: State
    actions: tuple[Action, ...] = ()
    signal: Signal | None = None


_S, _E, _A = State, Event, Action
TRANSITIONS: Final[dict[tuple[State, Event], Step]] = {
    (_S.STANDBY, _E.START): Step(_S.RECORDING, (_A.OPEN,), Signal.RECORDING),
    (_S.STANDBY, _E.STOP): Step(_S.STANDBY, (), Signal.IGNORED),
    (_S.STANDBY, _E.MUTE): Step(_S.STANDBY, (), Signal.IGNORED),
    (_S.STANDBY, _E.MARK): Step(_S.STANDBY, (), Signal.IGNORED),
    (_S.STANDBY, _E.DOCKED): Step(_S.STANDBY, (_A.NEW_SHIFT_DOCKED,)),
    (_S.STANDBY, _E.SHIFT_AGED): Step(_S.STANDBY, (_A.NEW_SHIFT_AGED,)),
    (_S.STANDBY, _E.CARD_FULL): Step(_S.FULL, (), Signal.CARD_FULL),
    (_S.STANDBY, _E.CARD_FREED): Step(_S.STANDBY),
    (_S.STANDBY, _E.POWER_OFF): Step(_S.OFF, (_A.POWER_OFF,), Signal.OFF),
    (_S.RECORDING, _E.START): Step(_S.RECORDING, (), Signal.RECORDING),
    (_S.RECORDING, _E.STOP): Step(_S.STANDBY, (_A.CLOSE_STOP,), Signal.STOPPED),
    (_S.RECORDING, _E.MUTE): Step(_S.MUTED, (_A.MUTE_ON,), Signal.RECORDING_MUTED),
    (_S.RECORDING, _E.MARK): Step(_S.RECORDING, (_A.MARK,), Signal.MARKED),
    (_S.RECORDING, _E.DOCKED): Step(_S.STANDBY, (_A.CLOSE_DOCKED, _A.NEW_SHIFT_DOCKED), Signal.STOPPED),
    (_S.RECORDING, _E.SHIFT_AGED): Step(
        _S.RECORDING, (_A.CLOSE_SHIFT_END, _A.NEW_SHIFT_AGED, _A.CONTINUE), Signal.RECORDING
    ),
    (_S.RECORDING, _E.CARD_FULL): Step(_S.FULL, (_A.CLOSE_FULL,), Signal.CARD_FULL),
    (_S.RECORDING, _E.CARD_FREED): Step(_S.RECORDING),
    (_S.RECORDING, _E.FORMAT_CHANGED): Step(_S.RECORDING, (_A.CLOSE_FORMAT, _A.CONTINUE)),
    (_S.RECORDING, _E.WRITE_FAILED): Step(_S.RECORDING, (_A.CLOSE_WRITE_ERROR, _A.CONTINUE)),
    (_S.RECORDING, _E.POWER_OFF): Step(_S.OFF, (_A.CLOSE_POWER_OFF, _A.POWER_OFF), Signal.OFF),
    (_S.MUTED, _E.START): Step(_S.MUTED, (), Signal.RECORDING_MUTED),
    (_S.MUTED, _E.STOP): Step(_S.STANDBY, (_A.CLOSE_STOP,), Signal.STOPPED),
    (_S.MUTED, _E.MUTE): Step(_S.RECORDING, (_A.MUTE_OFF,), Signal.RECORDING),
    (_S.MUTED, _E.MARK): Step(_S.MUTED, (_A.MARK,), Signal.MARKED),
    (_S.MUTED, _E.DOCKED): Step(_S.STANDBY, (_A.CLOSE_DOCKED, _A.NEW_SHIFT_DOCKED), Signal.STOPPED),
    (_S.MUTED, _E.SHIFT_AGED): Step(
        _S.MUTED, (_A.CLOSE_SHIFT_END, _A.NEW_SHIFT_AGED, _A.CONTINUE, _A.MUTE_ON), Signal.RECORDING_MUTED
    ),
    (_S.MUTED, _E.CARD_FULL): Step(_S.FULL, (_A.CLOSE_FULL,), Signal.CARD_FULL),
    (_S.MUTED, _E.CARD_FREED): Step(_S.MUTED),
    (_S.MUTED, _E.FORMAT_CHANGED): Step(_S.MUTED, (_A.CLOSE_FORMAT, _A.CONTINUE, _A.MUTE_ON)),
    (_S.MUTED, _E.WRITE_FAILED): Step(_S.MUTED, (_A.CLOSE_WRITE_ERROR, _A.CONTINUE, _A.MUTE_ON)),
    (_S.MUTED, _E.POWER_OFF): Step(_S.OFF, (_A.CLOSE_POWER_OFF, _A.POWER_OFF), Signal.OFF),
    (_S.FULL, _E.START): Step(_S.FULL, (_A.REFUSE,), Signal.REFUSED),
    (_S.FULL, _E.STOP): Step(_S.FULL, (), Signal.IGNORED),
    (_S.FULL, _E.MUTE): Step(_S.FULL, (), Signal.IGNORED),
    (_S.FULL, _E.MARK): Step(_S.FULL, (), Signal.IGNORED),
    (_S.FULL, _E.DOCKED): Step(_S.FULL, (_A.NEW_SHIFT_DOCKED,)),
    (_S.FULL, _E.SHIFT_AGED): Step(_S.FULL, (_A.NEW_SHIFT_AGED,)),
    (_S.FULL, _E.CARD_FULL): Step(_S.FULL),
    (_S.FULL, _E.CARD_FREED): Step(_S.STANDBY, (), Signal.STANDBY),
    (_S.FULL, _E.POWER_OFF): Step(_S.OFF, (_A.POWER_OFF,), Signal.OFF),
    (_S.OFF, _E.START): Step(_S.OFF, (), Signal.OFF),
    (_S.OFF, _E.STOP): Step(_S.OFF, (), Signal.OFF),
    (_S.OFF, _E.MUTE): Step(_S.OFF, (), Signal.OFF),
    (_S.OFF, _E.MARK): Step(_S.OFF, (), Signal.OFF),
    (_S.OFF, _E.DOCKED): Step(_S.OFF),
    (_S.OFF, _E.POWER_OFF): Step(_S.OFF),
}


def step(state: State, event: Event) -> Step:
    """Return what ``event`` means in ``state``.

    Raises:
        IllegalTransition: the app told of something that cannot happen there.
    """
    found = TRANSITIONS.get((state, event))
    if found is None:
        raise IllegalTransition(f"event {event} cannot happen in state {state}")
    return found
