"""The dock's machine as a table: its session with the camera in a bay (spec/06-dock-link.md, 6.3 and 6.6)."""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """How far a session is. ``resting``: one side refused the other, and the dock waits before it knocks again."""

    KNOCKING = "knocking"
    SIGNING = "signing"
    PROVING = "proving"
    OPEN = "open"
    RESTING = "resting"


class Event(StrEnum):
    """What the line, the camera or the own program does to a session."""

    GREETED = "greeted"
    GREETED_AGAIN = "greeted-again"
    GREETED_BADLY = "greeted-badly"
    CAMERA_PROVED = "camera-proved"
    CAMERA_UNPROVED = "camera-unproved"
    REFUSED = "refused"
    ANSWERED = "answered"
    STRAYED = "strayed"
    BYE = "bye"
    BROKEN = "broken"
    SILENT = "silent"
    LINE_LOST = "line-lost"
    RESTED = "rested"
    SIGNED = "signed"


class Action(StrEnum):
    """What a step does."""

    NOTHING = "nothing"
    SIGN = "sign"
    PROVE = "prove"
    OPEN = "open"
    REFUSE = "refuse"
    REST = "rest"
    TAKE = "take"
    LOSE = "lose"
    FORGET = "forget"
    VACATE = "vacate"


TRANSITIONS: Final[dict[tuple[State, Event], tuple[State, Action]]] = {
    (State.KNOCKING, Event.GREETED): (State.SIGNING, Action.SIGN),
    (State.KNOCKING, Event.GREETED_AGAIN): (State.KNOCKING, Action.NOTHING),
    (State.KNOCKING, Event.GREETED_BADLY): (State.RESTING, Action.REFUSE),
    (State.KNOCKING, Event.CAMERA_PROVED): (State.KNOCKING, Action.NOTHING),
    (State.KNOCKING, Event.CAMERA_UNPROVED): (State.KNOCKING, Action.NOTHING),
    (State.KNOCKING, Event.REFUSED): (State.KNOCKING, Action.NOTHING),
    (State.KNOCKING, Event.ANSWERED): (State.KNOCKING, Action.NOTHING),
    (State.KNOCKING, Event.STRAYED): (State.KNOCKING, Action.NOTHING),
    (State.KNOCKING, Event.BYE): (State.KNOCKING, Action.NOTHING),
    (State.KNOCKING, Event.BROKEN): (State.KNOCKING, Action.NOTHING),
    (State.KNOCKING, Event.SILENT): (State.KNOCKING, Action.VACATE),
    (State.KNOCKING, Event.LINE_LOST): (State.KNOCKING, Action.VACATE),
    (State.SIGNING, Event.SIGNED): (State.PROVING, Action.PROVE),
    (State.SIGNING, Event.GREETED): (State.SIGNING, Action.SIGN),
    (State.SIGNING, Event.GREETED_AGAIN): (State.SIGNING, Action.NOTHING),
    (State.SIGNING, Event.GREETED_BADLY): (State.RESTING, Action.REFUSE),
    (State.SIGNING, Event.CAMERA_PROVED): (State.SIGNING, Action.NOTHING),
    (State.SIGNING, Event.CAMERA_UNPROVED): (State.SIGNING, Action.NOTHING),
    (State.SIGNING, Event.REFUSED): (State.SIGNING, Action.NOTHING),
    (State.SIGNING, Event.ANSWERED): (State.SIGNING, Action.NOTHING),
    (State.SIGNING, Event.STRAYED): (State.SIGNING, Action.NOTHING),
    (State.SIGNING, Event.BYE): (State.SIGNING, Action.NOTHING),
    (State.SIGNING, Event.BROKEN): (State.KNOCKING, Action.FORGET),
    (State.SIGNING, Event.SILENT): (State.KNOCKING, Action.FORGET),
    (State.SIGNING, Event.LINE_LOST): (State.KNOCKING, Action.VACATE),
    # A camera that started anew has another hello.
    (State.PROVING, Event.GREETED): (State.SIGNING, Action.SIGN),
    (State.PROVING, Event.GREETED_AGAIN): (State.PROVING, Action.NOTHING),
    (State.PROVING, Event.GREETED_BADLY): (State.RESTING, Action.REFUSE),
    (State.PROVING, Event.CAMERA_PROVED): (State.OPEN, Action.OPEN),
    (State.PROVING, Event.CAMERA_UNPROVED): (State.RESTING, Action.REFUSE),
    (State.PROVING, Event.REFUSED): (State.RESTING, Action.REST),
    (State.PROVING, Event.ANSWERED): (State.PROVING, Action.NOTHING),
    (State.PROVING, Event.STRAYED): (State.PROVING, Action.NOTHING),
    (State.PROVING, Event.BYE): (State.PROVING, Action.NOTHING),
    (State.PROVING, Event.BROKEN): (State.KNOCKING, Action.FORGET),
    (State.PROVING, Event.SILENT): (State.KNOCKING, Action.FORGET),
    (State.PROVING, Event.LINE_LOST): (State.KNOCKING, Action.VACATE),
    (State.OPEN, Event.GREETED): (State.OPEN, Action.NOTHING),
    (State.OPEN, Event.GREETED_AGAIN): (State.OPEN, Action.NOTHING),
    (State.OPEN, Event.GREETED_BADLY): (State.OPEN, Action.NOTHING),
    (State.OPEN, Event.CAMERA_PROVED): (State.OPEN, Action.NOTHING),
    (State.OPEN, Event.CAMERA_UNPROVED): (State.OPEN, Action.NOTHING),
    (State.OPEN, Event.REFUSED): (State.OPEN, Action.NOTHING),
    (State.OPEN, Event.ANSWERED): (State.OPEN, Action.TAKE),
    (State.OPEN, Event.STRAYED): (State.OPEN, Action.NOTHING),
    (State.OPEN, Event.BYE): (State.KNOCKING, Action.LOSE),
    (State.OPEN, Event.BROKEN): (State.KNOCKING, Action.LOSE),
    (State.OPEN, Event.SILENT): (State.KNOCKING, Action.LOSE),
    (State.OPEN, Event.LINE_LOST): (State.KNOCKING, Action.LOSE),
    (State.RESTING, Event.RESTED): (State.KNOCKING, Action.FORGET),
    (State.RESTING, Event.GREETED): (State.RESTING, Action.NOTHING),
    (State.RESTING, Event.GREETED_AGAIN): (State.RESTING, Action.NOTHING),
    (State.RESTING, Event.GREETED_BADLY): (State.RESTING, Action.NOTHING),
    (State.RESTING, Event.CAMERA_PROVED): (State.RESTING, Action.NOTHING),
    (State.RESTING, Event.CAMERA_UNPROVED): (State.RESTING, Action.NOTHING),
    (State.RESTING, Event.REFUSED): (State.RESTING, Action.NOTHING),
    (State.RESTING, Event.ANSWERED): (State.RESTING, Action.NOTHING),
    (State.RESTING, Event.STRAYED): (State.RESTING, Action.NOTHING),
    (State.RESTING, Event.BYE): (State.RESTING, Action.NOTHING),
    (State.RESTING, Event.BROKEN): (State.RESTING, Action.NOTHING),
    (State.RESTING, Event.LINE_LOST): (State.KNOCKING, Action.VACATE),
}
