"""What the paper's curves are made of, with networks that change nothing or everything."""

import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.metrics import transitions
from musicfusion.systems.connective_fusion import baselines, dataset, evaluation

COUNT = 12


class Stand:
    """Networks whose z is the symbols, and whose style is added to it."""

    sbar = np.full(2 * dataset.STEPS, 2.0)

    def __init__(self, power=1.0, trained=()):
        self.power, self.trained = power, trained

    def has(self, stage):
        return stage in self.trained

    def encode(self, symbols):
        return symbols.astype(np.float32), np.ones(symbols.shape)

    def move(self, z, style, stage="fusion"):
        return z + self.power * np.repeat(np.round(4 * style), dataset.STEPS, 1)

    def decode(self, z):
        return np.clip(np.asarray(z), 0, melody.SYMBOLS - 1).astype(int)

    def distance(self, moved, z):
        return np.mean((moved - z) ** 2, 1)

    def logits(self, symbols, stage="reality_classifier"):
        return np.full(len(symbols), 1.0)

    def latent_perturb(self, z, sigma, seed):
        return dict.fromkeys(baselines.PERTURBATIONS, z + sigma)


def symbols(corpus, part):
    found = dataset.windows(corpus, part, 0)
    starts = found["start"]
    sides = dataset.cut({"melody": jnp.asarray(corpus.arrays["melody"])}, starts, np.zeros_like(starts))
    return np.concatenate([sides[name] for name in dataset.SIDES], 1), found["song"]


def test_real_pairs_are_like_real_pairs_and_shuffled_ones_less(sopranos):
    real, songs = symbols(sopranos, "train-1")
    rng = np.random.default_rng(0)
    shift = rng.integers(-5, 6, len(real))[:, None]
    left, right = np.split(real, 2, 1)
    moved = np.where(right < melody.PITCHES, (right + shift) % melody.PITCHES, right)
    shuffled = np.concatenate([left, moved[rng.permutation(len(real))]], 1)
    reference = evaluation.states(real)
    for name in ("key", "mean_pitch", "pitch"):
        count = transitions.STATES[name]
        same, low, high = evaluation.correlation(reference[name], reference[name], count, songs, 0)
        assert same == pytest.approx(1.0) and 0.3 < low < high <= 1.0
        other, _, _ = evaluation.correlation(evaluation.states(shuffled)[name], reference[name], count, songs, 0)
        assert other < same - 0.2, name


def test_every_method_is_measured_as_far_as_it_was_trained():
    z = np.full((COUNT, 2 * dataset.STEPS), 7.0)
    style = np.full((COUNT, 2), 0.5, np.float32)
    actors = [(0.3, "fusion"), (2.0, "fusion_2.0")]

    def methods(*trained):
        run = evaluation.transforms(Stand(trained=trained), z, style, z.astype(int), actors=actors, seed=0)
        return [(method, setting, iteration) for method, setting, iteration, _, _ in run]

    assert methods() == [("random pairs", "", 0), ("random pairs through the VAE", "", 0)]
    assert methods("fusion")[2:] == [("Connective Fusion", "lambda 0.3", i) for i in range(1, 6)]
    everything = methods("fusion", "fusion_2.0", "reality_classifier_1")
    assert len(everything) == len(set(everything)) == 3 + 2 * 5 + 4 * 3


def test_iterations_go_on_from_each_other_and_are_measured_from_the_beginning():
    z = np.full((COUNT, 2 * dataset.STEPS), 7.0)
    style = np.full((COUNT, 2), 0.5, np.float32)  # which adds two
    run = evaluation.transforms(Stand(trained=("fusion",)), z, style, z.astype(int), actors=[(0.3, "fusion")], seed=0)
    moved = list(run)[2:]
    assert [set(symbols.ravel()) for _, _, _, symbols, _ in moved] == [{7 + 2 * i} for i in range(1, 6)]
    assert [distance[0] for *_, distance in moved] == [(2 * i) ** 2 for i in range(1, 6)]


def test_a_style_that_is_used_makes_outputs_differ_and_far_cells_more_than_neighbours():
    z = np.full((COUNT, 2 * dataset.STEPS), 7.0)
    used, ignored = (evaluation.style_differences(Stand(power), z, style=2, seed=0) for power in (1.0, 0.0))
    assert set(ignored.values()) == {0.0}
    assert used["different"] > 0.5 and used["z_distance"] > 0
    assert 0 < used["neighbours"] < used["far"] == 1.0


def test_sides_of_one_song_are_nearer_to_each_other_and_identical_ones_are_left_out(sopranos):
    real, songs = symbols(sopranos, "train-1")
    found = evaluation.Pairs(real, real, np.zeros(0), songs)
    shares = evaluation.histogram(Stand(), found, 0)
    middle = 10 ** (np.log10(shares["edges"][:-1]) + 0.05)
    assert sum(shares["within"]) == pytest.approx(1) and sum(shares["across"]) == pytest.approx(1)
    assert np.dot(middle, shares["within"]) < np.dot(middle, shares["across"])
    again = np.tile(np.split(real[:1], 2, 1)[0], (20, 2))
    assert sum(evaluation.histogram(Stand(), found._replace(real=again, songs=songs[:20] * 0), 0)["within"]) == 0


def test_what_is_measured_is_paired_with_other_songs_in_keys_of_their_own(sopranos):
    measured = {"split": "train-1", "seed": 0, "count": 200, "batch": 20}
    found = evaluation.read(sopranos, Stand(), **measured)
    left, right = np.split(found.real, 2, 1)
    np.testing.assert_array_equal(found.random[:, : dataset.STEPS], left)
    np.testing.assert_array_equal(found.z, found.random)
    rhythm = np.where(found.random[:, dataset.STEPS :] < melody.PITCHES, 0, found.random[:, dataset.STEPS :])
    own = np.where(right < melody.PITCHES, 0, right)
    same = np.all(rhythm[:, None] == own[None], -1)
    assert np.all(same.any(1)), "every right side is some window's"
    exact = np.all(found.random[:, None, dataset.STEPS :] == right[None], -1).any(1)
    assert np.mean(exact) < 0.6, "most of them in another key"
    again = evaluation.read(sopranos, Stand(), **measured)
    np.testing.assert_array_equal(again.random, found.random)


def test_reconstruction_and_the_classifier_are_measured_on_the_same_pairs(sopranos):
    real, songs = symbols(sopranos, "test")
    found = evaluation.Pairs(real, real[::-1], np.zeros(0), songs)
    assert evaluation.reconstruction(Stand(), found)["symbol_accuracy"] == 1.0
    likely = 1 / (1 + np.exp(-1.0))
    assert evaluation.classifier_accuracy(Stand(), found) == pytest.approx(
        {"real": likely, "shuffled": likely, "accuracy": 0.5})
