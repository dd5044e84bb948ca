"""Chromium without a window, driven by Playwright: what tests of pages need of it.

Debian: apt-get install chromium; or CHROMIUM=the path of another one.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 20.0  # seconds


class Browser:
    """One window; what it downloads lies in the folder `downloads`.

    errors: what scripts threw, and what the console was told as an error or a warning;  requests: addresses of all that
    was loaded, but for data URIs
    """

    def __init__(self, page: Any, downloads: Path):
        self.page, self.downloads = page, downloads
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("request", lambda one: self.requests.append(one.url) if not one.url.startswith("data:") else None)
        page.on("download", lambda one: one.save_as(downloads / one.suggested_filename))

    def open(self, path: Path) -> None:
        """Opens a file, as a double click does; what was told of the one before is forgotten."""
        self.errors.clear()
        self.requests.clear()
        self.page.goto(path.as_uri())

    def reload(self) -> None:
        self.page.reload()

    def run(self, script: str, *given: Any) -> Any:
        """What a script returns; it sees `given` as arguments[0], ..."""
        return self.page.evaluate(f"(given) => (function () {{ {script} }}).apply(null, given)", list(given))

    def click(self, selector: str, number: int = 0) -> None:
        """Scrolls to an element, and clicks it with the mouse."""
        self.page.locator(selector).nth(number).click()

    def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Moves the mouse from one point of the window to another with its button held."""
        mouse = self.page.mouse
        mouse.move(*begin)
        mouse.down()
        mouse.move(*end, steps=5)
        mouse.up()

    def press(self, *keys: str) -> None:
        """Strikes keys, each by its character or its name."""
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector: str) -> str:
        """What is read in the first such element."""
        return self.page.locator(selector).first.inner_text()

    def resize(self, width: int, height: int) -> None:
        self.page.set_viewport_size({"width": width, "height": height})

    def prefer(self, scheme: str) -> None:
        """The user prefers "light" or "dark"."""
        self.page.emulate_media(color_scheme=scheme)

    def picture(self, path: Path) -> Path:
        """What is seen, as a PNG."""
        self.page.screenshot(path=path)
        return path

    def wait(self, until: Callable[[], Any], what: str) -> Any:
        """Waits until something is true, and returns it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := until():
                return found
            self.page.wait_for_timeout(50)
        raise AssertionError(f"waited for {what}")


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Browser]:
    """A browser that keeps its downloads in a folder; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        pytest.skip("no Chromium: apt-get install chromium to run this test")
    downloads = folder / "downloads"
    downloads.mkdir()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=[
            "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"])
        try:
            yield Browser(browser.new_page(viewport={"width": 1100, "height": 900}), downloads)
        finally:
            browser.close()
