"""How far a mean over segments may be off, given that segments of one song are alike."""

import numpy as np


def interval(
    values: np.ndarray, groups: np.ndarray, seed: int = 0, draws: int = 1000, level: float = 0.95
) -> tuple[float, float, float]:
    """The mean of all values, and the interval that it falls into in `level` of the draws: (mean, low, high).

    A draw takes as many groups (songs) as there are, with replacement, each with all its values: a percentile interval
    of the cluster bootstrap. NaN values are left out, and with them a group that has no other; without any value all
    three are NaN. The same seed gives the same interval.

    Args:
        values: [n], one number a segment.
        groups: int [n], the song of each segment.
    """
    values, groups = np.asarray(values, np.float64), np.asarray(groups)
    known = ~np.isnan(values)
    if not known.any():
        return np.nan, np.nan, np.nan
    _, member = np.unique(groups[known], return_inverse=True)
    sums, counts = np.bincount(member, values[known]), np.bincount(member)
    size = len(counts)
    times = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), draws)  # [draws, groups]
    means = (times @ sums) / (times @ counts)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(np.sum(sums) / np.sum(counts)), float(low), float(high)
