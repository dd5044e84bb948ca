"""A network that says whether a target is in time with its source, learned from pairs; not in the paper.

Source and target are embedded frame by frame, and the embeddings correlated at many lags. It learns that lag 0 is the
right one, against the same target a little earlier or later (InfoNCE: van den Oord et al., 2018; lags as negatives:
Chung and Zisserman, ACCV 2016). Nothing is padded, so a frame's embedding does not know where in the crop it is.

A copy of the source is more in time than real drums are. So a generator is rewarded up to what the true target of its
source has, and no further (objective.CycleGAN).
"""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from musicfusion.core import optimizers
from musicfusion.core.contracts import Task, Tree
from musicfusion.core.example_keys import folded

SIZE, DILATIONS = 5, (1, 2, 4)  # of the convolutions
REACH = (SIZE - 1) * sum(DILATIONS)  # frames by which embeddings are fewer
NEAREST, STEP = 3, 2  # frames: the smallest lag but 0, and the distance of lags
BATCH = 32  # crops that are scored at once


class Embedder(nn.Module):
    """Mel-spectrograms [b, T, M, 1] -> embeddings [b, T - REACH, embedding], with mean 0 over time."""

    width: int = 96
    embedding: int = 32

    @nn.compact
    def __call__(self, mels: jax.Array) -> jax.Array:
        x = mels[..., 0]
        for dilation in DILATIONS:
            length = x.shape[1] - (SIZE - 1) * dilation
            seen = jnp.concatenate([x[:, k * dilation : k * dilation + length] for k in range(SIZE)], -1)
            x = nn.relu(nn.LayerNorm()(nn.Dense(self.width)(seen)))
        x = nn.Dense(self.embedding)(x)
        return x - jnp.mean(x, 1, keepdims=True)


class Scorer(nn.Module):
    """Source and target [b, T, M, 1] -> logits [b, lags] that the target is right as it is (the first), or at a lag.

    farthest: the largest lag, in frames.
    """

    width: int = 96
    embedding: int = 32
    farthest: int = 48

    @nn.compact
    def __call__(self, source: jax.Array, target: jax.Array) -> jax.Array:
        one, other = (Embedder(self.width, self.embedding, name=name)(mels)
                      for name, mels in (("source", source), ("target", target)))
        size = jnp.sqrt(jnp.mean(jnp.sum(one**2, -1), 1) * jnp.mean(jnp.sum(other**2, -1), 1) + 1e-6)
        length = one.shape[1]
        found = jnp.einsum("btu,ktu->bk", jnp.einsum("btd,bud->btu", one, other), _diagonals(length, self.farthest))
        scale = self.param("scale", nn.initializers.constant(2.0), ())
        return jnp.exp(scale) * found / size[:, None]


def _diagonals(length: int, farthest: int) -> np.ndarray:
    """What takes the mean along each lag's diagonal: float32 [lags, length, length]."""
    wanted = lags(min(farthest, length // 2))
    return np.stack([np.eye(length, k=lag, dtype=np.float32) / (length - abs(lag)) for lag in wanted])


def lags(farthest: int) -> list[int]:
    """0, and the lags of the negatives in both directions, in frames."""
    others = range(NEAREST, farthest + 1, STEP)
    return [0, *others, *(-lag for lag in others)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Synchrony:
    """A scorer, and the standard deviation of the noise on targets, without which it could be fooled by little."""

    scorer: Scorer
    noise: float

    def init(self, key: jax.Array, mels: jax.Array) -> Tree:
        """Random parameters for inputs like `mels`."""
        return self.scorer.init(key, mels, mels)["params"]

    def log_probabilities(self, params: Tree, source: jax.Array, target: jax.Array,
                          example_keys: jax.Array | None = None) -> jax.Array:
        """The log-probability of each lag, the first of which is 0: [b, T, M, 1] x 2 -> [b, lags].

        example_keys: [b], draw the noise; None: there is none.
        """
        if example_keys is not None:
            drawn = jax.vmap(lambda key: jax.random.normal(key, target.shape[1:]))(folded(example_keys, 60))
            target = target + self.noise * drawn
        return nn.log_softmax(jnp.asarray(self.scorer.apply({"params": params}, source, target)))

    def shortfall(self, params: Tree, batch: Tree, translated: jax.Array) -> jax.Array:
        """By how much translations are less in time with their sources than the true targets are, in nats: a number.

        What is more in time than the true target counts as 0.
        """
        found, true = (self.log_probabilities(params, batch["a"], target, batch["example_key"])[:, 0]
                       for target in (translated, batch["pair"]))
        return jnp.mean(nn.relu(lax.stop_gradient(true) - found))


def task(model: Synchrony, optimizer: optax.GradientTransformation, *, steps: int) -> Task:
    """Learns to tell lag 0 from others. batch: as of dataset.Crops.examples of pairs.

    state: {"params", "optimizer", "step"}.
    """

    def loss(params, batch):
        found = model.log_probabilities(params, batch["a"], batch["pair"], batch["example_key"])
        value = -jnp.mean(found[:, 0])
        return value, {"loss": value, "accuracy": jnp.mean(jnp.argmax(found, 1) == 0)}

    init, step = optimizers.learner(
        optimizer, steps=steps, parameters=lambda key, batch, frozen: model.init(key, batch["a"]),
        loss=lambda params, batch, frozen, key, fraction: loss(params, batch))
    return Task(init=init, step=step, validate=lambda state, batch, frozen, key: loss(state["params"], batch)[1])


Scored = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def judge(model: Synchrony, params: Tree) -> Scored:
    """A function of crops [n, T, M] of sources and of targets, in -1..1: (log-probability of lag 0, whether it is the
    likeliest), [n] each. It is compiled once.
    """
    params = jax.device_put(params)
    program = jax.jit(lambda one, other: model.log_probabilities(params, one[..., None], other[..., None]))

    def scored(sources: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = -(-len(sources) // BATCH) * BATCH
        one, other = (np.resize(crops, (count, *crops.shape[1:])) for crops in (sources, targets))
        found = np.concatenate([np.asarray(program(one[k : k + BATCH], other[k : k + BATCH]))
                                for k in range(0, count, BATCH)])[: len(sources)]
        return found[:, 0], found.argmax(1) == 0

    return scored
