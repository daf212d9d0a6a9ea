"""The table of the dock's side of a transfer (spec/07-offload.md, 7.5); what an action does stands in `sender.py`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a transfer stands."""

    RESTING = "resting"
    OPENING = "opening"
    SENDING = "sending"
    FINISHING = "finishing"
    HELD = "held"
    REFUSED = "refused"
    DONE = "done"


class Event(StrEnum):
    """What can happen to it. The last two are its own; all others can happen in every state."""

    START = "start"
    NUDGE = "nudge"
    LOST = "lost"
    REST = "rest"
    REPLY = "open-reply"
    ACK = "block-ack"
    CHECKING = "checking"
    HELD = "held"
    REFUSED = "refused"
    STORED = "stored"
    STORED_HELD = "stored-held"
    DUE = "due"
    FULL = "full"
    UNANSWERED = "unanswered"


class Action(StrEnum):
    """What the machine does on the way."""

    ASK = "ask"
    ASK_AGAIN = "ask-again"
    ADOPT = "adopt"
    ADVANCE = "advance"
    SEND_FIN = "send-fin"
    AWAIT = "await"
    CANCEL = "cancel"
    HOLD = "hold"
    REFUSE = "refuse"
    DELIVER = "deliver"


@dataclass(frozen=True, slots=True)
class Step:
    """Where an event leads, and what is done."""

    state: State
    action: Action | None = None


_S, _E, _A = State, Event, Action


def _rows() -> dict[tuple[State, Event], Step]:
    rows = {(state, event): Step(state) for state in State for event in Event if event not in (_E.FULL, _E.UNANSWERED)}
    for state in (_S.OPENING, _S.SENDING, _S.FINISHING):
        rows[state, _E.HELD] = Step(_S.HELD, _A.HOLD)
        rows[state, _E.REFUSED] = Step(_S.REFUSED, _A.REFUSE)
    for state in State:
        if state is not _S.DONE:
            rows[state, _E.STORED] = Step(_S.DONE, _A.DELIVER)
            rows[state, _E.STORED_HELD] = Step(_S.HELD, _A.HOLD)
        if state is not _S.RESTING:
            rows[state, _E.REST] = Step(_S.RESTING, _A.CANCEL)
    return rows | {
        (_S.RESTING, _E.START): Step(_S.OPENING, _A.ASK),
        (_S.OPENING, _E.START): Step(_S.OPENING, _A.ASK_AGAIN),
        (_S.OPENING, _E.NUDGE): Step(_S.OPENING, _A.ASK_AGAIN),
        (_S.OPENING, _E.DUE): Step(_S.OPENING, _A.ASK_AGAIN),
        (_S.OPENING, _E.REPLY): Step(_S.SENDING, _A.ADOPT),
        (_S.OPENING, _E.CHECKING): Step(_S.FINISHING, _A.AWAIT),
        (_S.SENDING, _E.REPLY): Step(_S.SENDING, _A.ADOPT),
        (_S.SENDING, _E.ACK): Step(_S.SENDING, _A.ADVANCE),
        (_S.SENDING, _E.FULL): Step(_S.FINISHING, _A.SEND_FIN),
        (_S.SENDING, _E.LOST): Step(_S.OPENING, _A.ASK),
        (_S.SENDING, _E.DUE): Step(_S.OPENING, _A.ASK),
        (_S.FINISHING, _E.REPLY): Step(_S.SENDING, _A.ADOPT),
        (_S.FINISHING, _E.CHECKING): Step(_S.FINISHING, _A.AWAIT),
        (_S.FINISHING, _E.LOST): Step(_S.OPENING, _A.ASK),
        (_S.FINISHING, _E.DUE): Step(_S.FINISHING, _A.SEND_FIN),
        (_S.FINISHING, _E.UNANSWERED): Step(_S.OPENING, _A.ASK),
        (_S.HELD, _E.START): Step(_S.OPENING, _A.ASK),
        (_S.HELD, _E.NUDGE): Step(_S.OPENING, _A.ASK),
        (_S.HELD, _E.DUE): Step(_S.OPENING, _A.ASK),
        (_S.REFUSED, _E.DUE): Step(_S.OPENING, _A.ASK),
        (_S.DONE, _E.START): Step(_S.OPENING, _A.ASK),
    }


TRANSITIONS: Final[dict[tuple[State, Event], Step]] = _rows()
