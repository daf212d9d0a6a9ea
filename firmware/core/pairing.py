"""Joins each GOP with the audio of its time, for the chunk that both go into.

A block belongs to the GOP that holds its start: ``gop.start <= start < gop.end``. Audio comes out of its encoder later
than the video of the same time, so a closed GOP waits until the audio has passed its end, but never for long: a
microphone that died may not stop a recording. See firmware/design/fragmenter.md.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from firmware.core.gop import Gop
from firmware.ports import EncodedAudio

AUDIO_WAIT_US: Final = 250_000
PAIRING_AUDIO_BLOCK_COUNT_MAX: Final = 32_768
"""The audio of a full ring and of the GOPs that follow; more can only pile up when no video comes."""
PAIRING_GOP_COUNT_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class GopWithAudio:
    """A GOP and its audio; ``late_block_count`` blocks came after their own GOP had left, and are not in any chunk."""

    gop: Gop
    audio: tuple[EncodedAudio, ...]
    late_block_count: int


class AudioPairer:
    """Holds closed GOPs until their audio is there or overdue."""

    def __init__(self, *, is_audio_expected: bool) -> None:
        """Hold nothing yet."""
        self.is_audio_expected = is_audio_expected
        """Whether a microphone delivers; while it does not, no GOP waits."""
        self._gops: deque[Gop] = deque()
        self._audio: deque[EncodedAudio] = deque()
        self._audio_reaches_us: int | None = None
        self._late_block_count = 0

    def add_gop(self, gop: Gop) -> None:
        """Take the next GOP of the recording."""
        self._gops.append(gop)

    def add_audio(self, block: EncodedAudio) -> None:
        """Take the next block of the microphone."""
        self._audio.append(block)
        self._audio_reaches_us = block.captured_at_mono_us
        if len(self._audio) > PAIRING_AUDIO_BLOCK_COUNT_MAX:
            self._audio.popleft()
            self._late_block_count += 1

    def next_deadline_mono_us(self) -> int | None:
        """Return when the oldest GOP leaves without the rest of its audio, or None when none waits."""
        return self._gops[0].end_mono_us + AUDIO_WAIT_US if self._gops else None

    def take_ready(self, now_mono_us: int) -> tuple[GopWithAudio, ...]:
        """Return the GOPs that need not wait any longer."""
        ready: list[GopWithAudio] = []
        while self._gops and self._is_ready(self._gops[0], now_mono_us):
            ready.append(self._take_first())
        return tuple(ready)

    def take_all(self) -> tuple[GopWithAudio, ...]:
        """Return every GOP held, waited for or not: the recording ends here."""
        return tuple(self._take_first() for _ in range(len(self._gops)))

    def take_rest_of_audio(self) -> tuple[EncodedAudio, ...]:
        """Return the blocks that belong to no GOP held: the recording ended before them."""
        rest = tuple(self._audio)
        self._audio.clear()
        return rest

    def _is_ready(self, gop: Gop, now_mono_us: int) -> bool:
        if not self.is_audio_expected or len(self._gops) > PAIRING_GOP_COUNT_MAX:
            return True
        is_covered = self._audio_reaches_us is not None and self._audio_reaches_us >= gop.end_mono_us
        return is_covered or now_mono_us >= gop.end_mono_us + AUDIO_WAIT_US

    def _take_first(self) -> GopWithAudio:
        gop = self._gops.popleft()
        audio: list[EncodedAudio] = []
        while self._audio and self._audio[0].captured_at_mono_us < gop.end_mono_us:
            block = self._audio.popleft()
            if block.captured_at_mono_us >= gop.start_mono_us:
                audio.append(block)
            else:
                self._late_block_count += 1
        late_block_count, self._late_block_count = self._late_block_count, 0
        return GopWithAudio(gop, tuple(audio), late_block_count)
