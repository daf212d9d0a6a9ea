"""From a GOP with its audio to a sealed chunk: fragments, parts, spans and gaps (spec/03-recording.md, 3.3 and 3.5)."""

from dataclasses import dataclass
from itertools import pairwise

from firmware.core.audio_placer import AudioPlacer, Span, overlaps
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
        """Begin with ``first_gop``, whose first frame is media time zero.

        Raises:
            StreamFault: the GOP does not carry its parameter sets.
        """
        self.origin_mono_us = first_gop.start_mono_us
        self.chunk_count = 0
        self.size_bytes = 0
        self.duration_us = 0
        self._part_sealer = part_sealer
        self._pressed_at_us = pressed_at_mono_us
        self._audio_from_us = self.origin_mono_us if is_pre_event_audio_on else max(pressed_at_mono_us, self.origin_mono_us)
        self._video_track = VideoTrack.of(first_gop.frames[0], video)
        self._audio = audio
        rate_hz = 1 if audio is None else audio.sample_rate_hz
        self._placer = AudioPlacer(origin_mono_us=self.origin_mono_us, sample_rate_hz=rate_hz)
        self._muted: list[Span] = []
        self._lost: list[Lost] = []

    def media_us(self, mono_us: int) -> int:
        """Return media time, not below zero."""
        return max(0, mono_us - self.origin_mono_us)

    def mute(self, since_mono_us: int) -> None:
        """Leave the sound out from here on."""
        self._muted.append(Span(since_mono_us, 2**63 - 1))

    def unmute(self, until_mono_us: int) -> None:
        """Take the sound in again."""
        if self._muted:
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
        if placed:
            plain.append(("audio", audio_fragment(sequence=audio_sequence(index), blocks=placed)))
        start_us = self.duration_us
        chunk = SealedChunk(
            parts=tuple(self._part_sealer.seal(index, kind, data) for kind, data in plain),
            index=index,
            offset_bytes=self.size_bytes,
            start_us=start_us,
            duration_us=end_us - start_us,
            frame_count=len(gop.frames),
            is_pre_event=gop.start_mono_us < self._pressed_at_us,
            audio=self._audio_spans(start_us, end_us, has_audio=bool(paired.audio)),
            gaps=self._gaps(gop, start_us),
        )
        self._lost.clear()
        self.chunk_count += 1
        self.size_bytes += chunk.size_bytes
        self.duration_us = end_us
        return chunk

    def _is_audible(self, block: EncodedAudio) -> bool:
        if self._audio is None or block.captured_at_mono_us < self._audio_from_us:
            return False
        return not any(overlaps(block, span, sample_rate_hz=self._audio.sample_rate_hz) for span in self._muted)

    def _audio_spans(self, start_us: int, end_us: int, *, has_audio: bool) -> tuple[AudioSpan, ...]:
        """Return what the sound is, from ``start_us`` to ``end_us``, cut where a reason begins or ends."""
        policy_end_us = self._audio_from_us - self.origin_mono_us
        cuts = {start_us, end_us, policy_end_us}
        muted = [(span.start_mono_us - self.origin_mono_us, span.end_mono_us - self.origin_mono_us) for span in self._muted]
        for span in muted:
            cuts.update(span)
        edges = sorted(cut for cut in cuts if start_us <= cut <= end_us)
        spans: list[AudioSpan] = []
        for left, right in pairwise(edges):
            state: AudioState = "present" if has_audio else "failed"
            if left < policy_end_us:
                state = "off-by-policy"
            elif any(begin <= left < end for begin, end in muted):
                state = "muted"
            if spans and spans[-1].state == state:
                spans[-1] = AudioSpan(start_us=spans[-1].start_us, end_us=right, state=state)
            else:
                spans.append(AudioSpan(start_us=left, end_us=right, state=state))
        return tuple(spans[:SPANS_PER_CHUNK_MAX])

    def _gaps(self, gop: Gop, start_us: int) -> tuple[FrameGap, ...]:
        """Return the gaps in the GOP, and what was lost between the chunk before and this GOP."""
        gaps: list[FrameGap] = []
        base_us = gop.start_mono_us - self.origin_mono_us
        if base_us > start_us:
            count = sum(lost.frame_count for lost in self._lost)
            reason = self._lost[0].reason.value if self._lost else "not-delivered"
            gaps.append(FrameGap(start_us=start_us, end_us=base_us, missing_frame_count=count, reason=reason))
        for gap in gop.gaps:
            gaps.append(
                FrameGap(
                    start_us=gap.start_us - self.origin_mono_us,
                    end_us=gap.end_us - self.origin_mono_us,
                    missing_frame_count=gap.missing_frame_count,
                    reason="not-delivered",
                )
            )
        return tuple(gaps[:SPANS_PER_CHUNK_MAX])
