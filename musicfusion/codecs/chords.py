"""Chords: a row (root, bass, mask) for each beat, its name, its vector, and an estimate from notes.

Root and bass are pitch classes 0..11; bit p of the mask says that pitch class p belongs to the chord. Mask 0 is "no
chord": root and bass then repeat those of the chord before. Symbols and labels become rows in chord_symbols.py.
Functions of rows take `xp` (numpy or jax.numpy) and any leading axes, so that they may run inside a compiled step.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Integer, Num

from musicfusion.codecs import chord_symbols
from musicfusion.core.arrays import AnyArray, ArrayModule

NO_CHORD = "N"
SIZE = 36  # a chord vector: root 12 | bass 12 | chroma 12, in the order of CollageNet's data
ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

# Harte's quality -> (readable symbol, intervals above the root); the frequent ones first, since ties go to the first
QUALITIES = {quality: (symbol, chord_symbols.intervals(quality)) for quality, symbol in {
    "maj": "", "min": "m", "7": "7", "min7": "m7", "maj7": "maj7", "sus2": "sus2", "sus4": "sus4", "sus4(b7)": "7sus4",
    "maj6": "6", "min6": "m6", "dim": "dim", "hdim7": "m7b5", "dim7": "dim7", "aug": "aug", "minmaj7": "m(maj7)",
}.items()}


def name(row: Sequence[int] | Integer[np.ndarray, " 3"]) -> str:
    """A row -> the nearest chord symbol on its root, such as `Ebm7/Bb`; `N` for no chord."""
    root, bass, mask = (int(value) for value in row)
    if mask == 0:
        return NO_CHORD
    distances = [
        int(mask ^ _mask(root, intervals)).bit_count() for _, intervals in QUALITIES.values()
    ]
    symbol = list(QUALITIES.values())[int(np.argmin(distances))][0]
    return ROOTS[root] + symbol + ("" if bass == root else f"/{ROOTS[bass]}")


def vectors(rows: Integer[AnyArray, "*B 3"], xp: ArrayModule = np) -> Float[AnyArray, "*B 36"]:
    """Rows [..., 3] -> float32 [..., 36]: root one-hot | bass one-hot | chroma multi-hot."""
    classes = xp.arange(12)
    root = rows[..., 0:1] == classes
    bass = rows[..., 1:2] == classes
    chroma = (rows[..., 2:3] >> classes) & 1
    return xp.concatenate([root, bass, chroma], axis=-1).astype(np.float32)


def rows(vectors: Num[AnyArray, "*B 36"], xp: ArrayModule = np) -> Integer[AnyArray, "*B 3"]:
    """Vectors [..., 36], exact or probabilities, -> rows int32 [..., 3]."""
    root = xp.argmax(vectors[..., :12], axis=-1)
    bass = xp.argmax(vectors[..., 12:24], axis=-1)
    mask = xp.sum((vectors[..., 24:] > 0.5) * (1 << xp.arange(12)), axis=-1)
    return xp.stack([root, bass, mask], axis=-1).astype(np.int32)


def transpose(
    rows: Integer[AnyArray, "*B 3"], shift: Integer[AnyArray, "..."] | int, xp: ArrayModule = np
) -> Integer[AnyArray, "*B 3"]:
    """Rows [..., 3] moved by `shift` semitones, which broadcasts with rows[..., 0]."""
    turn = xp.asarray(shift) % 12
    root, bass, mask = (rows[..., column].astype(np.int32) for column in range(3))
    turned = ((mask << turn) | (mask >> (12 - turn))) & 0xFFF
    return xp.stack([(root + turn) % 12, (bass + turn) % 12, turned], axis=-1).astype(rows.dtype)


_LATE = 1e-6  # quarters: times of triplets are not exact


def fill(rows: Integer[np.ndarray, "beats 3"]) -> Integer[np.ndarray, "beats 3"]:
    """Rows [beats, 3] in which a beat without a chord has root and bass of the chord before it, or else of the next."""
    filled = np.array(rows)
    known = np.flatnonzero(filled[:, 2])
    if known.size:
        last = np.searchsorted(known, np.arange(len(filled)), side="right") - 1
        filled[:, :2] = filled[known[np.maximum(last, 0)], :2]
    return filled


def by_beat(given: Iterable[tuple[float, int, int, int]], beats: int) -> Integer[np.ndarray, "beats 3"]:
    """The chords that a source names, such as Score.chords, beat by beat: those that sound in the middle of each.

    Args:
        given: rows (quarter, root, bass, mask), ascending, each in force until the next.
        beats: length of the music.

    Returns:
        Rows int16 [beats, 3].
    """
    rows = [(-np.inf, 0, 0, 0), *given]
    middle = np.arange(beats) + 0.5
    at = np.searchsorted([row[0] for row in rows], middle + _LATE, side="right") - 1
    return fill(np.array([row[1:] for row in rows], np.int16)[at])


# How well a beat fits a chord, for each part of its sounding time. Tuned by random search on 40 songs of POP909; on 59
# others 94 % of the roots and 83 % of the masks agree with chord_midi.txt (tests/codecs/test_chords.py measures it).
_FOREIGN = 0.7  # the share of foreign tones counts against a chord
_MISSING = 0.35  # so does every tone of the chord that is absent,
_ENOUGH = 0.25  # where this share of the beat is full presence
_BASS_IS_ROOT = 0.3
_BASS_BELONGS = 0.3
_CHANGE = 0.5  # what a change of chord must gain over the beats that follow
_COMMON = {"maj": 0.1, "min": 0.1, "7": 0.1, "maj7": 0.05, "min7": 0.05, "sus2": 0.0, "sus4": 0.0}
_RARE = -0.15  # every other quality
_SILENCE = 4  # beats without a note after which no chord sounds any more


def estimate(notes: Integer[np.ndarray, "n 3"], beats: int) -> Integer[np.ndarray, "beats 3"]:
    """Chords from notes: one row for each beat, for music without chord labels.

    Chord templates are matched with the pitch classes of a beat, weighted by how long they sound, and with its lowest
    note; the best path over the beats (Viterbi) pays for every change. In a silence the chord before it goes on for 4
    beats. The bass may be foreign to the chord.

    Args:
        notes: int32 [n, 3] on the grid of 16ths: onset step, duration in steps, pitch.
        beats: length of the music; later notes are left out.

    Returns:
        Rows int16 [beats, 3].
    """
    share, lowest = _sounding(np.asarray(notes).reshape(-1, 3), beats)
    sounding = lowest >= 0
    missing = 1 - np.minimum(share / _ENOUGH, 1)
    bass = np.eye(12)[lowest % 12]  # [beats, 12]
    fit = np.concatenate([share, missing, bass], axis=1) @ _WEIGHTS + _PRIOR  # [beats, S]
    state = _best_path(fit * sounding[:, None], _CHANGE)

    last = np.maximum.accumulate(np.where(sounding, np.arange(beats), -_SILENCE))  # beat that sounds
    holds = np.arange(beats) - last < _SILENCE
    mask = holds * (_TONES[state] @ (1 << np.arange(12)))
    low = np.maximum(lowest[np.maximum(last, 0)], 0) % 12
    return fill(np.stack([_ROOT[state], low, mask], axis=1).astype(np.int16))


def _sounding(notes: np.ndarray, beats: int) -> tuple[np.ndarray, np.ndarray]:
    """Each beat's shares of the pitch classes [beats, 12], its lowest pitch [beats] or -1."""
    steps = 4 * beats
    changes = np.zeros((steps + 1, 128), np.int32)
    onset, end = np.minimum(notes[:, 0], steps), np.minimum(notes[:, 0] + notes[:, 1], steps)
    np.add.at(changes, (onset, notes[:, 2]), 1)
    np.add.at(changes, (end, notes[:, 2]), -1)
    roll = (np.cumsum(changes, axis=0)[:steps] > 0).reshape(beats, 4, 128)
    pitches = roll.sum(axis=1)  # [beats, 128] steps that a pitch sounds
    lowest = np.where(pitches.any(axis=1), np.argmax(pitches > 0, axis=1), -1)
    classes = np.pad(pitches, [(0, 0), (0, 4)]).reshape(beats, 11, 12).sum(axis=1)
    return classes / np.maximum(classes.sum(axis=1, keepdims=True), 1), lowest


