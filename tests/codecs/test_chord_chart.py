"""Chord charts: what lasts how long, how it is played, and what is refused."""

import random

import numpy as np
import pytest

from musicfusion.codecs import chord_chart, chord_symbols, inputs, polyphony
from musicfusion.codecs.score import grid
from musicfusion.core.errors import MusicFusionError


def chart(text, name="chart"):
    return chord_chart.parse(text.encode(), name)


def heard(score):
    """(onset, classes of the notes that begin there) in order."""
    notes = score.tracks[0].notes
    return [(float(onset), {int(pitch) % 12 for pitch in notes[notes[:, 0] == onset, 2]})
            for onset in np.unique(notes[:, 0])]


C, AM, F, G = {0, 4, 7}, {9, 0, 4}, {5, 9, 0}, {7, 11, 2}


@pytest.mark.parametrize(("text", "expected"), [
    ("C | Am | F G |", [(0, C), (4, AM), (8, F), (10, G)]),
    ("C Am F G", [(0, C), (4, AM), (8, F), (12, G)]),  # no bar lines
    ("| C . Am . |", [(0, C), (2, AM)]),
    ("C | % | G", [(0, C), (4, C), (8, G)]),
    ("|: C | G :| F", [(0, C), (4, G), (8, C), (12, G), (16, F)]),
    ("|: C :| x3 | F", [(0, C), (4, C), (8, C), (12, F)]),
    ("C :| G :| F", [(0, C), (4, C), (8, G), (12, G), (16, F)]),  # a repeat goes back to the one before
    ("Verse | C | G |\nF | C", [(0, C), (4, G), (8, F), (12, C)]),
    ("time: 3/4\nC | G", [(0, C), (3, G)]),
    ("{time: 6/8}\nC G | F", [(0, C), (1.5, G), (3, F)]),
    ("C | N.C. | G", [(0, C), (8, G)]),
    ("C Am F | G", [(0, C), (2, AM), (3, F), (4, G)]),  # the first one is longer
    ("C || G |]", [(0, C), (4, G)]),
    ("C/E", [(0, C)]),
    ("C:maj | A:min", [(0, C), (4, AM)]),
])
def test_chords_share_their_bars(text, expected):
    assert heard(chart(text)) == expected


def test_chordpro_gives_its_chords_and_settings():
    score = chart("{title: Hey}\n{tempo: 92}\n{soc}\nHey [C]you, [Am]come [F]in\n[Chorus]\nno chords here\n{eoc}")
    assert (score.name, float(score.tempos[0, 1])) == ("Hey", 92)
    assert heard(score) == [(0, C), (4, AM), (8, F)]
    assert score.notices == ("no bar lines: each chord lasts a bar", "words are left out")


def test_words_between_lines_of_chords_are_left_out():
    score = chart("C        Am\nI went to the\nF   G\nmarket today\n")
    assert heard(score) == [(0, C), (4, AM), (8, F), (12, G)]
    assert "words are left out" in score.notices


@pytest.mark.parametrize("pattern", chord_chart.PATTERNS)
def test_every_pattern_plays_the_chords_over_their_bass(pattern):
    notes = grid(chart(f"pattern: {pattern}\nC | Am7/G | F#dim G | C").tracks[0])
    bars = ((0, 16, "C"), (16, 32, "Am7/G"), (32, 40, "F#dim"), (40, 48, "G"), (48, 64, "C"))  # 16ths
    for begin, end, symbol in bars:
        _, bass, mask = chord_symbols.parse(symbol)
        now = notes[(notes[:, 0] >= begin) & (notes[:, 0] < end)]
        assert sum(1 << tone for tone in np.unique(now[:, 2] % 12)) == mask
        assert now[now[:, 0] == begin, 2].min() % 12 == bass and now[:, 2].min() < 48
    assert (notes[:, 0] + notes[:, 1]).max() == 64
    slots = polyphony.slots_from_notes(notes, 64)
    assert (slots[1] > 0).sum() == len(notes), "no more notes at once than a model reads"


def test_stride_gives_a_waltz_its_bass_on_one():
    notes = chart("time: 3/4\npattern: stride\nC | G").tracks[0].notes
    assert sorted({float(x) for x in notes[notes[:, 2] < 48, 0]}) == [0, 3]
    assert sorted({float(x) for x in notes[notes[:, 2] >= 48, 0]}) == [1, 2, 4, 5]


def test_common_tones_stay_where_they_are():
    notes = chart("C | Am").tracks[0].notes
    upper = [set(notes[(notes[:, 0] == onset) & (notes[:, 2] >= 48), 2]) for onset in (0, 4)]
    assert len(upper[0] & upper[1]) == 2


@pytest.mark.parametrize(("text", "problem"), [
    ("time: 3/5\nC", "accepted is a metre"), ("tempo: fast\nC", "10 to 400"), ("pattern: polka\nC", "are block"),
    ("C | Hm | G", "chord 'Hm' is not understood"), ("hello\nworld", "0 bars"), ("N.C. | N.C.", "no chord sounds"),
    ("|: C :| x99\n" * 40, "more than 2000 bars"), ("", "0 bars"),
])
def test_what_is_not_understood_is_one_line(text, problem):
    with pytest.raises(MusicFusionError, match=problem) as error:
        chart(text, "song.txt")
    assert "song.txt: cannot be read as a chord chart" in str(error.value) and "\n" not in str(error.value)


def test_a_chart_is_an_accompaniment_and_no_melody(tmp_path):
    path = tmp_path / "chart.txt"
    path.write_text("C | Am | F | G")
    for source in (path, str(path), path.read_bytes()):
        assert len(inputs.read_score(source, "accompaniment", charts=True).tracks[0].notes) == 16
        with pytest.raises(MusicFusionError, match="a chord chart has no melody"):
            inputs.read_score(source, "melody")


@pytest.mark.parametrize("data", [b"MThd\0\0\0\6", b"\0\1\2\3", b"Hello world", b"", "Ich gehe heim".encode("utf-16")])
def test_other_files_are_no_charts(data):
    assert not chord_chart.is_chart(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_chart_may_be_in_any_encoding(encoding):
    data = "title: Café\nC | Am".encode(encoding)
    assert chord_chart.is_chart(data) and chord_chart.parse(data, "x").name == "Café"


def test_mutants_are_charts_or_refused():
    rng = random.Random(0)
    seed = b"title: T\ntime: 3/4\npattern: stride\n|: C | Am7 F#m7b5 :| x3\nG7/B % | N.C. . | [D]words [E]more\n"
    for _ in range(300):
        data = bytearray(seed)
        for _ in range(rng.randint(1, 8)):
            place = rng.randrange(len(data))
            action = rng.random()
            if action < 0.4:
                data[place] = rng.randrange(256)
            elif action < 0.7:
                del data[place : place + rng.randint(1, 5)]
            else:
                data[place:place] = data[rng.randrange(len(data)) :][: rng.randint(1, 9)]
        try:
            chord_chart.is_chart(bytes(data))
            chord_chart.parse(bytes(data), "mutant")
        except MusicFusionError as error:
            assert "\n" not in str(error)
