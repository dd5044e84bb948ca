"""Losses and latent distances, one number an example unless said otherwise."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Integer, Num

from musicfusion.core.arrays import AnyArray


def kl_to_standard_normal(mean: Float[AnyArray, "*B d"], std: Float[AnyArray, "*B d"]) -> Float[jax.Array, "*B"]:
    """KL(N(mean, std^2) || N(0, I)) in nats, summed over the last axis. [..., d] x 2 -> [...]."""
    return 0.5 * jnp.sum(mean**2 + std**2 - 1.0 - 2.0 * jnp.log(std), -1)


def nll(log_probabilities: Float[AnyArray, "B T C"], targets: Integer[AnyArray, "B T"]) -> Float[jax.Array, " B"]:
    """Negative log-likelihood of a sequence of symbols, nats. [B, T, C], int [B, T] -> [B]."""
    return -jnp.sum(log_probabilities * jax.nn.one_hot(targets, log_probabilities.shape[-1]), (1, 2))


def binary_cross_entropy(
    logits: Float[AnyArray, "*B"], target: Num[AnyArray, "..."] | float
) -> Float[jax.Array, "*B"]:
    """-log D for target 1, -log(1 - D) for target 0, from logits, elementwise. [...] -> [...].

    CollageNet, equation (1), with the sign slip of L_{c=0} mended: printed is -(1 - log D).
    """
    return jax.nn.softplus(logits) - target * logits


def log_distance(
    moved: Float[AnyArray, "*B d"], z: Float[AnyArray, "*B d"], sbar: Float[AnyArray, " d"]
) -> Float[jax.Array, "*B"]:
    """rho(z', z): mean over the dimensions of log(1 + (z' - z)^2) / sbar^2. [B, d] x 2, [d] -> [B].

    CollageNet, before equation (4). sbar is the average posterior std over the training set.
    """
    return jnp.mean(jnp.log1p((moved - z) ** 2) / sbar**2, -1)


def squared_distance(
    moved: Float[AnyArray, "*B d"], z: Float[AnyArray, "*B d"], sbar: Float[AnyArray, " d"]
) -> Float[jax.Array, "*B"]:
    """Mean over the dimensions of (z' - z)^2 / sbar^2: what the public code logs. [B, d] x 2, [d] -> [B]."""
    return jnp.mean((moved - z) ** 2 / sbar**2, -1)


def interval_nll(
    location: Num[AnyArray, "..."] | float, log_scale: Num[AnyArray, "..."] | float,
    below: Num[AnyArray, "..."] | float, above: Num[AnyArray, "..."] | float,
) -> Float[jax.Array, "..."]:
    """-log of a logistic distribution's mass between `below` and `above`, elementwise; either may be infinite.

    The discretised logistic likelihood: a number known to its grid step, on a scale where steps may differ in width.
    log(sigmoid(b) - sigmoid(a)) = log sigmoid(b) + log sigmoid(-a) + log(1 - exp(a - b)), stable for all a < b.
    """
    inverse = jnp.exp(-log_scale)
    no_top, no_bottom = jnp.isinf(above), jnp.isinf(below)
    b = (jnp.where(no_top, 0.0, above) - location) * inverse
    a = (jnp.where(no_bottom, 0.0, below) - location) * inverse
    both = ~(no_top | no_bottom)
    width = jnp.where(both, (b - a), 1.0)
    log_mass = (
        jnp.where(no_top, 0.0, jax.nn.log_sigmoid(b))
        + jnp.where(no_bottom, 0.0, jax.nn.log_sigmoid(-a))
        + jnp.where(both, jnp.log(-jnp.expm1(-width)), 0.0)
    )
    return -log_mass
