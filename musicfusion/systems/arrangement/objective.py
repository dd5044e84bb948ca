"""CycleGAN on mel-spectrograms: translation between two domains without pairs (section 3.3).

Below, equations and sections are those of CycleGAN (Zhu et al., ICCV 2017). Domain a (their X) is the source, b (their
Y) the target. Generator "b" (their G) translates a into b, generator "a" (their F) b into a. Discriminator "a" or "b"
tells real examples of its domain from translations.

Four things are added to the paper's method; a weight of 0 leaves each out. Generator "b" is conditioned on how dense
its output is to be, and a translation gets noise before it is translated back. It is rewarded for being in time with
its source (synchrony.py), which takes pairs. And generator "b" gets a vector of noise, its latent, from which different
targets for one source are to come (mode seeking: Mao et al., CVPR 2019).

Mel-spectrograms are [b, T, M, 1] in -1..1.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from musicfusion.core import optimizers, parallel
from musicfusion.core.contracts import Metrics, Task, Tree
from musicfusion.core.example_keys import folded
from musicfusion.systems.arrangement.synchrony import Synchrony

DOMAINS = ("a", "b")
ALIKE = 0.5  # of the distance of two targets for different sources: so far apart two for the same one should be
POOL = 50  # earlier translations that are kept for each discriminator (Zhu et al., section 4)


# The generator's condition --------------------------------------------------------------------------------------------


def levels(mels: jax.Array) -> jax.Array:
    """The mean level of each example as a part of its range, 0 (silence) to 1: [b, T, M, 1] -> [b]."""
    return (jnp.mean(mels, (1, 2, 3)) + 1) / 2


def densities(level: jax.Array, quantiles: jax.Array) -> jax.Array:
    """The share of the target's training examples whose level is lower: [b], quantiles of their levels [q] -> [b]."""
    return jnp.interp(level, quantiles, jnp.linspace(0, 1, len(quantiles)))


def translate(generator: nn.Module, params: Tree, mels: jax.Array, density: jax.Array | None = None,
              latent: jax.Array | None = None) -> jax.Array:
    """Mel-spectrograms of one domain as those of the other: [b, T, M, 1] -> [b, T, M, 1].

    density: [b], how dense the outputs are to be, 0 to 1; latent: [b, n], which of several. None for a generator
    without this condition.
    """
    condition = None if density is None else 4 * density[:, None] - 2
    if latent is not None:
        condition = latent if condition is None else jnp.concatenate([condition, latent], 1)
    return jnp.asarray(generator.apply({"params": params}, mels, condition))


# Losses ---------------------------------------------------------------------------------------------------------------


def least_squares(scores: jax.Array, label: float) -> jax.Array:
    """The mean squared error of a discriminator's scores, in place of the logarithms of equation 1 (section 4).

    label: 1 for real examples and in the generator's loss, 0 for translations.
    """
    return jnp.mean((scores - label) ** 2)


def l1(one: jax.Array, other: jax.Array) -> jax.Array:
    """The mean absolute difference."""
    return jnp.mean(jnp.abs(one - other))


