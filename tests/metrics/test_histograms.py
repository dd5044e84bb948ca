"""How far two counts of notes lie apart, by hand."""

import numpy as np
import pytest

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.metrics import histograms

TOKENS = np.array([[60, HOLD, HOLD, 64, REST, 76, 76, HOLD], [REST, 59, 71, REST, REST, REST, REST, REST]])


def test_notes_are_counted_by_length_class_and_what_follows():
    found = histograms.counts(TOKENS)
    assert found["durations"][:4].tolist() == [4, 1, 1, 0] and found["durations"].sum() == 6
    assert found["pitch classes"].nonzero()[0].tolist() == [0, 4, 11] and found["pitch classes"][11] == 2
    intervals = {k - 12: n for k, n in enumerate(found["intervals"]) if n}
    assert intervals == {4: 1, 12: 2, 0: 1}
    assert found["bigrams"][0 * 12 + 4] == 1 and found["bigrams"][4 * 12 + 4] == 2 and found["bigrams"].sum() == 4


def test_long_notes_and_wide_leaps_count_as_the_longest_and_widest():
    row = np.full((1, 36), HOLD)
    row[0, 0], row[0, 30] = 40, 80
    found = histograms.counts(row)
    assert found["durations"][histograms.LONGEST - 1] == 1 and found["intervals"][24] == 1


def test_distances_by_hand():
    one, other = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    assert histograms.earth_mover(one, other) == pytest.approx(2)
    assert histograms.euclidean(one, other) == pytest.approx(np.sqrt(2))
    for distance in (histograms.earth_mover, histograms.euclidean):
        assert histograms.between(one, other, (one + other) / 2, distance) == (pytest.approx(0), pytest.approx(1))
        assert histograms.between(one, other, one, distance)[1] == pytest.approx(1)
    diff, ratio = histograms.between(one, other, np.array([0, 1.0, 0]), histograms.earth_mover)
    assert (diff, ratio) == (pytest.approx(0), pytest.approx(1)), "the earth mover sees the middle bin as between"
    assert histograms.between(one, other, np.array([0, 1.0, 0]), histograms.euclidean)[1] == pytest.approx(2)


def test_shares_add_up():
    assert histograms.shares(np.array([1, 3])).tolist() == [0.25, 0.75] and not histograms.shares(np.zeros(2)).any()
