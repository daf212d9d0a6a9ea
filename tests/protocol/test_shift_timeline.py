"""What a shift's chain proves of each moment: recording, not recording, or nothing."""

import itertools
from dataclasses import replace

import pytest

from protocol.entries import Event, Moment, RecordingOpened
from protocol.verify.chain import ChainReport
from protocol.verify.shift_timeline import SILENCE_MS_MAX, Span, SpanState, shift_timeline
from tests.protocol.checks import check
from tests.protocol.shifts import make_shift, spliced, withheld

LETTERS = {
    SpanState.RECORDING: "r",
    SpanState.NOT_RECORDING: "n",
    SpanState.ASLEEP: "s",
    SpanState.OFF: "o",
    SpanState.UNPROVEN: "?",
}


def letters(report: ChainReport) -> str:
    return "".join(LETTERS[span.state] for span in shift_timeline(report))


def with_moments(report: ChainReport, later_ms: dict[int, int], boot: dict[int, bytes] | None = None) -> ChainReport:
    """Return the report with the clock put forward from some entries on."""
    bodies, shift_ms = [], 0
    for sequence, body in report.bodies:
        shift_ms += later_ms.get(sequence, 0)
        at = body.at
        moved = Moment(
            mono_ns=at.mono_ns + shift_ms * 1_000_000,
            boot_id=(boot or {}).get(sequence, at.boot_id),
            utc_ms=at.utc_ms + shift_ms,
            utc_source=at.utc_source,
            utc_uncertainty_ms=at.utc_uncertainty_ms,
        )
        bodies.append((sequence, body.model_copy(update={"at": moved})))
    return replace(report, bodies=tuple(bodies))


def named(report: ChainReport, sequence: int, name: str) -> ChainReport:
    """Return the report with another event at a sequence."""
    bodies = [
        (number, Event(at=body.at, name=name, recording_id=None, value=None) if number == sequence else body)  # type: ignore[arg-type]
        for number, body in report.bodies
    ]
    return replace(report, bodies=tuple(bodies))


def seamless(spans: tuple[Span, ...]) -> bool:
    return all(before.end_utc_ms == after.begin_utc_ms for before, after in itertools.pairwise(spans))


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("OehhZ", "n"),
        ("Oe[cc]e[c]Z", "nrnrn"),
        ("Oe[cc]prhZ", "nrnon"),
        ("Oe[ccRh[c]Z", "nr?nrn"),
        ("OehRZ", "n?n"),
        ("Oe[cc]h", "nrn?"),
    ],
)
def test_a_story_is_told_in_spans(story: str, expected: str) -> None:
    report = check(make_shift(story).chain)

    assert letters(report) == expected
    assert seamless(shift_timeline(report))


def test_a_recording_begins_with_its_first_frame_and_not_with_the_press() -> None:
    report = check(make_shift("Oehhh[cc]Z").chain)
    opened = report.bodies[5][1]
    assert isinstance(opened, RecordingOpened)
    press_us = opened.at.mono_ns // 1000
    moved = opened.model_copy(update={"origin_mono_us": press_us - 700_000})
    report = replace(report, bodies=(*report.bodies[:5], (5, moved), *report.bodies[6:]))

    recording = next(span for span in shift_timeline(report) if span.state is SpanState.RECORDING)

    assert recording.begin_utc_ms == opened.at.utc_ms - 700
    assert recording.recording_id == opened.recording_id
    assert seamless(shift_timeline(report))


def test_silence_longer_than_heartbeats_allow_proves_nothing() -> None:
    report = check(make_shift("OehhhZ").chain)
    gap_ms = (report.bodies[3][1].at.mono_ns - report.bodies[2][1].at.mono_ns) // 1_000_000
    at_most = SILENCE_MS_MAX - gap_ms

    assert letters(with_moments(report, {3: at_most})) == "n"
    assert letters(with_moments(report, {3: at_most + 1})) == "n?n"
    unproven = shift_timeline(with_moments(report, {3: 600_000}))[1]
    assert (unproven.first, unproven.last) == (2, 3)
    assert "a heartbeat every 60 s expected" in str(unproven.reason)


def test_sleep_is_told_apart_from_standby_and_keeps_its_heartbeats() -> None:
    report = named(named(check(make_shift("OehehZ").chain), 1, "sleep"), 3, "wake")

    assert letters(report) == "nsn"
    assert letters(with_moments(report, {2: 600_000})) == "n?sn"


def test_a_long_time_switched_off_is_proven_by_the_two_entries_around_it() -> None:
    report = with_moments(
        check(make_shift("OeprhZ").chain), {3: 8 * 3_600_000}, {3: bytes(16), 4: bytes(16), 5: bytes(16)}
    )

    assert letters(report) == "non"


def test_another_boot_without_a_word_proves_nothing() -> None:
    report = with_moments(check(make_shift("OehhZ").chain), {}, {3: bytes(16), 4: bytes(16)})

    assert letters(report) == "n?n"


@pytest.mark.parametrize("index", [2, 3, 4])
def test_where_an_entry_is_missing_or_withheld_nothing_is_proven(index: int) -> None:
    shift = make_shift("OehhhhZ")
    without = [entry for number, entry in enumerate(shift.entries) if number != index]
    hidden = spliced(shift.entries, at=index, insert=[withheld(shift.entries[index])], drop=1)

    for entries in (without, hidden):
        report = check(entries)
        assert letters(report) == "n?n"
        assert f"entries {index} to {index}" in str(shift_timeline(report)[1].reason)


def test_a_shift_without_its_beginning_says_so() -> None:
    report = check(make_shift("OehhZ").entries[1:])

    assert letters(report)[0] == "?"


def test_a_chain_in_which_nothing_stands_has_no_timeline() -> None:
    assert shift_timeline(replace(check(make_shift("OZ").chain), bodies=())) == ()
