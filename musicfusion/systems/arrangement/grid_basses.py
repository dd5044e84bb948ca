"""Basses made up for drums that people played without one, so that a network learns from them, too, what fits a bass.

Source: ours. A bass plays with most of the kicks; under swing it walks.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int, Integer

from musicfusion.codecs.drums import INSTRUMENTS, STEPS
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.data.corpus import Corpus
from musicfusion.data.rhythm_sections import BASS, HUMAN

KICK = INSTRUMENTS.index("kick")
BAR = 4 * STEPS
LOWEST, HIGHEST = 28, 50  # pitches
ROOTS = (0, 0, 5, 7, 9, 2)  # semitones above the tonic
WALKING = "swing"  # the style under which a bass walks
WALKS = 0.8  # share of its takes
WITH_KICK = (0.6, 1.0)  # share of the kicks with which a bass plays, of a take
ON_ONE = 0.85  # share of the bars on whose first beat it plays, too
RUNNING, RUN = 0.35, (0.2, 1.0)  # share of the takes in which it also plays eighths, and of these
LEGATO = 0.5  # share of the takes in which notes last until the next
SHORT = (0.3, 0.9)  # of the time until the next note, in the other takes


def with_basses(corpus: Corpus, seed: int) -> Corpus:
    """A corpus in which what people played without a bass has one, the same for the same seed."""
    bass, kind = (np.array(corpus.arrays[name]) for name in ("bass", "kind"))
    first = corpus.first_beat
    swing = 1 << corpus.tags.index(WALKING) if WALKING in corpus.tags else 0
    for k in np.flatnonzero((kind[first[:-1]] & (BASS | HUMAN)) == HUMAN):
        own = slice(first[k] * STEPS, first[k + 1] * STEPS)
        rng = np.random.default_rng([seed, int(k)])
        walking = bool(corpus.arrays["tags"][first[k]] & swing) and rng.uniform() < WALKS
        bass[own] = made_up(corpus.arrays["velocity"][own, KICK] > 0, walking, rng)
        kind[first[k] : first[k + 1]] |= BASS
    return dataclasses.replace(corpus, arrays={**corpus.arrays, "bass": bass, "kind": kind})


def made_up(kick: Bool[np.ndarray, " T"], walking: bool, rng: np.random.Generator) -> Integer[np.ndarray, " T"]:
    """A bass for a take: where its kick is hit, bool [T] of whole beats -> tokens uint8 [T] (codecs.melody).

    walking: a note on each beat, whatever the kick plays.
    """
    onset = np.zeros(len(kick), bool)
    if walking:
        onset[::STEPS] = True
    else:
        onset |= kick & (rng.uniform(size=len(kick)) < rng.uniform(*WITH_KICK))
        onset[::BAR] |= rng.uniform(size=len(onset[::BAR])) < ON_ONE
        if rng.uniform() < RUNNING:
            eighths = onset[:: STEPS // 2]
            eighths |= rng.uniform(size=len(eighths)) < rng.uniform(*RUN)
    where = np.flatnonzero(onset)
    tokens = np.full(len(kick), REST, np.uint8)
    until = np.append(where[1:], len(kick)) - where
    share = 1.0 if walking or rng.uniform() < LEGATO else rng.uniform(*SHORT)
    pitch = _pitches(where // BAR, walking, rng)
    for at, length, note in zip(where, np.clip(np.rint(until * share), 1, BAR).astype(int), pitch, strict=True):
        tokens[at : at + length] = HOLD
        tokens[at] = note
    return tokens


def _pitches(bar: Int[np.ndarray, " n"], walking: bool, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """Pitches of notes in bars int [n]: each bar's root, and fifths and octaves above; or steps from root to root."""
    tonic = int(rng.integers(LOWEST, LOWEST + 12))
    roots = tonic + rng.choice(ROOTS, int(bar[-1]) + 1 if len(bar) else 0)
    pitch = roots[bar] + rng.choice([0, 7, 12], len(bar), p=[0.8, 0.1, 0.1])
    if walking:
        pitch = roots[bar] + np.cumsum(rng.choice([-2, -1, 1, 2, 3], len(bar))) % 12
    first = np.append(True, bar[1:] > bar[:-1])[: len(bar)]
    pitch[first] = roots[bar[first]]
    return np.where(pitch > HIGHEST, pitch - 12, pitch)
