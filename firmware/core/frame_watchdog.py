"""What to do when the camera gives no frames: say so, start it again, and try until it does (ARCHITECTURE.md, I7).

One table, no I/O: time comes in as an argument, what is to be done comes out. Who does it is `firmware.app.camera_keeper`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from firmware.errors import CameraFault, IllegalTransition

FRAME_WAIT_NS: Final = 1_250_000_000
"""How long no frame may come before the camera is started again."""
RETRY_WAIT_NS_MIN: Final = 250_000_000
RETRY_WAIT_NS_MAX: Final = 5_000_000_000
STUCK_NS_MAX: Final = 500_000_000
"""How long a camera that will not close is waited for. Then only a new process helps, which must record within 5 s of the
loss: 1.25 s of silence, 1 s for the close, this, and 2.25 s to start."""


class CameraStuck(CameraFault):
    """The camera was told to close and has not: it cannot be opened again in this process."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "The camera's program starts again by itself; if this repeats, switch the camera off and on."


class State(StrEnum):
    """What the camera is doing, as far as frames tell."""

    OFF = "off"
    FLOWING = "flowing"
    RESTARTING = "restarting"
    TRYING = "trying"
    WAITING = "waiting"
    GIVEN_UP = "given-up"


class Event(StrEnum):
    """What can happen."""

    STARTED = "started"
    FRAME = "frame"
    DEADLINE = "deadline"
    RESTARTED = "restarted"
    RESTART_FAILED = "restart-failed"
    STUCK_TOO_LONG = "stuck-too-long"
    STOPPED = "stopped"


class Action(StrEnum):
    """What the app must do; in the order of the tuple."""

    SAY_LOST = "say-lost"
    RESTART = "restart"
    SAY_BACK = "say-back"
    GIVE_UP = "give-up"


@dataclass(frozen=True, slots=True)
class Step:
    """Where an event leads and what is to be done."""

    state: State
    actions: tuple[Action, ...] = ()


_S, _E, _A = State, Event, Action
TRANSITIONS: Final[dict[tuple[State, Event], Step]] = {
    (_S.OFF, _E.STARTED): Step(_S.FLOWING),
    (_S.OFF, _E.FRAME): Step(_S.OFF),
    (_S.OFF, _E.STOPPED): Step(_S.OFF),
    (_S.FLOWING, _E.FRAME): Step(_S.FLOWING),
    (_S.FLOWING, _E.DEADLINE): Step(_S.RESTARTING, (_A.SAY_LOST, _A.RESTART)),
    (_S.FLOWING, _E.STOPPED): Step(_S.OFF),
    # The last frames of the old stream, or the first of the new one: the answer to the restart is still to come.
    (_S.RESTARTING, _E.FRAME): Step(_S.RESTARTING),
    (_S.RESTARTING, _E.RESTARTED): Step(_S.TRYING),
    (_S.RESTARTING, _E.RESTART_FAILED): Step(_S.WAITING),
    (_S.RESTARTING, _E.STUCK_TOO_LONG): Step(_S.GIVEN_UP, (_A.GIVE_UP,)),
    (_S.RESTARTING, _E.STOPPED): Step(_S.OFF),
    (_S.TRYING, _E.FRAME): Step(_S.FLOWING, (_A.SAY_BACK,)),
    (_S.TRYING, _E.DEADLINE): Step(_S.RESTARTING, (_A.RESTART,)),
    (_S.TRYING, _E.STOPPED): Step(_S.OFF),
    (_S.WAITING, _E.FRAME): Step(_S.WAITING),
    (_S.WAITING, _E.DEADLINE): Step(_S.RESTARTING, (_A.RESTART,)),
    (_S.WAITING, _E.STOPPED): Step(_S.OFF),
    (_S.GIVEN_UP, _E.FRAME): Step(_S.GIVEN_UP),
    (_S.GIVEN_UP, _E.STOPPED): Step(_S.OFF),
}


class FrameWatchdog:
    """Watches one camera from start to stop, again and again."""

    def __init__(self, *, frame_wait_ns: int = FRAME_WAIT_NS) -> None:
        """Watch nothing yet."""
        self._frame_wait_ns = frame_wait_ns
        self._state = State.OFF
        self._deadline_ns: int | None = None
        self._last_frame_ns = 0
        self._silence_ms = 0
        self._stuck_since_ns: int | None = None
        self._retry_wait_ns = RETRY_WAIT_NS_MIN

    @property
    def state(self) -> State:
        """Return what the camera is doing."""
        return self._state

    def next_deadline(self) -> int | None:
        """Return when `on_time` has something to do; None where only an event can bring that."""
        return self._deadline_ns

    @property
    def silence_ms(self) -> int:
        """Return how long no frame had come when the last loss was said, or its end."""
        return self._silence_ms

    def started(self, now_ns: int) -> tuple[Action, ...]:
        """The camera was started, and frames are expected."""
        self._last_frame_ns = now_ns
        return self._go(Event.STARTED, now_ns + self._frame_wait_ns)

    def frame(self, now_ns: int) -> tuple[Action, ...]:
        """A frame came."""
        if self._state not in (State.FLOWING, State.TRYING):
            return self._go(Event.FRAME, self._deadline_ns)
        if self._state is State.TRYING:
            self._note_silence(now_ns)
            self._retry_wait_ns = RETRY_WAIT_NS_MIN
        self._last_frame_ns = now_ns
        return self._go(Event.FRAME, now_ns + self._frame_wait_ns)

    def on_time(self, now_ns: int) -> tuple[Action, ...]:
        """Time has passed."""
        if self._deadline_ns is None or now_ns < self._deadline_ns:
            return ()
        self._note_silence(now_ns)
        return self._go(Event.DEADLINE, None)

    def restarted(self, now_ns: int) -> tuple[Action, ...]:
        """The camera was stopped and started; whether frames come is to be seen."""
        self._stuck_since_ns = None
        return self._go(Event.RESTARTED, now_ns + self._frame_wait_ns)

    def restart_failed(self, now_ns: int, *, is_stuck: bool) -> tuple[Action, ...]:
        """The camera could not be started; ``is_stuck``: because it would not close (`CameraStuck`)."""
        self._note_silence(now_ns)
        if not is_stuck:
            self._stuck_since_ns = None
        elif self._stuck_since_ns is None:
            self._stuck_since_ns = now_ns
        if self._stuck_since_ns is not None and now_ns - self._stuck_since_ns >= STUCK_NS_MAX:
            return self._go(Event.STUCK_TOO_LONG, None)
        wait_ns = RETRY_WAIT_NS_MIN if is_stuck else self._retry_wait_ns
        self._retry_wait_ns = min(2 * self._retry_wait_ns, RETRY_WAIT_NS_MAX)
        return self._go(Event.RESTART_FAILED, now_ns + wait_ns)

    def stopped(self) -> tuple[Action, ...]:
        """The camera was stopped on purpose."""
        self._stuck_since_ns = None
        self._retry_wait_ns = RETRY_WAIT_NS_MIN
        return self._go(Event.STOPPED, None)

    def _note_silence(self, now_ns: int) -> None:
        self._silence_ms = (now_ns - self._last_frame_ns) // 1_000_000

    def _go(self, event: Event, deadline_ns: int | None) -> tuple[Action, ...]:
        found = TRANSITIONS.get((self._state, event))
        if found is None:
            raise IllegalTransition(f"event {event} cannot happen in state {self._state}")
        self._state, self._deadline_ns = found.state, deadline_ns
        return found.actions
