"""What sampling gives back: all of it in a folder, in a notebook, and as objects of other libraries."""

import dataclasses
import functools
import json
import re

import numpy as np
import pytest
import soundfile

from musicfusion.codecs import midi
from musicfusion.codecs.audio import Audio
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.render import page, pianoroll
from musicfusion.render.figures import PALETTE
from musicfusion.render.result import Picture, SampleResult


@pytest.fixture
def result(chorale, voices) -> SampleResult:
    return SampleResult(
        title="A chorale", main="song", scores={"song": chorale, "versions/first": chorale},
        players={"song": "The chorale"},
        pictures={"roll": Picture(
            title="Notes", draw=functools.partial(pianoroll.compare, before=voices, after=voices))},
        tables=(page.Table("Numbers", ["", "n"], [["bars", 9]]),),
        metadata={"seed": 3, "config": {"system": "none"}}, notices=("made one voice",))


def test_everything_is_written_and_named_by_the_page(result, tmp_path):
    files = result.save(tmp_path / "out")
    assert [path.name for path in files] == ["index.html", "song.mid"] and all(path.is_file() for path in files)
    there = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert there == ["index.html", "metadata.json", "roll.png", "song.mid", "song.musicxml", "song.wav",
                     "versions/first.mid"]
    text = files[0].read_text()
    assert text.count('<div class="mf-place">') == 1 and text.count("<img") == 1
    assert text.count("data:audio/ogg;base64,") == 2 + 1, "a stem for each part; and the program knows such addresses"
    assert text.index("mf-place") < text.index("<img") and "made one voice" in text
    for target in re.findall(r'href="([^"]*)"', text):
        assert (tmp_path / "out" / target).is_file(), target
    about = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert about["seed"] == 3 and about["config"] == {"system": "none"}
    assert about["notices"][0] == "made one voice"
    assert len(about["notices"]) == len(set(about["notices"])), "nothing is said twice"


def test_notes_come_back_as_they_were(result, chorale, tmp_path):
    result.save(tmp_path, sound=False)
    back = midi.read(tmp_path / "song.mid")
    for own, other in zip(chorale.tracks, back.tracks, strict=True):
        np.testing.assert_array_equal(own.notes, other.notes)
    assert not list(tmp_path.glob("*.wav"))


def test_notation_programs_get_the_notes_with_what_is_new_coloured(fused, tmp_path):
    from music21 import converter

    score = fused.scores["fused"]
    notes = score.tracks[0].notes
    dataclasses.replace(fused, scores={**fused.scores, "other": score}).save(tmp_path, sound=False)
    assert sorted(path.name for path in tmp_path.glob("*.musicxml")) == ["before.musicxml", "fused.musicxml"]
    piece = converter.parse(tmp_path / "fused.musicxml")
    coloured = {(float(one.getOffsetInHierarchy(piece)), one.pitch.midi): one.style.color
                for one in piece.parts[0].recurse().getElementsByClass("Note") if one.style.color}
    assert coloured == {(notes[k, 0], notes[k, 2]): PALETTE[0] for k in (3, 8)}
    others = [one.style.color for part in piece.parts[1:] for one in part.recurse().notes]
    assert others and not any(others), "what was transposed as a whole is compared in its new key"
    assert [one.root().name for one in piece.parts[0].recurse().getElementsByClass("ChordSymbol")
            if one.chordKind != "none"] == ["A", "B", "A"]
    assert "color" not in (tmp_path / "before.musicxml").read_text()
    assert "fused.musicxml" in (tmp_path / "index.html").read_text()


def test_notation_may_be_left_out_and_is_where_a_score_is_too_long(result, chorale, tmp_path):
    result.save(tmp_path / "out", sound=False, notation=False)
    assert not list((tmp_path / "out").glob("*.musicxml"))
    late = Score((Track("late", 0, False, np.array([[99999.0, 1, 60, 80]])),), chorale.tempos, (), "late")
    SampleResult(title="Late", main="late", scores={"late": late}).save(tmp_path / "late", sound=False)
    about = json.loads((tmp_path / "late" / "metadata.json").read_text())
    assert about["notices"][0].startswith("no MusicXML: ") and (tmp_path / "late" / "late.mid").is_file()


def test_sound_is_written_in_full_and_embedded_small(tmp_path):
    """Four minutes of two players stay under 4 MB, and the WAV beside the page is whole."""
    rng = np.random.default_rng(0)
    beats = np.repeat(rng.uniform(0.1, 0.6, 960), 22050 // 4)
    music = (beats * np.sin(2 * np.pi * np.cumsum(np.repeat(rng.uniform(100, 900, 960), 22050 // 4)) / 22050)
             + 0.02 * rng.normal(size=len(beats))).astype(np.float32)
    sounds = {"mix": Audio(music), "part": Audio(music[::-1].copy())}
    result = SampleResult(title="Long", main="mix", audio=sounds, players={"mix": "Mix", "part": "Part"})
    index, wav = result.save(tmp_path)
    assert index.stat().st_size < 4_000_000
    samples, rate = soundfile.read(wav)
    assert rate == 22050 and len(samples) == len(music)
    assert np.max(np.abs(samples - music)) < 2 / 32767


def test_a_score_too_long_to_be_played_is_still_written_and_says_so(chorale, tmp_path):
    late = Track("late", 0, False, np.array([[400.0, 1, 60, 80]]))
    slow = Score((*chorale.tracks, late), np.array([[0.0, 10.0]]), (), "slow")  # forty minutes
    SampleResult(title="Slow", main="slow", scores={"slow": slow}, players={"slow": "Slow"}).save(tmp_path)
    about = json.loads((tmp_path / "metadata.json").read_text())
    assert about["notices"][0].startswith("no sound: ") and (tmp_path / "slow.mid").is_file()
    assert not list(tmp_path.glob("*.wav"))


def test_nothing_is_left_behind_where_writing_fails(result, tmp_path):
    def fail(path):
        raise MusicFusionError("no pen")

    pictures = {"roll": Picture(title="x", draw=fail)}
    broken = SampleResult(title="x", main="song", scores=result.scores, pictures=pictures)
    with pytest.raises(MusicFusionError, match="no pen"):
        broken.save(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_notebook_shows_players_and_pictures_without_files(result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = result._repr_html_()
    assert "mf-place" in shown and "<img" in shown and "made one voice" in shown
    assert "musicfusionPlayer.start()" in shown and ".mf-player {" in shown
    assert "<a " not in shown and not list(tmp_path.iterdir())


def test_a_note_sequence_has_the_notes(result, chorale):
    sequence = result.to_note_sequence()
    assert len(sequence.notes) == sum(len(track.notes) for track in chorale.tracks)
    assert sequence.tempos[0].qpm == pytest.approx(90)
    with pytest.raises(MusicFusionError, match="'other' is not a score"):
        result.to_note_sequence("other")


def test_an_empty_track_is_no_obstacle(tmp_path):
    empty = Score((Track("nothing", 0, False, np.zeros((0, 4))),), np.array([[0.0, 100.0]]), (), "empty")
    result = SampleResult(title="Empty", main="empty", scores={"empty": empty}, players={"empty": "Empty"})
    assert all(path.is_file() for path in result.save(tmp_path))
