"""The PianoTree grid: a tree of steps, the notes of a step, and the bits of a note's duration.

int32 [T, 16, 6]: 16 tokens a step, each a pitch and five bits. Token 0 is SOS, then the step's notes in ascending
pitch, then EOS, then PAD; the bits are duration - 1 in binary, highest first (1 to 32 steps), and 2 where the token is
not a note. Slots are those of codecs.polyphony; functions take `xp` (numpy or jax.numpy) and any leading batch axes.
Source: PianoTree-VAE (Wang et al., ISMIR 2020) and its public code.
"""

import numpy as np
from jaxtyping import Integer

from musicfusion.codecs import polyphony
from musicfusion.core.arrays import AnyArray, ArrayModule

SOS, EOS, PAD = 128, 129, 130
TOKENS = polyphony.SLOTS + 2  # a step's: SOS, up to 14 notes, EOS
BITS = 5
LONGEST = 1 << BITS
NO_BIT = 2  # stands in the bits of SOS, EOS and PAD

_WEIGHTS = 1 << np.arange(BITS - 1, -1, -1)


def grid_from_slots(
    pitch: Integer[AnyArray, "*B T 14"], duration: Integer[AnyArray, "*B T 14"], xp: ArrayModule = np
) -> Integer[AnyArray, "*B T 16 6"]:
    """Slots [..., T, 14] x 2, the filled ones first -> grid int32 [..., T, 16, 6].

    Notes are cut at the end of the segment and at 32 steps.
    """
    filled = duration > 0
    pitch = xp.where(filled, pitch, PAD)
    end = xp.full_like(pitch[..., :1], PAD)
    pitch = xp.concatenate([xp.full_like(end, SOS), pitch, end], axis=-1).astype(np.int32)
    count = xp.sum(filled, axis=-1)[..., None]
    pitch = xp.where(xp.arange(TOKENS) == count + 1, EOS, pitch)
    length = xp.minimum(polyphony.cut(duration.astype(np.int32), xp), LONGEST)
    length = xp.concatenate([xp.ones_like(end), length, xp.ones_like(end)], axis=-1)
    bits = ((length[..., None].astype(np.int32) - 1) & _WEIGHTS) > 0
    bits = xp.where(pitch[..., None] < SOS, bits, NO_BIT)
    return xp.concatenate([pitch[..., None], bits], axis=-1).astype(np.int32)


def slots_from_grid(
    grid: Integer[AnyArray, "*B T 16 6"], xp: ArrayModule = np
) -> tuple[Integer[AnyArray, "*B T 14"], Integer[AnyArray, "*B T 14"]]:
    """Grid [..., T, 16, 6] -> slots (pitch, duration) int32 [..., T, 14] each.

    Any grid of integers is read. The first token after SOS that is not a note ends its step; where there is none, all
    14 count. Notes come out in ascending pitch, cut at the end of the segment; of two with one pitch the longest stays.
    """
    pitch = grid[..., 1:-1, 0]
    note = xp.cumsum((pitch < 0) | (pitch >= SOS), axis=-1) == 0
    duration = 1 + xp.sum((grid[..., 1:-1, 1:] == 1) * _WEIGHTS, axis=-1)
    duration = polyphony.cut(duration, xp)
    # one integer to sort by: ascending pitch, then descending duration; empty slots last
    empty = SOS * LONGEST
    key = xp.sort(xp.where(note, pitch * LONGEST + LONGEST - duration, empty), axis=-1)
    again = (key[..., 1:] // LONGEST) == (key[..., :-1] // LONGEST)
    again = xp.concatenate([xp.zeros_like(again[..., :1]), again], axis=-1)
    key = xp.sort(xp.where(again, empty, key), axis=-1)
    note = key < empty
    pitch = xp.where(note, key // LONGEST, 0)
    duration = xp.where(note, LONGEST - key % LONGEST, 0)
    return pitch.astype(np.int32), duration.astype(np.int32)


def lengths(grid: Integer[AnyArray, "*B 16 6"], xp: ArrayModule = np) -> Integer[AnyArray, "*B"]:
    """Grid [..., 16, 6] -> the number of tokens of each step, SOS and EOS included: int32 [...]; 16 without an EOS."""
    pitch = grid[..., 1:, 0]
    notes = xp.sum(xp.cumsum((pitch < 0) | (pitch >= SOS), axis=-1) == 0, axis=-1)
    return xp.minimum(notes + 2, TOKENS).astype(np.int32)


def grid_from_notes(notes: Integer[np.ndarray, "n 3"], steps: int) -> Integer[np.ndarray, "T 16 6"]:
    """Notes int32 [n, 3] -> grid int32 [steps, 16, 6]."""
    return grid_from_slots(*polyphony.slots_from_notes(notes, steps))


def notes_from_grid(grid: Integer[AnyArray, "T 16 6"]) -> Integer[np.ndarray, "n 3"]:
    """Grid [T, 16, 6] -> notes int32 [n, 3], sorted by onset, then pitch."""
    return polyphony.notes_from_slots(*slots_from_grid(np.asarray(grid)))
