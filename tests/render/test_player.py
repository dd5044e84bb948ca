"""What a player is told: versions, notes with their marks, sounds, bars; and the page that holds it."""

import base64
import dataclasses
import io
import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from musicfusion.codecs.audio import Audio
from musicfusion.codecs.score import Score, Track
from musicfusion.render import audio, page, player
from musicfusion.render.figures import PALETTE
from musicfusion.render.result import SampleResult

PLENTY = 10**8  # bytes
HOSTILE = '</script><b onclick="alert(1)">\'&amp;'


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Sums and sizes are those of the plain synthesiser, whether fluidsynth is installed or not."""
    monkeypatch.setitem(sys.modules, "fluidsynth", None)


def shown(result: SampleResult, **given) -> dict:
    return player.data(result, given.pop("played", {}), most=PLENTY, **given)


def marked(version: dict, mark: str) -> int:
    return sum(note[3] == mark for track in version["tracks"] for note in track["notes"])


def with_tracks(score: Score, *tracks: Track) -> Score:
    return dataclasses.replace(score, tracks=tracks)


# Marks ---------------------------------------------------------------------------------------------------------------


def test_notes_are_marked_by_what_became_of_them_and_the_metadata_counts_the_same(fused, tmp_path):
    new, old = shown(fused)["versions"]
    assert [marked(new, mark) for mark in ("new", "gone")] == [2, 0]
    assert [marked(old, mark) for mark in ("new", "gone")] == [0, 2]
    assert [k for k, note in enumerate(new["tracks"][0]["notes"]) if note[3] == "new"] == [3, 8]
    fused.save(tmp_path, sound=False, notation=False)
    changed = json.loads((tmp_path / "metadata.json").read_text())["changed"]
    melody, rest = (len(track.notes) for track in fused.scores["fused"].tracks)
    assert changed == {"melody": {"kept": melody - 2, "new": 2, "gone": 2},
                       "accompaniment": {"kept": rest, "new": 0, "gone": 0}}, "what moved as a whole is kept"


def test_a_track_of_one_version_alone_is_new_or_gone(chorale):
    melody, rest = chorale.tracks
    before, after = with_tracks(chorale, melody), with_tracks(chorale, rest)
    count, other = len(melody.notes), len(rest.notes)
    assert player.changes(after, before) == {"accompaniment": {"kept": 0, "new": other, "gone": 0},
                                             "melody": {"kept": 0, "new": 0, "gone": count}}
    new, gone = player.compared(after, before)
    assert new[0].all() and gone[0].all()


def test_what_is_kept_is_what_is_not_gone_whichever_way_a_track_was_transposed(chorale):
    for shift in (-3, 2, 12):
        moved = [dataclasses.replace(track, notes=track.notes + [0, 0, shift, 0]) for track in chorale.tracks]
        new, gone = player.compared(with_tracks(chorale, *moved), chorale)
        assert not any(mask.any() for mask in (*new, *gone)), shift


def test_without_a_version_before_all_notes_are_alike(chorale):
    alone = SampleResult(title="x", main="song", scores={"song": chorale}, players={"song": "The chorale"})
    (version,) = shown(alone)["versions"]
    assert marked(version, "kept") == sum(len(track.notes) for track in chorale.tracks)


# Notes, bars, chords -------------------------------------------------------------------------------------------------


def test_notes_lie_where_the_tempo_map_puts_them_and_tracks_keep_their_colours(fused):
    new, old = shown(fused)["versions"]
    for version, score in ((new, fused.scores["fused"]), (old, fused.scores["before"])):
        for track, own, colour in zip(version["tracks"], score.tracks, PALETTE, strict=False):
            assert track["name"] == track["part"] == own.name
            assert track["colour"] == colour and not track["drums"]
            begins, lasts, pitches, _ = zip(*track["notes"], strict=True)
            np.testing.assert_allclose(begins, score.seconds(own.notes[:, 0]), atol=0.0006)
            np.testing.assert_allclose(np.add(begins, lasts), score.seconds(own.notes[:, :2].sum(1)), atol=0.0011)
            assert list(pitches) == own.notes[:, 2].tolist()
        assert version["seconds"] == pytest.approx(score.seconds(score.length))


def test_drums_have_a_lane_for_each_instrument_that_the_result_names_the_highest_first():
    hits = Track("DRUMS", 0, True, np.array([[0.0, 0.1, 36, 90], [1.0, 0.1, 38, 90]]))
    score = Score((hits, Track("bass", 33, False, hits.notes)), np.array([[0.0, 120.0]]), ((0.0, 4, 4),), "song")
    lanes = {name: {36: "kick", 38: "snare", 42: "closed hat"} for name in ("DRUMS", "bass")}
    result = SampleResult(title="x", main="song", scores={"song": score}, players={"song": "x"}, lanes=lanes)
    drums, bass = shown(result)["versions"][0]["tracks"]
    assert drums["lanes"] == [[42, "closed hat"], [38, "snare"], [36, "kick"]] and bass["lanes"] == []
    plain = shown(dataclasses.replace(result, lanes={}))["versions"][0]["tracks"]
    assert [track["lanes"] for track in plain] == [[], []]


def test_bars_follow_the_metres_and_a_pickup_begins_before_the_piece(chorale):
    slowing = dataclasses.replace(chorale, tempos=np.array([[0.0, 60.0], [8.0, 30.0]]),
                                  metres=((0.0, 1, 4), (1.0, 4, 4), (9.0, 3, 4)))
    result = SampleResult(title="x", main="song", scores={"song": slowing}, players={"song": "x"})
    bars = shown(result)["versions"][0]["bars"]
    quarters = [-3, 1, 5, 9, *range(12, 37, 3)]
    assert [quarter for _, quarter in bars] == quarters and chorale.length == 36
    assert [second for second, _ in bars] == [max(0, q) + max(0, q - 8) for q in quarters]


def test_chords_stand_where_they_begin_by_the_result_or_else_by_the_score(fused, chorale):
    beat = 60 / 90
    assert shown(fused)["versions"][0]["chords"] == [
        [0, "A"], [round(2 * beat, 3), "Bm"], [2.0, ""], [round(4 * beat, 3), "A"]]
    own = dataclasses.replace(chorale, chords=((0.0, 9, 9, 1 << 9 | 1 << 1 | 1 << 4), (3.0, 9, 9, 0)))
    result = SampleResult(title="x", main="song", scores={"song": own}, players={"song": "x"})
    assert shown(result)["versions"][0]["chords"] == [[0, "A"], [2.0, ""]]


# Sound ---------------------------------------------------------------------------------------------------------------


def decoded(source: str) -> np.ndarray:
    kind, content = source.split(",", 1)
    assert kind == "data:audio/ogg;base64"
    return soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float32")[0]


def test_the_stems_of_a_version_add_up_to_its_sound(fused):
    played, _ = player.sounds(fused)
    for version in shown(fused, played=played)["versions"]:
        whole = audio.synthesise(fused.scores[version["name"]], player.RATE).samples
        np.testing.assert_allclose(player.mix(played[version["name"]]).samples, whole, atol=1e-6)
        assert [stem["part"] for stem in version["stems"]] == ["melody", "accompaniment"]
        both = sum(decoded(stem["src"]) for stem in version["stems"])
        error = np.sqrt(np.mean((both - whole) ** 2) / np.mean(whole**2))
        assert error < 0.1, "Vorbis, but nothing else"
        assert version["seconds"] == len(whole) / player.RATE


def test_more_than_four_parts_share_stems(chorale):
    tracks = [dataclasses.replace(chorale.tracks[0], name=f"voice {k}") for k in range(6)]
    result = SampleResult(title="x", main="song", scores={"song": with_tracks(chorale, *tracks)}, players={"song": "x"})
    played, _ = player.sounds(result)
    (version,) = shown(result, played=played)["versions"]
    assert [stem["part"] for stem in version["stems"]] == ["voice 0", "voice 1", "voice 2", "others"]
    assert [track["part"] for track in version["tracks"][2:]] == ["voice 2", *["others"] * 3]
    assert [track["name"] for track in version["tracks"]] == [track.name for track in tracks]


def test_where_bytes_are_scarce_several_parts_share_a_stem_and_all_fit(chorale):
    tracks = [*chorale.tracks, dataclasses.replace(chorale.tracks[0], name="third", program=73)]
    score = with_tracks(chorale, *tracks)
    result = SampleResult(title="x", main="a", scores={"a": score, "b": score}, players={"a": "A", "b": "B"})
    played, _ = player.sounds(result)
    found = {}
    for most in (320_000, 250_000, 130_000):
        versions = player.data(result, played, most=most)["versions"]
        found[most] = [[stem["part"] for stem in version["stems"]] for version in versions]
        assert {track["part"] for track in versions[0]["tracks"]} == set(found[most][0])
        assert sum(len(stem["src"]) * 3 / 4 for version in versions for stem in version["stems"]) < most
    assert found == {320_000: [["melody", "accompaniment", "third"]] * 2, 250_000: [["melody", "others"]] * 2,
                     130_000: [["others"]] * 2}


def test_sounds_may_lie_at_addresses_of_their_own_under_names_that_come_from_nowhere(fused, tmp_path):
    melody, rest = fused.scores["fused"].tracks
    odd = with_tracks(fused.scores["fused"], dataclasses.replace(melody, name="../../x"), rest)
    result = dataclasses.replace(fused, scores={"fused": odd, "before": fused.scores["before"]})

    def kept(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return f"/sounds/{name}"

    played, _ = player.sounds(result)
    versions = shown(result, played=played, address=kept)["versions"]
    sources = [stem["src"] for version in versions for stem in version["stems"]]
    assert sources == [f"/sounds/{k}.ogg" for k in range(1, 5)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{k}.ogg" for k in range(1, 5)]
    assert all(path.read_bytes()[:4] == b"OggS" for path in tmp_path.iterdir())
    assert versions[0]["tracks"][0]["part"] == "../../x"


def test_a_recording_has_a_waveform_and_a_spectrogram():
    from PIL import Image

    time = np.arange(player.RATE) / player.RATE
    tone = np.concatenate([0.5 * np.sin(2 * np.pi * 440 * time), 0 * time]).astype(np.float32)
    result = SampleResult(title="x", main="mix", audio={"mix": Audio(tone)}, players={"mix": "Mix"})
    played, _ = player.sounds(result)
    (version,) = shown(result, played=played)["versions"]
    assert version["seconds"] == 2 and version["tracks"] == [] == version["bars"]
    assert len(version["peaks"]) == player.PEAKS
    np.testing.assert_allclose(version["peaks"], np.repeat([0.5, 0], player.PEAKS // 2), atol=0.03)
    kind, content = version["picture"].split(",", 1)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("L"), float)
    assert kind == "data:image/jpeg;base64" and picture.shape[0] == player.BANDS
    left, right = np.hsplit(picture, [picture.shape[1] // 2 + 2])
    assert left.mean() > 2 * right.mean(), "silence is dark"
    high, low = np.vsplit(left, 2)
    assert low.mean() > high.mean()


def test_without_sound_the_notes_are_shown_all_the_same(fused):
    played, notices = player.sounds(fused, play=False)
    assert played == {} and notices == []
    assert all(version["stems"] == [] and version["tracks"] for version in shown(fused)["versions"])


# In a page -----------------------------------------------------------------------------------------------------------


class Scripts(HTMLParser):
    """All start tags, and what stands in scripts of data."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.data: list[str] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.inside = tag == "script" and ("type", "application/json") in attributes

    def handle_data(self, data):
        if self.inside:
            self.data.append(data)
            self.inside = False


