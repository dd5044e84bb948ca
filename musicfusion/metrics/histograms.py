"""Histograms of the notes of melodies, and distances between them (FusionGAN, section IV).

Melodies are tokens int [N, T] (codecs.melody); counts are float64 [bins].
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Integer, Real

from musicfusion.codecs import melody
from musicfusion.core.arrays import AnyArray

LONGEST = 16  # steps: longer notes are counted as this long
KINDS = {"durations": LONGEST, "pitch classes": 12, "intervals": 25, "bigrams": 144}


def counts(tokens: Integer[AnyArray, "N T"]) -> dict[str, Float[np.ndarray, " bins_"]]:
    """The histograms of KINDS over the notes of all melodies: {kind: counts}.

    Durations are in steps, pitch classes from C up, intervals from an octave down to one up (larger ones are counted as
    an octave), and bigrams pairs of pitch classes that follow each other.
    """
    found = {kind: np.zeros(bins) for kind, bins in KINDS.items()}
    for row in np.asarray(tokens):
        notes = melody.notes_from_tokens(row)
        classes, steps = notes[:, 2] % 12, np.clip(np.diff(notes[:, 2]), -12, 12) + 12
        found["durations"] += np.bincount(np.minimum(notes[:, 1], LONGEST) - 1, minlength=LONGEST)
        found["pitch classes"] += np.bincount(classes, minlength=12)
        found["intervals"] += np.bincount(steps, minlength=25)
        found["bigrams"] += np.bincount(classes[:-1] * 12 + classes[1:], minlength=144)
    return found


def shares(counts: Real[np.ndarray, " bins"]) -> Float[np.ndarray, " bins"]:
    """Counts as shares of their sum."""
    return counts / max(counts.sum(), 1e-12)


def euclidean(one: Float[np.ndarray, " bins"], other: Float[np.ndarray, " bins"]) -> float:
    """EUD, the Euclidean distance: [bins] x 2."""
    return float(np.sqrt(np.sum((one - other) ** 2)))


def earth_mover(one: Float[np.ndarray, " bins"], other: Float[np.ndarray, " bins"]) -> float:
    """EM, the Wasserstein-1 distance along the bins: [bins] x 2. Counts may have different sums; the rest stays."""
    return float(np.sum(np.abs(np.cumsum(one - other))))


def between(
    one: Float[np.ndarray, " bins"], other: Float[np.ndarray, " bins"], generated: Float[np.ndarray, " bins"],
    distance: Callable[[np.ndarray, np.ndarray], float],
) -> tuple[float, float]:
    """Diff and Ratio of histograms A, B and G: d(A, G) + d(B, G) - d(A, B) and (d(A, G) + d(B, G)) / d(A, B).

    They are 0 and 1 if G lies between A and B; the ratio is NaN if A and B are equal.
    """
    both, apart = distance(one, generated) + distance(other, generated), distance(one, other)
    return both - apart, both / apart if apart > 0 else float("nan")
