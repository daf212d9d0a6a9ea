"""What the camera's own chain says of one recording: standby, pre-event, live, mute, mark, gaps, and the end.

Pure. Times within the film come from the chain as they are; wall times are the camera's claim, carried over the
monotonic clock from the entry that opened the recording (spec/03-recording.md, 3.2 to 3.4).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hw_sim.bench.timeline.facts import Moment, MomentName, PictureSpan, SoundSpan, SoundState
from hw_sim.bench.timeline.words import CLOSED, EVENTS, LOST, OPENED, counted, seconds
from protocol.entries import Body, Event, RecordingClosed, RecordingOpened, Resumed, ShiftOpened
from protocol.verify.chain import ChainReport
from protocol.verify.recordings import RecordingView

MOMENTS_MAX: Final = 60
"""A recording with more is told with the first of them, and the number of the others."""
_STANDBY_BEGINS: Final = frozenset({"power-on", "standby", "wake", "undocked", "docked"})
_NAME_OF_EVENT: Final[dict[str, MomentName]] = {"mute-on": "mute", "mute-off": "unmute", "mark": "mark"}


@dataclass(frozen=True, slots=True)
class Film:
    """Where a recording stands in time, as the chain has it."""

    view: RecordingView
    opened: RecordingOpened
    report: ChainReport

    @property
    def press_us(self) -> int:
        """Return where in the film the press is: 0 where nothing from before it was kept."""
        before = [chunk.chunk for chunk in self.view.chunks if chunk.chunk.is_pre_event]
        if not before:
            return 0
        pressed_us = self.opened.at.mono_ns // 1000 - self.opened.origin_mono_us
        return min(max(pressed_us, before[-1].start_us), before[-1].start_us + before[-1].duration_us)

    @property
    def begins_at_ms(self) -> int:
        """Return the wall time of the first picture."""
        return self.at_ms(0)

    def at_ms(self, film_us: int) -> int:
        """Return the wall time of a place in the film."""
        since_opening_us = self.opened.origin_mono_us + film_us - self.opened.at.mono_ns // 1000
        return self.opened.at.utc_ms + since_opening_us // 1000

    def holds(self, sequence: int, recording_id: bytes | None) -> bool:
        """Say whether an event is about this recording: by its id, or where it names none, by its place in the chain."""
        if recording_id is not None:
            return recording_id == self.view.recording_id
        begin, end = self.view.opened_sequence, self.view.ending_sequence
        return begin is not None and begin < sequence and (end is None or sequence < end)

    def standby_since(self) -> tuple[int, Body] | None:
        """Return the entry that began the standby before this recording; None where it goes on from another."""
        if self.opened.continues is not None or self.view.opened_sequence is None:
            return None
        for sequence, body in reversed(self.report.bodies):
            is_event = isinstance(body, Event) and body.name in _STANDBY_BEGINS
            is_begin = is_event or isinstance(body, RecordingClosed | Resumed | ShiftOpened)
            if is_begin and sequence < self.view.opened_sequence:
                return sequence, body
        return None


def film_of(view: RecordingView, report: ChainReport) -> Film | None:
    """Return the recording's place in time; None while the entry that opens it is withheld or damaged."""
    return None if view.opened is None else Film(view, view.opened, report)


def picture_of(film: Film) -> tuple[PictureSpan, ...]:
    """Return what the picture is from the first to the last moment; gaps that the camera signed come after, over it."""
    end_us, press_us = film.view.duration_us, film.press_us
    spans = [PictureSpan(0, press_us, "pre-event")] if press_us else []
    if end_us > press_us:
        spans.append(PictureSpan(press_us, end_us, "live"))
    gaps = [gap for view in film.view.chunks for gap in view.chunk.gaps]
    return (*spans, *(PictureSpan(gap.start_us, gap.end_us, "gap") for gap in gaps))


