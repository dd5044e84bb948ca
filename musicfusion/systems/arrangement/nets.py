"""The networks that a config names."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.core.errors import MusicFusionError
from musicfusion.nn.frames import FrameNet, FramePatchGAN
from musicfusion.nn.images import PatchGAN, ResNet
from musicfusion.systems.arrangement.ear import Ear

NETWORKS = ("frames", "images")


def generator(config) -> nn.Module:
    """G, the same for both ways."""
    network = {"frames": FrameNet, "images": ResNet}[_over(config)]
    return network(config.generator.width, config.generator.blocks, jnp.dtype(config.run.precision))


def discriminator(config) -> nn.Module:
    """D, the same for both worlds."""
    network = {"frames": FramePatchGAN, "images": PatchGAN}[_over(config)]
    return network(config.discriminator.width, jnp.dtype(config.run.precision))


def _over(config) -> str:
    if config.networks not in NETWORKS:
        raise MusicFusionError(f"networks = {config.networks!r}: accepted are {', '.join(NETWORKS)}")
    return config.networks


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
