"""Actor and critic in the latent space of the two VAEs (paper 000, sections 3.2 to 3.4; its code where it is silent).

z is one vector z_p + z_r + z_c + z_t [B, d], and `aspects` (name -> size, in that order) says where each part lies.
Of VAEs that do not tell aspects apart it is z_mel + z_acc, aspects "melody" and "accompaniment", with no controls.
"""

from collections.abc import Container, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.nn.mlp import DropoutMLP, Gate

MELODY = ("pitch", "rhythm")
ACCOMPANIMENT = ("chord", "texture")
ASPECTS = MELODY + ACCOMPANIMENT  # those that a user controls


def split(z: jax.Array, aspects: Mapping[str, int]) -> dict[str, jax.Array]:
    """z [B, d] -> {aspect: [B, size]}."""
    parts, start = {}, 0
    for name, size in aspects.items():
        parts[name] = z[..., start : start + size]
        start += size
    return parts


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


def negative_kinds(prior: float) -> tuple[str, ...]:
    """N_z of equation (2), by name: prior pairs are left out where they count nothing."""
    return ("unrelated", "prior") if prior else ("unrelated",)


def over_negatives(x: jax.Array, prior: float) -> jax.Array:
    """The expectation over N_z of equation (2): unrelated pairs, then as many prior pairs. [2n] -> scalar.

    The paper draws both alike (prior 1); a smaller weight spends the actor on what users give it. With prior 0 there
    are no prior pairs: [n] -> scalar.
    """
    if not prior:
        return jnp.mean(x)
    unrelated, drawn = jnp.split(x, 2)
    return (jnp.mean(unrelated) + prior * jnp.mean(drawn)) / (1.0 + prior)


def critic_loss(real, raw, fake, weights: Mapping[str, float], prior: float = 1.0) -> jax.Array:
    """Equation (2) from logits: real pairs [n]; raw negatives and the actor's outputs of them [2n] each -> scalar.

    weights: the paper's are 1, 1, 1; the public code's .5, 1/11, 10/11 (it draws one kind of negative a step).
    """
    bce = losses.binary_cross_entropy
    return (weights["real"] * jnp.mean(bce(real, 1.0))
            + weights["raw"] * over_negatives(bce(raw, 0.0), prior)
            + weights["fake"] * over_negatives(bce(fake, 0.0), prior))


def distances(moved, z, sbar, aspects) -> dict[str, jax.Array]:
    """rho of each aspect, one number a row. [B, d] x 2, sbar [d] -> {aspect: [B]}."""
    moved, z, sbar = (split(x, aspects) for x in (moved, z, sbar))
    return {name: losses.log_distance(moved[name], z[name], sbar[name]) for name in aspects}


def control_loss(rho: Mapping[str, jax.Array], controls: jax.Array) -> jax.Array:
    """L'_Gd, equation (6): each aspect's distance weighted by its control. [B] each, [B, 4] -> [B].

    What no control belongs to has weight 1, as in equation (4).
    """
    names = controlled(rho)
    terms = [controls[:, i] * rho[name] for i, name in enumerate(names)]
    terms += [rho[name] for name in rho if name not in names]
    return sum(terms, jnp.zeros(len(controls)))
