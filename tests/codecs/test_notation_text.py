"""ABC and **kern as users have them."""

import numpy as np
import pytest
from micro import ROOT

from musicfusion.codecs import chords, inputs, kern, notation
from musicfusion.codecs.score import Score
from musicfusion.core.errors import MusicFusionError

JIG = """X:7
T:A Jig
M:6/8
L:1/8
Q:3/8=100
K:D
A|:dfd ece|1 d3 A3:|2 d6|]
"""
REEL = """X:1
T:A Reel
M:4/4
L:1/8
Q:1/4=120
K:Gmaj
G>A B<c (3def g2|{a}g4-g4|"Am"[CEG]8|
"""
BAND = """X:1
T:Two
M:3/4
L:1/4
K:F
V:1 name="High voice" clef=treble
V:2 name="Low"
%%MIDI program 41
V:1
ABc|d3|
V:2
F,3|B,,3|
"""
DUET = """!!!OTL: A duet
**kern\t**kern
*I"Bass\t*I"Soprano
*M3/4\t*M3/4
*MM60\t*MM60
4r\t4g
=1\t=1
2C\t4cc
.\t8b
.\t8a
4D\t4g
=2\t=2
2.C\t2.cc
==\t==
*-\t*-
"""
REPEATED = """**kern
*clefG2
*M2/4
=1-
4c
4d
=2:|!
[2e
=3
4e]
8qf
4g
==
*-
"""
SPLIT = """**kern\t**text
*M4/4\t*
=1\t=1
*^\t*
4c\t1e\tla
4d\t.\t.
2f\t.\t.
*v\t*v\t*
=2\t=2
1C\t.
==\t==
*-\t*-
"""


def read(text: str, encoding: str = "utf-8") -> Score:
    return notation.parse(text.encode(encoding), "song")


def rows(score: Score, track: int = 0) -> list[tuple]:
    return [(round(onset, 3), round(length, 3), int(pitch)) for onset, length, pitch, _ in
            score.tracks[track].notes.tolist()]


def test_abc_repeats_and_endings_are_played_after_a_pickup():
    score = read(JIG)
    assert score.metres == ((0.0, 6, 8),) and score.tempos.tolist() == [[0, 150]]
    assert [pitch for _, _, pitch in rows(score)] == [69, 74, 78, 74, 76, 73, 76, 74, 69, 74, 78, 74, 76, 73, 76, 74]
    assert rows(score)[0] == (2.5, 0.5, 69) and rows(score)[-1] == (12.0, 3.0, 74)


def test_abc_broken_rhythm_triplets_ties_chords_and_grace_notes():
    score = read(REEL)
    assert rows(score)[:7] == [(0, 0.75, 67), (0.75, 0.25, 69), (1, 0.25, 71), (1.25, 0.75, 72), (2, 0.333, 74),
                               (2.333, 0.333, 76), (2.667, 0.333, 78)]
    assert rows(score)[8:] == [(4, 4, 79), (8, 4, 60), (8, 4, 64), (8, 4, 67)]
    assert any("grace" in notice for notice in score.notices)


def test_abc_voices_have_names_and_programs():
    score = read(BAND)
    assert [track.name for track in score.tracks] == ["High voice", "Low"]
    assert [track.program for track in score.tracks] == [0, 41] and score.metres == ((0.0, 3, 4),)
    assert rows(score, 1) == [(0, 3, 53), (3, 3, 46)]


def test_abc_voices_may_take_turns_line_by_line():
    turns = read(BAND + "V:1\ncBA|G3|]\n[V:2]C3|F,3|]\n")
    assert rows(turns)[:4] == rows(read(BAND)) and rows(turns)[4:] == [(6, 1, 72), (7, 1, 70), (8, 1, 69), (9, 3, 67)]
    assert rows(turns, 1) == [(0, 3, 53), (3, 3, 46), (6, 3, 60), (9, 3, 53)]


@pytest.mark.parametrize(("head", "length"), [
    ("", 0.5), ("M:none\n", 0.5), ("M:4/4\n", 0.5), ("M:2/4\n", 0.25), ("L:1/4\n", 1), ("M:C|\n", 0.5)])
def test_abc_notes_have_the_length_that_the_metre_gives_where_none_is_said(head, length):
    assert rows(read(f"X:1\n{head}K:C\ncd|ef|\n"))[0][1:] == (length, 72)


@pytest.mark.parametrize(("music", "pitches"), [("|:c4|d4:|", "cdcd"), ("c4|:d4:|f4|", "cddf")])
def test_a_short_abc_tune_is_repeated_too(music, pitches):
    assert [pitch for *_, pitch in rows(read(f"X:1\nM:4/4\nL:1/4\nK:C\n{music}\n"))] == [
        72 + "c d ef".index(one) for one in pitches]


