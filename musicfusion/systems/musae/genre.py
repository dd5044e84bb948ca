"""A classifier of genres, which measures what a change of genre does: it learns from real windows, and reads notes."""

import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs.melody import VOCABULARY
from musicfusion.core import optimizers
from musicfusion.core.task import Task
from musicfusion.nn.classifier import Classifier
from musicfusion.systems.musae.adversarial import PETALS
from musicfusion.systems.musae.lite import CELLS


class Genre(Classifier):
    """Four tracks -> the logits of genres, in the corpus's order."""

    def __call__(self, tokens: jax.Array, row_keys=None) -> jax.Array:
        """int [B, T, 4] -> logits [B, 32]; row keys [B] switch dropout on."""
        beats = jax.nn.one_hot(tokens.reshape(len(tokens), -1, CELLS), VOCABULARY)
        return self.judge(beats.reshape(len(tokens), -1, CELLS * VOCABULARY), row_keys, PETALS, "logits")


def task(model: Genre, group) -> Task:
    """Cross-entropy on windows that have a genre. state: {"params", "optimizer", "step"}."""

    def loss(params, batch, row_keys=None):
        logits = jnp.asarray(model.apply({"params": params}, batch["tracks"], row_keys))
        known = batch["genre"] >= 0
        nats = losses.nll(jax.nn.log_softmax(logits)[:, None], jnp.maximum(batch["genre"], 0)[:, None])
        count = jnp.maximum(jnp.sum(known), 1)
        right = jnp.argmax(logits, -1) == batch["genre"]
        value = jnp.sum(nats * known) / count
        return value, {"loss": value, "accuracy": jnp.sum(right & known) / count}

    def evaluate(state, batch, key):
        del key
        return loss(state["params"], batch)[1]

    init, step = optimizers.learner(
        group, lambda key, batch: model.init(key, batch["tracks"])["params"],
        lambda params, batch, key, fraction: loss(params, batch, batch["row_key"]))
    return Task(init, step, evaluate)
