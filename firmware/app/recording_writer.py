"""Writes one recording: key box, media file, and its entries, each durable before the next (ARCHITECTURE.md, I1).

Order at the opening: key box, media file, `recording-opened`. For a chunk: media bytes, sync, entry, sync.
"""

from dataclasses import dataclass

from firmware.app.shift_log import ShiftLog
from firmware.core.gop import Gop, Lost
from firmware.core.pairing import GopWithAudio
from firmware.core.recording_sealer import RecordingSealer, SealedChunk
from firmware.errors import StoreFull, StoreUncertain
from firmware.ports import AudioDescription, Entropy, Store, VideoDescription
from protocol.entries import (
    AudioFormat,
    CloseReason,
    MediaFile,
    OpenReason,
    RecordingClosed,
    RecordingOpened,
    VideoFormat,
)
from protocol.keybox import key_box_hash, make_key_box
from protocol.layout import key_box_name, media_name
from protocol.policy import Policy
from protocol.sealing import CONTENT_KEY_SIZE_BYTES, SUITE, PartSealer, content_key_commitment


@dataclass(frozen=True, slots=True)
class Opening:
    """Why and when a recording begins. Where it goes on from another, the press is still that one's."""

    reason: OpenReason
    continues: bytes | None
    pressed_at_mono_us: int
    pre_event_wanted_ms: int
    is_pre_event_audio_on: bool

    def pre_event_ms(self, first_gop: Gop) -> int:
        """Return how much of what is wanted from before the press there is."""
        reached_ms = (self.pressed_at_mono_us - first_gop.start_mono_us) // 1000
        return min(max(0, reached_ms), self.pre_event_wanted_ms)


class MediaUncertain(StoreUncertain):
    """The media file cannot be trusted any more; the chain can. A new recording goes on in a new file."""


class RecordingWriter:
    """One recording from its opening to its end."""

    def __init__(
        self,
        *,
        store: Store,
        log: ShiftLog,
        entropy: Entropy,
        policy: Policy,
        opening: Opening,
        first_gop: Gop,
        video: VideoDescription,
        audio: AudioDescription | None,
    ) -> None:
        """Make key box and media file durable and append `recording-opened`.

        Raises:
            StreamFault: the GOP begins nothing; nothing was written.
            StoreFull: what was made is removed again.
            StoreUncertain: what was made is an orphan that recovery removes.
        """
        self._store, self._log = store, log
        self.recording_id = entropy.take(16)
        self.chunk_count, self.size_bytes, self.duration_us = 0, 0, 0
        self._folder = log.folder
        self._has_excess = False
        content_key = entropy.take(CONTENT_KEY_SIZE_BYTES)
        self._sealer = RecordingSealer(
            part_sealer=PartSealer(shift_id=log.shift_id, recording_id=self.recording_id, content_key=content_key),
            first_gop=first_gop,
            pressed_at_mono_us=opening.pressed_at_mono_us,
            video=video,
            audio=audio,
            is_pre_event_audio_on=opening.is_pre_event_audio_on,
        )
        key_box = make_key_box(
            shift_id=log.shift_id,
            recording_id=self.recording_id,
            content_key=content_key,
            vault_key=policy.vault_key,
            escrow_key=policy.escrow_key,
        )
        self._media_name = media_name(self.recording_id, 0)
        self._make_files(key_box)
        log.append(
            RecordingOpened(
                at=log.moment(),
                recording_id=self.recording_id,
                continues=opening.continues,
                reason=opening.reason,
                origin_mono_us=self._sealer.origin_mono_us,
                pre_event_wanted_ms=opening.pre_event_wanted_ms,
                pre_event_ms=opening.pre_event_ms(first_gop),
                video=VideoFormat(
                    codec="h264",
                    width_px=video.width_px,
                    height_px=video.height_px,
                    frame_rate_mhz=video.frame_rate_mhz,
                ),
                audio=None
                if audio is None
                else AudioFormat(codec="aac", sample_rate_hz=audio.sample_rate_hz, channel_count=audio.channel_count),
                suite=SUITE,
                content_key_commitment=content_key_commitment(self.recording_id, content_key),
                key_box_hash=key_box_hash(key_box),
            )
        )
        log.recording_count += 1

    def _make_files(self, key_box: bytes) -> None:
        key_box_file = key_box_name(self.recording_id)
        try:
            self._store.write_once(self._folder, key_box_file, key_box)
            self._store.create(self._folder, self._media_name)
        except StoreFull:
            self._store.remove(self._folder, self._media_name)
            self._store.remove(self._folder, key_box_file)
            raise

    @property
    def end_mono_us(self) -> int:
        """Return the time up to which the recording reaches."""
        return self._sealer.end_mono_us

    def media_us(self, mono_us: int) -> int:
        """Return media time, not below zero."""
        return self._sealer.media_us(mono_us)

    def mute(self, since_mono_us: int) -> None:
        """Leave the sound out from here on, and sign that."""
        self._sealer.mute(since_mono_us)
        self._log.event("mute-on", recording_id=self.recording_id, value=self.media_us(since_mono_us))

    def unmute(self, until_mono_us: int) -> None:
        """Take the sound in again, and sign that."""
        self._sealer.unmute(until_mono_us)
        self._log.event("mute-off", recording_id=self.recording_id, value=self.media_us(until_mono_us))

    def mark(self, mono_us: int) -> None:
        """Sign a mark."""
        self._log.event("mark", recording_id=self.recording_id, value=self.media_us(mono_us))

    def note_loss(self, lost: Lost) -> None:
        """Remember frames that were dropped: the next chunk says so."""
        self._sealer.note_loss(lost)

    def write(self, paired: GopWithAudio) -> SealedChunk:
        """Seal one GOP and return when media and entry are durable.

        Raises:
            ParameterSetsChanged, StreamFault: nothing was sealed.
            StoreFull: only `close` may follow.
            MediaUncertain: only `close` may follow.
            StoreUncertain: restart and recover.
        """
        chunk = self._sealer.seal(paired)
        self._write_media(chunk)
        self._log.append(chunk.body(self.recording_id, self._log.moment()))
        self.chunk_count += 1
        self.size_bytes += chunk.size_bytes
        self.duration_us = chunk.start_us + chunk.duration_us
        return chunk

    def _write_media(self, chunk: SealedChunk) -> None:
        self._has_excess = True
        try:
            for _, ciphertext in chunk.parts:
                self._store.append(self._folder, self._media_name, ciphertext)
            self._store.sync(self._folder, self._media_name)
        except StoreUncertain as error:
            raise MediaUncertain(str(error)) from error
        self._has_excess = False

    def close(self, reason: CloseReason) -> None:
        """Append `recording-closed` over what is durable; nothing can be written after.

        Raises:
            StoreUncertain: restart and recover.
        """
        if self.chunk_count == 0:
            self._store.remove(self._folder, self._media_name)
        elif self._has_excess:
            self._store.truncate(self._folder, self._media_name, self.size_bytes)
        self._log.append(
            RecordingClosed(
                at=self._log.moment(),
                recording_id=self.recording_id,
                reason=reason,
                chunk_count=self.chunk_count,
                duration_us=self.duration_us,
                media=(MediaFile(number=0, size_bytes=self.size_bytes),) if self.chunk_count else (),
            )
        )
