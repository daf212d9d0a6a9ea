"""The camera's loop: what each gesture, dock, fault and end makes of a recording. The loop is real, time is told."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from firmware.app.inbox import MEDIA_COUNT_MAX
from firmware.core.session import State
from firmware.errors import CameraFault, RecorderEnded, StoreUncertain
from firmware.ports import EncodedFrame, Gesture, Signal, Store
from hw_sim.crash_store import CrashStore, Faults
from protocol.entries import Chunk, Event, RecordingOpened, Resumed
from tests.firmware.crash_world import receipts_for
from tests.firmware.stage import CreepingClock, Stage, on_stage
from tests.firmware.streams import delta_frame, key_frame
from tests.firmware.unsealed import bodies, events, reports

START, STOP, MUTE, MARK = Gesture.START, Gesture.STOP, Gesture.MUTE, Gesture.MARK


@pytest.fixture
def stage() -> Iterator[Stage]:
    with on_stage(Stage()) as stage:
        yield stage


def names(stage: Stage) -> list[str]:
    return [event.name for event in events(stage.store.disk.live())]


# Recording.


def test_a_press_is_signalled_and_recorded_with_what_came_before(stage: Stage) -> None:
    stage.live(5).press(START)
    assert stage.indicator.signals[-1] is Signal.RECORDING
    stage.live(2).press(STOP)
    (recording,) = stage.recordings

    assert stage.indicator.signals == (Signal.STANDBY, Signal.RECORDING, Signal.STOPPED)
    assert recording.reason == ("press", "stop")
    assert recording.view.opened is not None
    assert recording.view.opened.pre_event_ms == 3000
    assert recording.gaps == []
    stage.check()


def test_a_recording_holds_the_moment_of_its_stop(stage: Stage) -> None:
    stage.live(2).press(START).live(1.5)
    stopped_us = stage.now_us
    stage.press(STOP)

    assert stage.recordings[0].ends_us >= stopped_us


def test_the_sound_that_comes_after_the_last_frame_is_waited_for(stage: Stage) -> None:
    stage.live(2).press(START).live(2)
    last = stage.now_us // 1_000_000 - 1
    stage.press(STOP)
    (recording,) = stage.recordings

    assert last in stage.sound_of(recording)
    assert {span.state for span in recording.spans} == {"present"}


def test_a_stop_does_not_wait_for_a_microphone_that_died() -> None:
    with on_stage(Stage(clock=CreepingClock(start_mono_ns=10_000_000_000))) as stage:
        stage.live(2).press(START).live(1)
        stage.microphone.is_dead = True
        stage.live(2).press(STOP)
        stage.press(START).live(1).press(STOP)
        first, second = stage.recordings

    assert first.spans[-1].state == "failed"
    assert first.gaps == second.gaps == []
    assert second.begins_us - first.ends_us < 1_000_000
    stage.check()


def test_two_recordings_share_no_frame_and_lose_none(stage: Stage) -> None:
    stage.live(3).press(START).live(2).press(STOP).live(2).press(START).live(1).press(STOP)
    first, second = stage.recordings

    assert second.begins_us == first.ends_us
    assert first.gaps == second.gaps == []


def test_a_second_press_changes_nothing(stage: Stage) -> None:
    stage.live(2).press(START).live(1).press(START).live(1).press(STOP)

    assert len(stage.recordings) == 1
    assert stage.indicator.signals[1:3] == (Signal.RECORDING, Signal.RECORDING)


def test_muted_sound_is_not_recorded_and_the_officer_sees_it(stage: Stage) -> None:
    stage.live(2).press(START).live(1).press(MUTE)
    muted = stage.now_us // 1_000_000
    stage.live(2).press(MUTE).live(2).press(STOP)
    (recording,) = stage.recordings

    assert stage.indicator.signals[2:4] == (Signal.RECORDING_MUTED, Signal.RECORDING)
    assert stage.sound_of(recording) & {muted, muted + 1} == set()
    assert muted + 3 in stage.sound_of(recording)
    assert [name for name in names(stage) if name.startswith("mute")] == ["mute-on", "mute-off"]


def test_sound_before_the_press_is_a_setting() -> None:
    with on_stage(Stage(pre_event_audio=False)) as stage:
        stage.live(3).press(START)
        pressed = stage.now_us // 1_000_000
        stage.live(2).press(STOP)

    assert min(stage.sound_of(stage.recordings[0])) == pressed
    assert stage.recordings[0].spans[0].state == "off-by-policy"


def test_a_mark_is_signed_where_it_was_made(stage: Stage) -> None:
    stage.live(3).press(START).live(1).press(MARK).live(1).press(STOP)
    (recording,) = stage.recordings
    (mark,) = [event for event in events(stage.store.disk.live()) if event.name == "mark"]

    assert Signal.MARKED in stage.indicator.signals
    assert mark.recording_id == recording.view.recording_id
    assert mark.value == 4_000_000


@pytest.mark.parametrize("gesture", [STOP, MUTE, MARK])
def test_a_gesture_without_a_recording_is_answered_and_signs_nothing(stage: Stage, gesture: Gesture) -> None:
    stage.live(1)
    count = len(bodies(stage.store.disk.live()))
    stage.press(gesture)

    assert stage.indicator.signals[-1] is Signal.IGNORED
    assert len(bodies(stage.store.disk.live())) == count


def test_a_gesture_waits_for_one_gop_and_not_for_the_whole_ring() -> None:
    """I7: whoever presses a button is answered within a second, however full the ring is."""
    gate = threading.Semaphore(0)

    class SlowCard:
        def __init__(self, store: CrashStore) -> None:
            self._store = store
            self.is_slow = False

        def __getattr__(self, name: str) -> object:
            return getattr(self._store, name)

        def sync(self, folder: str, name: str) -> None:
            if self.is_slow and name.endswith(".media"):
                gate.acquire()
            self._store.sync(folder, name)

    card = SlowCard(CrashStore())
    stage = Stage(store=card._store, wrap=lambda _: cast(Store, card), pre_event_s=30)
    with on_stage(stage):
        stage.live(10)
        card.is_slow = True
        stage.panel.press(START)
        assert stage.indicator.wait_for(Signal.RECORDING, timeout_s=5)
        gate.release()
        stage.panel.press(MARK)
        gate.release()
        assert stage.indicator.wait_for(Signal.MARKED, timeout_s=5)
        card.is_slow = False
        for _ in range(20):
            gate.release()
        stage.settle().press(STOP)
    order = [body for body in bodies(stage.store.disk.live()) if isinstance(body, Chunk | Event)]
    kinds = ["chunk" if isinstance(body, Chunk) else body.name for body in order]

    assert kinds[: kinds.index("mark")].count("chunk") <= 3
    assert kinds.count("chunk") >= 10


# Dock, age, power.


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


# The card.


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


# The stream.


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


# Start and stop.


def test_stop_may_be_called_twice_and_before_the_start() -> None:
    stage = Stage()
    stage.stop()
    stage.start().live(1)
    stage.stop()
    stage.stop()

    assert stage.indicator.signals == (Signal.STANDBY, Signal.OFF)
    assert names(stage)[-1] == "power-off"
    assert stage.recorder.fault is None


def test_after_the_stop_nothing_can_be_asked_and_nothing_hangs(stage: Stage) -> None:
    stage.live(1).stop()
    before = stage.store.disk.live()
    for ask in (stage.recorder.docked, stage.recorder.undocked, lambda: stage.recorder.call(lambda: None)):
        with pytest.raises(RecorderEnded, match="it was stopped"):
            ask()

    assert not stage.recorder.take_receipt(b"rubbish").is_erased
    assert not stage.panel.press(START)
    assert stage.store.disk.live() == before


def test_frames_that_come_after_the_stop_go_nowhere(stage: Stage) -> None:
    stage.live(1)
    on_frame = stage.camera.on_frame
    stage.stop()
    assert on_frame is not None
    on_frame(key_frame(stage.now_us))

    assert stage.recorder._inbox.get(0) is None


def test_a_camera_that_cannot_be_opened_is_a_fault_and_leaves_the_shift_in_order() -> None:
    stage = Stage()
    stage.camera.fault = CameraFault("no sensor")
    with pytest.raises(CameraFault):
        stage.start()

    assert names(stage) == ["power-on", "power-off"]
    with pytest.raises(RecorderEnded):
        stage.recorder.docked()


def test_a_microphone_that_cannot_be_opened_does_not_keep_the_camera_from_recording() -> None:
    """I7; that there is no sound is signed."""
    stage = Stage(clock=CreepingClock(start_mono_ns=10_000_000_000))
    stage.microphone.fault = CameraFault("no sound card")
    with on_stage(stage):
        stage.live(2).press(START).live(1).press(STOP)

    assert "microphone-fault" in stage.names_said()
    assert {span.state for span in stage.recordings[0].spans} == {"failed"}
    stage.check()


def test_what_was_left_alone_is_said() -> None:
    foreign = Stage(name="foreign").start().stop()
    files = {folder: dict(held) for folder, held in foreign.store.disk.live().items()}
    folder = next(iter(files))
    stage = Stage(store=CrashStore({folder[:-1] + ("0" if folder[-1] != "0" else "1"): files[folder]}))
    with on_stage(stage):
        assert "left-alone" in stage.names_said()


# Faults.


def break_the_chain(stage: Stage) -> None:
    stage.store._faults = Faults(fail_at_sync=stage.store.sync_count)


def test_a_fault_in_the_loop_is_seen_by_everybody(stage: Stage) -> None:
    stage.live(2)
    break_the_chain(stage)
    with pytest.raises(RecorderEnded, match="fdatasync") as caught:
        stage.recorder.docked()

    assert isinstance(stage.recorder.fault, StoreUncertain)
    assert caught.value.diagnosis()
    assert stage.indicator.signals[-1] is Signal.FAULT
    assert stage.said[-1][0] == "fault"


def test_after_a_fault_nobody_hangs_and_nothing_more_is_written(stage: Stage) -> None:
    stage.live(2).press(START).live(1)
    break_the_chain(stage)
    with pytest.raises(RecorderEnded):
        stage.recorder.undocked()
    disk = stage.store.disk
    began = time.monotonic()
    for _ in range(MEDIA_COUNT_MAX + 10):
        stage.camera.give(key_frame(stage.now_us))
    stage.panel.press(STOP)
    outcome = stage.recorder.take_receipt(b"rubbish")
    stage.stop()

    assert not outcome.is_erased
    assert stage.store.disk is disk
    assert time.monotonic() - began < 5


def test_calls_that_wait_when_the_loop_dies_are_told(stage: Stage) -> None:
    stage.live(1)
    is_held, go_on = threading.Event(), threading.Event()
    told: list[BaseException] = []

    def ask(work: Callable[[], None]) -> None:
        try:
            stage.recorder.call(work)
        except RecorderEnded as error:
            told.append(error)

    def die() -> None:
        is_held.set()
        go_on.wait(5)
        raise StoreUncertain("the card is gone")

    askers = [threading.Thread(target=ask, args=[die])]
    askers[0].start()
    assert is_held.wait(5)
    askers += [threading.Thread(target=ask, args=[lambda: None]) for _ in range(3)]
    for asker in askers[1:]:
        asker.start()
    go_on.set()
    for asker in askers:
        asker.join(5)

    assert len(told) == 4
    assert all("the card is gone" in str(error) for error in told)


def test_the_loop_never_waits_for_itself(stage: Stage) -> None:
    caught: list[BaseException] = []

    def ask_from_within() -> None:
        for ask in (stage.recorder.docked, stage.recorder.stop):
            try:
                ask()
            except AssertionError as error:
                caught.append(error)

    stage.recorder.call(ask_from_within)

    assert [str(error) for error in caught] == ["the recorder cannot wait for itself"] * 2
    stage.live(1)


def test_a_listener_that_fails_stops_no_recording(caplog: pytest.LogCaptureFixture) -> None:
    def listen(name: str, fields: dict[str, object]) -> None:
        raise OSError(f"the screen is gone at {name}")

    with on_stage(Stage(say=listen)) as stage:
        stage.live(2).press(START).live(1).press(STOP).dock()

    assert stage.recorder.fault is None
    assert len(stage.recordings) == 1
    assert "the screen is gone at recording-opened" in caplog.text


# Receipts.


def test_a_receipt_is_taken_while_the_camera_records(stage: Stage) -> None:
    stage.live(2).press(START).live(1).press(STOP).dock()
    closed = reports(stage.store.disk.live())[0]
    stage.press(START).live(1)
    outcomes = [stage.recorder.take_receipt(signed) for signed in receipts_for(closed)]
    stage.live(1).press(STOP)

    assert [outcome.is_erased for outcome in outcomes] == [False, True]
    assert [name for name, _ in stage.said if name == "erased"] == ["erased", "erased"]
    assert len(stage.store.folders()) == 1
    stage.check()


def test_each_recording_has_a_key_of_its_own(stage: Stage) -> None:
    stage.live(2).press(START).live(1).press(STOP).press(START).live(1).press(STOP)
    opened = [body for body in bodies(stage.store.disk.live()) if isinstance(body, RecordingOpened)]

    assert len({body.content_key_commitment for body in opened}) == 2
