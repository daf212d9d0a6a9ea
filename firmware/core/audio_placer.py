"""Where audio blocks stand in a recording, in samples, and which of them a muted span touches.

The microphone's clock and the capture times drift and jitter; sound must neither click nor leave the picture. So a run
of blocks advances by its samples exactly, and begins anew where the capture times have left it by more than 20 ms.
See firmware/design/fragmenter.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from firmware.ports import EncodedAudio

JUMP_US_MAX: Final = 20_000
AAC_BLOCK_SAMPLE_COUNT: Final = 1024
_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class PlacedAudio:
    """A block and its place, in samples after the recording's origin."""

    data: bytes
    start_sample: int
    sample_count: int


@dataclass(frozen=True, slots=True)
class AudioGap:
    """Media time between two blocks that has no audio: none was captured, or it was muted."""

    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Placement:
    """The blocks of a chunk in their places, and what was found on the way."""

    blocks: tuple[PlacedAudio, ...]
    gaps: tuple[AudioGap, ...] = ()
    before_origin_count: int = 0
    overlap_count: int = 0
    """Blocks dropped because their time was taken: the capture times had fallen more than 20 ms behind."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of monotonic time, the end not included."""

    start_mono_us: int
    end_mono_us: int


class AudioPlacer:
    """Places the audio of one recording, chunk after chunk."""

    def __init__(self, *, origin_mono_us: int, sample_rate_hz: int) -> None:
        """Place from ``origin_mono_us`` on, which is the start of the recording's first GOP."""
        self._origin_us = origin_mono_us
        self._rate_hz = sample_rate_hz
        self._run_end: int | None = None

    def place(self, blocks: Iterable[EncodedAudio]) -> Placement:
        """Place the blocks of the next chunk; they come in the order of capture."""
        placed: list[PlacedAudio] = []
        gaps: list[AudioGap] = []
        before_origin_count = overlap_count = 0
        for block in blocks:
            if block.captured_at_mono_us < self._origin_us:
                before_origin_count += 1
                continue
            start = self._start_of(block)
            if start is None:
                overlap_count += 1
                continue
            if self._run_end is not None and start > self._run_end:
                gaps.append(AudioGap(self._media_us(self._run_end), self._media_us(start)))
            placed.append(PlacedAudio(block.data, start, block.sample_count))
            self._run_end = start + block.sample_count
        return Placement(tuple(placed), tuple(gaps), before_origin_count, overlap_count)

    def _start_of(self, block: EncodedAudio) -> int | None:
        """Return the block's place, or None where it would overlap the one before."""
        captured = ((block.captured_at_mono_us - self._origin_us) * self._rate_hz + _MICRO // 2) // _MICRO
        if self._run_end is None:
            return captured
        ahead = captured - self._run_end
        if abs(ahead) * _MICRO <= JUMP_US_MAX * self._rate_hz:
            return self._run_end
        return captured if ahead > 0 else None

    def _media_us(self, sample: int) -> int:
        return sample * _MICRO // self._rate_hz


def overlaps(block: EncodedAudio, span: Span, *, sample_rate_hz: int) -> bool:
    """Tell whether a decoder could put out anything of ``span`` from this block, so that muting must drop it.

    An AAC block codes two blocks' length of sound from its start on (ISO/IEC 14496-3, 4.6.11), and its decoder adds
    the second half of the block before: one block's length before and two after are counted.
    """
    block_us = -(-AAC_BLOCK_SAMPLE_COUNT * _MICRO // sample_rate_hz)
    start_us = block.captured_at_mono_us
    return span.start_mono_us < start_us + 2 * block_us and span.end_mono_us > start_us - block_us
