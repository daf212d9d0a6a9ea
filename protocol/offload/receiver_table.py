"""The table of a worker's side of a transfer (spec/07-offload.md, 7.6); what an action does stands in `receiver.py`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a transfer stands at the worker. One that is not known there has no state."""

    ASKING = "asking"
    STAGING = "staging"
    RECEIVING = "receiving"
    CHECKING = "checking"
    CLOSED = "closed"


class Event(StrEnum):
    """What can happen to it. The first seven, from the dock or from time, can happen in every state but closed."""

    OPEN = "open"
    OPEN_REPEATED = "open-repeated"
    BLOCK = "block"
    FIN_FULL = "fin-full"
    FIN_SHORT = "fin-short"
    CANCEL = "cancel"
    IDLE = "idle"
    UNKNOWN = "not-stored"
    STAGED = "staged"
    SYNCED = "synced"
    KEPT = "kept"
    REFUSED = "refused"
    HELD = "held"


class Action(StrEnum):
    """What the machine does on the way."""

    STAGE = "stage"
    ANSWER = "answer"
    WRITE = "write"
    ACKNOWLEDGE = "acknowledge"
    KEEP = "keep"
    SAY_CHECKING = "say-checking"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Step:
    """Where an event leads, and what is done."""

    state: State
    action: Action | None = None


_S, _E, _A = State, Event, Action
TRANSITIONS: Final[dict[tuple[State, Event], Step]] = {
    # The keeper is asked whether the file is stored already.
    (_S.ASKING, _E.OPEN): Step(_S.ASKING),
    (_S.ASKING, _E.OPEN_REPEATED): Step(_S.ASKING),
    (_S.ASKING, _E.BLOCK): Step(_S.ASKING),
    (_S.ASKING, _E.FIN_FULL): Step(_S.ASKING),
    (_S.ASKING, _E.FIN_SHORT): Step(_S.ASKING),
    (_S.ASKING, _E.CANCEL): Step(_S.ASKING),
    (_S.ASKING, _E.IDLE): Step(_S.ASKING),
    (_S.ASKING, _E.UNKNOWN): Step(_S.STAGING, _A.STAGE),
    (_S.ASKING, _E.KEPT): Step(_S.CLOSED, _A.CLOSE),
    (_S.ASKING, _E.REFUSED): Step(_S.CLOSED, _A.CLOSE),
    (_S.ASKING, _E.HELD): Step(_S.CLOSED, _A.CLOSE),
    # Staging makes room and a new epoch.
    (_S.STAGING, _E.OPEN): Step(_S.STAGING),
    (_S.STAGING, _E.OPEN_REPEATED): Step(_S.STAGING),
    (_S.STAGING, _E.BLOCK): Step(_S.STAGING),
    (_S.STAGING, _E.FIN_FULL): Step(_S.STAGING),
    (_S.STAGING, _E.FIN_SHORT): Step(_S.STAGING),
    (_S.STAGING, _E.CANCEL): Step(_S.STAGING),
    (_S.STAGING, _E.IDLE): Step(_S.STAGING),
    (_S.STAGING, _E.SYNCED): Step(_S.STAGING),
    (_S.STAGING, _E.STAGED): Step(_S.RECEIVING, _A.ANSWER),
    (_S.STAGING, _E.HELD): Step(_S.CLOSED, _A.CLOSE),
    # Blocks arrive.
    (_S.RECEIVING, _E.OPEN): Step(_S.STAGING, _A.STAGE),
    (_S.RECEIVING, _E.OPEN_REPEATED): Step(_S.RECEIVING, _A.ANSWER),
    (_S.RECEIVING, _E.BLOCK): Step(_S.RECEIVING, _A.WRITE),
    (_S.RECEIVING, _E.SYNCED): Step(_S.RECEIVING, _A.ACKNOWLEDGE),
    (_S.RECEIVING, _E.FIN_SHORT): Step(_S.RECEIVING, _A.ACKNOWLEDGE),
    (_S.RECEIVING, _E.FIN_FULL): Step(_S.CHECKING, _A.KEEP),
    (_S.RECEIVING, _E.CANCEL): Step(_S.CLOSED, _A.CLOSE),
    (_S.RECEIVING, _E.IDLE): Step(_S.CLOSED, _A.CLOSE),
    (_S.RECEIVING, _E.HELD): Step(_S.CLOSED, _A.CLOSE),
    # The keeper verifies and stores; nothing may touch what is staged meanwhile.
    (_S.CHECKING, _E.OPEN): Step(_S.CHECKING, _A.SAY_CHECKING),
    (_S.CHECKING, _E.OPEN_REPEATED): Step(_S.CHECKING, _A.SAY_CHECKING),
    (_S.CHECKING, _E.BLOCK): Step(_S.CHECKING),
    (_S.CHECKING, _E.FIN_FULL): Step(_S.CHECKING, _A.SAY_CHECKING),
    (_S.CHECKING, _E.FIN_SHORT): Step(_S.CHECKING, _A.SAY_CHECKING),
    (_S.CHECKING, _E.CANCEL): Step(_S.CHECKING),
    (_S.CHECKING, _E.IDLE): Step(_S.CHECKING),
    (_S.CHECKING, _E.KEPT): Step(_S.CLOSED, _A.CLOSE),
    (_S.CHECKING, _E.REFUSED): Step(_S.CLOSED, _A.CLOSE),
    (_S.CHECKING, _E.HELD): Step(_S.CLOSED, _A.CLOSE),
}
