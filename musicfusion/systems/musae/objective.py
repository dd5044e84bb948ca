"""MusAE's objective, equations (2) to (6): an autoencoder whose codes a critic draws toward a prior.

In the public code encoder and critic share one optimiser on one summed loss, in which the encoder's terms, +D(z) and
-D(z), cancel: nothing draws the codes toward the prior. Here critic and autoencoder have losses, optimisers and updates
of their own, `critic_updates` of the critic for each of the autoencoder.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from musicfusion import priors
from musicfusion.core import optimizers, parallel
from musicfusion.core.contracts import Task
from musicfusion.core.example_keys import folded
from musicfusion.latent import vae
from musicfusion.systems.musae.dataset import COMPONENTS

PRIORS = ("flower", "gaussian")
STAIRS = 10  # in which beta rises, section 4.1


class Critic(nn.Module):
    """d(z), conditioned on the flower's component: two hidden layers, tanh, a linear score (section 3.2.3).

    prior: "" reads z as it is, as in the paper. Otherwise z is read in units of the prior's spread, and rotated so that
    its component lies on the first axis: what is learned of one component holds for all.
    """

    hidden: int = 512
    prior: str = ""

    @nn.compact
    def __call__(self, z: jax.Array, component: jax.Array | None = None,
                 components: jax.Array | int = COMPONENTS) -> jax.Array:
        """z [B, size]; of the flower also each one's component int [B], and how many there are -> score [B]."""
        if self.prior and component is not None:
            z = priors.rotated(z, -priors.angle(component, components))
        if self.prior:
            z = z / spread(self.prior, z.shape[1])
        if component is not None:
            z = jnp.concatenate([z, jax.nn.one_hot(component, COMPONENTS)], -1)
        for layer in range(2):
            z = nn.tanh(nn.Dense(self.hidden, name=f"layer_{layer}")(z))
        return nn.Dense(1, name="score")(z)[:, 0]


def gradient_penalty(score: Callable[[jax.Array], jax.Array], real: jax.Array, generated: jax.Array,
                     share: jax.Array) -> jax.Array:
    """(|grad d(z^)| - 1)^2 at z^ = share generated + (1 - share) real.

    Args:
        score: d, [B, size] -> [B]; real, generated: draws from the prior and codes [B, size]; share: 0 to 1 [B].

    Returns:
        [B].

    Source: MusAE, equation (6), without lambda.
    """
    between = share[:, None] * generated + (1 - share[:, None]) * real
    gradient = jax.grad(lambda z: jnp.sum(score(z)))(between)  # examples do not depend on each other
    norm = jnp.sqrt(jnp.sum(gradient**2, -1) + 1e-12)
    return (norm - 1) ** 2


def spread(prior: str, size: int) -> jax.Array:
    """A prior's standard deviation in each dimension, [size]; in the flower's plane a component's, on average."""
    if prior == "gaussian":
        return jnp.ones(size)
    in_plane = (priors.RADIAL_VARIANCE * priors.OTHER_VARIANCE) ** 0.25
    return jnp.where(jnp.arange(size) < 2, in_plane, priors.OTHER_VARIANCE**0.5)


def draw(prior: str, keys: jax.Array, batch: Mapping, size: int) -> jax.Array:
    """A draw from the prior for each example, of the flower from that example's component: keys [B] -> [B, size]."""
    if prior == "gaussian":
        return priors.gaussian(keys, size)
    return priors.flower(keys, priors.angle(batch["component"], batch["components"]), size)


def condition(prior: str, batch: Mapping) -> tuple[jax.Array, ...]:
    """What a critic is conditioned on: of the flower each example's component, and how many there are."""
    return (batch["component"], batch["components"]) if prior == "flower" else ()


