"""The studio's own controls: what they tell the page is the systems' own numbers, by mouse and by keys."""

import contextlib
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from browser import Browser, opened
from ml_collections import ConfigDict

import musicfusion as mf
from musicfusion import priors
from musicfusion.render.result import SampleResult
from musicfusion.systems.connective_fusion import sampling as connective
from musicfusion.systems.musae import sampling as musae

pytest.importorskip("gradio")

from musicfusion.studio import widgets

NASTY = '<img src=x onerror="document.title=1">${7*7}{{evil}}'
GENRES = ["rock", "swing", "samba", NASTY, "tango", "ska", "soul"]
COLLECTIONS = ["Weimar <b>Jazz</b>", "fiddle tunes"]
MANY = 5  # dimensions of a style, in a second pad
SIZE = 3  # cells a side
BEFORE = 8  # quarters before the eight bars
QUARTER = 60 / connective.TEMPO[1]  # seconds


def fused(size=SIZE, dimensions=2, seed=4):
    """A result of Connective Fusion in which every cell of the grid has a melody of its own."""
    scores = {"fused": connective.melody_score(cell(0), "fused")}
    scores |= {f"grid/{i}_{j}": connective.melody_score(cell(10 * i + j), "fused")
               for i in range(1, size + 1) for j in range(1, size + 1)}
    metadata = {"system": "connective_fusion", "seed": seed, "config": {"fusion": {"style": dimensions}}, "joint": 24.0}
    return SampleResult(title="", main="fused", scores=scores, metadata=metadata)


def cell(number):
    """Ten bars and a half in 16ths, int [n, 3]; the joint is in their middle."""
    rng = np.random.default_rng(number)
    begins = np.flatnonzero(rng.random(4 * (BEFORE + 40)) < 0.3)
    return np.stack([begins, np.ones(len(begins), int), rng.integers(50, 80, len(begins))], 1)


def moved(**changes):
    """A result of MusAE, whose song was moved."""
    metadata = {"system": "musae", "genres": GENRES, "genre": NASTY,
                "controls": {"to": "swing", "angle": -1.0, "amount": 0.6},
                "plane": {"song": [[-0.2, -0.1]], "moved": [[0.4, 0.9]]}} | changes
    return SampleResult(title="", main="song", metadata=metadata)


# In Python -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_the_cells_of_a_style_plane_have_the_systems_styles_and_the_notes_of_their_scores(dimensions):
    result = fused(dimensions=dimensions)
    shown = widgets.views(result)
    own = [[cell["style"] for cell in row] for row in shown["rows"]]
    np.testing.assert_allclose(own, connective.plane_styles(SIZE, dimensions, 4), atol=1e-4)
    for i, row in enumerate(shown["rows"], start=1):
        for j, cell in enumerate(row, start=1):
            notes = result.scores[f"grid/{i}_{j}"].tracks[0].notes
            notes = notes[(notes[:, 0] >= BEFORE) & (notes[:, 0] < BEFORE + 32)]
            drawn = np.array(cell["notes"])
            assert drawn[:, 2].tolist() == notes[:, 2].tolist()
            np.testing.assert_allclose(drawn[:, 0], (notes[:, 0] - BEFORE) * QUARTER, atol=1e-3)
            np.testing.assert_allclose(drawn[:, 1], notes[:, 1] * QUARTER, atol=1e-3)
    assert shown["seconds"] == pytest.approx(32 * QUARTER) and shown["joint"] == pytest.approx(16 * QUARTER)
    json.dumps(shown, allow_nan=False)


def test_a_result_without_anything_to_be_seen_has_no_view():
    result = fused()
    without = {name: score for name, score in result.scores.items() if not name.startswith("grid/")}
    assert widgets.views(SampleResult(**vars(result) | {"scores": without})) == {}
    assert widgets.views(moved(plane={})) == {} and widgets.views(moved(genres=[])) == {}
    assert widgets.views(SampleResult(title="", main="1", metadata={"system": "fusion_gan"})) == {}
    assert widgets.views(SampleResult(title="", main="1", metadata={"system": "collagenet"})) == {}


