"""The page of a listening test and its key; and the page in a browser, as listeners use it."""

import base64
import collections
import configparser
import io
import itertools
import json
import re

import numpy as np
import pytest
import soundfile
from listeners import METHODS, answered, example, save, tone
from micro import ROOT

from musicfusion.core.errors import MusicFusionError
from musicfusion.core.listening import Clip, Screen
from musicfusion.metrics import listening
from musicfusion.render import loudness, sheet


def data(page):
    """What the page knows."""
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    return json.loads(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("test") / "sheet"
    page, key = sheet.write(example(), folder, seed=1, origin={"weights": "w"})
    assert (page, key) == (folder / "index.html", folder / "key.json")
    return folder


def test_the_page_stands_alone_and_tells_no_method(folder):
    text = (folder / "index.html").read_text()
    assert "default-src 'none'" in text and not re.search(r"(src|href)=[\"']?https?:|@import|url\(", text)
    assert "<title>A test &lt;of listeners></title>" in text
    known = json.dumps(data(folder / "index.html") | {"sounds": {}})
    for word in ("rule", "song 1", "facts", "method"):
        assert word not in known, word
    assert {*METHODS} <= {clip["method"] for clip in json.loads((folder / "key.json").read_text())["clips"].values()}


def test_the_order_of_names_tells_nothing_and_the_key_tells_all(folder):
    key, shown = json.loads((folder / "key.json").read_text()), data(folder / "index.html")
    (rated, _), (about, compared) = shown["sections"], key["sections"]
    assert about["methods"] == [*METHODS] and about["forms"] == 3 and compared["forms"] == 1
    methods = [key["clips"][screen["clips"][0]["id"]]["method"] for screen in rated["screens"]]
    assert methods != sorted(methods) and [screen["id"] for screen in rated["screens"]] == sorted(
        screen["id"] for screen in rated["screens"])
    for section in shown["sections"]:
        for screen in section["screens"]:
            assert all(key["clips"][clip["id"]]["sound"] == clip["sound"] for clip in screen["clips"])
    facts = [key["clips"][clip]["facts"]["value"] for clip in compared["screens"][0]["clips"]]
    assert sorted(facts) == [0, 1, 2] and compared["screens"][0]["references"][0]["label"] == "The original"
    assert key["made"] == {"seed": 1, "weights": "w"} and key["system"] == "example"


def test_every_listener_of_a_latin_square_hears_each_item_once_and_each_method_equally_often(folder):
    key = json.loads((folder / "key.json").read_text())
    for form in range(3):
        own = [key["clips"][screen["clips"][0]] for screen in key["sections"][0]["screens"] if screen["form"] == form]
        assert sorted(clip["item"] for clip in own) == ["0", "1", "2"]
        assert sorted(clip["method"] for clip in own) == sorted(METHODS)


def test_all_clips_are_equally_loud_and_a_sound_lies_there_once(folder):
    found = data(folder / "index.html")
    assert len(found["sounds"]) == 1 + 9 + 3, "the original is one of its versions"
    levels = []
    for encoded in found["sounds"].values():
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(encoded)))
        levels.append(loudness.loudness(samples, rate))
    np.testing.assert_allclose(levels, levels[0], atol=0.5)  # as far as Vorbis keeps it


def test_the_same_test_is_the_same_sheet_and_another_one_does_not_take_its_folder(folder, tmp_path):
    key = (folder / "key.json").read_text()
    sheet.write(example(), folder, seed=1, origin={"weights": "w"})
    assert (folder / "key.json").read_text() == key
    sheet.write(example(), tmp_path / "b", seed=2)
    assert json.loads((tmp_path / "b" / "key.json").read_text())["sheet"] != json.loads(key)["sheet"]
    with pytest.raises(MusicFusionError, match=r"holds the key of another sheet, .*give another folder"):
        sheet.write(example(items=6), folder)
    assert (folder / "key.json").read_text() == key


def test_what_the_page_is_made_of_is_installed_with_the_package():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packaged = setup["options.package_data"]["musicfusion.render"].split()
    own = {path.name for path in (ROOT / "musicfusion" / "render").iterdir()}
    pages = {name for name in packaged if "/" not in name}
    assert pages == {name for name in own if name.endswith((".html", ".css", ".js"))}


def test_too_much_sound_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(sheet, "SOUND", 20_000)
    with pytest.raises(MusicFusionError, match=r"evaluate\.clips: 13 sounds take .* MB .* ask for fewer"):
        sheet.write(example(), tmp_path / "sheet")
    assert not (tmp_path / "sheet").exists()


def test_the_time_that_a_test_takes_grows_with_what_one_listener_hears():
    short, long = example(3), example(6)
    assert 1 < short.minutes < long.minutes < 3
    louder = Screen(clips=(Clip(method="m", item="0", sound=tone(200, seconds=60)),))
    section = short.sections[0]
    assert len(section.screens) == 9 and len(section.of_form(0)) == 3 and louder.sounds[0].seconds == 60


# In a browser --------------------------------------------------------------------------------------------------------


def begin(window, listener, *answers):
    """Fills in the first screen: the number of the answer to each question about the listener; 0: yes."""
    window.click("#listener")
    window.run("document.getElementById('listener').value = ''")
    window.press(*listener)
    for question, number in enumerate(answers):
        window.click("main fieldset input", 2 * question + number)
    window.click(".steps .main")


def heading(window):
    return window.text("h1")


