"""The sensor keeps its own time, and what nobody takes in time is lost and counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_sim.scene import Scene
from hw_sim.sensor import SimulatedSensor
from tests.hw_sim.films import ORIGIN_NS, scene


def numbers(spans: tuple[range, ...]) -> list[int]:
    return [number for span in spans for number in span]


def test_a_frame_of_29_97_fps_is_exposed_at_its_exact_time() -> None:
    assert scene(frame_rate_mhz=29_970).exposed_at_mono_ns(2_997_000) == ORIGIN_NS + 100_000 * 10**9


def test_an_exposure_time_is_rounded_to_the_nearest_nanosecond() -> None:
    times_ns = [scene().exposed_at_mono_ns(number) - ORIGIN_NS for number in (1, 2, 3)]

    assert times_ns == [33_333_333, 66_666_667, 100_000_000]


@settings(deadline=None)  # The machine may be busy.
@given(mono_ns=st.integers(0, 10**15), rate_mhz=st.integers(1_000, 240_000))
def test_the_first_frame_from_a_time_is_the_first(mono_ns: int, rate_mhz: int) -> None:
    world = scene(frame_rate_mhz=rate_mhz)

    number = world.first_frame_from(mono_ns)

    assert world.exposed_at_mono_ns(number) >= mono_ns
    assert number == 0 or world.exposed_at_mono_ns(number - 1) < mono_ns


def test_a_frame_is_there_at_its_exposure_and_not_before() -> None:
    world, sensor = streaming()

    assert sensor.take(world.exposed_at_mono_ns(0)) == 0
    assert sensor.take(world.exposed_at_mono_ns(1) - 1) is None
    assert sensor.take(world.exposed_at_mono_ns(1)) == 1


def test_a_late_consumer_loses_the_newest_frames_and_keeps_those_that_wait() -> None:
    world, sensor = streaming(buffer_count=3)

    late_ns = world.exposed_at_mono_ns(9)
    taken = [drain(sensor, late_ns), drain(sensor, world.exposed_at_mono_ns(10))]

    assert taken == [[0, 1, 2], [10]]
    assert numbers(sensor.frames_dropped_between(0, late_ns)) == [3, 4, 5, 6, 7, 8]
    assert sensor.counters(late_ns).frames_dropped == 7


def test_a_buffer_that_is_not_given_back_takes_no_frame() -> None:
    world, sensor = streaming(buffer_count=2)
    assert sensor.take(world.exposed_at_mono_ns(0)) == 0

    held_until_ns = world.exposed_at_mono_ns(3)
    sensor.give_back(held_until_ns)

    assert drain(sensor, world.exposed_at_mono_ns(4)) == [1, 4]


def test_exposed_frames_are_known_whether_taken_or_dropped() -> None:
    world, sensor = streaming(buffer_count=1)
    begin_ns, end_ns = world.exposed_at_mono_ns(4), world.exposed_at_mono_ns(8)

    assert sensor.frames_exposed_between(begin_ns, end_ns) == (range(4, 8),)


def test_numbers_go_on_while_the_sensor_is_stopped() -> None:
    world, sensor = streaming()
    sensor.stop(world.exposed_at_mono_ns(3))
    sensor.stop(world.exposed_at_mono_ns(3))
    sensor.start(world.exposed_at_mono_ns(10))

    now_ns = world.exposed_at_mono_ns(11)

    assert drain(sensor, now_ns) == [10, 11]
    assert sensor.frames_exposed_between(0, now_ns + 1) == (range(4), range(10, 12))


def test_every_exposed_frame_is_accounted_for() -> None:
    world, sensor = streaming(buffer_count=5)
    drain(sensor, world.exposed_at_mono_ns(2))
    sensor.stop(world.exposed_at_mono_ns(20))

    counters = sensor.counters(world.exposed_at_mono_ns(50))

    assert counters.frames_exposed == 21
    assert (counters.frames_taken, counters.frames_dropped, counters.frames_discarded) == (3, 13, 5)


def test_a_sensor_that_streams_is_not_started_again() -> None:
    _, sensor = streaming()

    with pytest.raises(ValueError, match="streams already"):
        sensor.start(ORIGIN_NS)


@pytest.mark.parametrize(
    ("width_px", "height_px", "rate_mhz", "says"),
    [(641, 480, 30_000, "must be even"), (64, 48, 30_000, "at least 160x120"), (640, 480, 30, "between 1 and 240")],
)
def test_a_scene_that_no_camera_could_film_is_refused(width_px: int, height_px: int, rate_mhz: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Scene(1, 0, width_px, height_px, rate_mhz)


def streaming(*, buffer_count: int = 12) -> tuple[Scene, SimulatedSensor]:
    world = scene()
    sensor = SimulatedSensor(world, buffer_count=buffer_count)
    sensor.start(ORIGIN_NS)
    return world, sensor


def drain(sensor: SimulatedSensor, now_mono_ns: int) -> list[int]:
    taken = []
    while (number := sensor.take(now_mono_ns)) is not None:
        taken.append(number)
        sensor.give_back(now_mono_ns)
    return taken
