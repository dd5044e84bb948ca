"""The key in which a melody fits an accompaniment best: harmony as far as one transposition goes."""

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import segments

# In the order in which ties are settled: the shortest way, upward before downward.
SHIFTS = np.array(sorted(range(segments.LOWEST_SHIFT, segments.LOWEST_SHIFT + segments.KEYS),
                         key=lambda shift: (abs(shift), -shift)), np.int32)  # 0, 1, -1, ... 5, -5, -6
_MOVED = (np.arange(statistics.CLASSES) - SHIFTS[:, None]) % statistics.CLASSES  # [shift, class] -> class before
_ROUNDING = 1e-5  # overlaps of two segments differ by more than that, or not at all


def best_shift(melody_histogram: jax.Array, accompaniment_histogram: jax.Array) -> jax.Array:
    """The transposition of a melody whose pitch classes overlap most with an accompaniment's.

    Args:
        melody_histogram, accompaniment_histogram: notes of each pitch class  # [B, 12]

    Returns:
        Semitones in -6..5, int32 [B]: of equally good ones the smallest, upward before downward. 0 where a part has
        no notes.
    """
    moved = jnp.asarray(melody_histogram)[:, _MOVED]  # [B, shift, 12]
    overlap = statistics.overlap(moved, accompaniment_histogram[:, None])
    best = overlap >= jnp.max(overlap, 1, keepdims=True) - _ROUNDING  # nowhere where it is NaN
    return jnp.asarray(SHIFTS)[jnp.argmax(best, 1)]
