"""What every camera promises (`firmware.ports.Camera`), on the simulated one and on picamera2 as it is installed."""

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest

from firmware.adapters.picamera2_camera import Picamera2Camera
from firmware.core.h264 import NAL_TYPE_PPS, NAL_TYPE_SPS, nal_type, nal_units
from firmware.ports import EncodedFrame
from tests.firmware.cameras import PATIENCE_S, Film, Set, numbers, over_libcamera, scene, shoot, simulated

IDR = 5
TIME_DEVIATION_NS_MAX = 1000
"""picamera2 cuts the sensor's nanoseconds off to microseconds, the simulated camera rounds them."""


@pytest.fixture(params=[simulated, over_libcamera])
def on_set(request: pytest.FixtureRequest) -> Set:
    make: Callable[..., Set] = request.param
    return make(scene())


def test_frames_arrive_in_order_and_none_is_missing(on_set: Set) -> None:
    frames = shoot(on_set.camera, 40)

    shown = numbers(frames, on_set.scene)
    assert shown[0] is not None
    assert shown == list(range(shown[0], shown[0] + len(frames)))


@pytest.mark.parametrize("frame_rate_mhz", [30_000, 29_970])
@pytest.mark.parametrize("make", [simulated, over_libcamera])
def test_a_frame_carries_the_time_of_its_exposure(make: Callable[..., Set], frame_rate_mhz: int) -> None:
    on_set = make(scene(frame_rate_mhz=frame_rate_mhz))
    frames = shoot(on_set.camera, 40)

    for frame, number in zip(frames, numbers(frames, on_set.scene), strict=True):
        assert number is not None
        exposed_ns = on_set.scene.exposed_at_mono_ns(number)
        assert abs(frame.captured_at_mono_us * 1000 - exposed_ns) < TIME_DEVIATION_NS_MAX


def test_rows_with_padding_at_their_ends_are_read_without_it() -> None:
    """324 pixels take 384 bytes a row: whoever forgets that sees no counter."""
    on_set = over_libcamera(scene(width_px=324, height_px=182))

    assert None not in numbers(shoot(on_set.camera, 10), on_set.scene)


def test_a_key_frame_comes_first_and_then_every_second(on_set: Set) -> None:
    frames = shoot(on_set.camera, 65)

    assert [index for index, frame in enumerate(frames) if frame.is_key][:3] == [0, 30, 60]


def test_a_key_frame_carries_its_parameter_sets_and_others_none(on_set: Set) -> None:
    for frame in shoot(on_set.camera, 35):
        kinds = {nal_type(unit) for unit in nal_units(frame.data)}
        assert ({NAL_TYPE_SPS, NAL_TYPE_PPS, IDR} <= kinds) == frame.is_key
        assert (IDR in kinds) == frame.is_key


def test_a_key_frame_that_is_asked_for_comes_within_two_frames_and_only_once(on_set: Set) -> None:
    film = Film()
    on_set.camera.start(film.take)
    film.wait_for(10)
    asked_after = len(film.frames)
    for _ in range(5):
        on_set.camera.request_key_frame()
    film.wait_for(asked_after + 12)
    on_set.camera.stop()

    keys = [index for index, frame in enumerate(film.frames) if frame.is_key][1:]
    assert len(keys) == 1
    assert asked_after <= keys[0] <= asked_after + 2
    assert None not in numbers(film.frames, on_set.scene)


def test_nothing_comes_after_stop_and_stop_may_be_called_twice(on_set: Set) -> None:
    arrived_late = threading.Event()
    is_stopped = threading.Event()

    def on_frame(frame: EncodedFrame) -> None:
        if is_stopped.is_set():
            arrived_late.set()

    on_set.camera.stop()
    on_set.camera.start(on_frame)
    on_set.camera.stop()
    is_stopped.set()
    on_set.camera.stop()

    assert not arrived_late.wait(0.3)


def test_a_camera_that_is_started_again_goes_on_in_time_and_begins_with_a_key_frame(on_set: Set) -> None:
    runs = [shoot(on_set.camera, 5) for _ in range(3)]

    for before, after in pairwise(runs):
        assert after[0].is_key
        assert after[0].captured_at_mono_us > before[-1].captured_at_mono_us
    assert None not in [number for run in runs for number in numbers(run, on_set.scene)]


def test_a_camera_may_be_stopped_from_its_own_callback(on_set: Set) -> None:
    arrived: list[EncodedFrame] = []
    is_stopped = threading.Event()

    def on_frame(frame: EncodedFrame) -> None:
        arrived.append(frame)
        on_set.camera.stop()
        is_stopped.set()

    on_set.camera.start(on_frame)

    assert is_stopped.wait(PATIENCE_S)
    assert len(arrived) == 1


def test_what_runs_is_not_started_again(on_set: Set) -> None:
    on_set.camera.start(lambda frame: None)

    with pytest.raises(ValueError, match="runs already"):
        on_set.camera.start(lambda frame: None)
    on_set.camera.stop()


def test_a_consumer_that_waits_holds_nobody_up_and_loses_no_frame(on_set: Set) -> None:
    film, is_over = Film(), threading.Event()

    def on_frame(frame: EncodedFrame) -> None:
        if len(film.frames) == 10:
            is_over.wait(0.3)
        film.take(frame)

    on_set.camera.start(on_frame)
    film.wait_for(30)
    on_set.camera.stop()

    shown = numbers(film.frames, on_set.scene)
    assert shown[0] is not None
    assert shown == list(range(shown[0], shown[0] + len(shown)))


def test_the_description_is_that_of_the_frames_and_names_what_made_them(on_set: Set) -> None:
    described = on_set.camera.description

    assert (described.width_px, described.height_px, described.frame_rate_mhz) == (320, 240, 30_000)
    if isinstance(on_set.camera, Picamera2Camera):
        assert described.name.startswith("picamera2 0.")
        assert "(Picamera2, LibavH264Encoder), libcamera v0.0.0+simulated" in described.name
