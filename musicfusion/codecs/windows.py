"""A piece of any length as overlapping windows, and back."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer

from musicfusion.codecs import polyphony


def starts(steps: int, window: int, hop: int) -> Integer[np.ndarray, " n"]:
    """Where windows of `window` steps begin that cover 0..steps: every `hop` steps, the last so that it ends there.

    int32 [n], n at least 1.
    """
    last = max(steps - window, 0)
    return np.unique(np.append(np.arange(0, last, hop), last)).astype(np.int32)


def join(
    pieces: Sequence[Integer[np.ndarray, "_ 3"]], begins: Integer[np.ndarray, " windows"], steps: int
) -> Integer[np.ndarray, "n 3"]:
    """Notes of each window -> notes of the piece, int32 [n, 3].

    Of each window those notes count that begin before the next window does, and they keep their whole length: with a
    hop shorter than the window a note runs on into the next window. All notes end at the end of the piece.
    """
    ends = np.append(begins[1:], steps)
    kept = [np.zeros((0, 3), np.int32)]
    for notes, begin, end in zip(pieces, begins, ends, strict=True):
        mine = notes[notes[:, 0] < end - begin]
        kept.append(mine + np.array([begin, 0, 0], np.int32))
    notes = polyphony.canonical(np.concatenate(kept), steps)
    notes[:, 1] = np.minimum(notes[:, 1], steps - notes[:, 0])
    return notes
