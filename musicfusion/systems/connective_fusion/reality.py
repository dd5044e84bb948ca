"""Reality: how likely a pair of sides is one that somebody made (paper 001, section 3.4).

A transformer of two layers over eight bars of symbols, which learns real pairs against shuffled ones, on songs of its
own (train-2). Latent Perturb has another one of its kind, from train-1.
"""

import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs import melody
from musicfusion.core import optimizers
from musicfusion.core.rows import folded
from musicfusion.core.task import Task
from musicfusion.latent import partners
from musicfusion.nn.classifier import Classifier
from musicfusion.systems.connective_fusion import windows


class Reality(Classifier):
    """Symbols of both sides -> the logit that they are a real pair."""

    width: int = 128

    def __call__(self, left: jax.Array, right: jax.Array, row_keys=None) -> jax.Array:
        """int [B, 64] x 2 -> logits [B]; row keys [B] switch dropout on."""
        x = jax.nn.one_hot(jnp.concatenate([left, right], 1), melody.SYMBOLS)
        return self.judge(x, row_keys)[:, 0]


def examples(arrays, index, keys, training: bool) -> dict:
    """Windows `index` [b] in a random key, and the left side of each with the right one of another song, in its own."""
    other_key, own_key = (folded(keys, i) for i in (1, 2))
    part = 0 if training else 1
    first, end = arrays["bounds"][part], arrays["bounds"][part + 1]
    other = partners.elsewhere(other_key, arrays["low"][index], arrays["high"][index], first, end)

    def sides(index, keys):
        shift = windows.shifts(arrays["room"][index], keys, training)
        return windows.cut(arrays["corpus"], arrays["starts"][index], shift)

    return sides(index, keys) | {"other": sides(other, own_key)["right"], "row_key": keys}


def task(model: Reality, group) -> Task:
    """Binary cross-entropy, .5 (real + shuffled). state: {"params", "optimizer", "step"}."""
    def loss(params, batch, row_keys=None):
        if row_keys is not None:
            row_keys = jnp.concatenate([row_keys, folded(row_keys, 3)])
        left = jnp.concatenate([batch["left"], batch["left"]])
        right = jnp.concatenate([batch["right"], batch["other"]])
        real, shuffled = jnp.split(jnp.asarray(model.apply({"params": params}, left, right, row_keys)), 2)
        bce = losses.binary_cross_entropy
        value = 0.5 * (jnp.mean(bce(real, 1.0)) + jnp.mean(bce(shuffled, 0.0)))
        return value, {"loss": value, "reality_real": jnp.mean(jax.nn.sigmoid(real)),
                       "reality_shuffled": jnp.mean(jax.nn.sigmoid(shuffled)),
                       "accuracy": 0.5 * (jnp.mean(real > 0) + jnp.mean(shuffled <= 0))}

    def evaluate(state, batch, key):
        del key
        return loss(state["params"], batch)[1]

    init, step = optimizers.learner(
        group, lambda key, batch: model.init(key, batch["left"], batch["right"])["params"],
        lambda params, batch, key, fraction: loss(params, batch, batch["row_key"]))
    return Task(init, step, evaluate)
