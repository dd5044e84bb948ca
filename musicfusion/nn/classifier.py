"""A classifier of sequences, which systems measure their music by: parallel blocks, their mean, one hidden layer."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.nn.blocks import Blocks
from musicfusion.nn.mlp import DropoutMLP


class Classifier(nn.Module):
    """What all of them share; a system's own says in `__call__` what it reads, and calls `judge`."""

    width: int = 64
    depth: int = 2
    dropout: float = 0.2
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def judge(self, x: jax.Array, row_keys=None, classes: int = 1, name: str = "logit") -> jax.Array:
        """[B, T, any] -> logits [B, classes], by a last layer of that name; row keys [B] switch dropout on."""
        x = Blocks(self.width, self.depth, self.dtype, name="body")(x)
        x = DropoutMLP(self.width, 1, self.dropout, self.dtype, name="hidden")(jnp.mean(x, 1), row_keys)
        return nn.Dense(classes, name=name)(x)
