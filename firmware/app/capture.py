"""From frames and sound to durable chunks: assembler, ring, pairing and the recording that is being written.

Belongs to one thread. It does as it is told; when to record, and what to do about what `write_next` reports, is decided
by the session's table in `firmware.app.recorder`. What is captured is in one place: the assembler, the ring, the pairer,
the line of what waits for the card, or a sealed chunk.
"""

from collections import deque
from typing import Final

from firmware.app.recording_writer import MediaUncertain, Opening, RecordingWriter
from firmware.app.shift_log import ShiftLog
from firmware.app.telling import Say, never_failing
from firmware.core.audio_placer import Span
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

_GOES_ON: Final[frozenset[CloseReason]] = frozenset({"format-change", "write-error", "shift-end"})
"""Ends after which another recording begins with what this one could not take."""
_FAR_US: Final = 2**63 - 1


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
        self._say = never_failing(say)
        self._assembler = GopAssembler(frame_rate_mhz=video.frame_rate_mhz)
        self._ring = GopRing(length_s=pre_event_s)
        self._pairer = AudioPairer(is_audio_expected=audio is not None)
        self._carried: deque[GopWithAudio] = deque()
        self._opening: Opening | None = None
        self._last_opening: Opening | None = None
        self._writer: RecordingWriter | None = None
        self._muted: list[Span] = []
        """Since the press, also where a recording went on in another."""
        self._marks_us: list[int] = []
        """Made before there was a recording to put them into."""
        self._closed_until_us = 0
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
    def closed_until_us(self) -> int:
        """Return the time up to which frames stand in whole GOPs."""
        return self._closed_until_us

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
        if self._opening is not None:
            return  # What goes on had not begun: it begins now, for the reason that it had.
        before = self._last_opening if reason in _GOES_ON else None
        wanted_ms = self._pre_event_s * 1000 if reason in ("press", "trigger") else 0
        self._opening = self._last_opening = Opening(
            reason=reason,
            continues=continues,
            pressed_at_mono_us=pressed_at_us if before is None else before.pressed_at_mono_us,
            pre_event_wanted_ms=wanted_ms,
            is_pre_event_audio_on=self._is_pre_event_audio_on,
        )
        if before is not None:
            return
        pre = self._ring.drain(
            trigger_mono_us=pressed_at_us, wanted_ms=wanted_ms, open_start_mono_us=self._assembler.open_start_mono_us
        )
        for block in pre.audio:
            self._pairer.add_audio(block)
        for gop in pre.gops:
            self._pairer.add_gop(gop)

    def mute(self, mono_us: int) -> None:
        """Leave the sound out from here on, until `unmute`."""
        if self._muted and self._muted[-1].end_mono_us == _FAR_US:
            return
        self._muted.append(Span(mono_us, _FAR_US))
        if self._writer is not None:
            self._writer.mute(mono_us)

    def unmute(self, mono_us: int) -> None:
        """Take the sound in again."""
        if self._muted:
            self._muted[-1] = Span(self._muted[-1].start_mono_us, mono_us)
        if self._writer is not None:
            self._writer.unmute(mono_us)

    def mark(self, mono_us: int) -> None:
        """Sign a mark at this place of the recording."""
        if self._writer is None:
            self._marks_us.append(mono_us)
        else:
            self._writer.mark(mono_us)

    @property
    def is_behind(self) -> bool:
        """Say whether a GOP waits for nothing but the card."""
        return bool(self._carried)

    def write_next(self, now_us: int) -> Event | None:
        """Write the next GOP whose sound is there, one at a time; return what the session must hear, if anything."""
        if self.is_active:
            self._carried.extend(self._pairer.take_ready(now_us))
        if not self._carried:
            return None
        event = self._write(self._carried[0])
        if event is None:
            self._carried.popleft()
        return event

    def end_stream(self) -> None:
        """No more frames come: what is open is closed with an estimated end."""
        for outcome in self._assembler.flush():
            self._take(outcome)

    def end_audio(self) -> None:
        """Wait for no more sound: what is there is all there is."""
        self._carried.extend(self._pairer.take_all())

    def end(self, reason: CloseReason) -> None:
        """Close the recording over what is durable; what it did not take goes into the next one, or back into the ring."""
        self._carried.extend(self._pairer.take_all())
        if self._writer is not None:
            self._writer.close(reason)
            self.last_recording_id = self._writer.recording_id
            self._say("recording-closed", {**self._progress(self._writer), "reason": reason})
            self._writer = None
        elif reason not in _GOES_ON:
            # Not one whole GOP came since the press: there is nothing to record, and that is said.
            self._sign_marks()
            self._log.event("press-refused")
        if reason not in _GOES_ON:
            self._opening = None
            self._muted.clear()
            self._give_back()

    def _give_back(self) -> None:
        """Put what was not sealed into the ring: it may be the pre-event part of the next recording."""
        for paired in self._carried:
            self._ring.push(paired.gop)
            for block in paired.audio:
                self._ring.push_audio(block)
        self._carried.clear()
        for block in self._pairer.take_rest_of_audio():
            self._ring.push_audio(block)

    def _take(self, outcome: Gop | Lost) -> None:
        if isinstance(outcome, Gop):
            self._closed_until_us = outcome.end_mono_us
            if self.is_active:
                self._pairer.add_gop(outcome)
            else:
                self._ring.push(outcome)
        elif self._writer is not None:
            self._writer.note_loss(outcome)

    def _write(self, paired: GopWithAudio) -> Event | None:
        """Write one GOP, which stays first in line where an event says that it could not be."""
        gop = paired.gop
        if self._writer is not None and self._is_on_another_time_line(gop, self._writer):
            return Event.FORMAT_CHANGED
        try:
            if self._store.free_bytes() - gop.size_bytes <= self._reserve_bytes:
                return Event.CARD_FULL
            if self._opening is not None:
                self._begin(self._opening, gop)
            assert self._writer is not None
            chunk = self._writer.write(paired)
        except ParameterSetsChanged as error:
            if error.frame_index == 0:
                return Event.FORMAT_CHANGED
            self._lose(gop)
        except StreamFault:
            self._lose(gop)
        except StoreFull:
            return Event.CARD_FULL
        except MediaUncertain:
            assert self._last_opening is not None
            if self._last_opening.reason == "write-error" and self._writer is not None and not self._writer.chunk_count:
                raise  # A second file failed with its first chunk: it is not the file, it is the card.
            return Event.WRITE_FAILED
        else:
            self._say("chunk", {**self._progress(self._writer), "is_pre_event": chunk.is_pre_event})
        return None

    @staticmethod
    def _is_on_another_time_line(gop: Gop, writer: RecordingWriter) -> bool:
        return gop.start_mono_us < writer.end_mono_us or (gop.starts_timeline and writer.chunk_count > 0)

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
        for span in self._muted:
            if span.end_mono_us > first_gop.start_mono_us:
                self._writer.mute(span.start_mono_us)
                if span.end_mono_us != _FAR_US:
                    self._writer.unmute(span.end_mono_us)
        self._sign_marks()
        fields = {"recording_id": self._writer.recording_id.hex(), "pre_event_ms": opening.pre_event_ms(first_gop)}
        self._say("recording-opened", {**fields, "reason": opening.reason})

    def _sign_marks(self) -> None:
        for mono_us in self._marks_us:
            if self._writer is None:
                self._log.event("mark", value=0)
            else:
                self._writer.mark(mono_us)
        self._marks_us.clear()

    @staticmethod
    def _progress(writer: RecordingWriter) -> dict[str, object]:
        return {
            "recording_id": writer.recording_id.hex(),
            "chunk_count": writer.chunk_count,
            "size_bytes": writer.size_bytes,
            "duration_us": writer.duration_us,
        }
