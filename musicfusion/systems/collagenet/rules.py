"""Rules that rewrite music and learn nothing: the paper's rule-based baseline, and the cheapest ones there are.

    transposed               into the key that fits the accompaniment best
    rule_based               the paper's baseline (section 4.2)
    snapped, drone           every note on a tone of the chord that sounds with it; on its root, third or fifth
    commonest                every note on one of the accompaniment's most frequent pitch classes
    shuffled, moved          the melody's own pitches among its onsets; some of its notes a step away
    displaced, onto_melody   half bars of the accompaniment elsewhere; its notes onto the melody's pitch classes

Nobody would want to hear a drone or a shuffled melody. Such rules are negatives of the judges (negatives.py) and fools
of Table 1: a judge that they please is none. `tokens` is a melody int [B, 32], `pitch` and `duration` the slots of an
accompaniment int [B, 32, 14], `chords` its chords int [B, 8, 3].
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody, polyphony
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet.dataset import KEYS, LOWEST_SHIFT, PER_BEAT, STEPS

# In the order in which ties are settled: the smallest interval first, upward before downward.
SHIFTS = np.array(sorted(range(LOWEST_SHIFT, LOWEST_SHIFT + KEYS),
                         key=lambda shift: (abs(shift), -shift)), np.int32)  # 0, 1, -1, ... 5, -5, -6
_MOVED = (np.arange(statistics.CLASSES) - SHIFTS[:, None]) % statistics.CLASSES  # [shift, class] -> class before
_ROUNDING = 1e-5  # overlaps of two segments differ by more than that, or not at all

SEMITONES = (0, -1, 1)  # how far a pitch may go; the first that fits is taken
SLIDES = (0, -1, 1, -2, 2)  # how far an onset may go, in 16ths, likewise
ARRIVALS = (0, 1, -1, 2, -2)  # who stays of those that meet: the nearest, of two equally near the one from the left
RETAINED = 0.2  # how often a changeable note stays as it is

HALVES = 4  # half bars in a segment
STEPS_IN_HALF = STEPS // HALVES
DISPLACED = 1 / 3  # share of the half bars that `displaced` moves
NUDGES = (-2, -1, 1, 2)  # semitones
NUDGED = 1 / 3  # share of the notes that `moved` moves


# The key -------------------------------------------------------------------------------------------------------------


def best_shift(melody_histogram: jax.Array, accompaniment_histogram: jax.Array) -> jax.Array:
    """The transposition of a melody whose pitch classes overlap most with an accompaniment's.

    Args:
        melody_histogram, accompaniment_histogram: notes of each pitch class  # [B, 12]

    Returns:
        Semitones in -6..5, int32 [B]: of equally good ones the smallest, upward before downward. 0 where a part has
        no notes.
    """
    turned = jnp.asarray(melody_histogram)[:, _MOVED]  # [B, shift, 12]
    overlap = statistics.overlap(turned, jnp.broadcast_to(accompaniment_histogram[:, None], turned.shape))
    best = overlap >= jnp.max(overlap, 1, keepdims=True) - _ROUNDING  # nowhere where it is NaN
    return jnp.asarray(SHIFTS)[jnp.argmax(best, 1)]


@jax.jit
def transposed(tokens: jax.Array, pitch: jax.Array, duration: jax.Array) -> jax.Array:
    """The melody in the key, -6..5 semitones away, that fits the accompaniment best -> tokens int32 [B, 32].

    Not in the paper: it shows how much of harmony is the key alone.
    """
    shift = best_shift(statistics.melody_pitch_classes(tokens), statistics.pitch_classes(pitch, duration))
    return melody.transpose(tokens, shift[:, None])


# The chord -----------------------------------------------------------------------------------------------------------


@jax.jit
def snapped(tokens: jax.Array, chords: jax.Array) -> jax.Array:
    """Every note on the nearest tone of the chord that sounds at its onset -> tokens int32 [B, 32].

    Of two tones equally near the lower is taken. Where no chord sounds, a note stays.
    """
    return _nearest(tokens, chords[..., 2])


@jax.jit
def drone(tokens: jax.Array, chords: jax.Array, tone: jax.typing.ArrayLike = 0) -> jax.Array:
    """Every note on one tone of the chord that sounds at its onset, the nearest such -> tokens int32 [B, 32].

    tone: 0 the root, 1 the next one above it, 2 the next but one, for all or of each pair [B].
    """
    above = (chords[..., :1] + jnp.arange(statistics.CLASSES)) % statistics.CLASSES  # from the root on
    there = (chords[..., 2:] >> above) & 1 > 0
    rank = jnp.where(there, jnp.cumsum(there, -1) - 1, statistics.CLASSES)
    chosen = jnp.argmin(jnp.abs(rank - jnp.reshape(tone, (-1, 1, 1))), -1)  # of a chord with fewer tones its last
    return _nearest(tokens, 1 << (chords[..., 0] + chosen) % statistics.CLASSES)


@jax.jit
def commonest(tokens: jax.Array, pitch: jax.Array, duration: jax.Array, count: jax.typing.ArrayLike) -> jax.Array:
    """Every note on the nearest of the accompaniment's `count` most frequent pitch classes -> tokens int32 [B, 32]."""
    mask = _commonest(statistics.pitch_classes(pitch, duration), count)
    return _nearest(tokens, jnp.repeat(mask[:, None], STEPS // PER_BEAT, 1))


def _commonest(histogram, count) -> jax.Array:
    """The `count` (for all, or of each pair [B]) most frequent classes of a histogram [B, 12], as bits: int [B]."""
    rank = jnp.argsort(jnp.argsort(-histogram, -1, stable=True), -1)
    left = (rank < jnp.reshape(count, (-1, 1))) & (histogram > 0)
    return jnp.sum(left << jnp.arange(statistics.CLASSES), -1)


def _nearest(tokens, masks) -> jax.Array:
    """Onsets moved to the nearest of the pitch classes whose bits are set, a mask [B, 8] for each beat."""
    return melody.transpose(tokens, _to_nearest(tokens, jnp.repeat(masks.astype(jnp.int32), PER_BEAT, 1)))


def _to_nearest(pitch, mask) -> jax.Array:
    """How far each pitch is from the nearest class whose bit is set; the lower of two, 0 where none is: int [...]."""
    reach = jnp.asarray(SHIFTS[np.lexsort((SHIFTS, abs(SHIFTS)))])  # 0, -1, 1, ... -5, 5, -6
    fits = (mask[..., None] >> (pitch[..., None] + reach) % statistics.CLASSES) & 1 > 0
    return jnp.where(jnp.any(fits, -1), reach[jnp.argmax(fits, -1)], 0)


# Without an accompaniment --------------------------------------------------------------------------------------------


@jax.jit
def shuffled(tokens: jax.Array, keys: jax.Array) -> jax.Array:
    """The melody's own pitches in another order, at its own onsets: keys [B] -> tokens int32 [B, 32]."""

    def one(tokens, key):
        onset = tokens < melody.HOLD
        place = jnp.argsort(~onset, stable=True)  # steps of the onsets, in order, then the others
        chance = jax.random.uniform(key, tokens.shape)
        drawn = jnp.argsort(jnp.where(onset, chance, 2.0))  # the same steps, in any order
        return tokens.at[place].set(jnp.where(onset[place], tokens[drawn], tokens[place]))

    return jax.vmap(one)(tokens.astype(jnp.int32), keys)


@jax.jit
def moved(tokens: jax.Array, keys: jax.Array) -> jax.Array:
    """About a third of the melody's notes 1 or 2 semitones away, one at least: keys [B] -> tokens int32 [B, 32]."""

    def one(tokens, key):
        which, far = jax.random.split(key)
        chance = jnp.where(tokens < melody.HOLD, jax.random.uniform(which, tokens.shape), 2.0)
        chosen = chance <= jnp.maximum(NUDGED, jnp.min(chance))
        return chosen * jax.random.choice(far, jnp.asarray(NUDGES), tokens.shape)

    return melody.transpose(tokens, jax.vmap(one)(tokens, keys))


@jax.jit
def displacement(keys: jax.Array) -> jax.Array:
    """Half bars that are 1 to 5 semitones away, one at least: keys [B] -> semitones int32 [B, 32]."""

    def one(key):
        which, far, way = jax.random.split(key, 3)
        chance = jax.random.uniform(which, (HALVES,))
        chosen = chance <= jnp.maximum(DISPLACED, jnp.min(chance))
        by = jax.random.randint(far, (HALVES,), 1, 6) * jax.random.choice(way, jnp.array([-1, 1]), (HALVES,))
        return jnp.repeat(chosen * by, STEPS_IN_HALF)

    return jax.vmap(one)(keys)


@jax.jit
def displaced(pitch: jax.Array, duration: jax.Array, shift: jax.Array) -> jax.Array:
    """An accompaniment moved by `shift` [B, 32] semitones: slots [B, 32, 14] x 2 -> [B, 32, 14]."""
    return polyphony.transpose(pitch, duration, shift[..., None])


@jax.jit
def onto_melody(pitch: jax.Array, duration: jax.Array, tokens: jax.Array, count: jax.typing.ArrayLike) -> jax.Array:
    """An accompaniment whose notes go to the nearest of the melody's most frequent pitch classes -> [B, 32, 14].

    count: of so many pitch classes at most, for all or of each pair [B]; with 1 everything is a pedal point.
    """
    mask = _commonest(statistics.melody_pitch_classes(tokens), count)[:, None, None]
    return polyphony.transpose(pitch, duration, _to_nearest(pitch, mask))


# The paper's baseline ------------------------------------------------------------------------------------------------


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
    return _followed(tokens, pitch, duration, jax.random.key(seed), retained)


@jax.jit
def _followed(tokens, pitch, duration, key, retained) -> jax.Array:
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
    steps = goes * jnp.select([free(by) for by in SLIDES], SLIDES, 0)
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