def test_the_circle_tells_where_the_codes_lie():
    songs = (SimpleNamespace(),)
    z, codes = np.array([[0.1, 0.2, 9], [0.3, 0.4, 9]]), np.array([[1.1, 0.2, 9], [1.3, 0.4, 9]])
    piece = musae.Piece(songs=songs, windows=np.zeros((2, 32, 4), int), begins=np.zeros(2, int))
    assert musae.plane(piece, z, codes) == {"song": [[0.2, 0.3]], "moved": [[1.2, 0.3]]}
    pair = musae.Piece(songs=songs * 2, windows=piece.windows, begins=piece.begins)
    assert musae.plane(pair, z, codes) == {"start": [[0.1, 0.2]], "end": [[0.3, 0.4]]}
    new = musae.Piece(songs=(), windows=piece.windows[:0], begins=piece.begins)
    assert musae.plane(new, z[:0], codes) == {"new": [[1.1, 0.2], [1.3, 0.4]]}
    shown = widgets.views(moved())
    assert shown["points"] == {"song": [[-0.2, -0.1]], "moved": [[0.4, 0.9]]} and shown["genre"] == NASTY
    assert shown["component"] == pytest.approx([2 * 0.1**0.5, 2 * 0.001**0.5])


def test_widgets_know_what_the_shipped_weights_know():
    model = mf.load("musae-lite")
    told = widgets.facts(model)
    assert told["genres"] == list(model.controls["to"].choices) and len(told["genres"]) == 32 and told["most"] == 1
    assert widgets.facts(mf.load("connective-fusion-lite")) == {
        "size": 2, "corners": [[0, 0], [0, 1], [1, 0], [1, 1]]}
    assert widgets.facts(mf.load("fusion-gan-lite"))["genres"] == [
        "Weimar Jazz Database", "fiddle tunes of music21 10.5.1"]
    assert widgets.facts(mf.load("collagenet-lite")) == {}


@pytest.mark.parametrize("root, genres", [
    ("", ["fiddle", "chorales"]), ("fiddle,essen", ["fiddle", "essen"]), ("/songs/jazz,/b/folk/", ["jazz", "folk"]),
    ("/songs/cached.npz", [])])
def test_the_two_genres_of_a_run_are_called_by_their_data_roots(root, genres):
    model = SimpleNamespace(declaration=mf.systems()["fusion_gan"], config=ConfigDict({"data": {"root": root}}),
                            trained=SimpleNamespace())
    assert widgets.facts(model) == {"genres": genres}


@pytest.mark.parametrize("asked", [[0, 0], [10**9, 0], [2, -1], [2], 2, None, ["a", "b"], [[2], 0], [1e400, 0]])
def test_a_browser_that_asks_for_impossible_corners_gets_none(asked):
    assert widgets.asked_corners(asked) == []
    assert widgets.asked_corners([MANY, 3]) == connective.corners(MANY, 3).tolist()


# In the browser ------------------------------------------------------------------------------------------------------

