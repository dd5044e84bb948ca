"""The player in a browser, as listeners use it: by mouse and by keys, on wide and narrow screens, in light and dark."""

import dataclasses
import itertools
import json
import re

import numpy as np
import pytest
from browser import CONTRASTS

from musicfusion.codecs.audio import Audio
from musicfusion.codecs.score import Score, Track
from musicfusion.render import page, player
from musicfusion.render.result import SampleResult

HOSTILE = '<b onclick="alert(1)">x</b>'
PLACE = "document.querySelector('.mf-place')"
SCREENS = [(1100, 900), (360, 740)]


@pytest.fixture(scope="module")
def folder(fused, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    fused.save(folder, notation=False)
    return folder


@pytest.fixture
def opened(window, folder):
    """The page of a result, as it is written."""
    window.resize(*SCREENS[0])
    window.open(folder / "index.html")
    return window


def with_locks(window):
    """A page whose player has locks; what it tells is kept in `told`."""
    window.run(f"""const place = {PLACE};
        place.player.destroy();
        window.told = [];
        place.parentElement.addEventListener("musicfusion-lock", (event) => told.push(event.detail.spans));
        const data = JSON.parse(place.querySelector("script").textContent);
        place.player = musicfusionPlayer(place.querySelector("div"), data, {{ lockable: true }});""")
    return window


@pytest.fixture
def lockable(opened):
    """The same player with locks."""
    return with_locks(opened)


def state(window):
    return window.run(f"return {PLACE}.player.state()")


def listen(window):
    """From now on `loudness` measures what is sent to the loudspeakers."""
    window.run("""const { connect } = AudioNode.prototype;
        AudioNode.prototype.connect = function (to, ...more) {
          if (to === this.context.destination) connect.call(this, window.meter ??= new AnalyserNode(this.context));
          return connect.call(this, to, ...more);
        };""")


def loudness(window):
    return window.run("""const samples = new Float32Array(meter.fftSize);
        meter.getFloatTimeDomainData(samples);
        return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);""")


def gains(window):
    return {(version, part): gain for version, part, gain in state(window)["gains"]}


def play(window):
    window.click(".mf-play")
    window.wait(lambda: state(window)["position"] > 0.1, "sound")


def bar_at(window, bar):
    """The middle of a bar in the window: x, y."""
    begin, end = window.run(f"""const {{ bars }} = JSON.parse({PLACE}.querySelector("script").textContent).versions[0];
        return [bars[arguments[0]][0], bars[arguments[0] + 1][0]];""", bar)
    left, top = corner(window)
    return left + (begin + end) / 2 * state(window)["zoom"], top + 90


def corner(window):
    """Where the roll begins in the window: x, y."""
    return window.run("const { x, y } = document.querySelector('.mf-sheet').getBoundingClientRect(); return [x, y]")


# Sound ---------------------------------------------------------------------------------------------------------------


def test_the_page_opens_without_an_error_and_loads_nothing_but_itself(opened, folder):
    assert opened.errors == [] and opened.requests == [(folder / "index.html").as_uri()]
    assert state(opened)["sound"] == "not loaded" and opened.text(".mf-play") == "Load and play"
    assert opened.run("return document.querySelectorAll('audio').length") == 0


def test_playing_moves_time_and_playhead_and_pausing_stops_them(opened):
    play(opened)
    first = state(opened)
    assert first["playing"] and first["sound"] == "ready" and opened.text(".mf-play") == "Pause"
    opened.wait(lambda: state(opened)["position"] > first["position"] + 0.2, "time to pass")
    later = state(opened)
    assert later["position"] - first["position"] == pytest.approx(later["clock"] - first["clock"], abs=0.02)
    assert opened.run("return new DOMMatrix(getComputedStyle(document.querySelector('.mf-playhead')).transform).e") > 0
    opened.click(".mf-play")
    paused = state(opened)
    opened.page.wait_for_timeout(100)
    assert not paused["playing"] and state(opened)["position"] == paused["position"] > later["position"]
    assert opened.errors == []


def test_another_version_goes_on_at_the_same_time_and_is_the_only_one_that_is_heard(opened):
    play(opened)
    begun = state(opened)
    opened.click(".mf-group[aria-label=Version] button", 1)
    then = state(opened)
    assert then["version"] == "before" and then["playing"]
    assert then["position"] - begun["position"] == pytest.approx(then["clock"] - begun["clock"], abs=0.02), "no gap"
    expected = {("fused", part): 0 for part in ("melody", "accompaniment")} | {
        ("before", part): 1 for part in ("melody", "accompaniment")}
    opened.wait(lambda: gains(opened) == expected, "the volumes to change")
    opened.press("b")
    assert state(opened)["version"] == "fused" and state(opened)["playing"]
    pressed = opened.run("return [...document.querySelectorAll('.mf-group[aria-label=Version] button')].map("
                         "(one) => one.getAttribute('aria-pressed'))")
    assert pressed == ["true", "false"]


def test_parts_are_muted_and_heard_alone_in_every_version(opened):
    listen(opened)
    play(opened)
    opened.wait(lambda: loudness(opened) > 0.01, "all of it")
    opened.click("button[aria-label='Mute melody']")
    opened.wait(lambda: gains(opened)["fused", "melody"] == 0, "the melody to be silent")
    assert gains(opened)["fused", "accompaniment"] == 1 and state(opened)["muted"] == ["melody"]
    opened.click("button[aria-label='Mute accompaniment']")
    opened.wait(lambda: loudness(opened) == 0, "silence")
    opened.click("button[aria-label='Mute accompaniment']")
    opened.wait(lambda: loudness(opened) > 0.01, "the accompaniment")
    opened.press("b")
    opened.wait(lambda: gains(opened)["before", "accompaniment"] == 1, "the other version")
    assert gains(opened)["before", "melody"] == 0
    opened.click("button[aria-label='Solo melody']")
    opened.wait(lambda: gains(opened)["before", "melody"] == 1, "the melody alone")
    assert gains(opened)["before", "accompaniment"] == 0
    opened.click("button[aria-label='Solo melody']")
    opened.click("button[aria-label='Mute melody']")
    opened.wait(lambda: gains(opened)["before", "accompaniment"] == gains(opened)["before", "melody"] == 1, "all")


def test_keys_play_and_go_bar_by_bar(opened):
    bar = 4 * 60 / 90
    opened.page.locator(".mf-player").focus()
    opened.press("ArrowRight", "ArrowRight")
    assert state(opened)["position"] == pytest.approx(2 * bar, abs=0.001)
    assert opened.page.get_attribute(".mf-slider", "aria-valuetext") == "bar 3, 0:05"
    opened.press("ArrowLeft")
    assert state(opened)["position"] == pytest.approx(bar, abs=0.001)
    opened.press("Space")
    opened.wait(lambda: state(opened)["position"] > bar + 0.1, "sound")
    opened.press("Space")
    assert not state(opened)["playing"]
    opened.click("button[aria-label='Mute melody']")
    opened.press("Space")
    assert state(opened)["muted"] == [] and not state(opened)["playing"], "a button keeps its keys"


def test_a_click_on_the_roll_goes_there(opened):
    opened.page.mouse.click(*bar_at(opened, 4))
    assert state(opened)["position"] == pytest.approx(4.5 * 4 * 60 / 90, abs=0.05)
    assert opened.page.get_attribute(".mf-slider", "aria-valuetext") == "bar 5, 0:12"


def test_only_one_player_of_a_page_is_heard(opened):
    opened.run(f"""const data = JSON.parse({PLACE}.querySelector("script").textContent);
        window.other = musicfusionPlayer(document.body.appendChild(document.createElement("div")), data);""")
    play(opened)
    opened.run("other.play()")
    opened.wait(lambda: opened.run("return other.state().playing"), "the other player")
    assert not state(opened)["playing"]
    opened.run("other.destroy()")
    assert opened.page.locator(".mf-player").count() == 1


def test_what_cannot_be_decoded_is_said_in_a_line_and_the_roll_still_works(opened):
    opened.run(f"""const place = {PLACE};
        const data = JSON.parse(place.querySelector("script").textContent);
        data.versions[0].stems[0].src = "data:audio/ogg;base64,T2dnUw==";
        place.player.destroy();
        place.player = musicfusionPlayer(place.querySelector("div"), data);""")
    assert opened.text(".mf-message") == ""
    opened.click(".mf-play")
    opened.wait(lambda: state(opened)["sound"] == "failed", "the failure")
    assert opened.text(".mf-message") == "The sound (OGG Vorbis) cannot be loaded or decoded."
    opened.press("b", "ArrowRight")
    assert state(opened)["version"] == "before" and opened.text(".mf-play") == "Load again"
    assert opened.page.locator(".mf-gone").count() > 0 and opened.errors == []


# Drawing -------------------------------------------------------------------------------------------------------------


def drawn(window, mark):
    """How many notes are drawn with a mark."""
    return window.run("""return [...document.querySelectorAll(`.mf-drawing .mf-${arguments[0]}`)].reduce(
        (sum, path) => sum + path.getAttribute("d").split("M").length - 1, 0)""", mark)


def test_as_many_notes_are_drawn_new_and_gone_as_the_metadata_says(opened, folder):
    changed = json.loads((folder / "metadata.json").read_text())["changed"].values()
    assert [drawn(opened, mark) for mark in ("new", "kept", "gone")] == [
        sum(counts["new"] for counts in changed), sum(counts["kept"] for counts in changed), 0]
    opened.press("Tab", "b")
    assert drawn(opened, "gone") == sum(counts["gone"] for counts in changed) == 2 and drawn(opened, "new") == 0
    new, gone = (opened.run("""const one = document.createElementNS("http://www.w3.org/2000/svg", "path");
        one.setAttribute("class", `mf-note mf-${arguments[0]}`);
        document.querySelector(".mf-drawing").append(one);
        const { strokeDasharray, strokeWidth, fillOpacity } = getComputedStyle(one);
        return [strokeDasharray, parseFloat(strokeWidth), Number(fillOpacity)]""", mark) for mark in ("new", "gone"))
    assert new[0] == "none" and new[1] > 1 and new[2] == 1, "strong and outlined"
    assert gone[0] != "none" and gone[2] < 0.2, "hollow and dashed"


def test_bars_octaves_and_chords_are_named(opened):
    texts = opened.run("return [...document.querySelectorAll('.mf-roll text')].map((one) => one.textContent)")
    assert texts[:3] == ["C3", "C4", "C5"] and texts[3:] == [*map(str, range(1, 10)), "A", "Bm", "A"]


def test_the_zoom_keeps_its_place_and_a_whole_song_fits(opened):
    width, whole = opened.run("""const { clientWidth, scrollWidth } = document.querySelector(".mf-scroll");
        return [clientWidth, scrollWidth]""")
    assert whole == width, "a short piece is shown whole"
    opened.resize(700, 900)
    opened.wait(lambda: state(opened)["zoom"] == 30, "the zoom at which it is scrolled")
    opened.resize(*SCREENS[0])
    opened.wait(lambda: state(opened)["zoom"] > 30, "the zoom at which it is whole again")
    for _ in range(3):
        opened.click("button[aria-label='Zoom in']")
    x, y = bar_at(opened, 1)
    before = (x - corner(opened)[0]) / state(opened)["zoom"]
    opened.page.mouse.move(x, y)
    opened.page.keyboard.down("Control")
    opened.page.mouse.wheel(0, -200)
    opened.page.keyboard.up("Control")
    after = (x - corner(opened)[0]) / state(opened)["zoom"]
    assert after == pytest.approx(before, abs=0.02) and opened.run("return devicePixelRatio") == 1
    assert opened.run("return document.querySelector('.mf-scroll').scrollWidth") > 2 * width
    for _ in range(9):
        opened.click("button[aria-label='Zoom out']")
    assert opened.run("return document.querySelector('.mf-scroll').scrollWidth") == width


def test_a_song_of_five_thousand_notes_is_drawn_in_a_blink(window, chorale, tmp_path):
    tracks = [dataclasses.replace(track, notes=np.concatenate([track.notes + [36 * k, 0, 0, 0] for k in range(31)]))
              for track in chorale.tracks]
    result = SampleResult(title="Long", main="song", players={"song": "Long"},
                          scores={"song": dataclasses.replace(chorale, tracks=tuple(tracks))})
    window.open(result.save(tmp_path, sound=False, notation=False)[0])
    assert drawn(window, "kept") > 5000 and window.text(".mf-play") == "No sound"
    assert window.page.locator(".mf-drawing *").count() < 1500
    assert state(window)["drawn"] < 1000, "milliseconds; measured: 25"


def test_a_recording_is_a_waveform_before_its_spectrogram(window, tmp_path):
    samples = np.sin(np.arange(20 * player.RATE) / 20).astype(np.float32)
    result = SampleResult(title="Sounds", main="mix", audio={"mix": Audio(samples), "part": Audio(samples / 2)},
                          players={"mix": "Mix", "part": "Part"})
    window.resize(*SCREENS[0])
    window.open(result.save(tmp_path)[0])
    wave, picture = (window.page.locator(f".mf-drawing {kind}").bounding_box() for kind in (".mf-wave", "image"))
    assert wave["width"] == pytest.approx(picture["width"], abs=1) and wave["y"] + wave["height"] <= picture["y"] + 1
    window.press("Tab", "ArrowRight")
    assert state(window)["position"] == 5 and window.page.get_attribute(".mf-slider", "aria-valuetext") == "0:05"
    play(window)
    window.press("b")
    window.wait(lambda: gains(window) == {("mix", "mix"): 0, ("part", "part"): 1}, "the other sound")
    assert window.errors == []


def test_names_stay_text(window, chorale, tmp_path):
    tracks = [dataclasses.replace(track, name=HOSTILE) for track in chorale.tracks]
    result = SampleResult(title=HOSTILE, main="song", players={"song": HOSTILE}, chords={"song": [HOSTILE]},
                          scores={"song": dataclasses.replace(chorale, tracks=tuple(tracks))})
    window.open(result.save(tmp_path, sound=False, notation=False)[0])
    assert window.page.locator("b").count() == 0 and window.errors == []
    assert HOSTILE in window.text(".mf-label") and HOSTILE in window.text(".mf-part")
    assert window.page.locator(".mf-chord").first.text_content() == HOSTILE


# Locks ---------------------------------------------------------------------------------------------------------------


def told(window):
    return window.run("return told.at(-1)")


def test_bars_are_locked_by_dragging_over_them_and_freed_by_their_sign(lockable):
    lockable.drag(bar_at(lockable, 1), bar_at(lockable, 3))
    assert told(lockable) == [[4, 16, None]] == lockable.run(f"return {PLACE}.player.locked()")
    assert state(lockable)["position"] == 0, "dragging does not go there"
    lockable.page.select_option(".mf-player select", label="melody")
    lockable.drag(bar_at(lockable, 6), bar_at(lockable, 5))
    assert told(lockable) == [[4, 16, None], [20, 28, "melody"]]
    assert lockable.page.locator(".mf-band").count() == 2
    band, sign = (lockable.page.locator(kind).first.bounding_box() for kind in (".mf-band", ".mf-sign"))
    assert band["x"] == pytest.approx(sign["x"], abs=2) and sign["y"] + sign["height"] <= band["y"] + 1
    assert lockable.page.get_attribute(".mf-sign >> nth=1", "aria-label") == "Unlock bars 6 to 7, melody"
    lockable.click(".mf-sign")
    assert told(lockable) == [[20, 28, "melody"]]
    lockable.drag(bar_at(lockable, 5), bar_at(lockable, 6))
    assert told(lockable) == [], "what is locked already is freed by dragging again"


@pytest.fixture
def drummed(window, tmp_path):
    """A player with locks of a bass in eight bars, its drums in lanes, and a recording."""
    bass = Track("Low", 33, False, np.array([[k, 1.0, 40 + k % 3, 80] for k in range(32)], float))
    hits = Track("DRUMS", 0, True, np.array([[k, 0.1, (36, 38)[k % 2], 80] for k in range(32)], float))
    score = Score((bass, hits), np.array([[0.0, 120.0]]), ((0.0, 4, 4),), "song")
    tone = Audio(np.sin(np.arange(22050) / 20).astype(np.float32), 22050)
    result = SampleResult(title="Drums", main="song", scores={"song": score}, audio={"kit": tone},
                          players={"song": "With drums", "kit": "The kit"},
                          lanes={"DRUMS": {36: "kick", 38: "snare", 51: "ride"}})
    window.resize(*SCREENS[0])
    window.open(result.save(tmp_path, sound=False, notation=False)[0])
    return with_locks(window)


def lane_at(window, name, bar):
    """The middle of a bar in a lane of drums."""
    box = window.page.locator(f".mf-keys text:text-is('{name}')").bounding_box()
    return bar_at(window, bar)[0], box["y"] + box["height"] / 2


def test_one_drum_is_locked_by_dragging_in_its_lane_or_by_its_name(drummed):
    assert drummed.page.locator(".mf-keys text").all_text_contents()[-3:] == ["ride", "snare", "kick"]
    drummed.drag(lane_at(drummed, "snare", 1), lane_at(drummed, "snare", 2))
    drummed.page.select_option(".mf-player select", label="ride")
    drummed.page.locator(".mf-player").focus()
    drummed.press("Enter")
    assert told(drummed) == [[0, 4, "ride"], [4, 12, "snare"]], "also one that is silent"
    for name, number in (("ride", 0), ("snare", 1)):
        band = drummed.page.locator(".mf-band").nth(number).bounding_box()
        assert band["y"] < lane_at(drummed, name, 1)[1] < band["y"] + band["height"] < band["y"] + 24
    assert drummed.page.get_attribute(".mf-sign >> nth=1", "aria-label") == "Unlock bars 2 to 3, snare"
    x, _ = bar_at(drummed, 4)
    top = drummed.page.locator(".mf-sheet").bounding_box()["y"]
    drummed.page.select_option(".mf-player select", label="DRUMS")
    drummed.drag((x, top + 30), (x + 9, top + 30))
    assert told(drummed)[-1] == [16, 20, "DRUMS"], "beside the lanes the menu says what is locked"
    drummed.drag(lane_at(drummed, "snare", 1), lane_at(drummed, "snare", 2))
    assert told(drummed) == [[0, 4, "ride"], [16, 20, "DRUMS"]]


def test_in_a_recording_among_the_versions_nothing_can_be_locked(drummed):
    drummed.click(".mf-player button:text-is('The kit')")
    assert not drummed.page.locator(".mf-player select").is_visible()
    assert not drummed.page.locator(".mf-keys text").first.is_visible()
    drummed.drag((300, 300), (500, 300))
    assert told(drummed) is None and drummed.errors == []
    drummed.click(".mf-player button:text-is('With drums')")
    assert drummed.page.locator(".mf-player select").is_visible()


def test_bars_are_locked_by_keys_and_by_a_button(lockable):
    lockable.page.locator(".mf-player").focus()
    lockable.press("ArrowRight", "Enter", "ArrowRight", "Enter", "ArrowRight", "Enter")
    assert told(lockable) == [[4, 16, None]], "neighbours are one span"
    lockable.press("ArrowLeft", "Enter")
    assert told(lockable) == [[4, 8, None], [12, 16, None]]
    lock = lockable.page.get_by_role("button", name="Lock bar 3", exact=True)
    assert lock.get_attribute("aria-pressed") == "false"
    lock.click()
    assert told(lockable) == [[4, 16, None]] and lock.get_attribute("aria-pressed") == "true"
    assert len(lockable.run("return told")) == 5


def test_what_is_locked_from_the_beginning_is_shown_and_a_plain_player_locks_nothing(lockable):
    lockable.run(f"""const place = {PLACE};
        const data = JSON.parse(place.querySelector("script").textContent);
        place.player.destroy();
        data.locked = [[8, 12, "accompaniment"]];
        place.player = musicfusionPlayer(place.querySelector("div"), data, {{ lockable: true }});""")
    assert lockable.run(f"return {PLACE}.player.locked()") == [[8, 12, "accompaniment"]]
    assert lockable.page.get_attribute(".mf-sign", "aria-label") == "Unlock bar 3, accompaniment"
    lockable.reload()
    lockable.drag(bar_at(lockable, 1), bar_at(lockable, 3))
    lockable.press("Enter")
    assert lockable.run(f"return {PLACE}.player.locked()") == [] and lockable.page.locator(".mf-sign").count() == 0


# Looks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SCREENS, ids=str)
def test_nothing_overflows_or_overlaps_and_every_control_has_a_name(lockable, size):
    lockable.resize(*size)
    lockable.page.locator(".mf-player").focus()
    lockable.press("Enter")
    assert lockable.run("return document.documentElement.scrollWidth") <= size[0]
    controls = lockable.page.locator(".mf-player :is(button, input, select, .mf-time, .mf-sample, .mf-help)")
    boxes = [box for box in (one.bounding_box() for one in controls.all()) if box]
    assert len(boxes) > 15
    for one, other in itertools.combinations(boxes, 2):
        apart = (one["x"] + one["width"] <= other["x"] + 0.5 or other["x"] + other["width"] <= one["x"] + 0.5
                 or one["y"] + one["height"] <= other["y"] + 0.5 or other["y"] + other["height"] <= one["y"] + 0.5)
        assert apart, (one, other)
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= size[0] for box in boxes)
    unnamed = lockable.run("""return [...document.querySelectorAll(".mf-player :is(button, input, select)")].filter(
        (one) => !(one.getAttribute("aria-label") || one.closest("label")?.innerText || one.innerText)).length""")
    assert unnamed == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_borders_of_buttons_stand_out_from_what_is_behind_them(lockable, scheme):
    lockable.page.locator(".mf-player").focus()
    lockable.press("Enter")
    lockable.prefer(scheme)
    found = lockable.page.evaluate(CONTRASTS, ".mf-player")
    lockable.prefer("light")
    assert len(found) > 30
    assert [row for row in found if row[2] < row[3]] == []


def test_a_notebook_has_a_player_in_each_cell_and_says_where_scripts_do_not_run(fused, window, tmp_path):
    cells = [page.fragment([page.Player(player.data(fused, {}, most=1))], tmp_path, links=False) for _ in range(2)]
    assert all(re.search(r"<div><p>The player needs JavaScript: run this cell", cell) for cell in cells)
    (tmp_path / "cells.html").write_text("<!doctype html><meta charset='utf-8'>" + "".join(cells))
    window.open(tmp_path / "cells.html")
    assert window.page.locator(".mf-player").count() == 2 and window.errors == []
    assert "needs JavaScript" not in window.text("body")
