"""One recording on the page: its film, what the camera signed, its time axis, and its way to central storage. Pure."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hw_sim.bench.timeline.axis import Axis, film_time, rows_of, ticks_us
from hw_sim.bench.timeline.facts import Custody, Life, Moment, PictureSpan, SoundSpan
from hw_sim.bench.timeline.markup import Markup, tag
from hw_sim.bench.timeline.pictures import Picture, Pictures
from hw_sim.bench.timeline.sections import moment_time, sign
from hw_sim.bench.timeline.words import ASSURANCE, PICTURE, PICTURE_KEY, SOUND, seconds, size

MARKS_MAX: Final = 24
_MARK_GAP: Final = 10.0
"""In percent: as near as two numbers may stand on a telephone."""
_TICKS_MAX: Final = 8
_TICK_PLACE_MAX: Final = 92.0
"""In percent: farther to the right there is no room for the words."""


@dataclass(frozen=True, slots=True)
class Reel:
    """A film for the page: where a player finds it, and what it looks like."""

    source: str
    """A data: URI, or the path from the page."""
    path: str
    pictures: Pictures | None


def data_uri(kind: str, data: bytes) -> str:
    """Return bytes as an address that holds them."""
    return f"data:{kind};base64,{b64encode(data).decode()}"


def recording(life: Life, reel: Reel | None) -> Markup:
    """Return everything about one recording."""
    number = life.number
    about = (
        tag("span", "begins ", moment_time(life.begins_at_ms), " UTC"),
        tag("span", seconds(life.duration_us)),
        tag("span", size(life.size_bytes)),
        tag("span", f"assurance {life.assurance}: {ASSURANCE[life.assurance][0].lower()}"),
        tag("span", "id ", tag("code", life.short_id)),
    )
    return tag(
        "section",
        tag("h2", f"Recording {number}", id=f"recording-{number}"),
        tag("p", *about, class_="about"),
        tag("div", _player(life, reel), _moments(life, reel), class_="film-and-moments" + ("" if reel else " no-film")),
        _time_axis(life, reel),
        tag("h3", "What became of it"),
        _custody(life),
        class_="panel recording", data_recording=life.recording_id, aria_labelledby=f"recording-{number}",
    )  # fmt: skip


def _player(life: Life, reel: Reel | None) -> Markup:
    if reel is None:
        text = "Central has no receipted copy, so the vault has not opened this recording. What exists of it is sealed."
        return tag("div", sign("sealed"), tag("p", tag("b", "There is no film to show. "), text), class_="player none")
    poster = None if reel.pictures is None else reel.pictures.poster
    address = None if poster is None else data_uri("image/jpeg", poster.jpeg)
    video = tag(
        "video", "This browser plays no video.",
        id=f"film-{life.number}", class_="film", controls=True, preload="metadata", playsinline=True, poster=address, src=reel.source,
        width=None if poster is None else poster.width_px, height=None if poster is None else poster.height_px,
        aria_label=f"Film of recording {life.number}", data_lead=Axis.of(standby_us=life.standby_us, duration_us=life.duration_us).at(0),
    )  # fmt: skip
    opened = [
        tag("p", "The vault opened it at ", moment_time(opening.at_ms), f"; the reason given: {opening.reason}.")
        for opening in life.openings[-1:]
    ]
    caption = tag(
        "figcaption",
        tag(
            "p",
            "Frames: ",
            life.frames,
            ". The bars in the picture number them. ",
            tag("a", "Open the film as a file", href=reel.path),
            ".",
        ),
        *opened,
    )
    printed = tag("img", class_="printed", src=address, alt="") if address is not None else None
    return tag("figure", video, printed, caption, class_="player")


def _moments(life: Life, reel: Reel | None) -> Markup:
    items = [_moment(moment, number, life, reel) for number, moment in enumerate(life.moments, start=1)]
    more = f"The chain names {life.more_moment_count:,d} more." if life.more_moment_count else None
    return tag(
        "div",
        tag("h3", "What the camera signed"),
        tag("ol", *items, class_="moments"),
        None if more is None else tag("p", more),
    )


def _moment(moment: Moment, number: int, life: Life, reel: Reel | None) -> Markup:
    when = tag("span", "did not happen", class_="not") if moment.at_ms is None else moment_time(moment.at_ms)
    return tag(
        "li",
        tag("span", str(number), class_="number", aria_hidden="true"),
        tag(
            "div",
            tag("p", tag("b", moment.title), _seek(moment, life, reel), when, class_="what"),
            tag("p", moment.text),
        ),
        data_moment=moment.name,
    )


def _seek(moment: Moment, life: Life, reel: Reel | None) -> Markup | None:
    if moment.film_us is None:
        return None
    if reel is None or moment.name == "stop":
        return tag("span", film_time(moment.film_us), class_="place")
    text = film_time(moment.film_us)
    label = f"Play from {text}: {moment.title}"
    at = f"{moment.film_us / 1e6:.3f}"
    return tag(
        "button",
        sign("play"),
        text,
        type="button",
        class_="seek",
        data_film=f"film-{life.number}",
        data_at=at,
        aria_label=label,
    )


def _time_axis(life: Life, reel: Reel | None) -> Markup:
    axis = Axis.of(standby_us=life.standby_us, duration_us=life.duration_us)
    pictures = () if reel is None or reel.pictures is None else reel.pictures.thumbnails
    lead = f"width:{axis.at(0):.3f}%"
    torn = " torn" if axis.is_torn else ""
    standby = tag(
        "span", tag("span", "standby", class_="fits"), class_=f"band band-standby{torn}", style=f"left:0;{lead}"
    )
    strip = tag(
        "div",
        tag("span", class_="before", style=lead),
        tag("div", *(_thumbnail(picture, life) for picture in pictures), class_="thumbnails"),
        class_="strip",
    )
    ticks = (
        tag("li", film_time(at_us, is_exact=False), style=f"left:{axis.at(at_us):.3f}%")
        for at_us in ticks_us(life.duration_us, count_max=_TICKS_MAX)
        if axis.at(at_us) <= _TICK_PLACE_MAX
    )
    return tag(
        "div",
        tag("h3", "On the time axis"),
        tag(
            "div",
            strip if pictures else None,
            _lane("Picture", axis, standby if axis.lead_us else None, *(_picture(span, axis) for span in life.picture)),
            _lane("Sound", axis, *(_sound(span, axis) for span in life.sound)),
            _marks(life, axis),
            tag("ol", *ticks, class_="ticks", aria_hidden="true"),
            tag("span", class_="playhead", id=f"playhead-{life.number}", hidden=True),
            class_="axis",
        ),
        _key(life),
        class_="axis-block",
    )


def _thumbnail(picture: Picture, life: Life) -> Markup:
    text = film_time(picture.film_us)
    image = tag(
        "img",
        src=data_uri("image/jpeg", picture.jpeg),
        width=picture.width_px,
        height=picture.height_px,
        alt=f"Play from {text}",
    )
    at = f"{picture.film_us / 1e6:.3f}"
    return tag("button", image, type="button", class_="seek thumbnail", data_film=f"film-{life.number}", data_at=at)


def _lane(name: str, axis: Axis, *bands: Markup | None) -> Markup:
    return tag("div", tag("span", name, class_="lane-name"), tag("div", *bands, class_="track"), class_="lane")


def _picture(span: PictureSpan, axis: Axis) -> Markup:
    return _band(span.start_us, span.end_us, span.state, PICTURE[span.state], axis)


def _sound(span: SoundSpan, axis: Axis) -> Markup:
    return _band(span.start_us, span.end_us, f"sound-{span.state}", SOUND[span.state], axis)


def _band(start_us: int, end_us: int, kind: str, words: str, axis: Axis) -> Markup:
    left = axis.at(start_us)
    full = f"{words}: {film_time(start_us)} to {film_time(end_us)}"
    style = f"left:{left:.3f}%;width:{max(0.0, axis.at(end_us) - left):.3f}%"
    heard = tag("span", f", {film_time(start_us)} to {film_time(end_us)}; ", class_="heard")
    return tag("span", tag("span", words, class_="fits"), heard, class_=f"band band-{kind}", style=style, title=full)


def _key(life: Life) -> Markup:
    """Return what the patterns mean, of those that this recording shows."""
    kinds = {f"band-{span.state}": PICTURE_KEY[span.state] for span in life.picture}
    kinds |= {f"band-sound-{span.state}": f"sound: {SOUND[span.state]}" for span in life.sound}
    if life.standby_us:
        kinds = {"band-standby": "standby, nothing stored"} | kinds
    items = (tag("li", tag("i", class_=f"swatch {kind}"), words) for kind, words in kinds.items())
    return tag("ul", *items, class_="key", aria_hidden="true")


def _marks(life: Life, axis: Axis) -> Markup:
    placed = [
        (number, axis.at(moment.film_us), moment)
        for number, moment in enumerate(life.moments, start=1)
        if moment.film_us is not None
    ][:MARKS_MAX]
    rows = rows_of([place for _, place, _ in placed], gap=_MARK_GAP)
    marks = (
        tag(
            "span", str(number), class_="number", title=f"{moment.title}, {film_time(moment.film_us or 0)}",
            style=f"left:{place:.3f}%;--row:{row}",
        )
        for (number, place, moment), row in zip(placed, rows, strict=True)
    )  # fmt: skip
    return tag("div", *marks, class_="marks", style=f"--rows:{max(rows, default=0) + 1}", aria_hidden="true")


def _custody(life: Life) -> Markup:
    docked_ms = life.custody[0].at_ms if life.custody else None
    return tag("ol", *_steps(life.custody, docked_ms), class_="custody")


def _steps(custody: tuple[Custody, ...], docked_ms: int | None) -> Iterator[Markup]:
    for step in custody:
        if step.at_ms is None:
            when = tag("p", "Did not happen", class_="when not")
        else:
            since = None if docked_ms is None or step.name == "docked" else _after(step.at_ms - docked_ms)
            when = tag("p", moment_time(step.at_ms), since, class_="when")
        yield tag(
            "li",
            sign("yes" if step.at_ms is not None else "no"),
            tag("h4", step.title),
            when,
            tag("p", step.text),
            tag("p", f"Known from: {step.known_from}.", class_="known") if step.at_ms is not None else None,
            class_="done" if step.at_ms is not None else "undone",
            data_step=step.name,
        )


def _after(elapsed_ms: int) -> Markup | None:
    return tag("span", f"{elapsed_ms / 1000:.1f} s after docking") if elapsed_ms >= 0 else None
