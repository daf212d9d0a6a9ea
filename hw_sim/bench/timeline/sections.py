"""The parts of the page that stand once: verdict, the day, the table of all facts, the glossary, and how to check. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

from hw_sim.bench.timeline.axis import clock, day, film_time, machine_time, share
from hw_sim.bench.timeline.facts import Band, Custody, Life, Moment, Timeline, Tone
from hw_sim.bench.timeline.markup import Markup, join, tag
from hw_sim.bench.timeline.words import ASSURANCE, GLOSSARY, PICTURE, SOUND, counted, seconds, size

LINES_MAX: Final = 20
_DAY_TICKS: Final = 4
_SIGN_OF_TONE: Final[dict[Tone, str]] = {"good": "yes", "gaps": "gap", "bad": "no"}
_BAND_WORDS: Final = {"standby": "standby", "recording": "recording", "docked": "in the dock"}


def sign(name: str) -> Markup:
    """Return a drawn sign: yes, no, gap or play; the words beside it say the same."""
    return tag(
        "svg", tag("use", href=f"#sign-{name}"), class_=f"sign sign-{name}", aria_hidden="true", focusable="false"
    )


def moment_time(at_ms: int) -> Markup:
    """Return a wall time."""
    return tag("time", clock(at_ms), datetime=machine_time(at_ms))


def heading(timeline: Timeline) -> Markup:
    """Return title and first words."""
    count = len(timeline.lives)
    title = f"The life of {counted(count, 'recording')}" if count else "No recording was made"
    when = f" on {day(timeline.lives[0].begins_at_ms)}" if count else ""
    first = (
        "Sealcam is a body-worn camera whose footage proves itself: that nothing in it was altered, that nothing is missing, "
        "and that nothing was erased before it was stored safely."
    )
    second = (
        f"This page follows what camera {timeline.camera} recorded{when}: from the seconds before the officer pressed to the dock, "
        "from there to central storage, and back to the camera, which may erase its own copy only then."
    )
    return join(tag("h1", title), tag("p", first, class_="lead"), tag("p", second, class_="lead"))


def verdict(timeline: Timeline) -> Markup:
    """Return the verdict with its sentence, what did not hold, and the scale of assurance."""
    lists = [
        tag("div", tag("h3", title), tag("ul", *(tag("li", line) for line in _first(lines))), class_="list")
        for title, lines in (("What did not hold", timeline.problems), ("What was found", timeline.findings))
        if lines
    ]
    said = tag(
        "div",
        tag("h2", sign(_SIGN_OF_TONE[timeline.tone]), tag("span", timeline.word), id="verdict-word"),
        tag("p", timeline.sentence, class_="sentence", id="sentence"),
        *lists,
        class_="said",
    )
    return tag(
        "section",
        said,
        _assurance(timeline.assurance),
        class_=f"verdict tone-{timeline.tone}",
        aria_labelledby="verdict-word",
    )


def _first(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return no more lines than a reader takes in, and how many there are besides."""
    more = len(lines) - LINES_MAX
    return lines if more <= 0 else (*lines[:LINES_MAX], f"and {more:,d} more, which the report names")


def _assurance(level: int) -> Markup:
    title, text = ASSURANCE[level]
    steps = (
        tag(
            "li", tag("b", str(number)), tag("span", words), class_="now" if number == level else "below" if number < level else "",
            aria_current="true" if number == level else None,
        )
        for number, (words, _) in enumerate(ASSURANCE)
    )  # fmt: skip
    return tag(
        "div",
        tag("h3", f"Assurance {level} of {len(ASSURANCE) - 1}: {title.lower()}"),
        tag("ol", *steps, class_="scale", start=0),
        tag("p", text),
        class_="assurance",
    )


