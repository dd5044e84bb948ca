"""How MusAE is measured: each number by a case whose answer is known."""

import numpy as np
import pytest

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.systems.musae import evaluation
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.genre_evaluation import Examples
from musicfusion.systems.musae.latent_space import LatentSpace

RNG = np.random.default_rng(0)
TOKENS = np.where(RNG.uniform(size=(40, 32, 4)) < 0.3, RNG.integers(40, 80, (40, 32, 4)), HOLD)
NAMES = ("drums", "bass", "guitar", "strings")


def examples(tokens=TOKENS):
    return Examples(tokens=tokens, genre=np.arange(40) % 4, component=np.arange(40) % 4, song=np.arange(40) // 4)


def by_track(values, measure):
    return [values[f"{measure}_{name}"] for name in NAMES]


def test_accuracy_counts_holds_and_onsets_apart():
    decoded = np.where(TOKENS < HOLD, TOKENS + 1, TOKENS)  # every hold right, every onset wrong
    decoded[..., 3] = TOKENS[..., 3]
    values = evaluation.reconstruction(examples(), decoded, NAMES)
    assert by_track(values, "onsets") == [0, 0, 0, 1] and values["onsets"][0] == pytest.approx(0.25)
    np.testing.assert_allclose(by_track(values, "steps"), [*(TOKENS == HOLD).mean((0, 1))[:3], 1.0])
    mean, low, high = values["steps"]
    assert low <= mean <= high


def test_a_track_without_notes_has_no_onsets_to_be_right_about():
    silent = TOKENS.copy()
    silent[..., 2] = REST
    values = evaluation.reconstruction(examples(silent), silent, NAMES)
    assert values["steps_guitar"] == 1 and np.isnan(values["onsets_guitar"])
    assert values["onsets_bass"] == 1 and values["onsets"][0] == 1


def test_mixing_in_data_space_goes_from_nothing_to_what_differs_in_a_straight_line():
    curve = evaluation.mixed_in_data_space(examples(), 0)
    one, other = evaluation.pairs(40, 0)
    assert np.all(one != other) and curve[0] == 0
    assert curve[-1] == pytest.approx(np.mean(TOKENS[one] != TOKENS[other]))
    np.testing.assert_allclose(curve, np.linspace(0, curve[-1], 11), atol=0.02)


def test_interpolation_in_the_latent_space_begins_and_ends_at_the_two():
    def decode(z):
        return np.where(z[:, None, :4] < 0.5, 60, 72) + np.zeros((1, 32, 1), int)

    none = Components(component=np.arange(32), count=4, genres=(), instrumentation="band")
    space = LatentSpace(encode=decode, decode=decode, components=none, bars=2)
    z = np.repeat(np.arange(40)[:, None] % 2, 8, 1).astype(np.float32)
    curve = evaluation.interpolated(space, examples(decode(z)), z, 0)
    one, other = evaluation.pairs(40, 0)
    assert curve[0] == 0 and curve[-1] == pytest.approx(np.mean(one % 2 != other % 2))
    assert np.all(np.diff(curve) >= 0)


def test_the_sliced_distance_of_two_samples_of_one_law_is_small_and_grows_with_a_shift():
    one, other = RNG.normal(size=(2, 2000, 10))
    near, far = (evaluation.sliced_wasserstein(one, x, 0) for x in (other, other + 1.0))
    shifts = np.random.default_rng(0).normal(size=(10, evaluation.DIRECTIONS))
    expected = np.mean(np.abs((shifts / np.linalg.norm(shifts, axis=0)).sum(0)))
    assert near < 0.06 and far == pytest.approx(expected, rel=0.05)
