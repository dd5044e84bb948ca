"""Drums beside the true ones, by patterns whose agreement is known."""

import itertools

import numpy as np
import pytest

from musicfusion.metrics import drums, onsets


def pattern(*steps, length=24):
    """One window of one instrument that is hit at these steps."""
    found = np.zeros((1, length, 1), bool)
    found[0, list(steps), 0] = True
    return found


@pytest.mark.parametrize("found, truth, agree", [
    ((0, 6, 12), (0, 6, 12), 3), ((1, 5, 13), (0, 6, 12), 3), ((2, 8), (0, 6), 0), ((), (0, 6), 0),
    ((0, 1), (0,), 1), ((0,), (0, 1), 1), ((0, 1, 2), (1, 2, 3), 3), ((1, 2), (0, 1), 2), ((5,), (4, 6), 1)])
def test_hits_agree_one_to_one_with_those_a_step_away(found, truth, agree):
    np.testing.assert_array_equal(drums.agreement(pattern(*found), pattern(*truth))[0, 0],
                                  [agree, len(found), len(truth)])


def test_agreement_is_that_of_onsets_in_time():
    rng = np.random.default_rng(0)
    found, truth = (rng.uniform(size=(40, 96, 3)) < 0.3 for _ in range(2))
    counts = drums.agreement(found, truth)
    for n, k in itertools.product(range(40), range(3)):
        expected = onsets.f_measure(np.flatnonzero(found[n, :, k]) * 1.0, np.flatnonzero(truth[n, :, k]) * 1.0, 1.0)
        assert drums.f1(counts[n, k]) == pytest.approx(expected)


def test_f1_is_one_where_there_is_nothing_to_play_and_nothing_is_played():
    assert drums.f1(drums.agreement(pattern(), pattern()))[0, 0] == 1
    assert drums.f1(drums.agreement(pattern(3), pattern()))[0, 0] == 0
    np.testing.assert_allclose(drums.f1(np.array([[1, 2, 2], [0, 0, 0]])), [0.5, 1])


def test_one_stream_says_whether_anything_is_hit():
    both = np.concatenate([pattern(0, 6), pattern(6, 12)], -1)
    np.testing.assert_array_equal(np.flatnonzero(drums.one_stream(both)), [0, 6, 12])


def test_synchrony_is_what_shifted_drums_lose():
    kick = pattern(0, 15, 24, 36, 51, 66, length=96)[..., 0]
    assert drums.synchrony(kick, kick, 3)[0] > 0.8
    every = pattern(*range(0, 96, 3), length=96)[..., 0]
    assert drums.synchrony(every, kick, 3)[0] == pytest.approx(0), "who plays always is no better at any shift"


def test_the_distance_of_two_distributions_is_how_far_one_is_moved():
    rng = np.random.default_rng(0)
    one = rng.normal(size=5000)
    assert drums.distance(one, one + 2) == pytest.approx(2)
    assert drums.distance(one, rng.normal(size=7000)) < 0.1


def test_hits_in_time_agree_once_within_the_window():
    truth = np.array([[1.0, 0, 90], [1.0, 2, 60], [2.0, 0, 90]])
    found = np.array([[1.04, 0, 80], [1.045, 0, 80], [2.06, 0, 80], [1.0, 3, 60]])
    counts = drums.timed_agreement(found, truth, 9)
    np.testing.assert_array_equal(counts[[0, 2, 3]], [[1, 3, 2], [0, 0, 1], [0, 1, 0]])
    np.testing.assert_array_equal(drums.velocity_errors(found, truth, 9), [10])
    np.testing.assert_array_equal(drums.stream_agreement(found[:, 0], truth[:, 0]), [1, 3, 2])


def test_hits_at_once_are_one_onset():
    np.testing.assert_allclose(drums.at_once(np.array([1.02, 1.0, 1.04, 2.0])), [1.0, 1.04, 2.0])
    assert not len(drums.at_once(np.zeros(0)))
