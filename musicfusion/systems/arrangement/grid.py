"""The paired middle: which drums are hit under a bass, filled in where they are unknown, in a few passes.

    patterns   a masked model: some of the cells (an instrument in a beat) are hidden, and their hits predicted
    players    how hits are played: velocity and timing, learned from people, once the pattern is complete

Source: ours, not the paper's. Masks and passes are those of MaskGIT (Chang et al., CVPR 2022), with cells for tokens.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

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
    POSITION,
    UNKNOWN,
    VELOCITIES,
)

STYLES = 33  # 32 tags, and none
# How often a condition is not given in training; a neighbour stands for the song's own window where that is not.
DROPPED = {"style": 0.3, "density": 0.3, "song": 0.65, "neighbour": 0.3}
SEEN = STEPS * (2 * KIT + 4)  # numbers by which a network sees a beat
SHOWN = STEPS * (KIT + 1)  # and of a reference
NOTHING, NEIGHBOUR, SONG = range(3)  # kinds of references
CONDITIONS = 5 + POSITION  # numbers that the patterns' network takes; MANNER: the players'
MANNER = 3
SALT = 10


class GridNet(nn.Module):
    """Reads a window by beats; writes `outputs` numbers for each instrument at each step.

    width, depth: of the blocks; cell: size of what a cell is written from; dropout: of the blocks and of what is
    seen, where apply is given rngs={"dropout": key}.
    """

    outputs: int
    width: int = 160
    depth: int = 4
    cell: int = 12
    dropout: float = 0.0

    @nn.compact
    def __call__(self, beats: jax.Array, style: jax.Array, numbers: jax.Array) -> jax.Array:
        """Logits [B, LENGTH, 9, outputs].

        Args:
            beats: float [B, BEATS, n], what is seen beat by beat (`seen`).
            style: int [B], NO_STYLE for none.
            numbers: float [B, n], what else is known of the window.
        """
        count = len(beats)
        if self.dropout and self.has_rng("dropout"):
            beats = nn.Dropout(self.dropout, deterministic=False)(beats)
        whole = jnp.concatenate([nn.Embed(STYLES, 24, name="style")(style), numbers], -1)
        x = jnp.concatenate([beats, jnp.repeat(whole[:, None], BEATS, 1)], -1)
        x = Blocks(self.width, self.depth, dropout=self.dropout, name="body")(x)
        x = nn.gelu(nn.Dense(STEPS * KIT * self.cell, name="cells")(x)).reshape(count, LENGTH, KIT, self.cell)
        table = self.param("table", nn.initializers.lecun_normal(batch_axis=0), (KIT, self.cell, self.outputs))
        bias = self.param("bias", nn.initializers.zeros, (KIT, self.outputs))
        return jnp.einsum("btkc,kco->btko", x, table) + bias


def seen(pattern: jax.Array, bass: jax.Array) -> jax.Array:
    """What a network sees of a window, beat by beat: float [B, BEATS, SEEN].

    pattern: int [B, LENGTH, 9] of OFF, HIT, UNKNOWN; bass: float [B, LENGTH, 4] (grid_dataset.bass_features).
    """
    both = jnp.concatenate([pattern == HIT, pattern == UNKNOWN, bass], -1).astype(jnp.float32)
    return both.reshape(len(both), BEATS, SEEN)


def density_of(hits: jax.Array, quantiles: jax.Array) -> jax.Array:
    """The share of training windows with fewer hits: hits [B] -> 0..1 [B]."""
    return jnp.interp(hits, quantiles, jnp.linspace(0, 1, len(quantiles)))


class Context(NamedTuple):
    """What the drums of windows have to fit.

    bass: float [B, LENGTH, 4] (grid_dataset.bass_features); style: int [B], NO_STYLE for none
    density: float [B], 0..1, negative where it is not given; tempo: float [B] (grid_dataset.tempo_feature)
    position: float [B, POSITION] (grid_dataset.position)
    """

    bass: Any
    style: Any
    density: Any
    tempo: Any
    position: Any


class Reference(NamedTuple):
    """Drums that the network is shown beside, and where the bass under them begins a note.

    hits: 0 or 1 [..., LENGTH, 9]; onsets: 0 or 1 [..., LENGTH]; kind: int [...], NOTHING, NEIGHBOUR for another song's,
    SONG for a window of the same song.
    """

    hits: Any
    onsets: Any
    kind: Any


def predicted(net: GridNet, params: Tree, pattern: jax.Array, context: Context, reference: Reference,
              keys: jax.Array | None = None) -> jax.Array:
    """Logits of hits [B, LENGTH, 9] in a pattern int [B, LENGTH, 9], of which some is UNKNOWN.

    keys: [B], with which some is dropped out, in training; so an example's loss does not depend on its batch.
    """
    shown = jnp.concatenate([reference.hits, reference.onsets[..., None]], -1) * (reference.kind > 0)[:, None, None]
    beats = jnp.concatenate([seen(pattern, context.bass),
                             shown.astype(jnp.float32).reshape(len(pattern), BEATS, SHOWN)], -1)
    return applied(net, params, beats, context.style, conditions(context, reference.kind), keys)[..., 0]


def applied(net: GridNet, params: Tree, beats: jax.Array, style: jax.Array, numbers: jax.Array,
            keys: jax.Array | None) -> Any:
    """What a network writes. keys: [B], of dropout, an example's own; None for none."""

    def dropped(beats, style, numbers, key) -> Any:
        return net.apply({"params": params}, beats[None], style[None], numbers[None], rngs={"dropout": key})[0]

    if keys is None:
        return net.apply({"params": params}, beats, style, numbers)
    return jax.vmap(dropped)(beats, style, numbers, keys)


