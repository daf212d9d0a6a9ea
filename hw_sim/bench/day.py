"""The scripted officer's day: what is done when. Undock, standby, double press, mute, mark, hold to stop, once more, dock."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from firmware.ports import Gesture

PAUSE_BEYOND_RING_S = 1.5
BREAK_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing the officer does, and how long the bench waits before it."""

    after_s: float
    words: str
    gesture: Gesture | None
    is_camera_broken: bool = False
    """The camera breaks here, and the day goes on when it has got over that."""


def recording(seconds: float, *, is_eventful: bool) -> tuple[Moment, ...]:
    """Return the gestures of one recording of ``seconds`` live."""
    begin = Moment(0, "presses twice: recording", Gesture.START)
    if not is_eventful:
        return (begin, Moment(seconds, "holds: stop", Gesture.STOP))
    shares = (
        (0.4, "mutes", Gesture.MUTE),
        (0.15, "takes the sound in again", Gesture.MUTE),
        (0.15, "marks", Gesture.MARK),
        (0.3, "holds: stop", Gesture.STOP),
    )
    return (begin, *(Moment(seconds * share, words, gesture) for share, words, gesture in shares))


def day(*, seconds: float, pre_event_s: int, is_camera_broken: bool = False) -> tuple[Moment, ...]:
    """Return the whole day between undocking and docking; the camera may break while it makes the first recording."""
    standby = pre_event_s + PAUSE_BEYOND_RING_S
    first, second = recording(seconds, is_eventful=True), recording(seconds, is_eventful=False)
    if is_camera_broken:
        first = (first[0], Moment(BREAK_AFTER_S, "goes on recording", None, is_camera_broken=True), *first[1:])
    return (
        Moment(standby, "has been on standby", None),
        *first,
        Moment(standby, "walks on", None),
        *second,
        Moment(1.0, "goes back to the station", None),
    )


def play(
    moments: tuple[Moment, ...],
    *,
    press: Callable[[Gesture], None],
    say: Callable[[str], None],
    break_camera: Callable[[], None] = lambda: None,
) -> None:
    """Do the day, in real time: the sensor's clock cannot be hurried."""
    for moment in moments:
        time.sleep(moment.after_s)
        say(moment.words)
        if moment.gesture is not None:
            press(moment.gesture)
        if moment.is_camera_broken:
            break_camera()
