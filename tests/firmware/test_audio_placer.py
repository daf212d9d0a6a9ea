"""Where audio goes: exact runs, new anchors after a jump, and what muting drops."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.audio_placer import AudioGap, AudioPlacer, Placement, Span, overlaps
from firmware.ports import EncodedAudio
from tests.firmware.streams import START_US, blocks

RATE_HZ = 48_000


def place(audio: Sequence[EncodedAudio], rate_hz: int = RATE_HZ) -> Placement:
    return AudioPlacer(origin_mono_us=START_US, sample_rate_hz=rate_hz).place(audio)


def later(audio: list[EncodedAudio], index: int, by_us: int) -> list[EncodedAudio]:
    """Move the capture times of all blocks from ``index`` on."""
    moved = [replace(each, captured_at_mono_us=each.captured_at_mono_us + by_us) for each in audio[index:]]
    return audio[:index] + moved


def starts(placement: Placement) -> list[int]:
    return [block.start_sample for block in placement.blocks]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_a_run_advances_by_its_samples_exactly(rate_hz: int) -> None:
    placement = place(blocks(2000, rate_hz=rate_hz), rate_hz)

    assert starts(placement) == [1024 * index for index in range(2000)]
    assert placement.gaps == ()


def test_the_first_block_stands_at_its_capture_time() -> None:
    assert starts(place(blocks(2, start_us=START_US + 10_000))) == [480, 1504]


def test_blocks_before_the_origin_are_dropped_and_counted() -> None:
    placement = place(blocks(5, start_us=START_US - 30_000))

    assert placement.before_origin_count == 2
    assert starts(placement) == [608, 1632, 2656]


@pytest.mark.parametrize("jitter_us", [-20_000, 20_000])
def test_jitter_of_capture_times_moves_nothing(jitter_us: int) -> None:
    assert starts(place(later(blocks(4), 2, jitter_us))) == [0, 1024, 2048, 3072]


def test_a_jump_forward_begins_a_new_run_and_is_told() -> None:
    placement = place(later(blocks(4), 2, 21_000))

    assert starts(placement) == [0, 1024, 2048 + 1008, 3072 + 1008]
    assert placement.gaps == (AudioGap(42_666, 63_666),)


def test_one_missing_block_is_a_jump() -> None:
    audio = blocks(6)

    assert starts(place(audio[:2] + audio[3:])) == [0, 1024, 3072, 4096, 5120]


def test_a_jump_back_drops_blocks_until_there_is_room_again() -> None:
    placement = place(later(blocks(8), 3, -50_000))

    assert placement.overlap_count == 2
    assert starts(placement) == [0, 1024, 2048, 3072, 4096, 5120]


def test_a_run_goes_on_from_chunk_to_chunk() -> None:
    audio = later(blocks(6), 3, 5_000)
    placer = AudioPlacer(origin_mono_us=START_US, sample_rate_hz=RATE_HZ)

    assert starts(placer.place(audio[:3])) + starts(placer.place(audio[3:])) == [1024 * i for i in range(6)]


def test_a_microphone_whose_clock_drifts_stays_in_step() -> None:
    for drift_ppm in (-200, 200):
        minutes = [
            replace(block, captured_at_mono_us=START_US + index * 1024 * (1_000_000 + drift_ppm) // RATE_HZ)
            for index, block in enumerate(blocks(RATE_HZ * 1200 // 1024))
        ]
        placement = place(minutes)
        captured_us = {block.data: block.captured_at_mono_us - START_US for block in minutes}
        worst_us = max(
            abs(each.start_sample * 1_000_000 // RATE_HZ - captured_us[each.data]) for each in placement.blocks
        )

        # Places are whole samples of 21 us.
        assert worst_us <= 20_000 + 21
        assert len(placement.gaps) + placement.overlap_count < 15


@given(st.lists(st.integers(-100_000, 200_000), max_size=80))
def test_whatever_the_capture_times_are_no_block_overlaps_or_stands_before_zero(steps_us: list[int]) -> None:
    audio, time_us = [], START_US
    for index, step_us in enumerate(steps_us):
        time_us = max(0, time_us + step_us)
        audio.append(EncodedAudio(index.to_bytes(2, "big"), time_us, 1024))
    placement = place(audio)
    ends = [0] + [block.start_sample + block.sample_count for block in placement.blocks]

    assert all(start >= end for start, end in zip(starts(placement), ends, strict=False))
    assert len(placement.blocks) + placement.before_origin_count + placement.overlap_count == len(audio)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(START_US + 100_000, START_US + 100_001), [3, 4, 5]),
        (Span(START_US + 128_100, START_US + 149_200), [5, 6, 7]),
        (Span(0, START_US - 21_334), []),
        (Span(0, START_US - 100), [0]),
    ],
)
def test_muting_drops_every_block_that_could_sound_within_the_span(span: Span, expected: list[int]) -> None:
    audio = blocks(20)

    assert [index for index, each in enumerate(audio) if overlaps(each, span, sample_rate_hz=RATE_HZ)] == expected
