"""How often notes last how long and are of which class, and how far two such counts lie apart (paper 003, section IV).

Melodies are tokens int [N, T] (codecs.melody); counts are float64 [bins].
"""

import numpy as np

from musicfusion.codecs import melody

LONGEST = 16  # steps: what lasts longer counts as that
KINDS = {"durations": LONGEST, "pitch classes": 12, "intervals": 25, "bigrams": 144}


def counts(tokens: np.ndarray) -> dict[str, np.ndarray]:
    """The notes of melodies, counted: durations in steps, pitch classes from C up, intervals from an octave down to one
    up (larger ones count as that), pairs of pitch classes that follow each other."""
    found = {kind: np.zeros(bins) for kind, bins in KINDS.items()}
    for row in np.asarray(tokens):
        notes = melody.notes_from_tokens(row)
        classes, steps = notes[:, 2] % 12, np.clip(np.diff(notes[:, 2]), -12, 12) + 12
        found["durations"] += np.bincount(np.minimum(notes[:, 1], LONGEST) - 1, minlength=LONGEST)
        found["pitch classes"] += np.bincount(classes, minlength=12)
        found["intervals"] += np.bincount(steps, minlength=25)
        found["bigrams"] += np.bincount(classes[:-1] * 12 + classes[1:], minlength=144)
    return found


def shares(counts: np.ndarray) -> np.ndarray:
    """Counts as shares of their sum."""
    return counts / max(counts.sum(), 1e-12)


def euclidean(one: np.ndarray, other: np.ndarray) -> float:
    """EUD: [bins] x 2."""
    return float(np.sqrt(np.sum((one - other) ** 2)))


def earth_mover(one: np.ndarray, other: np.ndarray) -> float:
    """EM: the Wasserstein-1 distance along the bins. Of counts the sums may differ: what is too much is not moved."""
    return float(np.sum(np.abs(np.cumsum(one - other))))


def between(one: np.ndarray, other: np.ndarray, made: np.ndarray, distance) -> tuple[float, float]:
    """Diff and Ratio of what was made out of two: d(A, G) + d(B, G) against d(A, B); 0 and 1 if it lies between."""
    both, apart = distance(one, made) + distance(other, made), distance(one, other)
    return both - apart, both / apart if apart > 0 else float("nan")