def test_a_listener_fills_in_the_sheet_and_the_saved_answers_are_read(folder, window, tmp_path):
    window.open(folder / "index.html")
    assert heading(window) == "A test <of listeners>" and "about 2 minutes" in window.text("main")
    window.click(".steps .main")
    assert "enter the number or name" in window.text("#message")
    begin(window, "7", 1, 0)
    assert "Have you learned music theory" in window.text("#message"), "which is not answered yet"
    begin(window, "7", 1, 0, 1)
    assert heading(window) == "Clips" and "Part 1 of 2: 3 screens" in window.text("main")
    window.press("Enter")
    assert heading(window) == "Clips: 1 of 4"

    window.press("p", "4", "2")  # by keys: play, the first question, the second one
    window.press("Enter")
    window.click("button.play")  # by the mouse
    window.click("fieldset:first-of-type input", 2)
    assert window.text("#count") == "1 of 4 done"

    window.reload()
    assert heading(window) == "Clips: 2 of 4" and window.text("#count") == "1 of 4 done"
    assert window.run("return document.querySelector('fieldset input:checked').value") == "3"
    window.press("Enter", "Enter", "Enter")
    assert heading(window) == "Versions: 4 of 4" and window.text(".open .label") == "The original"
    window.press("b", "3", "a", "1")
    window.press("Enter")

    assert heading(window) == "Not finished yet"
    window.click(".steps .main")
    assert "3 screens are incomplete" in window.text("#message") and not [*window.downloads.iterdir()]
    lacking = window.text("ul.incomplete")
    assert "Clips: 2 of 4\nnot answered: maker" in lacking
    assert "Clips: 3 of 4\nnot played; not answered: quality, maker" in lacking
    assert "Versions: 4 of 4\nnot played: clip C; not answered: clip C" in lacking
    window.click("ul.incomplete button", 0)
    window.press("1", "Enter")
    window.press("p", "5", "1", "Enter")
    window.press("Enter")
    window.press("c", "5", "Enter")
    assert heading(window) == "That was all. Thank you!" and window.text("#count") == "4 of 4 done"
    window.click(".steps .main")
    path = window.downloads / "answers-7.json"
    window.wait(path.is_file, "the download")
    assert "Saved as answers-7.json" in window.text("#saved")

    found = listening.read(str(path), str(folder), "example")
    assert found.listeners == {"7": True}
    in_order = json.loads(path.read_text())["order"]
    by_screen = {one.screen: one for one in found.to("rated", "quality")}
    assert [by_screen[screen].value for screen in in_order[:3]] == ["4", "3", "5"]
    makers = {one.screen: one.value for one in found.to("rated", "maker")}
    assert [makers[screen] for screen in in_order[:3]] == ["machine", "human", "human"]
    played = json.loads(path.read_text())["clips"][in_order[3]]
    assert [{one.clip: one.value for one in found.to("compared")}[clip] for clip in played] == ["1", "3", "5"]
    assert all(0 <= one.seconds < 60 for one in found.given) and sum(found.minutes.values()) > 0

    window.click("main .keys button")  # the next listener on this machine
    assert window.run("return document.getElementById('listener').value") == ""
    begin(window, "8", 1, 1, 1)
    assert heading(window) == "Clips" and window.text("#count") == "0 of 4 done"
    other = answered(folder, "8", trained=False)
    both = listening.read(f"{path},{save(other, tmp_path)}", str(folder))
    assert both.listeners == {"7": True, "8": False}


def test_orders_are_balanced_over_listeners_and_the_same_for_one(folder, window):
    window.open(folder / "index.html")
    plans = [window.run("return plan(arguments[0])", str(listener)) for listener in range(1, 19)]
    key = json.loads((folder / "key.json").read_text())
    clip_of = {screen["id"]: screen["clips"][0] for screen in key["sections"][0]["screens"]}
    methods = [tuple(key["clips"][clip_of[screen]]["method"] for screen in one["order"][:3]) for one in plans]
    assert collections.Counter(methods) == dict.fromkeys(itertools.permutations(METHODS), 3)
    assert collections.Counter(one["forms"]["rated"] for one in plans) == {0: 6, 1: 6, 2: 6}
    versions = collections.Counter(tuple(one["clips"][one["order"][3]]) for one in plans)
    assert len(versions) == 6 and {*versions.values()} == {3}, "the clips of one screen, too"
    assert plans[0] == window.run("return plan('1')") and window.run("return plan('anna')") == window.run(
        "return plan('anna')")
    follows = collections.Counter()
    for row in range(4):
        found = window.run("return williams(4, arguments[0])", row)
        assert sorted(found) == [0, 1, 2, 3]
        follows.update(itertools.pairwise(found))
    assert follows == dict.fromkeys(itertools.permutations(range(4), 2), 1)


def test_the_page_fits_a_phone_and_names_its_controls(folder, window):
    window.open(folder / "index.html")
    window.run("begin('9', {instrument: 'no', voice: 'no', theory: 'no'})")
    assert window.run("return views.length") > 6
    window.resize(390, 844)
    for view in range(window.run("return views.length")):
        window.run("show(arguments[0])", view)
        assert window.run("return document.documentElement.scrollWidth <= innerWidth"), view
        unnamed = window.run("""return [...document.querySelectorAll('main :is(button, input)')].filter(
            (one) => !(one.getAttribute('aria-label') || one.closest('label')?.innerText || one.innerText)).length""")
        assert unnamed == 0, view
    window.resize(1100, 900)
