"""How the camera's loop starts, ends and fails: everybody is told, nobody hangs, nothing is lost in silence."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from firmware.app.camera_keeper import CameraChange, CameraNews
from firmware.app.inbox import MEDIA_COUNT_MAX
from firmware.errors import CameraFault, RecorderEnded, StoreUncertain
from firmware.ports import Gesture, Signal
from hw_sim.crash_store import CrashStore, Faults
from tests.firmware.stage import FRAME_US, CreepingClock, Stage, names, on_stage
from tests.firmware.streams import key_frame
from tests.protocol.ledgers import bare

SECONDS_MAX = 10
START, STOP, MUTE, MARK = Gesture.START, Gesture.STOP, Gesture.MUTE, Gesture.MARK


@pytest.fixture
def stage() -> Iterator[Stage]:
    with on_stage(Stage()) as stage:
        yield stage


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

    assert not stage.recorder.take_receipt(*bare(b"rubbish")).is_erased
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
    outcome = stage.recorder.take_receipt(*bare(b"rubbish"))
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


def test_a_camera_that_its_keeper_gave_up_ends_the_loop(stage: Stage) -> None:
    """Only a new process can open it again."""
    stage.live(1)
    stage.recorder.hear_of_camera(CameraNews(CameraChange.STUCK, 4000, CameraFault("the camera does not close")))
    with pytest.raises(RecorderEnded, match="the camera does not close"):
        stage.settle()

    assert isinstance(stage.recorder.fault, CameraFault)
    assert stage.indicator.signals[-1] is Signal.FAULT
    assert stage.was_told_of_fault.wait(SECONDS_MAX)


def test_who_supervises_is_told_of_no_fault_when_the_recorder_is_stopped(stage: Stage) -> None:
    stage.live(1).press(START).live(1).stop()

    assert not stage.was_told_of_fault.is_set()


def test_a_recording_whose_camera_was_given_up_goes_on_in_the_next_process() -> None:
    """Nothing that came before the loss is missing: it was written when the camera was missed."""
    first = Stage().start().live(3).press(START).live(2.5)
    last_frame_us = first.now_us - FRAME_US
    first.clock.advance(1_500_000_000)
    first.recorder.hear_of_camera(CameraNews(CameraChange.LOST, 1500))
    first.sound()
    first.settle().clock.advance(1_500_000_000)
    first.recorder.hear_of_camera(CameraNews(CameraChange.STUCK, 3000, CameraFault("the camera does not close")))
    assert first.was_told_of_fault.wait(SECONDS_MAX)
    first.stop()
    second = Stage(store=first.store, name="second life", clock=first.clock)
    with on_stage(second):
        second.live(2).press(STOP)
        cut, resumed = second.recordings

    assert cut.ends_us > last_frame_us
    assert (cut.reason, resumed.reason) == (("press", None), ("resumed", "stop"))
    assert resumed.view.opened is not None
    assert resumed.view.opened.continues == cut.view.recording_id
    assert names(second)[-3:] == ["camera-lost", "power-on", "power-off"]
    second.check("resumed-unclean", "recording-interrupted")


def test_a_camera_that_its_keeper_misses_is_told_and_signed_once(stage: Stage) -> None:
    stage.live(1)
    for _ in range(2):
        stage.recorder.hear_of_camera(CameraNews(CameraChange.LOST, 2000))
    stage.settle()
    lost = names(stage).count("camera-lost")
    stage.live(1)

    assert lost == 1
    assert stage.indicator.signals[1:] == (Signal.FAULT, Signal.STANDBY)
    assert names(stage)[-1] == "camera-back"
