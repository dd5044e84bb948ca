"""Musical statistics of segments: one number for each, NaN where it lacks the notes (CollageNet, section 4).

A melody is tokens int [..., T] (codecs.melody), an accompaniment slots `pitch` and `duration` int [..., T, 14]
(codecs.polyphony). The paper leaves the definitions open; these reproduce its figures for real pairs of POP909.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer, Num, Shaped

from musicfusion.codecs import melody
from musicfusion.core.arrays import AnyArray

CLASSES = 12
ONSET, HOLD, REST = range(melody.RHYTHMS)  # states


def melody_pitch_classes(tokens: Integer[AnyArray, "*B T"]) -> Float[Array, "*B 12"]:
    """How many notes begin in each pitch class: tokens [..., T] -> [..., 12]."""
    return _count_classes(tokens, tokens < melody.HOLD)


def pitch_classes(
    pitch: Integer[AnyArray, "*B T 14"], duration: Integer[AnyArray, "*B T 14"]
) -> Float[Array, "*B 12"]:
    """How many notes begin in each pitch class: slots [..., T, 14] x 2 -> [..., 12]."""
    notes = (*pitch.shape[:-2], -1)
    return _count_classes(pitch.reshape(notes), duration.reshape(notes) > 0)


def _count_classes(pitch: Integer[AnyArray, "*B n"], there: Bool[AnyArray, "*B n"]) -> Float[Array, "*B 12"]:
    """Pitches [..., n], of which some are there -> [..., 12]."""
    return jnp.sum(jax.nn.one_hot(pitch % CLASSES, CLASSES) * there[..., None], -2)


def melody_onsets(tokens: Integer[AnyArray, "*B T"]) -> Float[Array, "*B T"]:
    """How many notes begin at each step, none or one: tokens [..., T] -> [..., T]."""
    return jnp.asarray(tokens < melody.HOLD, jnp.float32)


def onsets(pitch: Integer[AnyArray, "*B T 14"], duration: Integer[AnyArray, "*B T 14"]) -> Float[Array, "*B T"]:
    """How many notes begin at each step: slots [..., T, 14] x 2 -> [..., T]."""
    del pitch
    return jnp.sum(duration > 0, -1, dtype=jnp.float32)


def melody_states(tokens: Integer[AnyArray, "*B T"]) -> Integer[Array, "*B T"]:
    """0 a note begins, 1 one is held, 2 rest: tokens [..., T] -> int32 [..., T]. A hold of nothing is a rest."""
    onset = tokens < melody.HOLD
    started = 2 * jnp.arange(tokens.shape[-1]) + onset  # odd where a note begins, and rising
    sounding = jnp.maximum.accumulate(jnp.where(tokens == melody.HOLD, 0, started), axis=-1) % 2 == 1
    return _states(onset, sounding)


def states(pitch: Integer[AnyArray, "*B T 14"], duration: Integer[AnyArray, "*B T 14"]) -> Integer[Array, "*B T"]:
    """0 a note begins, 1 a note of any pitch is held, 2 rest: slots [..., T, 14] x 2 -> int32 [..., T]."""
    del pitch
    step = jnp.arange(duration.shape[-2])
    there = duration > 0
    ends = jnp.max(jnp.where(there, step[:, None] + duration, 0), -1)
    return _states(jnp.any(there, -1), jnp.maximum.accumulate(ends, axis=-1) > step)


def _states(onset: Bool[AnyArray, "*B T"], sounding: Bool[AnyArray, "*B T"]) -> Integer[Array, "*B T"]:
    return jnp.where(onset, ONSET, jnp.where(sounding, HOLD, REST)).astype(jnp.int32)


def divergence(
    p: Num[AnyArray, "*B n"], q: Num[AnyArray, "*B n"], epsilon: float = 1e-5
) -> Float[Array, "*B"]:
    """KLD: KL(p || q) in nats of two histograms, normalised. [..., n] x 2 -> [...], NaN where one is empty.

    `epsilon` is added to every share, and they are normalised again. The paper does not say what it does about empty
    bins; with 1e-5 POP909 has its .96 for the pitch classes of a song's own melody and accompaniment.
    """
    a, b = ((_normal(x) + epsilon) / (1.0 + epsilon * x.shape[-1]) for x in (p, q))
    return _if_known(_any(p) & _any(q), jnp.sum(a * jnp.log(a / b), -1))


def overlap(p: Num[AnyArray, "*B n"], q: Num[AnyArray, "*B n"]) -> Float[Array, "*B"]:
    """OA: the area that two histograms share, normalised, 0..1. [..., n] x 2 -> [...], NaN where one is empty."""
    return _if_known(_any(p) & _any(q), jnp.sum(jnp.minimum(_normal(p), _normal(q)), -1))


def _any(histogram: Num[AnyArray, "*B n"]) -> Bool[Array, "*B"]:
    return jnp.any(histogram > 0, -1)


def _normal(histogram: Num[AnyArray, "*B n"]) -> Float[Array, "*B n"]:
    """Counts [..., n] -> shares."""
    total = jnp.sum(histogram, -1, keepdims=True)
    return histogram / jnp.where(total > 0, total, 1.0)


def _if_known(known: Bool[AnyArray, "*B"], value: Num[AnyArray, "*B"]) -> Float[Array, "*B"]:
    """NaN where not known. It is said explicitly, since 0 / 0 need not be NaN in a compiled program."""
    return jnp.where(known, value, jnp.nan)


def of_pair(
    tokens: Integer[AnyArray, "*B T"], pitch: Integer[AnyArray, "*B T 14"], duration: Integer[AnyArray, "*B T 14"]
) -> dict[str, Float[Array, "*B"]]:
    """How well a melody fits an accompaniment: tokens [..., T], slots [..., T, 14] x 2 -> {name: [...]}.

    pch_kld, pch_oa: divergence of the melody's pitch classes from the accompaniment's, and their overlap;
    oh_kld, oh_oa: the same of the onsets at each step; re: the share of steps at which both are in the same state.

    Source: CollageNet, table 2.
    """
    classes = melody_pitch_classes(tokens), pitch_classes(pitch, duration)
    starts = melody_onsets(tokens), onsets(pitch, duration)
    return {
        "pch_kld": divergence(*classes),
        "pch_oa": overlap(*classes),
        "oh_kld": divergence(*starts),
        "oh_oa": overlap(*starts),
        "re": jnp.mean(melody_states(tokens) == states(pitch, duration), -1),
    }


def of_melody(tokens: Integer[AnyArray, "*B T"]) -> dict[str, Float[Array, "*B"]]:
    """What a melody is like by itself: tokens [..., T] -> {name: [...]}.

    pc: the number of notes (the paper's "pitch count"); pi, pi_abs: mean interval from note to note in semitones,
    signed, as the paper's must be, and absolute; ioi: mean distance of consecutive onsets in 16ths.

    Source: CollageNet, table 3.
    """
    tokens = tokens.astype(jnp.int32)
    onset = tokens < melody.HOLD
    intervals, known = _from_the_last(tokens, onset)
    return {
        "pc": jnp.sum(onset, -1, dtype=jnp.float32),
        "pi": _mean(intervals, known),
        "pi_abs": _mean(jnp.abs(intervals), known),
        "ioi": _distance(onset),
    }


def of_accompaniment(
    pitch: Integer[AnyArray, "*B T 14"], duration: Integer[AnyArray, "*B T 14"]
) -> dict[str, Float[Array, "*B"]]:
    """What an accompaniment is like by itself: slots [..., T, 14] x 2 -> {name: [...]}.

    pc: the number of notes; ioi: mean distance in 16ths of consecutive steps at which notes begin.

    Source: CollageNet, table 3.
    """
    starting = onsets(pitch, duration)
    return {"pc": jnp.sum(starting, -1), "ioi": _distance(starting > 0)}


def _distance(onset: Bool[AnyArray, "*B T"]) -> Float[Array, "*B"]:
    """Mean number of steps from onset to onset: bool [..., T] -> [...], NaN for fewer than two."""
    distances, known = _from_the_last(jnp.broadcast_to(jnp.arange(onset.shape[-1]), onset.shape), onset)
    return _mean(distances, known)


def _from_the_last(
    values: Shaped[AnyArray, "*B T"], onset: Bool[AnyArray, "*B T"]
) -> tuple[Shaped[Array, "*B T"], Bool[Array, "*B T"]]:
    """Values [..., T] less those at the last onset before, and where both are onsets (bool)."""
    latest = jnp.maximum.accumulate(jnp.where(onset, jnp.arange(onset.shape[-1]), -1), axis=-1)
    before = jnp.concatenate([jnp.full_like(latest[..., :1], -1), latest[..., :-1]], -1)
    return values - jnp.take_along_axis(values, jnp.maximum(before, 0), -1), onset & (before >= 0)


def _mean(values: Num[AnyArray, "*B n"], known: Bool[AnyArray, "*B n"]) -> Float[Array, "*B"]:
    """Mean over the last axis of the values that are known: [..., n] x 2 -> [...], NaN for none."""
    count = jnp.sum(known, -1)
    return _if_known(count > 0, jnp.sum(values * known, -1) / jnp.maximum(count, 1))
