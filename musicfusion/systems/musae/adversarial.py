"""The adversarial autoencoder of paper 004: equations (2) to (6), with what its public code leaves undone.

There encoder and critic share one optimiser on one summed loss, so that the encoder's terms in it, +D(z) and -D(z),
cancel: nothing draws the code to the prior. Here critic and autoencoder have losses, optimisers and updates of their
own, `critic_updates` of the one for each of the other.
"""

from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from musicfusion import priors
from musicfusion.core import optimizers, parallel
from musicfusion.core.rows import folded
from musicfusion.core.task import Task
from musicfusion.latent import vae

PETALS = 32  # paper 004, section 3.3: a critic of the flower is told one of so many tags
PRIORS = ("flower", "gaussian")


class Critic(nn.Module):
    """d(z), of the flower's petal too: a perceptron with two hidden layers, tanh, a linear score (section 3.2.3).

    prior: "" reads z as it is, as in the paper. Otherwise numbers are counted in the prior's spread, and the flower is
    turned so that the petal lies on the first axis: what is learned of one petal holds for all.
    """

    hidden: int = 512
    prior: str = ""

    @nn.compact
    def __call__(self, z: jax.Array, petal: jax.Array | None = None, petals: jax.Array | int = PETALS) -> jax.Array:
        """z [B, size], petal int [B] or None, and of how many -> score [B]."""
        if self.prior and petal is not None:
            z = priors.turned(z, -priors.angle(petal, petals))
        if self.prior:
            z = z / spread(self.prior, z.shape[1])
        if petal is not None:
            z = jnp.concatenate([z, jax.nn.one_hot(petal, PETALS)], -1)
        for layer in range(2):
            z = nn.tanh(nn.Dense(self.hidden, name=f"layer_{layer}")(z))
        return nn.Dense(1, name="score")(z)[:, 0]


def gradient_penalty(score: Callable[[jax.Array], jax.Array], real: jax.Array, made: jax.Array,
                     share: jax.Array) -> jax.Array:
    """(|grad d(z^)| - 1)^2 at z^ = share made + (1 - share) real, equation (6): [B]. real, made [B, n], share [B]."""
    between = share[:, None] * made + (1 - share[:, None]) * real
    gradient = jax.grad(lambda z: jnp.sum(score(z)))(between)  # rows do not know each other
    norm = jnp.sqrt(jnp.sum(gradient**2, -1) + 1e-12)
    return (norm - 1) ** 2


def spread(prior: str, size: int) -> jax.Array:
    """A prior's standard deviation in each dimension, [size]; in the flower's plane that of a petal, on average."""
    if prior == "gaussian":
        return jnp.ones(size)
    return jnp.where(jnp.arange(size) < 2, (priors.RADIAL * priors.REST) ** 0.25, priors.REST**0.5)


def draw(prior: str, keys: jax.Array, batch: Mapping, size: int) -> jax.Array:
    """z of the prior for each row, of the petal that is the row's [b, size]."""
    if prior == "gaussian":
        return priors.gaussian(keys, size)
    return priors.flower(keys, priors.angle(batch["petal"], batch["petals"]), size)


def told(prior: str, batch: Mapping) -> tuple:
    """What a critic of the prior is told beside z: each row's petal, and of how many."""
    return (batch["petal"], batch["petals"]) if prior == "flower" else ()


