"""Polyphonic music on the grid of 16ths: slots, the duration matrix, and piano rolls (CollageNet, section 3.4).

Slots keep the notes that start on a step: pitch uint8 [T, 14] ascending, duration uint8 [T, 14] in steps, 0 = empty.
Everything that a model reads is made from slots inside the compiled step, so functions of slots take `xp`
(numpy or jax.numpy) and any leading batch axes. Notes are int32 [n, 3]: onset step, duration, pitch.
"""

import numpy as np
from jaxtyping import Float, Integer, Num

from musicfusion.codecs.melody import fold
from musicfusion.core.arrays import AnyArray, ArrayModule

SLOTS = 14
PITCHES = 128
LONGEST = 255


def slots_from_notes(
    notes: Integer[np.ndarray, "n 3"], steps: int
) -> tuple[Integer[np.ndarray, "T 14"], Integer[np.ndarray, "T 14"]]:
    """Notes, made `canonical` -> (pitch uint8 [steps, 14], duration uint8 [steps, 14]).

    Of more than 14 onsets in one step the 7 lowest and the 7 highest stay, as they carry bass and top line.
    """
    pitch = np.zeros((steps, SLOTS), np.uint8)
    duration = np.zeros((steps, SLOTS), np.uint8)
    kept = canonical(notes, steps)
    starts = np.searchsorted(kept[:, 0], np.arange(steps + 1))
    for step in range(steps):
        here = kept[starts[step] : starts[step + 1]]
        if len(here) > SLOTS:
            here = np.concatenate([here[: SLOTS // 2], here[-(SLOTS - SLOTS // 2) :]])
        pitch[step, : len(here)] = here[:, 2]
        duration[step, : len(here)] = np.minimum(here[:, 1], LONGEST)
    return pitch, duration


def canonical(notes: Integer[np.ndarray, "n 3"], steps: int) -> Integer[np.ndarray, "m 3"]:
    """Notes that begin inside 0..steps, sorted by onset, then pitch: int32 [m, 3].

    A note is cut where the same pitch is struck again; of notes with one pitch and one onset the longest stays.
    """
    notes = np.asarray(notes, np.int64).reshape(-1, 3)
    notes = notes[(notes[:, 0] >= 0) & (notes[:, 0] < steps) & (notes[:, 1] > 0)]
    order = np.lexsort((-notes[:, 1], notes[:, 0], notes[:, 2]))  # by pitch, onset, longest first
    notes = notes[order]
    same = np.zeros(len(notes), bool)
    same[1:] = (notes[1:, 2] == notes[:-1, 2]) & (notes[1:, 0] == notes[:-1, 0])
    notes = notes[~same]
    again = notes[1:, 2] == notes[:-1, 2]
    room = notes[1:, 0] - notes[:-1, 0]
    notes[:-1, 1] = np.where(again, np.minimum(notes[:-1, 1], room), notes[:-1, 1])
    return notes[np.lexsort((notes[:, 2], notes[:, 0]))].astype(np.int32)


def notes_from_slots(
    pitch: Integer[AnyArray, "T 14"], duration: Integer[AnyArray, "T 14"]
) -> Integer[np.ndarray, "n 3"]:
    """Slots [T, 14] x 2 -> notes int32 [n, 3], sorted by onset, then pitch."""
    pitch, duration = np.asarray(pitch), np.asarray(duration)
    step, slot = np.nonzero(duration)
    notes = np.stack([step, duration[step, slot], pitch[step, slot]], 1).astype(np.int32)
    return notes[np.lexsort((notes[:, 2], notes[:, 0]))]


def cut(duration: Integer[AnyArray, "*B T n"], xp: ArrayModule = np) -> Integer[AnyArray, "*B T n"]:
    """Durations [..., T, n], those of notes that reach beyond the end of the segment cut there."""
    steps = duration.shape[-2]
    left = xp.arange(steps, 0, -1)[:, None]
    return xp.minimum(duration, left)


def transpose(
    pitch: Integer[AnyArray, "*B n"], duration: Integer[AnyArray, "*B n"], shift: Integer[AnyArray, "..."] | int
) -> Integer[AnyArray, "..."]:
    """Pitches of slots [..., n] moved by `shift` semitones (which broadcasts), folded by octaves into 0..127: int32."""
    return (duration > 0) * fold(pitch.astype(np.int32) + shift)


def duration_matrix(
    pitch: Integer[AnyArray, "*B T 14"], duration: Integer[AnyArray, "*B T 14"], xp: ArrayModule = np
) -> Float[AnyArray, "*B T 128"]:
    """Slots [..., T, 14] x 2 -> duration matrix float32 [..., T, 128]: a note's length at its onset, else 0.

    Of notes that `transpose` has folded onto one pitch the longest stays.
    """
    cells = pitch[..., None] == xp.arange(PITCHES)
    return xp.max(cells * duration[..., None], axis=-2).astype(np.float32)


def slots_from_matrix(
    matrix: Num[AnyArray, "*B T 128"], xp: ArrayModule = np
) -> tuple[Integer[AnyArray, "*B T 14"], Integer[AnyArray, "*B T 14"]]:
    """Duration matrix [..., T, 128] -> slots (pitch, duration) int32 [..., T, 14]; of more than 14 the lowest stay."""
    present = matrix > 0
    key = xp.where(present, xp.arange(PITCHES), PITCHES)
    pitch = xp.sort(key, axis=-1)[..., :SLOTS]
    used = pitch < PITCHES
    pitch = xp.where(used, pitch, 0)
    duration = xp.take_along_axis(xp.asarray(matrix), pitch, axis=-1)
    return pitch.astype(np.int32), xp.where(used, duration, 0).astype(np.int32)


def rolls(
    pitch: Integer[AnyArray, "*B T 14"], duration: Integer[AnyArray, "*B T 14"], xp: ArrayModule = np
) -> tuple[Float[AnyArray, "*B T 128"], Float[AnyArray, "*B T 128"]]:
    """Slots [..., T, 14] x 2 -> piano rolls (onsets, sounding) float32 [..., T, 128], ones and zeros.

    A note sounds from its onset to its end.
    """
    matrix = duration_matrix(pitch, duration, xp)
    steps = matrix.shape[-2]
    step = xp.arange(steps)[:, None]
    ends = xp.where(matrix > 0, step + matrix, 0)
    reach = xp.maximum.accumulate(ends, axis=-2)
    return (matrix > 0).astype(np.float32), (reach > step).astype(np.float32)
