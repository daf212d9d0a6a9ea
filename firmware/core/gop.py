"""Whole GOPs from single frames: what the ring keeps and what a chunk is made of.

Frames go in one by one, in capture order; out come closed GOPs and the spans in which frames had to be dropped.
Everything that was odd about the stream (missing frames, times that step back) is a value in the result.
It does not look into the H.264 data and does not know who is recording. See firmware/design/fragmenter.md.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

from firmware.ports import EncodedFrame

GOP_FRAME_COUNT_MAX: Final = 240
"""Each frame may bring a gap, and a chunk's entry holds 256 spans (`protocol.units`)."""
GOP_SIZE_BYTES_MAX: Final = 16 * 1024 * 1024
GOP_DURATION_US_MAX: Final = 5_000_000
STEP_BACK_US_MAX: Final = 1_000_000
"""A time that steps back further than this is a new time line, not a late timestamp."""

_FRAME_TIME_PRODUCT: Final = 1_000_000_000
"""Microseconds of a frame times milli-hertz of its rate."""


class LostReason(StrEnum):
    """Why frames were dropped until the next key frame."""

    NO_KEY_FRAME = "no-key-frame"
    TOO_MANY_FRAMES = "too-many-frames"
    TOO_MANY_BYTES = "too-many-bytes"
    TOO_LONG = "too-long"
    TIME_STEPPED_BACK = "time-stepped-back"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that never arrived between two that did, as the nominal frame rate tells."""

    start_us: int
    end_us: int
    missing_frame_count: int


@dataclass(frozen=True, slots=True)
class TimeStep:
    """A frame that claimed to be no later than the one before it.

    A small step keeps its frame, placed 1 us after the one before. A large one (``is_new_timeline``) keeps the claimed
    time: the GOP that carries it cannot stand in one recording with the GOPs before it.
    """

    claimed_us: int
    previous_us: int
    is_new_timeline: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """Frames that arrived and were dropped, because no open GOP could hold them; a long span comes in pieces."""

    start_us: int
    end_us: int
    frame_count: int
    reason: LostReason


@dataclass(frozen=True)
class Gop:
    """A key frame and what depends on it; capture times rise strictly.

    ``end_mono_us`` is the capture time of the frame that follows in the stream, or an estimate when none did.
    """

    frames: tuple[EncodedFrame, ...]
    end_mono_us: int
    is_end_estimated: bool = False
    gaps: tuple[Gap, ...] = ()
    time_steps: tuple[TimeStep, ...] = ()

    @property
    def start_mono_us(self) -> int:
        """Return the capture time of the key frame."""
        return self.frames[0].captured_at_mono_us

    @property
    def starts_timeline(self) -> bool:
        """Tell whether times stepped back before this GOP, so that it needs a recording of its own."""
        return any(step.is_new_timeline for step in self.time_steps)

    @cached_property
    def size_bytes(self) -> int:
        """Return the size of all frames as delivered."""
        return sum(len(frame.data) for frame in self.frames)


@dataclass(frozen=True, slots=True)
class GopLimits:
    """Bounds of one GOP; the frame that would break one closes the GOP and is dropped."""

    frame_count_max: int = GOP_FRAME_COUNT_MAX
    size_bytes_max: int = GOP_SIZE_BYTES_MAX
    duration_us_max: int = GOP_DURATION_US_MAX


class _OpenGop:
    """The GOP that still grows."""

    def __init__(self, key_frame: EncodedFrame, *, frame_rate_mhz: int, steps: list[TimeStep]) -> None:
        self.frames = [key_frame]
        self._size_bytes = len(key_frame.data)
        self._rate_mhz = frame_rate_mhz
        self._gaps: list[Gap] = []
        self._steps = steps
        self._regular_us_total = 0
        self._regular_count = 0

    def limit_broken_by(self, frame: EncodedFrame, limits: GopLimits) -> LostReason | None:
        if len(self.frames) >= limits.frame_count_max:
            return LostReason.TOO_MANY_FRAMES
        if self._size_bytes + len(frame.data) > limits.size_bytes_max:
            return LostReason.TOO_MANY_BYTES
        if frame.captured_at_mono_us - self.frames[0].captured_at_mono_us >= limits.duration_us_max:
            return LostReason.TOO_LONG
        return None

    def append(self, frame: EncodedFrame, step: TimeStep | None) -> None:
        if step is None:
            self._note_interval(frame.captured_at_mono_us)
        else:
            self._steps.append(step)
        self.frames.append(frame)
        self._size_bytes += len(frame.data)

    def close(self, end_mono_us: int, step: TimeStep | None = None) -> Gop:
        if step is None:
            self._note_interval(end_mono_us)
        return Gop(tuple(self.frames), end_mono_us, gaps=tuple(self._gaps), time_steps=tuple(self._steps))

    def close_with_estimate(self) -> Gop:
        if self._regular_count:
            interval_us = self._regular_us_total // self._regular_count
        else:
            interval_us = _FRAME_TIME_PRODUCT // self._rate_mhz
        end_us = self.frames[-1].captured_at_mono_us + max(1, interval_us)
        return Gop(tuple(self.frames), end_us, True, tuple(self._gaps), tuple(self._steps))

    def _note_interval(self, next_us: int) -> None:
        last_us = self.frames[-1].captured_at_mono_us
        product = (next_us - last_us) * self._rate_mhz
        if 2 * product > 3 * _FRAME_TIME_PRODUCT:
            missing = (product + _FRAME_TIME_PRODUCT // 2) // _FRAME_TIME_PRODUCT - 1
            self._gaps.append(Gap(last_us, next_us, missing))
        else:
            self._regular_us_total += next_us - last_us
            self._regular_count += 1


class GopAssembler:
    """Collects frames into GOPs; holds one GOP at most."""

    def __init__(self, *, frame_rate_mhz: int, limits: GopLimits | None = None) -> None:
        """Wait for a key frame; ``frame_rate_mhz`` is the nominal rate, by which missing frames are counted."""
        if frame_rate_mhz <= 0:
            raise AssertionError(f"the nominal frame rate is {frame_rate_mhz} mHz; it must be above 0")
        self._rate_mhz = frame_rate_mhz
        self._limits = limits or GopLimits()
        self._open: _OpenGop | None = None
        self._lost: Lost | None = None
        self._timeline_step: TimeStep | None = None
        self._last_us: int | None = None

    @property
    def open_start_mono_us(self) -> int | None:
        """Return where the GOP that still grows began, or None when none is open."""
        return None if self._open is None else self._open.frames[0].captured_at_mono_us

    @property
    def is_waiting_for_key_frame(self) -> bool:
        """Tell whether frames are being dropped, so that asking the encoder for a key frame shortens the loss."""
        return self._lost is not None

    def add(self, frame: EncodedFrame) -> tuple[Gop | Lost, ...]:
        """Take the next frame; return what it closed, in the order of the stream."""
        frame, step = self._in_order(frame)
        time_us = frame.captured_at_mono_us
        done: list[Gop | Lost] = []
        reason: LostReason | None = LostReason.NO_KEY_FRAME
        if step is not None and step.is_new_timeline:
            done += self.flush()
            self._timeline_step = step
            reason = LostReason.TIME_STEPPED_BACK
        if self._open is not None:
            if not frame.is_key:
                reason = self._open.limit_broken_by(frame, self._limits)
                if reason is None:
                    self._open.append(frame, step)
                    return tuple(done)
            done.append(self._open.close(time_us, step))
            self._open = None
        if frame.is_key and len(frame.data) <= self._limits.size_bytes_max:
            done += self._end_loss(time_us)
            self._begin(frame, step)
        else:
            reason = LostReason.TOO_MANY_BYTES if frame.is_key else reason
            done += self._lose(time_us, reason or LostReason.NO_KEY_FRAME)
        return tuple(done)

    def flush(self) -> tuple[Gop | Lost, ...]:
        """End the stream: close what is open, with an estimated end. The next frame kept is a key frame."""
        done: list[Gop | Lost] = []
        if self._open is not None:
            done.append(self._open.close_with_estimate())
            self._open = None
        if self._lost is not None:
            done += self._end_loss(self._lost.end_us + _FRAME_TIME_PRODUCT // self._rate_mhz)
        return tuple(done)

    def _in_order(self, frame: EncodedFrame) -> tuple[EncodedFrame, TimeStep | None]:
        """Give the frame the time under which it is kept, which is its own unless it steps back a little."""
        claimed_us, last_us = frame.captured_at_mono_us, self._last_us
        self._last_us = claimed_us
        if last_us is None or claimed_us > last_us:
            return frame, None
        step = TimeStep(claimed_us, last_us, is_new_timeline=last_us - claimed_us > STEP_BACK_US_MAX)
        if step.is_new_timeline:
            return frame, step
        self._last_us = last_us + 1
        return replace(frame, captured_at_mono_us=last_us + 1), step

    def _begin(self, key_frame: EncodedFrame, step: TimeStep | None) -> None:
        steps = [] if self._timeline_step is None else [self._timeline_step]
        if step is not None and not step.is_new_timeline:
            steps.append(step)
        self._open = _OpenGop(key_frame, frame_rate_mhz=self._rate_mhz, steps=steps)
        self._timeline_step = None

    def _lose(self, time_us: int, reason: LostReason) -> tuple[Lost, ...]:
        if self._lost is None:
            self._lost = Lost(time_us, time_us, 1, reason)
            return ()
        if time_us - self._lost.start_us < self._limits.duration_us_max:
            self._lost = replace(self._lost, end_us=time_us, frame_count=self._lost.frame_count + 1)
            return ()
        # A key frame may never come: report what is lost so far, so that the loss is known while it lasts.
        piece = self._end_loss(time_us)
        self._lost = Lost(time_us, time_us, 1, piece[0].reason)
        return piece

    def _end_loss(self, end_us: int) -> tuple[Lost, ...]:
        lost, self._lost = self._lost, None
        return () if lost is None else (replace(lost, end_us=end_us),)