APP = """
import itertools, json, os, sys
os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
import gradio as gr
from musicfusion.render import page as player_page
from musicfusion.studio import widgets

given, count = json.load(open(sys.argv[1])), itertools.count()
CONTROLS = {
    "connective_fusion": lambda: {"style": gr.Textbox("0.5", label="style")},
    "musae": lambda: {"to": gr.Dropdown(["", *given["facts"]["musae"]["genres"]], value="", label="to"),
                      "angle": gr.Slider(-1, 360, -1, label="angle"),
                      "amount": gr.Slider(0, 1, 0.5, label="amount")},
    "fusion_gan": lambda: {"genre": gr.Dropdown(["fusion", "a", "b"], value="fusion", label="genre"),
                           "ratio": gr.Slider(0, 1, 0.5, label="ratio")},
    "arrangement": lambda: {"density": gr.Slider(0, 1, 0.5, label="density")},
}
everything, views = {}, {}
with gr.Blocks() as page:
    for place, system in given["places"].items():
        with gr.Column(elem_id=place):
            components = CONTROLS[system]() | {"seed": gr.Number(0, precision=0, label="seed", elem_classes="seed")}
            view = widgets.view()
            replaced = widgets.build(system, components, view)
            everything[place], views[place] = components, view
            load = gr.Button("load", elem_classes="load")
            for widget in set(replaced.values()):
                load.click(lambda place=place: gr.update(data=given["facts"][place]), None, widget)
            gr.Button("show", elem_classes="show").click(
                lambda place=place: gr.update(data=given["views"].get(place, {})), None, view)
            gr.Button("set", elem_classes="set").click(
                lambda place=place: given["set"][place], None, next(iter(components.values())))
    told, fields = gr.Textbox(label="told", elem_id="told"), [x for own in everything.values() for x in own.values()]
    gr.Button("tell", elem_id="tell").click(lambda *x: json.dumps([next(count), *x]), fields, told)
    first = [*[gr.update(data={}) for _ in views], *[field.value for field in fields]]
    gr.Button("reset", elem_id="reset").click(lambda: first, None, [*views.values(), *fields])
scripts = player_page.program() + widgets.program()
_, url, _ = page.launch(head=f"<script>{scripts}</script>", server_name="127.0.0.1", quiet=True,
                        prevent_thread_lock=True, enable_monitoring=False)
print(url, flush=True)
sys.stdin.read()
"""

PLACES = {"pad": "connective_fusion", "many": "connective_fusion", "musae": "musae", "gan": "fusion_gan",
          "none": "arrangement"}


FIRST = {"pad": ["0.5", 0], "many": ["0.5", 0], "musae": ["", -1, 0.5, 0], "gan": ["fusion", 0.5, 0],
         "none": [0.5, 0]}  # values of the controls, in the order of PLACES


