"""Unrelated pairs, the negatives of a critic: the partner is drawn from another song."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Integer, Key, Shaped

from musicfusion.core.arrays import AnyArray


def song_bounds(
    songs: Shaped[np.ndarray, " n"]
) -> tuple[Integer[np.ndarray, " n"], Integer[np.ndarray, " n"]]:
    """The songs of neighbouring entries [n] -> the first entry of each one's run of equal songs, and of the next run.

    int32 [n] each: the entries low..high-1 are of the same song.
    """
    edges = np.flatnonzero(np.diff(songs)) + 1
    run = np.searchsorted(edges, np.arange(len(songs)), "right")
    edges = np.concatenate([[0], edges, [len(songs)]]).astype(np.int32)
    return edges[run], edges[run + 1]


def sample_negative(
    keys: Key[jax.Array, " B"], low: Integer[AnyArray, " B"], high: Integer[AnyArray, " B"],
    first: Integer[AnyArray, ""] | int, end: Integer[AnyArray, ""] | int,
) -> Integer[jax.Array, " B"]:
    """For each example a random one of first..end-1 that is not one of low..high-1: keys [B], int [B] x 2 -> int [B].

    If there is no other, it is the last of low..high-1.
    """
    count = jnp.maximum(end - first - (high - low), 1)
    u = jax.vmap(lambda key, n: jax.random.randint(key, (), 0, n))(keys, count) + first
    return jnp.where(u < low, u, jnp.minimum(u + high - low, end - 1))
