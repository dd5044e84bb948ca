"""A studio in a process of its own, and Debian's Chromium in front of it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import BROWSERS
from micro import ROOT

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio",
             "--autoplay-policy=no-user-gesture-required"]
PATIENCE = 120_000  # milliseconds: a compiler may have to share two cores


class Studio:
    """A running studio: where it is, and its private folder."""

    def __init__(self, folder: Path, *flags: str):
        environment = {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
        environment.pop("JAX_DISABLE_MOST_OPTIMIZATIONS", None)  # as fast as users have it
        command = [sys.executable, "-m", "musicfusion.launch", "studio", "--port=0", *flags]
        self.said = (folder / "said.txt").open("w+")
        self.process = subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                                        stderr=self.said)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if "http://" not in line:
            self.end()
            raise AssertionError((folder / "said.txt").read_text())
        self.address = line.split()[2]
        self.folder = next(folder.glob("musicfusion-studio-*"))

    def errors(self) -> str:
        """What stands on standard error."""
        self.said.seek(0)
        return self.said.read()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ends it; its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.said.close()
        return code


@pytest.fixture(scope="session")
def start() -> type[Studio]:
    """Starts a studio: start(folder for all that is its own, *flags)."""
    return Studio


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Iterator[Studio]:
    """One studio for a module."""
    found = Studio(tmp_path_factory.mktemp("studio"))
    yield found
    if found.process.poll() is None:
        found.end()


@pytest.fixture(scope="module")
def chromium():
    """A browser without a window; the test is skipped where there is none."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium to run this test")
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright to run this test")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(studio, chromium):
    """Opens the page as a new visitor; in the end, nothing was asked of anybody else, and nothing went wrong."""
    contexts, asked, wrong = [], [], []

    def visit(**settings):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        context.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.goto(studio.address)
        page.wait_for_selector("#collagenet-fuse")
        return page

    yield visit
    for context in contexts:
        context.close()
    strangers = [url for url in asked if not url.startswith((f"{studio.address}/", "data:", "blob:"))]
    assert asked and not strangers
    assert not wrong
