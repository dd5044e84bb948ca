"""Priors of latents: a Gaussian, and a flower of Gaussians (paper 004, section 3.3)."""

import jax
import jax.numpy as jnp

RADIAL, REST = 0.1, 0.001  # a_1, a_2: variances from the centre outward and in all other directions


def gaussian(keys: jax.Array, size: int) -> jax.Array:
    """N(0, I): a row for each key [b] -> [b, size]."""
    return jax.vmap(lambda key: jax.random.normal(key, (size,)))(keys)


def angle(petal: jax.Array | int, petals: jax.Array | int) -> jax.Array:
    """Where petal i of n lies on the circle, 2 pi i / n, radians."""
    return jnp.asarray(2 * jnp.pi * petal / petals)


def centre(angle: jax.Array) -> jax.Array:
    """Equation (14) in its two dimensions: radians [...] -> [..., 2]."""
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)


def flower(keys: jax.Array, angle: jax.Array, size: int) -> jax.Array:
    """N(mu_i, Sigma_i) of the petal at each row's angle: [b], radians [b] -> [b, size]. Equations (14) to (18).

    Sigma_i = M_i S M_i^-1 turns S = diag(a_1, a_2, a_2, ...) so that its large variance points outward.
    """
    normal = gaussian(keys, size)
    outward, sideways = normal[:, 0] * jnp.sqrt(RADIAL), normal[:, 1] * jnp.sqrt(REST)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    first = jnp.stack([cos * (1 + outward) - sin * sideways, sin * (1 + outward) + cos * sideways], -1)
    return jnp.concatenate([first, normal[:, 2:] * jnp.sqrt(REST)], -1)


def turned(z: jax.Array, turn: jax.Array) -> jax.Array:
    """z [b, size] moved around the flower by `turn` radians [b]: its first two numbers are rotated."""
    cos, sin = jnp.cos(turn), jnp.sin(turn)
    return jnp.concatenate([
        jnp.stack([cos * z[:, 0] - sin * z[:, 1], sin * z[:, 0] + cos * z[:, 1]], -1), z[:, 2:]], -1)


def nearest_petal(z: jax.Array, petals: jax.Array | int) -> jax.Array:
    """The petal whose centre is nearest to z [..., size]: int32 [...]."""
    turn = jnp.arctan2(z[..., 1], z[..., 0]) / (2 * jnp.pi) * petals
    return (jnp.round(turn).astype(jnp.int32) % petals).astype(jnp.int32)