def ramp(step: jax.Array, group) -> jax.Array:
    """beta: from 0 up to group.beta in ten equal stairs, one each `beta_every` steps (section 4.1)."""
    return group.beta * jnp.minimum(step // group.beta_every, 10) / 10


def task(model, critic: Critic, prior: str, group, counts: Callable[[dict, dict], dict]) -> Task:
    """Equation (3): reconstruction, and beta times a Wasserstein critic with gradient penalty on z.

    state: {"params": {"autoencoder", "critic"}, "optimizer": the same, "step"}. counts: as for latent.vae.task. A batch
    is encoded once a step; the critic's updates draw from its posteriors, and the autoencoder's gradient is pulled back
    through them.
    """
    size = sum(model.aspects.values())
    slow = dict(group.optimizer) | {"rate": group.optimizer.rate * group.critic_rate, "clip": 0.0,
                                    "beta1": 0.5, "beta2": 0.9}  # of WGAN-GP
    optimizer = {"autoencoder": optimizers.create(group.optimizer, group.steps),
                 "critic": optimizers.create(slow, group.steps * group.critic_updates)}

    def score(params, z, batch):
        return critic.apply({"params": params}, z, *told(prior, batch))

    def posterior(params, batch):
        return model.apply({"params": params}, batch, method="encode")

    def sampled(codes, keys):
        mean, std = codes
        return mean + std * priors.gaussian(keys, size)

    def init(key, batch):
        first, second = jax.random.split(key)
        params = {"autoencoder": vae.init(model, first, batch),
                  "critic": critic.init(second, jnp.zeros((len(batch["petal"]), size)), *told(prior, batch))["params"]}
        return {"params": params, "step": jnp.zeros((), jnp.int32),
                "optimizer": {name: optimizer[name].init(p) for name, p in params.items()}}

    def update(name, state, gradients):
        updates, inner = optimizer[name].update(parallel.mean(gradients), state["optimizer"][name],
                                                state["params"][name])
        return state | {"params": state["params"] | {name: optax.apply_updates(state["params"][name], updates)},
                        "optimizer": state["optimizer"] | {name: inner}}

    def step(state, batch, key):
        beta = ramp(state["step"], group)
        codes, pull = jax.vjp(lambda params: posterior(params, batch), state["params"]["autoencoder"])

        def criticise(params, real, made, share):
            gap = jnp.mean(score(params, real, batch)) - jnp.mean(score(params, made, batch))
            penalty = jnp.mean(gradient_penalty(lambda z: score(params, z, batch), real, made, share))
            return group.penalty * penalty - gap, {"gap": gap, "penalty": penalty}

        def one(state, turn):
            keys = folded(batch["row_key"], 100 + turn)
            share = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 0)))(keys)
            real, made = draw(prior, folded(keys, 1), batch, size), sampled(codes, folded(keys, 2))
            gradients, metrics = jax.grad(criticise, has_aux=True)(state["params"]["critic"], real, made, share)
            return update("critic", state, gradients), metrics

        if group.beta:
            state, metrics = lax.scan(one, state, jnp.arange(group.critic_updates))
            metrics = jax.tree.map(lambda x: x[-1], metrics)
        else:
            metrics = {}

        def reconstruct(params, codes):
            z = sampled(codes, folded(batch["row_key"], 1))
            terms = model.apply({"params": params}, z, batch, key, model.teacher(1.0), method="losses")
            terms = {name: jnp.mean(value) for name, value in terms.items()}
            reconstruction = sum(terms.values()) / batch["tracks"].shape[1]  # a mean over steps, a sum over tracks
            total, adversarial = reconstruction, {}
            if group.beta:
                adversarial = {"adversarial": -jnp.mean(score(state["params"]["critic"], z, batch))}
                total += beta * adversarial["adversarial"]
            about = {"loss": total, "reconstruction": reconstruction, "std": jnp.mean(codes[1])}
            return total, about | terms | adversarial

        (of_decoder, of_codes), found = jax.grad(reconstruct, (0, 1), has_aux=True)(
            state["params"]["autoencoder"], codes)
        state = update("autoencoder", state, jax.tree.map(jnp.add, of_decoder, pull(of_codes)[0]))
        return state | {"step": state["step"] + 1}, found | metrics | {"beta": beta}

    def evaluate(state, batch, key):
        params = state["params"]
        codes = posterior(params["autoencoder"], batch)
        mean, _ = codes
        terms = model.apply({"params": params["autoencoder"]}, mean, batch, key, 1.0, method="losses")
        loss = jnp.mean(sum(terms.values())) / batch["tracks"].shape[1]
        found = parallel.total(counts(batch, decode(params["autoencoder"], mean)))
        rates = {name: right / jnp.maximum(whole, 1) for name, (right, whole) in found.items()}
        real = draw(prior, folded(batch["row_key"], 5), batch, size)
        made = sampled(codes, folded(batch["row_key"], 6))
        gap = jnp.mean(score(params["critic"], real, batch)) - jnp.mean(score(params["critic"], made, batch))
        petal = priors.nearest_petal(mean, batch["petals"])
        return rates | {"loss": loss, "gap": gap, "recovered": jnp.mean(petal == batch["petal"])}

    def decode(params, z):
        return model.apply({"params": params}, z, method="decode")

    def generate(params, batch, key):
        """Greedy reconstruction from the posterior mean."""
        del key
        return decode(params["autoencoder"], posterior(params["autoencoder"], batch)[0])

    return Task(init, step, evaluate, generate)
