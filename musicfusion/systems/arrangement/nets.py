"""The networks that a config names."""

import jax
import jax.numpy as jnp

from musicfusion.nn.images import PatchGAN, ResNet
from musicfusion.systems.arrangement.ear import Ear


def generator(config) -> ResNet:
    """G, the same for both ways."""
    size = config.generator
    return ResNet(size.width, size.blocks, jnp.dtype(config.run.precision))


def discriminator(config) -> PatchGAN:
    """D, the same for both worlds."""
    return PatchGAN(config.discriminator.width, jnp.dtype(config.run.precision))


def ear(config) -> Ear:
    """What listens."""
    return Ear(**dict(config.ear.size))


def modules(config) -> dict:
    """Abstract parameters of each module; nothing is allocated."""
    key = jax.random.key(0)
    picture = jnp.zeros((1, config.data.crop, config.data.bands, 1))
    told = {"a": None, "b": jnp.zeros((1, 1)) if config.cyclegan.density else None}
    found = {f"generator_{world}": jax.eval_shape(generator(config).init, key, picture, told[world])["params"]
             for world in "ab"}
    found |= {f"discriminator_{world}": jax.eval_shape(discriminator(config).init, key, picture)["params"]
              for world in "ab"}
    return found | {"ear": jax.eval_shape(ear(config).init, key, picture)["params"]}
