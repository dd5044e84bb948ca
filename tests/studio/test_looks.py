"""The page of the studio on screens of all sizes, in light and dark, by keys and by fingers."""

import re

import pytest
from browser import CONTRASTS
from studio_page import CONTROLS, FAST, OVERLAPS, fuse, open_tab, said, take_example, upload_pair, watch


@pytest.mark.parametrize("width, height", [(1280, 900), (390, 844)])
def test_the_page_fits_desktops_and_phones(visit, tmp_path, width, height):
    page = visit(viewport={"width": width, "height": height})
    for system in (FAST, "fusion_gan", "musae", "arrangement", "collagenet"):
        open_tab(page, system)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, system
        assert page.evaluate(OVERLAPS, CONTROLS) == [], system
    open_tab(page, FAST)
    upload_pair(page, tmp_path)
    fuse(page)
    page.wait_for_selector(".mf-player")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERLAPS, CONTROLS) == []


def test_fuse_is_reached_and_pressed_by_keys_and_all_controls_have_names(visit):
    page = visit()
    take_example(page, "collagenet")
    page.focus("#collagenet-pitch input[type=number]")
    for _ in range(25):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "collagenet-fuse":
            break
    assert page.evaluate("document.activeElement.id") == "collagenet-fuse"
    watch(page, "collagenet")
    page.keyboard.press("Enter")
    assert said(page, "collagenet").startswith("take 1")
    unnamed = page.eval_on_selector_all(CONTROLS, """all => all.filter((one) => one.checkVisibility() && !one.closest(
      '[aria-hidden=true]') && !(one.getAttribute('aria-label') || one.getAttribute('aria-labelledby') || one.innerText
      || one.title || one.labels?.length)).map((one) => one.outerHTML.slice(0, 200))""")
    assert unnamed == []


def test_light_and_dark_follow_the_browser(visit):
    shades = [visit(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
              for scheme in ("light", "dark")]
    light, dark = (sum(map(int, re.findall(r"\d+", shade)[:3])) for shade in shades)
    assert light > 700 and dark < 120


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_borders_of_the_controls_stand_out_from_what_is_behind_them(visit, scheme):
    page = visit(color_scheme=scheme)
    seen = 0
    for system in (FAST, "fusion_gan", "musae", "arrangement", "collagenet"):
        open_tab(page, system)
        if system == "musae":
            page.wait_for_selector(".mf-wheel [data-genre]")
        elif system == "collagenet":
            assert fuse(page, system).startswith("inputs: none given")  # an error is read, too
        found = page.evaluate(CONTRASTS, "#studio-main > .column:first-child, #studio-head, #studio-foot")
        assert [row for row in found if row[2] < row[3]] == [], system
        seen += len(found)
    assert seen > 250 and any("inputs: none given" in what for _, what, *_ in found)


def test_takes_and_what_is_locked_stand_out_too(visit, tmp_path):
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme)
        open_tab(page, FAST)
        upload_pair(page, tmp_path)
        fuse(page)
        page.focus(".mf-player")
        page.keyboard.press("Enter")
        page.wait_for_selector("#studio-lock button")
        found = page.evaluate(CONTRASTS, "#studio-takes, #studio-lock, .studio-status, .studio-files")
        assert len(found) > 20 and [row for row in found if row[2] < row[3]] == []


# Touch ---------------------------------------------------------------------------------------------------------------

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


class Finger:
    """A finger on a page."""

    def __init__(self, page):
        self.page, self.session = page, page.context.new_cdp_session(page)

    def at(self, selector: str, right: float = 0.5, down: float = 0.5) -> tuple[float, float]:
        """A point of an element in the window, by shares of its box."""
        one = self.page.locator(selector).first
        one.evaluate("(one) => one.scrollIntoView({ block: 'center' })")
        box = one.bounding_box()
        return box["x"] + right * box["width"], box["y"] + down * box["height"]

    def tap(self, *place) -> None:
        self.page.touchscreen.tap(*self.at(*place))

    def drag(self, begin, end, hold: int = 0) -> None:
        """From one point to another; hold: milliseconds that it rests before."""
        self._touch("touchStart", begin)
        self.page.wait_for_timeout(hold)
        for k in range(1, 11):
            self._touch("touchMove", tuple(a + (b - a) * k / 10 for a, b in zip(begin, end, strict=True)))
            self.page.wait_for_timeout(20)
        self._touch("touchEnd")

    def _touch(self, kind: str, *points) -> None:
        self.session.send("Input.dispatchTouchEvent",
                          {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})


