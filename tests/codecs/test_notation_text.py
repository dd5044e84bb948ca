"""ABC and **kern as users have them."""

import numpy as np
import pytest
from micro import ROOT

from musicfusion.codecs import inputs, kern, notation
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
    assert "left out: its words" in score.notices


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
