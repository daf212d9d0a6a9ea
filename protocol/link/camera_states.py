"""The camera's two machines as tables: session and docking (spec/06-dock-link.md, 6.3 and 6.6).

Docking outlives a session by the time of silence, so that a dock's new start does not close a shift again.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """How far a session is."""

    IDLE = "idle"
    GREETED = "greeted"
    PROVING = "proving"
    OPEN = "open"


class Event(StrEnum):
    """What the line, the dock or the own program does to a session."""

    KNOCKED = "knocked"
    DOCK_PROVED = "dock-proved"
    DOCK_UNPROVED = "dock-unproved"
    DOCK_REPEATED = "dock-repeated"
    REFUSED = "refused"
    ASKED = "asked"
    STRAYED = "strayed"
    BYE = "bye"
    BROKEN = "broken"
    SILENT = "silent"
    LINE_LOST = "line-lost"
    SIGNED = "signed"


class Action(StrEnum):
    """What a step does."""

    NOTHING = "nothing"
    GREET = "greet"
    GREET_AGAIN = "greet-again"
    REFUSE = "refuse"
    SIGN = "sign"
    PROVE = "prove"
    PROVE_AGAIN = "prove-again"
    SERVE = "serve"
    TURN_AWAY = "turn-away"
    FORGET = "forget"
    LEAVE = "leave"


TRANSITIONS: Final[dict[tuple[State, Event], tuple[State, Action]]] = {
    (State.IDLE, Event.KNOCKED): (State.GREETED, Action.GREET),
    (State.IDLE, Event.DOCK_PROVED): (State.IDLE, Action.NOTHING),
    (State.IDLE, Event.DOCK_UNPROVED): (State.IDLE, Action.NOTHING),
    (State.IDLE, Event.DOCK_REPEATED): (State.IDLE, Action.NOTHING),
    (State.IDLE, Event.REFUSED): (State.IDLE, Action.NOTHING),
    (State.IDLE, Event.ASKED): (State.IDLE, Action.NOTHING),
    (State.IDLE, Event.STRAYED): (State.IDLE, Action.TURN_AWAY),
    (State.IDLE, Event.BYE): (State.IDLE, Action.NOTHING),
    (State.IDLE, Event.BROKEN): (State.IDLE, Action.NOTHING),
    (State.IDLE, Event.SILENT): (State.IDLE, Action.LEAVE),
    (State.IDLE, Event.LINE_LOST): (State.IDLE, Action.LEAVE),
    (State.GREETED, Event.KNOCKED): (State.GREETED, Action.GREET_AGAIN),
    (State.GREETED, Event.DOCK_PROVED): (State.PROVING, Action.SIGN),
    (State.GREETED, Event.DOCK_UNPROVED): (State.IDLE, Action.REFUSE),
    (State.GREETED, Event.DOCK_REPEATED): (State.GREETED, Action.NOTHING),
    (State.GREETED, Event.REFUSED): (State.IDLE, Action.FORGET),
    (State.GREETED, Event.ASKED): (State.GREETED, Action.NOTHING),
    (State.GREETED, Event.STRAYED): (State.GREETED, Action.NOTHING),
    (State.GREETED, Event.BYE): (State.GREETED, Action.NOTHING),
    (State.GREETED, Event.BROKEN): (State.IDLE, Action.FORGET),
    (State.GREETED, Event.SILENT): (State.IDLE, Action.LEAVE),
    (State.GREETED, Event.LINE_LOST): (State.IDLE, Action.LEAVE),
    (State.PROVING, Event.SIGNED): (State.OPEN, Action.PROVE),
    (State.PROVING, Event.KNOCKED): (State.GREETED, Action.GREET),
    (State.PROVING, Event.DOCK_PROVED): (State.PROVING, Action.NOTHING),
    (State.PROVING, Event.DOCK_UNPROVED): (State.PROVING, Action.NOTHING),
    (State.PROVING, Event.DOCK_REPEATED): (State.PROVING, Action.NOTHING),
    (State.PROVING, Event.REFUSED): (State.IDLE, Action.FORGET),
    (State.PROVING, Event.ASKED): (State.PROVING, Action.NOTHING),
    (State.PROVING, Event.STRAYED): (State.PROVING, Action.NOTHING),
    (State.PROVING, Event.BYE): (State.IDLE, Action.FORGET),
    (State.PROVING, Event.BROKEN): (State.IDLE, Action.FORGET),
    (State.PROVING, Event.SILENT): (State.IDLE, Action.LEAVE),
    (State.PROVING, Event.LINE_LOST): (State.IDLE, Action.LEAVE),
    # A knock in a session: the dock's program started anew. The camera stays docked, so its shift is not closed again.
    (State.OPEN, Event.KNOCKED): (State.GREETED, Action.GREET),
    (State.OPEN, Event.DOCK_PROVED): (State.OPEN, Action.NOTHING),
    (State.OPEN, Event.DOCK_UNPROVED): (State.OPEN, Action.NOTHING),
    (State.OPEN, Event.DOCK_REPEATED): (State.OPEN, Action.PROVE_AGAIN),
    (State.OPEN, Event.REFUSED): (State.IDLE, Action.FORGET),
    (State.OPEN, Event.ASKED): (State.OPEN, Action.SERVE),
    (State.OPEN, Event.STRAYED): (State.OPEN, Action.NOTHING),
    (State.OPEN, Event.BYE): (State.IDLE, Action.FORGET),
    (State.OPEN, Event.BROKEN): (State.IDLE, Action.FORGET),
    (State.OPEN, Event.SILENT): (State.IDLE, Action.LEAVE),
    (State.OPEN, Event.LINE_LOST): (State.IDLE, Action.LEAVE),
}


class Docking(StrEnum):
    """Whether the camera is docked, as its recorder is told."""

    AWAY = "away"
    CLOSING = "closing"
    DOCKED = "docked"


class DockingEvent(StrEnum):
    """What changes it."""

    PROVED = "proved"
    SHIFT_CLOSED = "shift-closed"
    LEFT = "left"


class DockingAction(StrEnum):
    """What a change does."""

    NOTHING = "nothing"
    CLOSE_SHIFT = "close-shift"
    UNDOCK = "undock"


DOCKING_TRANSITIONS: Final[dict[tuple[Docking, DockingEvent], tuple[Docking, DockingAction]]] = {
    (Docking.AWAY, DockingEvent.PROVED): (Docking.CLOSING, DockingAction.CLOSE_SHIFT),
    (Docking.AWAY, DockingEvent.LEFT): (Docking.AWAY, DockingAction.NOTHING),
    (Docking.CLOSING, DockingEvent.PROVED): (Docking.CLOSING, DockingAction.NOTHING),
    (Docking.CLOSING, DockingEvent.SHIFT_CLOSED): (Docking.DOCKED, DockingAction.NOTHING),
    (Docking.CLOSING, DockingEvent.LEFT): (Docking.AWAY, DockingAction.UNDOCK),
    (Docking.DOCKED, DockingEvent.PROVED): (Docking.DOCKED, DockingAction.NOTHING),
    (Docking.DOCKED, DockingEvent.LEFT): (Docking.AWAY, DockingAction.UNDOCK),
}
