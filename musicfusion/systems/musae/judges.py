"""The judges of genre, which measure what a change of genre does: they learned from real windows, and read tokens.

The second is of another make, and learned from other grooves: those that no model learns from.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from musicfusion import losses
from musicfusion.codecs.melody import VOCABULARY
from musicfusion.core import optimizers
from musicfusion.core.contracts import Task
from musicfusion.data import splits
from musicfusion.data.corpus import STEPS_PER_BEAT
from musicfusion.nn import classifier
from musicfusion.nn.mlp import DropoutMLP
from musicfusion.nn.recurrent import BiLSTM
from musicfusion.systems.musae.dataset import BEATS, COMPONENTS

BARS = 2  # of the windows that a judge reads, whatever an autoencoder's have


class GenreClassifier(classifier.Classifier):
    """Four tracks of BARS bars -> the logits of genres, in the corpus's order."""

    def __call__(self, tokens: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """int [B, T, 4] -> logits [B, 32]; example keys [B] switch dropout on."""
        beats = jax.nn.one_hot(tokens, VOCABULARY).reshape(len(tokens), BARS * BEATS, -1)
        return self.judge(beats, example_keys, COMPONENTS, "logits")


class RecurrentGenreClassifier(nn.Module):
    """Four tracks -> the logits of genres, in the corpus's order, by LSTMs in both directions, a step at a time."""

    hidden: int = 64
    dropout: float = 0.3

    @nn.compact
    def __call__(self, tokens: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """int [B, T, 4] -> logits [B, 32]; example keys [B] switch dropout on."""
        x = jax.nn.one_hot(tokens, VOCABULARY).reshape(*tokens.shape[:2], -1)
        steps, last = BiLSTM(self.hidden, name="body")(nn.Dense(self.hidden, name="enter")(x))
        x = jnp.concatenate([jnp.mean(steps, 1), last], -1)
        x = DropoutMLP(self.hidden, 1, self.dropout, name="head")(x, example_keys)
        return nn.Dense(COMPONENTS, name="logits")(x)


Classifier = Callable[[np.ndarray], np.ndarray]  # tokens int [n, T, 4] -> probabilities of genres [n, 32]


def classified(classifier: Classifier, tokens: np.ndarray, steps: int = STEPS_PER_BEAT) -> np.ndarray:
    """The genre of windows int [n, T, 4], in the corpus's order, int [n]: that with the highest mean log-probability.

    The classifier takes windows of BARS bars; longer ones are cut into such pieces. steps: of a beat.
    """
    parts = tokens.reshape(-1, BARS * BEATS * steps, tokens.shape[2])
    found = np.log(np.maximum(classifier(parts), 1e-9)).reshape(len(tokens), -1, COMPONENTS)
    return np.argmax(found.mean(1), 1)


CLASSIFIERS = {"genre_classifier": GenreClassifier, "second_judge": RecurrentGenreClassifier}
SPLITS = {"genre_classifier": "train", "second_judge": splits.HELD_OUT_GROOVES}  # that they learn from


def task(model: Any, *, optimizer: optax.GradientTransformation, steps: int) -> Task:
    """Cross-entropy on the windows that have a genre. State: {"params", "optimizer", "step"}."""

    def loss(params, batch: Mapping, example_keys=None):
        logits = jnp.asarray(model.apply({"params": params}, batch["tracks"], example_keys))
        known = batch["genre"] >= 0
        nats = losses.nll(jax.nn.log_softmax(logits)[:, None], jnp.maximum(batch["genre"], 0)[:, None])
        count = jnp.maximum(jnp.sum(known), 1)
        right = jnp.argmax(logits, -1) == batch["genre"]
        value = jnp.sum(nats * known) / count
        return value, {"loss": value, "accuracy": jnp.sum(right & known) / count}

    def validate(state, batch, frozen, key):
        del frozen, key
        return loss(state["params"], batch)[1]

    init, step = optimizers.learner(
        optimizer, steps=steps, parameters=lambda key, batch, frozen: model.init(key, batch["tracks"])["params"],
        loss=lambda params, batch, frozen, key, fraction: loss(params, batch, batch["example_key"]))
    return Task(init=init, step=step, validate=validate)
