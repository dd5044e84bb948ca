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

# Contrasts of what is seen within elements (a selector), as WCAG 2.2 has them: rows of "text" or "border" (of a field,
# or of a button that has one), what it is, its contrast, and the least that AA allows.
CONTRASTS = """(roots) => {
  const FIELDS = "input:not([type=range], [type=radio], [type=checkbox], [type=file]), textarea, select";
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const read = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((x, k) => a * x + (1 - a) * under[k]);
  const linear = (x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  const light = (rgb) => rgb.reduce((sum, x, k) => sum + [0.2126, 0.7152, 0.0722][k] * linear(x / 255), 0);
  const ratio = (one, other) => {
    const [a, b] = [light(one), light(other)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const chain = (one) => (one ? [...chain(one.parentElement), one] : []);
  const opaque = (one) => chain(one).reduce((all, at) => all * getComputedStyle(at).opacity, 1);
  const behind = (one) => chain(one).reduce((under, at) => over(read(getComputedStyle(at).backgroundColor), under),
    matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255]);
  const found = [];
  for (const one of document.querySelectorAll(`:is(${roots}) *`)) {
    const room = one.getBoundingClientRect();
    if (!one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || room.width <= 1 || room.height <= 1
      || one.closest("[aria-hidden=true], :disabled")) continue;
    const style = getComputedStyle(one), under = behind(one), field = one.matches(FIELDS);
    const name = `${one.tagName.toLowerCase()}.${[...one.classList].join(".")}`;
    const words = field ? one.value || one.placeholder : [...one.childNodes].filter(({ nodeType }) => nodeType === 3)
      .map(({ data }) => data.trim()).join("");
    if (words) {
      const faint = field && !one.value ? getComputedStyle(one, "::placeholder").color : style.color;
      const [r, g, b, a] = read(one.ownerSVGElement ? style.fill : faint), size = parseFloat(style.fontSize);
      const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
      const contrast = ratio(over([r, g, b, a * opaque(one)], under), under);
      found.push(["text", `${name}: ${words.slice(0, 40)}`, contrast, least]);
    }
    if (field || one.matches(".mf-square, button:not([role=tab])")) {
      let edge = one; // a border may be that of what a field stands in
      const last = ".block, .mf-widget, button:not(.upload-container)";
      while (!parseFloat(getComputedStyle(edge).borderTopWidth) && !edge.matches(last)) edge = edge.parentElement;
      const { borderTopWidth, borderTopColor } = getComputedStyle(edge), outside = behind(edge.parentElement);
      const drawn = parseFloat(borderTopWidth) && read(borderTopColor)[3];
      const borders = drawn ? [over(read(borderTopColor), outside)] : [];
      const label = one.innerText || one.getAttribute("aria-label") || one.id;
      const best = Math.max(...[...borders, under].map((x) => ratio(x, outside)));
      if (field || borders.length) found.push(["border", `${name}: ${label.slice(0, 40)}`, best, 3]);
    }
  }
  return found;
}"""


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
