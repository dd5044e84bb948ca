"""Latent Perturb and the best transposition."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.systems.connective_fusion import baselines, dataset

KEY = jax.random.key(1)
COUNT = 12


def nearer(symbols):
    """Reality that rises the nearer one comes to 1."""
    return -jnp.sum((symbols - 1.0) ** 2, 1)


def climb(z, sigma, score=nearer, seed=0):
    keys = jax.random.split(jax.random.key(seed), len(z))
    run = jax.jit(lambda z, keys: baselines.latent_perturb(lambda z: z, score, z, sigma, keys))
    return np.asarray(run(z, keys))


def test_noise_is_kept_where_reality_rises_and_nowhere_else():
    z = jax.random.normal(KEY, (COUNT, 6))
    found = climb(z, 0.2)
    assert found.shape == (len(baselines.PERTURBATIONS), COUNT, 6)
    reality = [np.asarray(nearer(x)) for x in (z, *found)]
    for worse, better in itertools.pairwise(reality):
        assert np.all(better >= worse)
    assert np.all(reality[-1] > reality[0])
    np.testing.assert_array_equal(climb(z, 0.2, score=lambda x: jnp.zeros(len(x))), [z] * 3)


def test_a_smaller_sigma_goes_less_far_and_none_nowhere():
    z = jax.random.normal(KEY, (COUNT, 6))
    gone = [np.mean((climb(z, sigma)[-1] - z) ** 2) for sigma in (0.0, 0.01, 0.1)]
    assert gone[0] == 0 < gone[1] < gone[2]


def test_each_pair_is_perturbed_by_itself():
    z = jax.random.normal(KEY, (COUNT, 6))
    found = climb(z, 0.1)
    keys = jax.random.split(jax.random.key(0), COUNT)
    alone = baselines.latent_perturb(lambda z: z, nearer, z[3:4], 0.1, keys[3:4])
    np.testing.assert_allclose(np.stack(alone)[:, 0], found[:, 3], rtol=1e-5, atol=1e-6)
    assert not np.array_equal(climb(z, 0.1, seed=1), found)


def test_one_transposition_moves_the_right_side_to_where_it_is_liked_and_stays_in_range():
    pairs = np.full((3, 2 * dataset.STEPS), melody.SYMBOLS - 2)
    pairs[:, [0, 64, 70]] = [[9, 2, 4], [9, 20, 29], [9, 0, 29]]
    found = baselines.best_transposition(lambda x: -np.abs(x[:, 0] - x[:, 64].astype(float)), pairs)
    np.testing.assert_array_equal(found[:, [0, 64, 70]], [[9, 9, 11], [9, 9, 18], [9, 0, 29]])
    rest = np.delete(np.arange(2 * dataset.STEPS), [64, 70])
    np.testing.assert_array_equal(found[:, rest], pairs[:, rest])
