"""Who is unrelated to whom: partners are drawn from other songs."""

import jax
import jax.numpy as jnp
import numpy as np


def song_bounds(songs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the run of equal songs around each entry begins, and where the next one does: [n] -> int32 [n] x 2."""
    edges = np.flatnonzero(np.diff(songs)) + 1
    place = np.searchsorted(edges, np.arange(len(songs)), "right")
    edges = np.concatenate([[0], edges, [len(songs)]]).astype(np.int32)
    return edges[place], edges[place + 1]


def elsewhere(keys: jax.Array, low: jax.Array, high: jax.Array, first, end) -> jax.Array:
    """One of first..end-1 that is none of low..high-1, at random, for each row: keys [b], int [b] x 2 -> int [b].

    Where low..high-1 is all there is, it is the last of them.
    """
    count = jnp.maximum(end - first - (high - low), 1)
    u = jax.vmap(lambda key, n: jax.random.randint(key, (), 0, n))(keys, count) + first
    return jnp.where(u < low, u, jnp.minimum(u + high - low, end - 1))
