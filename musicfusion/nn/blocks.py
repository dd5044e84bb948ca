"""Parallel blocks over a short, fixed number of steps, of which the networks of the lite presets consist.

Attention sees all steps at once, so a batch decodes in one pass; on a CPU these blocks learn in minutes what
autoregressive recurrent cells do not learn in hours.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Float

from musicfusion.core.arrays import AnyArray


class Block(nn.Module):
    """Pre-LayerNorm transformer block: attention over the steps, then a two-layer MLP. [B, T, width] -> the same.

    dropout: of what either adds, where apply is given rngs={"dropout": key}.
    """

    width: int
    heads: int = 4
    dtype: DTypeLike = jnp.float32
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: Float[AnyArray, "B T {self.width}"]) -> Float[jax.Array, "B T {self.width}"]:
        batch, steps, _ = x.shape
        small = nn.initializers.variance_scaling(0.1, "fan_in", "truncated_normal")
        h = nn.LayerNorm()(x)
        qkv = nn.Dense(3 * self.width, dtype=self.dtype, name="qkv")(h)
        q, k, v = jnp.moveaxis(qkv.reshape(batch, steps, 3, self.heads, -1), 2, 0)
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(q.shape[-1]).astype(q.dtype)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)
        mixed = mixed.reshape(batch, steps, self.width)
        x = x + self.dropped(nn.Dense(self.width, dtype=self.dtype, kernel_init=small, name="mix")(mixed))
        h = nn.LayerNorm()(x)
        h = nn.gelu(nn.Dense(2 * self.width, dtype=self.dtype, name="wide")(h))
        return x + self.dropped(nn.Dense(self.width, dtype=self.dtype, kernel_init=small, name="narrow")(h))

    def dropped(self, x: jax.Array) -> jax.Array:
        """With dropout, in training."""
        if not self.dropout or not self.has_rng("dropout"):
            return x
        return nn.Dropout(self.dropout, deterministic=False)(x)


class Blocks(nn.Module):
    """Learned positions, then `depth` blocks and a LayerNorm. [B, T, any] -> [B, T, width]. dropout: as of Block."""

    width: int
    depth: int
    dtype: DTypeLike = jnp.float32
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: Float[AnyArray, "B T any"]) -> Float[jax.Array, "B T {self.width}"]:
        x = nn.Dense(self.width, dtype=self.dtype, name="enter")(x)
        x = x + self.param("positions", nn.initializers.normal(0.02), (x.shape[1], self.width))
        for layer in range(self.depth):
            x = Block(self.width, dtype=self.dtype, dropout=self.dropout, name=f"block_{layer}")(x)
        return nn.LayerNorm(name="leave")(x)


class Summary(nn.Module):
    """Steps -> posterior, part by part: [B, T, W] -> (mean [B, z], std [B, z]).

    z is in the order of time: its first z / parts numbers come from the first T / parts steps, and so on. So what
    sounds at the same time has the same position in all latents, and a network that reads several need not learn it.
    """

    size: int
    parts: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[AnyArray, "B T W"]
    ) -> tuple[Float[jax.Array, "B {self.size}"], Float[jax.Array, "B {self.size}"]]:
        batch = x.shape[0]
        x = x.reshape(batch, self.parts, -1)
        mean = nn.Dense(self.size // self.parts, name="mean")(x)
        small = nn.initializers.variance_scaling(0.01, "fan_in", "truncated_normal")
        log_variance = nn.Dense(self.size // self.parts, kernel_init=small, name="log_variance",
                                bias_init=nn.initializers.constant(-4.0))(x)
        std = jnp.exp(0.5 * jnp.clip(log_variance, -14.0, 4.0))
        return mean.reshape(batch, -1), std.reshape(batch, -1)


class Expansion(nn.Module):
    """Latent -> steps, part by part, as in `Summary`: [B, z] -> [B, steps, narrow]."""

    steps: int
    parts: int
    narrow: int = 64
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z: Float[AnyArray, "B z"]) -> Float[jax.Array, "B {self.steps} {self.narrow}"]:
        x = z.reshape(z.shape[0], self.parts, -1)
        x = nn.Dense(self.steps // self.parts * self.narrow, dtype=self.dtype, name="steps")(x)
        return x.reshape(z.shape[0], self.steps, self.narrow)


def moved(
    x: Float[AnyArray, "B T any"], z: Float[AnyArray, "B T n"], width: int, depth: int,
    dtype: DTypeLike = jnp.float32,
) -> Float[jax.Array, "B T n"]:
    """The output of an actor for a latent in T spans: what it reads of each, [B, T, any], and z [B, T, n] -> z'.

    Attention between the spans (`Blocks`), then `gated`. To be called in a compact method of a module, to which the
    layers then belong.
    """
    return gated(Blocks(width, depth, dtype, name="body")(x), z)


def gated(x: Float[AnyArray, "B T width"], z: Float[AnyArray, "B T n"]) -> Float[jax.Array, "B T n"]:
    """The gate: z' = (1 - g) z + g dz; x [B, T, width], z [B, T, n] -> z' [B, T, n].

    dz is relative to z here, dz = z + change: an untrained actor leaves z as it is although its gate is open, and so
    learns from the first step. To be called in a compact method.

    Source: CollageNet, section 3.4.
    """
    small = nn.initializers.variance_scaling(0.1, "fan_in", "truncated_normal")
    gate = nn.Dense(z.shape[-1], kernel_init=small, bias_init=nn.initializers.constant(-1.0), name="gate")(x)
    change = nn.Dense(z.shape[-1], kernel_init=small, name="change")(x)
    return z + jax.nn.sigmoid(gate) * change


def verdict(
    x: Float[AnyArray, "B T any"], width: int, depth: int, dtype: DTypeLike = jnp.float32
) -> Float[jax.Array, " B"]:
    """A critic's logits [B] for latents in spans, [B, T, any]. To be called in a compact method."""
    x = Blocks(width, depth, dtype, name="body")(x)
    x = nn.gelu(nn.Dense(width, dtype=dtype, name="hidden")(jnp.mean(x, 1)))
    return nn.Dense(1, name="logit")(x)[:, 0]
