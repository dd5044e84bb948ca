"""Training one VAE on segments (paper 000, section 3.2, first paragraph; losses of EC2-VAE [12] and PolyDis [13])."""

import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.core import optimizers, parallel
from musicfusion.core.task import Task
from musicfusion.systems.collagenet import nets
from musicfusion.systems.collagenet.actor_critic import split


def task(model, group) -> Task:
    """ELBO with a KL weight for each aspect; the loss is nats per segment.

    state: {"params", "optimizer", "step"}.
    """
    optimizer = optimizers.create(group.optimizer, group.steps)
    aspects = model.aspects

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
        weighted = sum(group.kl[name] * kl[name] for name in aspects)
        total = sum(terms.values()) + kl_ramp(fraction) * weighted
        return total, {"loss": total, **terms, **{f"kl_{name}": kl[name] for name in aspects}}

    def init(key, batch):
        params = nets.init(model, key, batch)
        return {"params": params, "optimizer": optimizer.init(params),
                "step": jnp.zeros((), jnp.int32)}

    def step(state, batch, key):
        fraction = state["step"] / group.steps
        gradients, metrics = jax.grad(loss, has_aux=True)(state["params"], batch, key, fraction)
        state, norm = optimizers.descend(optimizer, state, gradients)
        return state, metrics | norm

    def evaluate(state, batch, key):
        _, metrics = loss(state["params"], batch, key, 1.0)
        counts = parallel.total(nets.reconstructions(batch, generate(state["params"], batch, key)))
        rates = {name: right / jnp.maximum(whole, 1) for name, (right, whole) in counts.items()}
        return metrics | rates

    def generate(params, batch, key):
        """Greedy reconstruction from the posterior mean."""
        del key
        mean, _ = model.apply({"params": params}, batch, method="encode")
        return model.apply({"params": params}, mean, method="decode")

    return Task(init, step, evaluate, generate)