def conditions(context: Context, kind: jax.Array) -> jax.Array:
    """The numbers that the patterns' network takes: float [B, CONDITIONS].

    Density, whether it is given, tempo, what kind the reference is, position.
    """
    given = context.density >= 0
    whole = jnp.stack([jnp.where(given, 2 * context.density - 1, 0.0), given.astype(jnp.float32), context.tempo,
                       (kind == NEIGHBOUR).astype(jnp.float32), (kind == SONG).astype(jnp.float32)], -1)
    return jnp.concatenate([whole, context.position], -1)


def manner(tempo: jax.Array, feel: jax.Array) -> jax.Array:
    """The numbers that the players' network takes: tempo [B], feel [B, 2] (grid_dataset.feels) -> [B, MANNER]."""
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

    def context(batch, frozen):
        return Context(**{name: batch[name] for name in Context._fields if name != "density"},
                       density=density_of(batch["hits"], frozen["density_quantiles"]))

    def neighbour(batch):
        return Reference(batch["other_hits"], batch["other_onsets"],
                         jnp.where(batch["other_given"], NEIGHBOUR, NOTHING))

    def parameters(key, batch, frozen):
        return net.init(key, jnp.zeros((1, BEATS, SEEN + SHOWN)), batch["style"][:1],
                        jnp.zeros((1, CONDITIONS)))["params"]

    def loss(params, batch, frozen, key, fraction, training=True):
        keys = batch["example_key"]
        cells = mask(folded(keys, SALT + 1))
        dropped = {name: jax.vmap(jax.random.uniform)(folded(keys, SALT + 2 + k)) < share
                   for k, (name, share) in enumerate(DROPPED.items())}
        known, other = context(batch, frozen), neighbour(batch)
        known = known._replace(style=jnp.where(dropped["style"], NO_STYLE, known.style),
                               density=jnp.where(dropped["density"], -1.0, known.density))
        own = batch["song_given"] & ~dropped["song"]
        reference = Reference(
            jnp.where(own[:, None, None], batch["song_hits"], other.hits),
            jnp.where(own[:, None], batch["song_onsets"], other.onsets),
            jnp.where(own, SONG, jnp.where(dropped["neighbour"], NOTHING, other.kind)))
        scores = predicted(net, params, hidden(batch["pattern"], cells), known, reference,
                           folded(keys, SALT + 9) if training and net.dropout else None)
        each = optax.sigmoid_binary_cross_entropy(scores, batch["pattern"].astype(jnp.float32))
        counted = jnp.repeat(cells, STEPS, 1)
        total = jnp.sum(jnp.where(counted, each, 0.0)) / jnp.maximum(jnp.sum(counted), 1) * STEPS
        return total, {"loss": total}

    def likeliest(params, batch, frozen):
        """The likeliest hits of every cell by itself, all of them hidden, one neighbour in view: bool."""
        known = context(batch, frozen)
        known = known._replace(style=jnp.full_like(known.style, NO_STYLE))
        return predicted(net, params, jnp.full_like(batch["pattern"], UNKNOWN), known, neighbour(batch)) > 0

    def validate(state, batch, frozen, key):
        metrics = loss(state["params"], batch, frozen, key, 1.0, training=False)[1]
        truth, guess = batch["pattern"] == HIT, likeliest(state["params"], batch, frozen)
        return metrics | parallel.shares({"f1": (2 * jnp.sum(guess & truth), jnp.sum(guess) + jnp.sum(truth))})

    def generate(params, batch, frozen, key):
        """The likeliest hits of every cell by itself, all of them hidden."""
        return {"pattern": likeliest(params, batch, frozen).astype(jnp.int32)}

    start, step = optimizers.learner(optimizer, steps=steps, parameters=parameters, loss=loss)
    return Task(init=start, step=step, validate=validate, generate=generate)


