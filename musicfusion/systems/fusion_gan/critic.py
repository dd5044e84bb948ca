"""D: a convolutional network over symbols with a highway layer, and a score without bounds (paper 003, section III)."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.systems.fusion_gan.melodies import SYMBOLS


class Critic(nn.Module):
    """Filters of several widths, the largest answer of each over time, one highway layer, one linear score.

    The public code ends in two or three classes, whose difference its losses take; a Wasserstein critic has one score.
    """

    widths: Sequence[int] = (1, 2, 3, 4, 8)
    filters: Sequence[int] = (24,) * 5
    embedding: int = 16
    vocabulary: int = SYMBOLS

    def setup(self):
        """Embedding, filters, highway, score."""
        self.table = self.param("embedding", _uniform, (self.vocabulary, self.embedding))
        self.layers = [nn.Dense(count) for count in self.filters]
        total = sum(self.filters)
        self.gate, self.change, self.score = nn.Dense(total), nn.Dense(total), nn.Dense(1)

    def embed(self, symbols: jax.Array) -> jax.Array:
        """int [b, T] -> [b, T, embedding]."""
        return self.table[symbols]

    def judge(self, embedded: jax.Array) -> jax.Array:
        """[b, T, embedding] -> scores [b]."""
        found = []
        for width, layer in zip(self.widths, self.layers, strict=True):  # a convolution as the matrix product it is:
            steps = embedded.shape[1] - width + 1  # its second derivatives are several times as fast on CPUs
            seen = jnp.concatenate([embedded[:, j : j + steps] for j in range(width)], -1)
            found.append(jnp.max(nn.relu(layer(seen)), 1))
        x = jnp.concatenate(found, -1)
        through = nn.sigmoid(self.gate(x))
        x = through * nn.relu(self.change(x)) + (1 - through) * x
        return self.score(x)[:, 0]

    def __call__(self, symbols: jax.Array) -> jax.Array:
        """int [b, T] -> scores [b]."""
        return self.judge(self.embed(symbols))


def _uniform(key, shape, dtype=jnp.float32):
    """Initialiser: U(-1, 1)."""
    return jax.random.uniform(key, shape, dtype, -1.0, 1.0)


def gradient_penalty(critic: Critic, params, one: jax.Array, other: jax.Array, share: jax.Array) -> jax.Array:
    """(|grad D| - 1)^2 between pairs of melodies: int [b, T] x 2, [b] -> [b].

    The paper takes its critics for 1-Lipschitz and does nothing for it (section III-B). Symbols have no between; the
    penalty takes melodies as points with a one in each row of [T, V], so that no embedding can grow out of its reach.
    """
    ends = [critic.apply({"params": params}, x, method="embed") for x in (one, other)]
    between = share[:, None, None] * ends[0] + (1 - share[:, None, None]) * ends[1]
    gradient = jax.grad(lambda x: jnp.sum(jnp.asarray(critic.apply({"params": params}, x, method="judge"))))(between)
    of_symbols = gradient @ (params["embedding"] - jnp.mean(params["embedding"], 0)).T  # [b, T, V], rows sum to 0
    return (jnp.sqrt(jnp.sum(of_symbols**2, (1, 2)) + 1e-12) - 1) ** 2