def _too_alike(one: jax.Array, other: jax.Array, *, far: tuple[jax.Array, jax.Array]) -> jax.Array:
    """By what share two translations differ less than ALIKE of how far two real targets are apart, 0 to 1: a number."""
    apart, wanted = (jnp.mean(jnp.abs(x - y), (1, 2, 3)) for x, y in ((one, other), far))
    return jnp.mean(nn.relu(1 - apart / jnp.maximum(ALIKE * lax.stop_gradient(wanted), 1e-3)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class CycleGAN:
    """The networks, the same for both domains, and the weights of the losses.

    Attributes:
        generator: [b, T, M, 1], condition [b, 1] or None -> [b, T, M, 1].
        discriminator: [b, T, M, 1] -> a score for each patch, [b, ...].
        cycle: weight of the cycle consistency loss (lambda of equation 3).
        identity: weight of the identity loss, as a part of `cycle`.
        density: weight of the difference in level from the wanted one; with 0, generator "b" has no condition.
        noise: standard deviation of the noise on translations that are translated back.
        scorer, synchrony: of how far the target is in time with its source, and the weight of what it lacks of the true
            target's; with 0 it is not asked.
        latent, diversity: the size of generator "b"'s vector of noise, and the weight of what two translations are
            too alike; with a size of 0 there is none.
    """

    generator: nn.Module
    discriminator: nn.Module
    cycle: float
    identity: float
    density: float
    noise: float
    scorer: Synchrony | None = None
    synchrony: float = 0.0
    latent: int = 0
    diversity: float = 0.0

    def init(self, key: jax.Array, mels: jax.Array) -> dict:
        """Random parameters {"generators", "discriminators"}, of each {"a", "b"}, for inputs like `mels`."""
        size = bool(self.density) + self.latent
        condition = {"a": None, "b": jnp.zeros((len(mels), size)) if size else None}
        params: dict[str, dict] = {"generators": {}, "discriminators": {}}
        for k, domain in enumerate(DOMAINS):
            keys = [jax.random.fold_in(key, salt) for salt in (k, 2 + k)]
            params["generators"][domain] = self.generator.init(keys[0], mels, condition[domain])["params"]
            params["discriminators"][domain] = self.discriminator.init(keys[1], mels)["params"]
        return params

    def to_target(self, generators: Tree, mels: jax.Array, density: jax.Array,
                  latent: jax.Array | None = None) -> jax.Array:
        """Of domain a -> of domain b; density [b] and latent [b, n], or 0, count where the generator has them."""
        if self.latent and latent is None:
            latent = jnp.zeros((len(mels), self.latent))
        return translate(self.generator, generators["b"], mels, density if self.density else None,
                         latent if self.latent else None)

    def to_source(self, generators: Tree, mels: jax.Array) -> jax.Array:
        """Of domain b -> of domain a."""
        return translate(self.generator, generators["a"], mels)

    def discriminate(self, discriminators: Tree, domain: str, mels: jax.Array) -> jax.Array:
        """The scores of a domain's discriminator: high for real examples."""
        return jnp.asarray(self.discriminator.apply({"params": discriminators[domain]}, mels))

    def generator_loss(self, params: Tree, batch: Tree, frozen: Tree) -> tuple[jax.Array, tuple[dict, Metrics]]:
        """Equation 3 for both generators, with the identity loss of section 5.2.

        Returns:
            loss, (the translations {"a", "b"}, metrics)
        """
        generators, discriminators = params["generators"], params["discriminators"]
        a, b = batch["a"], batch["b"]
        density = densities(levels(b), frozen["level_quantiles"])
        latents = self._latents(batch["example_key"]) if self.latent else None
        # One pass through a generator for what it translates and for what it should leave as it is.
        to_b, same_b = jnp.split(self.to_target(
            generators, jnp.concatenate([a, b]), jnp.tile(density, 2),
            None if latents is None else jnp.concatenate([latents[0], jnp.zeros_like(latents[0])])), 2)
        to_a, same_a = jnp.split(self.to_source(generators, jnp.concatenate([b, a])), 2)
        back_a = self.to_source(generators, self._noisy(to_b, batch["example_key"], 50))
        back_b = self.to_target(generators, self._noisy(to_a, batch["example_key"], 51), density)
        adversarial = {"a": least_squares(self.discriminate(discriminators, "a", to_a), 1.0),
                       "b": least_squares(self.discriminate(discriminators, "b", to_b), 1.0)}
        cycle = l1(back_a, a) + l1(back_b, b)  # equation 2
        identity = l1(same_a, a) + l1(same_b, b)
        level = l1(levels(to_b), levels(b))
        total = (adversarial["a"] + adversarial["b"] + self.cycle * (cycle + self.identity * identity)
                 + self.density * level)
        more: dict[str, jax.Array] = {}
        if self.scorer is not None and self.synchrony:
            more["synchrony"] = self.scorer.shortfall(frozen["scorer"], batch, to_b)
            total += self.synchrony * more["synchrony"]
        if latents is not None:
            other = self.to_target(generators, a, density, latents[1])
            more["diversity"] = _too_alike(to_b, other, far=(b, batch["pair"]))
            total += self.diversity * more["diversity"]
        return total, ({"a": to_a, "b": to_b}, {
            "loss": total, "cycle": cycle, "identity": identity, "level": level, **more,
            **{f"generator_{domain}": loss for domain, loss in adversarial.items()}})

    def _latents(self, example_keys: jax.Array) -> list[jax.Array]:
        """Two vectors of noise for each example, [b, latent] each."""
        return [jax.vmap(lambda key: jax.random.normal(key, (self.latent,)))(folded(example_keys, salt))
                for salt in (52, 53)]

    def _noisy(self, mels: jax.Array, example_keys: jax.Array, salt: int) -> jax.Array:
        """With noise, so that a translation cannot hide what it was made of (Bashkirova et al., NeurIPS 2019)."""
        if not self.noise:
            return mels
        drawn = jax.vmap(lambda key: jax.random.normal(key, mels.shape[1:]))(folded(example_keys, salt))
        return mels + self.noise * drawn

    def discriminator_loss(self, discriminators: Tree, real: Mapping[str, jax.Array],
                           translated: Mapping[str, jax.Array]) -> tuple[jax.Array, Metrics]:
        """Equation 1 for both discriminators, by least squares, halved (section 4). real, translated: {"a", "b"}."""
        losses = {domain: 0.5 * (least_squares(self.discriminate(discriminators, domain, real[domain]), 1.0)
                                 + least_squares(self.discriminate(discriminators, domain, translated[domain]), 0.0))
                  for domain in DOMAINS}
        return losses["a"] + losses["b"], {f"discriminator_{domain}": loss for domain, loss in losses.items()}


# The discriminators' pool ---------------------------------------------------------------------------------------------


class Pool(NamedTuple):
    """Earlier translations [POOL, T, M, 1], and how many there are."""

    mels: jax.Array
    filled: jax.Array


def empty_pool(shape: tuple[int, ...]) -> Pool:
    """A pool for mel-spectrograms of this shape, [T, M, 1]."""
    return Pool(jnp.zeros((POOL, *shape), jnp.float32), jnp.zeros((), jnp.int32))


def exchange(pool: Pool, mels: jax.Array, keys: jax.Array) -> tuple[Pool, jax.Array]:
    """What a discriminator sees instead of new translations [b, T, M, 1]: in half of the cases an earlier one.

    Until the pool is full it keeps every translation and returns it. Then, with probability 1/2, a translation takes
    the place of a random earlier one, which is returned (Shrivastava et al., CVPR 2017). keys: [b].

    Returns:
        the new pool, [b, T, M, 1]
    """

    def body(pool, row):
        new, key = row
        uniform, drawn = jax.random.uniform(key), jax.random.randint(jax.random.fold_in(key, 1), (), 0, POOL)
        full = pool.filled >= POOL
        swap = full & (uniform < 0.5)
        position = jnp.where(full, drawn, pool.filled)
        out = jnp.where(swap, pool.mels[position], new)
        kept = jnp.where(swap | ~full, new, pool.mels[position])
        return Pool(pool.mels.at[position].set(kept), jnp.minimum(pool.filled + 1, POOL)), out

    return lax.scan(body, pool, (mels, keys))


# The task -------------------------------------------------------------------------------------------------------------


def task(model: CycleGAN, optimizer: optax.GradientTransformation, *, continued: bool = False) -> Task:
    """Trains both generators, then both discriminators, in each step.

    Args:
        model: networks and weights.
        optimizer: of both groups of parameters, each with moments of its own.
        continued: begin with frozen["params"], those of an earlier stage, instead of random parameters.

    Returns:
        a Task. batch: as of dataset.Crops.examples; frozen: {"level_quantiles", "params" where it is continued}.
        state: {"params": {"generators", "discriminators"}, "optimizer", "pool": {"a", "b"}, "step"}.
    """

    def init(key, batch, frozen):
        params = jax.tree.map(jnp.asarray, frozen["params"] if continued else model.init(key, batch["a"]))
        return {"params": params,
                "optimizer": {group: optimizer.init(params[group]) for group in ("generators", "discriminators")},
                "pool": {domain: empty_pool(batch["a"].shape[1:]) for domain in DOMAINS},
                "step": jnp.zeros((), jnp.int32)}

    def step(state, batch, frozen, key):
        del key  # what is drawn at random is drawn for each example

        def loss(generators):
            return model.generator_loss(state["params"] | {"generators": generators}, batch, frozen)

        gradients, (translated, metrics) = jax.grad(loss, has_aux=True)(state["params"]["generators"])
        state = optimizers.update(optimizer, state, ("generators",), gradients)
        pools, seen = _exchanged(state["pool"], translated, batch["example_key"])
        gradients, others = jax.grad(model.discriminator_loss, has_aux=True)(
            state["params"]["discriminators"], batch, seen)
        state = optimizers.update(optimizer, state, ("discriminators",), gradients)
        return {**state, "pool": pools, "step": state["step"] + 1}, {**metrics, **others}

    def validate(state, batch, frozen, key):
        """The generators' losses, and the distance of a translated source from its own target."""
        _, (_, metrics) = model.generator_loss(state["params"], batch, frozen)
        return {**metrics, "mel_l1": l1(generate(state["params"], batch, frozen, key)["translated"], batch["pair"])}

    def generate(params, batch, frozen, key):
        del key
        density = densities(levels(batch["pair"]), frozen["level_quantiles"])
        return {"source": batch["a"], "target": batch["pair"],
                "translated": model.to_target(params["generators"], batch["a"], density)}

    return Task(init=init, step=step, validate=validate, generate=generate)


def _exchanged(pools: Mapping[str, Pool], translated: Mapping[str, jax.Array],
               example_keys: jax.Array) -> tuple[dict[str, Pool], dict[str, jax.Array]]:
    """The new pools, and what the discriminators see of this device's examples.

    Every device exchanges the translations of all devices, so that the pools stay equal.
    """
    keys = parallel.gather(example_keys)
    own = parallel.example_numbers(len(example_keys))
    new, seen = {}, {}
    for k, domain in enumerate(DOMAINS):
        drawn = jax.vmap(jax.random.fold_in, (0, None))(keys, 40 + k)
        new[domain], out = exchange(pools[domain], parallel.gather(translated[domain]), drawn)
        seen[domain] = out[own]
    return new, seen