@pytest.mark.parametrize("metre", ["3$42L:1/4", "f|[ce]2", "4/", "4", "/", "4/4/4"])
def test_an_abc_metre_that_is_none_is_passed_over_at_once(metre):
    score = read(f"X:1\nM:{metre}\nL:1/4\nK:C\ncdef|g4|\n")
    assert len(rows(score)) == 5 and "a metre that cannot be understood is passed over" in score.notices
    assert len(rows(read(f"X:1\nM:4/4\nL:1/4\nK:C\ncdef|[M:{metre.replace('[', '').replace(']', '')}]g4|\n"))) == 5


@pytest.mark.parametrize("metre", ["C", "C|", "none", "6/8", "(2+3)/8", "2+3+2/8", "3/4 % a comment", " 2/4 "])
def test_an_abc_metre_of_every_form_is_no_odd_one(metre):
    score = read(f"X:1\nM:{metre}\nL:1/8\nK:C\ncdef|g4|[M:3/4]c6|\n")
    assert len(rows(score)) == 6 and not any("metre" in notice for notice in score.notices)


def test_of_several_tunes_the_first_is_read():
    score = read(REEL + "\n" + JIG)
    assert rows(score) == rows(read(REEL)) and any("2 tunes" in notice for notice in score.notices)


def test_kern_spines_are_tracks_with_names():
    score = read(DUET)
    named = {track.name: k for k, track in enumerate(score.tracks)}
    assert set(named) == {"Bass", "Soprano"} and score.tempos.tolist() == [[0, 60]] and score.metres == ((0.0, 3, 4),)
    assert rows(score, named["Bass"]) == [(3, 2, 48), (5, 1, 50), (6, 3, 48)]
    assert rows(score, named["Soprano"])[0] == (2, 1, 67), "the pickup"


def test_kern_repeats_ties_and_grace_notes():
    score = read(REPEATED)
    assert rows(score) == [(0, 1, 60), (1, 1, 62), (2, 1, 60), (3, 1, 62), (4, 3, 64), (7, 1, 67)]
    assert any("grace" in notice for notice in score.notices)


def test_kern_spines_may_split():
    score = read(SPLIT)
    assert rows(score) == [(0, 1, 60), (0, 4, 64), (1, 1, 62), (2, 2, 65), (4, 4, 48)]
    assert score.tracks[0].lyrics == ((0, "la"),)


# Words and chord symbols ---------------------------------------------------------------------------------------------


def words(score: Score, track: int = 0) -> list[tuple[float, str]]:
    return [(round(at, 3), text) for at, text in score.tracks[track].lyrics]


def symbols(score: Score) -> list[tuple[float, str]]:
    return [(round(at, 3), chords.name(row)) for at, *row in score.chords]


def abc(*lines: str, head: str = "X:1\nM:4/4\nL:1/4\nK:C\n") -> Score:
    return read(head + "\n".join(lines) + "\n")


