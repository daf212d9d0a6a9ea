"""The page as a file: what it says, that it asks nobody for anything, and that no text in it can become HTML."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hw_sim.bench.timeline.markup import Markup, join, tag
from hw_sim.bench.timeline.page import page_of
from hw_sim.bench.timeline.recording import Reel, data_uri
from hw_sim.bench.timeline.sections import LINES_MAX
from hw_sim.bench.timeline.words import GLOSSARY
from hw_sim.bench.timeline.write import INLINE_SIZE_BYTES_MAX, write_timeline
from tests.bench.told_days import AGENCY, FIRST, ToldDay, good_day, stopped_day
from tests.hw_sim.films import film_frames, scene, write_mp4

_WITHOUT_END = {"meta", "link", "img", "br", "use", "circle", "path", "rect"}


class _Reader(HTMLParser):
    """Collects addresses, texts and ids, and notes elements that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.steps: list[str] = []
        self.faults: list[str] = []
        self._open: list[str] = []
        self._words: list[str] = []
        self.feed(page)
        self.close()
        self.faults += self._open

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.addresses += [values[key] or "" for key in ("src", "href", "poster") if key in values]
        self.ids += [values["id"] or ""] if "id" in values else []
        self.targets += [value or "" for key, value in attributes if key in ("aria-labelledby", "data-film")]
        self.steps += [value or "" for key, value in attributes if key in ("data-moment", "data-step")]
        self.faults += [key for key, _ in attributes if key.startswith("on")]
        if name not in _WITHOUT_END:
            self._open.append(name)

    def handle_endtag(self, name: str) -> None:
        if name in _WITHOUT_END:
            return
        if not self._open or self._open.pop() != name:
            self.faults.append(f"</{name}>")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self._words.append(data)


def page_of_day(day: ToldDay, reels: dict[str, Reel] | None = None) -> _Reader:
    return _Reader(page_of(day.timeline(), reels or {}))


def film_reel() -> dict[str, Reel]:
    return {FIRST.hex(): Reel(data_uri("video/mp4", b"film"), f"mp4/{FIRST.hex()}.mp4", None)}


@pytest.mark.parametrize("day", [good_day(), stopped_day()], ids=["good", "stopped"])
def test_the_page_is_well_formed_and_its_names_lead_somewhere(day: ToldDay) -> None:
    page = page_of_day(day, film_reel())

    assert page.faults == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.targets) <= set(page.ids)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)


def test_the_page_asks_nobody_for_anything() -> None:
    written = page_of(good_day().timeline(), film_reel())

    outside = [a for a in _Reader(written).addresses if not a.startswith(("#", "data:", "mp4/"))]
    assert outside == []
    assert re.search(r"https?:|//[a-z]|@import|url\(", written) is None
    assert "default-src 'none'" in written


def test_every_step_of_a_life_is_on_the_page_and_once_more_in_the_table() -> None:
    steps = page_of_day(good_day()).steps

    for name in ("standby", "pre-event", "press", "mute", "unmute", "mark", "stop"):
        assert steps.count(name) == 2
    for name in ("docked", "verified", "offloaded", "receipted", "erased"):
        assert steps.count(name) == 2


def test_verdict_assurance_and_words_are_told() -> None:
    text = page_of_day(good_day()).text

    assert "Authentic: 1 recording." in text
    assert "Assurance 2 of 3: anchored at the dock" in text
    assert all(f"{word} {meaning}" in text for word, meaning in GLOSSARY)
    assert "Did not happen" not in text
    assert "The camera's times come from its own clock chip, give or take 0.5 s" in text


def test_what_did_not_happen_is_said_in_words() -> None:
    text = page_of_day(stopped_day()).text

    assert text.count("Did not happen") == 3
    assert "Dock says: no ingest worker is online." in text
    assert "There is no film to show." in text
    assert "What did not hold" in text


def test_long_lists_are_cut_and_counted() -> None:
    day = stopped_day()
    day.problems = tuple(f"problem {number}" for number in range(LINES_MAX + 3))

    text = page_of_day(day).text

    assert f"problem {LINES_MAX - 1} and 3 more" in text
    assert f"problem {LINES_MAX} " not in text


def test_no_text_can_become_html() -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    day = stopped_day(evil)
    day.said[0]["camera"] = evil
    timeline = replace(day.timeline(camera=evil, broker=evil), untold=(evil,))

    written = page_of(timeline, {FIRST.hex(): Reel(evil, evil, None)})

    assert written.count("<script") == 1
    assert "<img src=x" not in written
    assert _Reader(written).faults == []


def test_markup_escapes_texts_and_attributes_and_nothing_twice() -> None:
    inner = tag("b", "1 < 2")

    assert tag("p", inner, " & ", None, title='"', hidden=True, id=None, class_="a") == (
        '<p title="&quot;" hidden class="a"><b>1 &lt; 2</b> &amp; </p>'
    )
    assert join(Markup("<i></i>"), "<i>") == "<i></i>&lt;i&gt;"


def test_the_page_is_for_its_owners_eyes_only(tmp_path: Path) -> None:
    path = _written(good_day(), tmp_path)

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_small_film_is_in_the_page_with_its_pictures(tmp_path: Path) -> None:
    film = _film(tmp_path)

    page = _Reader(_written(good_day(), tmp_path).read_text())

    assert data_uri("video/mp4", film.read_bytes()) in page.addresses
    assert sum(address.startswith("data:image/jpeg") for address in page.addresses) == 8 + 2
    assert f"mp4/{FIRST.hex()}.mp4" in page.addresses


def test_a_large_film_is_played_from_its_file(tmp_path: Path) -> None:
    film = _film(tmp_path)
    with film.open("ab") as file:
        file.truncate(INLINE_SIZE_BYTES_MAX + 1)

    page = _Reader(_written(good_day(), tmp_path).read_text())

    assert not any(address.startswith("data:video") for address in page.addresses)
    assert page.addresses.count(f"mp4/{FIRST.hex()}.mp4") == 2


def _film(out: Path) -> Path:
    (out / "mp4").mkdir()
    return write_mp4(out / "mp4" / f"{FIRST.hex()}.mp4", film_frames(scene(), 30))


def _written(day: ToldDay, out: Path) -> Path:
    chains = []
    for number, shift in enumerate((day.chain, day.next_shift)):
        assert shift is not None
        folder = out / "central" / str(number)
        folder.mkdir(parents=True)
        (folder / "chain").write_bytes(shift.data)
        chains.append(folder)
    (chains[0] / "a.receipt").write_bytes(day.receipts[0])
    return write_timeline(
        out, day.report(), policy=AGENCY.trusted, chains=(out / "central",), events_file=out / "events.jsonl"
    )
