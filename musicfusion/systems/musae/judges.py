"""The genre classifier, which measures what a change of genre does: it learned from real windows, and reads tokens."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

from musicfusion import losses
from musicfusion.codecs.melody import VOCABULARY
from musicfusion.core import optimizers
from musicfusion.core.contracts import Task
from musicfusion.nn.classifier import Classifier
from musicfusion.systems.musae.dataset import BEAT_TOKENS, COMPONENTS


class GenreClassifier(Classifier):
    """Four tracks -> the logits of genres, in the corpus's order."""

    def __call__(self, tokens: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """int [B, T, 4] -> logits [B, 32]; example keys [B] switch dropout on."""
        beats = jax.nn.one_hot(tokens.reshape(len(tokens), -1, BEAT_TOKENS), VOCABULARY)
        return self.judge(beats.reshape(len(tokens), -1, BEAT_TOKENS * VOCABULARY), example_keys, COMPONENTS, "logits")


def task(model: GenreClassifier, *, optimizer: optax.GradientTransformation, steps: int) -> Task:
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
