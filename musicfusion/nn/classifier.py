"""A classifier of sequences, on which the systems' judges are built: parallel blocks, their mean, one hidden layer."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Float, Key

from musicfusion.core.arrays import AnyArray
from musicfusion.nn.blocks import Blocks
from musicfusion.nn.mlp import DropoutMLP


class Classifier(nn.Module):
    """What all judges share. A subclass says in `__call__` how music becomes [B, T, any], and calls `judge`."""

    width: int = 64
    depth: int = 2
    dropout: float = 0.2
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def judge(
        self, x: Float[AnyArray, "B T any"], example_keys: Key[jax.Array, " B"] | None = None, classes: int = 1,
        name: str = "logit",
    ) -> Float[jax.Array, "B {classes}"]:
        """[B, T, any] -> logits [B, classes]. With example keys [B] there is dropout. name: of the last layer."""
        x = Blocks(self.width, self.depth, self.dtype, name="body")(x)
        x = DropoutMLP(self.width, 1, self.dropout, self.dtype, name="hidden")(jnp.mean(x, 1), example_keys)
        return nn.Dense(classes, name=name)(x)
