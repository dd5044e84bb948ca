"""A dozen files of each collection at hand, drawn by seed: all are read, with as many notes as are in them."""

import os
import random
import re
from pathlib import Path

import fuzz
import mido
import pytest
from micro import ROOT

from musicfusion.codecs import inputs
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import chorales

DOZEN, LARGEST = 12, 10_000  # files; bytes of a score, as string quartets take long
MIDI = ("multitrack-midi", "easyrpg-midi", "freedoom-midi")
SCORES = {"MusicXML": (".mxl", ".xml", ".musicxml"), "ABC": (".abc",), "kern": (".krn",)}


def drawn(paths: list[Path]) -> list[Path]:
    return random.Random(1).sample(sorted(paths), DOZEN)


def collection(name: str) -> Path:
    """A folder beside the project, or in the one that $MUSIC_DATA names; the test is skipped where it is absent."""
    root = Path(os.environ.get("MUSIC_DATA", ROOT.parent / "shared" / "data")) / name
    if not root.is_dir():
        pytest.skip(f"{name} is not in ../shared/data; set MUSIC_DATA to a folder that holds it to run this test")
    return root


@pytest.mark.parametrize("name", MIDI)
def test_midi_files_are_read_with_every_note_that_is_not_mute(name):
    for path in drawn(list(collection(name).rglob("*.mid"))):
        with fuzz.limited():
            score = inputs.read_score(path, path.name)
        struck = sum(event.type == "note_on" and event.velocity > 0 for track in mido.MidiFile(path, clip=True).tracks
                     for event in track)
        said = "; ".join(score.notices)
        mute = sum(int(count.replace(",", "")) for count in re.findall(r"left out: ([\d,]+) notes? at volume", said))
        if "passed over" not in said:
            assert sum(len(track.notes) for track in score.tracks) + mute == struck, path


@pytest.mark.parametrize("kind", SCORES)
def test_scores_of_music21_are_read(kind):
    paths = [path for path in chorales.corpus_files("", SCORES[kind]) if path.stat().st_size < LARGEST]
    for path in drawn(paths):
        with fuzz.limited(3 * fuzz.SLOWEST):
            score = inputs.read_score(path, path.name)
        assert score.tracks and all(len(track.notes) for track in score.tracks)


def test_folk_songs_of_the_essen_collection_are_read():
    for path in drawn(list(collection("essen-folksong-collection").rglob("*.krn"))):
        with fuzz.limited():
            assert len(inputs.read_score(path, path.name).tracks) == 1


def test_a_collection_that_is_not_there_is_no_failure(monkeypatch, tmp_path):
    monkeypatch.setenv("MUSIC_DATA", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="set MUSIC_DATA"):
        collection("essen-folksong-collection")
    with pytest.raises(MusicFusionError, match="there is no such file"):
        inputs.read_score(tmp_path / "a.mid", "a")
