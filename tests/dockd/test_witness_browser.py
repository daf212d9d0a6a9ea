"""The witness's page in a real browser, over its real server: on a desk, on a telephone, and in the dark."""

from collections.abc import Iterator

import pytest

from protocol.ledger.text import format_base64
from tests.bench.browser import FAINT, HANGING, Browser, Screen, chromium
from tests.dockd.witnesses import VERIFIER, SetClock, World, ask, forked_at, request_bytes, serving
from tests.protocol.ledger_log import LOG, ORIGIN, TREE

SCREENS = pytest.mark.parametrize(
    "screen",
    [Screen(1280), Screen(1280, is_dark=True), Screen(360, is_phone=True), Screen(360, is_dark=True, is_phone=True)],
    ids=["desk", "dark desk", "phone", "dark phone"],
)
SILENT = "ledger.example/one-that-has-not-asked-yet"
FORKED = "ledger.example/" + "a-name-without-a-place-to-break" * 4


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve a witness of three logs: one that grew, one that was never seen, and one that forked."""
    world = World(clock=SetClock(), logs=dict.fromkeys((ORIGIN, SILENT, FORKED), (LOG.public_key,)))
    with serving(world.start()) as port:
        ask(port, request_bytes(0, 40))
        world.clock.at_s += 3661
        ask(port, request_bytes(40, 93))
        ask(port, request_bytes(40, 93))
        ask(port, request_bytes(93, 99, tree=forked_at(10)))
        ask(port, request_bytes(0, 50, origin=FORKED))
        ask(port, request_bytes(50, 50, origin=FORKED, tree=forked_at(40)))
        ask(port, request_bytes(0, 1, origin="<script>alert(1)</script>"))
        yield f"http://127.0.0.1:{port}/"


@SCREENS
def test_the_page_says_what_the_witness_saw(browser: Browser, address: str, screen: Screen) -> None:
    browser.open_address(address, screen)

    grown = browser.one(f"section[data-origin='{ORIGIN}']").text
    for words in (
        "Only grown, as far as this witness saw: 93 entries.",
        "21 September 2026",
        format_base64(TREE.roots[93]),
        "it did not show that the ledger had only grown",
        "consistency proof",
    ):
        assert words in grown
    assert "Nothing seen yet" in browser.one(f"section[data-origin='{SILENT}']").text
    assert "signed two different ledgers of one size" in browser.one(f"section[data-origin='{FORKED}']").text
    about = browser.one("section.plain").text
    assert VERIFIER.text in about
    assert "<script>alert(1)</script>" in about


@SCREENS
def test_the_page_complains_of_nothing_and_asks_nobody(browser: Browser, address: str, screen: Screen) -> None:
    browser.open_address(address, screen)

    assert browser.console() == []
    assert [asked for asked in browser.requests() if not asked.startswith("data:")] == [address]


@SCREENS
def test_nothing_hangs_over_the_edge_and_texts_stand_out(browser: Browser, address: str, screen: Screen) -> None:
    browser.open_address(address, screen)

    assert browser.run("return document.documentElement.scrollWidth") <= screen.width_px
    assert browser.run(HANGING) == []
    assert browser.run(FAINT) == []
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(14, 20, 25)" if screen.is_dark else "rgb(238, 241, 244)")


def test_a_link_leads_to_the_checkpoint_as_it_was_signed(browser: Browser, address: str) -> None:
    browser.open_address(address, Screen(1280))

    browser.one(f"section[data-origin='{ORIGIN}'] a").click()

    text = browser.one("pre").text
    assert text.startswith(f"{ORIGIN}\n93\n{format_base64(TREE.roots[93])}")
    assert f"\u2014 {VERIFIER.name} " in text
