"""Takes of a visitor: kept side by side, shown, compared, locked, downloaded."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
import soundfile

from musicfusion.codecs import midi
from musicfusion.codecs.audio import Audio
from musicfusion.codecs.score import Score, Track, from_notes
from musicfusion.core.errors import MusicFusionError
from musicfusion.render.result import SampleResult
from musicfusion.studio import takes
from musicfusion.studio.takes import Downloads, Visitor, Visitors
from musicfusion.studio.uploads import Uploads
from musicfusion.studio.view import lock_data, takes_data


def song(*pitches: int, name: str = "song") -> Score:
    """Quarters in 4/4, at 240 a minute."""
    notes = np.array([[4 * k, 4, pitch] for k, pitch in enumerate(pitches)])
    return Score((from_notes("melody", 0, notes),), np.array([[0.0, 240.0]]), ((0.0, 4, 4),), name)


def result(*pitches: int, path: str = "tune.mid", notices: tuple[str, ...] = ()) -> SampleResult:
    """A fused song whose tune was C D E F | G A B C."""
    before = song(60, 62, 64, 65, 67, 69, 71, 72)
    return SampleResult(
        title="Fused", main="fused", scores={"fused": song(*pitches), "before": before},
        players={"fused": "The fused song", "before": "As it was"}, notices=notices,
        metadata={"system": "collagenet", "controls": {"pitch": 0.5}, "inputs": {"melody": path}, "seed": 3})


@pytest.fixture(scope="module")
def uploads():
    found = Uploads((".mid",))
    yield found
    found.remove()


@pytest.fixture(scope="module")
def made(uploads):
    path = f"{uploads.folder}/{'0a' * 32}/my <b>tune.mid"
    of = result(60, 62, 64, 65, 67, 69, 71, 74, path=path, notices=(f"{path}: two notes were dropped",))
    return takes.make(1, system="collagenet", weights="collagenet-lite", files={"melody": path},
                      controls={"pitch": 0.5, "rhythm": 0.25}, seed=3, result=of, uploads=uploads)


def visitor_with(made, count: int) -> Visitor:
    visitor = Visitor()
    for _ in range(count):
        number = visitor.next
        visitor.add(dataclasses.replace(made, number=number, token=f"token-{number}"))
    return visitor


# A take --------------------------------------------------------------------------------------------------------------


def test_a_take_is_played_and_counts_what_was_kept(made):
    assert made.rows == [("melody", 7, 1, 1)]
    sources = [stem["src"] for version in made.data["versions"] for stem in version["stems"]]
    assert sorted(sources) == sorted(f"studio/takes/{made.token}/{name}" for name in made.sounds)
    for content in made.sounds.values():
        samples, rate = soundfile.read(io.BytesIO(content))
        assert len(samples) / rate > 2 and np.abs(samples).max() > 0.01


def test_nothing_of_a_take_names_the_folder_of_uploads(made, uploads):
    shown = json.dumps([made.data, made.files, made.notices, takes_data(visitor_with(made, 1))])
    assert str(uploads.folder) not in shown and "my <b>tune.mid: two notes were dropped" in made.notices
    assert made.files == {"melody": "my <b>tune.mid"}
    assert str(uploads.folder) in made.result.metadata["inputs"]["melody"]  # what locks are checked by


def test_downloads_are_made_when_asked_for_and_can_be_read_back(made, uploads, tmp_path):
    downloads = Downloads(uploads)
    (tmp_path / "a.mid").write_bytes(downloads(made, "mid"))
    np.testing.assert_array_equal(midi.read(tmp_path / "a.mid").tracks[0].notes[:, 2], [60, 62, 64, 65, 67, 69, 71, 74])
    assert b"<score-partwise" in downloads(made, "musicxml")
    for kind in ("wav", "ogg"):
        assert np.abs(soundfile.read(io.BytesIO(downloads(made, kind)))[0]).max() > 0.01
    archive = zipfile.ZipFile(io.BytesIO(downloads(made, "zip")))
    metadata = json.loads(archive.read("collagenet-take-1/metadata.json"))
    assert metadata["changed"] == {"melody": {"kept": 7, "new": 1, "gone": 1}}
    assert metadata["inputs"] == {"melody": "my <b>tune.mid"}
    assert {f"collagenet-take-1/fused.{kind}" for kind in ("mid", "musicxml", "wav", "ogg")} <= set(archive.namelist())
    for name in archive.namelist():
        assert str(uploads.folder).encode() not in archive.read(name)
    with pytest.raises(MusicFusionError, match="take 1 has no such file"):
        downloads(made, "exe")
    assert not [path for path in uploads.folder.iterdir() if path.name != "examples"]


# A visitor -----------------------------------------------------------------------------------------------------------


def test_the_latest_take_is_shown_and_others_are_kept(made):
    visitor = visitor_with(made, 3)
    assert [take["number"] for take in takes_data(visitor)] == [3, 2, 1]
    assert visitor.shown == (3,)
    visitor.show(1)
    assert takes.player_data(visitor)["title"] == "take 1"
    visitor.delete(1)
    assert visitor.shown == (3,) and visitor.find(1) is None
    visitor.delete(3)
    visitor.delete(2)
    assert takes.player_data(visitor) is None and takes_data(visitor) == []


def test_what_a_take_was_made_with_is_said(made):
    said = takes_data(visitor_with(made, 1))[0]
    assert said["settings"] == "rhythm 0.25, seed 3, collagenet-lite"
    assert said["kept"] == ["melody: 88% of the notes kept, 1 new"]
    assert [one["name"] for one in said["downloads"]] == ["MIDI", "MusicXML", "WAV", "OGG", "all files"]


def test_of_too_many_takes_the_oldest_without_a_star_goes(made):
    visitor = visitor_with(made, takes.MOST)
    visitor.star(1)
    said = visitor.add(dataclasses.replace(made, number=visitor.next))
    assert "take 2 was let go" in said
    assert visitor.find(1).starred and visitor.find(2) is None and len(visitor.takes) == takes.MOST


def test_two_takes_are_compared_with_what_they_were_made_of(made):
    visitor = visitor_with(made, 3)
    visitor.compare(1)
    data = takes.player_data(visitor)
    assert [version["label"] for version in data["versions"]] == ["take 1", "take 3", "As it was"]
    assert not data["lockable"] and visitor.base is None
    visitor.show(3)
    assert takes.player_data(visitor)["lockable"]


def test_what_is_locked_is_kept_of_the_take_that_is_shown(made):
    visitor = visitor_with(made, 1)
    assert visitor.locked("collagenet") is None
    visitor.lock([[0, 4, None], [4, 8, "melody"]])
    locked = visitor.locked("collagenet")
    assert locked.result is made.result and locked.spans == ((0.0, 4.0, None), (4.0, 8.0, "melody"))
    assert visitor.locked("musae") is None
    assert lock_data(visitor)["words"] == (
        "The next fusion keeps of take 1: bar 1, all parts; bar 2, melody.")
    visitor.add(dataclasses.replace(made, number=visitor.next))
    assert visitor.spans and visitor.base.number == 2  # the new take has the same notes there
    visitor.show(1)
    assert not visitor.spans and lock_data(visitor) == {"words": ""}


def test_a_lane_of_drums_is_locked_alone_also_where_the_main_result_is_a_recording(made, uploads):
    hits = Track("DRUMS", 0, True, np.array([[k, 0.1, (36, 38)[k % 2], 80] for k in range(8)], float))
    low = Track("low", 33, False, np.array([[0.0, 8.0, 40, 80]]))
    score = Score((low, hits), np.array([[0.0, 240.0]]), ((0.0, 4, 4),), "song")
    tone = Audio(np.sin(np.arange(22050) / 20).astype(np.float32), 22050)
    of = SampleResult(title="Drums", main="mix", scores={"song": score}, audio={"mix": tone},
                      players={"mix": "All", "song": "As notes"}, lanes={"DRUMS": {36: "kick", 38: "snare"}})
    take = takes.make(1, system="arrangement", weights="w", files={}, controls={}, seed=0, result=of, uploads=uploads)
    visitor = Visitor()
    visitor.add(take)
    visitor.lock([[0, 4, "snare"], [4, 8, "DRUMS"], [0, 4, None]])
    assert visitor.locked("arrangement").spans == ((0.0, 4.0, "snare"), (4.0, 8.0, "DRUMS"), (0.0, 4.0, None))
    assert lock_data(visitor)["words"] == (
        "The next fusion keeps of take 1: bar 1, snare; bar 2, DRUMS; bar 1, all parts.")
    with pytest.raises(MusicFusionError, match="there are the parts DRUMS, kick, low, snare"):
        visitor.lock([[0, 4, "ride"]])
    assert take.kinds == ["mid", "musicxml", "wav", "ogg", "zip"]
    assert Downloads(uploads)(take, "mid").startswith(b"MThd")


def test_locked_bars_can_be_taken_from_another_take(made):
    visitor = visitor_with(made, 2)
    visitor.lock([[0, 4, None]])
    visitor.rebase(1)
    assert visitor.base.number == 1 and visitor.spans == ((0.0, 4.0, None),)


@pytest.mark.parametrize("spans", [None, 3, "spans", [[1]], [["a", "b", None]], [[0, 4, "organ"]],
                                   [[0, 4, None]] * 501])
def test_spans_that_are_none_are_refused_in_one_line(made, spans):
    visitor = visitor_with(made, 1)
    with pytest.raises(MusicFusionError, match=r"^locked: [^\n]*$"):
        visitor.lock(spans)
    assert not visitor.spans


def test_a_token_finds_a_take_of_its_own_visitor_alone(made):
    mine, other = visitor_with(made, 1), Visitor()
    assert mine.of_token("token-1").number == 1
    assert other.of_token("token-1") is None and mine.of_token("token-é") is None


def test_visitors_with_takes_outlast_those_who_only_look(made, monkeypatch):
    monkeypatch.setattr(takes, "BUSY", 2)
    monkeypatch.setattr(takes, "KNOWN", 3)
    visitors = Visitors()
    first = visitors.welcome()
    visitors.get(first).add(made)
    idle = [visitors.welcome() for _ in range(5)]
    assert visitors.get(first) is not None
    assert [visitors.get(key) is not None for key in idle] == [False, False, True, True, True]
    assert visitors.get("") is None and visitors.get("guessed") is None


