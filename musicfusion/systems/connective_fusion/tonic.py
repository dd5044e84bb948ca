"""Tonic-relative melodies: what a melody is like, apart from the key and the octave that it is in.

A melody's tonic is a pitch: the tonic of the diatonic scale that holds most of the notes (of relative keys the major
one), in the octave nearest to them. Counted from its tonic a melody is the same in every key, so a latent that keeps
the tonic apart can move a melody to another key by changing few of its numbers.

Absolute symbols are those of codecs/melody.py: 0..29 for pitches from 55 on, then hold, then rest. Tonic-relative
symbols count pitches from -REACH to REACH semitones around the tonic, then hold, then rest; a pitch beyond is moved
within reach by octaves.
"""

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody

OCTAVE = 12
LOWEST = melody.LOWEST - OCTAVE // 2  # the lowest tonic, half an octave below the range
TONICS = melody.PITCHES + OCTAVE  # up to half an octave above the range
REACH = 24  # semitones
PITCHES = 2 * REACH + 1
SYMBOLS = PITCHES + 2
# How much a note on each degree of the chromatic scale speaks for a tonic: those of the major scale do, its tonic,
# third and fifth a little more. No two sums of these weights are equal: without ties every key is treated the same.
DEGREES = np.array([1.2, 0.013, 1.007, 0.029, 1.1, 1.031, 0.011, 1.22, 0.017, 0.99, 0.043, 0.9], np.float32)
_WEIGHTS = DEGREES[(np.arange(OCTAVE)[:, None] - np.arange(OCTAVE)) % OCTAVE]  # [pitch class, tonic]


def find(symbols: jax.Array) -> jax.Array:
    """The tonic of each melody: symbols int [B, T] -> int32 [B], semitones above LOWEST, 0..TONICS - 1.

    A melody without notes gets a tonic in the middle.
    """
    onset = symbols < melody.PITCHES
    pitch = symbols + melody.LOWEST
    classes = jnp.sum(jax.nn.one_hot(pitch % OCTAVE, OCTAVE) * onset[..., None], 1)
    tonic_class = jnp.argmax(classes @ _WEIGHTS, 1)
    count, total = jnp.sum(onset, 1), jnp.sum(pitch * onset, 1)
    middle = melody.LOWEST + melody.PITCHES // 2
    count, total = jnp.maximum(count, 1), jnp.where(count > 0, total, middle)
    # in whole numbers, which round alike in every key
    octave = (total - count * tonic_class + count * OCTAVE // 2) // (count * OCTAVE)
    tonic = tonic_class + OCTAVE * octave
    return jnp.clip(tonic - LOWEST, 0, TONICS - 1).astype(jnp.int32)


def relative(symbols: jax.Array, tonic: jax.Array) -> jax.Array:
    """Symbols int [B, T] counted from tonics int [B]: tonic-relative symbols int32 [B, T], 0..SYMBOLS - 1."""
    interval = symbols + melody.LOWEST - (tonic[:, None] + LOWEST)
    degree = melody.fold(interval, -REACH, REACH) + REACH
    return jnp.where(symbols < melody.PITCHES, degree, symbols - melody.PITCHES + PITCHES).astype(jnp.int32)


def absolute(relative: jax.Array, tonic: jax.Array) -> jax.Array:
    """The reverse: int [B, T], [B] -> symbols int32 [B, T]. A pitch out of range is moved into it by octaves."""
    pitch = relative - REACH + tonic[:, None] + LOWEST
    symbol = melody.fold(pitch, melody.LOWEST, melody.HIGHEST) - melody.LOWEST
    return jnp.where(relative < PITCHES, symbol, relative - PITCHES + melody.PITCHES).astype(jnp.int32)
