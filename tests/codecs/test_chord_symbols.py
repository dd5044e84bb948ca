"""Chord symbols: their grammar, also against music21's reading of the same."""

import pytest

from musicfusion.codecs import chord_symbols, chords
from musicfusion.core.errors import MusicFusionError


def tones(symbol):
    return {tone for tone in range(12) if chord_symbols.parse(symbol)[2] >> tone & 1}


@pytest.mark.parametrize(("symbol", "root", "bass", "expected"), [
    ("C", 0, 0, {0, 4, 7}), ("Am", 9, 9, {9, 0, 4}), ("F#m7b5", 6, 6, {6, 9, 0, 4}), ("B♭maj7", 10, 10, {10, 2, 5, 9}),
    ("D/F#", 2, 6, {2, 6, 9}), ("G7/F", 7, 5, {5, 7, 11, 2}),
    ("C/D", 0, 2, {0, 2, 4, 7}), ("Cdim7", 0, 0, {0, 3, 6, 9}),
    ("C6/9", 0, 0, {0, 4, 7, 9, 2}), ("C6/9/E", 0, 4, {0, 4, 7, 9, 2}), ("E7#9", 4, 4, {4, 8, 11, 2, 7}),
    ("C7(b9)", 0, 0, {0, 4, 7, 10, 1}), ("C7(b9,#11)", 0, 0, {0, 4, 7, 10, 1, 6}), ("E-7", 4, 4, {4, 7, 11, 2}),
    ("C7-5", 0, 0, {0, 4, 6, 10}), ("C7+5", 0, 0, {0, 4, 8, 10}), ("Dm(maj7)", 2, 2, {2, 5, 9, 1}),
    ("Cmaj", 0, 0, {0, 4, 7}), ("CΔ", 0, 0, {0, 4, 7, 11}), ("Fø", 5, 5, {5, 8, 11, 3}), ("C°", 0, 0, {0, 3, 6}),
    ("C+", 0, 0, {0, 4, 8}), ("Csus", 0, 0, {0, 5, 7}), ("G7sus4", 7, 7, {7, 0, 2, 5}), ("C5", 0, 0, {0, 7}),
    ("Cadd9", 0, 0, {0, 4, 7, 2}), ("Cm(add9)", 0, 0, {0, 3, 7, 2}), ("C2", 0, 0, {0, 4, 7, 2}),
    ("C7no5", 0, 0, {0, 4, 10}), ("Cbb", 10, 10, {10, 2, 5}), ("Am9", 9, 9, {9, 0, 4, 7, 11}),
    ("C:min7/b3", 0, 3, {0, 3, 7, 10}), ("Eb:maj(9)", 3, 3, {3, 7, 10, 5}), ("A:(3,5)", 9, 9, {9, 1, 4}),
    ("G:7(*5,b9)", 7, 7, {7, 11, 5, 8}), ("C:sus4", 0, 0, {0, 5, 7}),
])
def test_a_symbol_becomes_root_bass_and_tones(symbol, root, bass, expected):
    assert chord_symbols.parse(symbol)[:2] == (root, bass)
    assert tones(symbol) == expected


@pytest.mark.parametrize("symbol", ["N", "N.C.", "NC"])
def test_no_chord_has_no_tones(symbol):
    assert tones(symbol) == set()


@pytest.mark.parametrize("symbol", ["H", "Hello", "c", "", "C/", "C//E", "Cmajor?", "C:maj10x", "C:min/x", "1", "A x",
                                    "H:maj", "C:", "c:maj", "C:maj/x", "C:maj(" + "9" * 5000 + ")",
                                    "Cadd" + "9" * 5000])
def test_what_is_no_symbol_is_named(symbol):
    with pytest.raises(MusicFusionError, match="is not understood"):
        chord_symbols.parse(symbol)


@pytest.mark.parametrize("root", chords.ROOTS)
def test_the_names_that_are_written_are_read_back(root):
    for quality in chords.QUALITIES:
        row = chord_symbols.parse(f"{root}:{quality}")
        assert chord_symbols.parse(chords.name(row)) == row


def test_music21_reads_the_same_tones():
    from music21 import harmony

    for figure in ("C", "Am", "F#m7", "B-7", "G7", "Ddim", "E+", "Csus4", "Dm7", "Cmaj7", "A6", "F/A", "Gm/B-"):
        theirs = {pitch.pitchClass for pitch in harmony.ChordSymbol(figure).pitches}
        assert tones(figure.replace("-", "b")) == theirs, figure
