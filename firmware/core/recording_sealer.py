"""From a GOP with its audio to a sealed chunk: fragments, parts, spans and gaps (spec/03-recording.md, 3.3 and 3.5)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from firmware.core.aac import silent_block
from firmware.core.audio_placer import AAC_BLOCK_SAMPLE_COUNT, AudioPlacer, PlacedAudio, Span, overlaps
from firmware.core.fmp4 import (
    AudioTrack,
    VideoTrack,
    audio_fragment,
    audio_sequence,
    init_segment,
    video_fragment,
    video_sequence,
)
from firmware.core.gop import Gop, Lost
from firmware.core.pairing import GopWithAudio
from firmware.ports import AudioDescription, EncodedAudio, VideoDescription
from protocol.entries import AudioSpan, AudioState, Chunk, FrameGap, Moment, Part, PartKind
from protocol.sealing import PartSealer
from protocol.units import SPANS_PER_CHUNK_MAX

AUDIO_HOLE_US_MAX: Final = 100_000
AUDIO_HOLE_BLOCKS_MAX: Final = 4
"""A stretch without sound that is longer than both is signed as failed; a shorter one is the edge of a mute, or jitter."""
_FAR_US: Final = 2**63 - 1
_FRAME_TIME_PRODUCT: Final = 1_000_000_000
"""Microseconds of a frame times milli-hertz of its rate."""


@dataclass(frozen=True, slots=True)
class SealedChunk:
    """A chunk's ciphertexts in the order of the media file, and what its entry says of them."""

    parts: tuple[tuple[Part, bytearray], ...]
    index: int
    offset_bytes: int
    start_us: int
    duration_us: int
    frame_count: int
    is_pre_event: bool
    audio: tuple[AudioSpan, ...]
    gaps: tuple[FrameGap, ...]

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all parts."""
        return sum(part.size_bytes for part, _ in self.parts)

    def body(self, recording_id: bytes, at: Moment) -> Chunk:
        """Return the entry's body."""
        return Chunk(
            at=at, recording_id=recording_id, index=self.index, media_number=0, offset_bytes=self.offset_bytes,
            start_us=self.start_us, duration_us=self.duration_us, frame_count=self.frame_count,
            is_pre_event=self.is_pre_event, audio=self.audio, gaps=self.gaps, parts=tuple(part for part, _ in self.parts),
        )  # fmt: skip