@pytest.mark.parametrize(("text", "expected"), [
    ("w: la li lu lo", [(0, "la"), (1, "li"), (2, "lu"), (3, "lo")]),
    ("w: hel-lo the-re", [(0, "hel-"), (1, "lo"), (2, "the-"), (3, "re")]),
    ("w: a - men so", [(0, "a"), (2, "men"), (3, "so")]),  # a hyphen alone holds
    ("w: ah _ _ oh", [(0, "ah"), (3, "oh")]),
    ("w: * la", [(1, "la")]),
    ("w: of~the sing\\-song", [(0, "of the"), (1, "sing-song")]),
    ("w: la | lu", [(0, "la"), (4, "lu")]),  # up to the next bar
    ("w: a b c d e f g h i j k", [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e"), (6, "f")]),
])
def test_abc_words_stand_under_their_notes(text, expected):
    assert words(abc("cdef|{b}[eg]2 z d|", text)) == [row if row[1] != "f" else (7, "f") for row in expected]


def test_abc_words_belong_to_the_line_above_them():
    assert words(abc("CDEF|", "GABc|", "w: la li", "cBAG|")) == [(4, "la"), (5, "li")]
    assert words(abc("CDEF|\\", "GABc|", "w: a b c d e")) == [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e")]


def test_each_pass_of_an_abc_repeat_has_its_verse():
    sung = abc("|:c4|d4|e4:|f4|", "w: one by", "w: two")
    assert words(sung) == [(0, "one"), (4, "by"), (12, "two"), (16, "by")]


def test_abc_words_of_voices_are_those_of_their_tracks():
    score = read(BAND.replace("ABc|d3|\n", "ABc|d3|\nw: high-est _ oh\n") + "w: low lie\n")
    assert words(score) == [(0, "high-"), (1, "est"), (3, "oh")] and words(score, 1) == [(0, "low"), (3, "lie")]


def test_abc_chord_symbols_are_the_scores_chords_in_the_order_of_play():
    score = abc('"C"c2 "G7/B"d2|:"Am"e4|g4:|"^slowly"f2 "F"f2|a4|')
    assert symbols(score) == [(0, "C"), (2, "G7/B"), (4, "Am"), (22, "F")]
    assert [pitch for *_, pitch in rows(score)] == [72, 74, 76, 79, 76, 79, 77, 77, 81]


def test_a_chord_that_sounds_on_is_that_of_a_repeat_too():
    assert symbols(abc('"C"c4|:d4|"G"e4:|f4|')) == [(0, "C"), (8, "G"), (12, "C"), (16, "G")]


def test_an_abc_annotation_costs_no_note():
    assert len(rows(abc('">accent"c "<left"d "_below"e "@1,2 there"f|'))) == 4


KERN = """**kern\t**text\t**text\t**kern\t**silbe\t**mxhm
*M4/4\t*\t*\t*M4/4\t*\t*
=1\t=1\t=1\t=1\t=1\t=1
4C\tlow\tdown\t2c\th\\o3-\tC major
4D\t.\t.\t.\t.\tB- minor-seventh
2E\tlie\t_\t2d\t-ren\tG7/B
=2:|!\t=2:|!\t=2:|!\t=2:|!\t=2:|!\t=2:|!
1F\t.\t.\t1c\t|\tF:min7/b3
==\t==\t==\t==\t==\t==
*-\t*-\t*-\t*-\t*-\t*-
"""


def test_kern_spines_of_words_belong_to_the_notes_before_them_and_have_verses():
    score = read(KERN)
    low, high = sorted(range(2), key=lambda k: rows(score, k)[0][2])
    assert words(score, low) == [(0, "low"), (2, "lie"), (4, "down"), (6, "lie")]
    assert words(score, high) == [(0, "hö-"), (2, "ren"), (4, "hö-"), (6, "ren")]


def test_kern_spines_of_chords_are_the_scores_chords():
    assert symbols(read(KERN)) == [(0, "C"), (1, "Bbm7"), (2, "G7/B"), (4, "C"), (5, "Bbm7"), (6, "G7/B"),
                                   (8, "Fm7/Ab")]


def test_kern_words_follow_their_spine_when_others_split():
    text = SPLIT.replace("**kern\t**text", "**kern\t**kern\t**text").replace("*M4/4\t*", "*M4/4\t*\t*")
    text = text.replace("=1\t=1", "=1\t=1\t=1").replace("*^\t*", "*^\t*\t*").replace("1e\tla", "1e\t1g\tla")
    text = text.replace("4d\t.\t.", "4d\t.\t.\t.").replace("2f\t.\t.", "2f\t.\t.\t.")
    text = text.replace("*v\t*v\t*", "*v\t*v\t*\t*").replace("=2\t=2", "=2\t=2\t=2").replace("1C\t.", "1C\t1a\tlo")
    text = text.replace("==\t==", "==\t==\t==").replace("*-\t*-", "*-\t*-\t*-")
    score = read(text)
    sung = next(k for k in range(2) if rows(score, k)[0][2] == 67)
    assert words(score, sung) == [(0, "la"), (4, "lo")] and words(score, 1 - sung) == []


@pytest.mark.parametrize(("text", "suffix"), [(JIG, ".abc"), (DUET, ".krn"), (REEL, ".TXT"), (SPLIT, "")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_they_are_recognised_by_content(text, suffix, encoding, tmp_path):
    path = tmp_path / f"song{suffix}"
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert rows(inputs.read_score(path, "melody")) == rows(read(text))
    assert rows(inputs.read_score(path.read_bytes(), "melody")) == rows(read(text))


@pytest.mark.parametrize("text", [
    "X:1\nT:nothing\nK:C\n", "**kern\n*-\n", JIG.replace("6/8", "99999/8"), DUET.replace("2.C", "999999C"),
    DUET.replace("2.C", "0000000000C"), DUET.replace("*M3/4", "*M900/4"), "X:1\nK:C\n" + "abc" * 2**20,
], ids=["no notes", "empty spine", "endless bar", "endless number", "endless note", "long bar", "large"])
def test_what_cannot_be_read_is_refused_in_one_line(text):
    with pytest.raises(MusicFusionError, match=r"^song: ") as refused:
        read(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("number", range(0, 6000, 1000))
def test_real_folk_songs_are_those_that_the_reader_of_corpora_finds(number):
    root = ROOT.parent / "shared" / "data" / "essen-folksong-collection"
    if not root.is_dir():
        pytest.skip("the Essen Folksong Collection is not at ../shared/data/essen-folksong-collection")
    path = sorted(root.rglob("*.krn"))[number]
    ours, (theirs,) = notation.read(path), kern.read(path.read_text(encoding="latin-1")).voices
    moved = ours.tracks[0].notes[:, :3] - [ours.tracks[0].notes[0, 0] - theirs[0, 0], 0, 0]
    np.testing.assert_allclose(moved, theirs)
