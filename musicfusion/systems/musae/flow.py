"""A flow between the codes of each genre and one standard normal, so that the plane alone tells the genre.

An autoencoder needs no plane: genre can be read from all numbers of its codes. The flow is learned on frozen codes,
for every position in the plane of the flower prior: a component's for music of its genre, the middle for all music
together. It takes a code to a rest that is distributed alike for all positions, so nothing is left in it that tells the
genre. A song changes its genre if its rest is taken back at another position.

It may be given the harmony of the music, too (harmony.py), which then stays when the genre changes.

Source: ours, not the paper's. Flow matching: Lipman et al., ICLR 2023, equations (20) to (23), with sigma_min = 0.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from musicfusion import priors
from musicfusion.core import optimizers
from musicfusion.core.contracts import Task
from musicfusion.core.example_keys import folded
from musicfusion.nn.blocks import Block
from musicfusion.systems.musae.dataset import COMPONENTS, UNTAGGED

PLANE = 2  # numbers of z that lie in the flower's plane; what follows is the rest
HARMONICS = 16  # of the angle, and as many frequencies of the time


class Velocity(nn.Module):
    """v(x, t, position): attention between a token for the whole window and one for each part of it.

    parts, shared: of the codes, as of lite.Encoder.
    """

    width: int
    depth: int
    parts: int
    shared: int

    @nn.compact
    def __call__(self, x: jax.Array, time: jax.Array, position: jax.Array, harmony: jax.Array) -> jax.Array:
        """x [B, n], time 0 to 1 [B], position in the plane [B, 2], harmony [B, parts, H] -> [B, n]."""
        first = self.shared - PLANE
        condition = nn.gelu(nn.Dense(self.width, name="condition")(jnp.concatenate(
            [waves(time, jnp.exp(jnp.linspace(0.0, 4.0, HARMONICS))), about(position)], -1)))
        spans = x[:, first:].reshape(len(x), self.parts, -1)
        h = jnp.concatenate([nn.Dense(self.width, name="enter_whole")(x[:, None, :first]),
                             nn.Dense(self.width, name="enter_parts")(spans)
                             + nn.Dense(self.width, use_bias=False, name="enter_harmony")(harmony)], 1)
        h = h + self.param("positions", nn.initializers.normal(0.02), (self.parts + 1, self.width))
        for layer in range(self.depth):
            h = Block(self.width, name=f"block_{layer}")(self._modulated(h, condition, f"modulate_{layer}"))
        h = self._modulated(nn.LayerNorm(name="leave")(h), condition, "modulate_last")
        whole = nn.Dense(first, kernel_init=nn.initializers.zeros, name="leave_whole")(h[:, 0])
        own = nn.Dense(spans.shape[-1], kernel_init=nn.initializers.zeros, name="leave_parts")(h[:, 1:])
        return jnp.concatenate([whole, own.reshape(len(x), -1)], -1)

    def _modulated(self, h: jax.Array, condition: jax.Array, name: str) -> jax.Array:
        both = nn.Dense(2 * self.width, kernel_init=nn.initializers.zeros, name=name)(condition)
        scale, shift = jnp.split(both, 2, -1)
        return h * (1 + scale[:, None]) + shift[:, None]


def waves(x: jax.Array, frequencies: jax.Array) -> jax.Array:
    """Sines and cosines of x [B] at frequencies [k]: [B, 2 k]."""
    turned = x[:, None] * frequencies
    return jnp.concatenate([jnp.sin(turned), jnp.cos(turned)], -1)


def about(position: jax.Array) -> jax.Array:
    """What a network reads of positions in the plane, [B, 2] -> [B, 2 HARMONICS + 1]: harmonics of the angle, which
    fade toward the middle, and the distance from it."""
    angle, radius = polar(position)
    return jnp.concatenate([waves(angle, jnp.arange(1, HARMONICS + 1)) * jnp.minimum(radius, 1.0)[:, None],
                            radius[:, None]], -1)


def polar(position: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Positions [B, 2] -> angle in radians, distance from the middle, [B] each."""
    return jnp.arctan2(position[:, 1], position[:, 0]), jnp.sqrt(jnp.sum(position**2, -1) + 1e-12)


def at(table: jax.Array, position: jax.Array, components: jax.Array | int) -> jax.Array:
    """Numbers at positions in the plane, between those of the components and those of all music in the middle.

    table: [33, n], a row for each component, the last one for all music; position: [B, 2]. Linear in the angle between
    two components, and in the distance from the middle up to 1. Returns [B, n].
    """
    angle, radius = polar(position)
    turns = jnp.mod(angle / (2 * jnp.pi), 1.0) * components
    lower = jnp.floor(turns).astype(jnp.int32) % components
    share, out = (turns - jnp.floor(turns))[:, None], jnp.minimum(radius, 1.0)[:, None]
    on_circle = (1 - share) * table[lower] + share * table[(lower + 1) % components]
    return out * on_circle + (1 - out) * table[COMPONENTS]


