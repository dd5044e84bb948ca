"""A classifier of the two genres, which no generator learns from: what it says of a fusion is measured."""

import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.core import optimizers
from musicfusion.core.rows import folded
from musicfusion.core.task import Task
from musicfusion.nn.classifier import Classifier
from musicfusion.systems.fusion_gan.melodies import SYMBOLS


class Genre(Classifier):
    """Symbols -> the logit that a melody is of the first genre."""

    def __call__(self, symbols: jax.Array, row_keys=None) -> jax.Array:
        """int [b, T] -> logits [b]; row keys [b] switch dropout on."""
        return self.judge(jax.nn.one_hot(symbols, SYMBOLS), row_keys)[:, 0]


def task(model: Genre, group) -> Task:
    """Binary cross-entropy, half of it on either genre. state: {"params", "optimizer", "step"}."""

    def loss(params, batch, row_keys=None):
        keys = None if row_keys is None else jnp.concatenate([row_keys, folded(row_keys, 3)])
        logits = jnp.asarray(model.apply({"params": params}, jnp.concatenate([batch["a"], batch["b"]]), keys))
        one, other = jnp.split(logits, 2)
        bce = losses.binary_cross_entropy
        value = 0.5 * (jnp.mean(bce(one, 1.0)) + jnp.mean(bce(other, 0.0)))
        return value, {"loss": value, "accuracy": 0.5 * (jnp.mean(one > 0) + jnp.mean(other <= 0))}

    init, step = optimizers.learner(
        group, lambda key, batch: model.init(key, batch["a"])["params"],
        lambda params, batch, key, fraction: loss(params, batch, batch["row_key"]))
    return Task(init, step, lambda state, batch, key: loss(state["params"], batch)[1])
