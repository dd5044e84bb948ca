"""A piece of any length as overlapping windows, and back."""

import numpy as np

from musicfusion.codecs import polyphony


def starts(steps: int, window: int, hop: int) -> np.ndarray:
    """Where windows begin so that they cover 0..steps: every `hop` steps, the last at the end. int32 [n >= 1]."""
    last = max(steps - window, 0)
    return np.unique(np.append(np.arange(0, last, hop), last)).astype(np.int32)


def join(pieces: list[np.ndarray], begins: np.ndarray, steps: int) -> np.ndarray:
    """Notes of each window -> notes of the piece, int32 [n, 3].

    A window answers for the onsets from its own begin to the next one's, and its notes keep their whole length: with a
    hop shorter than the window a note runs on across the border into the next window. At the end of the piece all
    notes end.
    """
    ends = np.append(begins[1:], steps)
    kept = [np.zeros((0, 3), np.int32)]
    for notes, begin, end in zip(pieces, begins, ends, strict=True):
        mine = notes[notes[:, 0] < end - begin]
        kept.append(mine + np.array([begin, 0, 0], np.int32))
    notes = polyphony.canonical(np.concatenate(kept), steps)
    notes[:, 1] = np.minimum(notes[:, 1], steps - notes[:, 0])
    return notes
