"""The reality classifier: how likely a pair of sides is one that somebody composed (Connective Fusion, section 3.4).

A transformer of two layers over eight bars of symbols, which learns real pairs against shuffled ones, on songs of its
own (train-2). Latent Perturb climbs another one of its kind, from train-1 (baselines.py).
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion import losses
from musicfusion.codecs import melody
from musicfusion.core import optimizers
from musicfusion.core.contracts import Task
from musicfusion.core.example_keys import folded
from musicfusion.nn.classifier import Classifier


class RealityClassifier(Classifier):
    """Symbols of both sides -> the logit that they are a real pair."""

    width: int = 128

    def __call__(self, left: jax.Array, right: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """int [B, 64] x 2 -> logits [B]; example keys [B] switch dropout on."""
        x = jax.nn.one_hot(jnp.concatenate([left, right], 1), melody.SYMBOLS)
        return self.judge(x, example_keys)[:, 0]


def reality(logits: np.ndarray) -> np.ndarray:
    """A classifier's logits [B] -> the probability of a real pair [B]."""
    return 1 / (1 + np.exp(-logits))


def task(model: RealityClassifier, *, optimizer: Mapping[str, Any], steps: int) -> Task:
    """Binary cross-entropy, .5 (real + shuffled), on dataset.pair_examples. state: {"params", "optimizer", "step"}."""

    def loss(params, batch, example_keys=None):
        if example_keys is not None:
            example_keys = jnp.concatenate([example_keys, folded(example_keys, 3)])
        left = jnp.concatenate([batch["left"], batch["left"]])
        right = jnp.concatenate([batch["right"], batch["other"]])
        real, shuffled = jnp.split(jnp.asarray(model.apply({"params": params}, left, right, example_keys)), 2)
        bce = losses.binary_cross_entropy
        value = 0.5 * (jnp.mean(bce(real, 1.0)) + jnp.mean(bce(shuffled, 0.0)))
        return value, {"loss": value, "reality_real": jnp.mean(jax.nn.sigmoid(real)),
                       "reality_shuffled": jnp.mean(jax.nn.sigmoid(shuffled)),
                       "accuracy": 0.5 * (jnp.mean(real > 0) + jnp.mean(shuffled <= 0))}

    def validate(state, batch, frozen, key):
        del frozen, key
        return loss(state["params"], batch)[1]

    init, step = optimizers.learner(
        optimizers.create(**optimizer, steps=steps), steps=steps,
        parameters=lambda key, batch, frozen: model.init(key, batch["left"], batch["right"])["params"],
        loss=lambda params, batch, frozen, key, fraction: loss(params, batch, batch["example_key"]))
    return Task(init=init, step=step, validate=validate)