class RecordingSealer:
    """Seals one recording, GOP after GOP, each exactly once."""

    def __init__(
        self,
        *,
        part_sealer: PartSealer,
        first_gop: Gop,
        pressed_at_mono_us: int,
        video: VideoDescription,
        audio: AudioDescription | None,
        is_pre_event_audio_on: bool,
    ) -> None:
        """Begin with ``first_gop``, whose first frame is media time zero; sound before the press only if that is on.

        Raises:
            StreamFault: the GOP does not carry its parameter sets.
        """
        self.origin_mono_us = first_gop.start_mono_us
        self.chunk_count = 0
        self.size_bytes = 0
        self.duration_us = 0
        self._part_sealer = part_sealer
        self._pressed_at_us = pressed_at_mono_us
        self._audio_from_us = (
            self.origin_mono_us if is_pre_event_audio_on else max(pressed_at_mono_us, self.origin_mono_us)
        )
        self._video_track = VideoTrack.of(first_gop.frames[0], video)
        self._frame_rate_mhz = video.frame_rate_mhz
        self._audio = audio
        rate_hz = 1 if audio is None else audio.sample_rate_hz
        self._hole_us_max = max(
            AUDIO_HOLE_US_MAX, AUDIO_HOLE_BLOCKS_MAX * AAC_BLOCK_SAMPLE_COUNT * 1_000_000 // rate_hz
        )
        # Before the first block nothing says that there is a microphone.
        self._heard_until_us = -self._hole_us_max - 1
        self._placer = AudioPlacer(origin_mono_us=self.origin_mono_us, sample_rate_hz=rate_hz)
        self._muted: list[Span] = []
        self._lost: list[Lost] = []

    @property
    def end_mono_us(self) -> int:
        """Return the time up to which the recording reaches."""
        return self.origin_mono_us + self.duration_us

    def media_us(self, mono_us: int) -> int:
        """Return media time, not below zero."""
        return max(0, mono_us - self.origin_mono_us)

    def mute(self, since_mono_us: int) -> None:
        """Leave the sound out from here on."""
        self._muted.append(Span(since_mono_us, _FAR_US))

    def unmute(self, until_mono_us: int) -> None:
        """Take the sound in again."""
        if self._muted and self._muted[-1].end_mono_us == _FAR_US:
            self._muted[-1] = Span(self._muted[-1].start_mono_us, until_mono_us)

    def note_loss(self, lost: Lost) -> None:
        """Remember frames that were dropped: the next chunk says so."""
        self._lost.append(lost)

    def seal(self, paired: GopWithAudio) -> SealedChunk:
        """Return the next chunk. What it holds is counted at once, so each call must be followed by writing it.

        Raises:
            ParameterSetsChanged: the GOP belongs into a new recording; nothing was sealed.
            StreamFault: a frame is no access unit; nothing was sealed.
        """
        gop, index = paired.gop, self.chunk_count
        base_us, end_us = gop.start_mono_us - self.origin_mono_us, gop.end_mono_us - self.origin_mono_us
        video = video_fragment(
            self._video_track, sequence=video_sequence(index), frames=gop.frames, base_us=base_us, end_us=end_us
        )
        plain: list[tuple[PartKind, bytes]] = []
        if index == 0:
            track = None if self._audio is None else AudioTrack.of(self._audio)
            plain.append(("init", init_segment(self._video_track, track)))
        plain.append(("video", video))
        kept = tuple(block for block in paired.audio if self._is_audible(block))
        placed = self._placer.place(kept).blocks
        sounding = self._with_track_start(placed, index, end_us)
        if sounding:
            plain.append(("audio", audio_fragment(sequence=audio_sequence(index), blocks=sounding)))
        start_us = self.duration_us
        chunk = SealedChunk(
            parts=tuple(self._part_sealer.seal(index, kind, data) for kind, data in plain),
            index=index,
            offset_bytes=self.size_bytes,
            start_us=start_us,
            duration_us=end_us - start_us,
            frame_count=len(gop.frames),
            is_pre_event=gop.start_mono_us < self._pressed_at_us,
            audio=self._audio_spans(start_us, end_us, placed),
            gaps=self._gaps(gop, start_us),
        )
        self._lost.clear()
        self._muted = [span for span in self._muted if span.end_mono_us > gop.start_mono_us]
        self.chunk_count += 1
        self.size_bytes += chunk.size_bytes
        self.duration_us = end_us
        return chunk

    def _is_audible(self, block: EncodedAudio) -> bool:
        if self._audio is None or block.captured_at_mono_us < self._audio_from_us:
            return False
        return not any(overlaps(block, span, sample_rate_hz=self._audio.sample_rate_hz) for span in self._muted)

    def _with_track_start(self, placed: tuple[PlacedAudio, ...], index: int, end_us: int) -> tuple[PlacedAudio, ...]:
        """Begin the sound's track at time zero, with a block of silence where the sound begins later (`firmware.core.aac`)."""
        silence = None if self._audio is None else silent_block(self._audio.channel_count)
        if index > 0 or silence is None or self._audio is None or (placed and placed[0].start_sample == 0):
            return placed
        until = placed[0].start_sample if placed else end_us * self._audio.sample_rate_hz // 1_000_000
        return (PlacedAudio(silence, 0, until), *placed)

    def _audio_spans(self, start_us: int, end_us: int, placed: tuple[PlacedAudio, ...]) -> tuple[AudioSpan, ...]:
        """Return what the sound is, from ``start_us`` to ``end_us``, cut where a reason begins or ends."""
        policy_end_us = end_us if self._audio is None else self._audio_from_us - self.origin_mono_us
        holes = self._holes(start_us, end_us, placed)
        muted = [
            (span.start_mono_us - self.origin_mono_us, span.end_mono_us - self.origin_mono_us) for span in self._muted
        ]
        cuts = {start_us, end_us, policy_end_us, *(cut for span in (*muted, *holes) for cut in span)}
        spans: list[AudioSpan] = []
        for left_us, right_us in pairwise(sorted(cut for cut in cuts if start_us <= cut <= end_us)):
            state: AudioState = "present"
            if left_us < policy_end_us:
                state = "off-by-policy"
            elif _holds(muted, left_us):
                state = "muted"
            elif _holds(holes, left_us):
                # The short end of a hole that has a reason is its edge: whole blocks are left out beside it.
                is_edge = right_us - left_us <= self._hole_us_max and bool(placed or muted or spans)
                beside: AudioState = "present" if placed else spans[-1].state if spans else "muted"
                state = beside if is_edge else "failed"
            if spans and spans[-1].state == state:
                left_us = spans.pop().start_us
            spans.append(AudioSpan(start_us=left_us, end_us=right_us, state=state))
        return tuple(spans[:SPANS_PER_CHUNK_MAX])

    def _holes(self, start_us: int, end_us: int, placed: tuple[PlacedAudio, ...]) -> list[tuple[int, int]]:
        """Return the longer stretches that no block of sound covers, as far as they lie in the chunk, whatever the reason."""
        rate_hz = 1 if self._audio is None else self._audio.sample_rate_hz
        edges_us = [self._heard_until_us]
        for block in placed:
            edges_us += (
                block.start_sample * 1_000_000 // rate_hz,
                (block.start_sample + block.sample_count) * 1_000_000 // rate_hz,
            )
        self._heard_until_us = edges_us[-1]
        edges_us.append(end_us)
        pairs = zip(edges_us[::2], edges_us[1::2], strict=True)
        long_ones = [(begin_us, until_us) for begin_us, until_us in pairs if until_us - begin_us > self._hole_us_max]
        return [(max(begin_us, start_us), until_us) for begin_us, until_us in long_ones]

    def _gaps(self, gop: Gop, start_us: int) -> tuple[FrameGap, ...]:
        """Return what was lost or never came between the chunk before and this GOP, and the gaps in the GOP."""
        gaps: list[FrameGap] = []
        base_us = gop.start_mono_us - self.origin_mono_us
        reached_us = start_us
        for lost in self._lost:
            begin_us = min(max(lost.start_us - self.origin_mono_us, reached_us), base_us)
            until_us = min(max(lost.end_us - self.origin_mono_us, begin_us), base_us)
            gaps += self._not_delivered(reached_us, begin_us)
            gaps.append(_gap(begin_us, until_us, lost.frame_count, lost.reason.value))
            reached_us = until_us
        gaps += self._not_delivered(reached_us, base_us)
        for gap in gop.gaps:
            begin_us, until_us = gap.start_us - self.origin_mono_us, gap.end_us - self.origin_mono_us
            gaps.append(_gap(begin_us, until_us, gap.missing_frame_count, "not-delivered"))
        return tuple(gaps[:SPANS_PER_CHUNK_MAX])

    def _not_delivered(self, begin_us: int, until_us: int) -> list[FrameGap]:
        """Return the gap between two times, if by the nominal rate a frame is missing there."""
        count = ((until_us - begin_us) * self._frame_rate_mhz + _FRAME_TIME_PRODUCT // 2) // _FRAME_TIME_PRODUCT
        return [_gap(begin_us, until_us, count, "not-delivered")] if count else []


def _gap(begin_us: int, until_us: int, count: int, reason: str) -> FrameGap:
    return FrameGap(start_us=begin_us, end_us=until_us, missing_frame_count=count, reason=reason)


def _holds(spans: list[tuple[int, int]], time_us: int) -> bool:
    return any(begin_us <= time_us < until_us for begin_us, until_us in spans)
