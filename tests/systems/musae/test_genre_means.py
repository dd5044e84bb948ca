"""Where the genres' codes lie."""

import numpy as np
import pytest

from musicfusion.systems.musae.genre_means import GenreMeans

RNG = np.random.default_rng(0)
MIX = RNG.normal(size=(5, 5))
MEANS = np.array([[3.0, 0, 0, 0, 0], [0, -2.0, 0, 0, 1]])
COMPONENT = np.repeat([0, 1], 4000)
CODES = MEANS[COMPONENT] + RNG.normal(size=(8000, 5)) @ MIX


@pytest.fixture(scope="module")
def found():
    return GenreMeans.fit(CODES, COMPONENT)


def test_means_are_each_genre_s_own_and_the_scatter_is_about_them(found):
    np.testing.assert_allclose(found.mean[:2], MEANS, atol=0.15)
    np.testing.assert_allclose(found.mean[2], CODES.mean(0), atol=1e-5)  # a component without a genre
    np.testing.assert_allclose(found.scatter @ found.scatter.T, MIX.T @ MIX, rtol=0.1, atol=0.3)


def test_fewer_codes_than_dimensions_scatter_where_they_do():
    flat = RNG.normal(size=(6, 20)).astype(np.float32)
    drawn = GenreMeans.fit(flat, np.zeros(6, int)).draw(np.zeros(500, int), spread=1.0, seed=0)
    _, _, axes = np.linalg.svd(flat - flat.mean(0))
    assert np.abs((drawn - flat.mean(0)) @ axes[5:].T).max() < 1e-4, "not beyond the space that they span"


def test_codes_without_a_genre_count_for_none():
    strange = np.concatenate([CODES, np.full((10, 5), 50.0)])
    found = GenreMeans.fit(strange, np.concatenate([COMPONENT, np.full(10, -1)]))
    np.testing.assert_allclose(found.mean[:2], MEANS, atol=0.15)


def test_draws_scatter_as_codes_do_and_the_less_the_smaller_the_spread(found):
    drawn = found.draw(COMPONENT, spread=1.0, seed=0)
    for k in (0, 1):
        np.testing.assert_allclose(drawn[k == COMPONENT].mean(0), MEANS[k], atol=0.25)
    np.testing.assert_allclose(np.cov((drawn - MEANS[COMPONENT]).T), MIX.T @ MIX, rtol=0.15, atol=0.5)
    np.testing.assert_allclose(found.draw(COMPONENT, spread=0.0, seed=0), found.mean[COMPONENT], atol=1e-6)
    few = COMPONENT[:9]
    np.testing.assert_array_equal(found.draw(few, spread=1.0, seed=3), found.draw(few, spread=1.0, seed=3))


def test_a_code_moves_by_the_difference_of_the_means(found):
    z = np.zeros((2, 5), np.float32)
    there = found.move(z, 0, np.array([1, 0]), 1.0)
    np.testing.assert_allclose(there, [found.mean[1] - found.mean[0], np.zeros(5)], atol=1e-6)
    np.testing.assert_array_equal(found.move(z, 0, 1, 0.0), z)
