"""The camera in real time: frames counted from the pixels, signals timed, and a process that is killed while it records."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware.core.session import State
from firmware.ports import Gesture, Signal
from hw_sim.count_frames import Count, count
from protocol.entries import Resumed
from protocol.layout import CHAIN_NAME
from protocol.verdict import Verdict
from protocol.verify.files import read_shift
from protocol.verify.shift import judge, judge_trust
from tests.firmware.crash_judge import Card, damaged
from tests.firmware.crash_world import AGENCY, CAMERA
from tests.firmware.real_camera import FRAME_RATE_MHZ, PRE_EVENT_S, RealCamera, image
from tests.firmware.unsealed import Recording, bodies, recordings

ROOT = Path(__file__).parents[2]
SIGNAL_WAIT_S = 5.0


@dataclass
class Day:
    """What came of half a minute's officer."""

    camera: RealCamera
    pressed_ns: dict[str, int]
    image: dict[str, dict[str, bytes]]
    recordings: list[Recording]
    counts: list[Count]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Stand by, record with a mute and a mark, stand by, record again and dock: about six seconds."""
    folder = tmp_path_factory.mktemp("card")
    camera = RealCamera(folder)
    camera.recorder.start()
    pressed = {}
    time.sleep(PRE_EVENT_S + 0.4)
    pressed["start"] = camera.press(Gesture.START)
    time.sleep(1.0)
    pressed["mute"] = camera.press(Gesture.MUTE)
    time.sleep(0.5)
    camera.press(Gesture.MUTE)
    pressed["mark"] = camera.press(Gesture.MARK)
    time.sleep(0.3)
    pressed["stop"] = camera.press(Gesture.STOP)
    time.sleep(0.5)
    pressed["second start"] = camera.press(Gesture.START)
    time.sleep(0.6)
    camera.recorder.docked()
    camera.recorder.stop()
    camera.store.close()
    found = image(folder)
    films = recordings(found)
    counts = []
    for number, film in enumerate(films):
        path = tmp_path_factory.mktemp("film") / f"{number}.mp4"
        path.write_bytes(film.mp4)
        counts.append(count(path, frame_rate_mhz=FRAME_RATE_MHZ))
    return Day(camera, pressed, found, films, counts)


def verdict_on(folder: str, files: dict[str, bytes]) -> Verdict:
    """Return what the verifier says of a shift."""
    trust = judge_trust(
        signed_policy=AGENCY.trusted.signed_bytes, enrolment=CAMERA.enrolment, root_fingerprint=AGENCY.root_fingerprint
    )
    evidence, findings = read_shift(
        folder=folder, names=sorted(files), read=lambda name: iter((files[name],)), trust=trust
    )
    assert evidence is not None
    return judge([evidence], findings=findings)


def test_no_frame_is_missing_across_the_border_of_pre_event_and_live(day: Day) -> None:
    """None but those that the sensor dropped, on a machine that is too busy: those are signed."""
    signed = [sum(missing for missing, _ in recording.gaps) for recording in day.recordings]

    assert [found.frames_missing for found in day.counts] == signed
    assert [found.frames_duplicated + found.frames_out_of_order for found in day.counts] == [0, 0]
    assert all(found.av_offset_ms_max is None or found.av_offset_ms_max <= 40 for found in day.counts)


def test_the_second_recording_begins_with_the_frame_after_the_last_of_the_first(day: Day) -> None:
    first, second = day.counts

    assert second.first == first.last + 1


def test_the_pre_event_part_is_as_long_as_it_is_said_to_be(day: Day) -> None:
    opened = day.recordings[0].view.opened
    assert opened is not None

    assert opened.pre_event_ms == PRE_EVENT_S * 1000
    assert day.recordings[0].begins_us <= day.pressed_ns["start"] // 1000 - PRE_EVENT_S * 1_000_000


def test_a_recording_reaches_to_its_stop(day: Day) -> None:
    stopped_us = day.pressed_ns["stop"] // 1000

    assert stopped_us <= day.recordings[0].ends_us < stopped_us + 1_000_000


def test_a_press_is_signalled_within_a_second(day: Day) -> None:
    """I7."""
    shown = [seen.at_mono_ns for seen in day.camera.indicator.seen if seen.signal is Signal.RECORDING]

    assert shown[0] is not None
    assert 0 <= shown[0] - day.pressed_ns["start"] < 1_000_000_000


def test_the_muted_part_is_signed_and_the_rest_is_heard(day: Day) -> None:
    muted = [span for span in day.recordings[0].spans if span.state == "muted"]
    muted_us = sum(span.end_us - span.start_us for span in muted)

    assert 400_000 < muted_us < 900_000
    assert day.recordings[0].begins_us + muted[0].start_us == pytest.approx(day.pressed_ns["mute"] // 1000, abs=20_000)
    assert day.counts[0].bursts_missing == 0
    assert all(not (start < muted[0].start_us / 1e6 + 0.1 < end - 0.05) for start, end in day.counts[0].audio_spans_s)


def test_a_whole_day_verifies(day: Day) -> None:
    folder = min(day.image)

    has_gaps = any(recording.gaps for recording in day.recordings)

    assert verdict_on(folder, day.image[folder]).verdict == ("authentic with signed gaps" if has_gaps else "authentic")


def test_the_ends_are_as_the_officer_made_them(day: Day) -> None:
    assert [recording.reason for recording in day.recordings] == [("press", "stop"), ("press", "docked")]
    assert day.camera.recorder.state is State.OFF
    assert day.camera.recorder.fault is None


def test_a_camera_that_is_killed_while_it_records_goes_on_and_loses_one_gop_at_most(tmp_path: Path) -> None:
    victim = subprocess.Popen(
        [sys.executable, "-m", "tests.firmware.real_camera", str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert victim.stdout is not None
    chunk_count = 0
    for line in victim.stdout:
        chunk_count += line.strip() == "chunk"
        if chunk_count == 2:
            break
    time.sleep(0.5)
    victim.send_signal(signal.SIGKILL)
    killed_us = time.monotonic_ns() // 1000
    victim.wait(10)
    camera = RealCamera(tmp_path)
    camera.recorder.start()
    assert camera.indicator.wait_for(Signal.RECORDING, timeout_s=SIGNAL_WAIT_S)
    time.sleep(1.2)
    camera.press(Gesture.STOP)
    camera.recorder.docked()
    camera.recorder.stop()
    camera.store.close()
    found = image(tmp_path)
    cut, resumed = recordings(found)
    said = [body for body in bodies(found) if isinstance(body, Resumed)]

    assert killed_us - cut.ends_us < 2_500_000  # One GOP of a second, what its sound is waited for, and a busy machine.
    assert len(cut.view.chunks) >= chunk_count
    assert resumed.reason == ("resumed", "stop")
    assert resumed.view.opened is not None
    assert resumed.view.opened.continues == cut.view.recording_id
    assert [(body.is_clean, body.interrupted_recording_id) for body in said] == [(False, cut.view.recording_id)]
    assert verdict_on(min(found), found[min(found)]).verdict == "authentic with signed gaps"
    assert list(damaged(Card.of(found), open_folder=max(found))) == []
    assert CHAIN_NAME in found[max(found)]
