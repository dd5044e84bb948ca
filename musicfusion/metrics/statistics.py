"""Musical statistics of segments: one number a row, NaN where a row lacks the notes for it (paper 000, section 4).

A melody is tokens int [..., T] (codecs.melody), an accompaniment slots `pitch` and `duration` int [..., T, 14]
(codecs.polyphony). The paper leaves the definitions open; these reproduce its figures for real pairs of POP909.
"""

import jax
import jax.numpy as jnp

from musicfusion.codecs import melody

CLASSES = 12
ONSET, HOLD, REST = range(melody.RHYTHMS)  # states


def melody_pitch_classes(tokens) -> jax.Array:
    """How many notes begin in each pitch class: tokens [..., T] -> [..., 12]."""
    return _count_classes(tokens, tokens < melody.HOLD)


def pitch_classes(pitch, duration) -> jax.Array:
    """How many notes begin in each pitch class: slots [..., T, 14] x 2 -> [..., 12]."""
    notes = (*pitch.shape[:-2], -1)
    return _count_classes(pitch.reshape(notes), duration.reshape(notes) > 0)


def _count_classes(pitch, there) -> jax.Array:
    """Pitches [..., n], of which some are there -> [..., 12]."""
    return jnp.sum(jax.nn.one_hot(pitch % CLASSES, CLASSES) * there[..., None], -2)


def melody_onsets(tokens) -> jax.Array:
    """How many notes begin at each step, none or one: tokens [..., T] -> [..., T]."""
    return jnp.asarray(tokens < melody.HOLD, jnp.float32)


def onsets(pitch, duration) -> jax.Array:
    """How many notes begin at each step: slots [..., T, 14] x 2 -> [..., T]."""
    del pitch
    return jnp.sum(duration > 0, -1, dtype=jnp.float32)


def melody_states(tokens) -> jax.Array:
    """0 a note begins, 1 one is held, 2 rest: tokens [..., T] -> int32 [..., T]. A hold of nothing is a rest."""
    onset = tokens < melody.HOLD
    started = 2 * jnp.arange(tokens.shape[-1]) + onset  # odd where a note begins, and rising
    sounding = jnp.maximum.accumulate(jnp.where(tokens == melody.HOLD, 0, started), axis=-1) % 2 == 1
    return _states(onset, sounding)


def states(pitch, duration) -> jax.Array:
    """0 a note begins, 1 a note of any pitch is held, 2 rest: slots [..., T, 14] x 2 -> int32 [..., T]."""
    del pitch
    step = jnp.arange(duration.shape[-2])
    there = duration > 0
    ends = jnp.max(jnp.where(there, step[:, None] + duration, 0), -1)
    return _states(jnp.any(there, -1), jnp.maximum.accumulate(ends, axis=-1) > step)


def _states(onset, sounding) -> jax.Array:
    return jnp.where(onset, ONSET, jnp.where(sounding, HOLD, REST)).astype(jnp.int32)


def divergence(p, q, epsilon: float = 1e-5) -> jax.Array:
    """KLD: KL(p || q) in nats between the shapes of two histograms. [..., n] x 2 -> [...], NaN where one is empty.

    Each is normalised, `epsilon` is added to every bin, and it is normalised again. The paper is silent about empty
    bins; with 1e-5 POP909 has its .96 for the pitch classes of a song's own melody and accompaniment.
    """
    a, b = ((_normal(x) + epsilon) / (1.0 + epsilon * x.shape[-1]) for x in (p, q))
    return _if_known(_any(p) & _any(q), jnp.sum(a * jnp.log(a / b), -1))


def overlap(p, q) -> jax.Array:
    """OA: the area that the shapes of two histograms share, 0..1. [..., n] x 2 -> [...], NaN where one is empty."""
    return _if_known(_any(p) & _any(q), jnp.sum(jnp.minimum(_normal(p), _normal(q)), -1))


def _any(histogram) -> jax.Array:
    return jnp.any(histogram > 0, -1)


def _normal(histogram) -> jax.Array:
    """Counts [..., n] -> shares."""
    total = jnp.sum(histogram, -1, keepdims=True)
    return histogram / jnp.where(total > 0, total, 1.0)


def _if_known(known, value) -> jax.Array:
    """NaN where not known. Said outright: compiled, 0 / 0 need not be NaN."""
    return jnp.where(known, value, jnp.nan)


def of_pair(tokens, pitch, duration) -> dict[str, jax.Array]:
    """How well a melody fits an accompaniment: table 2 of paper 000. [..., T], [..., T, 14] x 2 -> {name: [...]}.

    pch_kld, pch_oa: divergence of the melody's pitch classes from the accompaniment's, and their overlap;
    oh_kld, oh_oa: the same of the onsets at each step; re: the share of steps at which both are in the same state.
    """
    classes = melody_pitch_classes(tokens), pitch_classes(pitch, duration)
    places = melody_onsets(tokens), onsets(pitch, duration)
    return {
        "pch_kld": divergence(*classes),
        "pch_oa": overlap(*classes),
        "oh_kld": divergence(*places),
        "oh_oa": overlap(*places),
        "re": jnp.mean(melody_states(tokens) == states(pitch, duration), -1),
    }


def of_melody(tokens) -> dict[str, jax.Array]:
    """What a melody is like by itself: table 3 of paper 000. Tokens [..., T] -> {name: [...]}.

    pc: notes (the paper's "pitch count" is the note count); pi, pi_abs: mean interval from note to note in semitones,
    signed as the paper's must be, and its size; ioi: mean distance of consecutive onsets in 16ths.
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


def of_accompaniment(pitch, duration) -> dict[str, jax.Array]:
    """What an accompaniment is like by itself: table 3 of paper 000. Slots [..., T, 14] x 2 -> {name: [...]}.

    pc: notes; ioi: mean distance in 16ths of consecutive steps at which notes begin.
    """
    starting = onsets(pitch, duration)
    return {"pc": jnp.sum(starting, -1), "ioi": _distance(starting > 0)}


def _distance(onset) -> jax.Array:
    """Mean number of steps from onset to onset: bool [..., T] -> [...], NaN for fewer than two."""
    distances, known = _from_the_last(jnp.broadcast_to(jnp.arange(onset.shape[-1]), onset.shape), onset)
    return _mean(distances, known)


def _from_the_last(values, onset) -> tuple[jax.Array, jax.Array]:
    """Values [..., T] less those at the last onset before, and where both are onsets (bool)."""
    latest = jnp.maximum.accumulate(jnp.where(onset, jnp.arange(onset.shape[-1]), -1), axis=-1)
    before = jnp.concatenate([jnp.full_like(latest[..., :1], -1), latest[..., :-1]], -1)
    return values - jnp.take_along_axis(values, jnp.maximum(before, 0), -1), onset & (before >= 0)


def _mean(values, known) -> jax.Array:
    """Mean over the last axis of the values that are known: [..., n] x 2 -> [...], NaN for none."""
    count = jnp.sum(known, -1)
    return _if_known(count > 0, jnp.sum(values * known, -1) / jnp.maximum(count, 1))
