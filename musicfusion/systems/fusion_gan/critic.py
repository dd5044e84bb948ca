"""FusionGAN's critic D: a convolutional network over symbols with a highway layer (sections III-B and III-E)."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.core.contracts import Tree
from musicfusion.systems.fusion_gan.dataset import SYMBOLS


class Critic(nn.Module):
    """Filters of several widths, the maximum of each over time, one highway layer, one linear score without bounds.

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
        """int [B, T] -> [B, T, embedding]."""
        return self.table[symbols]

    def score_embedded(self, embedded: jax.Array) -> jax.Array:
        """[B, T, embedding] -> scores [B]."""
        found = []
        for width, layer in zip(self.widths, self.layers, strict=True):
            # a convolution as one matrix product: on CPUs its second derivatives are several times as fast
            steps = embedded.shape[1] - width + 1
            patches = jnp.concatenate([embedded[:, j : j + steps] for j in range(width)], -1)
            found.append(jnp.max(nn.relu(layer(patches)), 1))
        x = jnp.concatenate(found, -1)
        gate = nn.sigmoid(self.gate(x))
        x = gate * nn.relu(self.change(x)) + (1 - gate) * x
        return self.score(x)[:, 0]

    def __call__(self, symbols: jax.Array) -> jax.Array:
        """int [B, T] -> scores [B]."""
        return self.score_embedded(self.embed(symbols))


def _uniform(key, shape, dtype=jnp.float32):
    """Initialiser: U(-1, 1)."""
    return jax.random.uniform(key, shape, dtype, -1.0, 1.0)


def gradient_penalty(critic: Critic, params: Tree, one: jax.Array, other: jax.Array, share: jax.Array) -> jax.Array:
    """(|grad D| - 1)^2 at random points between pairs of melodies.

    The paper assumes 1-Lipschitz critics (section III-C) and describes nothing that makes them so. Points between two
    melodies exist only after the embedding. The gradient is taken with respect to one-hot symbols [T, V], so that
    scaling the embedding up and the filters down does not lower the penalty.

    Args:
        critic: the network, and `params`, its parameters.
        one: melodies int [B, T]; `other`: as many others.
        share: of `one` in each point, 0..1 [B].

    Returns:
        [B].
    """
    ends = [critic.apply({"params": params}, x, method="embed") for x in (one, other)]
    between = share[:, None, None] * ends[0] + (1 - share[:, None, None]) * ends[1]
    gradient = jax.grad(
        lambda x: jnp.sum(jnp.asarray(critic.apply({"params": params}, x, method="score_embedded"))))(between)
    of_symbols = gradient @ (params["embedding"] - jnp.mean(params["embedding"], 0)).T  # [B, T, V]; sums over V are 0
    return (jnp.sqrt(jnp.sum(of_symbols**2, (1, 2)) + 1e-12) - 1) ** 2
