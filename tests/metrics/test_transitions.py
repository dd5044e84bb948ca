"""Transitions from the first half of a melody to the second: by hand, and on real tunes."""

import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.data import tunes
from musicfusion.metrics import transitions

H, R = melody.HOLD, melody.REST


def states(*bars) -> dict[str, np.ndarray]:
    tokens = np.concatenate(bars)[None]
    return {name: np.asarray(pair)[0] for name, pair in transitions.states(tokens).items()}


C_MAJOR = [60, H, 62, H, 64, H, 65, H, 67, H, 69, H, 71, H, 72, H]
A_MINOR = [69, H, H, H, 72, H, 76, H, 69, H, H, H, 68, H, 69, H]


def test_states_are_those_of_either_half():
    found = states(C_MAJOR, A_MINOR)
    assert found["key"].tolist() == [0, 12 + 9]
    assert found["mean_pitch"].tolist() == [round(530 / 8), round((69 * 3 + 72 + 76 + 68) / 6)]
    assert found["mean_duration"].tolist() == [2, 3]
    assert found["pitch"].tolist() == [72, 69]
    assert found["duration"].tolist() == [2, 4]


def test_a_note_that_is_held_over_the_middle_is_one_note():
    found = states([60, *[H] * 11, 62, H, H, H], [H, H, 64, H, R, R, R, R, *[R] * 8])
    assert found["pitch"].tolist() == [62, 64] and found["duration"].tolist() == [6, 2]
    long = states([60] + [H] * 15, [H] * 8 + [R] * 7 + [61])
    assert long["duration"].tolist() == [transitions.LONGEST, 1]


def test_silence_has_no_state():
    for name, pair in states([R] * 16, A_MINOR).items():
        assert pair[0] == -1 and pair[1] >= 0, name


def test_a_transposed_melody_has_its_key_transposed():
    corpus = tunes.read("fiddle", limit=30)
    begins = corpus.first_beat[:20] * 4
    tokens = np.stack([corpus.arrays["melody"][begin : begin + 128] for begin in begins])
    here = np.asarray(transitions.states(melody.without_carry(tokens).astype(int))["key"])
    up = np.asarray(transitions.states(melody.transpose(melody.without_carry(tokens), 3))["key"])
    known = here >= 0
    assert known.sum() > 30
    np.testing.assert_array_equal(up[known], (here[known] // 12) * 12 + (here[known] % 12 + 3) % 12)
    assert np.mean(here[:, 0] == here[:, 1]) > 0.4, "most tunes stay in their key"


def test_a_matrix_is_how_often_each_state_leads_to_which():
    pairs = np.array([[0, 1], [0, 1], [0, 2], [2, 2], [-1, 0], [1, -1]])
    expected = np.array([[0, 2 / 3, 1 / 3], [0, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(transitions.matrix(pairs, 3), expected)
    weights = np.array([0, 0, 1, 2, 5, 5])
    np.testing.assert_allclose(transitions.matrix(pairs, 3, weights)[0], [0, 0, 1])


def test_correlation_is_pearsons():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(size=(2, 6, 6))
    assert transitions.correlation(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    assert transitions.correlation(a, a) == pytest.approx(1)
    assert np.isnan(transitions.correlation(a, np.ones((6, 6))))
