"""Generator G and discriminator D (Connective Fusion, sections 2.5 and 3.2), called actor and critic as in CollageNet.

Both are perceptrons that read z = (z_L, z_R) [B, 2 d_z], a pair of four bars each. What G may change, D judges.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.nn.mlp import DropoutMLP, Gate


def features(vae: dict, z: jax.Array) -> jax.Array:
    """What actor and critic read: z itself."""
    del vae
    return z


class Actor(nn.Module):
    """G(z_L, z_R, s): a perceptron of five layers over its inputs, simply concatenated, then the gate (section 3.2)."""

    aspects: dict[str, int]
    hidden: int = 1024
    layers: int = 4  # and the gate's
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, style: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """z [B, 2 d_z], style [B, d_s] -> z' [B, 2 d_z]."""
        del example_keys  # nothing is dropped
        x = DropoutMLP(self.hidden, self.layers, dtype=self.dtype, name="body")(jnp.concatenate([z, style], -1))
        return Gate(name="gate")(x, z)


class Critic(nn.Module):
    """D(z_L, z_R): the logit that R follows L in a song, by a perceptron of five layers (section 3.2)."""

    aspects: dict[str, int]
    hidden: int = 1024
    layers: int = 4  # and the logit's
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """z [B, 2 d_z] -> logits [B]."""
        del example_keys
        x = DropoutMLP(self.hidden, self.layers, dtype=self.dtype, name="body")(z)
        return nn.Dense(1, name="logit")(x)[:, 0]
