"""The correlation of bands, as the paper prints it and as it describes it."""

import numpy as np
import pytest

from musicfusion.metrics import spectrograms

RNG = np.random.default_rng(0)


def test_a_band_s_correlation_is_numpy_s():
    one, other = RNG.normal(size=(50, 6)), RNG.normal(size=(50, 6))
    theirs = [np.corrcoef(one[:, k], other[:, k])[0, 1] for k in range(6)]
    np.testing.assert_allclose(spectrograms.pearson(one, other), theirs)


def test_a_band_correlates_with_itself_by_1_with_its_negative_by_minus_1_and_with_a_constant_one_by_0():
    one = RNG.normal(size=(50, 4))
    np.testing.assert_allclose(spectrograms.pearson(one, 3 * one + 1), 1)
    np.testing.assert_allclose(spectrograms.pearson(one, -one), -1)
    np.testing.assert_allclose(spectrograms.pearson(one, np.zeros_like(one)), 0)


def test_the_printed_formula_is_another_one():
    """It subtracts the mean over bands at each time: a sound that gets louder in all bands alike does not count."""
    louder = np.linspace(0, 1, 20)[:, None] + np.zeros((1, 3))
    assert spectrograms.as_printed(louder, louder) == pytest.approx(0)
    np.testing.assert_allclose(spectrograms.pearson(louder, louder), 1)
    tilted = louder + [0.0, 1.0, 2.0]
    np.testing.assert_allclose(spectrograms.as_printed(tilted, tilted), [20, 0, 20], atol=1e-9)
