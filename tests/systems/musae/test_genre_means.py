"""Where the genres' codes lie."""

import numpy as np
import pytest

from musicfusion.systems.musae.dataset import COMPONENTS, UNTAGGED
from musicfusion.systems.musae.genre_means import FLOOR, GenreMeans

RNG = np.random.default_rng(0)
MIX = RNG.normal(size=(5, 5))
MEANS = np.array([[3.0, 0, 0, 0, 0], [0, -2.0, 0, 0, 1]])
COMPONENT = np.repeat([0, 1], 4000)
CODES = MEANS[COMPONENT] + RNG.normal(size=(8000, 5)) @ MIX


@pytest.fixture(scope="module")
def found():
    return GenreMeans.fit(CODES, COMPONENT)


def test_means_and_deviations_are_each_genre_s_own(found):
    np.testing.assert_allclose(found.mean[:2], MEANS, atol=0.15)
    np.testing.assert_allclose(found.deviation[:2], np.sqrt(np.diag(MIX.T @ MIX))[None].repeat(2, 0), rtol=0.05)


def test_a_component_without_codes_has_the_numbers_of_all_codes_and_so_has_the_last(found):
    assert found.mean.shape == found.deviation.shape == (COMPONENTS + 1, 5)
    for numbers, of_all in ((found.mean, CODES.mean(0)), (found.deviation, CODES.std(0))):
        np.testing.assert_allclose(numbers[2:], np.tile(of_all, (COMPONENTS - 1, 1)), rtol=1e-5, atol=1e-5)


def test_a_deviation_is_never_nothing():
    codes = np.concatenate([np.full((6, 3), 2.0), RNG.normal(size=(50, 3))]) * [1, 1, 0]
    found = GenreMeans.fit(codes, np.repeat([0, 1, UNTAGGED], [5, 1, 50]))
    np.testing.assert_allclose(found.deviation[0, :2], FLOOR * codes.std(0)[:2], rtol=1e-5)  # all its codes are alike
    np.testing.assert_allclose(found.deviation[1, :2], codes.std(0)[:2], rtol=1e-5)  # it has one code
    np.testing.assert_allclose(found.deviation[:, 2], FLOOR**2)


def test_codes_without_a_genre_count_for_none():
    strange = np.concatenate([CODES, np.full((10, 5), 50.0)])
    found = GenreMeans.fit(strange, np.concatenate([COMPONENT, np.full(10, UNTAGGED)]))
    np.testing.assert_allclose(found.mean[:2], MEANS, atol=0.15)


def test_draws_scatter_as_codes_do_and_the_less_the_smaller_the_spread(found):
    drawn = found.draw(COMPONENT, spread=1.0, seed=0)
    for k in (0, 1):
        np.testing.assert_allclose(drawn[k == COMPONENT].mean(0), MEANS[k], atol=0.25)
        np.testing.assert_allclose(drawn[k == COMPONENT].std(0), found.deviation[k], rtol=0.05)
    np.testing.assert_allclose(found.draw(COMPONENT, spread=0.0, seed=0), found.mean[COMPONENT], atol=1e-6)
    few = COMPONENT[:9]
    np.testing.assert_array_equal(found.draw(few, spread=1.0, seed=3), found.draw(few, spread=1.0, seed=3))


def test_a_code_moves_by_the_difference_of_the_means(found):
    z = np.zeros((2, 5), np.float32)
    there = found.move(z, 0, np.array([1, 0]), 1.0)
    np.testing.assert_allclose(there, [found.mean[1] - found.mean[0], np.zeros(5)], atol=1e-6)
    np.testing.assert_array_equal(found.move(z, 0, 1, 0.0), z)


def test_music_without_a_genre_moves_from_the_mean_of_all_codes(found):
    there = found.move(np.zeros((1, 5), np.float32), np.array([UNTAGGED]), np.array([1]), 1.0)
    np.testing.assert_allclose(there[0], found.mean[1] - CODES.mean(0), atol=1e-5)
