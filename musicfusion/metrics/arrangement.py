"""Low-level features of music in tracks: those of MusAE's figure 3, defined from its text (section 4.4.1).

They are computed from tokens int [N, T, tracks] (codecs.tracks). A track without notes has no mean pitch, duration or
interval: NaN.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Integer

from musicfusion.codecs import tracks
from musicfusion.codecs.melody import HOLD
from musicfusion.codecs.score import STEPS_PER_QUARTER
from musicfusion.core.arrays import AnyArray

BEATS = 4  # of a bar
NAMES = {"notes": "notes a bar", "pitch": "mean pitch", "duration": "mean duration",
         "interval": "mean step between notes", "classes": "pitch classes", "silence": "share of silence",
         "offbeat": "onsets off the beat"}


def low_level(
    tokens: Integer[AnyArray, "N T tracks"], steps: int = STEPS_PER_QUARTER
) -> dict[str, Float[jax.Array, "N tracks"]]:
    """Each of NAMES for tokens int [N, T, tracks]: float [N, tracks].

    Durations are in 16ths; intervals are absolute, in semitones. steps: of a beat.
    """
    tokens = jnp.asarray(tokens, jnp.int32)
    length = tokens.shape[1]
    onset, pitch = tokens < HOLD, tracks.sounding(tokens, jnp)
    count = jnp.sum(onset, 1)
    some = jnp.where(count > 0, count, jnp.nan)
    sounds = jnp.sum(pitch >= 0, 1)
    classes = jnp.any(jax.nn.one_hot(pitch % 12, 12, dtype=bool) & onset[..., None], 1)
    beat = jnp.arange(length)[:, None] % steps == 0
    return {
        "notes": count * (BEATS * steps) / length,
        "pitch": jnp.sum(pitch * onset, 1) / some,
        "duration": sounds / some * (STEPS_PER_QUARTER / steps),
        "interval": _interval(tokens, onset),
        "classes": jnp.sum(classes, -1).astype(jnp.float32),
        "silence": 1 - sounds / length,
        "offbeat": jnp.sum(onset & ~beat, 1) / some,
    }


def _interval(
    tokens: Integer[jax.Array, "N T tracks"], onset: Bool[jax.Array, "N T tracks"]
) -> Float[jax.Array, "N tracks"]:
    """The mean absolute interval from one note to the next, in semitones: [N, tracks]."""
    step = jnp.arange(tokens.shape[1])[:, None]
    last = jax.lax.cummax(jnp.where(onset, step, -1), axis=1)
    before = jnp.concatenate([jnp.full_like(last[:, :1], -1), last[:, :-1]], 1)
    leap = jnp.abs(tokens - jnp.take_along_axis(tokens, jnp.maximum(before, 0), 1))
    counts = onset & (before >= 0)
    number = jnp.sum(counts, 1)
    return jnp.sum(leap * counts, 1) / jnp.where(number > 0, number, jnp.nan)


def profile(
    tokens: Integer[AnyArray, "N T tracks"], steps: int = STEPS_PER_QUARTER
) -> Float[jax.Array, "N profile"]:
    """The share of bars in which a note begins on each of their steps, for each track.

    int [N, T, tracks], T whole bars of 4/4 -> float [N, 4 steps tracks]. steps: of a beat.
    """
    onset = (tokens < HOLD).reshape(len(tokens), -1, BEATS * steps, tokens.shape[-1])
    return jnp.mean(onset.astype(jnp.float32), 1).reshape(len(tokens), -1)
