"""The flower of Gaussians, against equations (14) to (18) of paper 004 written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion import priors
from musicfusion.core.rows import numbered

SIZE, PETALS, MANY = 6, 8, 20_000


def keys(count: int = MANY) -> jax.Array:
    return numbered(jax.random.key(0), jnp.arange(count))


def petal(i: int) -> np.ndarray:
    return np.asarray(priors.flower(keys(), jnp.full(MANY, priors.angle(i, PETALS)), SIZE))


@pytest.mark.parametrize("i", [0, 1, 5])
def test_a_petal_has_the_papers_mean_and_covariance(i):
    angle = 2 * np.pi * i / PETALS
    v = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    m = np.eye(SIZE)
    m[:2, :2] = v.T  # equation (16)
    s = np.diag([0.1, *[0.001] * (SIZE - 1)])  # (17)
    drawn = petal(i)
    np.testing.assert_allclose(drawn.mean(0), [np.cos(angle), np.sin(angle), *[0] * (SIZE - 2)], atol=0.01)
    np.testing.assert_allclose(np.cov(drawn.T), m @ s @ np.linalg.inv(m), atol=0.004)


def test_draws_lie_nearest_to_their_own_petal():
    for i in range(PETALS):
        near = np.asarray(priors.nearest_petal(petal(i)[:500], PETALS))
        assert np.mean(near == i) > 0.97


def test_the_nearest_petal_goes_around():
    angles = np.array([0.0, 0.4, 0.6, 7.4, 7.6, -0.4]) * 2 * np.pi / PETALS
    z = np.stack([np.cos(angles), np.sin(angles)], 1)
    np.testing.assert_array_equal(priors.nearest_petal(z, PETALS), [0, 0, 1, 7, 0, 0])


def test_a_turned_draw_is_a_draw_from_the_petal_there():
    here, there = petal(1)[:100], petal(3)[:100]
    turn = jnp.full(100, priors.angle(3, PETALS) - priors.angle(1, PETALS))
    np.testing.assert_allclose(priors.turned(here, turn), there, atol=1e-5)


def test_a_row_draws_the_same_whatever_stands_beside_it():
    few, many = (priors.gaussian(keys(n), SIZE) for n in (3, 10))
    np.testing.assert_array_equal(few, many[:3])
