"""**kern: against music21 on real pieces, and what the notation says."""

import numpy as np
import pytest

from musicfusion.codecs import kern
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import chorales


def voice(*tokens: str) -> np.ndarray:
    (found,) = kern.read("**kern\n*M4/4\n" + "\n".join(tokens) + "\n*-\n").voices
    return found


@pytest.mark.parametrize("number", [0, 400, 800])
def test_the_notes_are_those_that_music21_reads(number):
    from music21 import converter

    path = chorales.corpus_files("palestrina", (".krn",))[number]
    piece = kern.read(path.read_text(encoding="latin-1"))
    parts = list(converter.parse(path, format="humdrum").stripTies().parts)
    assert len(parts) == len(piece.voices)
    theirs = [sorted((float(n.getOffsetInHierarchy(part)), float(n.duration.quarterLength), n.pitch.midi)
                     for n in part.recurse().notes) for part in parts]
    ours = [sorted(map(tuple, notes.tolist())) for notes in piece.voices]
    assert sorted(map(len, ours)) == sorted(map(len, theirs))
    assert sorted(ours) == sorted([tuple(map(float, note)) for note in part] for part in theirs)


@pytest.mark.parametrize(("token", "pitch"), [
    ("4c", 60), ("4cc", 72), ("4C", 48), ("4CC", 36), ("4f#", 66), ("4b-", 70), ("4BB", 47), ("4e--", 62),
    ("4gn", 67)])
def test_letters_are_octaves(token, pitch):
    assert voice(token)[0, 2] == pitch


@pytest.mark.parametrize(("token", "length"), [
    ("4c", 1), ("2.c", 3), ("8c", 0.5), ("1c", 4), ("0c", 8), ("00c", 16), ("4..c", 1.75), ("3%2c", 8 / 3),
    ("12c", 1 / 3)])
def test_numbers_are_durations(token, length):
    assert voice(token)[0, 1] == pytest.approx(length)


def test_tied_notes_are_one_rests_take_time_and_grace_notes_none():
    found = voice("[2c", "=2", "_1c", "2c]", "4r", "8qd", "4e")
    np.testing.assert_array_equal(found, [[0, 8, 60], [9, 1, 64]])


def test_voices_and_bar_lines_are_kept_apart():
    lines = ("**kern **text **kern", "*M4/2 * *M4/2", "1C la 2c", ". . 2d", "=2 =2 =2", "1D la 1e", "*- *- *-")
    piece = kern.read("\n".join(lines).replace(" ", "\t"))
    assert [len(notes) for notes in piece.voices] == [2, 3]
    assert piece.metres == {"4/2"} and piece.bars == [4.0] and piece.length == 8.0


@pytest.mark.parametrize(("text", "why"), [
    ("**kern\n*^\n4c\t4e\n", "split"), ("4c\n", "no \\*\\*kern"), ("**kern\nc\n", "without a duration"),
    ("**text\t**kern\nla\n", "too few")])
def test_what_it_does_not_know_is_refused(text, why):
    with pytest.raises(MusicFusionError, match=why):
        kern.read(text)
