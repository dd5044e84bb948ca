"""Parallel blocks over a short, fixed number of steps: what the lite presets are built of (DESIGN: presets).

Attention sees all steps at once, so a batch decodes in one pass; on a CPU these blocks learn in minutes what
autoregressive recurrent cells do not learn in hours.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Block(nn.Module):
    """Pre-LayerNorm transformer block: attention over the steps, then a two-layer MLP. [B, T, width] -> the same."""

    width: int
    heads: int = 4
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, steps, _ = x.shape
        small = nn.initializers.variance_scaling(0.1, "fan_in", "truncated_normal")
        h = nn.LayerNorm()(x)
        qkv = nn.Dense(3 * self.width, dtype=self.dtype, name="qkv")(h)
        q, k, v = jnp.moveaxis(qkv.reshape(batch, steps, 3, self.heads, -1), 2, 0)
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(q.shape[-1]).astype(q.dtype)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)
        mixed = mixed.reshape(batch, steps, self.width)
        x = x + nn.Dense(self.width, dtype=self.dtype, kernel_init=small, name="mix")(mixed)
        h = nn.LayerNorm()(x)
        h = nn.gelu(nn.Dense(2 * self.width, dtype=self.dtype, name="wide")(h))
        return x + nn.Dense(self.width, dtype=self.dtype, kernel_init=small, name="narrow")(h)


class Blocks(nn.Module):
    """Learned positions, then `depth` blocks and a LayerNorm. [B, T, any] -> [B, T, width]."""

    width: int
    depth: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Dense(self.width, dtype=self.dtype, name="enter")(x)
        x = x + self.param("positions", nn.initializers.normal(0.02), (x.shape[1], self.width))
        for layer in range(self.depth):
            x = Block(self.width, dtype=self.dtype, name=f"block_{layer}")(x)
        return nn.LayerNorm(name="leave")(x)


class Summary(nn.Module):
    """Steps -> posterior, part by part: [B, T, W] -> (mean [B, z], std [B, z]).

    z lies in time: its first z / parts numbers come from the first T / parts steps, and so on. So what meets in music
    also meets in the latent, and a network that reads several of them need not find that out.
    """

    size: int
    parts: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        rows = x.shape[0]
        x = x.reshape(rows, self.parts, -1)
        mean = nn.Dense(self.size // self.parts, name="mean")(x)
        small = nn.initializers.variance_scaling(0.01, "fan_in", "truncated_normal")
        log_variance = nn.Dense(self.size // self.parts, kernel_init=small, name="log_variance",
                                bias_init=nn.initializers.constant(-4.0))(x)
        std = jnp.exp(0.5 * jnp.clip(log_variance, -14.0, 4.0))
        return mean.reshape(rows, -1), std.reshape(rows, -1)


class Expansion(nn.Module):
    """Latent -> steps, part by part: the reverse of Summary. [B, z] -> [B, T, narrow]."""

    steps: int
    parts: int
    narrow: int = 64
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        x = z.reshape(z.shape[0], self.parts, -1)
        x = nn.Dense(self.steps // self.parts * self.narrow, dtype=self.dtype, name="steps")(x)
        return x.reshape(z.shape[0], self.steps, self.narrow)


def moved(x: jax.Array, z: jax.Array, width: int, depth: int, dtype=jnp.float32) -> jax.Array:
    """What an actor makes of the spans of a latent, [B, T, any] and z [B, T, n] -> z' [B, T, n].

    A token for each span, which sees all others; then `gated`. To be called in a compact method, which the layers then
    belong to.
    """
    return gated(Blocks(width, depth, dtype, name="body")(x), z)


def gated(x: jax.Array, z: jax.Array) -> jax.Array:
    """The gate: z' = (1 - g) z + g dz (paper 000, section 3.4); x [B, T, width], z [B, T, n] -> z'.

    dz is counted from z here, dz = z + change: an untrained actor leaves z alone though its gate is open, and so learns
    at once. To be called in a compact method, too.
    """
    small = nn.initializers.variance_scaling(0.1, "fan_in", "truncated_normal")
    gate = nn.Dense(z.shape[-1], kernel_init=small, bias_init=nn.initializers.constant(-1.0), name="gate")(x)
    change = nn.Dense(z.shape[-1], kernel_init=small, name="change")(x)
    return z + jax.nn.sigmoid(gate) * change


def verdict(x: jax.Array, width: int, depth: int, dtype=jnp.float32) -> jax.Array:
    """What a critic says of spans, [B, T, any] -> logits [B]. To be called in a compact method, too."""
    x = Blocks(width, depth, dtype, name="body")(x)
    x = nn.gelu(nn.Dense(width, dtype=dtype, name="hidden")(jnp.mean(x, 1)))
    return nn.Dense(1, name="logit")(x)[:, 0]
