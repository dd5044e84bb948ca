"""pix2pix on the same networks (Isola et al., CVPR 2017): a baseline that learns from pairs (section 4.5).

The generator "b" learns from the target at the same time as its source, which CycleGAN never sees. Equations are those
of Isola et al.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from musicfusion.core import optimizers
from musicfusion.core.contracts import Metrics, Task, Tree
from musicfusion.systems.arrangement.objective import densities, l1, least_squares, levels, translate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pix2pix:
    """The networks and the weights.

    Attributes:
        generator, discriminator: as of objective.CycleGAN; the discriminator sees source and target as two channels.
        l1: weight of the distance from the true target (lambda of equation 4).
        density: whether the generator is conditioned on the target's density: not 0.
    """

    generator: nn.Module
    discriminator: nn.Module
    l1: float
    density: float

    def init(self, key: jax.Array, mels: jax.Array) -> dict:
        """Random parameters {"generators": {"b"}, "discriminators": {"b"}} for inputs like `mels`."""
        condition = jnp.zeros((len(mels), 1)) if self.density else None
        both = jnp.concatenate([mels] * 2, -1)
        return {"generators": {"b": self.generator.init(key, mels, condition)["params"]},
                "discriminators": {"b": self.discriminator.init(jax.random.fold_in(key, 1), both)["params"]}}

    def translate(self, generators: Tree, batch: Tree, frozen: Tree) -> jax.Array:
        """The batch's sources as targets, [b, T, M, 1]."""
        density = densities(levels(batch["pair"]), frozen["level_quantiles"])
        return translate(self.generator, generators["b"], batch["a"], density if self.density else None)

    def discriminate(self, discriminators: Tree, source: jax.Array, target: jax.Array) -> jax.Array:
        """Scores of pairs: high for real ones."""
        return jnp.asarray(self.discriminator.apply(
            {"params": discriminators["b"]}, jnp.concatenate([source, target], -1)))

    def generator_loss(self, params: Tree, batch: Tree, frozen: Tree) -> tuple[jax.Array, tuple[jax.Array, Metrics]]:
        """Equation 4, by least squares: loss, (the translations, metrics)."""
        translated = self.translate(params["generators"], batch, frozen)
        scores = self.discriminate(params["discriminators"], batch["a"], translated)
        adversarial, distance = least_squares(scores, 1.0), l1(translated, batch["pair"])
        total = adversarial + self.l1 * distance
        return total, (translated, {"loss": total, "mel_l1": distance, "generator_b": adversarial})

    def discriminator_loss(self, discriminators: Tree, batch: Tree, translated: jax.Array) -> jax.Array:
        """Equation 1, by least squares, halved."""
        real = self.discriminate(discriminators, batch["a"], batch["pair"])
        generated = self.discriminate(discriminators, batch["a"], lax.stop_gradient(translated))
        return 0.5 * (least_squares(real, 1.0) + least_squares(generated, 0.0))


def task(model: Pix2pix, optimizer: optax.GradientTransformation) -> Task:
    """Trains the generator and the discriminator in each step, both against the other one before it.

    batch: as of dataset.Crops.examples of pairs; frozen: {"level_quantiles"}.
    state: {"params": {"generators": {"b"}, "discriminators": {"b"}}, "optimizer", "step"}.
    """

    def init(key, batch, frozen):
        params = model.init(key, batch["a"])
        return {"params": params, "optimizer": {group: optimizer.init(own) for group, own in params.items()},
                "step": jnp.zeros((), jnp.int32)}

    def step(state, batch, frozen, key):
        del key
        params = state["params"]
        gradients, (translated, metrics) = jax.grad(
            lambda generators: model.generator_loss(params | {"generators": generators}, batch, frozen),
            has_aux=True)(params["generators"])
        loss, others = jax.value_and_grad(model.discriminator_loss)(params["discriminators"], batch, translated)
        state = optimizers.update(optimizer, state, ("generators",), gradients)
        state = optimizers.update(optimizer, state, ("discriminators",), others)
        return {**state, "step": state["step"] + 1}, {**metrics, "discriminator_b": loss}

    def validate(state, batch, frozen, key):
        del key
        return model.generator_loss(state["params"], batch, frozen)[1][1]

    def generate(params, batch, frozen, key):
        del key
        return {"source": batch["a"], "target": batch["pair"],
                "translated": model.translate(params["generators"], batch, frozen)}

    return Task(init=init, step=step, validate=validate, generate=generate)
