"""The page of the studio in a browser: files in, music out, and everything beside that."""

import io
import json
import os
import re
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from studio_page import FAST, fuse, open_tab, said, take_example, upload, upload_pair, watch

from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, Track
from musicfusion.studio import examples


def download(page, take: int, name: str, folder):
    with page.expect_download() as found:
        page.click(f"[data-take='{take}'] a:text-is('{name}')")
    found.value.save_as(folder / found.value.suggested_filename)
    return folder / found.value.suggested_filename


def drawn(page, mark: str) -> int:
    """Notes of a kind in the roll."""
    return sum(path.count("M") for path in page.eval_on_selector_all(
        f".mf-drawing .mf-{mark}", "paths => paths.map((path) => path.getAttribute('d') ?? '')"))


@pytest.fixture
def fused(visit, tmp_path):
    """A page on which two files were fused."""
    page = visit()
    open_tab(page, FAST)
    upload_pair(page, tmp_path)
    assert re.match(r"take 1, in \d", fuse(page))
    page.wait_for_selector(".mf-player")
    return page


# From files to music -------------------------------------------------------------------------------------------------


def test_two_files_and_a_slider_make_music_that_is_drawn_played_and_downloaded(visit, tmp_path):
    page = visit()
    open_tab(page, FAST)
    upload(page, FAST, {"left": examples.FOLDER / examples.ODE, "right": examples.FOLDER / examples.GRACE})
    page.fill(f"#{FAST}-iterations input[type=number]", "3")
    page.keyboard.press("Tab")
    assert re.match(r"take 1, in \d", fuse(page))
    assert "iterations 3" in page.inner_text("[data-take='1']")
    assert "ode-to-joy.abc, amazing-grace.abc" in page.inner_text("[data-take='1']")

    archive = zipfile.ZipFile(download(page, 1, "all files", tmp_path))
    metadata = json.loads(archive.read("connective_fusion-take-1/metadata.json"))
    assert metadata["controls"]["iterations"] == 3
    assert metadata["inputs"] == {"left": "ode-to-joy.abc", "right": "amazing-grace.abc"}
    changed = metadata["changed"].values()
    assert drawn(page, "new") == sum(part["new"] for part in changed) > 0
    assert drawn(page, "kept") == sum(part["kept"] for part in changed) > 0

    page.click(".mf-player [role=group][aria-label=Version] button >> nth=1")
    assert drawn(page, "gone") == sum(part["gone"] for part in changed) > 0
    assert drawn(page, "new") == 0

    score = midi.read(download(page, 1, "MIDI", tmp_path))
    assert sum(len(track.notes) for track in score.tracks) == sum(part["new"] + part["kept"] for part in changed)
    assert b"<score-partwise" in download(page, 1, "MusicXML", tmp_path).read_bytes()
    for kind in ("WAV", "OGG"):
        samples, rate = soundfile.read(download(page, 1, kind, tmp_path))
        assert len(samples) / rate > 8 and np.abs(samples).max() > 0.05

    with page.expect_response(re.compile(r"/studio/takes/.*\.ogg")) as stem:
        page.click(".mf-play")
    samples, rate = soundfile.read(io.BytesIO(stem.value.body()))
    assert len(samples) / rate > 8 and np.abs(samples).max() > 0.05
    page.wait_for_selector(".mf-play:has-text('Pause')")


@pytest.mark.parametrize("system", [*examples.EXAMPLES])
def test_each_system_makes_music_by_two_clicks(visit, system):
    page = visit()
    open_tab(page, system)
    take_example(page, system)
    assert re.match(r"take 1, in \d", fuse(page, system))
    assert page.locator(".mf-player").is_visible()
    assert page.locator("[data-take='1'] a").count() >= 3


def test_clicks_in_time_give_a_recording_its_tempo(visit):
    page = visit()
    assert not page.locator("#musae-tap").is_visible()
    open_tab(page, "arrangement")
    for _ in range(3):
        page.click("#arrangement-tap")
    page.wait_for_function("document.querySelector('#arrangement-bpm input[type=number]').value >= 30")
    taps = page.evaluate("""() => {
      const now = performance.now, begin = performance.now() + 10000;
      const found = [0, 500, 1000, 1520, 9000, 9750, 9760, 20000].map((time) => {
        performance.now = () => begin + time;
        return musicfusionStudio.tap();
      });
      performance.now = now;
      return found;
    }""")
    nothing = {"__type__": "update"}
    assert taps == [nothing, 120, 120, 118, nothing, 80, 158, nothing]


# Takes ---------------------------------------------------------------------------------------------------------------


