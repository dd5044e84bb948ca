"""Chromium without a window, driven over WebDriver's own HTTP: what tests of pages need of it, and nothing to install.

Debian: apt-get install chromium chromium-driver.
"""

import contextlib
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the standard's name for a reference to one
KEYS = {"Enter": "\ue007", "Tab": "\ue004"}
PATIENCE = 20.0  # seconds


class Browser:
    """One window; what it downloads lies in the folder `downloads`."""

    def __init__(self, session: str, downloads: Path):
        self._session, self.downloads = session, downloads

    def open(self, path: Path) -> None:
        """Opens a file, as a double click does."""
        self._ask("url", {"url": path.as_uri()})

    def reload(self) -> None:
        self._ask("refresh", {})

    def run(self, script: str, *given: Any) -> Any:
        """What a script returns; it sees `given` as arguments[0], ..."""
        return self._ask("execute/sync", {"script": script, "args": list(given)})

    def click(self, selector: str, number: int = 0) -> None:
        """Scrolls to an element, and clicks it with the mouse."""
        self.run("document.querySelectorAll(arguments[0])[arguments[1]].scrollIntoView({block: 'center'})",
                 selector, number)
        found = self._ask("elements", {"using": "css selector", "value": selector})[number]
        self._ask(f"element/{found[ELEMENT]}/click", {})

    def press(self, *keys: str) -> None:
        """Strikes keys, each by its character, or by a name in KEYS."""
        strokes = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def text(self, selector: str) -> str:
        """What is read in the first such element."""
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def resize(self, width: int, height: int) -> None:
        self._ask("window/rect", {"width": width, "height": height})

    def picture(self, path: Path) -> Path:
        """What is seen, as a PNG."""
        import base64

        path.write_bytes(base64.b64decode(_ask(f"{self._session}/screenshot")))
        return path

    def _ask(self, command: str, body: dict) -> Any:
        return _ask(f"{self._session}/{command}", body)


def wait(until: Callable[[], Any], what: str) -> Any:
    """Waits until something is true, and returns it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := until():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited for {what}")


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Browser]:
    """A browser that keeps all that is its own in a folder; the test is skipped where there is none."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver to run this test")
    downloads = folder / "downloads"
    downloads.mkdir()
    with _driver(driver, folder / "chromedriver.log") as address:
        options = {"binary": browser, "prefs": {"download.default_directory": str(downloads)}, "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio",
            "--window-size=1100,900", f"--user-data-dir={folder / 'profile'}"]}
        created = _ask(f"{address}/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options}}})
        session = f"{address}/session/{created['sessionId']}"
        try:
            yield Browser(session, downloads)
        finally:
            _ask(session, method="DELETE")


@contextlib.contextmanager
def _driver(program: str, log: Path) -> Iterator[str]:
    """A driver on a port of its own choice."""
    with log.open("w") as said, subprocess.Popen([program, "--port=0"], stdout=said, stderr=said) as process:
        try:
            port = wait(lambda: re.search(r"started successfully on port (\d+)", log.read_text()),
                        "the driver to say its port")[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _ask(address: str, body: dict | None = None, method: str = "") -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"},
                                     method=method or ("GET" if body is None else "POST"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(json.load(error)["value"]["message"].partition("\n")[0]) from None
