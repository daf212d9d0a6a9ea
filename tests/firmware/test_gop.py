"""The assembler: frames in, whole GOPs out, and every oddity of the stream a value."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.gop import Gap, Gop, GopAssembler, GopLimits, Lost, LostReason, TimeStep
from tests.firmware.streams import (
    FRAME_RATE_MHZ,
    START_US,
    Stream,
    assemble,
    delta_frame,
    gops,
    key_frame,
    shape,
    stream,
    tick_us,
)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("IPPP.IPPP", "IPPP.IPPP"),
        ("I.I.IP", "I.I.IP"),
        ("", ""),
        ("PPIP", "xx.IP"),
        ("PPP", "xxx"),
        ("IP-P.IP--P", "IP-P.IP--P"),
        ("IPP-.IPP", "IPP-.IPP"),
        ("IPPP--------------------IP", "IPPP--------------------.IP"),
    ],
)
def test_frames_become_whole_gops(pattern: str, expected: str) -> None:
    assert shape(assemble(stream(pattern))) == expected


def test_a_gop_is_given_back_when_the_next_key_frame_arrives_and_not_before() -> None:
    assembler = GopAssembler(frame_rate_mhz=FRAME_RATE_MHZ)
    given_back = [len(assembler.add(frame)) for frame in stream("IPPP.IP").frames]

    assert given_back == [0, 0, 0, 0, 1, 0]
    assert assembler.open_start_mono_us == tick_us(4)


def test_a_gop_ends_where_the_next_key_frame_was_captured() -> None:
    first, second = gops("IPPP.IPP")

    assert (first.start_mono_us, first.end_mono_us) == (tick_us(0), tick_us(4))
    assert not first.is_end_estimated
    assert (second.start_mono_us, second.is_end_estimated) == (tick_us(4), True)


def test_the_last_end_is_estimated_from_the_mean_interval_without_the_gaps() -> None:
    frames = Stream(
        (key_frame(0), delta_frame(40_000), delta_frame(82_000), delta_frame(500_000), delta_frame(541_000))
    )
    (gop,) = [each for each in assemble(frames) if isinstance(each, Gop)]

    assert gop.end_mono_us == 541_000 + (40_000 + 42_000 + 41_000) // 3


def test_the_end_of_a_single_frame_is_estimated_from_the_nominal_rate() -> None:
    (gop,) = gops("I")

    assert gop.end_mono_us == START_US + 33_333


def test_no_frame_is_lost_or_moved_on_the_way() -> None:
    frames = stream("IPPPPP.IPP.I.IPP").frames
    kept = tuple(frame for gop in gops("IPPPPP.IPP.I.IPP") for frame in gop.frames)

    assert kept == frames


@pytest.mark.parametrize(
    ("later_us", "expected"),
    [(0, "IPPP"), (16_600, "IPPP"), (16_700, "IP-PP"), (50_100, "IP--PP"), (66_700, "IP--PP"), (83_400, "IP---PP")],
)
def test_an_interval_over_one_and_a_half_frame_times_is_a_gap(later_us: int, expected: str) -> None:
    assert shape(assemble(stream("IPPP").later(2, later_us))) == expected


def test_a_gap_names_the_frames_on_both_its_sides() -> None:
    (gop,) = gops("IPP---P")

    assert gop.gaps == (Gap(tick_us(2), tick_us(6), 3),)


def test_a_gap_before_the_next_key_frame_belongs_to_the_gop_that_it_ends() -> None:
    first, second = gops("IPP--.IPP")

    assert first.gaps == (Gap(tick_us(2), tick_us(5), 2),)
    assert second.gaps == ()


@pytest.mark.parametrize(
    ("limits", "expected", "reason"),
    [
        (GopLimits(frame_count_max=3), "IPP.xxx.IPP.x", LostReason.TOO_MANY_FRAMES),
        (GopLimits(size_bytes_max=60), "IPP.xxx.IPP.x", LostReason.TOO_MANY_BYTES),
        (GopLimits(duration_us_max=99_000), "IPP.xxx.IPP.x", LostReason.TOO_LONG),
    ],
)
def test_a_gop_over_a_limit_is_closed_and_what_follows_is_counted(
    limits: GopLimits, expected: str, reason: LostReason
) -> None:
    results = assemble(stream("IPPPPP.IPPP"), limits=limits)
    gop, lost = results[:2]

    assert shape(results) == expected
    assert isinstance(gop, Gop)
    assert gop.end_mono_us == tick_us(3)
    assert lost == Lost(tick_us(3), tick_us(6), 3, reason)


def test_a_loss_is_reported_while_it_lasts() -> None:
    limits = GopLimits(frame_count_max=2, duration_us_max=200_000)
    results = assemble(stream("I" + "P" * 15), limits=limits, flush=False)

    assert shape(results) == "IP.xxxxxx.xxxxxx"
    assert [each.start_us for each in results if isinstance(each, Lost)] == [tick_us(2), tick_us(8)]


def test_a_key_frame_over_the_limit_is_lost_with_its_gop() -> None:
    limits = GopLimits(size_bytes_max=100)
    frames = Stream((key_frame(0, 101), delta_frame(33_000), key_frame(66_000)))

    assert shape(assemble(frames, limits=limits)) == "xx.I"
    assert assemble(frames, limits=limits)[0] == Lost(0, 66_000, 2, LostReason.TOO_MANY_BYTES)


def test_asking_for_a_key_frame_is_suggested_only_while_frames_are_dropped() -> None:
    assembler = GopAssembler(frame_rate_mhz=FRAME_RATE_MHZ, limits=GopLimits(frame_count_max=2))
    suggested = []
    for frame in stream("IPPP.IP").frames:
        assembler.add(frame)
        suggested.append(assembler.is_waiting_for_key_frame)

    assert suggested == [False, False, True, True, False, False]


def test_after_a_flush_the_stream_goes_on_with_a_key_frame() -> None:
    assembler = GopAssembler(frame_rate_mhz=FRAME_RATE_MHZ)
    frames = stream("IPPP.IP").frames
    before = [result for frame in frames[:2] for result in assembler.add(frame)] + list(assembler.flush())
    after = [result for frame in frames[2:] for result in assembler.add(frame)] + list(assembler.flush())

    assert (shape(before), shape(after)) == ("IP", "xx.IP")


@pytest.mark.parametrize("back_us", [0, 1, 900_000])
def test_a_time_that_steps_back_a_little_keeps_its_frame_in_order(back_us: int) -> None:
    (gop,) = [each for each in assemble(stream("IPPPP").at(2, tick_us(1) - back_us)) if isinstance(each, Gop)]

    assert gop.time_steps == (TimeStep(tick_us(1) - back_us, tick_us(1), is_new_timeline=False),)
    assert [frame.captured_at_mono_us for frame in gop.frames[:4]] == [
        tick_us(0), tick_us(1), tick_us(1) + 1, tick_us(3),
    ]  # fmt: skip


def test_a_key_frame_that_steps_back_a_little_carries_the_finding() -> None:
    first, second = (each for each in assemble(stream("IPP.IP").at(3, tick_us(1))) if isinstance(each, Gop))

    assert first.end_mono_us == second.start_mono_us == tick_us(2) + 1
    assert (len(first.time_steps), len(second.time_steps)) == (0, 1)


def test_times_that_come_back_from_the_far_future_begin_a_new_time_line() -> None:
    before, lost, after = assemble(stream("IPPP.IPPP").later(2, 3_600_000_000).later(4, -3_600_000_000))

    assert isinstance(before, Gop)
    assert isinstance(after, Gop)
    assert (len(before.frames), len(after.frames)) == (2, 4)
    assert lost == Lost(tick_us(2) + 3_600_000_000, tick_us(3) + 3_600_033_333, 2, LostReason.TOO_LONG)
    assert after.time_steps == (TimeStep(tick_us(4), tick_us(3) + 3_600_000_000, is_new_timeline=True),)
    assert (before.starts_timeline, after.starts_timeline) == (False, True)


def test_frames_after_a_new_time_line_wait_for_its_key_frame() -> None:
    results = assemble(stream("IPPP.IPPP").later(2, -2_000_000))
    gop = results[-1]

    assert shape(results) == "IP.xx.IPPP"
    assert results[1] == Lost(tick_us(2) - 2_000_000, tick_us(4) - 2_000_000, 2, LostReason.TIME_STEPPED_BACK)
    assert isinstance(gop, Gop)
    assert gop.starts_timeline


@given(
    st.lists(st.tuples(st.booleans(), st.integers(-2_500_000, 2_500_000), st.integers(1, 60)), max_size=60),
    st.integers(1, 8),
)
def test_whatever_arrives_every_frame_is_in_one_gop_or_counted_as_lost(
    steps: list[tuple[bool, int, int]], frame_count_max: int
) -> None:
    time_us, frames = START_US, []
    for is_key, step_us, size_bytes in steps:
        time_us = max(0, time_us + step_us)
        frames.append(key_frame(time_us, size_bytes) if is_key else delta_frame(time_us, size_bytes))
    limits = GopLimits(frame_count_max=frame_count_max, size_bytes_max=150, duration_us_max=4_000_000)
    results = assemble(Stream(tuple(frames)), limits=limits)

    assert sum(len(each.frames) if isinstance(each, Gop) else each.frame_count for each in results) == len(frames)
    for each in results:
        if isinstance(each, Lost):
            assert each.start_us <= each.end_us
            continue
        times_us = [frame.captured_at_mono_us for frame in each.frames] + [each.end_mono_us]
        assert all(one < other for one, other in pairwise(times_us))
        assert [frame.is_key for frame in each.frames] == [True] + [False] * (len(each.frames) - 1)
        assert len(each.frames) <= frame_count_max
        assert each.size_bytes <= 150
