"""What tests of rules and baselines share: segments of real songs, and their pairs across songs."""

import jax
import numpy as np
import pytest

from musicfusion.systems.collagenet import dataset


@pytest.fixture(scope="module")
def real(corpus):
    """Segments of real songs in the order of their songs: (segments as arrays, the song of each)."""
    segments = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0)
    starts, songs = (x[::2] for x in segments.windows(corpus, "train"))
    return jax.device_get(dataset.cut(dict(corpus.arrays), starts, np.zeros_like(starts))), songs


@pytest.fixture(scope="module")
def partner(real):
    """For every segment one of another song."""
    _, songs = real
    others = np.roll(np.arange(len(songs)), len(songs) // 2)
    assert (songs[others] != songs).all() and len(songs) > 500
    return others


@pytest.fixture(scope="module")
def unrelated(real, partner):
    """Melodies beside accompaniments of other songs: tokens, pitch, duration."""
    arrays, _ = real
    return arrays["melody"], arrays["pitch"][partner], arrays["duration"][partner]