def sound_of(film: Film) -> tuple[SoundSpan, ...]:
    """Return what the sound is from the first to the last moment."""
    if film.opened.audio is None:
        return (SoundSpan(0, film.view.duration_us, "none"),) if film.view.chunks else ()
    spans: list[SoundSpan] = []
    for view in film.view.chunks:
        for span in view.chunk.audio:
            state: SoundState = span.state
            if spans and spans[-1].state == state and spans[-1].end_us == span.start_us:
                spans[-1] = SoundSpan(spans[-1].start_us, span.end_us, state)
            else:
                spans.append(SoundSpan(span.start_us, span.end_us, state))
    return tuple(spans)


def moments_of(film: Film) -> tuple[tuple[Moment, ...], int]:
    """Return everything that the camera signed about this recording, in order, and how many more there are."""
    happened = [*_standby(film), *_beginning(film), *_between(film)]
    ordered = sorted(happened, key=lambda moment: -1 if moment.film_us is None else moment.film_us)
    return (*ordered[:MOMENTS_MAX], _end(film)), max(0, len(ordered) - MOMENTS_MAX)


def _standby(film: Film) -> Iterator[Moment]:
    since = film.standby_since()
    if since is None:
        return
    wanted_ms = film.opened.pre_event_wanted_ms
    kept = f"at least the last {seconds(wanted_ms * 1000)}" if wanted_ms else "nothing"
    text = f"The camera is awake. It keeps {kept} in memory, and stores no picture."
    yield Moment("standby", "Standby", text, since[1].at.utc_ms, None, _entry(since[0]))


def _beginning(film: Film) -> Iterator[Moment]:
    known, press_us = _entry(film.view.opened_sequence), film.press_us
    if press_us:
        text = f"The recording begins {seconds(press_us)} before the press: these seconds were still in memory."
        yield Moment("pre-event", "Pre-event", text, film.begins_at_ms, 0, known)
    title, text = OPENED[film.opened.reason]
    if film.opened.continues is not None:
        text += f" It goes on from recording {film.opened.continues.hex()[:8]}."
    yield Moment("press", title, text, film.at_ms(press_us), press_us, known)


def _between(film: Film) -> Iterator[Moment]:
    for sequence, body in film.report.bodies:
        if not isinstance(body, Event) or body.name not in EVENTS or not film.holds(sequence, body.recording_id):
            continue
        title, text = EVENTS[body.name]
        at_us = body.at.mono_ns // 1000 - film.opened.origin_mono_us
        film_us = body.value if body.name in _NAME_OF_EVENT and body.value is not None else at_us
        film_us = min(max(0, film_us), film.view.duration_us)
        name = _NAME_OF_EVENT.get(body.name, "camera")
        yield Moment(name, title, text, body.at.utc_ms, film_us, _entry(sequence))
    for view in film.view.chunks:
        for gap in view.chunk.gaps:
            missing = counted(gap.missing_frame_count, "picture")
            text = f"{missing} missing for {seconds(gap.end_us - gap.start_us)}: {LOST.get(gap.reason, gap.reason)}. The camera signed the gap."
            yield Moment("gap", "No picture", text, film.at_ms(gap.start_us), gap.start_us, _entry(view.sequence))


def _end(film: Film) -> Moment:
    closed = film.view.closed
    if closed is None:
        known = "no entry of the camera closes it"
        if film.view.ending_sequence is not None:
            known = _entry(film.view.ending_sequence)
        text = "The camera stopped without warning while it recorded: what it had sealed until then is here."
        return Moment("stop", "No end in order", text, None, film.view.duration_us, known)
    text = f"{CLOSED[closed.reason]} {counted(closed.chunk_count, 'chunk')}, {seconds(closed.duration_us)} in all."
    known = _entry(film.view.ending_sequence)
    return Moment("stop", "Stop", text, film.at_ms(closed.duration_us), closed.duration_us, known)


def _entry(sequence: int | None) -> str:
    """Say which of the camera's signed entries tells it."""
    return "the camera's chain" if sequence is None else f"camera's signed entry {sequence}"
