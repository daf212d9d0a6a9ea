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
        self.console()
        self.requests()
        self._command(
            "Emulation.setDeviceMetricsOverride", width=screen.width_px, height=900, deviceScaleFactor=1, mobile=screen.is_phone
        )  # fmt: skip
        scheme = "dark" if screen.is_dark else "light"
        self._command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.driver.get(page.as_uri())
        self.wait("return [...document.querySelectorAll('video')].every(film => film.readyState > 0)")

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