def cut_off(page) -> list:
    """Controls that stick out of the window."""
    return page.eval_on_selector_all(CONTROLS, """all => all.filter((one) => one.checkVisibility()
      && !one.closest('.mf-scroll, .visually-hidden, [aria-hidden=true]'))
      .map((one) => [one, one.getBoundingClientRect()])
      .filter(([, { left, right, width }]) => width > 1 && (left < -0.5 || right > innerWidth + 0.5))
      .map(([one]) => one.outerHTML.slice(0, 90))""")


def test_a_finger_seeks_scrolls_locks_and_chooses_styles(visit, tmp_path):
    page = visit(**PHONE)
    finger = Finger(page)
    open_tab(page, FAST)
    upload_pair(page, tmp_path)
    finger.tap(".mf-square:visible", 0.75, 0.25)
    page.wait_for_selector(".mf-style .mf-said:visible:has-text('0.25 : 0.75')")
    finger.drag(finger.at(".mf-square:visible", 0.75, 0.25), finger.at(".mf-square:visible", 0.2, 0.6))
    page.wait_for_selector(".mf-style .mf-said:visible:has-text('0.60 : 0.20')")
    page.fill(f"#{FAST}-grid input[type=number]", "3")
    fuse(page)
    page.wait_for_selector(".mf-player")
    assert page.locator(".mf-touch").is_visible() and not page.locator(".mf-help").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(OVERLAPS, CONTROLS) == [] and cut_off(page) == []

    position = "Number(document.querySelector('.mf-slider').value)"
    finger.tap(".mf-drawing", 0.1, 0.5)
    before = page.evaluate(position)
    finger.tap(".mf-player button[aria-label='Zoom in']")
    finger.tap(".mf-drawing", 0.2, 0.5)
    assert page.evaluate(position) > before > 0

    left = "document.querySelector('.mf-scroll').scrollLeft"
    page.evaluate(f"{left} = 0")
    finger.drag(finger.at(".mf-scroll", 0.9, 0.5), finger.at(".mf-scroll", 0.3, 0.5))
    page.wait_for_function(f"{left} > 100")
    assert page.locator(".mf-band").count() == 0

    page.wait_for_timeout(1500)  # what was pushed goes on for a while
    page.evaluate(f"{left} = 0")
    begin, end = finger.at(".mf-scroll", 0.1, 0.5), finger.at(".mf-scroll", 0.8, 0.5)
    finger.drag(begin, end, hold=700)
    page.wait_for_selector("#studio-lock :text('The next fusion keeps of take 1: bars 1 to')")
    assert page.evaluate(left) == 0 and page.locator(".mf-band").count() == 1
    finger.tap(".mf-sign")
    page.wait_for_selector("#studio-lock p", state="detached")
    finger.drag(finger.at(".mf-scroll", 0.1, 0.5), finger.at(".mf-scroll", 0.12, 0.5), hold=700)
    page.wait_for_selector("#studio-lock :text('The next fusion keeps of take 1: bar 1, all parts.')")

    finger.tap(".mf-cell >> nth=5")
    page.wait_for_selector(".mf-cell >> nth=5 >> .mf-cursor:visible")
    page.wait_for_selector(".mf-view .mf-said:has-text('style 0.50 : 1.00')")
    finger.tap(".mf-view .mf-main")
    page.wait_for_selector(".mf-style .mf-said:visible:has-text('0.50 : 1.00')")


def test_a_finger_chooses_a_genre_and_a_ratio(visit):
    page = visit(**PHONE)
    finger = Finger(page)
    open_tab(page, "musae")
    page.wait_for_selector(".mf-wheel [data-genre='2']")
    genre = page.locator(".mf-wheel [data-genre='2'] title").text_content()
    finger.tap(".mf-wheel [data-genre='2']")
    page.wait_for_selector(f".mf-wheel .mf-said:has-text('{genre}, 0.75')")
    rim = ".mf-wheel .mf-rim"
    finger.drag(finger.at(rim, 0.6, 0.5), finger.at(rim, 1.0, 0.5))
    first = page.locator(".mf-wheel [data-genre='0'] title").text_content()
    page.wait_for_selector(f".mf-wheel .mf-said:has-text('{first}, 1.00')")
    assert cut_off(page) == []
    open_tab(page, "fusion_gan")
    page.wait_for_selector(".mf-ends:visible:has-text('Weimar')")
    finger.tap(".mf-range:visible", 0.999, 0.5)
    page.wait_for_selector(".mf-share .mf-said:visible:has-text('0 %')")
    finger.drag(finger.at(".mf-range:visible", 0.98, 0.5), finger.at(".mf-range:visible", 0.5, 0.5))
    page.wait_for_function("Math.abs(document.querySelector('.mf-range').value - 0.5) < 0.2")
    finger.tap(".mf-choice:visible >> nth=2")
    page.wait_for_selector(".mf-share .mf-said:visible:has-text('only')")
    assert cut_off(page) == [] and page.evaluate(OVERLAPS, CONTROLS) == []
