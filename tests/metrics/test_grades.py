"""Grades that listeners gave: read, compared, predicted."""

import numpy as np
import pytest

from musicfusion.metrics import grades

RNG = np.random.default_rng(0)


def test_annotators_agree_as_their_means_correlate_over_shared_clips():
    given = {"anna": {str(k): np.full(4, k) for k in range(1, 9)},
             "ben": {str(k): np.full(4, 10 - k) for k in range(4, 9)}, "cleo": {"1": np.full(4, 5)}}
    names, matrix = grades.agreement(given)
    assert names == ["anna", "ben", "cleo"]
    assert matrix[0, 0] == pytest.approx(1) and matrix[0, 1] == pytest.approx(-1) and np.isnan(matrix[0, 2])


def test_a_clip_is_good_if_all_that_was_said_of_it_is_above_five():
    given = {"anna": {"x": np.array([4, 4, 4, 4]), "y": np.array([9, 9, 2, 2])}, "ben": {"x": np.array([7, 7, 7, 7])}}
    assert grades.good(given) == {"x": True, "y": True}
    assert grades.good({"anna": {"x": np.full(4, 5.0)}}) == {"x": False}


def test_grades_are_predicted_from_features_that_determine_them_and_not_from_others():
    features = RNG.normal(size=(300, 8))
    labels = features[:, 0] + 0.5 * features[:, 1] + 0.3 * RNG.normal(size=300) > 0
    songs = [str(k) for k in range(300)]
    assert grades.predicted(features, labels, songs) > 0.88
    assert 0.35 < grades.predicted(RNG.normal(size=(300, 8)), labels, songs) < 0.65
    assert np.isnan(grades.predicted(features, np.ones(300, bool), songs))
    assert np.isnan(grades.predicted(features, labels, ["one"] * 300)), "there is no other song"


def test_clips_of_a_song_say_nothing_of_its_other_clips():
    features = np.repeat(RNG.normal(size=(30, 8)), 10, 0)  # whoever knows one clip of a song knows all of them
    labels, songs = np.repeat(RNG.random(30) > 0.5, 10), [str(k // 10) for k in range(300)]
    leaking = grades.predicted(features, labels, [str(k) for k in range(300)])
    assert grades.predicted(features, labels, songs) < leaking - 0.1


def test_the_distribution_counts_rounded_means():
    given = {"anna": {"x": np.full(4, 1.4), "y": np.array([6, 7, 6, 7]), "z": np.full(4, 10)}}
    assert grades.distribution(given).tolist() == [1, 0, 0, 0, 0, 0, 1, 0, 0, 1]


def test_the_regression_is_scikit_learn_s():
    linear_model = pytest.importorskip("sklearn.linear_model")
    features = RNG.normal(size=(200, 4)) * [1, 10, 0.1, 3] + 2
    labels = features[:, 0] + RNG.normal(size=200) > 2
    standard = (features - features.mean(0)) / features.std(0)
    theirs = linear_model.LogisticRegression(C=1.0, tol=1e-8).fit(standard, labels).predict_proba(standard)[:, 1]
    np.testing.assert_allclose(grades.Logistic(features, labels).probability(features), theirs, atol=1e-4)
