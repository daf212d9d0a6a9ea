"""What docking, age, power, a full or failing card and an odd stream make of a recording. The loop is real, time is told."""

import threading
from collections.abc import Iterator

import pytest

from firmware.app.inbox import MEDIA_COUNT_MAX
from firmware.core.session import State
from firmware.ports import EncodedFrame, Gesture, Signal
from hw_sim.crash_store import CrashStore, Faults
from protocol.entries import Resumed
from tests.firmware.stage import CreepingClock, Stage, names, on_stage
from tests.firmware.streams import delta_frame, key_frame
from tests.firmware.unsealed import bodies, reports

START, STOP, MUTE, MARK = Gesture.START, Gesture.STOP, Gesture.MUTE, Gesture.MARK


@pytest.fixture
def stage() -> Iterator[Stage]:
    with on_stage(Stage()) as stage:
        yield stage


def test_docking_closes_recording_and_shift_and_opens_the_next(stage: Stage) -> None:
    stage.live(2).press(START).live(2).dock()
    first, second = reports(stage.store.disk.live())

    assert stage.recordings[0].reason == ("press", "docked")
    assert (first.is_closed, second.is_closed) == (True, False)
    assert second.opened is not None
    assert second.opened.previous_shift is not None
    assert second.opened.previous_shift.head_hash == first.head_hash
    stage.check()


def test_a_camera_in_its_dock_records(stage: Stage) -> None:
    stage.live(2).dock().press(START).live(2).press(STOP)
    stage.recorder.undocked()

    assert [recording.shift_number for recording in stage.recordings] == [2]
    assert names(stage)[-2:] == ["docked", "undocked"]


def test_a_shift_that_is_too_old_ends_within_a_recording_that_goes_on(stage: Stage) -> None:
    stage.live(2).press(START).live(1).press(MUTE)
    muted = stage.now_us // 1_000_000
    stage.log.opened_at_mono_ns -= 24 * 3_600_000_000_000
    stage.live(2).press(STOP)
    first, second = stage.recordings

    assert [recording.shift_number for recording in (first, second)] == [1, 2]
    assert (first.reason, second.reason) == (("press", "shift-end"), ("shift-end", "stop"))
    assert second.view.opened is not None
    assert second.view.opened.continues == first.view.recording_id
    assert first.ends_us == second.begins_us
    assert stage.sound_of(second) & {muted, muted + 1} == set()
    stage.check()


def test_a_heartbeat_is_signed_in_standby_and_not_while_recording(stage: Stage) -> None:
    def count() -> int:
        return sum(type(body).__name__ == "Heartbeat" for body in bodies(stage.store.disk.live()))

    stage.live(1)
    stage.clock.advance(60_000_000_000)
    stage.live(1)
    in_standby = count()
    stage.press(START)
    stage.clock.advance(60_000_000_000)
    stage.live(2).press(STOP)

    assert (in_standby, count()) == (1, 1)


def test_power_off_closes_the_recording_and_is_clean() -> None:
    with on_stage(Stage()) as stage:
        stage.live(2).press(START).live(1.5)
    again = Stage(store=CrashStore.of_killed(stage.store.disk), name="second life")
    with on_stage(again):
        resumed = [body for body in bodies(again.store.disk.live()) if isinstance(body, Resumed)]

        assert [body.is_clean for body in resumed] == [True]
        assert again.indicator.signals == (Signal.STANDBY,)
        assert again.recordings[0].reason == ("press", "power-off")
        assert again.recordings[0].ends_us >= stage.now_us - 500_000
        again.check()


def test_a_killed_camera_goes_on_recording_when_it_starts_again() -> None:
    first = Stage().start().live(3).press(START).live(2).press(MUTE).live(1)
    second = Stage(store=CrashStore.of_killed(first.store.disk), name="second life", clock=first.clock)
    with on_stage(second):
        second.live(2)
        muted_until = second.now_us // 1_000_000
        second.press(MUTE).live(2).press(STOP)
        cut, resumed = second.recordings
    first.stop()

    assert second.indicator.signals[:3] == (Signal.STANDBY, Signal.RECORDING, Signal.RECORDING_MUTED)
    assert cut.reason == ("press", None)
    assert resumed.reason == ("resumed", "stop")
    assert resumed.view.opened is not None
    assert resumed.view.opened.continues == cut.view.recording_id
    assert all(each >= muted_until for each in second.sound_of(resumed))
    second.check()


def full_but_for(stage: Stage, free_bytes: int) -> None:
    stage.store._size_bytes = stage.store._size_bytes - stage.store.free_bytes() + free_bytes


def test_a_card_that_fills_up_ends_the_recording_and_refuses_the_next(stage: Stage) -> None:
    stage.live(2).press(START).live(2)
    full_but_for(stage, 1 << 20)
    stage.live(2).press(START).press(STOP).press(MARK)

    assert stage.recorder.state is State.FULL
    assert stage.indicator.signals[2:] == (Signal.CARD_FULL, Signal.REFUSED, Signal.IGNORED, Signal.IGNORED)
    assert stage.recordings[0].reason == ("press", "full")
    assert names(stage)[-1] == "press-refused"
    stage.check()


def test_a_press_on_a_full_card_is_refused_at_once(stage: Stage) -> None:
    stage.live(2)
    full_but_for(stage, 1 << 20)
    stage.press(START)

    assert stage.indicator.signals[1:] == (Signal.CARD_FULL, Signal.REFUSED)
    assert stage.recordings == []


def test_a_card_that_was_freed_takes_the_next_press_without_waiting_for_a_heartbeat(stage: Stage) -> None:
    stage.live(2)
    full_but_for(stage, 1 << 20)
    stage.press(START)
    full_but_for(stage, 1 << 29)
    stage.press(START).live(2).press(STOP)

    assert stage.indicator.signals[3:] == (Signal.STANDBY, Signal.RECORDING, Signal.STOPPED)
    assert len(stage.recordings) == 1
    stage.check()


