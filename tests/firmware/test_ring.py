"""The ring: what a press finds, what is let go, and that nothing makes it grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.gop import Gop, TimeStep
from firmware.core.ring import GopRing, PreEvent
from tests.firmware.streams import START_US, blocks, key_frame, numbers, second_gops

SECOND_US = 1_000_000


def press(ring: GopRing, at_s: float, wanted_s: float, open_start_s: int | None = None) -> PreEvent:
    return ring.drain(
        trigger_mono_us=START_US + round(at_s * SECOND_US),
        wanted_ms=round(wanted_s * 1000),
        open_start_mono_us=None if open_start_s is None else START_US + open_start_s * SECOND_US,
    )


def seconds(pre_event: PreEvent) -> list[int]:
    """Name the GOPs of ``second_gops`` by the second that they start at."""
    return [(gop.start_mono_us - START_US) // SECOND_US for gop in pre_event.gops]


def filled(length_s: int, gop_count: int) -> GopRing:
    ring = GopRing(length_s=length_s)
    for gop in second_gops(gop_count):
        ring.push(gop)
    return ring


def test_a_press_gets_the_gop_that_holds_the_wanted_time_and_all_after_it() -> None:
    pre_event = press(filled(30, 20), at_s=20.4, wanted_s=4, open_start_s=20)

    assert seconds(pre_event) == [16, 17, 18, 19]
    assert (pre_event.achieved_ms, pre_event.shortfall_ms, pre_event.hole_ms) == (4400, 0, 0)


def test_a_wanted_time_on_a_border_takes_the_gop_that_begins_there() -> None:
    pre_event = press(filled(30, 20), at_s=20, wanted_s=4)

    assert seconds(pre_event) == [16, 17, 18, 19]
    assert (pre_event.achieved_ms, pre_event.shortfall_ms) == (4000, 0)


@pytest.mark.parametrize("length_s", [1, 2, 30, 120])
def test_a_full_ring_never_comes_short_of_its_length(length_s: int) -> None:
    for part in (0, 0.3, 0.999):
        pre_event = press(filled(length_s, 200), at_s=200 + part, wanted_s=length_s, open_start_s=200)

        assert pre_event.shortfall_ms == 0
        assert length_s * 1000 <= pre_event.achieved_ms < (length_s + 1) * 1000


def test_a_ring_that_is_not_full_yet_says_how_much_is_short() -> None:
    pre_event = press(filled(30, 5), at_s=5.5, wanted_s=30, open_start_s=5)

    assert seconds(pre_event) == [0, 1, 2, 3, 4]
    assert (pre_event.achieved_ms, pre_event.shortfall_ms) == (5500, 24_500)


def test_a_second_press_gets_nothing_that_the_first_has_had() -> None:
    ring = filled(30, 10)
    first = press(ring, at_s=10.5, wanted_s=5, open_start_s=10)
    for gop in second_gops(3, first_s=15):
        ring.push(gop)
    second = press(ring, at_s=18.5, wanted_s=30, open_start_s=18)

    assert seconds(first) == [5, 6, 7, 8, 9]
    assert seconds(second) == [15, 16, 17]
    assert (second.achieved_ms, second.shortfall_ms) == (3500, 26_500)


def test_after_a_drain_nothing_is_left() -> None:
    ring = filled(30, 10)
    for block in blocks(100):
        ring.push_audio(block)
    press(ring, at_s=10, wanted_s=1)

    assert (ring.gop_count, ring.audio_block_count, ring.size_bytes) == (0, 0, 0)
    assert press(ring, at_s=10, wanted_s=1) == PreEvent((), (), 0, 1000, 0)


def test_zero_seconds_keep_no_closed_gop() -> None:
    ring = filled(0, 10)
    pre_event = press(ring, at_s=10.7, wanted_s=0, open_start_s=10)

    assert ring.gop_count == 0
    assert pre_event.gops == ()
    assert (pre_event.achieved_ms, pre_event.shortfall_ms) == (700, 0)


def test_zero_seconds_keep_the_audio_of_the_open_gop_and_no_older() -> None:
    ring = filled(0, 2)
    audio = blocks(140)
    for block in audio:
        ring.push_audio(block)
    pre_event = press(ring, at_s=2.9, wanted_s=0, open_start_s=2)

    assert pre_event.audio == tuple(each for each in audio if each.captured_at_mono_us >= START_US + 2 * SECOND_US)
    assert len(pre_event.audio) > 40


def test_a_press_gets_the_audio_from_the_first_gop_on() -> None:
    ring = filled(30, 4)
    audio = blocks(250)
    for block in audio:
        ring.push_audio(block)
    pre_event = press(ring, at_s=4.5, wanted_s=2, open_start_s=4)

    assert seconds(pre_event) == [2, 3]
    assert numbers(pre_event.audio) == list(range(94, 250))
    assert pre_event.audio[0].captured_at_mono_us >= pre_event.gops[0].start_mono_us


def test_audio_leaves_with_its_gop() -> None:
    ring = GopRing(length_s=2)
    audio = iter(blocks(1000))
    for gop in second_gops(10):
        for _ in range(47):
            ring.push_audio(next(audio))
        ring.push(gop)

    assert ring.gop_count == 2
    assert ring.audio_block_count <= 3 * 47


def test_without_video_audio_stays_within_the_seconds() -> None:
    ring = GopRing(length_s=10)
    for block in blocks(48_000 * 60 // 1024):
        ring.push_audio(block)

    assert ring.audio_block_count * 1024 / 48_000 <= 10 + 6 + 1


def test_without_video_audio_stays_within_the_bytes() -> None:
    ring = GopRing(length_s=120, size_bytes_max=1000)
    for block in blocks(100, size_bytes=100):
        ring.push_audio(block)

    assert (ring.audio_block_count, ring.size_bytes) == (10, 1000)


def test_audio_whose_time_stands_still_stays_within_its_count() -> None:
    ring = GopRing(length_s=120)
    (block,) = blocks(1)
    for _ in range(20_000):
        ring.push_audio(block)

    assert ring.audio_block_count == 16_384


def test_over_its_bytes_the_ring_drops_the_oldest_gops_and_the_shortfall_tells() -> None:
    ring = GopRing(length_s=30, size_bytes_max=1000)
    for gop in second_gops(30, size_bytes=300):
        ring.push(gop)
    pre_event = press(ring, at_s=30, wanted_s=30)

    assert seconds(pre_event) == [27, 28, 29]
    assert pre_event.shortfall_ms == 27_000


def test_a_gop_larger_than_the_ring_is_not_kept() -> None:
    ring = GopRing(length_s=30, size_bytes_max=1000)
    for gop in second_gops(2, size_bytes=1001):
        ring.push(gop)

    assert (ring.gop_count, ring.size_bytes) == (0, 0)


def test_a_hole_between_gops_is_told() -> None:
    ring = GopRing(length_s=30)
    for gop in second_gops(2) + second_gops(2, first_s=5):
        ring.push(gop)
    pre_event = press(ring, at_s=8.2, wanted_s=30, open_start_s=8)

    assert pre_event.hole_ms == 3000 + 1000
    assert pre_event.achieved_ms == 8200


def test_no_pre_event_part_spans_a_new_time_line() -> None:
    ring = filled(30, 5)
    step = TimeStep(START_US, START_US + 5 * SECOND_US, is_new_timeline=True)
    ring.push(Gop((key_frame(START_US),), START_US + SECOND_US, time_steps=(step,)))

    assert seconds(press(ring, at_s=1, wanted_s=30)) == [0]


@pytest.mark.parametrize("length_s", [-1, 121])
def test_a_length_out_of_range_is_refused(length_s: int) -> None:
    with pytest.raises(AssertionError, match="0 to 120"):
        GopRing(length_s=length_s)


@given(
    st.integers(0, 5),
    st.lists(st.tuples(st.sampled_from(("gop", "audio", "press")), st.integers(1, 400), st.integers(1, 2_000_000))),
)
def test_in_any_order_of_events_bounds_hold_and_nothing_is_given_twice(
    length_s: int, events: list[tuple[str, int, int]]
) -> None:
    ring, now_us, given_back = GopRing(length_s=length_s, size_bytes_max=1000), START_US, list[int]()
    for kind, size_bytes, step_us in events:
        start_us, now_us = now_us, now_us + step_us
        if kind == "gop":
            ring.push(Gop((key_frame(start_us, size_bytes),), now_us))
        elif kind == "audio":
            ring.push_audio(blocks(1, start_us=start_us, size_bytes=size_bytes)[0])
        else:
            pre_event = ring.drain(trigger_mono_us=now_us, wanted_ms=length_s * 1000, open_start_mono_us=None)
            given_back += [gop.start_mono_us for gop in pre_event.gops]

            assert pre_event.achieved_ms + pre_event.shortfall_ms >= length_s * 1000
        assert ring.size_bytes <= 1000
    assert given_back == sorted(set(given_back))