def test_no_name_ends_the_script_that_it_stands_in(fused, tmp_path):
    score = fused.scores["fused"]
    hostile = with_tracks(score, *(dataclasses.replace(track, name=HOSTILE) for track in score.tracks))
    result = SampleResult(title=HOSTILE, main="song", scores={"song": hostile}, players={"song": HOSTILE},
                          chords={"song": [HOSTILE]})
    index, _ = result.save(tmp_path, sound=False, notation=False)
    found = Scripts(index.read_text())
    (text,) = found.data
    data = json.loads(text)
    assert "<" not in text and found.tags.count("script") == 2 and "b" not in found.tags
    assert data == shown(result) and data["title"] == data["versions"][0]["label"] == HOSTILE
    assert {track["name"] for track in data["versions"][0]["tracks"]} == {HOSTILE}


def test_the_page_lets_no_script_run_but_its_own(fused, tmp_path):
    index, _ = fused.save(tmp_path, sound=False, notation=False)
    text = index.read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split(";")[1]


def test_a_page_has_its_program_once_and_without_a_player_not_at_all(fused, tmp_path):
    one = page.Player(shown(fused))
    assert page.fragment([one, one], tmp_path).count("<script>") == 1
    assert "script" not in page.fragment([page.Text("text")], tmp_path)
    nothing = SampleResult(title="x", main="song", scores=fused.scores, players={})
    assert "mf-place" not in nothing.save(tmp_path / "out", sound=False, notation=False)[0].read_text()


def test_a_song_of_five_thousand_notes_takes_less_than_two_hundred_kilobytes(chorale):
    times = 31
    tracks = [dataclasses.replace(track, notes=np.concatenate([track.notes + [36 * k, 0, 0, 0] for k in range(times)]))
              for track in chorale.tracks]
    result = SampleResult(title="x", main="song", scores={"song": with_tracks(chorale, *tracks)}, players={"song": "x"})
    data = shown(result)
    assert marked(data["versions"][0], "kept") > 5000
    assert len(json.dumps(data, separators=(",", ":"), allow_nan=False)) < 200_000
