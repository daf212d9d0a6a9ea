"""Each fault of a camera in turn, on picamera2 as it is installed, under the keeper: frames go on, or come again, and the
gap shows in the GOPs that the recorder signs. What the recorder makes of it is not tested here.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import pytest

from firmware.adapters.frame_delivery import FRAME_COUNT_MAX, FrameDelivery
from firmware.adapters.picamera2_session import CLOSE_WAIT_S
from firmware.app.camera_keeper import CameraChange, CameraKeeper, CameraNews
from firmware.core.frame_watchdog import FRAME_WAIT_NS, CameraStuck
from firmware.core.gop import Gop, GopAssembler
from firmware.errors import CameraFault
from firmware.ports import EncodedFrame
from hw_sim.libcamera_sim.faults import FaultKind
from tests.firmware.cameras import CLOCK, PATIENCE_S, Film, Set, numbers, over_libcamera, scene

RECOVERY_S_MAX: Final = 5.0
PROCESS_START_S: Final = 2.0


@dataclass
class Watched:
    """A camera under its keeper, that runs, and what came of it."""

    on_set: Set
    keeper: CameraKeeper
    film: Film = field(default_factory=Film)
    news: list[CameraNews] = field(default_factory=list)
    heard: threading.Condition = field(default_factory=threading.Condition)

    def hear(self, news: CameraNews) -> None:
        """Take what the keeper says."""
        with self.heard:
            self.news.append(news)
            self.heard.notify_all()

    def wait_for(self, change: CameraChange) -> CameraNews:
        """Return the news of a change once it has come."""
        with self.heard:
            assert self.heard.wait_for(lambda: any(one.change is change for one in self.news), PATIENCE_S), self.news
            return next(one for one in self.news if one.change is change)

    def break_it(self, kind: FaultKind, **fields: int) -> None:
        """Let it run for a moment, and break it."""
        self.film.wait_for(20)
        self.on_set.break_now(kind, **fields)

    def end(self, *, frames_more: int = 15) -> list[EncodedFrame]:
        """Take a few frames more, stop, and return all of them."""
        self.film.wait_for(len(self.film.frames) + frames_more)
        self.keeper.stop()
        return self.film.frames

    @property
    def changes(self) -> list[CameraChange]:
        """Return what was said, in order."""
        return [one.change for one in self.news]


@pytest.fixture
def watched() -> Iterator[Watched]:
    on_set = over_libcamera(scene())
    keeper = CameraKeeper(camera=on_set.camera, clock=CLOCK, on_news=lambda news: made.hear(news))
    made = Watched(on_set, keeper)
    keeper.start(made.film.take)
    yield made
    keeper.stop()


def missing(frames: list[EncodedFrame]) -> list[int]:
    """Return the counts of frames that the GOPs say are missing."""
    assembler = GopAssembler(frame_rate_mhz=30_000)
    outcomes = [outcome for frame in frames for outcome in assembler.add(frame)] + list(assembler.flush())
    gops = [outcome for outcome in outcomes if isinstance(outcome, Gop)]
    assert len(gops) == len(outcomes)
    assert sum(len(gop.frames) for gop in gops) == len(frames)
    return [gap.missing_frame_count for gop in gops for gap in gop.gaps]


def holes(watched: Watched) -> list[int]:
    """Return by how many numbers the pixels of following frames skip; every frame must be readable."""
    shown = [number for number in numbers(watched.film.frames, watched.on_set.scene) if number is not None]
    assert len(shown) == len(watched.film.frames)
    return [after - before - 1 for before, after in pairwise(shown) if after - before != 1]


def test_dropped_frames_are_a_gap_of_their_number(watched: Watched) -> None:
    watched.break_it(FaultKind.DROPPED_FRAMES, frame_count=3)
    frames = watched.end()

    assert missing(frames) == holes(watched) == [3]
    assert watched.news == []


def test_a_late_buffer_loses_no_frame(watched: Watched) -> None:
    watched.break_it(FaultKind.LATE_BUFFER, duration_ms=250)
    frames = watched.end(frames_more=30)

    assert missing(frames) == holes(watched) == []
    assert watched.news == []


def test_a_buffer_that_is_later_than_all_buffers_last_loses_what_found_none(watched: Watched) -> None:
    watched.break_it(FaultKind.LATE_BUFFER, duration_ms=1000)
    frames = watched.end(frames_more=60)

    assert missing(frames) == holes(watched)
    assert 15 <= sum(holes(watched)) <= 25
    assert watched.news == []


def test_an_encoder_error_costs_the_frame_and_not_the_camera(watched: Watched) -> None:
    watched.break_it(FaultKind.ENCODER_ERROR, frame_count=2)
    frames = watched.end()

    assert missing(frames) == holes(watched) == [2]
    assert watched.news == []


def test_an_encoder_that_fails_for_good_is_started_anew(watched: Watched) -> None:
    """Each error takes a buffer along: when none is left, no frame comes."""
    watched.break_it(FaultKind.ENCODER_ERROR, frame_count=40)
    watched.wait_for(CameraChange.BACK)
    frames = watched.end()

    assert watched.changes == [CameraChange.LOST, CameraChange.BACK]
    assert missing(frames) == holes(watched)


def test_a_stalled_sensor_is_started_again_within_5_s_and_the_gap_shows(watched: Watched) -> None:
    watched.break_it(FaultKind.STALLED_SENSOR)
    back = watched.wait_for(CameraChange.BACK)
    frames = watched.end()

    assert watched.changes == [CameraChange.LOST, CameraChange.BACK]
    assert FRAME_WAIT_NS // 1_000_000 <= back.silence_ms < RECOVERY_S_MAX * 1000
    assert missing(frames) == holes(watched)
    assert len(holes(watched)) == 1


def test_a_camera_that_is_gone_for_a_while_is_opened_when_it_is_there_again(watched: Watched) -> None:
    watched.break_it(FaultKind.CAMERA_GONE, duration_ms=2900)
    back = watched.wait_for(CameraChange.BACK)
    frames = watched.end()

    assert watched.changes[0] is CameraChange.LOST
    assert watched.changes[-1] is CameraChange.BACK
    failed = watched.wait_for(CameraChange.RESTART_FAILED).fault
    assert "found 0 cameras" in str(failed)
    assert back.silence_ms < RECOVERY_S_MAX * 1000
    assert missing(frames) == holes(watched)


def test_a_camera_that_hangs_when_it_is_closed_is_opened_when_it_has_closed(watched: Watched) -> None:
    watched.break_it(FaultKind.HANGING_CLOSE, duration_ms=900)
    watched.break_it(FaultKind.STALLED_SENSOR)
    back = watched.wait_for(CameraChange.BACK)
    frames = watched.end()

    assert isinstance(watched.wait_for(CameraChange.RESTART_FAILED).fault, CameraStuck)
    assert back.silence_ms < RECOVERY_S_MAX * 1000
    assert missing(frames) == holes(watched)


def test_a_camera_that_never_closes_is_given_up_and_stop_returns(watched: Watched) -> None:
    watched.break_it(FaultKind.HANGING_CLOSE, duration_ms=4000)
    watched.break_it(FaultKind.STALLED_SENSOR)
    stuck = watched.wait_for(CameraChange.STUCK)
    began_s = time.monotonic()
    watched.keeper.stop()

    assert isinstance(stuck.fault, CameraStuck)
    assert stuck.silence_ms < (RECOVERY_S_MAX - PROCESS_START_S) * 1000
    assert time.monotonic() - began_s < 1.0
    with pytest.raises(CameraStuck):
        watched.on_set.camera.start(watched.film.take)
    wait_until_closed(watched.on_set)


def test_a_stop_is_bounded_where_the_camera_hangs() -> None:
    on_set, film = over_libcamera(scene()), Film()
    on_set.camera.start(film.take)
    film.wait_for(5)
    on_set.break_now(FaultKind.HANGING_CLOSE, duration_ms=2500)
    film.wait_for(10)
    began_s = time.monotonic()
    on_set.camera.stop()
    took_s = time.monotonic() - began_s
    count = len(film.frames)

    assert CLOSE_WAIT_S <= took_s < CLOSE_WAIT_S + 1.0
    wait_until_closed(on_set)
    assert len(film.frames) == count


def test_a_camera_that_another_has_is_refused_with_its_own_words() -> None:
    first = over_libcamera(scene())
    first.camera.start(lambda frame: None)
    second = type(first.camera)(width_px=320, height_px=240, frame_rate_mhz=30_000)  # type: ignore[call-arg]

    with pytest.raises(CameraFault, match="Device or resource busy"):
        second.start(lambda frame: None)
    first.camera.stop()


@pytest.mark.parametrize(
    ("size_px", "frame_rate_mhz", "words"),
    [((8000, 240), 30_000, "gives .4608, 240. in YUV420"), ((320, 240), 60_000, "expected 16667 us")],
)
def test_what_the_camera_cannot_do_is_said(size_px: tuple[int, int], frame_rate_mhz: int, words: str) -> None:
    on_set = over_libcamera(scene())
    width_px, height_px = size_px
    asked: Callable[..., object] = type(on_set.camera)
    camera = asked(width_px=width_px, height_px=height_px, frame_rate_mhz=frame_rate_mhz)

    with pytest.raises(CameraFault, match=words):
        camera.start(lambda frame: None)  # type: ignore[attr-defined]


def test_frames_that_find_no_room_are_dropped_up_to_a_key_frame() -> None:
    is_open, delivered = threading.Event(), Film()

    def on_frame(frame: EncodedFrame) -> None:
        is_open.wait(PATIENCE_S)
        delivered.take(frame)

    delivery = FrameDelivery(on_frame)
    first = EncodedFrame(b"first", True, 0)
    assert delivery.put(first)
    taken = [delivery.put(EncodedFrame(b"P", False, time_us)) for time_us in range(1, FRAME_COUNT_MAX + 10)]
    assert taken.index(False) in (FRAME_COUNT_MAX - 1, FRAME_COUNT_MAX)
    is_open.set()
    delivered.wait_for(taken.index(False) + 1)

    assert not delivery.put(EncodedFrame(b"P", False, 10**6))
    assert delivery.put(EncodedFrame(b"I", True, 2 * 10**6))
    delivered.wait_for(taken.index(False) + 2)
    delivery.close()
    assert delivered.frames[-1].data == b"I"


def wait_until_closed(on_set: Set) -> None:
    """Wait until a camera that hung can be opened again, so that the next test finds it free."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        try:
            on_set.camera.start(lambda frame: None)
        except CameraStuck:
            time.sleep(0.05)
        else:
            on_set.camera.stop()
            return
    raise AssertionError("the camera never closed")
