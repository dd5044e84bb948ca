"""Random keys of examples. Each has its own, so that draws do not depend on how many devices share a batch."""

import jax
import jax.numpy as jnp


def folded(keys: jax.Array, salt: int, copies: int = 1) -> jax.Array:
    """Example keys [B] for another purpose, which `salt` numbers: [copies B], those of the first copy first."""
    fold = jax.vmap(jax.random.fold_in, (0, None))
    return jnp.concatenate([fold(keys, salt + copy) for copy in range(copies)])


def numbered(key: jax.Array, numbers: jax.Array) -> jax.Array:
    """A key for each example, by its number in the global batch: int [B] -> keys [B]."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)
