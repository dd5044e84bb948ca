"""Low-level numbers about music in tracks: what figure 3 of paper 004 shows, defined from its text (section 4.4.1).

Works on tokens int [N, T, tracks] (codecs.tracks); a track without notes has no mean pitch, duration or interval: NaN.
"""

import jax
import jax.numpy as jnp

from musicfusion.codecs import tracks
from musicfusion.codecs.melody import HOLD

BAR, BEAT = 16, 4
NAMES = {"notes": "notes a bar", "pitch": "mean pitch", "duration": "mean duration",
         "interval": "mean step between notes", "classes": "pitch classes", "silence": "share of silence",
         "offbeat": "onsets off the beat"}


def low_level(tokens: jax.Array) -> dict[str, jax.Array]:
    """Each of NAMES: float [N, tracks]. Durations are in 16ths, intervals in semitones, without sign."""
    tokens = tokens.astype(jnp.int32)
    steps = tokens.shape[1]
    onset, pitch = tokens < HOLD, tracks.sounding(tokens, jnp)
    count = jnp.sum(onset, 1)
    some = jnp.where(count > 0, count, jnp.nan)
    sounds = jnp.sum(pitch >= 0, 1)
    classes = jnp.any(jax.nn.one_hot(pitch % 12, 12, dtype=bool) & onset[..., None], 1)
    beat = jnp.arange(steps)[:, None] % BEAT == 0
    return {
        "notes": count * BAR / steps,
        "pitch": jnp.sum(pitch * onset, 1) / some,
        "duration": sounds / some,
        "interval": _interval(tokens, onset),
        "classes": jnp.sum(classes, -1).astype(jnp.float32),
        "silence": 1 - sounds / steps,
        "offbeat": jnp.sum(onset & ~beat, 1) / some,
    }


def _interval(tokens: jax.Array, onset: jax.Array) -> jax.Array:
    """The mean size of the step from one note to the next: [N, tracks]."""
    place = jnp.arange(tokens.shape[1])[:, None]
    last = jax.lax.cummax(jnp.where(onset, place, -1), axis=1)
    before = jnp.concatenate([jnp.full_like(last[:, :1], -1), last[:, :-1]], 1)
    leap = jnp.abs(tokens - jnp.take_along_axis(tokens, jnp.maximum(before, 0), 1))
    counts = onset & (before >= 0)
    number = jnp.sum(counts, 1)
    return jnp.sum(leap * counts, 1) / jnp.where(number > 0, number, jnp.nan)


def profile(tokens: jax.Array) -> jax.Array:
    """How often a note begins on each 16th of a bar, by track: [N, T, tracks] -> [N, 16 tracks]."""
    onset = (tokens < HOLD).reshape(len(tokens), -1, BAR, tokens.shape[-1])
    return jnp.mean(onset.astype(jnp.float32), 1).reshape(len(tokens), -1)
