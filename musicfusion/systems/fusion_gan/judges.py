"""FusionGAN's judge: a classifier of the two genres. No generator learns from it; it measures what they play."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from musicfusion import losses
from musicfusion.core import optimizers
from musicfusion.core.contracts import Task, Tree
from musicfusion.core.example_keys import folded
from musicfusion.nn.classifier import Classifier
from musicfusion.systems.fusion_gan import dataset
from musicfusion.systems.fusion_gan.dataset import SYMBOLS


class GenreClassifier(Classifier):
    """Symbols -> the logit that a melody is of the first genre."""

    def __call__(self, symbols: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """int [B, T] -> logits [B]; keys of the examples [B] switch dropout on."""
        return self.judge(jax.nn.one_hot(symbols, SYMBOLS), example_keys)[:, 0]


def task(model: GenreClassifier, optimizer: optax.GradientTransformation, *, steps: int) -> Task:
    """Binary cross-entropy, half of it on either genre. state: {"params", "optimizer", "step"}."""

    def loss(params, batch, example_keys=None):
        keys = None if example_keys is None else jnp.concatenate([example_keys, folded(example_keys, 3)])
        logits = jnp.asarray(model.apply({"params": params}, jnp.concatenate([batch["a"], batch["b"]]), keys))
        one, other = jnp.split(logits, 2)
        bce = losses.binary_cross_entropy
        value = 0.5 * (jnp.mean(bce(one, 1.0)) + jnp.mean(bce(other, 0.0)))
        return value, {"loss": value, "accuracy": 0.5 * (jnp.mean(one > 0) + jnp.mean(other <= 0))}

    init, step = optimizers.learner(
        optimizer, steps=steps,
        parameters=lambda key, batch, frozen: model.init(key, batch["a"])["params"],
        loss=lambda params, batch, frozen, key, fraction: loss(params, batch, batch["example_key"]))
    return Task(init=init, step=step, validate=lambda state, batch, frozen, key: loss(state["params"], batch)[1])


def probability(model: GenreClassifier, params: Tree) -> Callable[[np.ndarray], np.ndarray]:
    """A function: tokens of melodies [N, T] -> the probabilities that they are of the first genre [N]."""
    run = jax.jit(lambda params, x: jax.nn.sigmoid(jnp.asarray(model.apply({"params": params}, x))))
    return lambda tokens: np.asarray(run(params, dataset.symbols(tokens)))
