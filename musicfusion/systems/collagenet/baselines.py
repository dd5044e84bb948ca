"""What an actor has to beat: the two baselines of paper 000, section 4.2, and a mere transposition.

A pair is a melody `tokens` int [B, 32] and an accompaniment's slots `pitch` and `duration` int [B, 32, 14]; a pair of
latents is z [B, d]. transposed and rule_based learn nothing; critic_task and descend are the data-driven baseline.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import optax
from jax import lax

from musicfusion import losses
from musicfusion.codecs import melody
from musicfusion.core import optimizers
from musicfusion.core.rows import folded
from musicfusion.core.task import Task
from musicfusion.latent.fusion import critic_loss, negatives
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import keys

SEMITONES = (0, -1, 1)  # how far a pitch may go; the first that fits is taken
STEPS = (0, -1, 1, -2, 2)  # how far an onset may go, likewise
ARRIVALS = (0, 1, -1, 2, -2)  # who stays of those that meet: the nearest, of two equally near the one from the left
RETAINED = 0.2  # how often a changeable note stays as it is
RATE = 0.005  # Adam's, on latents


@jax.jit
def transposed(tokens, pitch, duration) -> jax.Array:
    """The melody in the key, -6..5 semitones away, that fits the accompaniment best -> tokens int32 [B, 32].

    Not in the paper: it shows how much of harmony is the key alone.
    """
    shift = keys.best_shift(statistics.melody_pitch_classes(tokens), statistics.pitch_classes(pitch, duration))
    return melody.transpose(tokens, shift[:, None])


def rule_based(tokens, pitch, duration, *, seed: int, retained: float = RETAINED) -> jax.Array:
    """The melody's notes moved onto pitch classes and onsets of the accompaniment's notes -> tokens int32 [B, 32].

    From the paper: a note goes to the nearest pitch class if that is within one semitone, and to the nearest onset if
    that is within two steps; a changeable note stays as it is with the chance `retained`. Where it is silent:

    - Both limits are inclusive, as in its example, C# to C. Of two pitch classes equally near the lower is taken, of
      two onsets the earlier. The two rules do not look at each other, so their order does not matter.
    - One coin for each note: it follows both rules or neither.
    - A note does not go past a retained one.
    - Of notes that meet on one onset the nearest stays, of two equally near the earlier; the others are gone. (Table 3:
      the paper's melodies have 1.33 notes fewer than before, so its notes do get lost.)
    - The melody sounds where it sounded, and from where a note now begins earlier: a note lasts to its old end or the
      next onset, and what a later onset or a lost note leaves free is held by the note before, if it reaches there.

    The coins come from the seed and the pair's own notes, so that a pair fares alike in any batch.
    """
    return _moved(tokens, pitch, duration, jax.random.key(seed), retained)


@jax.jit
def _moved(tokens, pitch, duration, key, retained) -> jax.Array:
    tokens = tokens.astype(jnp.int32)
    onset = tokens < melody.HOLD
    coins = jax.vmap(lambda key: jax.random.uniform(key, tokens.shape[1:]))(_pair_keys(key, tokens, pitch, duration))
    stays = onset & (coins < retained)
    goes = onset & ~stays
    classes = statistics.pitch_classes(pitch, duration) > 0
    onsets = statistics.onsets(pitch, duration) > 0

    def fits(semitones):
        new = tokens + semitones
        known = jnp.take_along_axis(classes, new % statistics.CLASSES, -1)
        return known & (new >= 0) & (new < melody.HOLD)

    def free(steps):
        there = _ahead(onsets, steps)
        return there & ~_ahead(stays, steps // 2) if abs(steps) == 2 else there

    new = tokens + goes * jnp.select([fits(by) for by in SEMITONES], SEMITONES, 0)
    steps = goes * jnp.select([free(by) for by in STEPS], STEPS, 0)
    arrives = [_ahead(onset & (steps == by), -by) for by in ARRIVALS]
    landed = jnp.select(arrives, [_ahead(new, -by) for by in ARRIVALS], melody.REST)
    sounds = (tokens != melody.REST) | _ahead(steps == -2, 1)
    return _held(landed, sounds)


def _held(landed, sounds) -> jax.Array:
    """Onsets among rests, and where something may sound, [B, T] each -> tokens with the holds that follow onsets."""
    index = jnp.arange(landed.shape[-1])
    begins = landed < melody.HOLD
    latest = jnp.maximum.accumulate(jnp.where(begins, index, -1), axis=-1)
    silent = jnp.maximum.accumulate(jnp.where(begins | sounds, -1, index), axis=-1)
    return jnp.where(~begins & (latest > silent), melody.HOLD, landed)


def _ahead(x, steps: int) -> jax.Array:
    """x [B, T] as seen `steps` steps ahead (behind, if negative); 0 outside."""
    reach = abs(steps)
    start = reach + steps
    return jnp.pad(x, ((0, 0), (reach, reach)))[:, start : start + x.shape[1]]


def _pair_keys(key, *arrays) -> jax.Array:
    """A key for each row, folded from all that the row holds: int [B, ...] each -> keys [B]."""
    content = jnp.concatenate([x.reshape(len(x), -1) for x in arrays], -1).astype(jnp.uint32)
    factors = jax.random.bits(key, content.shape[1:], jnp.uint32)
    return jax.vmap(partial(jax.random.fold_in, key))(jnp.sum(content * factors, -1, dtype=jnp.uint32))


def critic_task(critic, hear, group) -> Task:
    """D as in fusion, but it never meets an actor (section 4.2): equation (2) on batches of fusion.examples.

    The raw negatives stand in for the actor's outputs as well, so that real pairs weigh against negatives as in fusion.
    state: {"params": {"critic"}, "optimizer", "step"}.
    """
    def loss(params, batch, row_keys=None):
        heard = hear(batch["vaes"], jnp.concatenate([batch["real"], negatives(batch, group.prior)]))
        real, raw = jnp.split(critic.apply({"params": params["critic"]}, heard, row_keys), 2)
        value = critic_loss(real, raw, raw, group.weights)
        return value, {"loss": value, "passes_real": jnp.mean(real > 0), "passes_raw": jnp.mean(raw > 0)}

    def training_loss(params, batch, key, fraction):
        del key, fraction
        return loss(params, batch, folded(batch["row_key"], 20, 2))

    def parameters(key, batch):
        return {"critic": critic.init(key, hear(batch["vaes"], batch["real"]))["params"]}

    def evaluate(state, batch, key):
        del key
        return loss(state["params"], batch)[1]

    init, step = optimizers.learner(group, parameters, training_loss)
    return Task(init, step, evaluate)


def descend(judge: Callable[[jax.Array], jax.Array], z, counts: Sequence[int], rate: float = RATE) -> jax.Array:
    """z moved down the slope of -log D(z) by Adam, as it is after each of `counts` iterations, ascending: -> [n, B, d].

    judge(z [B, d]) -> D's logits [B]. The paper gives no number of iterations, and nothing else holds z back. The rows
    know nothing of each other (the loss is a sum over them). The public code never zeroes the gradients between
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
