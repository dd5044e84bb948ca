"""Prior distributions of latent codes: a standard Gaussian, and MusAE's flower, a mixture of Gaussians on a circle.

The n components of the flower lie around the unit circle of the first two dimensions, one for each genre (MusAE,
section 3.3). Each is narrow in all directions but the radial one.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Integer, Key

from musicfusion.core.arrays import AnyArray

RADIAL_VARIANCE = 0.1  # a_1 of equation (17): from the centre outward
OTHER_VARIANCE = 0.001  # a_2: in all other directions


def gaussian(keys: Key[jax.Array, " B"], size: int) -> Float[jax.Array, "B {size}"]:
    """One draw from N(0, I) for each key: keys [B] -> [B, size]."""
    return jax.vmap(lambda key: jax.random.normal(key, (size,)))(keys)


def angle(
    component: Integer[AnyArray, "..."] | int, components: Integer[AnyArray, "..."] | int
) -> Float[jax.Array, "..."]:
    """The angle of component i of n on the circle, 2 pi i / n, in radians; elementwise."""
    return jnp.asarray(2 * jnp.pi * component / components)


def centre(angle: Float[AnyArray, "*B"]) -> Float[jax.Array, "*B 2"]:
    """The mean of the component at an angle, in the first two dimensions: radians [...] -> [..., 2].

    Source: MusAE, equation (14); in all other dimensions it is 0.
    """
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)


def flower(
    keys: Key[jax.Array, " B"], angle: Float[AnyArray, " B"], size: int, tagged: Bool[AnyArray, " B"] | bool = True
) -> Float[jax.Array, "B {size}"]:
    """One draw from N(mu_i, Sigma_i), the flower's component at an angle, for each key.

    Sigma_i = M_i S M_i^-1 rotates S = diag(a_1, a_2, a_2, ...) so that its large variance points outward. What has no
    genre is drawn about the middle of the flower, N(0, a_2 I): the component of the public code for untagged music.

    Args:
        keys: random keys [B].
        angle: of each draw's component, radians [B].
        size: dimensions of z, 2 or more.
        tagged: whether there is a genre, [B].

    Returns:
        z [B, size].

    Source: MusAE, equations (14) to (18).
    """
    return coloured(gaussian(keys, size), angle, tagged)


def coloured(
    white: Float[AnyArray, "B size"], angle: Float[AnyArray, " B"], tagged: Bool[AnyArray, " B"] | bool = True
) -> Float[jax.Array, "B size"]:
    """Draws from N(0, I), [B, size] -> draws from the flower's component at an angle; the rest as for `flower`."""
    tagged = jnp.broadcast_to(jnp.asarray(tagged), white.shape[:1])[:, None]
    narrow = white * OTHER_VARIANCE**0.5
    outward = jnp.concatenate([1 + white[:, :1] * RADIAL_VARIANCE**0.5, narrow[:, 1:]], -1)
    return jnp.where(tagged, rotated(outward, angle), narrow)


def whitened(
    z: Float[AnyArray, "B size"], angle: Float[AnyArray, " B"], tagged: Bool[AnyArray, " B"] | bool = True
) -> Float[jax.Array, "B size"]:
    """The inverse of `coloured`: in these coordinates every component is N(0, I). [B, size] -> the same."""
    tagged = jnp.broadcast_to(jnp.asarray(tagged), z.shape[:1])[:, None]
    turned = rotated(z, -angle)
    outward = (turned[:, :1] - 1) / RADIAL_VARIANCE**0.5
    return jnp.where(tagged, jnp.concatenate([outward, turned[:, 1:] / OTHER_VARIANCE**0.5], -1),
                     z / OTHER_VARIANCE**0.5)


def rotated(z: Float[AnyArray, "B size"], angle: Float[AnyArray, " B"]) -> Float[jax.Array, "B size"]:
    """z [B, size] moved around the flower: its first two dimensions are rotated by radians [B]."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.concatenate([
        jnp.stack([cos * z[:, 0] - sin * z[:, 1], sin * z[:, 0] + cos * z[:, 1]], -1), z[:, 2:]], -1)


def nearest_component(
    z: Float[AnyArray, "*B size"], components: Integer[AnyArray, "*#B"] | int
) -> Integer[jax.Array, "*B"]:
    """The component of the flower whose mean is nearest to z [..., size]: int32 [...]."""
    turns = jnp.arctan2(z[..., 1], z[..., 0]) / (2 * jnp.pi) * components
    return (jnp.round(turns).astype(jnp.int32) % components).astype(jnp.int32)
