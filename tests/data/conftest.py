"""A small corpus of made-up songs: what matters here is where songs, windows and onsets lie."""

import numpy as np
import pytest

from musicfusion.data.corpus import Corpus, concatenate


@pytest.fixture
def small_corpus() -> Corpus:
    """Five songs of 4, 12, 8, 40 and 16 beats with few onsets."""
    generator = np.random.default_rng(7)
    songs = []
    for name, beats in zip("abcde", (4, 12, 8, 40, 16), strict=True):
        steps = 4 * beats
        onset = generator.random(steps) < 0.1
        songs.append(
            (
                name,
                {
                    "melody": np.where(onset, 60, 128).astype(np.uint8),
                    "pitch": np.full((steps, 14), 50, np.uint8),
                    "duration": (generator.random((steps, 14)) < 0.02).astype(np.uint8),
                    "chords": generator.integers(0, 12, (beats, 3)).astype(np.int16),
                },
            )
        )
    return concatenate(songs, {"f": "no notes"}, "made up")
