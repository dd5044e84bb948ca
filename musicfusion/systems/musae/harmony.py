"""The harmony of windows, without their rhythm: what the flow may be given beside a genre.

Source: ours, not the paper's.
"""

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import tracks
from musicfusion.data.corpus import STEPS_PER_BEAT
from musicfusion.systems.musae.dataset import BEATS

MIDDLE, SPREAD = 60.0, 24.0  # semitones: about where the mean pitches of tracks lie, and how far from there
CLASSES = 12  # of pitch


def harmony_of(tokens: jax.Array, pitched: jax.Array, parts: int, steps: int = STEPS_PER_BEAT) -> jax.Array:
    """What sounds in each of the `parts` of windows, one after the other.

    Of each beat the pitch classes that sound in it, 0 or 1; of each part the mean pitch of every track that sounds in
    it, 0 for silence; and 1, by which a harmony differs from none (`no_harmony`).

    tokens: int [B, T, 4]; pitched: which tracks are no drums, bool [4]; steps: of a beat. Returns [B, parts, H].
    """
    count, length, _ = tokens.shape
    sounding = jnp.where(pitched, tracks.sounding(tokens, jnp), -1)
    beats = sounding.reshape(count, length // steps, -1, 1)
    classes = jnp.any((beats % CLASSES == jnp.arange(CLASSES)) & (beats >= 0), 2)  # [B, beats, 12]
    spans = sounding.reshape(count, parts, -1, tracks.TRACKS)
    sounds = spans >= 0
    mean = jnp.sum(jnp.where(sounds, spans, 0), 2) / jnp.maximum(jnp.sum(sounds, 2), 1)
    height = jnp.where(jnp.any(sounds, 2), (mean - MIDDLE) / SPREAD, 0.0)
    return jnp.concatenate([classes.reshape(count, parts, -1), height, jnp.ones((count, parts, 1))], -1)


def no_harmony(count: int, bars: int, parts: int) -> np.ndarray:
    """What stands for a harmony that is not given, of `count` windows of so many bars: zeros [count, parts, H]."""
    return np.zeros((count, parts, CLASSES * bars * BEATS // parts + tracks.TRACKS + 1), np.float32)