class Page:
    """A page with all widgets, each in a place of its own."""

    def __init__(self, browser: Browser, url: str):
        self.browser, self.url = browser, url

    def open(self) -> None:
        self.browser.page.goto(self.url)
        self.browser.page.locator("#gan .mf-range").wait_for()
        for place in ("pad", "many", "musae", "gan"):
            self.browser.click(f"#{place} .load")
        self.browser.page.locator("#musae .mf-dial .mf-components").wait_for()
        self.see("#gan .mf-ends", COLLECTIONS[0])

    def see(self, selector: str, text: str) -> None:
        self.browser.wait(lambda: text in self.browser.text(selector), f"{text!r} in {selector}")

    def told(self, place: str) -> list:
        """What Python reads of a place's controls."""
        return self.told_of_all()[place]

    def told_of_all(self) -> dict[str, list]:
        """The same of all places."""
        field = self.browser.page.locator("#told textarea")
        before = field.input_value()
        self.browser.click("#tell")
        self.browser.wait(lambda: field.input_value() != before, "values")
        values = iter(json.loads(field.input_value())[1:])
        return {place: [next(values) for _ in first] for place, first in FIRST.items()}

    def at(self, selector: str, right: float, down: float) -> tuple[float, float]:
        """A point of an element in the window, by shares of its box."""
        one = self.browser.page.locator(selector).first
        one.scroll_into_view_if_needed()
        box = one.bounding_box()
        return box["x"] + right * box["width"], box["y"] + down * box["height"]

    def each(self, selector: str, expression: str) -> list:
        """What JavaScript says of each element, which it calls `one`."""
        return self.browser.page.locator(selector).evaluate_all(f"(all) => all.map((one) => {expression})")

    def wheel(self) -> tuple[float, float, float]:
        """Middle and radius of MusAE's wheel in the window."""
        rim = self.browser.page.locator("#musae .mf-wheel .mf-rim")
        rim.scroll_into_view_if_needed()
        box = rim.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"] / 2

    def focus(self, selector: str) -> None:
        self.browser.page.locator(selector).first.focus()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(the page's address, a browser)"""
    folder = tmp_path_factory.mktemp("studio")
    given = folder / "given.json"
    facts = {"pad": {"size": 2, "corners": widgets.corners(2, 0)},
             "many": {"size": MANY, "corners": widgets.corners(MANY, 0)},
             "musae": {"genres": GENRES, "most": 1.0, "component": widgets.views(moved())["component"]},
             "gan": {"genres": COLLECTIONS}}
    views = {"pad": widgets.views(fused()), "musae": widgets.views(moved()), "many": widgets.views(fused(2, MANY, 0))}
    given.write_text(json.dumps({"places": PLACES, "facts": facts, "views": views,
                                 "set": {"pad": "0.2:0.8", "musae": "ska", "gan": "b", "many": "0.1", "none": 0.1}}))
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(opened(folder))
        app = subprocess.Popen([sys.executable, "-c", APP, str(given)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
        stack.callback(app.communicate)
        found = Page(browser, app.stdout.readline().strip())
        found.open()
        yield found


@pytest.fixture
def page(served):
    served.browser.click("#reset")
    served.browser.wait(lambda: served.told_of_all() == FIRST, "the page as it was")
    served.browser.errors.clear()
    yield served
    assert not served.browser.errors


def test_the_point_of_a_style_is_dragged_and_moved_by_keys_and_python_reads_its_numbers(page):
    square = "#pad .mf-square"
    assert page.told("pad") == ["0.5", 0] and page.browser.text("#pad .mf-style .mf-said") == "0.50 : 0.50"
    page.browser.drag(page.at(square, 0.5, 0.5), page.at(square, 0.8, 0.25))
    assert page.told("pad") == ["0.25:0.8", 0]
    assert page.browser.text("#pad .mf-style .mf-said") == "0.25 : 0.80"
    page.focus(square)
    page.browser.press("ArrowDown", "ArrowLeft", "Shift+ArrowLeft")
    assert page.told("pad") == ["0.3:0.74", 0]
    slider = page.browser.page.get_by_role("slider", name="Style: a point in the plane of styles").first
    assert slider.get_attribute("aria-valuetext") == "0.30 : 0.74"
    page.browser.drag(page.at(square, 0.5, 0.5), page.at(square, -0.03, -0.03))
    assert page.told("pad") == ["0:0", 0]
    page.browser.click("#pad .mf-foot .mf-button")
    assert page.told("pad") == ["0.5:0.5", 0]


def test_what_python_sets_is_shown_and_a_click_that_follows_at_once_reads_what_is_seen(page):
    page.browser.click("#pad .set")
    page.see("#pad .mf-style .mf-said", "0.20 : 0.80")
    page.browser.click("#musae .set")
    page.see("#musae .mf-wheel .mf-said", "ska, 0.50")
    page.browser.click("#gan .set")
    page.see("#gan .mf-share .mf-said", "only fiddle tunes")
    page.focus("#musae .mf-dial")
    page.browser.press(*["ArrowRight"] * 20)
    assert page.told("musae")[:3] == [GENRES[(GENRES.index("ska") - 20) % len(GENRES)], -1, 0.5]


def test_in_more_dimensions_a_point_means_the_style_of_the_systems_plane_with_this_seed(page):
    square = "#many .mf-square"

    def chosen(row, column, seed):
        page.browser.page.mouse.click(*page.at(square, column, row))
        style, told_seed = page.told("many")
        assert told_seed == seed
        return [float(x) for x in style.split(":")]

    plane = connective.plane_styles(5, MANY, 0)
    np.testing.assert_allclose(chosen(0.25, 0.75, 0), plane[1][3], atol=1e-4)
    np.testing.assert_allclose(chosen(0.5, 0.0, 0), plane[2][0], atol=1e-4)
    assert connective.corners(MANY, 3).tolist() != connective.corners(MANY, 0).tolist()
    page.browser.page.locator("#many .seed input").fill("3")
    page.browser.page.locator("#many .seed input").press("Tab")
    page.see("#many .mf-style .mf-said", "outside this plane")
    np.testing.assert_allclose(chosen(0.25, 0.75, 3), connective.plane_styles(5, MANY, 3)[1][3], atol=1e-4)
    assert page.browser.text("#many .mf-style .mf-said") == "25 % down, 75 % right"


def test_the_cells_of_the_style_plane_play_and_their_style_is_used(page):
    page.browser.click("#pad .show")
    page.browser.page.locator("#pad .mf-cell").nth(SIZE**2 - 1).wait_for()
    assert page.browser.page.locator("#pad .mf-cell").count() == SIZE**2
    paths = "[...one.querySelectorAll('path')].map((path) => path.getAttribute('d')).join('')"
    drawn = page.each("#pad .mf-cell", f"{paths}.split('M').length - 1")
    assert drawn == [len(cell["notes"]) for row in widgets.views(fused())["rows"] for cell in row] and min(drawn) > 0
    page.browser.click("#pad .mf-cell", 5)
    assert page.each("#pad .mf-cursor", "!one.hidden") == [k == 5 for k in range(SIZE**2)]
    page.browser.wait(lambda: page.each("#pad .mf-cursor", "parseFloat(one.style.left)")[5] > 1, "sound that goes on")
    page.browser.press("ArrowLeft", "ArrowUp", "Enter")
    assert page.each("#pad .mf-cursor", "!one.hidden") == [k == 1 for k in range(SIZE**2)]
    page.browser.press("Escape")
    assert not any(page.each("#pad .mf-cursor", "!one.hidden"))
    assert page.browser.text("#pad .mf-view .mf-said") == "style 0.00 : 0.50"
    page.browser.click("#pad .mf-main")
    page.see("#pad .mf-style .mf-said", "0.00 : 0.50")
    assert page.told("pad") == ["0:0.5", 0]


def test_genres_stand_at_the_angles_of_their_mixture_components(page):
    x, y, _ = page.wheel()
    where = "(({x, y, width, height}) => [x + width / 2, y + height / 2])(one.getBoundingClientRect())"
    found = [np.arctan2(y - down, right - x) for right, down in page.each("#musae .mf-wheel [data-genre]", where)]
    expected = np.asarray(priors.angle(np.arange(len(GENRES)), len(GENRES)))
    apart = np.angle(np.exp(1j * (np.array(found) - expected)))
    assert len(found) == len(GENRES) and np.max(np.abs(apart)) < np.radians(3)


def test_the_wheel_is_clicked_dragged_and_turned_by_keys(page):
    dial = "#musae .mf-wheel .mf-dial"
    assert page.told("musae") == ["", -1, 0.5, 0] and "no genre" in page.browser.text("#musae .mf-wheel .mf-said")
    page.browser.page.locator("#musae .mf-wheel [data-genre='2']").click()
    assert page.told("musae") == ["samba", -1, 0.5, 0]
    x, y, radius = page.wheel()
    cos, sin = (float(f(priors.angle(1, len(GENRES)))) for f in (np.cos, np.sin))
    page.browser.drag((x + 0.2 * radius, y), (x + 0.4 * radius * cos, y - 0.4 * radius * sin))
    assert page.told("musae") == ["swing", -1, 0.4, 0]
    page.focus(dial)
    page.browser.press("ArrowUp", "ArrowRight", "Shift+ArrowUp")
    assert page.told("musae") == ["rock", -1, 0.46, 0]
    page.focus(dial)
    page.browser.press("ArrowRight")
    assert page.told("musae")[0] == "soul"
    page.focus(dial)
    page.browser.press("s", "s", *["ArrowUp"] * 30)
    assert page.told("musae")[:3] == ["samba", -1, 1]
    assert page.browser.page.locator(dial).get_attribute("aria-valuetext") == "samba, 1.00"
    page.focus(dial)
    page.browser.press("Delete")
    assert page.told("musae")[:3] == ["", -1, 1]


def test_the_wheel_stands_between_genres_too_where_that_is_asked_for(page):
    dial, between = "#musae .mf-wheel .mf-dial", page.browser.page.get_by_label("also between genres")
    page.browser.page.locator("#musae .mf-wheel [data-genre='1']").click()
    between.check()
    assert page.told("musae")[:2] == ["", 51.4], "swing's own angle, of 7 genres"
    x, y, radius = page.wheel()
    page.browser.drag((x + 0.2 * radius, y), (x, y + 0.4 * radius))
    assert page.told("musae") == ["", 270, 0.4, 0]
    page.see("#musae .mf-wheel .mf-said", "270°, 0.40")
    page.focus(dial)
    page.browser.press("ArrowLeft", "Shift+ArrowRight")
    assert page.told("musae")[:2] == ["", 274]
    between.uncheck()
    assert page.told("musae")[:2] == ["ska", -1], "the nearest"
    between.check()
    page.browser.page.locator("#musae .mf-wheel [data-genre='2']").click()
    assert page.told("musae")[:2] == ["samba", -1]
    between.uncheck()
    page.focus(dial)
    page.browser.press("Delete")
    assert page.told("musae")[:2] == ["", -1]


def test_after_a_fusion_the_song_is_marked_on_the_wheel_and_in_the_view(page):
    assert page.browser.run("return document.querySelector('#musae .mf-view').hidden") is True
    page.browser.click("#musae .show")
    page.browser.page.locator("#musae .mf-view .mf-mark.mf-moved").wait_for()
    page.browser.page.locator("#musae .mf-wheel .mf-mark.mf-song").wait_for()
    places = page.each("#musae .mf-view .mf-mark", "one.getAttribute('transform')")
    assert places == ["translate(-10 5)", "translate(20 -45)"]
    page.see("#musae .mf-legend", "60 % of it was made anew toward swing")
    assert page.told("musae") == ["", -1, 0.5, 0]
    assert "nearest to " + NASTY in page.browser.text("#musae .mf-legend")


def test_the_share_of_two_genres_is_a_slider_between_their_names(page):
    slider = page.browser.page.get_by_role("slider", name=f"Share of {COLLECTIONS[0]} against {COLLECTIONS[1]}")
    assert page.told("gan") == ["fusion", 0.5, 0]
    slider.focus()
    page.browser.press("ArrowLeft", "ArrowLeft")
    assert page.told("gan") == ["fusion", 0.52, 0]
    assert slider.get_attribute("aria-valuetext") == "52 % Weimar <b>Jazz</b>, 48 % fiddle tunes"
    page.browser.page.mouse.click(*page.at("#gan .mf-range", 0.999, 0.5))
    assert page.told("gan") == ["fusion", 0, 0]
    page.browser.page.get_by_role("radio", name="only Weimar").check()
    assert page.told("gan")[0] == "a" and slider.is_disabled()
    page.browser.page.get_by_role("radio", name="between both").check()
    assert page.told("gan") == ["fusion", 0, 0] and not slider.is_disabled()


def test_names_are_shown_as_text_alone(page):
    page.browser.click("#musae .show")
    page.browser.page.locator("#musae .mf-legend").wait_for()
    page.focus("#musae .mf-wheel .mf-dial")
    page.browser.press("<")
    assert page.told("musae")[0] == NASTY and NASTY in page.browser.text("#musae .mf-wheel .mf-said")
    assert page.browser.run("return document.querySelectorAll('#musae .mf-widget img, #gan .mf-widget b').length") == 0
    assert page.browser.page.title() != "1"


def test_a_system_without_a_widget_keeps_its_controls(page):
    assert page.browser.page.locator("#none .mf-widget:not(.mf-view)").count() == 0
    assert page.told("none") == [0.5, 0]
    assert page.browser.page.get_by_label("number input for density").is_visible()


@pytest.mark.parametrize("width", [390, 1100])
def test_nothing_sticks_out_of_a_window(page, width):
    page.browser.resize(width, 900)
    for place in ("pad", "musae"):
        page.browser.click(f"#{place} .show")
    page.browser.page.locator("#musae .mf-view .mf-circle").wait_for()
    page.browser.page.locator("#pad .mf-grid").wait_for()
    assert page.browser.run("return document.documentElement.scrollWidth") <= width
    page.browser.resize(1100, 900)
