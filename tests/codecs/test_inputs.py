"""What a user gives is read whatever its form, and what is none of the accepted forms is refused in one line."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicfusion.codecs import inputs, midi, note_sequence
from musicfusion.codecs.audio import RATE, Audio
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError

NOTES = np.array([[0.0, 1.0, 60, 80], [1.0, 0.5, 64, 80], [2.0, 2.0, 67, 100]])


@pytest.fixture
def song() -> Score:
    return Score((Track("lead", 40, False, NOTES),), np.array([[0.0, 120.0]]), ((0.0, 4, 4),), "song")


def forms(song: Score, folder: Path) -> dict:
    import pretty_midi

    path = folder / "song.mid"
    midi.write(path, song)
    return {
        "path": path, "text": str(path), "bytes": path.read_bytes(), "score": song,
        "note sequence": note_sequence.to_note_sequence(song), "pretty_midi": pretty_midi.PrettyMIDI(str(path)),
    }


def test_notes_are_the_same_in_every_form(song, tmp_path):
    for form, source in forms(song, tmp_path).items():
        read = inputs.read_score(source, "melody")
        np.testing.assert_allclose(read.tracks[0].notes, NOTES, atol=0.01, err_msg=form)
        assert read.tracks[0].program == 40 and read.tempos[0, 1] == pytest.approx(120), form


@pytest.mark.parametrize(("source", "words"), [
    ("missing.mid", "missing.mid: there is no such file"),
    (b"RIFF", "melody: "),
    (3, "melody: int cannot be read as notes"),
    (np.zeros(3), "melody: ndarray cannot be read as notes"),
])
def test_what_holds_no_notes_is_refused_in_one_line(source, words):
    with pytest.raises(MusicFusionError, match=words) as refused:
        inputs.read_score(source, "melody")
    assert "\n" not in str(refused.value)


def test_drums_alone_are_refused_where_pitches_are_needed(song):
    drums = Score((Track("kit", 0, True, NOTES),), song.tempos, song.metres, "kit")
    assert inputs.read_score(drums, "melody") is drums
    with pytest.raises(MusicFusionError, match="only drums"):
        inputs.read_score(drums, "melody", pitched=True)


def test_sound_is_the_same_in_every_form(tmp_path):
    tone = (0.4 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.float32)
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone, RATE, subtype="FLOAT")
    whole = np.rint(tone * 32768).astype(np.int16)
    buffer = io.BytesIO(path.read_bytes())
    for source in (path, str(path), buffer.getvalue(), (tone, RATE), (np.stack([tone, tone], 1), RATE), (whole, RATE),
                   Audio(tone)):
        np.testing.assert_allclose(inputs.read_sound(source, "source"), tone, atol=1e-4)
    slow = inputs.read_sound((tone[::2], RATE // 2), "source")
    assert len(slow) == pytest.approx(len(tone), abs=4)


@pytest.mark.parametrize("source", [
    3, (np.zeros(0), RATE), (np.zeros((2, 2, 2)), RATE), (np.zeros(5), 0), (np.full(9, np.nan), RATE), (["a"], RATE),
    b"x",
])
def test_what_is_no_sound_is_refused_in_one_line(source):
    with pytest.raises(MusicFusionError, match=r"^source: ") as refused:
        inputs.read_sound(source, "source")
    assert "\n" not in str(refused.value)


def test_metadata_names_files_by_path_and_the_rest_by_what_it_is():
    assert inputs.described("a/b.mid", "melody") == "a/b.mid" and inputs.title("a/b.mid", "melody") == "b"
    assert inputs.described(b"MThd", "melody") == "melody (bytes)" and inputs.title(b"MThd", "melody") == "melody"