def _best_path(fit: np.ndarray, change: float) -> np.ndarray:
    """The states [T] with the greatest sum of fit [T, S], less `change` for every other state."""
    states = np.arange(fit.shape[1])
    came_from = np.zeros(fit.shape, np.int64)
    total = np.zeros(fit.shape[1])
    for step, gain in enumerate(fit):
        best = np.argmax(total)
        stays = total > total[best] - change  # of two equal paths the one that changes later
        came_from[step] = np.where(stays, states, best)
        total = np.where(stays, total, total[best] - change) + gain
    path = np.zeros(len(fit), np.int64)
    state = np.argmax(total)
    for step in range(len(fit) - 1, -1, -1):
        path[step] = state
        state = came_from[step, state]
    return path


def _mask(root: int, intervals: Sequence[int]) -> int:
    return sum(1 << (root + interval) % 12 for interval in intervals)


# The candidates of `estimate`: every quality on every root.
_ROOT = np.tile(np.arange(12), len(QUALITIES))  # [S]
_TONES = np.array(
    [
        [(_mask(root, intervals) >> tone) & 1 for tone in range(12)]
        for _, intervals in QUALITIES.values()
        for root in range(12)
    ]
)  # [S, 12]
_WEIGHTS = np.concatenate(
    [
        _TONES - _FOREIGN * (1 - _TONES),
        -_MISSING * _TONES,
        _BASS_BELONGS * _TONES + _BASS_IS_ROOT * np.eye(12)[_ROOT],
    ],
    axis=1,
).T  # [36, S]
_PRIOR = np.repeat([_COMMON.get(quality, _RARE) for quality in QUALITIES], 12)  # [S]
