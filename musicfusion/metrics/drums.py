"""Drums on a grid beside the true ones: hits that agree, by instrument and as one stream; how they are played."""

import numpy as np
from jaxtyping import Bool, Float, Int, Real

TOLERANCE = 1  # steps: hits agree that lie so near to each other


def agreement(found: Bool[np.ndarray, "n T K"], truth: Bool[np.ndarray, "n T K"]) -> Int[np.ndarray, "n K 3"]:
    """How many hits agree with true ones within TOLERANCE, how many were found, and how many are true.

    Each hit agrees with one other at most. found, truth: bool [n, T, K]. Returns int [n, K, 3].
    """
    count, length, kinds = truth.shape
    early = np.zeros((count, kinds), bool)  # a hit one step ago that agrees with nothing yet; late: the same, true
    late = early.copy()
    matched = np.zeros((count, kinds), int)
    for step in range(length):
        here, true = found[:, step], truth[:, step]
        with_late = late & here
        with_early = true & early
        same = true & ~early & here & ~with_late
        matched += with_late.astype(int) + with_early + same
        early = here & ~with_late & ~same
        late = true & ~with_early & ~same
    return np.stack([matched, found.sum(1), truth.sum(1)], -1)


def f1(counts: Real[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B"]:
    """The F1 of counts as of `agreement`, summed over whatever: [..., 3] -> [...]; 1 where both are empty."""
    both = counts[..., 1] + counts[..., 2]
    return np.where(both > 0, 2 * counts[..., 0] / np.maximum(both, 1), 1.0)


def one_stream(pattern: Bool[np.ndarray, "n T K"]) -> Bool[np.ndarray, "n T 1"]:
    """Whether anything is hit: bool [n, T, K] -> [n, T, 1]."""
    return np.asarray(pattern.any(-1, keepdims=True))


def synchrony(pattern: Bool[np.ndarray, "n T"], bass: Bool[np.ndarray, "n T"], shift: int) -> Float[np.ndarray, " n"]:
    """How much better hits agree with the bass's onsets than when they are shifted: F(0) - the mean of F over shifts.

    pattern, bass: bool [n, T]; shift: the least, in steps; all its multiples count. Shifts go around the window.
    Returns [n].
    """
    length = pattern.shape[1]
    scores = [f1(agreement(np.roll(pattern, k, 1)[..., None], bass[..., None])[:, 0])
              for k in range(0, length, shift)]
    return scores[0] - np.mean(scores[1:], 0)


def distance(one: Real[np.ndarray, " n"], other: Real[np.ndarray, " m"]) -> float:
    """The Wasserstein distance of two distributions, given as samples: the mean difference of their quantiles."""
    shares = (np.arange(200) + 0.5) / 200
    return float(np.mean(np.abs(np.quantile(one, shares) - np.quantile(other, shares))))
