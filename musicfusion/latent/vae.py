"""Training one VAE.

A model has `aspects` (latent sizes in z's order), `teacher(fraction of the training)`, `encode(batch) -> mean, std`,
`losses(z, batch, key, teacher) -> {term: [B]}` in nats, `decode(z) -> arrays`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.core import optimizers, parallel
from musicfusion.core.task import Task
from musicfusion.latent.space import split


def init(model, key, batch) -> dict:
    """Parameters of every part of a VAE: encoder, losses (teacher-forced) and decoder."""

    def everything(m, batch):
        mean, _ = m.encode(batch)
        return m.losses(mean, batch, jax.random.key(0), 1.0), m.decode(mean)

    return model.init(key, batch, method=everything)["params"]


def task(model, group, counts: Callable[[dict, dict], dict]) -> Task:
    """ELBO with a KL weight for each aspect; the loss is nats per segment.

    group.free_nats, if there: so many of each aspect's KL cost nothing.

    counts(batch, decoded arrays) -> {measure: (right, all)} of a reconstruction.
    state: {"params", "optimizer", "step"}.
    """
    aspects, free = model.aspects, group.get("free_nats", 0.0)

    def kl_terms(mean, std):
        means, stds = split(mean, aspects), split(std, aspects)
        return {name: losses.kl_to_standard_normal(means[name], stds[name]) for name in aspects}

    def kl_ramp(fraction):
        if not group.kl_midpoint:
            return 1.0
        return jax.nn.sigmoid(11.5 * (fraction / group.kl_midpoint - 1.0))

    def loss(params, batch, key, fraction):
        mean, std = model.apply({"params": params}, batch, method="encode")
        noise = jax.vmap(lambda k: jax.random.normal(jax.random.fold_in(k, 1), mean.shape[1:]))
        z = mean + std * noise(batch["row_key"])
        teacher = model.teacher(fraction)
        terms = model.apply({"params": params}, z, batch, key, teacher, method="losses")
        terms = {name: jnp.mean(value) for name, value in terms.items()}
        kl = {name: jnp.mean(value) for name, value in kl_terms(mean, std).items()}
        weighted = sum(group.kl[name] * jnp.maximum(kl[name] - free, 0.0) for name in aspects)
        total = sum(terms.values()) + kl_ramp(fraction) * weighted
        return total, {"loss": total, **terms, **{f"kl_{name}": kl[name] for name in aspects}}

    def evaluate(state, batch, key):
        _, metrics = loss(state["params"], batch, key, 1.0)
        found = parallel.total(counts(batch, generate(state["params"], batch, key)))
        rates = {name: right / jnp.maximum(whole, 1) for name, (right, whole) in found.items()}
        return metrics | rates

    def generate(params, batch, key):
        """Greedy reconstruction from the posterior mean."""
        del key
        mean, _ = model.apply({"params": params}, batch, method="encode")
        return model.apply({"params": params}, mean, method="decode")

    start, step = optimizers.learner(group, lambda key, batch: init(model, key, batch), loss)
    return Task(start, step, evaluate, generate)
