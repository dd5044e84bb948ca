"""The networks that a config names."""

import jax
import jax.numpy as jnp

from musicfusion.systems.fusion_gan.adversarial import NAMES
from musicfusion.systems.fusion_gan.critic import Critic
from musicfusion.systems.fusion_gan.generator import Generator
from musicfusion.systems.fusion_gan.genre import Genre
from musicfusion.systems.fusion_gan.melodies import LENGTH


def generator(config) -> Generator:
    """G, the same for all three."""
    return Generator(**dict(config.generator))


def critic(config) -> Critic:
    """D, the same for all three."""
    size = config.critic
    return Critic(tuple(size.widths), tuple(size.filters), size.embedding)


def judge(config) -> Genre:
    """The classifier of genres."""
    return Genre(**dict(config.genre.size))


def modules(config) -> dict:
    """Abstract parameters of each module; nothing is allocated."""
    key, symbols = jax.random.key(0), jnp.zeros((1, LENGTH), jnp.int32)
    found = {}
    for name in NAMES:
        found[f"generator_{name}"] = jax.eval_shape(generator(config).init, key)["params"]
        found[f"critic_{name}"] = jax.eval_shape(critic(config).init, key, symbols)["params"]
    return found | {"genre": jax.eval_shape(judge(config).init, key, symbols)["params"]}