def test_locked_bars_stay_when_another_seed_is_fused(fused, tmp_path):
    fused.focus(".mf-player")
    for key in ("Enter", "ArrowRight", "Enter"):
        fused.keyboard.press(key)
    fused.wait_for_selector("#studio-lock :text('The next fusion keeps of take 1: bars 1 to 2, all parts.')")
    seed = fused.input_value(f"#{FAST}-seed input")
    fused.click(f"#{FAST}-another")
    fused.wait_for_function(f"document.querySelector('#{FAST}-seed input').value !== '{seed}'")
    assert fuse(fused).startswith("take 2")
    first, second = (midi.read(download(fused, take, "MIDI", tmp_path)).tracks[0].notes for take in (1, 2))
    np.testing.assert_allclose(second[second[:, 0] < 8], first[first[:, 0] < 8], atol=0.02)
    fused.wait_for_selector("#studio-lock :text('keeps of take 2: bars 1 to 2')")
    fused.click("#studio-lock button")
    fused.wait_for_selector("#studio-lock p", state="detached")
    assert fused.locator(".mf-band").count() == 0


@pytest.fixture
def slow(fused):
    """Holds the first request about takes or locks; those that were made, as their data."""
    asked = []

    def hold_the_first(route):
        said = json.loads(route.request.post_data or "{}").get("event_data") or {}
        asked.extend([(route, said)] if "asked" in said else [])
        if len(asked) != 1 or "asked" not in said:
            route.continue_()

    fused.route("**/queue/join*", hold_the_first)
    return asked


def go_on(page, slow) -> None:
    """Lets the held request go, on which the others wait."""
    page.wait_for_timeout(500)
    assert len(slow) == 1
    slow[0][0].continue_()


def test_bars_locked_while_an_earlier_lock_is_under_way_hold(fused, slow, studio):
    fused.focus(".mf-player")
    for key in ("Enter", "ArrowRight", "Enter", "ArrowRight", "Enter"):
        fused.keyboard.press(key)
    go_on(fused, slow)
    fused.wait_for_selector("#studio-lock :text('keeps of take 1: bars 1 to 3')")
    assert len(slow) == 2  # the first and the last
    again = fused.context.new_page()
    again.goto(studio.address)
    again.wait_for_selector("#studio-lock :text('keeps of take 1: bars 1 to 3')")
    assert again.locator(".mf-sign").get_attribute("aria-label") == "Unlock bars 1 to 3, all parts"


def test_what_is_done_while_an_earlier_thing_is_under_way_is_done_in_order(fused, slow):
    assert fuse(fused).startswith("take 2")
    fused.click("[data-take='1'] .studio-star")
    fused.click("[data-take='2'] .studio-star")
    fused.click("[data-take='1'] .studio-star")
    fused.click("[data-take='1'] button:text-is('Compare')")
    go_on(fused, slow)
    fused.wait_for_selector(".mf-player button:text-is('take 1')")
    assert [said["action"] for _, said in slow] == ["star", "star", "star", "compare"]
    assert fused.get_attribute("[data-take='1'] .studio-star", "aria-pressed") == "false"
    assert fused.get_attribute("[data-take='2'] .studio-star", "aria-pressed") == "true"


def test_an_answer_that_is_lost_does_not_hold_up_what_comes_next(fused, slow):
    fused.focus(".mf-player")
    for key in ("Enter", "ArrowRight", "Enter"):
        fused.keyboard.press(key)
    fused.wait_for_selector("#studio-lock :text('keeps of take 1: bars 1 to 2')")
    assert len(slow) == 2


def test_takes_are_kept_side_by_side_compared_starred_and_deleted(fused):
    fused.fill(f"#{FAST}-iterations input[type=number]", "4")
    assert fuse(fused).startswith("take 2")
    fused.click("[data-take='1'] button:text-is('Compare')")
    versions = fused.locator(".mf-player [role=group][aria-label=Version] button")
    fused.wait_for_selector(".mf-player button:text-is('take 1')")
    assert versions.all_inner_texts()[:2] == ["take 1", "take 2"]
    fused.click("[data-take='1'] .studio-star")
    fused.wait_for_selector("[data-take='1'] .studio-star[aria-pressed=true]")
    fused.reload()
    fused.wait_for_selector("[data-take='1'] .studio-star[aria-pressed=true]")
    fused.click("[data-take='2'] button:text-is('Delete')")
    fused.wait_for_selector("[data-take='2']", state="detached")
    fused.wait_for_selector(".mf-player[aria-label='Player: take 1']")


def test_a_visitor_cannot_fetch_what_another_made_or_sent(fused, visit, studio):
    take = fused.get_attribute("[data-take='1'] a >> nth=0", "href")
    sent = next(studio.folder.rglob("left.abc"))
    other = visit()
    addresses = [f"{studio.address}/{take}", f"{studio.address}/gradio_api/file={sent}"]
    assert [fused.context.request.get(address).status for address in addresses] == [200, 200]
    assert [other.context.request.get(address).status for address in addresses] == [404, 403]
    assert other.locator(".studio-take").count() == 0


# What goes wrong -----------------------------------------------------------------------------------------------------