def task(velocity: Velocity, *, untagged: float, unharmonised: float, optimizer: optax.GradientTransformation,
         steps: int) -> Task:
    """Flow matching on codes (codes.examples). State: {"params", "optimizer", "step"}.

    Args:
        velocity: the network.
        untagged: share of the examples with a genre that are taken for music without one, so that the middle of the
            plane stands for all music.
        unharmonised: share of the examples whose harmony is not given, so that music can be made up without one.

    The task's `frozen` is {"mean", "deviation"}: of genre_means.GenreMeans, [33, size] each.
    """

    def loss(params, batch, frozen, key, fraction):
        del key, fraction
        keys = batch["example_key"]
        x = standardised(batch["z"], frozen)
        kept = jax.vmap(lambda key: jax.random.uniform(key) >= untagged)(folded(keys, 20))
        tagged = kept & (batch["component"] != UNTAGGED)
        position = priors.flower(folded(keys, 21), priors.angle(batch["component"], batch["components"]), PLANE, tagged)
        given = jax.vmap(lambda key: jax.random.uniform(key) >= unharmonised)(folded(keys, 24))
        harmony = batch["harmony"] * given[:, None, None]
        noise = priors.gaussian(folded(keys, 22), x.shape[1])
        time = jax.vmap(jax.random.uniform)(folded(keys, 23))
        between = (1 - time[:, None]) * noise + time[:, None] * x  # equation (22)
        found = speed(velocity, params, frozen, batch["components"][0], between, time, position, harmony)
        value = jnp.mean((found - (x - noise)) ** 2)  # (23)
        return value, {"loss": value}

    def parameters(key, batch, frozen):
        del frozen
        z, count = batch["z"], len(batch["z"])
        return velocity.init(key, z[:, PLANE:], jnp.zeros(count), jnp.zeros((count, PLANE)), batch["harmony"])["params"]

    def validate(state, batch, frozen, key):
        return loss(state["params"], batch, frozen, key, 1.0)[1]

    init, step = optimizers.learner(optimizer, steps=steps, parameters=parameters, loss=loss)
    return Task(init=init, step=step, validate=validate)


def standardised(z: jax.Array, tables: Mapping) -> jax.Array:
    """The rest of codes z [B, size] in units of all codes' deviation: x [B, size - 2]."""
    return (z[:, PLANE:] - tables["mean"][COMPONENTS, PLANE:]) / tables["deviation"][COMPONENTS, PLANE:]


def speed(velocity: Velocity, params: Any, tables: Mapping, components: jax.Array | int, x: jax.Array, time: jax.Array,
          position: jax.Array, harmony: jax.Array) -> jax.Array:
    """The flow's velocity: that between two normal distributions, and what the network adds to it.

    The normal distribution at time 1 has the mean and the deviations of the codes at the position; so a network that
    learned nothing moves codes by these alone. x [B, n], time [B], position [B, 2], harmony [B, parts, H] -> [B, n].
    """
    everything, width = (tables[name][COMPONENTS, PLANE:] for name in ("mean", "deviation"))
    mean = (at(tables["mean"][:, PLANE:], position, components) - everything) / width
    variance = (at(tables["deviation"][:, PLANE:], position, components) / width) ** 2
    t = time[:, None]
    normal = mean + (t * variance - (1 - t)) / ((1 - t) ** 2 + t**2 * variance) * (x - t * mean)
    return normal + velocity.apply({"params": params}, x, time, position, harmony)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flow:
    """A trained flow.

    velocity, params: the network. tables: {"mean", "deviation"} as of `task`; components: of the flower.
    steps: of Heun's method, from one end to the other.
    """

    velocity: Velocity
    params: Any
    tables: Mapping[str, jax.Array]
    components: int
    steps: int

    def rest(self, z: jax.Array, position: jax.Array, harmony: jax.Array,
             time: jax.Array | float = 0.0) -> jax.Array:
        """What codes z [B, size] are beside the genre of a position [B, 2] and a harmony [B, parts, H]: [B, size - 2].

        At time 0 it is N(0, I) for all positions; at a later one, up to 1, as much of the code is still there.
        """
        return self._integrated(standardised(z, self.tables), lambda x, t: self._speed(x, t, position, harmony),
                                1.0, time)

    def code(self, rest: jax.Array, position: jax.Array, harmony: jax.Array, guidance: jax.Array | float = 0.0,
             time: jax.Array | float = 0.0) -> jax.Array:
        """The code of a rest [B, size - 2] at a position [B, 2] and with a harmony: z [B, size].

        Its plane is the position.

        guidance: how much farther it goes from all music than the genre does, 0 or more. time: of the rest.
        """
        middle = jnp.zeros_like(position)

        def guided(x, t):
            own = self._speed(x, t, position, harmony)
            return own + guidance * (own - self._speed(x, t, middle, harmony))

        x = self._integrated(rest, guided, time, 1.0)
        mean, deviation = (self.tables[name][COMPONENTS, PLANE:] for name in ("mean", "deviation"))
        return jnp.concatenate([position, x * deviation + mean], -1)

    def _speed(self, x, time, position, harmony):
        return speed(self.velocity, self.params, self.tables, self.components, x, jnp.full(len(x), time), position,
                     harmony)

    def _integrated(self, x, velocity, begin, end):
        """x at `end` of dx/dt = velocity(x, t) from `begin` on."""
        step = (end - begin) / self.steps

        def heun(number, x):
            time = begin + number * step
            first = velocity(x, time)
            return x + step * (first + velocity(x + step * first, time + step)) / 2

        return lax.fori_loop(0, self.steps, heun, x)
