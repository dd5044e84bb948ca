"""Paper 001's generator and discriminator (sections 2.5 and 3.2); here, as everywhere, they are actor and critic.

z is z_L + z_R [B, 128]. What G may change, D judges: a pair of four bars each.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.nn.mlp import DropoutMLP, Gate

SIDES = ("left", "right")


def parts(latent: int) -> dict[str, int]:
    """Where the sides lie in z."""
    return dict.fromkeys(SIDES, latent)


def similarity_loss(rho: dict[str, jax.Array], style: jax.Array) -> jax.Array:
    """L_dist, equation (7): both sides' rho, whatever the style. [B] each -> [B]."""
    del style
    return rho["left"] + rho["right"]


class Actor(nn.Module):
    """G(z_L, z_R, s): a perceptron of five layers over what is given, simply concatenated, then the gate. (3.2.)"""

    aspects: dict[str, int]
    hidden: int = 1024
    layers: int = 4  # and the gate's
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, style: jax.Array, row_keys=None) -> jax.Array:
        """z [B, 128], style [B, d_s] -> z' [B, 128]."""
        del row_keys  # nothing is dropped
        x = DropoutMLP(self.hidden, self.layers, dtype=self.dtype, name="body")(jnp.concatenate([z, style], -1))
        return Gate(name="gate")(x, z)


class Critic(nn.Module):
    """D(z_L, z_R): the logit that one follows the other in a song, by a perceptron of five layers. (3.2.)"""

    aspects: dict[str, int]
    hidden: int = 1024
    layers: int = 4  # and the logit's
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, row_keys=None) -> jax.Array:
        """z [B, 128] -> logits [B]."""
        del row_keys
        x = DropoutMLP(self.hidden, self.layers, dtype=self.dtype, name="body")(z)
        return nn.Dense(1, name="logit")(x)[:, 0]
