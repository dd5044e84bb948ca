"""Training one VAE.

A model has `aspects` (latent sizes in z's order), `teacher(fraction of the training)`, `encode(batch) -> mean, std`,
`losses(z, batch, key, teacher) -> {term: [B]}` in nats, `decode(z) -> arrays`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Key, Shaped

from musicfusion import losses
from musicfusion.core import optimizers, parallel
from musicfusion.core.arrays import AnyArray
from musicfusion.core.contracts import Task, Tree
from musicfusion.latent.space import split


def init(model: Any, key: Key[jax.Array, ""], batch: Mapping[str, Shaped[AnyArray, "B ..."]]) -> dict[str, Tree]:
    """Parameters of every part of a VAE: encoder, losses (teacher-forced) and decoder."""

    def everything(m, batch):
        mean, _ = m.encode(batch)
        return m.losses(mean, batch, jax.random.key(0), 1.0), m.decode(mean)

    return model.init(key, batch, method=everything)["params"]


def task(model: Any, *, optimizer: optax.GradientTransformation, steps: int, kl: Mapping[str, float],
         kl_midpoint: float = 0.0, free_nats: float = 0.0, teacher_forced: bool = False,
         counts: Callable[[dict, dict], dict], begun: Callable[[Tree, Tree], Tree] = lambda drawn, _: drawn) -> Task:
    """ELBO with a KL weight for each aspect; the loss is nats per segment.

    Args:
        model: a VAE as described above.
        optimizer, steps: of the whole training.
        kl: weight of each aspect's KL, per nat.
        kl_midpoint: fraction of the steps at which a logistic ramp of these weights reaches half; 0: no ramp.
        free_nats: so many of each aspect's KL cost nothing.
        teacher_forced: whether validation also counts what `model.predicted(z, batch)` gets right, which knows the
            truth before each step: as forced_MEASURE.
        counts: (batch, decoded arrays) -> {measure: (right, all)} of a reconstruction.
        begun: (parameters as they are drawn, the stage's frozen arrays) -> those that the training begins with.

    Returns:
        A Task with state {"params", "optimizer", "step"}.
    """
    aspects = model.aspects

    def kl_terms(mean, std):
        means, stds = split(mean, aspects), split(std, aspects)
        return {name: losses.kl_to_standard_normal(means[name], stds[name]) for name in aspects}

    def kl_ramp(fraction):
        if not kl_midpoint:
            return 1.0
        return jax.nn.sigmoid(11.5 * (fraction / kl_midpoint - 1.0))

    def loss(params, batch, frozen, key, fraction):
        del frozen
        mean, std = model.apply({"params": params}, batch, method="encode")
        noise = jax.vmap(lambda k: jax.random.normal(jax.random.fold_in(k, 1), mean.shape[1:]))
        z = mean + std * noise(batch["example_key"])
        teacher = model.teacher(fraction)
        terms = model.apply({"params": params}, z, batch, key, teacher, method="losses")
        terms = {name: jnp.mean(value) for name, value in terms.items()}
        nats = {name: jnp.mean(value) for name, value in kl_terms(mean, std).items()}
        weighted = sum(kl[name] * jnp.maximum(nats[name] - free_nats, 0.0) for name in aspects)
        total = sum(terms.values()) + kl_ramp(fraction) * weighted
        return total, {"loss": total, **terms, **{f"kl_{name}": nats[name] for name in aspects}}

    def validate(state, batch, frozen, key):
        _, metrics = loss(state["params"], batch, frozen, key, 1.0)
        found = counts(batch, generate(state["params"], batch, frozen, key))
        if teacher_forced:
            mean, _ = model.apply({"params": state["params"]}, batch, method="encode")
            predicted = model.apply({"params": state["params"]}, mean, batch, method="predicted")
            found |= {f"forced_{name}": count for name, count in counts(batch, predicted).items()}
        return metrics | parallel.shares(found)

    def generate(params, batch, frozen, key):
        """Greedy reconstruction from the posterior mean."""
        del frozen, key
        mean, _ = model.apply({"params": params}, batch, method="encode")
        return model.apply({"params": params}, mean, method="decode")

    def parameters(key, batch, frozen):
        return begun(init(model, key, batch), frozen)

    start, step = optimizers.learner(optimizer, steps=steps, parameters=parameters, loss=loss)
    return Task(init=start, step=step, validate=validate, generate=generate)