def test_a_bad_file_is_one_line_and_nothing_is_lost(fused, tmp_path, studio):
    bad = tmp_path / "<img src=x onerror=alert(1)> & ${7*7} {{8*8}}.mid"
    bad.write_bytes(b"MThd and no more")
    fused.fill(f"#{FAST}-iterations input[type=number]", "5")
    fused.click(f"#{FAST}-left button[aria-label*='lear'], #{FAST}-left button[aria-label*='emove']")
    fused.set_input_files(f"#{FAST}-left input[type=file]", bad)
    fused.wait_for_selector(f"#{FAST}-left :text('.mid')")
    line = fuse(fused)
    assert line.count("\n") == 0 and ".mid: MIDI of type 8302; a standard MIDI file" in line
    assert str(studio.folder) not in fused.inner_text("body")
    assert fused.locator("#studio-main img[src=x]").count() == 0
    assert fused.input_value(f"#{FAST}-iterations input[type=number]") == "5"
    assert fused.locator(f"#{FAST}-right :text('right')").first.is_visible()
    assert fused.locator("[data-take='1']").is_visible() and fused.locator(".mf-player").is_visible()
    take_example(fused, FAST)
    assert fuse(fused).startswith("take 2")


def test_inputs_that_are_missing_are_named(visit):
    page = visit()
    assert fuse(page, "collagenet") == "inputs: none given; collagenet takes melody and accompaniment"


def begin_long_song(page, folder, minutes: int) -> None:
    """Asks for the drums of a bass that plays for minutes."""
    notes = np.array([(k, 0.9, 40 + k % 3, 80) for k in range(120 * minutes)], float)
    midi.write(folder / "bass.mid",
               Score((Track("Bass", 33, False, notes),), np.array([[0.0, 120.0]]), ((0.0, 4, 4),), "bass"))
    open_tab(page, "arrangement")
    upload(page, "arrangement", {"source": folder / "bass.mid"})
    watch(page, "arrangement")
    page.click("#arrangement-fuse:enabled")


def test_cancel_works_at_once_and_the_next_fusion_goes_on(visit, tmp_path):
    page = visit()
    begin_long_song(page, tmp_path, 8)
    page.wait_for_selector("#arrangement-status :text('making music: writing drums')")
    began = time.monotonic()
    page.click("#arrangement-cancel")
    page.wait_for_selector("#arrangement-status :text('Cancelled.')")
    assert time.monotonic() - began < 3
    assert page.locator(".studio-take").count() == 0
    open_tab(page, FAST)
    upload_pair(page, tmp_path)
    began = time.monotonic()
    assert fuse(page).startswith("take 1")
    assert time.monotonic() - began < 15  # the drums alone would take longer


def test_what_comes_after_the_end_of_work_is_not_said(visit):
    said = visit().evaluate("""() => {
      const element = document.createElement("div"), props = { data: "null" };
      element.innerHTML = '<div class="studio-status"></div>';
      let changed;
      musicfusionStudio.status(element, props, (name, redraw) => { changed = redraw; }, () => {});
      return ["null", "begun", "busy", "null", "done", "busy", "refused", "begun", "refused", "null"].map((kind) => {
        props.data = kind === "null" ? kind : JSON.stringify({ kind, words: `${kind}!`, share: 0.5 });
        changed();
        return element.innerText + (element.querySelector("progress") ? " ..." : "");
      });
    }""")
    assert said == ["", "begun! ...", "busy! ...", "busy! ...", "done!", "done!", "done!", "begun! ...", "refused!", ""]


def test_who_waits_for_another_may_cancel_that_too(visit, tmp_path):
    first, second = visit(), visit()
    take_example(second, "collagenet")
    begin_long_song(first, tmp_path, 4)
    first.wait_for_selector("#arrangement-status :text('making music')")
    second.click("#collagenet-fuse:enabled")
    second.wait_for_selector("#collagenet-status :text('waiting for its turn')")
    second.click("#collagenet-cancel")
    second.wait_for_selector("#collagenet-status :text('Cancelled.')")
    assert said(first, "arrangement").startswith("take 1")
    second.wait_for_timeout(1000)
    assert second.inner_text("#collagenet-status").strip() == "Cancelled."
    assert second.locator(".studio-take").count() == 0


# For the docs ------------------------------------------------------------------------------------------------------


def test_the_pictures_of_the_docs_can_be_taken(visit, tmp_path):
    folder = Path(os.environ.get("STUDIO_PICTURES", tmp_path))
    for name, system, scheme in (("studio", "collagenet", "light"), ("studio-dark", "musae", "dark"),
                                 ("studio-drums", "arrangement", "light")):
        page = visit(color_scheme=scheme)
        open_tab(page, system)
        take_example(page, system)
        fuse(page, system)
        page.focus(".mf-player")
        for key in ("ArrowRight", "Enter", "ArrowRight", "Enter"):
            page.keyboard.press(key)
        page.wait_for_selector("#studio-lock p:has-text('bars 2 to 3')")
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
        picture.quantize(128).save(folder / f"{name}.png", optimize=True)
        assert 20_000 < (folder / f"{name}.png").stat().st_size < 250_000
