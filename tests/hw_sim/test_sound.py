"""Bursts begin with their frames, and are found there again, after coding and however the sound is cut."""

import av
import numpy as np
import pytest

from hw_sim.sound import BURST_MS, EDGE_MS, TONES_HZ, Burst, BurstFinder, BurstSound, Samples, burst_period_frames
from tests.hw_sim.films import film_sound, scene

RATE_HZ = 48_000


def heard(sound: Samples, *, piece_samples: int = 1024) -> list[Burst]:
    finder = BurstFinder(RATE_HZ)
    bursts = [
        burst for at in range(0, len(sound), piece_samples) for burst in finder.feed(sound[at : at + piece_samples])
    ]
    return bursts + list(finder.finish())


def recorded(*, seconds: int, frame_rate_mhz: int = 30_000) -> Samples:
    source = BurstSound(seed=5, frame_rate_mhz=frame_rate_mhz, sample_rate_hz=RATE_HZ)
    return source.samples(0, seconds * RATE_HZ)


@pytest.mark.parametrize("frame_rate_mhz", [15_000, 29_970, 30_000, 59_940])
def test_bursts_are_found_at_their_frames_within_a_millisecond(frame_rate_mhz: int) -> None:
    bursts = heard(recorded(seconds=20, frame_rate_mhz=frame_rate_mhz))

    period_s = burst_period_frames(frame_rate_mhz) * 1000 / frame_rate_mhz
    # Burst 0 begins with the first sample, where nobody can hear a beginning.
    assert [burst.tone_index for burst in bursts] == [index % len(TONES_HZ) for index in range(1, len(bursts) + 1)]
    assert len(bursts) == int((20 - BURST_MS / 1000) / period_s)
    for index, burst in enumerate(bursts, start=1):
        assert burst.onset_sample / RATE_HZ == pytest.approx(index * period_s, abs=0.001)


def test_a_burst_is_found_within_two_milliseconds_after_aac() -> None:
    blocks = film_sound(scene(), 5 * 47)
    decoder = av.AudioCodecContext.create("aac", "r")
    decoder.extradata = _decoder_config()
    pieces = [frame.to_ndarray()[0] for block in blocks for frame in decoder.decode(av.Packet(block.data))]

    bursts = heard(np.concatenate(pieces))

    priming_s = 1024 / RATE_HZ
    onsets_s = [burst.onset_sample / RATE_HZ - priming_s for burst in bursts]
    assert onsets_s == pytest.approx([1, 2, 3, 4], abs=0.002)


@pytest.mark.parametrize("piece_samples", [480, 1024, 77_777, 960_000])
def test_the_same_bursts_are_found_however_the_sound_is_cut(piece_samples: int) -> None:
    sound = recorded(seconds=12)

    cut, whole = heard(sound, piece_samples=piece_samples), heard(sound)

    assert [burst.tone_index for burst in cut] == [burst.tone_index for burst in whole]
    assert [burst.onset_sample for burst in cut] == pytest.approx([burst.onset_sample for burst in whole], abs=0.1)


def test_the_same_samples_come_back_however_they_are_asked_for() -> None:
    source = BurstSound(seed=5, frame_rate_mhz=29_970, sample_rate_hz=RATE_HZ)

    pieces = np.concatenate([source.samples(at, 1000) for at in range(0, 200_000, 1000)])

    assert np.array_equal(pieces, source.samples(0, 200_000))


def test_a_burst_cut_by_the_beginning_of_the_sound_is_not_reported() -> None:
    sound = recorded(seconds=2)

    bursts = heard(sound[RATE_HZ + 20 * RATE_HZ // 1000 :])

    assert bursts == []


def test_silence_and_noise_hold_no_bursts() -> None:
    noise = np.random.Generator(np.random.PCG64(1)).normal(0, 0.02, 5 * RATE_HZ).astype(np.float32)

    assert heard(noise) == []
    assert heard(np.zeros(5 * RATE_HZ, np.float32)) == []
    assert heard(np.zeros(EDGE_MS, np.float32)) == []


def _decoder_config() -> bytes:
    return bytes.fromhex("118856e500")