def the_day(timeline: Timeline) -> Markup:
    """Return the whole day on one axis."""
    bands = timeline.day
    if not bands:
        return Markup()
    begin_ms, end_ms = bands[0].start_ms, max(band.end_ms for band in bands)
    whole_ms = max(1, end_ms - begin_ms)
    ticks = (
        tag("li", clock(begin_ms + whole_ms * number // _DAY_TICKS, is_exact=False), style=f"left:{100 * number / _DAY_TICKS:.2f}%")
        for number in range(_DAY_TICKS)
    )  # fmt: skip
    key = (
        tag("li", tag("i", class_=f"swatch band-{kind}"), words)
        for kind, words in (("standby", "on standby"), ("live", "recording"), ("docked", "in the dock"))
    )
    return tag(
        "section",
        tag("h2", "The day at a glance", id="day"),
        tag("div", *(_band(band, begin_ms, whole_ms) for band in bands), class_="track day"),
        tag("ol", *ticks, class_="ticks", aria_hidden="true"),
        tag("ul", *key, class_="key", aria_hidden="true"),
        class_="panel", aria_labelledby="day",
    )  # fmt: skip


def _band(band: Band, begin_ms: int, whole_ms: int) -> Markup:
    left, width = 100 * share(band.start_ms - begin_ms, whole_ms), 100 * share(band.end_ms - band.start_ms, whole_ms)
    words = _BAND_WORDS[band.kind] + ("" if band.number is None else f" {band.number}")
    full = f"{words}: {clock(band.start_ms)} to {clock(band.end_ms)}, {seconds((band.end_ms - band.start_ms) * 1000)}"
    style = f"left:{left:.3f}%;width:{width:.3f}%"
    hidden = tag("span", f", {full}", class_="heard")
    if band.number is None:
        return tag(
            "span", tag("span", words, class_="fits"), hidden, class_=f"band band-{band.kind}", style=style, title=full
        )
    return tag(
        "a", tag("b", str(band.number)), tag("span", f"recording {band.number}", class_="fits"), hidden,
        class_="band band-live", style=style, title=full, href=f"#recording-{band.number}",
    )  # fmt: skip


def facts(timeline: Timeline) -> Markup:
    """Return everything once more as a table."""
    if not timeline.lives:
        return Markup()
    columns = ("Time (UTC)", "What happened", "Known from")
    caption = f"{timeline.clock}. Central and dock have clocks of their own." if timeline.clock else None
    head = _tr(*(tag("th", name, scope="col", role="columnheader") for name in columns))
    return tag(
        "section",
        tag("h2", "Every fact, in order", id="facts"),
        tag("p", "The same as above, for reading aloud, and with the place where each fact comes from."),
        tag(
            "table",
            tag("caption", caption),
            tag("thead", head, role="rowgroup"),
            *(_facts_of(life) for life in timeline.lives),
            role="table",
        ),
        class_="panel", aria_labelledby="facts",
    )  # fmt: skip


def _facts_of(life: Life) -> Markup:
    title = f"Recording {life.number}, {life.short_id}: {seconds(life.duration_us)}, {size(life.size_bytes)}, assurance {life.assurance}"
    more = life.more_moment_count
    return tag(
        "tbody",
        _tr(tag("th", title, colspan=3, scope="rowgroup", role="rowheader"), class_="of"),
        *(_step(step) for step in life.moments),
        _row("", f"And {counted(more, 'moment')} more", "that the chain names.", "camera's chain") if more else None,
        _row("", "Picture", _spans((span.start_us, span.end_us, PICTURE[span.state]) for span in life.picture), "camera's chunks"),
        _row("", "Sound", _spans((span.start_us, span.end_us, SOUND[span.state]) for span in life.sound), "camera's chunks"),
        *(_step(step) for step in life.custody),
        *(_row(moment_time(look.at_ms), "Opened", f"The reason given: {look.reason}.", "the vault") for look in life.openings),
        _row("", "Frames", f"{life.frames}.", "the bench"),
        role="rowgroup", data_recording=life.recording_id,
    )  # fmt: skip


def _step(step: Moment | Custody) -> Markup:
    at = tag("span", "did not happen", class_="not") if step.at_ms is None else moment_time(step.at_ms)
    place = f" (film {film_time(step.film_us)})" if isinstance(step, Moment) and step.film_us is not None else ""
    return _row(at, step.title + place, step.text, step.known_from, name=step.name)


def _row(at: str | Markup, title: str, text: str, known_from: str, *, name: str | None = None) -> Markup:
    cells = (at, join(tag("b", f"{title}. "), text), known_from)
    return _tr(*(tag("td", cell, role="cell") for cell in cells), data_step=name)


def _tr(*cells: Markup, class_: str | None = None, data_step: str | None = None) -> Markup:
    return tag("tr", *cells, role="row", class_=class_, data_step=data_step)


def _spans(spans: Iterable[tuple[int, int, str]]) -> str:
    return "; ".join(f"{film_time(start_us)} to {film_time(end_us)} {words}" for start_us, end_us, words in spans) + "."


def glossary() -> Markup:
    """Return what the words mean."""
    words = (tag("div", tag("dt", word), tag("dd", meaning)) for word, meaning in GLOSSARY)
    return tag(
        "section",
        tag("h2", "What the words mean", id="words"),
        tag("dl", *words),
        class_="panel",
        aria_labelledby="words",
    )


def footing(timeline: Timeline) -> Markup:
    """Return how to check all this without believing the page, and what the page itself must not be used for."""
    command = f"./scripts/verify DIR/{timeline.sealed} --root {timeline.root_fingerprint}"
    return join(
        tag("h2", "Do not believe this page", id="check"),
        tag("p", "It is a picture of the evidence, not the evidence. Work out the verdict yourself; DIR is the folder of this page:"),
        tag("p", tag("code", command), class_="command"),
        tag("p", "The long number is the agency's root fingerprint. Take it from where the agency published it, not from here."),
        tag("p", "This page may hold footage that the vault opened: keep it as safe as the footage itself."),
        tag("dl", *_parts(timeline), class_="parts"),
    )  # fmt: skip


def _parts(timeline: Timeline) -> Iterator[Markup]:
    for name, value in timeline.parts:
        yield tag("div", tag("dt", name), tag("dd", value))
