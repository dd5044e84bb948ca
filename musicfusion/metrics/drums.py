"""Drums beside the true ones, on a grid or in time: hits that agree, by instrument and as one stream; how played."""

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from musicfusion.metrics import onsets

TOLERANCE = 1  # steps: hits agree that lie so near to each other
WINDOW = 0.05  # seconds: the same for hits in time (as at MIREX's drum transcription)
AT_ONCE = 0.03  # seconds: hits so near to each other are one onset


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


def timed_agreement(found: Real[np.ndarray, "n 3"], truth: Real[np.ndarray, "m 3"], kinds: int,
                    window: float = WINDOW) -> Int[np.ndarray, "K 3"]:
    """`agreement` of hits in time, rows (seconds, instrument 0..kinds - 1, velocity), within `window` seconds: [K, 3].
    """
    every = []
    for kind in range(kinds):
        own, true = (np.sort(rows[rows[:, 1] == kind, 0]) for rows in (found, truth))
        every.append((len(onsets.matched(own, true, window)), len(own), len(true)))
    return np.array(every)


def velocity_errors(found: Real[np.ndarray, "n 3"], truth: Real[np.ndarray, "m 3"], kinds: int,
                    window: float = WINDOW) -> Float[np.ndarray, " k"]:
    """How far the velocities of hits in time are from those of the true hits that they agree with: [k], unsorted."""
    every = [np.zeros(0)]
    for kind in range(kinds):
        own, true = (rows[rows[:, 1] == kind] for rows in (found, truth))
        own, true = own[np.argsort(own[:, 0])], true[np.argsort(true[:, 0])]
        pairs = onsets.matched(own[:, 0], true[:, 0], window)
        every.append(np.abs(own[pairs[:, 0], 2] - true[pairs[:, 1], 2]))
    return np.concatenate(every)


def stream_agreement(found: Real[np.ndarray, " n"], truth: Real[np.ndarray, " m"],
                     window: float = WINDOW) -> Int[np.ndarray, "3"]:
    """`agreement` of times in seconds, whatever is hit: int [3]. Of hits at once (AT_ONCE) one counts."""
    own, true = at_once(found), at_once(truth)
    return np.array((len(onsets.matched(own, true, window)), len(own), len(true)))


def at_once(times: Real[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """Times in seconds, ascending; of those less than AT_ONCE after one that is kept, none."""
    kept: list[float] = []
    for time in np.sort(times):
        if not kept or time - kept[-1] >= AT_ONCE:
            kept.append(float(time))
    return np.array(kept)


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
