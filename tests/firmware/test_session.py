"""The session's table: every gesture in every state, and what may never follow from an event."""

import subprocess
import sys
from pathlib import Path

import pytest

from firmware.core.session import EVENT_OF_GESTURE, TRANSITIONS, Action, Event, State, step
from firmware.errors import IllegalTransition
from firmware.ports import Gesture, Signal

RECORDING = (State.RECORDING, State.MUTED)
CLOSES = tuple(action for action in Action if action.value.startswith("close:"))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", [*EVENT_OF_GESTURE.values(), Event.DOCKED, Event.POWER_OFF])
def test_what_anyone_can_do_at_any_time_has_a_row_in_every_state(state: State, event: Event) -> None:
    step(state, event)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("gesture", Gesture)
def test_every_gesture_is_answered_with_a_signal(state: State, gesture: Gesture) -> None:
    assert step(state, EVENT_OF_GESTURE[gesture]).signal is not None


def test_a_gesture_has_an_event_of_its_own() -> None:
    assert len(set(EVENT_OF_GESTURE.values())) == len(Gesture)


def test_what_cannot_happen_is_our_bug() -> None:
    with pytest.raises(IllegalTransition, match="event shift-aged cannot happen in state off"):
        step(State.OFF, Event.SHIFT_AGED)


@pytest.mark.parametrize(("key", "found"), TRANSITIONS.items(), ids=lambda value: str(value)[:40])
def test_a_recording_is_opened_and_closed_where_the_states_say_so(key: tuple[State, Event], found: object) -> None:
    state, event = key
    following = step(state, event)
    opens = sum(action in (Action.OPEN, Action.CONTINUE) for action in following.actions)
    closes = sum(action in CLOSES for action in following.actions)
    is_before, is_after = state in RECORDING, following.state in RECORDING

    assert closes - opens == int(is_before) - int(is_after)
    assert opens <= 1
    assert closes <= 1


@pytest.mark.parametrize("event", Event)
def test_a_muted_recording_stays_muted_when_it_goes_on_in_another(event: Event) -> None:
    found = TRANSITIONS.get((State.MUTED, event))
    goes_on = found is not None and Action.CONTINUE in found.actions

    assert not goes_on or (found is not None and found.state is State.MUTED and found.actions[-1] is Action.MUTE_ON)


@pytest.mark.parametrize("state", [state for state in State if state is not State.OFF])
def test_docking_opens_a_new_shift_after_the_recording_is_closed(state: State) -> None:
    actions = step(state, Event.DOCKED).actions

    assert actions[-1] is Action.NEW_SHIFT_DOCKED
    assert len(actions) == 1 + (state in RECORDING)


@pytest.mark.parametrize("state", [state for state in State if state is not State.OFF])
def test_power_off_is_signed_last(state: State) -> None:
    assert step(state, Event.POWER_OFF).actions[-1] is Action.POWER_OFF


def test_only_a_full_card_refuses_a_press() -> None:
    refusing = [state for state in State if step(state, Event.START).signal is Signal.REFUSED]

    assert refusing == [State.FULL]


def test_nothing_leads_out_of_off() -> None:
    assert {found.state for (state, _), found in TRANSITIONS.items() if state is State.OFF} == {State.OFF}


def test_the_design_page_is_drawn_from_the_table() -> None:
    script = Path(__file__).parents[2] / "scripts" / "draw_session"
    run = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr) == (0, "")
