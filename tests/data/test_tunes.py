"""Tunes in one voice out of music21's corpus: bars where the music has them, odd metres left out."""

import itertools

import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import chorales, tunes

BAR = 16

PICKUP = """X:7
T:Made up
M:C|
L:1/8
K:G
B2|G4 A4|B8|{c}d4-d2 (3efg|G8:|
A2|G4 A4|B6|"Am"z8|
"""


def steps(text: str) -> np.ndarray:
    return tunes.song(text)["melody"]


def test_bars_begin_on_bar_lines_whatever_pickups_and_repeats_do():
    tokens = steps(PICKUP)
    onsets = np.flatnonzero(tokens < melody.HOLD)
    bars = [set((onsets[onsets // BAR == bar] % BAR).tolist()) for bar in range(len(tokens) // BAR)]
    assert bars == [
        {12}, {0, 8}, {0}, {0, 12, 13, 15}, {0},  # the pickup, then four bars; a triplet on the grid
        {12}, {0, 8}, {0}, set(),  # again
    ]  # fmt: skip
    assert tokens[12] == 71, "the key signature counts"
    assert np.all(tokens[-BAR:] == melody.REST), "a chord symbol is no note"
    held = tokens[3 * BAR : 3 * BAR + 13]
    assert held[0] == 74 and np.all(held[1:12] == melody.HOLD), "tied over, without the grace note"


def test_a_collection_is_read_by_name_and_names_its_songs_by_file():
    corpus = tunes.read("fiddle", limit=30)
    assert len(corpus.songs) + len(corpus.skipped) == 30 and len(corpus.songs) > 25
    assert all(name.startswith("ryansMammoth/") for name in corpus.songs)
    assert set(corpus.arrays) == {"melody"} and corpus.licence == "public domain"
    assert corpus.first_beat[-1] * 4 == len(corpus.arrays["melody"])
    assert np.all(np.diff(corpus.first_beat) % 4 == 0)
    onsets = np.flatnonzero(corpus.arrays["melody"] < melody.HOLD)
    assert np.mean(onsets % BAR == 0) > 0.1, "fiddlers land on the first beat"


def test_the_sopranos_are_those_of_the_chorales():
    pairs, alone = chorales.read(limit=12), tunes.read("chorales", limit=12)
    assert alone.songs == pairs.songs and dict(alone.skipped) == dict(pairs.skipped)
    np.testing.assert_array_equal(alone.arrays["melody"], pairs.arrays["melody"])
    np.testing.assert_array_equal(alone.first_beat, pairs.first_beat)
    assert "sopranos" in alone.source and alone.fingerprint != pairs.fingerprint
    assert alone.licence == pairs.licence == "public domain"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("z8", "A6|B6|c6|d6|" * 3), "no bars of four quarters"),
        (("z8", "z8|" * (tunes.LONGEST + 1)), "longer than"),
        (("A4", "(3A"), "cannot read it|bars of four quarters"),
    ],
)
def test_what_has_no_bars_of_four_quarters_is_refused(change, why):
    with pytest.raises(MusicFusionError, match=why):
        steps(PICKUP.replace(*change))
    with pytest.raises(MusicFusionError):
        steps("X:1\nM:C\nL:1/4\nK:C\nz4|z4|z4|")


def test_only_tunes_in_four_four_or_cut_time_are_looked_at():
    names, abc = zip(*itertools.islice(tunes.texts("essen"), 40), strict=True)
    assert len(set(names)) == 40
    assert all(any(f"M: {metre}" in text for metre in tunes.METRES) for text in abc)
