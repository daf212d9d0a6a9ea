"""The frame watchdog: says once that the camera is lost, restarts it until frames come, and knows when only a new process helps."""

from itertools import product

import pytest

from firmware.core.frame_watchdog import (
    FRAME_WAIT_NS,
    RETRY_WAIT_NS_MAX,
    RETRY_WAIT_NS_MIN,
    STUCK_NS_MAX,
    TRANSITIONS,
    Action,
    Event,
    FrameWatchdog,
    State,
)
from firmware.errors import IllegalTransition

FRAME_NS = 33_333_333
LOST = (Action.SAY_LOST, Action.RESTART)


def silent() -> FrameWatchdog:
    """Return a watchdog at time 0 + FRAME_WAIT_NS of a camera that never gave a frame, with its restart asked for."""
    watchdog = FrameWatchdog()
    watchdog.started(0)
    assert watchdog.on_time(FRAME_WAIT_NS) == LOST
    return watchdog


def test_frames_that_flow_ask_for_nothing() -> None:
    watchdog = FrameWatchdog()
    watchdog.started(0)

    for count in range(1, 300):
        assert watchdog.frame(count * FRAME_NS) == ()
        assert watchdog.on_time(count * FRAME_NS) == ()
    assert watchdog.next_deadline() == 299 * FRAME_NS + FRAME_WAIT_NS


def test_a_silence_of_two_seconds_is_said_once_and_asks_for_a_restart() -> None:
    watchdog = FrameWatchdog()
    watchdog.started(0)
    watchdog.frame(FRAME_NS)

    assert watchdog.on_time(FRAME_NS + FRAME_WAIT_NS - 1) == ()
    assert watchdog.on_time(FRAME_NS + FRAME_WAIT_NS) == LOST
    assert watchdog.silence_ms == FRAME_WAIT_NS // 1_000_000
    assert watchdog.next_deadline() is None
    assert watchdog.on_time(10 * FRAME_WAIT_NS) == ()


def test_the_first_frame_after_a_restart_says_that_the_camera_is_back() -> None:
    watchdog = silent()
    watchdog.restarted(FRAME_WAIT_NS + 500_000_000)

    assert watchdog.frame(FRAME_WAIT_NS + 600_000_000) == (Action.SAY_BACK,)
    assert watchdog.silence_ms == FRAME_WAIT_NS // 1_000_000 + 600
    assert watchdog.frame(FRAME_WAIT_NS + 633_000_000) == ()


def test_a_frame_that_comes_during_the_restart_answers_for_nothing() -> None:
    """It may be the old stream's last one."""
    watchdog = silent()

    assert watchdog.frame(FRAME_WAIT_NS + 1) == ()
    assert watchdog.state is State.RESTARTING


def test_a_restart_without_frames_is_followed_by_another_without_saying_so_again() -> None:
    watchdog = silent()
    watchdog.restarted(FRAME_WAIT_NS)

    assert watchdog.on_time(2 * FRAME_WAIT_NS) == (Action.RESTART,)


def test_a_restart_that_fails_is_tried_again_ever_more_slowly() -> None:
    watchdog = silent()
    now_ns, waits = FRAME_WAIT_NS, []
    for _ in range(8):
        assert watchdog.restart_failed(now_ns, is_stuck=False) == ()
        deadline_ns = watchdog.next_deadline()
        assert deadline_ns is not None
        waits.append(deadline_ns - now_ns)
        now_ns = deadline_ns
        assert watchdog.on_time(now_ns) == (Action.RESTART,)

    assert waits[:3] == [RETRY_WAIT_NS_MIN, 2 * RETRY_WAIT_NS_MIN, 4 * RETRY_WAIT_NS_MIN]
    assert waits[-1] == RETRY_WAIT_NS_MAX


def test_after_frames_the_next_trouble_is_met_quickly_again() -> None:
    watchdog = silent()
    for now_ns in (0, RETRY_WAIT_NS_MAX, 2 * RETRY_WAIT_NS_MAX):
        watchdog.restart_failed(now_ns, is_stuck=False)
        watchdog.on_time(now_ns + RETRY_WAIT_NS_MAX)
    watchdog.restarted(10**11)
    watchdog.frame(10**11 + 1)
    watchdog.on_time(10**11 + 1 + FRAME_WAIT_NS)
    watchdog.restart_failed(2 * 10**11, is_stuck=False)

    assert watchdog.next_deadline() == 2 * 10**11 + RETRY_WAIT_NS_MIN


def test_a_camera_that_stays_stuck_is_given_up() -> None:
    watchdog = silent()
    now_ns = FRAME_WAIT_NS
    answers: list[Action] = []
    while Action.GIVE_UP not in answers:
        answers += watchdog.restart_failed(now_ns, is_stuck=True)
        deadline_ns = watchdog.next_deadline()
        if deadline_ns is not None:
            now_ns = deadline_ns
            assert watchdog.on_time(now_ns) == (Action.RESTART,)

    assert now_ns - FRAME_WAIT_NS == STUCK_NS_MAX
    assert watchdog.next_deadline() is None


def test_a_camera_that_closes_after_all_is_started_as_if_nothing_had_been() -> None:
    watchdog = silent()
    watchdog.restart_failed(0, is_stuck=True)
    watchdog.on_time(RETRY_WAIT_NS_MIN)
    watchdog.restarted(STUCK_NS_MAX)

    assert watchdog.frame(STUCK_NS_MAX + 1) == (Action.SAY_BACK,)


@pytest.mark.parametrize("state", [state for state in State if state is not State.OFF])
def test_a_stop_and_a_frame_are_heard_in_every_state(state: State) -> None:
    assert TRANSITIONS[state, Event.STOPPED].state is State.OFF
    assert (state, Event.FRAME) in TRANSITIONS


def test_a_watchdog_that_watches_nothing_has_no_deadline() -> None:
    watchdog = silent()
    watchdog.stopped()

    assert watchdog.next_deadline() is None
    assert watchdog.frame(10**12) == ()
    assert watchdog.on_time(10**12) == ()


def test_what_cannot_happen_is_our_bug() -> None:
    watchdog = FrameWatchdog()

    with pytest.raises(IllegalTransition, match="restarted cannot happen in state off"):
        watchdog.restarted(0)


def test_every_state_is_reached_and_left() -> None:
    reached = {found.state for found in TRANSITIONS.values()}
    left = {state for (state, _), found in TRANSITIONS.items() if found.state is not state}

    assert reached == left == set(State)
    assert set(TRANSITIONS) <= set(product(State, Event))