def test_a_heartbeat_sees_that_the_card_is_full_and_that_it_is_free_again(stage: Stage) -> None:
    stage.live(1)
    full_but_for(stage, 1 << 20)
    stage.clock.advance(60_000_000_000)
    stage.live(1)
    is_full = stage.recorder.state
    full_but_for(stage, 1 << 29)
    stage.clock.advance(60_000_000_000)
    stage.live(1)

    assert (is_full, stage.recorder.state) == (State.FULL, State.STANDBY)


def test_a_stop_while_the_card_is_full_says_that_it_was(stage: Stage) -> None:
    stage.live(2).press(START).live(1)
    full_but_for(stage, 1 << 20)
    stage.press(STOP)

    assert stage.recordings[0].reason == ("press", "full")
    stage.check()


def test_a_failing_media_file_costs_no_frame_and_the_recording_goes_on(stage: Stage) -> None:
    stage.live(2).press(START).live(1)
    stage.store._faults = Faults(fail_at_sync=stage.store.sync_count)
    stage.live(2).press(STOP)
    first, second = stage.recordings

    assert (first.reason, second.reason) == (("press", "write-error"), ("write-error", "stop"))
    assert first.ends_us == second.begins_us
    assert stage.recorder.fault is None
    stage.check()


def test_a_media_file_that_fails_at_the_stop_costs_no_frame(stage: Stage) -> None:
    stage.live(2).press(START).live(1)
    stage.store._faults = Faults(fail_at_sync=stage.store.sync_count)
    stopped_us = stage.now_us
    stage.press(STOP)
    first, second = stage.recordings

    assert (first.reason, second.reason) == (("press", "write-error"), ("write-error", "stop"))
    assert first.ends_us == second.begins_us
    assert second.ends_us >= stopped_us
    stage.check()


def test_times_that_step_back_begin_a_new_recording() -> None:
    with on_stage(Stage(clock=CreepingClock(start_mono_ns=10_000_000_000))) as stage:
        stage.live(3).press(START).live(2)
        make = stage.make_frame
        stage.make_frame = lambda is_key, at_us: make(is_key, at_us - 5_000_000)
        stage.live(3).press(STOP)

    assert [recording.reason for recording in stage.recordings] == [
        ("press", "format-change"),
        ("format-change", "stop"),
    ]
    stage.check("frames-dropped")


def test_new_parameter_sets_begin_a_new_recording_without_a_gap(stage: Stage) -> None:
    stage.live(2).press(START).live(2)
    other = key_frame(0).data.replace(bytes.fromhex("6742c01e"), bytes.fromhex("6742c028"))
    stage.make_frame = lambda is_key, at_us: EncodedFrame(other, True, at_us) if is_key else delta_frame(at_us)
    stage.live(3).press(STOP)
    first, second = stage.recordings

    assert second.reason == ("format-change", "stop")
    assert second.view.opened is not None
    assert second.view.opened.continues == first.view.recording_id
    assert first.ends_us == second.begins_us
    stage.check()


def test_a_flood_of_frames_shows_as_a_signed_gap(stage: Stage) -> None:
    """While the card stands still, the inbox fills up; memory stays bounded and the loss is in the chain."""
    stage.live(2).press(START).live(1)
    is_held = threading.Event()
    go_on = threading.Event()

    def hold() -> None:
        is_held.set()
        go_on.wait(20)

    holder = threading.Thread(target=stage.recorder.call, args=[hold])
    holder.start()
    assert is_held.wait(5)
    frame_us = 1000
    for number in range(MEDIA_COUNT_MAX + 4000):
        stage.clock.advance(frame_us * 1000)
        stage.camera.give(stage.make_frame(number % 200 == 0, stage.now_us))
    count = stage.recorder._inbox._media_count
    go_on.set()
    holder.join(20)
    stage.settle().live(2).press(STOP)

    assert count <= MEDIA_COUNT_MAX
    assert stage.camera.asked_count > 0
    assert sum(missing for recording in stage.recordings for missing, _ in recording.gaps) > 0
    stage.check("frames-dropped")


def test_a_camera_that_falls_silent_is_told_signed_and_its_last_frames_are_kept(stage: Stage) -> None:
    stage.live(2).press(START).live(1.5)
    captured_us = stage.now_us - 500_000
    answer, stage.camera.on_asked = stage.camera.on_asked, lambda: None
    stage.clock.advance(4_000_000_000)
    stage.settle()
    kept_until_us = stage.recordings[0].ends_us
    stage.press(MARK)
    stage.camera.on_asked = answer
    stage.live(2)

    assert kept_until_us > captured_us
    assert stage.indicator.signals[-3:] == (Signal.FAULT, Signal.FAULT, Signal.RECORDING)
    stage.press(STOP)
    assert [name for name in names(stage) if name.startswith("camera")] == ["camera-lost", "camera-back"]
    assert stage.recordings[0].gaps == [(8, "not-delivered"), (1, "no-key-frame")]
    stage.check("frames-dropped")


def test_a_press_while_the_camera_is_silent_shows_the_fault(stage: Stage) -> None:
    """I7: only a dead part refuses, and it is never shown as a recording."""
    answer, stage.camera.on_asked = stage.camera.on_asked, lambda: None
    stage.clock.advance(4_000_000_000)
    stage.settle().press(START)
    shown = stage.indicator.signals[-1]
    stage.camera.on_asked = answer
    stage.live(2).press(STOP)

    assert shown is Signal.FAULT
    assert len(stage.recordings) == 1
