"""Tonic-relative melodies: what a melody is like, apart from the key and the octave that it is in.

A melody's tonic is a pitch: the tonic of the diatonic scale that holds most of the notes (of relative keys the major
one), in the octave nearest to them. Counted from its tonic a melody is the same in every key, so a latent that keeps
the tonic apart can move a melody to another key by changing few of its numbers.

Absolute symbols count pitches from `Tonics.lowest` on, then hold, then rest. Tonic-relative symbols count pitches from
-REACH to REACH semitones around the tonic, then hold, then rest; a pitch beyond is moved within reach by octaves.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Integer

from musicfusion.codecs import melody
from musicfusion.core.arrays import AnyArray

OCTAVE = 12
REACH = 24  # semitones
PITCHES = 2 * REACH + 1
SYMBOLS = PITCHES + 2
# How much a note on each degree of the chromatic scale speaks for a tonic: those of the major scale do, its tonic,
# third and fifth a little more. No two sums of these weights are equal: without ties every key is treated the same.
DEGREES = np.array([1.2, 0.013, 1.007, 0.029, 1.1, 1.031, 0.011, 1.22, 0.017, 0.99, 0.043, 0.9], np.float32)
_WEIGHTS = DEGREES[(np.arange(OCTAVE)[:, None] - np.arange(OCTAVE)) % OCTAVE]  # [pitch class, tonic]


@dataclasses.dataclass(frozen=True)
class Tonics:
    """The tonics of melodies whose symbols are `pitches` pitches from `lowest` on, then hold, then rest."""

    lowest: int
    pitches: int

    @property
    def first(self) -> int:
        """The lowest tonic, half an octave below the range."""
        return self.lowest - OCTAVE // 2

    @property
    def count(self) -> int:
        """So many tonics, up to half an octave above the range."""
        return self.pitches + OCTAVE

    def find(self, symbols: Integer[AnyArray, "B T"]) -> Integer[jax.Array, " B"]:
        """The tonic of each melody: symbols [B, T] -> int32 [B], semitones above `first`, 0..count - 1.

        A melody without notes gets a tonic in the middle.
        """
        onset = symbols < self.pitches
        pitch = symbols + self.lowest
        classes = jnp.sum(jax.nn.one_hot(pitch % OCTAVE, OCTAVE) * onset[..., None], 1)
        tonic_class = jnp.argmax(classes @ _WEIGHTS, 1)
        count, total = jnp.sum(onset, 1), jnp.sum(pitch * onset, 1)
        count, total = jnp.maximum(count, 1), jnp.where(count > 0, total, self.lowest + self.pitches // 2)
        tonic = nearest(tonic_class, total, count)
        return jnp.clip(tonic - self.first, 0, self.count - 1).astype(jnp.int32)

    def relative(
        self, symbols: Integer[AnyArray, "B T"], tonic: Integer[AnyArray, " B"]
    ) -> Integer[jax.Array, "B T"]:
        """Symbols [B, T] counted from tonics [B]: tonic-relative symbols int32 [B, T], 0..SYMBOLS - 1."""
        interval = symbols + self.lowest - (tonic[:, None] + self.first)
        degree = melody.fold(interval, -REACH, REACH) + REACH
        return jnp.where(symbols < self.pitches, degree, symbols - self.pitches + PITCHES).astype(jnp.int32)

    def absolute(
        self, relative: Integer[AnyArray, "B T"], tonic: Integer[AnyArray, " B"]
    ) -> Integer[jax.Array, "B T"]:
        """The reverse: [B, T], [B] -> symbols int32 [B, T]. A pitch out of range is moved into it by octaves."""
        pitch = relative - REACH + tonic[:, None] + self.first
        symbol = melody.fold(pitch, self.lowest, self.lowest + self.pitches - 1) - self.lowest
        return jnp.where(relative < PITCHES, symbol, relative - PITCHES + self.pitches).astype(jnp.int32)


def nearest(
    classes: Integer[AnyArray, "*#B"], total: Integer[AnyArray, "*#B"], count: Integer[AnyArray, "*#B"] | int = 1
) -> Integer[AnyArray, "..."]:
    """The pitch of each class that lies nearest to total / count: classes 0..11, [...] x 3 (broadcast) -> pitches.

    Of two equally near the higher one. In whole numbers, which round alike in every key.
    """
    return classes + OCTAVE * ((total - count * classes + count * OCTAVE // 2) // (count * OCTAVE))
