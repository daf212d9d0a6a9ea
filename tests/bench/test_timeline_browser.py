"""The page of a real run in a real browser: on a desk, on a telephone, in the dark, and on paper."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hw_sim.bench.timeline.page import page_of
from hw_sim.bench.timeline.recording import Reel
from tests.bench.browser import FAINT, HANGING, Browser, Screen, chromium
from tests.bench.running import report_of, run_bench
from tests.bench.told_days import FIRST, good_day, stopped_day

DESK, DARK_DESK = Screen(1280), Screen(1280, is_dark=True)
PHONE, DARK_PHONE = Screen(360, is_phone=True), Screen(360, is_dark=True, is_phone=True)
SCREENS = pytest.mark.parametrize(
    "screen", [DESK, DARK_DESK, PHONE, DARK_PHONE], ids=["desk", "dark desk", "phone", "dark phone"]
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Play a short day; return its page and its report."""
    below = tmp_path_factory.mktemp("timeline")
    done = run_bench(
        "run", "--seconds", "2", "--pre-event-s", "1", "--size", "320x240", "--out", str(below / "o"),
        "--report", str(below / "r.json"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = report_of(below / "r.json")
    assert f"timeline             {below / 'o' / 'timeline.html'}" in done.stdout
    return below / "o" / report["timeline"], report


@pytest.fixture(scope="module")
def stopped_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a day after which nothing arrived, with a reason that has no place to break."""
    path = tmp_path_factory.mktemp("stopped") / "timeline.html"
    path.write_text(page_of(stopped_day("0123456789abcdef" * 8).timeline(), {}))
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@SCREENS
def test_the_page_tells_the_verdict_and_every_recording(
    browser: Browser, run: tuple[Path, dict[str, Any]], screen: Screen
) -> None:
    page, report = run

    browser.open(page, screen)

    assert browser.one("#sentence").text == report["sentence"]
    assert browser.one("#verdict-word").text == "Authentic"
    for row in report["recordings"]:
        section = browser.one(f"section[data-recording='{row['recording_id']}']").text
        for words in ("Standby", "Pre-event", "Live", "Stop", "Docked", "Verified", "Offloaded", "Receipted", "Erased"):
            assert words in section
        assert f"{row['frames_decoded']} of the {row['frames_captured']} that the sensor took, none missing" in section
    first = browser.one("section.recording").text
    assert re.search(r"Mute[\s\S]*Sound on[\s\S]*Mark", first)


@SCREENS
def test_the_page_complains_of_nothing_and_asks_nobody(
    browser: Browser, run: tuple[Path, dict[str, Any]], screen: Screen
) -> None:
    page, _ = run

    browser.open(page, screen)
    browser.one("button.seek").click()

    assert browser.console() == []
    asked = browser.requests()
    assert page.as_uri() in asked
    assert [address for address in asked if address != page.as_uri() and not address.startswith("data:")] == []


@SCREENS
def test_nothing_hangs_over_the_edge(
    browser: Browser, run: tuple[Path, dict[str, Any]], stopped_page: Path, screen: Screen
) -> None:
    for page in (run[0], stopped_page):
        browser.open(page, screen)

        assert browser.run("return document.documentElement.scrollWidth") <= screen.width_px
        assert browser.run(HANGING) == []


@SCREENS
def test_texts_stand_out_from_their_ground(
    browser: Browser, run: tuple[Path, dict[str, Any]], stopped_page: Path, screen: Screen
) -> None:
    for page in (run[0], stopped_page):
        browser.open(page, screen)

        assert browser.run(FAINT) == []


@pytest.mark.parametrize("screen", [DESK, DARK_PHONE], ids=["desk", "dark phone"])
def test_the_player_plays_from_the_mark(browser: Browser, run: tuple[Path, dict[str, Any]], screen: Screen) -> None:
    browser.open(run[0], screen)
    button = browser.one("li[data-moment='mark'] button")
    begin_s = float(button.get_attribute("data-at") or 0)

    button.click()

    browser.wait("return document.getElementById('film-1').currentTime > arguments[0] + 0.3", begin_s)
    assert browser.run("return document.getElementById('film-1').videoWidth") == 320
    assert not browser.run("return document.getElementById('playhead-1').hidden")
    assert browser.run("return document.getElementById('film-2').paused")


def test_a_film_beside_the_page_plays_too(browser: Browser, run: tuple[Path, dict[str, Any]]) -> None:
    page, report = run
    beside = page.with_name("beside.html")
    path = report["recordings"][0]["mp4"]
    beside.write_text(page_of(good_day().timeline(), {FIRST.hex(): Reel(path, path, None)}))

    browser.open(beside, DESK)
    browser.one("li[data-moment='press'] button").click()

    browser.wait("return document.getElementById('film-1').currentTime > 2.6")
    assert browser.console() == []
    asked = {address for address in browser.requests() if not address.startswith("data:")}
    assert asked == {beside.as_uri(), (page.parent / path).as_uri()}


def test_the_keyboard_reaches_and_plays_the_film(browser: Browser, run: tuple[Path, dict[str, Any]]) -> None:
    browser.open(run[0], DESK)

    browser.run("document.querySelector(\"li[data-moment='press'] button\").focus()")
    browser.driver.switch_to.active_element.send_keys("\ue007")

    browser.wait("return !document.getElementById('film-1').paused")
    assert browser.run("return document.activeElement.matches(':focus-visible')")


def test_marks_on_the_axis_do_not_cover_each_other(browser: Browser, run: tuple[Path, dict[str, Any]]) -> None:
    for screen in (DESK, PHONE):
        browser.open(run[0], screen)

        assert browser.run(_COVERED_MARKS) == []


def test_the_table_keeps_its_roles_where_it_is_stacked(browser: Browser, run: tuple[Path, dict[str, Any]]) -> None:
    browser.open(run[0], PHONE)

    roles = browser.run("return [...document.querySelectorAll('table td')].map(cell => cell.getAttribute('role'))")
    assert set(roles) == {"cell"}


def test_the_page_can_be_printed_with_a_picture_instead_of_the_player(
    browser: Browser, run: tuple[Path, dict[str, Any]]
) -> None:
    browser.open(run[0], DARK_DESK)

    pdf = browser.printed()

    assert pdf.startswith(b"%PDF-")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 8
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "const shown = s => getComputedStyle(document.querySelector(s)).display; "
    assert browser.run(shown + "return [shown('video'), shown('.printed')]") == ["none", "block"]
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


_COVERED_MARKS = """
return [...document.querySelectorAll('.marks')].flatMap(marks => {
  const boxes = [...marks.querySelectorAll('.number')].map(e => [e.textContent, e.getBoundingClientRect()]);
  return boxes.flatMap(([a, one], i) => boxes.slice(i + 1)
    .filter(([, other]) => one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom)
    .map(([b]) => a + ' and ' + b));
});
"""
