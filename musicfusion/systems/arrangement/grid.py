"""The paired middle: which drums are hit under a bass, filled in where they are unknown, in a few passes.

    patterns   a masked model: some of the cells (an instrument in a beat) are hidden, and their hits predicted
    players    how hits are played: velocity and timing, learned from people, once the pattern is complete

Source: ours, not the paper's. Masks and passes are those of MaskGIT (Chang et al., CVPR 2022), with cells for tokens.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from musicfusion.codecs.drums import STEPS
from musicfusion.core import optimizers, parallel
from musicfusion.core.contracts import Task, Tree
from musicfusion.core.example_keys import folded
from musicfusion.nn.blocks import Blocks
from musicfusion.systems.arrangement.grid_dataset import (
    BEATS,
    HIT,
    KIT,
    LENGTH,
    NO_STYLE,
    UNKNOWN,
    VELOCITIES,
)

STYLES = 33  # 32 tags, and none
DROPPED = {"style": 0.3, "density": 0.3}  # how often a condition is not given in training
SALT = 10


class GridNet(nn.Module):
    """Reads a window by beats; writes `outputs` numbers for each instrument at each step.

    width, depth: of the blocks; cell: size of what a cell is written from.
    """

    outputs: int
    width: int = 160
    depth: int = 4
    cell: int = 12

    @nn.compact
    def __call__(self, pattern: jax.Array, bass: jax.Array, style: jax.Array, numbers: jax.Array) -> jax.Array:
        """Logits [B, LENGTH, 9, outputs].

        Args:
            pattern: int [B, LENGTH, 9] of OFF, HIT, UNKNOWN.
            bass: float [B, LENGTH, 4] (grid_dataset.bass_features).
            style: int [B], NO_STYLE for none.
            numbers: float [B, n], what else is known of the window.
        """
        count = len(pattern)
        hits, unknown = (pattern == HIT), (pattern == UNKNOWN)
        seen = jnp.concatenate([hits, unknown, bass], -1).astype(jnp.float32).reshape(count, BEATS, -1)
        whole = jnp.concatenate([nn.Embed(STYLES, 24, name="style")(style), numbers], -1)
        x = jnp.concatenate([seen, jnp.repeat(whole[:, None], BEATS, 1)], -1)
        x = Blocks(self.width, self.depth, name="body")(x)
        x = nn.gelu(nn.Dense(STEPS * KIT * self.cell, name="cells")(x)).reshape(count, LENGTH, KIT, self.cell)
        table = self.param("table", nn.initializers.lecun_normal(batch_axis=0), (KIT, self.cell, self.outputs))
        bias = self.param("bias", nn.initializers.zeros, (KIT, self.outputs))
        return jnp.einsum("btkc,kco->btko", x, table) + bias


def density_of(hits: jax.Array, quantiles: jax.Array) -> jax.Array:
    """The share of training windows with fewer hits: hits [B] -> 0..1 [B]."""
    return jnp.interp(hits, quantiles, jnp.linspace(0, 1, len(quantiles)))


def conditions(density: jax.Array, given: jax.Array, tempo: jax.Array) -> jax.Array:
    """The numbers that the patterns' network takes: density in 0..1, whether it is given, tempo. [B] each -> [B, 3]."""
    return jnp.stack([jnp.where(given, 2 * density - 1, 0.0), given.astype(jnp.float32), tempo], -1)


def manner(tempo: jax.Array, feel: jax.Array) -> jax.Array:
    """The numbers that the players' network takes: tempo [B], feel [B, 2] (grid_dataset.feels) -> [B, 3]."""
    return jnp.concatenate([tempo[:, None], feel], -1)


# Patterns ------------------------------------------------------------------------------------------------------------


