"""Confidence intervals of means over segments, given that segments of one song are alike."""

import numpy as np
from jaxtyping import Shaped

from musicfusion.core.arrays import AnyArray


def interval(
    values: Shaped[AnyArray, " n"], groups: Shaped[AnyArray, " n"], seed: int = 0, draws: int = 1000,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """The mean of all values and its confidence interval, a percentile interval of the cluster bootstrap.

    A draw takes as many groups (songs) as there are, with replacement, each with all its values. NaN values are left
    out, and with them groups that have no others. The same seed gives the same interval.

    Args:
        values: [n], one number for each segment.
        groups: [n], the song of each segment.
        seed: of the draws.
        draws: how many.
        level: of the interval.

    Returns:
        (mean, low, high), all NaN without any value.
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
