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
from musicfusion.systems.musae import autoencoder
from musicfusion.systems.musae.dataset import COMPONENTS, UNTAGGED

PRIORS = ("flower", "gaussian", "narrow")  # narrow: N(0, .001 I), as wide as a component of the flower
STAIRS = 10  # in which beta rises, section 4.1


class Critic(nn.Module):
    """d(z), conditioned on the flower's component: two hidden layers, tanh, a linear score (section 3.2.3).

    reads_norm: it also reads how much farther z lies from the middle than a draw from N(0, I) does. The distance of
    the norms is a gap that a critic on z alone finds late.
    """

    hidden: int = 512
    reads_norm: bool = False

    @nn.compact
    def __call__(self, z: jax.Array, component: jax.Array | None = None) -> jax.Array:
        """z [B, size]; of the flower also each one's component int [B] -> score [B]."""
        read = [z]
        if self.reads_norm:
            read.append(norm(z)[:, None])
        if component is not None:
            read.append(jax.nn.one_hot(component % (COMPONENTS + 1), COMPONENTS + 1))  # the last is UNTAGGED
        z = jnp.concatenate(read, -1)
        for layer in range(2):
            z = nn.tanh(nn.Dense(self.hidden, name=f"layer_{layer}")(z))
        return nn.Dense(1, name="score")(z)[:, 0]


def norm(z: jax.Array) -> jax.Array:
    """|z| less that of a draw from N(0, I), about: [B, size] -> [B]. A witness: its slope is 1 everywhere."""
    return jnp.sqrt(jnp.sum(z**2, -1) + 1e-12) - z.shape[-1] ** 0.5


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


def draw(prior: str, keys: jax.Array, batch: Mapping, size: int) -> jax.Array:
    """A draw from the prior for each example, of the flower from that example's component: keys [B] -> [B, size]."""
    white = priors.gaussian(keys, size)
    if prior == "flower":
        return priors.coloured(white, *_component(batch))
    return white * priors.OTHER_VARIANCE**0.5 if prior == "narrow" else white


def whitened(prior: str, z: jax.Array, batch: Mapping) -> jax.Array:
    """z [B, size] in coordinates in which the prior, of the flower each example's component, is N(0, I)."""
    if prior == "flower":
        return priors.whitened(z, *_component(batch))
    return z / priors.OTHER_VARIANCE**0.5 if prior == "narrow" else z


def _component(batch: Mapping) -> tuple[jax.Array, jax.Array]:
    """The angle of each example's component [B], and whether it has a genre [B]."""
    return priors.angle(batch["component"], batch["components"]), batch["component"] != UNTAGGED


def middle(batch: Mapping) -> jax.Array:
    """The middle of each example's component in the plane, that of the flower for what has no genre: [B, 2]."""
    angle, tagged = _component(batch)
    return jnp.where(tagged[:, None], priors.centre(angle), 0.0)


def condition(prior: str, batch: Mapping) -> tuple[jax.Array, ...]:
    """What a critic is conditioned on: of the flower each example's component."""
    return (batch["component"],) if prior == "flower" else ()


def ramp(step: jax.Array, *, beta: float, beta_every: int) -> jax.Array:
    """The adversarial weight at a step: 0 to beta in ten equal stairs, one each `beta_every` steps (section 4.1)."""
    return beta * jnp.minimum(step // beta_every, STAIRS) / STAIRS


def task(
    model: Any, critic: Critic, *, prior: str, whiten: bool, optimizer: optax.GradientTransformation,
    critic_optimizer: optax.GradientTransformation, beta: float, beta_every: int, penalty: float, critic_updates: int,
    plane: float, counts: Callable[[dict, dict], dict],
) -> Task:
    """Equation (3): reconstruction, and beta times a Wasserstein critic with gradient penalty on z.

    A batch is encoded once a step; the critic's updates draw from its posteriors, and the autoencoder's gradient is
    pulled back through them.

    Args:
        model: an autoencoder as latent.vae describes it.
        prior: one of PRIORS; optimizer: the autoencoder's.
        whiten: the critic reads z, and its slope is penalised, in coordinates in which the prior is N(0, I); so one
            beta means the same for all priors. Otherwise z is read as it is, as in the paper.
        beta, beta_every: of `ramp`; with beta 0 there is no critic, and nothing draws z to the prior.
        penalty: lambda of equation (6).
        critic_updates: of the critic for each of the autoencoder.
        plane: weight of the squared distance, in the flower's plane, of codes from the middle of their component. So
            the plane learns at once what a critic tells it late; the paper has no such term.
        counts: (batch, decoded arrays) -> {measure: (right, all)} of a reconstruction.

    Returns:
        A Task with state {"params": {"autoencoder", "critic"}, "optimizer": the same, "step"}. Its `frozen` are the
        parameters of an autoencoder of shorter windows that it begins with (autoencoder.beginning), or {}. Its
        validation's "loss" is equation (3) at the final beta, without the plane's term: the distance to the prior is
        the critic's gap, or that of the norms, whichever is larger.
    """
    size = sum(model.aspects.values())
    optimizer_of = {"autoencoder": optimizer, "critic": critic_optimizer}

    def seen(z, batch):
        return whitened(prior, z, batch) if whiten else z

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
        first, second = jax.random.split(key)
        nothing = jnp.zeros((len(batch["component"]), size))
        params = {"autoencoder": autoencoder.beginning(vae.init(model, first, batch), frozen),
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
            real = seen(draw(prior, folded(keys, 1), batch, size), batch)
            generated = seen(sampled(codes, folded(keys, 2)), batch)
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
                adversarial = {"adversarial": -jnp.mean(score(state["params"]["critic"], seen(z, batch), batch))}
                total += weight * adversarial["adversarial"]
            if plane and prior == "flower":
                adversarial["plane"] = jnp.mean(jnp.sum((codes[0][:, :2] - middle(batch)) ** 2, -1))
                total += plane * adversarial["plane"]
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
        reconstruction = jnp.mean(sum(terms.values())) / batch["tracks"].shape[1]
        tagged = batch["component"] != UNTAGGED
        right = (priors.nearest_component(mean, batch["components"]) == batch["component"]) & tagged
        rates = parallel.shares(counts(batch, decode(params["autoencoder"], mean))
                                | {"recovered": (jnp.sum(right), jnp.sum(tagged))})
        drawn = draw(prior, folded(batch["example_key"], 5), batch, size)
        real, generated = seen(drawn, batch), seen(sampled(codes, folded(batch["example_key"], 6)), batch)
        gap = jnp.mean(score(params["critic"], real, batch)) - jnp.mean(score(params["critic"], generated, batch))
        witness = jnp.abs(jnp.mean(norm(generated)) - jnp.mean(norm(real)))
        return rates | {"loss": reconstruction + beta * jnp.maximum(gap, witness), "reconstruction": reconstruction,
                        "gap": gap, "witness": witness}

    def generate(params, batch, frozen, key):
        """The likeliest reconstruction from the posterior mean."""
        del frozen, key
        return decode(params["autoencoder"], posterior(params["autoencoder"], batch)[0])

    return Task(init=init, step=step, validate=validate, generate=generate)
