"""Decoded music as probabilities with a gradient, so that networks on latents see the notes that they move.

Pitch classes are expected counts. Intervals are counted in pitch classes, so they are the same in every key.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float, Num

from musicfusion.core.arrays import AnyArray

OCTAVE, MIDDLE_C = 12, 60
TEMPERATURE = 3.0
_CLASSES = np.arange(OCTAVE)
BETWEEN = np.eye(OCTAVE, dtype=np.float32)[(_CLASSES - _CLASSES[:, None]) % OCTAVE]  # [low, high, interval]
ABOVE = np.eye(OCTAVE, dtype=np.float32)[(_CLASSES + _CLASSES[:, None]) % OCTAVE]  # [root, interval, class]


def melody(
    logits: Float[jax.Array, "B T symbols"], lowest: int = 0, height: bool = False
) -> dict[str, Float[jax.Array, "B T _"]]:
    """Logits of tokens [B, T, pitches + 2] (pitches from `lowest` on, hold, rest) -> features of the melody.

    A hold goes on with whatever sounded before. {"lead", "lead_onsets", "leaps" [B, T, 12], "lead_states" [B, T, 4]}
    and, if asked for, "height" [B, T, 2]: that of the last note in octaves from middle C, times how likely one has
    begun by then, and how likely that is.
    """
    notes, hold, rest = _symbols(logits)
    pitches = notes.shape[-1]
    heights = (lowest + np.arange(pitches) - MIDDLE_C) / OCTAVE
    return _line(fold(notes, lowest), (notes @ heights)[..., None], hold, rest, height)


def tonic_relative_melody(
    logits: Float[jax.Array, "B T symbols"], lowest: int, tonic: Float[jax.Array, "B tonics"], first: int
) -> dict[str, Float[jax.Array, "B T _"]]:
    """The same with "height", of pitches [B, T, pitches + 2] that are counted, from `lowest` on, from a tonic that is
    itself uncertain: logits [B, tonics], from pitch `first` on.
    """
    notes, hold, rest = _symbols(logits)
    tonics = straight_through(jax.nn.softmax, tonic, 2 * TEMPERATURE)  # of which a decoder is surer than of a note
    above = (lowest + np.arange(notes.shape[-1])) / OCTAVE
    base = (first + np.arange(tonics.shape[-1]) - MIDDLE_C) / OCTAVE
    onset = jnp.sum(notes, -1, keepdims=True)
    height = (notes @ above)[..., None] + onset * (tonics @ base)[:, None, None]
    degrees, keys = fold(notes, lowest), fold(tonics, first)
    return _line(pairs(degrees, jnp.broadcast_to(keys[:, None], degrees.shape), ABOVE), height, hold, rest, True)


def _symbols(
    logits: Float[jax.Array, "B T symbols"]
) -> tuple[Float[jax.Array, "B T symbols-2"], Float[jax.Array, "B T 1"], Float[jax.Array, "B T 1"]]:
    """Probabilities of all pitches, of a hold, of a rest: [B, T, pitches], [B, T, 1] x 2."""
    pitches = logits.shape[-1] - 2
    notes, hold, rest = jnp.split(straight_through(jax.nn.softmax, logits), [pitches, pitches + 1], -1)
    return notes, hold, rest


def _line(classes, heights, hold, rest, height: bool) -> dict[str, jax.Array]:
    """What begins at each step, by class [B, T, 12], in octaves times its probability [B, T, 1] -> the features."""
    onset = jnp.sum(classes, -1, keepdims=True)
    note = jnp.concatenate([classes, onset, heights], -1)  # [B, T, 14]

    def go_on(before, now):
        sounding, last = before
        note, onset, hold = now
        sounding = note + hold * sounding
        return (sounding, note + (1 - onset) * last), (sounding, last)

    silence = jnp.zeros_like(note[:, 0])
    in_time = jax.tree.map(lambda x: x.swapaxes(0, 1), (note, onset, hold))
    _, in_order = lax.scan(go_on, (silence, silence), in_time)
    sounding, last = (x.swapaxes(0, 1) for x in in_order)
    leap = note[..., -1:] * last[..., -2:-1] - onset * last[..., -1:]
    onsets, before = note[..., :OCTAVE], last[..., :OCTAVE]
    found = {"lead": sounding[..., :OCTAVE], "lead_onsets": onsets, "leaps": intervals(before, onsets),
             "lead_states": jnp.concatenate([onset, hold, rest, leap], -1)}
    return found | ({"height": (note + (1 - onset) * last)[..., :-3:-1]} if height else {})


def straight_through(
    squash: Callable[[jax.Array], jax.Array], logits: Float[jax.Array, "*B n"], blur: float = TEMPERATURE
) -> Float[jax.Array, "*B n"]:
    """squash(logits), its gradient that of squash(logits / blur).

    A decoder that is sure of its notes has hardly a gradient: an actor could not learn from it which way another note
    lies.
    """
    blurred = squash(logits / blur)
    return blurred + lax.stop_gradient(squash(logits) - blurred)


def fold(pitches: Num[AnyArray, "*B P"], lowest: int = 0) -> Num[jax.Array, "*B 12"]:
    """Pitches from `lowest` on [..., P] -> [..., 12]: what lies in one pitch class is added up."""
    below = lowest % OCTAVE
    padded = jnp.pad(pitches, [(0, 0)] * (pitches.ndim - 1) + [(below, -(below + pitches.shape[-1]) % OCTAVE)])
    return jnp.sum(padded.reshape(*pitches.shape[:-1], -1, OCTAVE), -2)


def intervals(low: Float[AnyArray, "*B 12"], high: Float[AnyArray, "*B 12"]) -> Float[AnyArray, "*B 12"]:
    """How often each interval upward from `low` to `high` sounds: [..., 12] x 2 -> [..., 12]; the same in every key."""
    return pairs(low, high, BETWEEN)


def pairs(
    one: Float[AnyArray, "*B 12"], other: Float[AnyArray, "*B 12"], meaning: Float[np.ndarray, "12 12 12"]
) -> Float[AnyArray, "*B 12"]:
    """Every pair of classes, added up by what it means: [..., 12] x 2, [12, 12, 12] -> [..., 12].

    As a matrix product: the gradient of indexing would be a scatter, which a CPU does one by one.
    """
    both = one[..., :, None] * other[..., None, :]
    return both.reshape(*both.shape[:-2], -1) @ meaning.reshape(-1, OCTAVE)
