"""Actor and critic of the lite preset: they read the melodies that z decodes to (latent/soft_decode.py), beside z.

Whether one melody follows another is a matter of key, range, rhythm and motif: of relations, which are the same in
every key. Otherwise everything is as in actor_critic.py.

Decoded features are those of soft_decode.melody of eight bars, [B, 128, ...], and "z" [B, 2 d_z].
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.latent import soft_decode
from musicfusion.nn.blocks import Blocks, gated, verdict
from musicfusion.systems.connective_fusion.dataset import BARS

SPANS, PER_SPAN = 16, 8  # half bars, and steps of each
# No number of z is moved by more. sbar is large where z says little, and the papers' distance grows with a logarithm: a
# move by twenty costs little there, and takes the critic where it has never been.
FARTHEST = 2.0


def features(side: nn.Module, vae: dict, z: jax.Array) -> dict[str, jax.Array]:
    """Both sides of z [B, 2 d_z], decoded apart by the VAE `side` with parameters `vae`, as one melody."""
    decoded: Any = side.apply({"params": vae}, jnp.concatenate(jnp.split(z, 2, 1)), method="decoded_features")
    left, right = ({name: jnp.split(x, 2)[i] for name, x in decoded.items()} for i in range(2))
    return joined(left, right, z)


def joined(left: Mapping[str, jax.Array], right: Mapping[str, jax.Array], z: jax.Array) -> dict[str, jax.Array]:
    """The features of two sides [B, 64, ...] as those of one melody [B, 128, ...], with z."""
    return {name: jnp.concatenate([left[name], right[name]], 1) for name in left} | {"z": z}


def relations(decoded: Mapping[str, jax.Array]) -> jax.Array:
    """All that is the same in every key, half a bar at a time: [B, 16, features].

    Rhythm and leaps; the intervals from the pitch classes of either side to those of each half bar, and how far its
    height lies above that of either side.
    """
    batch = len(decoded["lead"])
    rhythm = jnp.concatenate([decoded["lead_states"], decoded["leaps"]], -1).reshape(batch, SPANS, -1)
    classes = jnp.mean(decoded["lead"].reshape(batch, SPANS, PER_SPAN, -1), 2)
    height, begun = jnp.split(jnp.mean(decoded["height"].reshape(batch, SPANS, PER_SPAN, 2), 2), 2, -1)
    both = [soft_decode.intervals(side, classes) for side in _sides(classes)]
    for side, side_begun in zip(_sides(height), _sides(begun), strict=True):
        both.append(height - begun * side / jnp.maximum(side_begun, 0.1))  # a silent side has no height
    return jnp.concatenate([rhythm, *both], -1)


def _sides(spans: jax.Array) -> list[jax.Array]:
    """The mean over the left side and that over the right one, repeated for each span: [B, 16, n] -> [B, 16, n] x 2."""
    halves = jnp.split(spans, 2, 1)
    return [jnp.repeat(jnp.mean(half, 1, keepdims=True), SPANS, 1) for half in halves]


def in_time(z: jax.Array) -> jax.Array:
    """z [B, 2 d_z], either side of which lies in time -> its part of each half bar, [B, 16, d_z / 8]."""
    return z.reshape(len(z), SPANS, -1)


class Actor(nn.Module):
    """G(z_L, z_R, s), half a bar at a time. Either side may take over some of the other's tonic (codecs/tonic.py)."""

    aspects: Mapping[str, int]
    width: int = 128
    depth: int = 3
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, decoded: Mapping[str, jax.Array], style: jax.Array,
                 example_keys: jax.Array | None = None) -> jax.Array:
        """Decoded features, style [B, d_s] -> z' [B, 2 d_z]."""
        del example_keys  # nothing is dropped
        z, bars = in_time(decoded["z"]), decoded["z"].reshape(len(style), 2 * BARS, -1)
        lead = jnp.mean(decoded["lead"].reshape(len(z), SPANS, PER_SPAN, -1), 2)
        styles = jnp.repeat(2 * style[:, None] - 1, SPANS, 1)
        x = jnp.concatenate([z, styles, relations(decoded), lead, *_sides(lead)], -1)
        x = Blocks(self.width, self.depth, self.dtype, name="body")(x)
        # probabilities that no side, the left one, the right one takes over the other's tonic
        yields = jax.nn.softmax(nn.Dense(3, bias_init=_mostly_left, name="yields")(jnp.mean(x, 1)))
        left, right = jnp.split(bars[..., -1], 2, 1)
        tonic = jnp.concatenate([left + yields[:, 1:2] * (right - left), right + yields[:, 2:] * (left - right)], 1)
        notes = z + FARTHEST * jnp.tanh((gated(x, z) - z) / FARTHEST)
        return jnp.concatenate([notes.reshape(bars.shape)[..., :-1], tonic[..., None]], -1).reshape(len(z), -1)


def _mostly_left(key, shape, dtype=jnp.float32) -> jax.Array:
    """Initialiser: an untrained actor gives the right side most of the left one's tonic."""
    del key
    return jnp.array([0.0, 0.0, 2.0], dtype).reshape(shape)


class Critic(nn.Module):
    """D(z_L, z_R): the logit that one side follows the other in a song, from their decoded features and from z."""

    aspects: Mapping[str, int]
    width: int = 128
    depth: int = 2
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, decoded: Mapping[str, jax.Array], example_keys: jax.Array | None = None) -> jax.Array:
        """Decoded features -> logits [B]."""
        del example_keys
        x = jnp.concatenate([relations(decoded), in_time(decoded["z"])], -1)
        return verdict(x, self.width, self.depth, self.dtype)
