"""What Tables 1 to 3 set beside CollageNet: the paper's baselines (section 4.2), a transposition, and all as methods.

    transposed, rule_based   rules that rewrite the melody; they learn nothing
    critic_task, descend     the data-driven baseline: a critic alone, and latents that go down its slope
    Method, methods          every method as one function from pairs to music

A pair is a melody `tokens` int [B, 32] and an accompaniment's slots `pitch` and `duration` int [B, 32, 14]; in latent
space it is z [B, d]. Music is a dict of arrays, one example a pair: "melody" tokens [B, 32], "pitch" and "duration"
[B, 32, 14], "chords" [B, 8, 3] (not from vanilla), and from methods that move latents "rho_melody" and
"rho_accompaniment" [B].
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from musicfusion import losses
from musicfusion.codecs import melody
from musicfusion.core import optimizers
from musicfusion.core.contracts import Task
from musicfusion.core.example_keys import folded
from musicfusion.latent.actor_critic import critic_loss, negatives
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet.dataset import KEYS, LOWEST_SHIFT
from musicfusion.systems.collagenet.latent_space import Fusion
from musicfusion.systems.collagenet.objective import controlled

Music = dict[str, Any]

# In the order in which ties are settled: the smallest interval first, upward before downward.
SHIFTS = np.array(sorted(range(LOWEST_SHIFT, LOWEST_SHIFT + KEYS),
                         key=lambda shift: (abs(shift), -shift)), np.int32)  # 0, 1, -1, ... 5, -5, -6
_MOVED = (np.arange(statistics.CLASSES) - SHIFTS[:, None]) % statistics.CLASSES  # [shift, class] -> class before
_ROUNDING = 1e-5  # overlaps of two segments differ by more than that, or not at all

SEMITONES = (0, -1, 1)  # how far a pitch may go; the first that fits is taken
STEPS = (0, -1, 1, -2, 2)  # how far an onset may go, likewise
ARRIVALS = (0, 1, -1, 2, -2)  # who stays of those that meet: the nearest, of two equally near the one from the left
RETAINED = 0.2  # how often a changeable note stays as it is

RATE = 0.005  # Adam's, on latents
DESCENTS = (25, 50, 100, 200)  # iterations of the data-driven method; the paper does not say how many it took
SLOW = 1000  # pairs on which it is measured: each of them asks the critic 200 times


# Rules ---------------------------------------------------------------------------------------------------------------


def best_shift(melody_histogram: jax.Array, accompaniment_histogram: jax.Array) -> jax.Array:
    """The transposition of a melody whose pitch classes overlap most with an accompaniment's.

    Args:
        melody_histogram, accompaniment_histogram: notes of each pitch class  # [B, 12]

    Returns:
        Semitones in -6..5, int32 [B]: of equally good ones the smallest, upward before downward. 0 where a part has
        no notes.
    """
    moved = jnp.asarray(melody_histogram)[:, _MOVED]  # [B, shift, 12]
    overlap = statistics.overlap(moved, jnp.broadcast_to(accompaniment_histogram[:, None], moved.shape))
    best = overlap >= jnp.max(overlap, 1, keepdims=True) - _ROUNDING  # nowhere where it is NaN
    return jnp.asarray(SHIFTS)[jnp.argmax(best, 1)]


@jax.jit
def transposed(tokens: jax.Array, pitch: jax.Array, duration: jax.Array) -> jax.Array:
    """The melody in the key, -6..5 semitones away, that fits the accompaniment best -> tokens int32 [B, 32].

    Not in the paper: it shows how much of harmony is the key alone.
    """
    shift = best_shift(statistics.melody_pitch_classes(tokens), statistics.pitch_classes(pitch, duration))
    return melody.transpose(tokens, shift[:, None])


def rule_based(tokens: jax.Array, pitch: jax.Array, duration: jax.Array, *, seed: int,
               retained: float = RETAINED) -> jax.Array:
    """The melody's notes moved onto pitch classes and onsets of the accompaniment's notes -> tokens int32 [B, 32].

    From the paper: a note goes to the nearest pitch class if that is within one semitone, and to the nearest onset if
    that is within two steps; a changeable note stays as it is with the probability `retained`. Where it is silent:

    - Both limits are inclusive, as in its example, C# to C. Of two pitch classes equally near the lower is taken, of
      two onsets the earlier. The two rules do not look at each other, so their order does not matter.
    - One draw for each note: it follows both rules or neither.
    - A note does not go past a retained one.
    - Of notes that meet on one onset the nearest stays, of two equally near the earlier; the others are gone. (Table 3:
      the paper's melodies have 1.33 notes fewer than before, so its notes do get lost.)
    - The melody sounds where it sounded, and from where a note now begins earlier: a note lasts to its old end or the
      next onset, and what a later onset or a lost note leaves free is held by the note before, if it reaches there.

    The draws come from the seed and the pair's own notes, so the result for a pair is the same in any batch.
    """
    return _moved(tokens, pitch, duration, jax.random.key(seed), retained)


@jax.jit
def _moved(tokens, pitch, duration, key, retained) -> jax.Array:
    tokens = tokens.astype(jnp.int32)
    onset = tokens < melody.HOLD
    uniforms = jax.vmap(lambda key: jax.random.uniform(key, tokens.shape[1:]))(_pair_keys(key, tokens, pitch, duration))
    stays = onset & (uniforms < retained)
    goes = onset & ~stays
    classes = statistics.pitch_classes(pitch, duration) > 0
    onsets = statistics.onsets(pitch, duration) > 0

    def fits(semitones):
        new = tokens + semitones
        known = jnp.take_along_axis(classes, new % statistics.CLASSES, -1)
        return known & (new >= 0) & (new < melody.HOLD)

    def free(steps):
        there = _shifted(onsets, steps)
        return there & ~_shifted(stays, steps // 2) if abs(steps) == 2 else there

    new = tokens + goes * jnp.select([fits(by) for by in SEMITONES], SEMITONES, 0)
    steps = goes * jnp.select([free(by) for by in STEPS], STEPS, 0)
    arrives = [_shifted(onset & (steps == by), -by) for by in ARRIVALS]
    landed = jnp.select(arrives, [_shifted(new, -by) for by in ARRIVALS], melody.REST)
    sounds = (tokens != melody.REST) | _shifted(steps == -2, 1)
    return _held(landed, sounds)


def _held(landed, sounds) -> jax.Array:
    """Onsets among rests, and where something may sound, [B, T] each -> tokens with the holds that follow onsets."""
    index = jnp.arange(landed.shape[-1])
    begins = landed < melody.HOLD
    latest = jnp.maximum.accumulate(jnp.where(begins, index, -1), axis=-1)
    silent = jnp.maximum.accumulate(jnp.where(begins | sounds, -1, index), axis=-1)
    return jnp.where(~begins & (latest > silent), melody.HOLD, landed)


def _shifted(x, steps: int) -> jax.Array:
    """At each step, x [B, T] of `steps` steps later (earlier, if negative); 0 outside."""
    reach = abs(steps)
    start = reach + steps
    return jnp.pad(x, ((0, 0), (reach, reach)))[:, start : start + x.shape[1]]


def _pair_keys(key, *arrays) -> jax.Array:
    """A key for each pair, folded from all that it holds: int [B, ...] each -> keys [B]."""
    content = jnp.concatenate([x.reshape(len(x), -1) for x in arrays], -1).astype(jnp.uint32)
    factors = jax.random.bits(key, content.shape[1:], jnp.uint32)
    return jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.sum(content * factors, -1, dtype=jnp.uint32))


# Data-driven ---------------------------------------------------------------------------------------------------------


def critic_task(*, critic: Any, features: Callable, loss_weights: Mapping[str, float], prior: float,
                optimizer: optax.GradientTransformation, steps: int) -> Task:
    """D as in fusion, but it never meets an actor (section 4.2): equation (2) on the same examples.

    The raw negatives stand in for the actor's outputs as well, so real pairs weigh against negatives as in fusion.

    Args:
        critic: a network that reads features(vaes, z).
        features: (the VAEs' parameters, z [B, d]) -> what it reads.
        loss_weights, prior: as in objective.task.
        optimizer, steps: of the whole training.

    Returns:
        A Task with frozen {"vaes", ...} and state {"params": {"critic"}, "optimizer", "step"}.
    """

    def loss(params, batch, frozen, example_keys=None):
        z = jnp.concatenate([batch["real"], negatives(batch, prior)])
        logits = critic.apply({"params": params["critic"]}, features(frozen["vaes"], z), example_keys)
        real, raw = jnp.split(logits, 2)
        value = critic_loss(real, raw, raw, weights=loss_weights)
        return value, {"loss": value, "passes_real": jnp.mean(real > 0), "passes_raw": jnp.mean(raw > 0)}

    def training_loss(params, batch, frozen, key, fraction):
        del key, fraction
        return loss(params, batch, frozen, folded(batch["example_key"], 20, 2))

    def parameters(key, batch, frozen):
        return {"critic": critic.init(key, features(frozen["vaes"], batch["real"]))["params"]}

    def validate(state, batch, frozen, key):
        del key
        return loss(state["params"], batch, frozen)[1]

    init, step = optimizers.learner(optimizer, steps=steps, parameters=parameters, loss=training_loss)
    return Task(init=init, step=step, validate=validate)


def descend(judge: Callable[[jax.Array], jax.Array], z: jax.Array, counts: Sequence[int],
            rate: float = RATE) -> jax.Array:
    """z moved down the slope of -log D(z) by Adam, as it is after each of `counts` iterations, ascending: -> [n, B, d].

    judge(z [B, d]) -> D's logits [B]. The paper gives no number of iterations, and nothing else holds z back. The loss
    is a sum over the pairs, so they do not influence each other. The public code never zeroes the gradients between
    iterations; here each is fresh.
    """
    adam = optax.adam(rate)
    slope = jax.grad(lambda z: jnp.sum(losses.binary_cross_entropy(judge(z), 1.0)))

    def iterate(_, carry):
        z, state = carry
        updates, state = adam.update(slope(z), state)
        return z + updates, state

    carry, kept = (z, adam.init(z)), []
    for begin, end in pairwise((0, *counts)):
        carry = lax.fori_loop(begin, end, iterate, carry)
        kept.append(carry[0])
    return jnp.stack(kept)


# Methods -------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Method:
    """run(music of unrelated pairs, index [B]) -> music: what the method makes of them.

    index: the pairs' numbers, which seed what is drawn. most: on how many pairs it is measured, evenly chosen; None:
    all.
    """

    name: str
    run: Callable[[Music, np.ndarray], Music]
    most: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedSpace:
    """The latent space of two trained VAEs: the way there (posterior mean), moves in it, the way back (greedy).

    Compiled once each, whatever is moved and by whose parameters.

    Attributes:
        aspects: latent sizes in the order in which z holds them.
        cut: where in z the accompaniment begins.
        sbar: the average posterior std [d].
        encode: music -> z [B, d].
        decode: z [B, d] -> music.
        move: (an actor's parameters, z [B, d], controls [B, columns]) -> z' [B, d].
        descents: (a critic's parameters, z [B, d]) -> z after each of DESCENTS iterations [n, B, d].
    """

    aspects: Mapping[str, int]
    cut: int
    sbar: jax.typing.ArrayLike
    encode: Callable[[Music], jax.Array]
    decode: Callable[[jax.Array], Music]
    move: Callable[[Any, jax.Array, jax.typing.ArrayLike], jax.Array]
    descents: Callable[[Any, jax.Array], jax.Array]

    def rho(self, moved: jax.Array, z: jax.Array) -> dict[str, jax.Array]:
        """rho of the whole melody's latent and of the whole accompaniment's, [B] each (Table 1)."""
        both = {"rho_melody": slice(None, self.cut), "rho_accompaniment": slice(self.cut, None)}
        sbar = jnp.asarray(self.sbar)
        return {name: losses.log_distance(moved[:, part], z[:, part], sbar[part]) for name, part in both.items()}


def trained_space(fusion: Fusion, *, vaes: Mapping[str, Any], sbar: jax.typing.ArrayLike) -> TrainedSpace:
    """The latent space of trained VAEs, and the networks in it. vaes: their parameters by part."""

    def encode(vaes, music):
        return fusion.space.encode(vaes, music)[0]

    def decode(vaes, z):
        decoded = fusion.space.decode(vaes, z)
        return {"melody": decoded["tokens"]} | {
            name: x for name, x in decoded.items() if name not in ("tokens", "rhythm")}

    def move(vaes, actor, z, controls):
        return fusion.move(vaes, actor, z, controls)

    def descents(vaes, critic, z):
        return descend(lambda z: fusion.judge(vaes, critic, z), z, DESCENTS)

    def compiled(way: Callable) -> Callable:
        return functools.partial(jax.jit(way), vaes)

    return TrainedSpace(aspects=fusion.space.aspects, cut=fusion.space.cut, sbar=sbar, encode=compiled(encode),
                        decode=compiled(decode), move=compiled(move), descents=compiled(descents))


def methods(space: TrainedSpace, *, seed: int, critic: Any, vanilla: tuple[TrainedSpace, Any] | None,
            actors: Mapping[str, Any]) -> Iterator[Method]:
    """Every method of Table 1, in its order; those that learn nothing come first.

    Args:
        space: of the run's own VAEs.
        seed: of everything that is drawn.
        critic: the data-driven baseline's trained critic; None: there is none.
        vanilla: CollageNet-vanilla's latent space and actor; None: there is none.
        actors: trained actors by the name of their method.
    """
    yield unchanged("disharmonic pairs")
    yield Method("transposition", _melody_by(space, transposed))
    yield Method("rule-based", _melody_by(space, lambda *pair: rule_based(*pair, seed=seed)))
    if critic is not None:
        yield from _data_driven(space, critic)
    if vanilla is not None:
        yield fused("CollageNet-vanilla", *vanilla, seed=seed)
    for name, actor in actors.items():
        yield fused(name, space, actor, seed=seed)


def unchanged(name: str) -> Method:
    """Pairs as they are."""
    return Method(name, lambda music, index: music)


def reconstruction(space: TrainedSpace) -> Method:
    """Through the VAEs and back, nothing moved: the ceiling of every method that works on latents."""
    return Method("harmonic pairs through the VAEs", lambda music, index: space.decode(space.encode(music)))


def prior(space: TrainedSpace, seed: int) -> Method:
    """z ~ p(z), decoded: what the VAEs make up (Table 3)."""

    def draw(number):
        return jax.random.normal(jax.random.fold_in(jax.random.key(seed), number), jnp.shape(space.sbar))

    return Method("VAE prior", lambda music, index: space.decode(jax.vmap(draw)(index)))


def fused(name: str, space: TrainedSpace, actor: Any, *, seed: int = 0, controls: float | None = None) -> Method:
    """An actor's outputs; controls ~ U(0, 1), each pair its own, unless one value is given for all."""
    key = jax.random.fold_in(jax.random.key(seed), 1)
    columns = len(controlled(space.aspects))  # vanilla's actor has none

    def draw(number):
        return jax.random.uniform(jax.random.fold_in(key, number), (columns,))

    def run(music, index):
        z = space.encode(music)
        asked = jax.vmap(draw)(index) if controls is None else jnp.full((len(index), columns), controls)
        moved = space.move(actor, z, asked)
        return space.decode(moved) | space.rho(moved, z)

    return Method(name, run)


def _melody_by(space: TrainedSpace, change: Callable) -> Callable[[Music, np.ndarray], Music]:
    """A method that rewrites the melody alone; how far that is in latent space is measured by encoding it again."""

    def run(music, index):
        new = music | {"melody": np.asarray(change(music["melody"], music["pitch"], music["duration"]))}
        return new | {"rho_melody": space.rho(space.encode(new), space.encode(music))["rho_melody"]}

    return run


def _data_driven(space: TrainedSpace, critic: Any) -> Iterator[Method]:
    """Adam on the latents of each pair, down the slope of a critic that never met an actor (section 4.2)."""
    descents: dict[bytes, jax.Array] = {}  # of each z: one descent passes through all that is measured

    def by(which):
        def run(music, index):
            z = space.encode(music)
            key = np.asarray(z).tobytes()
            if key not in descents:
                descents[key] = space.descents(critic, z)
            moved = descents[key][which]
            return space.decode(moved) | space.rho(moved, z)

        return run

    for which, iterations in enumerate(DESCENTS):
        yield Method(f"data-driven, {iterations} iterations", by(which), SLOW)
