"""The flower of Gaussians, against equations (14) to (18) of MusAE written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion import priors
from musicfusion.core.example_keys import numbered

SIZE, COMPONENTS, MANY = 6, 8, 20_000


def keys(count: int = MANY) -> jax.Array:
    return numbered(jax.random.key(0), jnp.arange(count))


def component(i: int) -> np.ndarray:
    return np.asarray(priors.flower(keys(), jnp.full(MANY, priors.angle(i, COMPONENTS)), SIZE))


@pytest.mark.parametrize("i", [0, 1, 5])
def test_a_component_has_the_papers_mean_and_covariance(i):
    angle = 2 * np.pi * i / COMPONENTS
    v = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    m = np.eye(SIZE)
    m[:2, :2] = v.T  # equation (16)
    s = np.diag([0.1, *[0.001] * (SIZE - 1)])  # (17)
    drawn = component(i)
    np.testing.assert_allclose(drawn.mean(0), [np.cos(angle), np.sin(angle), *[0] * (SIZE - 2)], atol=0.01)
    np.testing.assert_allclose(np.cov(drawn.T), m @ s @ np.linalg.inv(m), atol=0.004)


def test_draws_lie_nearest_to_their_own_component():
    for i in range(COMPONENTS):
        near = np.asarray(priors.nearest_component(component(i)[:500], COMPONENTS))
        assert np.mean(near == i) > 0.97


def test_the_nearest_component_wraps_around_the_circle():
    angles = np.array([0.0, 0.4, 0.6, 7.4, 7.6, -0.4]) * 2 * np.pi / COMPONENTS
    z = np.stack([np.cos(angles), np.sin(angles)], 1)
    np.testing.assert_array_equal(priors.nearest_component(z, COMPONENTS), [0, 0, 1, 7, 0, 0])


def test_a_rotated_draw_is_a_draw_from_the_component_at_that_angle():
    here, there = component(1)[:100], component(3)[:100]
    turn = jnp.full(100, priors.angle(3, COMPONENTS) - priors.angle(1, COMPONENTS))
    np.testing.assert_allclose(priors.rotated(here, turn), there, atol=1e-5)


def test_an_example_draws_the_same_whatever_stands_beside_it():
    few, many = (priors.gaussian(keys(n), SIZE) for n in (3, 10))
    np.testing.assert_array_equal(few, many[:3])


def test_whitened_is_the_inverse_of_coloured_with_and_without_a_genre():
    white, tagged = np.asarray(priors.gaussian(keys(40), SIZE)), np.arange(40) % 3 > 0
    angle = priors.angle(np.arange(40) % COMPONENTS, COMPONENTS)
    z = priors.coloured(white, angle, tagged)
    np.testing.assert_allclose(priors.whitened(z, angle, tagged), white, atol=1e-4)
    np.testing.assert_allclose(priors.coloured(priors.whitened(z, angle, tagged), angle, tagged), z, atol=1e-6)
    np.testing.assert_array_equal(z, priors.flower(keys(40), angle, SIZE, tagged))


@pytest.mark.parametrize("tagged", [True, False])
def test_whitened_draws_are_standard_normal(tagged):
    angle = priors.angle(jnp.arange(MANY) % COMPONENTS, COMPONENTS)
    white = np.asarray(priors.whitened(priors.flower(keys(), angle, SIZE, tagged), angle, tagged))
    np.testing.assert_allclose(white.mean(0), np.zeros(SIZE), atol=0.03)
    np.testing.assert_allclose(np.cov(white.T), np.eye(SIZE), atol=0.04)


def test_what_has_no_genre_is_drawn_about_the_middle_whatever_its_angle():
    drawn = np.asarray(priors.flower(keys(), jnp.full(MANY, 2.0), SIZE, False))
    np.testing.assert_allclose(drawn.mean(0), np.zeros(SIZE), atol=1e-3)
    np.testing.assert_allclose(np.cov(drawn.T), 0.001 * np.eye(SIZE), atol=4e-5)
    np.testing.assert_array_equal(drawn[:9], priors.flower(keys(9), jnp.zeros(9), SIZE, jnp.zeros(9, bool)))
