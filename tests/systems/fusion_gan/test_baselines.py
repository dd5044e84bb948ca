"""FusionGAN's baselines without learning, by cases whose answers are known."""

import numpy as np

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.metrics import histograms
from musicfusion.systems.fusion_gan import baselines
from musicfusion.systems.fusion_gan.dataset import LENGTH

RNG = np.random.default_rng(0)
FAST = np.where(np.arange(LENGTH) % 2, HOLD, RNG.choice([60, 62, 64, 67], (50, LENGTH))).astype(np.uint8)
SLOW = np.where(np.arange(LENGTH) % 4, HOLD, RNG.choice([60, 65, 69], (50, LENGTH))).astype(np.uint8)
TRAINING = {"a": FAST, "b": SLOW}


def test_monte_carlo_plays_notes_as_often_as_they_occur():
    drawn = baselines.monte_carlo(TRAINING, count=300, seed=0)
    assert drawn.shape == (300, LENGTH) and not np.any(drawn == REST)
    counted = histograms.counts(drawn)
    both = histograms.counts(np.concatenate([FAST, SLOW]))
    np.testing.assert_allclose(histograms.shares(counted["pitch classes"]), histograms.shares(both["pitch classes"]),
                               atol=0.04)


def test_random_mixing_plays_every_note_that_occurs_alike():
    counted = histograms.counts(baselines.random_mixing(TRAINING, count=300, seed=0))
    pitches = counted["pitch classes"][counted["pitch classes"] > 0]
    assert len(pitches) == 6 and np.ptp(pitches / pitches.sum()) < 0.05


def test_the_seed_says_which_melodies():
    one, same, other = (baselines.monte_carlo(TRAINING, count=5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)
