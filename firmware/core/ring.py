"""The ring of the last seconds: whole GOPs and the audio of their time, until a press turns them into a recording.

Bounded by seconds and by bytes, whatever the camera, the microphone or their clocks do. A GOP leaves it once: drained
into a recording, or dropped as too old. See firmware/design/fragmenter.md.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from firmware.core.gop import GOP_DURATION_US_MAX, Gop
from firmware.ports import EncodedAudio

RING_LENGTH_S_MAX: Final = 120
RING_SIZE_BYTES_MAX: Final = 256 * 1024 * 1024
OPEN_AUDIO_US_MAX: Final = GOP_DURATION_US_MAX + 1_000_000
"""Audio kept beyond the ring's length, for the GOP that still grows and for the delay of the encoder."""
RING_AUDIO_BLOCK_COUNT_MAX: Final = 16_384
"""126 s of the smallest blocks there are (1024 samples at 96 kHz), and room."""


@dataclass(frozen=True, slots=True)
class PreEvent:
    """What the ring gave at a press.

    ``audio`` runs on into the GOP that was open at the press. ``achieved_ms`` reaches from the first frame to the
    press, ``shortfall_ms`` is what was wanted and is not there, ``hole_ms`` what is missing between the GOPs.
    """

    gops: tuple[Gop, ...]
    audio: tuple[EncodedAudio, ...]
    achieved_ms: int
    shortfall_ms: int
    hole_ms: int


class GopRing:
    """Keeps the GOPs that reach into the last ``length_s`` seconds of video, 0 to 120."""

    def __init__(self, *, length_s: int, size_bytes_max: int = RING_SIZE_BYTES_MAX) -> None:
        """Keep nothing yet; 0 s keeps no closed GOP at any time."""
        if not 0 <= length_s <= RING_LENGTH_S_MAX:
            raise AssertionError(f"a ring of {length_s} s was asked for; it must be 0 to {RING_LENGTH_S_MAX} s")
        self._length_us = length_s * 1_000_000
        self._size_bytes_max = size_bytes_max
        self._gops: deque[Gop] = deque()
        self._audio: deque[EncodedAudio] = deque()
        self._size_bytes = 0
        self._video_end_us: int | None = None

    @property
    def size_bytes(self) -> int:
        """Return the size of all frames and audio blocks kept."""
        return self._size_bytes

    @property
    def gop_count(self) -> int:
        """Return how many GOPs are kept."""
        return len(self._gops)

    @property
    def audio_block_count(self) -> int:
        """Return how many audio blocks are kept."""
        return len(self._audio)

    def push(self, gop: Gop) -> None:
        """Keep a closed GOP and let go of what is too old; GOPs come in the order of the stream."""
        if gop.starts_timeline:
            # Times before the step do not compare with those after it: no pre-event part may span it.
            while self._gops:
                self._drop_gop()
        self._gops.append(gop)
        self._size_bytes += gop.size_bytes
        self._video_end_us = gop.end_mono_us
        self._trim()

    def push_audio(self, block: EncodedAudio) -> None:
        """Keep a block; its GOP need not be closed yet."""
        self._audio.append(block)
        self._size_bytes += len(block.data)
        self._trim()

    def clear(self) -> None:
        """Forget everything, as the camera must when it goes to sleep."""
        self._gops.clear()
        self._audio.clear()
        self._size_bytes = 0

    def drain(self, *, trigger_mono_us: int, wanted_ms: int, open_start_mono_us: int | None) -> PreEvent:
        """Empty the ring into the pre-event part of a recording, from the GOP that holds ``trigger - wanted`` on.

        ``open_start_mono_us`` is where the GOP that still grows began: it will be the next of the recording, so it
        counts for the length achieved when no closed GOP is there.
        """
        wanted_from_us = trigger_mono_us - wanted_ms * 1000
        gops = tuple(gop for gop in self._gops if gop.end_mono_us > wanted_from_us)
        audio_from_us = gops[0].start_mono_us if gops else self._video_end_us
        audio = tuple(
            block for block in self._audio if audio_from_us is None or block.captured_at_mono_us >= audio_from_us
        )
        self.clear()
        starts_us = [gop.start_mono_us for gop in gops]
        if open_start_mono_us is not None:
            starts_us.append(open_start_mono_us)
        achieved_us = max(0, trigger_mono_us - starts_us[0]) if starts_us else 0
        # zip stops at the shorter one: without an open GOP the last closed one has no successor to compare with.
        hole_us = sum(max(0, start_us - gop.end_mono_us) for gop, start_us in zip(gops, starts_us[1:], strict=False))
        return PreEvent(
            gops=gops,
            audio=audio,
            achieved_ms=achieved_us // 1000,
            shortfall_ms=max(0, wanted_ms - achieved_us // 1000),
            hole_ms=hole_us // 1000,
        )

    def _trim(self) -> None:
        """Bring the ring back within its bounds; the oldest goes first."""
        while self._gops and self._gops[0].end_mono_us <= self._gops[-1].end_mono_us - self._length_us:
            self._drop_gop()
        self._trim_audio()
        while self._gops and self._size_bytes > self._size_bytes_max:
            self._drop_gop()
            self._trim_audio()

    def _trim_audio(self) -> None:
        """Let go of audio whose GOP is gone; without GOPs only what is over the bounds goes."""
        if not self._audio:
            return
        oldest_us = self._audio[-1].captured_at_mono_us - self._length_us - OPEN_AUDIO_US_MAX
        if self._gops:
            oldest_us = max(oldest_us, self._gops[0].start_mono_us)
        elif self._video_end_us is not None:
            oldest_us = max(oldest_us, self._video_end_us)
        while self._audio and (
            self._audio[0].captured_at_mono_us < oldest_us
            or len(self._audio) > RING_AUDIO_BLOCK_COUNT_MAX
            # Where GOPs are left, one of them goes instead, and its audio with it.
            or (not self._gops and self._size_bytes > self._size_bytes_max)
        ):
            self._size_bytes -= len(self._audio.popleft().data)

    def _drop_gop(self) -> None:
        self._size_bytes -= self._gops.popleft().size_bytes
