"""FusionGAN's baselines without learning (section IV): notes whose pitch and duration are drawn independently."""

from collections.abc import Mapping

import numpy as np

from musicfusion.codecs import melody
from musicfusion.systems.fusion_gan.dataset import LENGTH

WINDOWS = 2000  # of a genre whose notes are counted, about


def random_mixing(training: Mapping[str, np.ndarray], *, count: int, seed: int) -> np.ndarray:
    """RM: every pitch and every duration that occurs in either genre is equally likely.

    Args:
        training: tokens of windows by genre, [N, 36].
        count: how many melodies.
        seed: of the draws.

    Returns:
        Tokens uint8 [count, 36].
    """
    return _independent(training, count, seed, uniform=True)


def monte_carlo(training: Mapping[str, np.ndarray], *, count: int, seed: int) -> np.ndarray:
    """MC: pitches and durations are as likely as they are frequent in both genres; arguments as of `random_mixing`."""
    return _independent(training, count, seed, uniform=False)


def _independent(training: Mapping[str, np.ndarray], count: int, seed: int, *, uniform: bool) -> np.ndarray:
    windows = [window for own in training.values() for window in own[:: max(len(own) // WINDOWS, 1)]]
    notes = np.concatenate([melody.notes_from_tokens(window) for window in windows])
    rng = np.random.default_rng(seed)

    def draw(values, n):
        kinds, counts = np.unique(values, return_counts=True)
        return rng.choice(kinds, n, p=None if uniform else counts / counts.sum())

    drawn = np.full((count, LENGTH), melody.REST, np.uint8)
    for window in drawn:
        durations = draw(notes[:, 1], LENGTH)
        onsets = np.concatenate([[0], np.cumsum(durations)[:-1]])
        window[:] = melody.tokens_from_notes(np.stack([onsets, durations, draw(notes[:, 2], LENGTH)], 1), LENGTH)
    return drawn
