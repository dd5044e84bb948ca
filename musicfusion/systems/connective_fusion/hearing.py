"""Actor and critic of the lite preset: they hear what z decodes to (latent/soft.py), beside z itself.

Whether one melody follows another is a matter of key, range, rhythm and motif: of relations, which are the same in
every key. Otherwise all is as in actor_critic.py.

Heard music is soft.melody of eight bars, [B, 128, ...], and "z" [B, d].
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.latent import soft
from musicfusion.nn.blocks import Blocks, gated, verdict
from musicfusion.systems.connective_fusion.windows import BARS

SPANS, PER_SPAN = 16, 8  # half bars, of so many steps
# No number of z is moved by more. Where z says little sbar is large, and the papers' distance grows with a logarithm: a
# move by twenty costs little there, and takes the critic where it has never been.
FARTHEST = 2.0


def joined(left: Mapping[str, jax.Array], right: Mapping[str, jax.Array], z: jax.Array) -> dict[str, jax.Array]:
    """Both sides, heard, as one melody."""
    return {name: jnp.concatenate([left[name], right[name]], 1) for name in left} | {"z": z}


def relations(heard: Mapping[str, jax.Array]) -> jax.Array:
    """All that is the same in every key, half a bar at a time: [B, 16, features].

    Rhythm and leaps; each half bar's pitch classes as they stand to those of either side, and its height above either.
    """
    rows = len(heard["lead"])
    rhythm = jnp.concatenate([heard["lead_states"], heard["leaps"]], -1).reshape(rows, SPANS, -1)
    classes = jnp.mean(heard["lead"].reshape(rows, SPANS, PER_SPAN, -1), 2)
    height, begun = jnp.split(jnp.mean(heard["height"].reshape(rows, SPANS, PER_SPAN, 2), 2), 2, -1)
    both = [soft.intervals(side, classes) for side in _sides(classes)]
    for side, side_begun in zip(_sides(height), _sides(begun), strict=True):
        both.append(height - begun * side / jnp.maximum(side_begun, 0.1))  # a silent side has no height
    return jnp.concatenate([rhythm, *both], -1)


def _sides(spans: jax.Array) -> list[jax.Array]:
    """The mean over the left side and that over the right, each everywhere: [B, 16, n] -> [B, 16, n] x 2."""
    halves = jnp.split(spans, 2, 1)
    return [jnp.repeat(jnp.mean(half, 1, keepdims=True), SPANS, 1) for half in halves]


def in_time(z: jax.Array) -> jax.Array:
    """z [B, d], which lies in time on either side -> its part of each half bar, [B, 16, d / 16]."""
    return z.reshape(len(z), SPANS, -1)


class Actor(nn.Module):
    """G(z_L, z_R, s), half a bar at a time. Of the frames (frames.py) one side may take over the other's."""

    aspects: Mapping[str, int]
    width: int = 128
    depth: int = 3
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, heard: Mapping[str, jax.Array], style: jax.Array, row_keys=None) -> jax.Array:
        """Heard music, style [B, d_s] -> z' [B, d]."""
        del row_keys  # nothing is dropped
        z, bars = in_time(heard["z"]), heard["z"].reshape(len(style), 2 * BARS, -1)
        lead = jnp.mean(heard["lead"].reshape(len(z), SPANS, PER_SPAN, -1), 2)
        knobs = jnp.repeat(2 * style[:, None] - 1, SPANS, 1)
        x = jnp.concatenate([z, knobs, relations(heard), lead, *_sides(lead)], -1)
        x = Blocks(self.width, self.depth, self.dtype, name="body")(x)
        who = jax.nn.softmax(nn.Dense(3, bias_init=_mostly_right, name="who")(jnp.mean(x, 1)))
        left, right = jnp.split(bars[..., -1], 2, 1)
        frame = jnp.concatenate([left + who[:, 1:2] * (right - left), right + who[:, 2:] * (left - right)], 1)
        notes = z + FARTHEST * jnp.tanh((gated(x, z) - z) / FARTHEST)
        return jnp.concatenate([notes.reshape(bars.shape)[..., :-1], frame[..., None]], -1).reshape(len(z), -1)


def _mostly_right(key, shape, dtype=jnp.float32) -> jax.Array:
    """Initialiser: at first the right side takes over most of the left one's frame, and nobody knows better yet."""
    del key
    return jnp.array([0.0, 0.0, 2.0], dtype).reshape(shape)


class Critic(nn.Module):
    """D(z_L, z_R): the logit that one follows the other in a song, from how they sound and from z."""

    aspects: Mapping[str, int]
    width: int = 128
    depth: int = 2
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, heard: Mapping[str, jax.Array], row_keys=None) -> jax.Array:
        """Heard music -> logits [B]."""
        del row_keys
        x = jnp.concatenate([relations(heard), in_time(heard["z"])], -1)
        return verdict(x, self.width, self.depth, self.dtype)
