"""What each gesture makes of a recording, and what receipts do meanwhile. The loop is real, time is told."""

import threading
from collections.abc import Iterator
from typing import cast

import pytest

from firmware.app.checkpoints import FOLDER
from firmware.ports import Gesture, Signal, Store
from hw_sim.crash_store import CrashStore
from protocol.entries import Chunk, Event, RecordingOpened
from tests.firmware.crash_world import AGENCY, receipts_for
from tests.firmware.stage import CreepingClock, Stage, names, on_stage
from tests.firmware.unsealed import bodies, events, reports
from tests.protocol.ledgers import Ledger

START, STOP, MUTE, MARK = Gesture.START, Gesture.STOP, Gesture.MUTE, Gesture.MARK


@pytest.fixture
def stage() -> Iterator[Stage]:
    with on_stage(Stage()) as stage:
        yield stage


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


def test_a_receipt_is_taken_while_the_camera_records(stage: Stage) -> None:
    stage.live(2).press(START).live(1).press(STOP).dock()
    closed = reports(stage.store.disk.live())[0]
    stage.press(START).live(1)
    ledger, receipts = Ledger(witness_count=1), receipts_for(closed)
    for signed in receipts:
        ledger.add(signed, AGENCY.policy)
    outcomes = [stage.recorder.take_receipt(ledger.proved(signed, AGENCY.policy)) for signed in receipts]
    stage.live(1).press(STOP)

    assert [outcome.is_erased for outcome in outcomes] == [False, True]
    assert [name for name, _ in stage.said if name == "erased"] == ["erased", "erased"]
    assert stage.store.folders() == (FOLDER, stage.log.folder)
    stage.check()


def test_each_recording_has_a_key_of_its_own(stage: Stage) -> None:
    stage.live(2).press(START).live(1).press(STOP).press(START).live(1).press(STOP)
    opened = [body for body in bodies(stage.store.disk.live()) if isinstance(body, RecordingOpened)]

    assert len({body.content_key_commitment for body in opened}) == 2