# Players -------------------------------------------------------------------------------------------------------------


def players(net: GridNet, *, optimizer: optax.GradientTransformation, steps: int) -> Task:
    """Learns how hits are played: cross-entropy of their velocity and offset classes, nats a hit.

    net: with VELOCITIES + OFFSETS outputs; steps: of the training.
    """

    def logits(params, batch, training=False) -> Any:
        return applied(net, params, seen(batch["pattern"], batch["bass"]), batch["style"],
                       manner(batch["tempo"], batch["feel"]),
                       folded(batch["example_key"], SALT + 9) if training and net.dropout else None)

    def parameters(key, batch, frozen):
        return net.init(key, seen(batch["pattern"], batch["bass"]), batch["style"],
                        manner(batch["tempo"], batch["feel"]))["params"]

    def loss(params, batch, frozen, key, fraction, training=True):
        scores = logits(params, batch, training)
        hit = batch["pattern"] == HIT
        terms = {}
        for name, part in (("velocity", scores[..., :VELOCITIES]), ("offset", scores[..., VELOCITIES:])):
            each = optax.softmax_cross_entropy_with_integer_labels(part, batch[name])
            terms[name] = jnp.sum(jnp.where(hit, each, 0.0)) / jnp.maximum(jnp.sum(hit), 1)
        total = terms["velocity"] + terms["offset"]
        return total, {"loss": total, **terms}

    def validate(state, batch, frozen, key):
        return loss(state["params"], batch, frozen, key, 1.0, training=False)[1]

    def generate(params, batch, frozen, key):
        """The likeliest class of velocity at each hit."""
        return {"velocity": jnp.argmax(logits(params, batch)[..., :VELOCITIES], -1)}

    start, step = optimizers.learner(optimizer, steps=steps, parameters=parameters, loss=loss)
    return Task(init=start, step=step, validate=validate, generate=generate)


