"""Random keys of rows: each row of a batch has its own, so draws do not depend on how many devices share the batch."""

import jax
import jax.numpy as jnp


def folded(keys: jax.Array, salt: int, copies: int = 1) -> jax.Array:
    """Row keys [b] for another purpose, one after the other for each of `copies` of the rows -> [copies b]."""
    fold = jax.vmap(jax.random.fold_in, (0, None))
    return jnp.concatenate([fold(keys, salt + copy) for copy in range(copies)])


def numbered(key: jax.Array, rows: jax.Array) -> jax.Array:
    """A key for each row number: int [b] -> [b]."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, rows)
