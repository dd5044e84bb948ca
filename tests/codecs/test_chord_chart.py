"""Chord charts: what lasts how long, how it is played, and what is refused."""

import random

import numpy as np
import pytest
from micro import ROOT
from musicxml_text import attributes, line, score

from musicfusion.codecs import chord_chart, chord_symbols, chords, inputs, notation, polyphony
from musicfusion.codecs.score import Score, grid
from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.collagenet.sampling import read_pair


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


# Chords that are given ------------------------------------------------------------------------------------------------

TUNE = """X:1
T:A tune
M:3/4
L:1/4
Q:1/4=90
K:G
D|"G"GBd|"C"e3|"D7/F#"d2c|"G"B3-|B3|"N.C."z3|"Am"A3|A2|]
"""


def names(pair):
    return [chords.name(row) for row in pair.chords]


def tune(beats=16):
    return f"X:1\nM:4/4\nL:1/4\nK:C\n{'cdef|' * (beats // 4)}\n".encode()


def test_a_chart_says_its_own_chords():
    found = chart("time: 3/4\nC G/B . | % | N.C. | Dm7b5 . Em/G")
    assert [(at, chords.name(row)) for at, *row in found.chords] == [
        (0, "C"), (1, "G/B"), (3, "C"), (4, "G/B"), (6, "N"), (9, "Dm7b5"), (11, "Em/G")]
    assert chart("C | C | F").chords == ((0, *chord_symbols.parse("C")), (8, *chord_symbols.parse("F")))


@pytest.mark.parametrize("pattern", chord_chart.PATTERNS)
def test_a_fusion_has_the_chords_of_the_chart_whatever_the_pattern_plays(pattern):
    text = f"pattern: {pattern}\nC Em7b5/Bb | F#m11 | N.C. | Gsus2 ."
    pair = read_pair(tune(), text.encode(), length="loop", tempo="melody")
    rows = [chord_symbols.parse(one) for one in ("C", "Em7b5/Bb", "F#m11", "N.C.", "Gsus2")]
    expected = np.repeat(rows, (2, 2, 4, 4, 4), axis=0)
    expected[8:12, :2] = expected[7, :2]  # without a chord root and bass are those before
    np.testing.assert_array_equal(np.resize(pair.chords, (16, 3)), expected)


def test_chords_are_repeated_with_their_notes_and_cut_with_them():
    pair = read_pair(tune(64), b"C | Am | F | G", length="loop", tempo="melody")
    assert names(pair) == 4 * (4 * ["C"] + 4 * ["Am"] + 4 * ["F"] + 4 * ["G"])
    assert names(read_pair(tune(32), b"C | Am | " * 20, length="cut", tempo="melody")) == 4 * (4 * ["C"] + 4 * ["Am"])


def test_chords_begin_where_the_first_note_sounds():
    pair = read_pair(tune(32), b"N.C. | N.C. | C | Am " + b"| F | G " * 3, length="cut", tempo="melody")
    assert names(pair)[:12] == 4 * ["C"] + 4 * ["Am"] + 4 * ["F"]


def test_chords_are_estimated_where_none_is_given():
    plain = Score(chart("C | Am | F | G").tracks, np.array([[0, 120.0]]), ((0.0, 4, 4),), "plain")
    assert names(read_pair(tune(16), plain, length="cut", tempo="melody"))[:16:4] == ["C", "Am", "F", "G"]


def test_a_lead_sheet_is_played_from_its_chord_symbols():
    found = inputs.read_score(TUNE.encode(), "accompaniment", charts=True)
    G7 = {0, 2, 6, 9}
    assert heard(found) == [(3, G), (6, {0, 4, 7}), (9, G7), (12, G), (15, G), (21, {9, 0, 4}), (24, {9, 0, 4})]
    assert found.tracks[0].notes[:, [0, 1]].sum(axis=1).max() == 27 and found.metres == ((0, 3, 4),)
    assert found.tempos.tolist() == [[0, 90]]
    assert any("lead sheet" in notice for notice in found.notices)


def test_a_lead_sheet_s_melody_is_the_melody_where_one_is_wanted():
    found = inputs.read_score(TUNE.encode(), "melody")
    assert found.tracks[0].notes[0, 2] == 62 and not any("lead sheet" in notice for notice in found.notices)


def test_a_lead_sheet_may_be_both_parts_of_a_fusion():
    pair = read_pair(TUNE.encode(), TUNE.encode(), length="cut", tempo="melody")
    assert [track.name for track in pair.tracks["accompaniment"]] == ["Chords"]
    assert names(pair)[:6] == 3 * ["G"] + 3 * ["C"], "from the bar of its first chord on"


KERN = """**kern\t**harte
*M4/4\t*
=1\t=1
4c\tC:maj
4d\t.
2e\tG:7/3
=2\t=2
1c\tC:maj
==\t==
*-\t*-
"""
HARMONY = "<harmony><root><root-step>{}</root-step></root><kind>{}</kind></harmony>"


@pytest.mark.parametrize("source", [
    b'X:1\nM:4/4\nL:1/4\nK:C\n"C"cd "G7/B"e2|"C"c4|]\n', KERN.encode(),
    score([attributes("4/4") + HARMONY.format("C", "major") + line("C5:12", "D5:12")
           + HARMONY.format("G", "dominant").replace("</kind>", "</kind><bass><bass-step>B</bass-step></bass>")
           + line("E5:24"), HARMONY.format("C", "major") + line("C5:48")]).encode(),
], ids=["ABC", "kern", "MusicXML"])
def test_lead_sheets_of_every_format_are_played(source):
    found = inputs.read_score(source, "accompaniment", charts=True)
    assert heard(found) == [(0, C), (2, {7, 11, 2, 5}), (4, C)]


def test_a_score_with_an_accompaniment_of_its_own_is_no_lead_sheet():
    bar = attributes("4/4") + HARMONY.format("C", "major") + line("C5:48")
    both = score([bar], [attributes("4/4") + line("E3:48")]).encode()
    found = inputs.read_score(both, "accompaniment", charts=True)
    assert len(found.tracks) == 2 and len(found.chords) == 1
    low = score([attributes("4/4") + HARMONY.format("C", "major") + line("C2:48")]).encode()
    assert inputs.read_score(low, "accompaniment", charts=True).tracks[0].notes[0, 2] == 36, "a bass"
    hands = score([bar + line("E5:48").replace("<note>", "<note><chord/>") + line("G5:48").replace(
        "<note>", "<note><chord/>")]).encode()
    assert len(inputs.read_score(hands, "accompaniment", charts=True).tracks[0].notes) == 3, "chords are written out"


def test_lead_sheets_of_openewld_accompany():
    root = ROOT.parent / "shared" / "data" / "openewld-leadsheets"
    if not root.is_dir():
        pytest.skip("OpenEWLD's lead sheets are not at ../shared/data/openewld-leadsheets")
    for path in sorted((root / "files").glob("*.mxl"))[5::25]:
        found, sung = inputs.read_score(path, "back", charts=True), notation.read(path)
        assert found.tracks[0].name == "Chords" and found.length >= sung.length - 4, path.name
        starts = sung.tracks[0].notes[:, 0]
        assert len(found.chords) == len(sung.chords) and starts[-1] < found.length


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
