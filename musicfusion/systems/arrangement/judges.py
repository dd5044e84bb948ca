"""A classifier of which parts are audible. It only measures: no generator learns from it."""

import importlib
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from musicfusion import losses
from musicfusion.codecs import mel
from musicfusion.core import optimizers
from musicfusion.core.contracts import Task, Tree
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import folded
from musicfusion.nn.images import Conv

BATCH = 32  # crops that are classified at once

Features = Callable[[np.ndarray], np.ndarray]  # crops [n, T, M] in -1..1 -> features [n, d]


class PartClassifier(nn.Module):
    """Mel-spectrograms [b, T, M, 1] in -1..1 -> logits [b, 2] that the source and the target are audible in them."""

    width: int = 16
    hidden: int = 64

    def setup(self):
        """Four convolutions, each of half the resolution, and a hidden layer."""
        self.layers = [Conv(self.width * k, 4, 2, 1, kernel_init=nn.initializers.lecun_normal())
                       for k in (1, 2, 4, 4)]
        self.dense, self.logits = nn.Dense(self.hidden), nn.Dense(2)

    def features(self, mels: jax.Array) -> jax.Array:
        """The hidden layer's activations: [b, T, M, 1] -> [b, hidden]."""
        x = mels
        for layer in self.layers:
            x = nn.leaky_relu(layer(x), 0.2)
        return nn.relu(self.dense(jnp.concatenate([jnp.mean(x, (1, 2)), jnp.max(x, (1, 2))], -1)))

    def __call__(self, mels: jax.Array) -> jax.Array:
        """The logits."""
        return self.logits(self.features(mels))


def mixed(one: jax.Array, other: jax.Array) -> jax.Array:
    """The mel-spectrogram of two sounds at once, whose powers add up: [...] in -1..1 each."""
    return mel.normalised(mel.mel_power(one) + mel.mel_power(other))


def task(classifier: PartClassifier, optimizer: optax.GradientTransformation, *, steps: int) -> Task:
    """Binary cross-entropy on mixes of source and target, of which each is there with probability 1/2.

    batch: {"a", "b": crops [b, T, M, 1], "example_key"}. Each is made up to 11 dB softer at random, so that loudness
    alone says nothing. state: {"params", "optimizer", "step"}.
    """

    def loss(params, batch):
        there = jax.vmap(lambda key: jax.random.bernoulli(key, 0.5, (2,)))(folded(batch["example_key"], 20))
        gains = jax.vmap(lambda key: jax.random.uniform(key, (2,), minval=-0.25, maxval=0.0))(
            folded(batch["example_key"], 21))

        def part(k, mels):
            softer = jnp.clip(mels + gains[:, k, None, None, None], -1, 1)
            return jnp.where(there[:, k, None, None, None], softer, -1.0)

        logits = jnp.asarray(classifier.apply({"params": params}, mixed(part(0, batch["a"]), part(1, batch["b"]))))
        value = jnp.mean(losses.binary_cross_entropy(logits, there.astype(jnp.float32)))
        return value, {"loss": value, "accuracy": jnp.mean((logits > 0) == there)}

    init, step = optimizers.learner(
        optimizer, steps=steps, parameters=lambda key, batch, frozen: classifier.init(key, batch["a"])["params"],
        loss=lambda params, batch, frozen, key, fraction: loss(params, batch))
    return Task(init=init, step=step, validate=lambda state, batch, frozen, key: loss(state["params"], batch)[1])


class Judge(NamedTuple):
    """A trained classifier.

    detect(crops [n, T, M] in -1..1) -> probabilities [n, 2] that the source and the target are audible in them
    features(crops) -> [n, hidden]
    """

    detect: Callable[[np.ndarray], np.ndarray]
    features: Features


def judge(classifier: PartClassifier, params: Tree) -> Judge:
    """A classifier with these parameters; each of its functions is compiled once."""

    def batched(run: Callable[[jax.Array], jax.Array]) -> Callable[[np.ndarray], np.ndarray]:
        program = jax.jit(run)

        def over(crops: np.ndarray) -> np.ndarray:
            padded = np.resize(crops, (-(-len(crops) // BATCH) * BATCH, *crops.shape[1:]))
            parts = [np.asarray(program(padded[k : k + BATCH, ..., None])) for k in range(0, len(padded), BATCH)]
            return np.concatenate(parts)[: len(crops)]

        return over

    return Judge(
        detect=batched(lambda mels: jax.nn.sigmoid(jnp.asarray(classifier.apply({"params": params}, mels)))),
        features=batched(lambda mels: jnp.asarray(classifier.apply({"params": params}, mels, method="features"))))


def own_features(name: str) -> Features:
    """A user's features, MODULE:FUNCTION: a function of crops [n, T, M] in -1..1 that returns [n, d].

    Raises:
        MusicFusionError: there is no such module, or no such function in it.
    """
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise MusicFusionError(f"evaluate.features = {name!r}: accepted is MODULE:FUNCTION ({error})") from error
