"""Actor and critic in the latent space of the two VAEs (paper 000, sections 3.2 to 3.4; its code where it is silent).

z is one vector z_p + z_r + z_c + z_t [B, d], and `aspects` (name -> size, in that order) says where each part lies.
Of VAEs that do not tell aspects apart it is z_mel + z_acc, aspects "melody" and "accompaniment", with no controls.
"""

from collections.abc import Container, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.nn.mlp import DropoutMLP, Gate

MELODY = ("pitch", "rhythm")
ACCOMPANIMENT = ("chord", "texture")
ASPECTS = MELODY + ACCOMPANIMENT  # those that a user controls


def melody_size(aspects: Mapping[str, int]) -> int:
    """How many of z's dimensions belong to the melody; the accompaniment's follow."""
    return sum(size for name, size in aspects.items() if name in (*MELODY, "melody"))


def controlled(aspects: Container[str]) -> tuple[str, ...]:
    """Those of the aspects that a user controls, in the order of the controls' columns."""
    return tuple(name for name in ASPECTS if name in aspects)


class Actor(nn.Module):
    """G(z, c): moves a pair of latents toward harmony; the controls c say what must stay. (Section 3.4.)"""

    aspects: Mapping[str, int]
    hidden: int = 1024
    layers: int = 8
    dropout: float = 0.3
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, controls: jax.Array, row_keys=None) -> jax.Array:
        """z [B, d], controls [B, 4] (a column for each of `controlled(aspects)`) -> z' [B, d].

        Row keys [B] switch dropout on.
        """
        parts = _sides(z, self.aspects, self.hidden, self.dtype)
        for i, name in enumerate(controlled(self.aspects)):
            knob = nn.Dense(self.hidden // 4, dtype=self.dtype, name=f"control_{name}")
            parts.append(knob(controls[:, i : i + 1]))
        x = nn.relu(jnp.concatenate(parts, -1))
        x = DropoutMLP(self.hidden, self.layers, self.dropout, self.dtype, name="body")(x, row_keys)
        return Gate(name="gate")(x, z)


class Critic(nn.Module):
    """D(z): the logit that a pair of latents belongs to one song. (Section 3.2.)"""

    aspects: Mapping[str, int]
    hidden: int = 1024
    layers: int = 8
    dropout: float = 0.3
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, row_keys=None) -> jax.Array:
        """z [B, d] -> logits [B]."""
        x = nn.relu(jnp.concatenate(_sides(z, self.aspects, self.hidden, self.dtype), -1))
        x = DropoutMLP(self.hidden, self.layers, self.dropout, self.dtype, name="body")(x, row_keys)
        return nn.Dense(1, name="logit")(x)[:, 0]


def _sides(z, aspects, hidden, dtype) -> list[jax.Array]:
    """The two linear layers that melody and accompaniment pass through before they are joined."""
    size = melody_size(aspects)
    return [nn.Dense(hidden, dtype=dtype, name="melody")(z[:, :size]),
            nn.Dense(hidden, dtype=dtype, name="accompaniment")(z[:, size:])]


def control_loss(rho: Mapping[str, jax.Array], controls: jax.Array) -> jax.Array:
    """L'_Gd, equation (6): each aspect's distance weighted by its control. [B] each, [B, 4] -> [B].

    What no control belongs to has weight 1, as in equation (4).
    """
    names = controlled(rho)
    terms = [controls[:, i] * rho[name] for i, name in enumerate(names)]
    terms += [rho[name] for name in rho if name not in names]
    return sum(terms, jnp.zeros(len(controls)))
