"""The beats that notes mean, where a file's own are beside them."""

import numpy as np
import pytest

from musicfusion.codecs import beats, midi
from musicfusion.codecs.score import Score, Track

TUNE = [(0, 2), (2, 1), (3, 1), (4, 3), (7, 1), (8, 4), (12, 1), (13, 1), (14, 2), (16, 4)]  # onset, length in 16ths


def score(rows, shift: float = 0.0, metre=(4, 4)) -> Score:
    """Notes in 16ths, moved by some quarters."""
    notes = np.array([[16 + onset, length, 60, 80] for onset, length in rows]) / (4, 4, 1, 1) + (shift, 0, 0, 0)
    return Score((Track("", 0, False, notes),), np.array([[0, 120.0]]), ((0.0, *metre),), "")


def test_a_score_on_its_grid_is_believed_however_syncopated():
    off_beats = [(4 * k + 2, 2) for k in range(8)]
    assert beats.phase(score(TUNE)) == 0.0
    assert beats.phase(score(off_beats)) == 0.0
    assert beats.phase(score([(5, 2)])) == 0.0
    assert beats.phase(score(TUNE, 0.02)) == 0.0, "a hair late is a way to play"


@pytest.mark.parametrize("shift", [-0.45, -0.2, -0.1, 0.06, 0.3, 0.43])
def test_a_constant_distance_from_the_grid_is_found(shift):
    for metre in ((4, 4), (1, 4)):
        assert beats.phase(score(TUNE, shift, metre)) == pytest.approx(shift, abs=1e-9)


def test_bars_of_one_beat_say_nothing_of_where_it_is():
    assert beats.phase(score(TUNE, 0.25, (1, 4))) == 0.25
    assert beats.phase(score(TUNE, 0.25, (4, 4))) == 0.0


def test_played_unevenly_it_has_no_phase_of_its_own():
    generator = np.random.default_rng(0)
    notes = np.column_stack([np.sort(generator.uniform(0, 64, 400)), np.full((400, 3), (0.5, 60, 80))])
    played = Score((Track("", 0, False, notes),), np.array([[0, 120.0]]), ((0.0, 4, 4),), "")
    assert beats.phase(played) == 0.0


@pytest.mark.parametrize(("shift", "ratio"), [(0.0, 0.6), (0.0, 2 / 3), (0.0, 0.7), (0.2, 2 / 3), (-0.1, 2 / 3)])
def test_swung_eighths_do_not_move_the_beat(shift, ratio):
    swung = [(4 * k + late, 1 if late else 2.5) for k in range(32) for late in (0, 4 * ratio)]
    assert beats.phase(score(swung, shift)) == pytest.approx(shift, abs=0.01)


@pytest.mark.parametrize("shift", [-0.1, 0.0, 0.1])
def test_triplets_throughout_have_their_phase(shift):
    triplets = [(4 * k + third, 4 / 3 + (third == 0)) for k in range(32) for third in (0, 4 / 3, 8 / 3)]
    assert beats.phase(score(triplets, shift, (1, 4))) == pytest.approx(shift, abs=1e-6)


def test_most_pop909_songs_agree_with_their_annotated_beats(pop909_root):
    agree = []
    for path in sorted(pop909_root.rglob("??0.mid"))[:40]:
        song = midi.read(path)
        annotated = song.quarters(np.loadtxt(path.parent / "beat_midi.txt")[:, 0])
        truth = np.angle(np.mean(np.exp(2j * np.pi * annotated))) / (2 * np.pi)
        agree.append(abs((beats.phase(song) - truth + 0.5) % 1.0 - 0.5) < 1 / 8)
    assert np.mean(agree) >= 0.9
