"""What a camera signed about each moment of a shift: that it recorded, that it did not, or that nobody can say.

Implements spec/05-verdict.md, 5.5. Reads only entries that stand. A recording begins with an entry and ends with one, so between two
entries that follow each other without one of these there was none; silence longer than heartbeats allow proves nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from protocol.entries import Body, Event, Moment, RecordingClosed, RecordingOpened, Resumed
from protocol.verify.chain import ChainReport

SILENCE_MS_MAX: Final = 150_000
"""Two heartbeats of 60 s and a half: a longer silence between entries is not taken for standby."""


class SpanState(StrEnum):
    """What the camera signed about a stretch of time."""

    RECORDING = "recording"
    NOT_RECORDING = "not recording"
    ASLEEP = "asleep, not recording"
    OFF = "switched off, not recording"
    UNPROVEN = "not proven"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a shift. Times are the camera's claims; ``first`` and ``last`` are the sequences of the entries that bound it."""

    state: SpanState
    begin_utc_ms: int
    end_utc_ms: int
    first: int
    last: int
    reason: str | None = None
    """Why nothing is proven, in words."""
    recording_id: bytes | None = None

    def as_json(self) -> dict[str, str | int | None]:
        """Return the span for machines."""
        return {
            "state": self.state.value,
            "begin_utc_ms": self.begin_utc_ms,
            "end_utc_ms": self.end_utc_ms,
            "first_entry": self.first,
            "last_entry": self.last,
            "reason": self.reason,
            "recording_id": None if self.recording_id is None else self.recording_id.hex(),
        }


@dataclass(slots=True)
class _Walk:
    """Where the reading is: the last entry, and the state since."""

    sequence: int
    at: Moment
    state: SpanState = SpanState.NOT_RECORDING
    recording: RecordingOpened | None = None


def shift_timeline(report: ChainReport) -> tuple[Span, ...]:
    """Return the spans of a shift in order, without a hole between them; nothing where no entry stands."""
    if not report.bodies:
        return ()
    spans = list(_spans(report))
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        is_same = last is not None and (last.state, last.reason, last.recording_id) == (
            span.state,
            span.reason,
            span.recording_id,
        )
        if last is not None and is_same:
            joined[-1] = replace(last, end_utc_ms=span.end_utc_ms, last=span.last)
        else:
            joined.append(span)
    return tuple(span for span in joined if span.end_utc_ms != span.begin_utc_ms or span.state is SpanState.UNPROVEN)


def _spans(report: ChainReport) -> Iterator[Span]:
    first_sequence, first_body = report.bodies[0]
    walk = _Walk(first_sequence, first_body.at)
    if first_sequence > 0:
        yield _unproven(0, first_sequence, first_body.at, first_body.at, "the shift's beginning is not here")
    for sequence, body in report.bodies[1:]:
        yield from _until(walk, sequence, body)
        _step(walk, sequence, body)
    if not report.is_closed:
        yield _unproven(
            walk.sequence, walk.sequence, walk.at, walk.at, "the shift is not closed: what follows is not here"
        )


def _until(walk: _Walk, sequence: int, body: Body) -> Iterator[Span]:
    """Give what lies between the last entry and this one."""
    fault = _fault(walk, sequence, body)
    if fault is not None:
        yield _unproven(walk.sequence, sequence, walk.at, body.at, fault)
        return
    if isinstance(body, RecordingOpened):
        # Its first frames are older than the press: since then it is recorded.
        before_ms = (body.at.mono_ns // 1000 - body.origin_mono_us) // 1000
        origin_utc_ms = max(walk.at.utc_ms, body.at.utc_ms - before_ms)
        yield _span(walk, sequence, walk.at.utc_ms, origin_utc_ms)
        yield Span(
            SpanState.RECORDING, origin_utc_ms, body.at.utc_ms, sequence, sequence, recording_id=body.recording_id
        )
        return
    yield _span(walk, sequence, walk.at.utc_ms, body.at.utc_ms)


def _fault(walk: _Walk, sequence: int, body: Body) -> str | None:
    """Say why nothing is proven between the last entry and this one, if it is not."""
    if sequence != walk.sequence + 1:
        return f"entries {walk.sequence + 1} to {sequence - 1} are withheld or missing"
    if isinstance(body, Resumed) and walk.state is not SpanState.OFF:
        return "the power or the program was gone"
    if body.at.boot_id != walk.at.boot_id and not isinstance(body, Resumed):
        return "the camera started anew without saying so"
    silence_ms = (body.at.mono_ns - walk.at.mono_ns) // 1_000_000
    is_awake = walk.state in (SpanState.NOT_RECORDING, SpanState.ASLEEP)
    if is_awake and body.at.boot_id == walk.at.boot_id and not 0 <= silence_ms <= SILENCE_MS_MAX:
        return f"no entry for {silence_ms / 1000:.0f} s, a heartbeat every 60 s expected"
    return None


def _step(walk: _Walk, sequence: int, body: Body) -> None:
    """Go on behind an entry."""
    walk.sequence, walk.at = sequence, body.at
    match body:
        case RecordingOpened():
            walk.state, walk.recording = SpanState.RECORDING, body
        case RecordingClosed() | Resumed():
            walk.state, walk.recording = SpanState.NOT_RECORDING, None
        case Event(name="sleep") if walk.recording is None:
            walk.state = SpanState.ASLEEP
        case Event(name="wake") if walk.recording is None:
            walk.state = SpanState.NOT_RECORDING
        case Event(name="power-off"):
            walk.state, walk.recording = SpanState.OFF, None


def _span(walk: _Walk, sequence: int, begin_utc_ms: int, end_utc_ms: int) -> Span:
    recording_id = None if walk.recording is None else walk.recording.recording_id
    return Span(walk.state, begin_utc_ms, end_utc_ms, walk.sequence, sequence, recording_id=recording_id)


def _unproven(first: int, last: int, begin: Moment, end: Moment, reason: str) -> Span:
    return Span(SpanState.UNPROVEN, begin.utc_ms, end.utc_ms, first, last, reason=reason)
