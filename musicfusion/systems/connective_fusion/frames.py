"""A melody in the frame of its key: what it is like, told apart from where it lies.

A frame is a pitch: the tonic of the diatonic scale that holds most of the notes (of relative keys the major one), in
the octave nearest to them. Seen from there a melody is the same in every key, so a latent that keeps the frame to
itself can move a melody to another key by a few of its numbers.

Symbols are those of codecs/melody.py, 0..29 for pitches from 55 on, hold, rest; pitches seen from the frame are
-REACH..REACH, and of those beyond it the octave that is within.
"""

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody

OCTAVE = 12
LOWEST = melody.LOWEST - OCTAVE // 2  # of all frames: half an octave below the range
FRAMES = melody.PITCHES + OCTAVE  # and up to half an octave above it
REACH = 24  # semitones
PITCHES = 2 * REACH + 1
SYMBOLS = PITCHES + 2
# How much a note on each degree of the chromatic scale speaks for a tonic: those of the major scale do, its tonic,
# third and fifth a little more. No two sums of them are alike: without ties every key is treated the same.
DEGREES = np.array([1.2, 0.013, 1.007, 0.029, 1.1, 1.031, 0.011, 1.22, 0.017, 0.99, 0.043, 0.9], np.float32)
_SPEAKS = DEGREES[(np.arange(OCTAVE)[:, None] - np.arange(OCTAVE)) % OCTAVE]  # [class, tonic]


def find(symbols: jax.Array) -> jax.Array:
    """Symbols [B, T] -> which frame each row has, int32 [B], 0..FRAMES - 1; without notes one in the middle."""
    onset = symbols < melody.PITCHES
    pitch = symbols + melody.LOWEST
    classes = jnp.sum(jax.nn.one_hot(pitch % OCTAVE, OCTAVE) * onset[..., None], 1)
    tonic = jnp.argmax(classes @ _SPEAKS, 1)
    count, total = jnp.sum(onset, 1), jnp.sum(pitch * onset, 1)
    middle = melody.LOWEST + melody.PITCHES // 2
    count, total = jnp.maximum(count, 1), jnp.where(count > 0, total, middle)
    octave = (total - count * tonic + count * OCTAVE // 2) // (count * OCTAVE)  # whole numbers: alike in every key
    frame = tonic + OCTAVE * octave
    return jnp.clip(frame - LOWEST, 0, FRAMES - 1).astype(jnp.int32)


def relative(symbols: jax.Array, frame: jax.Array) -> jax.Array:
    """Symbols [B, T] as they are seen from frames [B]: int32 [B, T], 0..SYMBOLS - 1."""
    seen = symbols + melody.LOWEST - (frame[:, None] + LOWEST)
    seen = melody.fold(seen, -REACH, REACH) + REACH
    return jnp.where(symbols < melody.PITCHES, seen, symbols - melody.PITCHES + PITCHES).astype(jnp.int32)


def absolute(seen: jax.Array, frame: jax.Array) -> jax.Array:
    """The reverse: int [B, T], [B] -> symbols int32 [B, T]; a pitch out of range is moved into it by octaves."""
    pitch = seen - REACH + frame[:, None] + LOWEST
    pitch = melody.fold(pitch, melody.LOWEST, melody.HIGHEST) - melody.LOWEST
    return jnp.where(seen < PITCHES, pitch, seen - PITCHES + melody.PITCHES).astype(jnp.int32)