def mask(keys: jax.Array) -> jax.Array:
    """Which cells are hidden, for each of a batch: keys [B] -> bool [B, BEATS, 9].

    Any share of the cells, more often most of them; of single cells, of whole bars, or of whole instruments.
    """

    def one(key):
        share, kind, cells, bars, instruments, everything = jax.random.split(key, 6)
        rate = jnp.cos(jax.random.uniform(share) * jnp.pi / 2)
        by_cell = jax.random.uniform(cells, (BEATS, KIT)) < rate
        by_bar = jnp.repeat(jax.random.uniform(bars, (4, 1)) < rate, BEATS // 4, 0)
        by_instrument = jax.random.uniform(instruments, (1, KIT)) < rate
        chosen = jax.random.uniform(kind)
        found = jnp.where(chosen < 0.5, by_cell, jnp.where(chosen < 0.75, by_bar, by_instrument))
        return found | (jax.random.uniform(everything) < 0.2)

    return jax.vmap(one)(keys)


def hidden(pattern: jax.Array, cells: jax.Array) -> jax.Array:
    """A pattern [B, LENGTH, 9] with some cells bool [B, BEATS, 9] UNKNOWN."""
    return jnp.where(jnp.repeat(cells, STEPS, 1), UNKNOWN, pattern)


def patterns(net: GridNet, *, optimizer: optax.GradientTransformation, steps: int) -> Task:
    """Learns to fill in what is hidden: binary cross-entropy of the hidden steps, nats for each cell of a beat.

    net: with one output; steps: of the training.
    """

    def logits(params, pattern, batch, density, given, style):
        scores: Any = net.apply({"params": params}, pattern, batch["bass"], style,
                                conditions(density, given, batch["tempo"]))
        return scores[..., 0]

    def parameters(key, batch, frozen):
        empty = jnp.zeros(batch["hits"].shape)
        return net.init(key, batch["pattern"], batch["bass"], batch["style"],
                        conditions(empty, empty > 0, batch["tempo"]))["params"]

    def loss(params, batch, frozen, key, fraction):
        keys = batch["example_key"]
        cells = mask(folded(keys, SALT))
        dropped = {name: jax.vmap(jax.random.uniform)(folded(keys, SALT + 1 + k)) < share
                   for k, (name, share) in enumerate(DROPPED.items())}
        density = density_of(batch["hits"], frozen["density_quantiles"])
        scores = logits(params, hidden(batch["pattern"], cells), batch, density, ~dropped["density"],
                        jnp.where(dropped["style"], NO_STYLE, batch["style"]))
        each = optax.sigmoid_binary_cross_entropy(scores, batch["pattern"].astype(jnp.float32))
        counted = jnp.repeat(cells, STEPS, 1)
        total = jnp.sum(jnp.where(counted, each, 0.0)) / jnp.maximum(jnp.sum(counted), 1) * STEPS
        return total, {"loss": total}

    def validate(state, batch, frozen, key):
        metrics = loss(state["params"], batch, frozen, key, 1.0)[1]
        unknown = jnp.full_like(batch["pattern"], UNKNOWN)
        density = density_of(batch["hits"], frozen["density_quantiles"])
        guess = logits(state["params"], unknown, batch, density, density >= 0,
                       jnp.full_like(batch["style"], NO_STYLE)) > 0
        truth = batch["pattern"] == HIT
        f1 = (2 * jnp.sum(guess & truth), jnp.sum(guess) + jnp.sum(truth))
        return metrics | parallel.shares({"f1": f1})

    def generate(params, batch, frozen, key):
        """The likeliest hits of every cell by itself, all of them hidden."""
        density = density_of(batch["hits"], frozen["density_quantiles"])
        return {"pattern": (logits(params, jnp.full_like(batch["pattern"], UNKNOWN), batch, density, density >= 0,
                                   batch["style"]) > 0).astype(jnp.int32)}

    start, step = optimizers.learner(optimizer, steps=steps, parameters=parameters, loss=loss)
    return Task(init=start, step=step, validate=validate, generate=generate)


# Players -------------------------------------------------------------------------------------------------------------


def players(net: GridNet, *, optimizer: optax.GradientTransformation, steps: int) -> Task:
    """Learns how hits are played: cross-entropy of their velocity and offset classes, nats a hit.

    net: with VELOCITIES + OFFSETS outputs; steps: of the training.
    """

    def logits(params, batch) -> Any:
        return net.apply({"params": params}, batch["pattern"], batch["bass"], batch["style"],
                         manner(batch["tempo"], batch["feel"]))

    def parameters(key, batch, frozen):
        return net.init(key, batch["pattern"], batch["bass"], batch["style"],
                        manner(batch["tempo"], batch["feel"]))["params"]

    def loss(params, batch, frozen, key, fraction):
        scores = logits(params, batch)
        hit = batch["pattern"] == HIT
        terms = {}
        for name, part in (("velocity", scores[..., :VELOCITIES]), ("offset", scores[..., VELOCITIES:])):
            each = optax.softmax_cross_entropy_with_integer_labels(part, batch[name])
            terms[name] = jnp.sum(jnp.where(hit, each, 0.0)) / jnp.maximum(jnp.sum(hit), 1)
        total = terms["velocity"] + terms["offset"]
        return total, {"loss": total, **terms}

    def validate(state, batch, frozen, key):
        return loss(state["params"], batch, frozen, key, 1.0)[1]

    def generate(params, batch, frozen, key):
        """The likeliest class of velocity at each hit."""
        return {"velocity": jnp.argmax(logits(params, batch)[..., :VELOCITIES], -1)}

    start, step = optimizers.learner(optimizer, steps=steps, parameters=parameters, loss=loss)
    return Task(init=start, step=step, validate=validate, generate=generate)


# Use -----------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drummer:
    """Trained networks in use.

    patterns, players: their networks; params: of both, by name; quantiles: of the density, float [QUANTILES].
    """

    patterns: GridNet
    players: GridNet
    params: Mapping[str, Tree]
    passes: int = 12
    temperature: float = 1.0

    def fill(self, pattern: jax.Array, bass: jax.Array, style: jax.Array, density: jax.Array, tempo: jax.Array,
             keys: jax.Array) -> jax.Array:
        """What is UNKNOWN in patterns int [B, LENGTH, 9] drawn, cell by cell in a random order, in a few passes.

        In each pass the network sees what was drawn in those before. A cell with something known keeps it.

        Args:
            bass: float [B, LENGTH, 4]; style: int [B]; density: float [B], negative where it is not given.
            tempo: float [B] (grid_dataset.tempo_feature); keys: [B].
        """
        order = jax.vmap(lambda key: jax.random.uniform(key, (BEATS, KIT)))(folded(keys, 0))
        numbers = conditions(density, density >= 0, tempo)
        ends = 1 - jnp.cos(jnp.pi / 2 * (jnp.arange(self.passes) + 1) / self.passes)

        def one(pattern, x):
            number, end = x
            scores: Any = self.patterns.apply({"params": self.params["patterns"]}, pattern, bass, style, numbers)
            uniforms = jax.vmap(lambda key: jax.random.uniform(key, (LENGTH, KIT)))(folded(keys, 1 + number))
            drawn = (uniforms < jax.nn.sigmoid(scores[..., 0] / self.temperature)).astype(pattern.dtype)
            now = jnp.repeat(order <= end, STEPS, 1)
            return jnp.where((pattern == UNKNOWN) & now, drawn, pattern), None

        filled, _ = jax.lax.scan(one, pattern, (jnp.arange(self.passes), ends.at[-1].set(1.0)))
        return filled

    def play(self, pattern: jax.Array, bass: jax.Array, style: jax.Array, tempo: jax.Array, feel: jax.Array,
             keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Classes of velocity and offset drawn for the hits of a pattern: int [B, LENGTH, 9] each.

        feel: float [B, 2] (grid_dataset.feels), of which a song has one: so its hits fit each other.
        """
        scores: Any = self.players.apply({"params": self.params["players"]}, pattern, bass, style, manner(tempo, feel))
        draw: Any = jax.vmap(jax.random.categorical)
        return (draw(folded(keys, 100), scores[..., :VELOCITIES]), draw(folded(keys, 101), scores[..., VELOCITIES:]))
