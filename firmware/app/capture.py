"""From frames and sound to durable chunks: assembler, ring, pairing and the recording that is being written.

Belongs to one thread. It does as it is told; when to record, and what to do about what `write_ready` reports, is decided
by the session's table in `firmware.app.recorder`.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from firmware.app.recording_writer import MediaUncertain, Opening, RecordingWriter
from firmware.app.shift_log import ShiftLog
from firmware.core.fmp4 import ParameterSetsChanged
from firmware.core.gop import Gop, GopAssembler, Lost, LostReason
from firmware.core.h264 import StreamFault
from firmware.core.pairing import AudioPairer, GopWithAudio
from firmware.core.ring import GopRing
from firmware.core.session import Event
from firmware.errors import StoreFull
from firmware.ports import AudioDescription, EncodedAudio, EncodedFrame, Entropy, Store, VideoDescription
from protocol.entries import CloseReason, OpenReason
from protocol.policy import Policy

_GOES_ON: Final[frozenset[CloseReason]] = frozenset({"format-change", "write-error"})
"""Ends after which another recording begins with the GOP that could not be written."""

Say = Callable[[str, dict[str, object]], None]


class Capture:
    """What the camera sees and hears now, and the recording it goes into, if any."""

    def __init__(
        self,
        *,
        store: Store,
        log: ShiftLog,
        entropy: Entropy,
        policy: Policy,
        video: VideoDescription,
        audio: AudioDescription | None,
        pre_event_s: int,
        is_pre_event_audio_on: bool,
        reserve_bytes: int,
        say: Say,
    ) -> None:
        """Begin with an empty ring."""
        self._store, self._log, self._entropy, self._policy = store, log, entropy, policy
        self._video, self._audio = video, audio
        self._pre_event_s, self._is_pre_event_audio_on = pre_event_s, is_pre_event_audio_on
        self._reserve_bytes = reserve_bytes
        self._say = say
        self._assembler = GopAssembler(frame_rate_mhz=video.frame_rate_mhz)
        self._ring = GopRing(length_s=pre_event_s)
        self._pairer = AudioPairer(is_audio_expected=audio is not None)
        self._carried: deque[GopWithAudio] = deque()
        self._opening: Opening | None = None
        self._writer: RecordingWriter | None = None
        self._mute_since_us: int | None = None
        self._closed_gop_count = 0
        self.last_recording_id: bytes | None = None

    @property
    def is_active(self) -> bool:
        """Say whether what comes in belongs to a recording."""
        return self._opening is not None or self._writer is not None

    @property
    def needs_key_frame(self) -> bool:
        """Say whether frames are being dropped for want of a key frame."""
        return self._assembler.is_waiting_for_key_frame

    @property
    def closed_gop_count(self) -> int:
        """Return how many GOPs were completed so far."""
        return self._closed_gop_count

    @property
    def is_waiting_for_audio(self) -> bool:
        """Say whether a whole GOP waits for the rest of its sound."""
        return self._pairer.next_deadline_mono_us() is not None

    def take_frame(self, frame: EncodedFrame) -> None:
        """Take the next frame of the camera."""
        for outcome in self._assembler.add(frame):
            self._take(outcome)

    def take_audio(self, block: EncodedAudio) -> None:
        """Take the next block of the microphone."""
        if self.is_active:
            self._pairer.add_audio(block)
        else:
            self._ring.push_audio(block)

    def open(self, reason: OpenReason, pressed_at_us: int, *, continues: bytes | None) -> None:
        """Take the ring; the recording itself begins with its first whole GOP, at hand unless the ring is empty."""
        wanted_ms = self._pre_event_s * 1000 if reason in ("press", "trigger") else 0
        pre = self._ring.drain(
            trigger_mono_us=pressed_at_us, wanted_ms=wanted_ms, open_start_mono_us=self._assembler.open_start_mono_us
        )
        self._opening = Opening(
            reason=reason,
            continues=continues,
            pressed_at_mono_us=pressed_at_us,
            pre_event_wanted_ms=wanted_ms,
            pre_event_ms=min(pre.achieved_ms, wanted_ms),
            is_pre_event_audio_on=self._is_pre_event_audio_on or reason not in ("press", "trigger"),
        )
        for block in pre.audio:
            self._pairer.add_audio(block)
        for gop in pre.gops:
            self._pairer.add_gop(gop)

    def mute(self, mono_us: int) -> None:
        """Leave the sound out from here on."""
        if self._writer is None:
            self._mute_since_us = mono_us
        else:
            self._writer.mute(mono_us)

    def unmute(self, mono_us: int) -> None:
        """Take the sound in again."""
        self._mute_since_us = None
        if self._writer is not None:
            self._writer.unmute(mono_us)

    def mark(self, mono_us: int) -> None:
        """Sign a mark at this place of the recording."""
        writer = self._writer
        recording_id = None if writer is None else writer.recording_id
        self._log.event("mark", recording_id=recording_id, value=0 if writer is None else writer.media_us(mono_us))

    def write_ready(self, now_us: int) -> tuple[Event, ...]:
        """Write every GOP whose sound is there; return what the session must hear, after which call again."""
        while self._carried:
            event = self._write(self._carried.popleft())
            if event is not None:
                return (event,)
        for paired in self._pairer.take_ready(now_us) if self.is_active else ():
            self._carried.append(paired)
        return self.write_ready(now_us) if self._carried else ()

    def flush(self) -> None:
        """End the stream here: what is open is closed with an estimated end, and waits for no more sound."""
        for outcome in self._assembler.flush():
            self._take(outcome)
        self._carried.extend(self._pairer.take_all())

    def end(self, reason: CloseReason) -> None:
        """Close the recording over what is durable; what came after it goes back into the ring."""
        if self._writer is not None:
            self._writer.close(reason)
            self.last_recording_id = self._writer.recording_id
            self._say("recording-closed", {**self._progress(self._writer), "reason": reason})
        elif self._opening is not None:
            # Not one whole GOP came since the press: there is nothing to record, and that is said.
            self._log.event("press-refused")
        if reason not in _GOES_ON:
            self._carried.clear()
        self._writer = self._opening = self._mute_since_us = None
        for block in self._pairer.take_rest_of_audio():
            self._ring.push_audio(block)

    def _take(self, outcome: Gop | Lost) -> None:
        if isinstance(outcome, Gop):
            self._closed_gop_count += 1
            if self.is_active:
                self._pairer.add_gop(outcome)
            else:
                self._ring.push(outcome)
        elif self._writer is not None:
            self._writer.note_loss(outcome)

    def _write(self, paired: GopWithAudio) -> Event | None:
        """Write one GOP; what could not be written stays first in line for the recording that goes on."""
        if self._writer is not None and paired.gop.starts_timeline and self._writer.chunk_count:
            return self._again(paired, Event.FORMAT_CHANGED)
        try:
            if self._store.free_bytes() - paired.gop.size_bytes <= self._reserve_bytes:
                return Event.CARD_FULL
            if self._opening is not None:
                self._begin(self._opening, paired.gop)
            assert self._writer is not None
            chunk = self._writer.write(paired)
        except ParameterSetsChanged as error:
            if error.frame_index == 0:
                return self._again(paired, Event.FORMAT_CHANGED)
            self._lose(paired.gop)
        except StreamFault:
            self._lose(paired.gop)
        except StoreFull:
            return Event.CARD_FULL
        except MediaUncertain:
            return self._again(paired, Event.WRITE_FAILED)
        else:
            self._say("chunk", {**self._progress(self._writer), "is_pre_event": chunk.is_pre_event})
        return None

    def _again(self, paired: GopWithAudio, event: Event) -> Event:
        self._carried.appendleft(paired)
        return event

    def _lose(self, gop: Gop) -> None:
        if self._writer is not None:
            self._writer.note_loss(Lost(gop.start_mono_us, gop.end_mono_us, len(gop.frames), LostReason.UNREADABLE))

    def _begin(self, opening: Opening, first_gop: Gop) -> None:
        self._writer = RecordingWriter(
            store=self._store,
            log=self._log,
            entropy=self._entropy,
            policy=self._policy,
            opening=opening,
            first_gop=first_gop,
            video=self._video,
            audio=self._audio,
        )
        self._opening = None
        if self._mute_since_us is not None:
            self._writer.mute(self._mute_since_us)
            self._mute_since_us = None
        fields = {"recording_id": self._writer.recording_id.hex(), "pre_event_ms": opening.pre_event_ms}
        self._say("recording-opened", {**fields, "reason": opening.reason})

    @staticmethod
    def _progress(writer: RecordingWriter) -> dict[str, object]:
        return {
            "recording_id": writer.recording_id.hex(),
            "chunk_count": writer.chunk_count,
            "size_bytes": writer.size_bytes,
            "duration_us": writer.duration_us,
        }
