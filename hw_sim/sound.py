"""The frame counter in the sound: tone bursts that begin at the exposure of every N-th frame, and their measurement.

Every frame whose number is a multiple of N (the frame rate rounded to whole frames, so about 1 s) begins one burst.
Its frequency says which one, modulo 16. ``TONES_HZ`` are multiples of 200 Hz, so that 5 ms hold whole periods and a
sliding 5 ms sum sees a tone without ripple: that is what makes the beginning measurable after lossy coding. Pure numpy;
no camera, codec or file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hw_sim.streams import Streams

Samples = npt.NDArray[np.float32]

TONES_HZ: Final = tuple(1000 + 200 * index for index in range(16))
BURST_MS: Final = 60
EDGE_MS: Final = 30
"""A decoder needs this long after a break in the sound until it can be trusted; no burst is reported earlier."""

_BURST_LEVEL: Final = 0.4
_LEVEL_MIN: Final = 0.08
_NOISE_LEVEL: Final = 0.004
_NOISE_LOOP_SAMPLES: Final = 65_536
_SEARCH_MS: Final = 5
_SEARCH_WINDOW_MS: Final = 20
_FINE_MS: Final = 5
_SECTION_MS: Final = 4_000


def burst_period_frames(frame_rate_mhz: int) -> int:
    """Return N: the frames whose number is a multiple of it begin a burst."""
    return max(1, (frame_rate_mhz + 500) // 1000)


class BurstSound:
    """The sound of a scene that starts at sample 0. The same samples come back however they are asked for.

    The bursts sit where the frames are: at ``frame_number * 1000 / frame_rate_mhz`` seconds, to within half a sample.
    """

    def __init__(self, *, seed: int, frame_rate_mhz: int, sample_rate_hz: int) -> None:
        """Draw the noise, from a stream of its own, and one burst of each tone."""
        stream_seed = Streams(seed).stream("hw_sim/sound").getrandbits(128)
        random = np.random.Generator(np.random.PCG64(stream_seed))
        self._noise: Samples = random.normal(0, _NOISE_LEVEL, _NOISE_LOOP_SAMPLES).astype(np.float32)
        self._frame_rate_mhz = frame_rate_mhz
        self._sample_rate_hz = sample_rate_hz
        self._period_frames = burst_period_frames(frame_rate_mhz)
        burst_s = np.arange(sample_rate_hz * BURST_MS // 1000) / sample_rate_hz
        self._bursts = [(_BURST_LEVEL * np.sin(2 * np.pi * tone * burst_s)).astype(np.float32) for tone in TONES_HZ]

    def samples(self, first: int, count: int) -> Samples:
        """Return samples ``first`` to ``first + count - 1``, between -1 and 1."""
        sound = np.take(self._noise, np.arange(first, first + count), mode="wrap")
        burst_samples = len(self._bursts[0])
        burst = max(0, self._burst_at_or_after(first - burst_samples))
        while (begin := self._burst_sample(burst)) < first + count:
            source_from, source_to = max(0, first - begin), min(burst_samples, first + count - begin)
            if source_from < source_to:
                tone = self._bursts[burst % len(TONES_HZ)][source_from:source_to]
                sound[begin + source_from - first : begin + source_to - first] += tone
            burst += 1
        return sound

    def _burst_sample(self, burst: int) -> int:
        number = burst * self._period_frames
        return (2 * number * 1000 * self._sample_rate_hz + self._frame_rate_mhz) // (2 * self._frame_rate_mhz)

    def _burst_at_or_after(self, sample: int) -> int:
        return sample * self._frame_rate_mhz // (self._period_frames * 1000 * self._sample_rate_hz)


@dataclass(frozen=True, slots=True)
class Burst:
    """One burst that was heard: where it begins in its stretch of sound, and which of ``TONES_HZ`` it is."""

    onset_sample: float
    tone_index: int


class BurstFinder:
    """Finds the bursts in one uninterrupted stretch of sound, however it is cut into pieces. Holds a few seconds."""

    def __init__(self, sample_rate_hz: int) -> None:
        """Begin a new stretch."""
        self._rate_hz = sample_rate_hz
        self._step = sample_rate_hz * _SEARCH_MS // 1000
        self._window = sample_rate_hz * _SEARCH_WINDOW_MS // 1000
        moments = np.arange(self._window) / sample_rate_hz
        shape = 2 * np.hanning(self._window) / np.hanning(self._window).sum()
        turns = 2 * np.pi * np.outer(moments, TONES_HZ)
        self._cosines = (np.cos(turns) * shape[:, None]).astype(np.float32)
        self._sines = (np.sin(turns) * shape[:, None]).astype(np.float32)
        self._pieces: list[Samples] = []
        self._held_samples = 0
        self._dropped_samples = 0
        self._reported_until = self._ms(EDGE_MS)

    def feed(self, samples: Samples) -> Iterator[Burst]:
        """Add the samples that follow, and yield the bursts that are certain by now, in order."""
        self._pieces.append(samples)
        self._held_samples += len(samples)
        if self._held_samples >= self._ms(_SECTION_MS):
            yield from self._search()

    def finish(self) -> Iterator[Burst]:
        """Yield what is left at the end of the stretch."""
        yield from self._search()

    def _search(self) -> Iterator[Burst]:
        sound = np.concatenate([np.zeros(0, np.float32), *self._pieces])
        for candidate, tone_index in self._candidates(sound):
            onset = self._onset(sound, candidate, tone_index)
            if onset is None or onset + self._dropped_samples < self._reported_until:
                continue
            # The end of a section is searched again with the next one, and the same burst found again.
            self._reported_until = int(onset) + self._dropped_samples + self._ms(BURST_MS)
            yield Burst(onset + self._dropped_samples, tone_index)
        kept = min(len(sound), self._ms(4 * BURST_MS))
        self._dropped_samples += len(sound) - kept
        self._pieces, self._held_samples = [sound[len(sound) - kept :]], kept

    def _candidates(self, sound: Samples) -> Iterator[tuple[int, int]]:
        """Yield (a sample inside a burst, tone) for every run of windows in which a tone stands out."""
        if len(sound) < self._window:
            return
        windows = np.lib.stride_tricks.sliding_window_view(sound, self._window)[:: self._step]
        levels = np.hypot(windows @ self._cosines, windows @ self._sines)
        is_loud = levels.max(axis=1) > _LEVEL_MIN
        edges = np.flatnonzero(np.diff(np.concatenate([[False], is_loud, [False]]).astype(np.int8)))
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if (end - begin) * _SEARCH_MS >= BURST_MS // 2:
                loudest = levels[begin:end].sum(axis=0)
                yield begin * self._step + self._window // 2, int(loudest.argmax())

    def _onset(self, sound: Samples, inside: int, tone_index: int) -> float | None:
        """Return where the tone's level crosses half of its plateau near ``inside``, between samples."""
        fine = self._ms(_FINE_MS)
        begin = max(0, inside - self._ms(BURST_MS))
        piece = sound[begin : inside + self._ms(BURST_MS)]
        if len(piece) < 4 * fine:
            return None
        turns = np.exp(-2j * np.pi * TONES_HZ[tone_index] / self._rate_hz * np.arange(len(piece)))
        sums = np.concatenate([[0], np.cumsum(piece * turns)])
        levels = 2 * np.abs(sums[fine:] - sums[:-fine]) / fine
        half = float(np.median(levels[levels > _LEVEL_MIN])) / 2 if (levels > _LEVEL_MIN).any() else 0.0
        after = int(np.argmax(levels > half)) if half else 0
        if after == 0:
            return None
        before, now = float(levels[after - 1]), float(levels[after])
        return begin + after - (now - half) / (now - before) + fine / 2

    def _ms(self, milliseconds: int) -> int:
        return self._rate_hz * milliseconds // 1000
