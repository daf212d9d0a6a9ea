"""A Chromium without a window, and what it says about a page: its console, its requests, how wide it is."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

_FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
PATIENCE_S: Final = 20.0
# Boxes that end to the right of what holds them, but for those that are cut off or scroll there on purpose.
HANGING = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll('main *, header *, footer *')].filter(e => {
  if (e.closest('.track, .heard, .command, thead')) return false;
  const box = e.getBoundingClientRect();
  return box.width > 0 && (box.right > wide + 0.5 || box.left < -0.5);
}).map(e => e.outerHTML.slice(0, 80));
"""
# The ratio of WCAG 2, over the nearest ground that is painted; patterned bands give their words a plain ground of their own.
FAINT = """
const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
  .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const faint = [];
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const e = node.parentElement;
  if (!node.data.trim() || e.closest('script, style, video, .heard, .skip')) continue;
  const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) faint.push(ratio.toFixed(2) + ' ' + node.data.trim().slice(0, 40));
}
return [...new Set(faint)];
"""


@dataclass(frozen=True)
class Screen:
    """How a page is looked at."""

    width_px: int
    is_dark: bool = False
    is_phone: bool = False


class Browser:
    """One page after the other, each on a screen of its own."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, page: Path, screen: Screen) -> None:
        """Open a page and wait until its films know how long they are."""
        self.open_address(page.as_uri(), screen)
        self.wait("return [...document.querySelectorAll('video')].every(film => film.readyState > 0)")

    def open_address(self, address: str, screen: Screen) -> None:
        """Open what is served at an address."""
        self.console()
        self.requests()
        self._command(
            "Emulation.setDeviceMetricsOverride", width=screen.width_px, height=900, deviceScaleFactor=1, mobile=screen.is_phone
        )  # fmt: skip
        scheme = "dark" if screen.is_dark else "light"
        self._command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.driver.get(address)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, *arguments: object) -> None:
        """Wait until a script returns something true."""
        WebDriverWait(self.driver, PATIENCE_S, poll_frequency=0.05).until(
            lambda _: self.run(script, *arguments), script
        )

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element("css selector", selector)

    def console(self) -> list[str]:
        """Return what the page complained about since the last call."""
        return [str(line["message"]) for line in self._log("browser")]

    def requests(self) -> list[str]:
        """Return every address that was asked for since the last call."""
        said = (json.loads(line["message"])["message"] for line in self._log("performance"))
        return [str(m["params"]["request"]["url"]) for m in said if m["method"] == "Network.requestWillBeSent"]

    def printed(self) -> bytes:
        """Return the page as a PDF, as it would be printed."""
        answer = self._command("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(answer["data"])

    def _log(self, name: str) -> list[dict[str, Any]]:
        log: list[dict[str, Any]] = self.driver.get_log(name)  # type: ignore[no-untyped-call]
        return log

    def _command(self, name: str, **parameters: object) -> dict[str, Any]:
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(name, parameters)
        return answer


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Run Debian's Chromium with a profile of its own."""
    options = ChromeOptions()
    options.binary_location = _program("chromium", package="chromium")
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(_program("chromedriver", package="chromium-driver"))
    driver = Chrome(options=options, service=service)
    try:
        yield Browser(driver)
    finally:
        driver.quit()


def _program(name: str, *, package: str) -> str:
    path = shutil.which(name)
    assert path is not None, f"{name} is not on PATH; as root: apt-get install {package}"
    return path
