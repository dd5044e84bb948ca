"""How one half of a melody follows from the other: Markov matrices of five states (Connective Fusion, section 3.4).

A melody is tokens int [B, T] (codecs.melody) whose second half begins at T / 2. Each statistic is a state of what comes
before the middle and one of what comes after it; -1 where there is none. The paper does not give bins and key finder:

    key              24 classes, by Krumhansl and Kessler's profiles, of how long each pitch class sounds in a half
    mean_pitch       of a half's notes, to the semitone
    mean_duration    of a half's notes, to the 16th, a bar at most
    pitch            of the last note before the middle, and of the first after it
    duration         of those two notes, to the 16th, a bar at most
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer, Num, Shaped

from musicfusion.codecs import keys, melody
from musicfusion.core.arrays import AnyArray
from musicfusion.metrics import statistics

LONGEST = 16  # steps
STATES = {"key": 24, "mean_pitch": melody.HOLD, "mean_duration": LONGEST + 1, "pitch": melody.HOLD,
          "duration": LONGEST + 1}


@jax.jit
def states(tokens: Integer[AnyArray, "B T"]) -> dict[str, Integer[Array, "B 2"]]:
    """Tokens int [B, T] -> {statistic: int32 [B, 2], the states before and after the middle}."""
    onset = tokens < melody.HOLD
    step = jnp.arange(tokens.shape[1])
    sounds = statistics.melody_states(tokens) != statistics.REST
    begun = jnp.maximum.accumulate(jnp.where(onset, step, 0), axis=1)  # where the note that sounds began
    length = jnp.sum((begun[:, None] == step[:, None]) & sounds[:, None], -1)  # [B, T], at onsets
    pitch = jnp.take_along_axis(tokens, begun, 1)
    return {
        "key": jnp.stack([_key(*half) for half in _halves(pitch, sounds)], 1),
        "mean_pitch": jnp.stack([_ratio(tokens * onset, onset) for tokens, onset in _halves(tokens, onset)], 1),
        "mean_duration": jnp.minimum(LONGEST, jnp.stack(
            [_ratio(sounds, onset) for sounds, onset in _halves(sounds, onset)], 1)),
        "pitch": _around(tokens, onset),
        "duration": _around(jnp.minimum(length, LONGEST), onset),
    }


def matrix(
    before_and_after: Integer[AnyArray, "n 2"], states: int, weights: Num[AnyArray, " n"] | None = None
) -> Float[np.ndarray, "states states"]:
    """Pairs of states int [n, 2] -> the probability that one follows the other: [states, states], rows add up to 1.

    A state that never comes first has a row of 0. weights [n]: how much each pair counts; those with a state of -1 do
    not count.
    """
    pairs = np.asarray(before_and_after)
    weights = np.ones(len(pairs)) if weights is None else np.asarray(weights, float)
    there = (pairs >= 0).all(1)
    index = pairs[there, 0] * states + pairs[there, 1]
    counts = np.bincount(index, weights[there], states * states).reshape(states, states)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1e-12)


def correlation(a: Float[np.ndarray, "m n"], b: Float[np.ndarray, "m n"]) -> float:
    """Pearson's correlation of two matrices' entries; NaN where all entries of one are equal."""
    a, b = (x.ravel() - x.mean() for x in (a, b))
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else float("nan")


def _halves(*arrays):
    """Arrays [B, T] -> the first halves, the second halves."""
    return zip(*(jnp.split(x, 2, 1) for x in arrays), strict=True)


def _key(pitch: Integer[Array, "B T"], sounds: Bool[Array, "B T"]) -> Integer[Array, " B"]:
    """The key of a half, 0..11 major, 12..23 minor; -1 of silence. [B, T / 2] x 2 -> [B]."""
    classes = jnp.sum(jax.nn.one_hot(pitch % statistics.CLASSES, statistics.CLASSES) * sounds[..., None], 1)
    return jnp.where(jnp.any(sounds, 1), keys.best(classes, jnp), -1).astype(jnp.int32)


def _ratio(values: Shaped[Array, "B T"], onset: Bool[Array, "B T"]) -> Integer[Array, " B"]:
    """The sum of values for each note, rounded; -1 without notes. [B, T / 2] x 2 -> [B]."""
    notes = jnp.sum(onset, 1)
    return jnp.where(notes > 0, jnp.round(jnp.sum(values, 1) / jnp.maximum(notes, 1)), -1).astype(jnp.int32)


def _around(values: Integer[Array, "B T"], onset: Bool[Array, "B T"]) -> Integer[Array, "B 2"]:
    """The value at the last onset before the middle, and at the first after it: [B, T] x 2 -> int32 [B, 2]."""
    (before, there), (after, here) = _halves(values, onset)
    steps = there.shape[1]
    last = steps - 1 - jnp.argmax(there[:, ::-1], 1)
    ends = [jnp.where(jnp.any(onset, 1), jnp.take_along_axis(values, at[:, None], 1)[:, 0], -1)
            for values, onset, at in ((before, there, last), (after, here, jnp.argmax(here, 1)))]
    return jnp.stack(ends, 1).astype(jnp.int32)
