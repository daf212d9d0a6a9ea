"""The simulated officer: gestures when told or by script, signals remembered."""

import threading

import pytest

from firmware.ports import Gesture, Signal
from hw_sim.manual_clock import ManualClock
from hw_sim.officer import ScriptedGesture, SimulatedIndicator, SimulatedPanel


def test_a_gesture_is_heard_only_while_the_panel_is_on() -> None:
    heard: list[Gesture] = []
    panel = SimulatedPanel()
    before = panel.press(Gesture.START)
    panel.start(heard.append)
    during = panel.press(Gesture.MARK)
    panel.stop()
    panel.stop()

    assert (before, during, panel.press(Gesture.STOP)) == (False, True, False)
    assert heard == [Gesture.MARK]


def test_a_script_is_played_in_order_and_never_early() -> None:
    clock = ManualClock()
    began_ns = clock.mono_ns()
    heard: list[tuple[Gesture, int]] = []
    done = threading.Event()

    def hear(gesture: Gesture) -> None:
        heard.append((gesture, clock.mono_ns() - began_ns))
        if gesture is Gesture.STOP:
            done.set()

    script = [
        ScriptedGesture(began_ns + 3_000_000_000, Gesture.STOP),
        ScriptedGesture(began_ns + 1_000_000_000, Gesture.START),
    ]
    panel = SimulatedPanel(script=script, clock=clock, wait=clock.wait)
    panel.start(hear)
    assert done.wait(10)
    panel.stop()

    assert heard == [(Gesture.START, 1_000_000_000), (Gesture.STOP, 3_000_000_000)]


def test_a_script_ends_when_the_panel_is_stopped() -> None:
    clock = ManualClock()
    heard: list[Gesture] = []
    panel = SimulatedPanel(script=[ScriptedGesture(clock.mono_ns() + 10**18, Gesture.START)], clock=clock)
    panel.start(heard.append)
    panel.stop()

    assert heard == []


def test_a_script_needs_a_clock_and_a_panel_one_listener() -> None:
    with pytest.raises(ValueError, match="needs a clock"):
        SimulatedPanel(script=[ScriptedGesture(0, Gesture.START)])
    panel = SimulatedPanel()
    panel.start(lambda gesture: None)
    with pytest.raises(ValueError, match="runs already"):
        panel.start(lambda gesture: None)


def test_signals_are_kept_in_order_with_their_times() -> None:
    clock = ManualClock()
    indicator = SimulatedIndicator(clock=clock)
    indicator.show(Signal.STANDBY)
    clock.advance(5)
    indicator.show(Signal.RECORDING)

    assert indicator.signals == (Signal.STANDBY, Signal.RECORDING)
    assert [seen.at_mono_ns for seen in indicator.seen] == [1_000_000_000, 1_000_000_005]


def test_a_listener_is_told_and_may_fail_without_harm() -> None:
    def listen(signal: Signal) -> None:
        raise OSError(signal.value)

    indicator = SimulatedIndicator(listen)
    indicator.show(Signal.FAULT)

    assert indicator.signals == (Signal.FAULT,)
    assert str(indicator.failure) == "fault"


def test_a_signal_can_be_waited_for() -> None:
    indicator = SimulatedIndicator()
    shower = threading.Timer(0.01, indicator.show, [Signal.STOPPED])
    shower.start()

    assert indicator.wait_for(Signal.STOPPED, timeout_s=10)
    assert not indicator.wait_for(Signal.STOPPED, count=2, timeout_s=0.01)
    shower.join()