# Use -----------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drummer:
    """Trained networks in use.

    patterns, players: their networks; params: of both, by name; passes: in which a window is filled in.
    temperature: of the hits' probabilities; 1 as learned; toward 0 only those above `threshold` are hit. That is less
    than a half, since where snares are rarer than likely none of them would stay: each cell is drawn by itself.
    """

    patterns: GridNet
    players: GridNet
    params: Mapping[str, Tree]
    passes: int = 12
    temperature: float = 0.4
    threshold: float = 0.35

    def fill(self, pattern: jax.Array, context: Context, reference: Reference, allowed: jax.Array, free: jax.Array,
             keys: jax.Array) -> jax.Array:
        """What is UNKNOWN in patterns int [B, LENGTH, 9] drawn, cell by cell in a random order, in a few passes.

        In each pass the network sees what was drawn in those before. A cell with something known keeps it. allowed:
        bool [B, LENGTH], the steps at which there may be hits; free: bool [B], at temperature 1; keys: [B].
        """
        temperature = jnp.where(free, 1.0, self.temperature)[:, None, None]
        order = jax.vmap(lambda key: jax.random.uniform(key, (BEATS, KIT)))(folded(keys, 0))
        uniforms = jax.vmap(lambda key: jax.random.uniform(key, (LENGTH, KIT)))(folded(keys, 1))
        ends = 1 - jnp.cos(jnp.pi / 2 * (jnp.arange(self.passes) + 1) / self.passes)
        pivot = math.log(self.threshold / (1 - self.threshold))

        def one(pattern, end):
            scores = predicted(self.patterns, self.params["patterns"], pattern, context, reference)
            probability = jax.nn.sigmoid(pivot + (scores - pivot) / temperature)
            drawn = ((uniforms < probability) & allowed[..., None]).astype(pattern.dtype)
            now = jnp.repeat(order <= end, STEPS, 1)
            return jnp.where((pattern == UNKNOWN) & now, drawn, pattern), None

        filled, _ = jax.lax.scan(one, pattern, ends.at[-1].set(1.0))
        return filled

    def chosen(self, pattern: jax.Array, context: Context, reference: Reference, allowed: jax.Array, free: jax.Array,
               keys: jax.Array) -> jax.Array:
        """Of several fillings, one for each reference, the one that agrees best with all: int [B, LENGTH, 9].

        Agreement: F1 of the hits with the share of fillings that have them, so the filling of least expected error
        (minimum Bayes risk). Where it is free the first is taken. reference: of candidates, [B, candidates, ...]; the
        others as of `fill`.
        """
        count, each = reference.kind.shape

        def repeated(x):
            return jnp.repeat(x, each, 0)

        own = jax.vmap(lambda key: jax.vmap(lambda k: jax.random.fold_in(key, k))(jnp.arange(each)))(keys)
        flat = jax.tree.map(lambda x: x.reshape(count * each, *x.shape[2:]), reference)
        filled = self.fill(repeated(pattern), jax.tree.map(repeated, context), flat, repeated(allowed), repeated(free),
                           own.reshape(-1))
        filled = filled.reshape(count, each, LENGTH, KIT)
        hits = (filled == HIT).astype(jnp.float32)
        share = hits.mean(1, keepdims=True)
        common, size = (hits * share).sum((2, 3)), hits.sum((2, 3)) + share.sum((2, 3))
        best = jnp.where(free, 0, jnp.argmax(common / jnp.maximum(size, 1e-6), 1))
        return jnp.take_along_axis(filled, best[:, None, None, None], 1)[:, 0]

    def play(self, pattern: jax.Array, bass: jax.Array, style: jax.Array, tempo: jax.Array, feel: jax.Array,
             keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Classes of velocity and offset drawn for the hits of a pattern: int [B, LENGTH, 9] each.

        feel: float [B, 2] (grid_dataset.feels), of which a song has one: so its hits fit each other.
        """
        scores: Any = self.players.apply({"params": self.params["players"]}, seen(pattern, bass), style,
                                         manner(tempo, feel))
        draw: Any = jax.vmap(jax.random.categorical)
        return (draw(folded(keys, 100), scores[..., :VELOCITIES]), draw(folded(keys, 101), scores[..., VELOCITIES:]))
