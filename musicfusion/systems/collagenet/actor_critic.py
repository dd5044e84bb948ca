"""The published actor and critic: perceptrons on the latents of both VAEs (CollageNet, sections 3.2 to 3.4).

Where the paper is silent they follow its public code. They differ from the paper's text in one point: dropout is .3, as
in the code; the text says .5. The actor's gate starts nearly closed (nn.mlp.Gate).
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.nn.mlp import DropoutMLP, Gate
from musicfusion.systems.collagenet.objective import controlled, held, melody_size


class Actor(nn.Module):
    """G(z, c): moves a pair of latents toward harmony; the controls c say what must stay (section 3.4).

    Attributes:
        aspects: latent sizes in the order in which z holds them.
        hidden: width of all layers; a control's is a quarter of it.
        layers: after the parts are joined.
        dropout: after each of these layers.
        gated: whether an aspect moves by 1 - its control (objective.held); the paper's actor is free.
        dtype: of the factors of matrix products.
    """

    aspects: Mapping[str, int]
    hidden: int = 1024
    layers: int = 8
    dropout: float = 0.3
    gated: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, controls: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """z [B, d], controls [B, 4] (a column for each of `controlled(aspects)`) -> z' [B, d].

        Example keys [B] switch dropout on.
        """
        parts = _parts(z, self.aspects, self.hidden, self.dtype)
        for i, name in enumerate(controlled(self.aspects)):
            enter = nn.Dense(self.hidden // 4, dtype=self.dtype, name=f"control_{name}")
            parts.append(enter(controls[:, i : i + 1]))
        x = nn.relu(jnp.concatenate(parts, -1))
        x = DropoutMLP(self.hidden, self.layers, self.dropout, self.dtype, name="body")(x, example_keys)
        new = Gate(name="gate")(x, z)
        return held(z, new, controls, self.aspects) if self.gated else new


class Critic(nn.Module):
    """D(z): the logit that a pair of latents belongs to one song (section 3.2). Attributes as the actor's."""

    aspects: Mapping[str, int]
    hidden: int = 1024
    layers: int = 8
    dropout: float = 0.3
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """z [B, d] -> logits [B]. Example keys [B] switch dropout on."""
        x = nn.relu(jnp.concatenate(_parts(z, self.aspects, self.hidden, self.dtype), -1))
        x = DropoutMLP(self.hidden, self.layers, self.dropout, self.dtype, name="body")(x, example_keys)
        return nn.Dense(1, name="logit")(x)[:, 0]


def _parts(z: jax.Array, aspects: Mapping[str, int], hidden: int, dtype) -> list[jax.Array]:
    """The two linear layers that melody and accompaniment pass through before they are joined."""
    size = melody_size(aspects)
    return [nn.Dense(hidden, dtype=dtype, name="melody")(z[:, :size]),
            nn.Dense(hidden, dtype=dtype, name="accompaniment")(z[:, size:])]
