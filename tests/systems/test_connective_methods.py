"""Latent Perturb, the lambdas, and what the curves of paper 001 are made of."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config

from musicfusion.codecs import melody
from musicfusion.data import tunes
from musicfusion.metrics import transitions
from musicfusion.systems.connective_fusion import evaluation, methods, tables, windows

KEY = jax.random.key(1)
ROWS = 12


def nearer(params, symbols):
    """Reality that rises the nearer one comes to params."""
    return -jnp.sum((symbols - params) ** 2, 1)


def climb(z, sigma, score=nearer, target=1.0, seed=0):
    keys = jax.random.split(jax.random.key(seed), len(z))
    decode = lambda vae, z: vae * z  # noqa: E731
    run = jax.jit(lambda z, keys: methods.perturbed(decode, score, 1.0, target, z, sigma, keys))
    return np.asarray(run(z, keys))


@pytest.fixture(scope="module")
def sopranos():
    return tunes.read("chorales", limit=120)


# Latent Perturb -----------------------------------------------------------------------------------------------------


def test_noise_is_kept_where_reality_rises_and_nowhere_else():
    z = jax.random.normal(KEY, (ROWS, 6))
    found = climb(z, 0.2)
    assert found.shape == (len(methods.SHOWN), ROWS, 6)
    reality = [np.asarray(nearer(1.0, x)) for x in (z, *found)]
    for worse, better in itertools.pairwise(reality):
        assert np.all(better >= worse)
    assert np.all(reality[-1] > reality[0])
    np.testing.assert_array_equal(climb(z, 0.2, score=lambda params, x: jnp.zeros(len(x))), [z] * 3)


def test_a_smaller_sigma_goes_less_far_and_none_nowhere():
    z = jax.random.normal(KEY, (ROWS, 6))
    gone = [np.mean((climb(z, sigma)[-1] - z) ** 2) for sigma in (0.0, 0.01, 0.1)]
    assert gone[0] == 0 < gone[1] < gone[2]


def test_each_pair_is_perturbed_by_itself():
    z = jax.random.normal(KEY, (ROWS, 6))
    found = climb(z, 0.1)
    keys = jax.random.split(jax.random.key(0), ROWS)
    alone = methods.perturbed(lambda vae, z: z, nearer, 1.0, 1.0, z[3:4], 0.1, keys[3:4])
    np.testing.assert_allclose(np.stack(alone)[:, 0], found[:, 3], rtol=1e-5, atol=1e-6)
    assert not np.array_equal(climb(z, 0.1, seed=1), found)


def test_one_transposition_moves_the_right_side_to_where_it_is_liked_and_stays_in_range():
    pairs = np.full((3, 2 * windows.STEPS), melody.SYMBOLS - 2)
    pairs[:, [0, 64, 70]] = [[9, 2, 4], [9, 20, 29], [9, 0, 29]]
    found = methods.transposed(lambda symbols: -np.abs(symbols[:, 0] - symbols[:, 64].astype(float)), pairs)
    np.testing.assert_array_equal(found[:, [0, 64, 70]], [[9, 9, 11], [9, 9, 18], [9, 0, 29]])
    rest = np.delete(np.arange(2 * windows.STEPS), [64, 70])
    np.testing.assert_array_equal(found[:, rest], pairs[:, rest])


# Curves -------------------------------------------------------------------------------------------------------------


def test_every_lambda_has_its_stage_in_order_and_the_configs_own_is_fusion():
    config = micro_config("connective_fusion", fusion__distance=0.5, compare__lambdas=(3.0, 0.1, 0.5))
    assert methods.sweep(config) == [(0.1, "fusion_0.1"), (0.5, "fusion"), (3.0, "fusion_3.0")]


def row(method, distance, value):
    return {"method": method, "z_distance": distance, "reality": value, "ci": {"reality": [value - 0.15, value + 0.15]}}


def test_methods_are_compared_at_equal_z_distance():
    ours = [row("ours", 1.0, 0.5), row("ours", 3.0, 0.9)]
    theirs = [row("theirs", 0.5, 0.1), row("theirs", 1.0, 0.4), row("theirs", 2.0, 0.6), row("theirs", 9.0, 0.8)]
    won = tables.equal_distance(tables.envelope(ours, "ours"), tables.envelope(theirs, "theirs"), "reality")
    assert won == (2, 0, 3), "the first is nearer than any of ours; .4 and .8 are surpassed, .6 is not"
    theirs[1] |= row("theirs", 1.0, 0.15)
    assert tables.equal_distance(ours, theirs, "reality") == (2, 1, 3)


def symbols(corpus, part):
    table = windows.windows(corpus, part, 0)
    starts = table["start"]
    sides = windows.cut({"melody": jnp.asarray(corpus.arrays["melody"])}, starts, np.zeros_like(starts))
    return np.concatenate([sides[name] for name in windows.SIDES], 1), table["song"]


def test_real_pairs_are_like_real_pairs_and_shuffled_ones_less(sopranos):
    real, songs = symbols(sopranos, "train-1")
    rng = np.random.default_rng(0)
    shift = rng.integers(-5, 6, len(real))[:, None]
    left, right = np.split(real, 2, 1)
    moved = np.where(right < melody.PITCHES, (right + shift) % melody.PITCHES, right)
    shuffled = np.concatenate([left, moved[rng.permutation(len(real))]], 1)
    reference = evaluation._states(real)
    for name in ("key", "mean_pitch", "pitch"):
        count = transitions.STATES[name]
        same, (low, high) = evaluation.correlation(reference[name], reference[name], count, songs, 0)
        assert same == pytest.approx(1.0) and 0.3 < low < high <= 1.0
        other, _ = evaluation.correlation(evaluation._states(shuffled)[name], reference[name], count, songs, 0)
        assert other < same - 0.2, name


class Stand:
    """Networks whose z is the symbols, and whose style is added to it."""

    sbar = np.full(2 * windows.STEPS, 2.0)

    def __init__(self, power=1.0):
        self.config = micro_config("connective_fusion")
        self.power = power

    def encode(self, symbols):
        return symbols.astype(np.float32), np.ones(symbols.shape)

    def move(self, z, style, stage="fusion"):
        return z + self.power * np.repeat(np.round(4 * style), windows.STEPS, 1)

    def decode(self, z):
        return np.clip(np.asarray(z), 0, melody.SYMBOLS - 1).astype(int)

    def distance(self, moved, z):
        return np.mean((moved - z) ** 2, 1)


def test_a_style_that_is_used_makes_outputs_differ_and_far_cells_more_than_neighbours():
    z = np.full((ROWS, 2 * windows.STEPS), 7.0)
    used, ignored = (evaluation.style_report(Stand(power), z, 0) for power in (1.0, 0.0))
    assert set(ignored.values()) == {0.0}
    assert used["different"] > 0.5 and used["z_distance"] > 0
    assert 0 < used["neighbours"] < used["far"] == 1.0


def test_sides_of_one_song_are_nearer_to_each_other_and_identical_ones_are_left_out(sopranos):
    real, songs = symbols(sopranos, "train-1")
    found = evaluation.Inputs(real, real, np.zeros(0), songs)
    shares = evaluation.histogram(Stand(), found, 0)
    middle = 10 ** (np.log10(shares["edges"][:-1]) + 0.05)
    assert sum(shares["intra"]) == pytest.approx(1) and sum(shares["inter"]) == pytest.approx(1)
    assert np.dot(middle, shares["intra"]) < np.dot(middle, shares["inter"])
    again = np.tile(np.split(real[:1], 2, 1)[0], (20, 2))
    assert sum(evaluation.histogram(Stand(), found._replace(real=again, songs=songs[:20] * 0), 0)["intra"]) == 0


def test_what_is_measured_is_paired_with_other_songs_in_keys_of_their_own(sopranos):
    config = micro_config("connective_fusion", data__split="train-1", evaluate__windows=200)
    found = evaluation.read(config, sopranos, Stand())
    left, right = np.split(found.real, 2, 1)
    np.testing.assert_array_equal(found.random[:, : windows.STEPS], left)
    np.testing.assert_array_equal(found.z, found.random)
    rhythm = np.where(found.random[:, windows.STEPS :] < melody.PITCHES, 0, found.random[:, windows.STEPS :])
    own = np.where(right < melody.PITCHES, 0, right)
    same = np.all(rhythm[:, None] == own[None], -1)
    assert np.all(same.any(1)), "every right side is some window's"
    exact = np.all(found.random[:, None, windows.STEPS :] == right[None], -1).any(1)
    assert np.mean(exact) < 0.6, "most of them in another key"
    again = evaluation.read(config, sopranos, Stand())
    np.testing.assert_array_equal(again.random, found.random)