def ramp(step: jax.Array, *, beta: float, beta_every: int) -> jax.Array:
    """The adversarial weight at a step: 0 to beta in ten equal stairs, one each `beta_every` steps (section 4.1)."""
    return beta * jnp.minimum(step // beta_every, STAIRS) / STAIRS


def task(
    model: Any, critic: Critic, *, prior: str, optimizer: optax.GradientTransformation,
    critic_optimizer: optax.GradientTransformation, beta: float, beta_every: int, penalty: float, critic_updates: int,
    counts: Callable[[dict, dict], dict],
) -> Task:
    """Equation (3): reconstruction, and beta times a Wasserstein critic with gradient penalty on z.

    A batch is encoded once a step; the critic's updates draw from its posteriors, and the autoencoder's gradient is
    pulled back through them.

    Args:
        model: an autoencoder as latent.vae describes it.
        prior: one of PRIORS; optimizer: the autoencoder's.
        beta, beta_every: of `ramp`; with beta 0 there is no critic, and nothing draws z to the prior.
        penalty: lambda of equation (6).
        critic_updates: of the critic for each of the autoencoder.
        counts: (batch, decoded arrays) -> {measure: (right, all)} of a reconstruction.

    Returns:
        A Task with state {"params": {"autoencoder", "critic"}, "optimizer": the same, "step"}.
    """
    size = sum(model.aspects.values())
    optimizer_of = {"autoencoder": optimizer, "critic": critic_optimizer}

    def score(params, z, batch):
        return critic.apply({"params": params}, z, *condition(prior, batch))

    def posterior(params, batch):
        return model.apply({"params": params}, batch, method="encode")

    def sampled(codes, keys):
        mean, std = codes
        return mean + std * priors.gaussian(keys, size)

    def decode(params, z):
        return model.apply({"params": params}, z, method="decode")

    def init(key, batch, frozen):
        del frozen
        first, second = jax.random.split(key)
        nothing = jnp.zeros((len(batch["component"]), size))
        params = {"autoencoder": vae.init(model, first, batch),
                  "critic": critic.init(second, nothing, *condition(prior, batch))["params"]}
        return {"params": params, "step": jnp.zeros((), jnp.int32),
                "optimizer": {name: optimizer_of[name].init(p) for name, p in params.items()}}

    def update(name, state, gradients):
        return optimizers.update(optimizer_of[name], state, (name,), gradients)

    def step(state, batch, frozen, key):
        del frozen
        weight = ramp(state["step"], beta=beta, beta_every=beta_every)
        codes, pull = jax.vjp(lambda params: posterior(params, batch), state["params"]["autoencoder"])

        def critic_loss(params, real, generated, share):  # equations (5) and (6)
            gap = jnp.mean(score(params, real, batch)) - jnp.mean(score(params, generated, batch))
            steepness = jnp.mean(gradient_penalty(lambda z: score(params, z, batch), real, generated, share))
            return penalty * steepness - gap, {"gap": gap, "penalty": steepness}

        def critic_update(state, number):
            keys = folded(batch["example_key"], 100 + number)
            share = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 0)))(keys)
            real, generated = draw(prior, folded(keys, 1), batch, size), sampled(codes, folded(keys, 2))
            gradients, metrics = jax.grad(critic_loss, has_aux=True)(state["params"]["critic"], real, generated, share)
            return update("critic", state, gradients), metrics

        metrics: dict[str, jax.Array] = {}
        if beta:
            state, metrics = lax.scan(critic_update, state, jnp.arange(critic_updates))
            metrics = jax.tree.map(lambda x: x[-1], metrics)

        def autoencoder_loss(params, codes):  # equations (3) and (4)
            z = sampled(codes, folded(batch["example_key"], 1))
            terms = model.apply({"params": params}, z, batch, key, model.teacher(1.0), method="losses")
            terms = {name: jnp.mean(value) for name, value in terms.items()}
            reconstruction = sum(terms.values()) / batch["tracks"].shape[1]  # a mean over steps, a sum over tracks
            total, adversarial = reconstruction, {}
            if beta:
                adversarial = {"adversarial": -jnp.mean(score(state["params"]["critic"], z, batch))}
                total += weight * adversarial["adversarial"]
            about = {"loss": total, "reconstruction": reconstruction, "std": jnp.mean(codes[1])}
            return total, about | terms | adversarial

        (of_decoder, of_codes), found = jax.grad(autoencoder_loss, (0, 1), has_aux=True)(
            state["params"]["autoencoder"], codes)
        state = update("autoencoder", state, jax.tree.map(jnp.add, of_decoder, pull(of_codes)[0]))
        return {**state, "step": state["step"] + 1}, found | metrics | {"beta": weight}

    def validate(state, batch, frozen, key):
        del frozen
        params = state["params"]
        codes = posterior(params["autoencoder"], batch)
        mean, _ = codes
        terms = model.apply({"params": params["autoencoder"]}, mean, batch, key, 1.0, method="losses")
        loss = jnp.mean(sum(terms.values())) / batch["tracks"].shape[1]
        found = parallel.total(counts(batch, decode(params["autoencoder"], mean)))
        rates = {name: right / jnp.maximum(whole, 1) for name, (right, whole) in found.items()}
        real = draw(prior, folded(batch["example_key"], 5), batch, size)
        generated = sampled(codes, folded(batch["example_key"], 6))
        gap = jnp.mean(score(params["critic"], real, batch)) - jnp.mean(score(params["critic"], generated, batch))
        nearest = priors.nearest_component(mean, batch["components"])
        return rates | {"loss": loss, "gap": gap, "recovered": jnp.mean(nearest == batch["component"])}

    def generate(params, batch, frozen, key):
        """The likeliest reconstruction from the posterior mean."""
        del frozen, key
        return decode(params["autoencoder"], posterior(params["autoencoder"], batch)[0])

    return Task(init=init, step=step, validate=validate, generate=generate)
