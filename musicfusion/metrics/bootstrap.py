"""Confidence intervals of means over segments, given that segments of one song are alike."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Shaped

from musicfusion.core.arrays import AnyArray


def interval(
    values: Shaped[AnyArray, " n"], groups: Shaped[AnyArray, " n"], seed: int = 0, draws: int = 1000,
    level: float = 0.95, others: Shaped[AnyArray, " n"] | None = None,
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
        others: [n], a second song of each segment, such as its accompaniment's. Then songs are drawn, and a segment
            counts as often as the one, times as often as the other (the pigeonhole bootstrap of Owen, 2007).

    Returns:
        (mean, low, high), all NaN without any value.
    """
    values, groups = np.asarray(values, np.float64), np.asarray(groups)
    known = ~np.isnan(values)
    if not known.any():
        return np.nan, np.nan, np.nan
    if others is not None:
        return _of_two(values[known], groups[known], np.asarray(others)[known], seed, draws, level)
    _, member = np.unique(groups[known], return_inverse=True)
    sums, counts = np.bincount(member, values[known]), np.bincount(member)
    size = len(counts)
    times = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), draws)  # [draws, groups]
    means = (times @ sums) / (times @ counts)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(np.sum(sums) / np.sum(counts)), float(low), float(high)


def _of_two(values, first, second, seed: int, draws: int, level: float) -> tuple[float, float, float]:
    """`interval` where every value has two groups of one kind."""
    names, member = np.unique(np.concatenate([first, second]), return_inverse=True)
    one, two = np.split(member.reshape(-1), 2)
    size = len(names)
    times = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), draws)  # [draws, groups]
    weights = [row[one] * row[two] for row in times]
    means = [w @ values / w.sum() for w in weights if w.any()]
    low, high = np.quantile(means or [np.nan], [(1 - level) / 2, (1 + level) / 2])
    return float(np.mean(values)), float(low), float(high)


def statistic(
    counts: Shaped[AnyArray, "groups kinds"], function: Callable[[np.ndarray], np.ndarray], seed: int = 0,
    draws: int = 1000, level: float = 0.95,
) -> tuple[float, float, float]:
    """A function of counts, and its confidence interval, a percentile interval of the cluster bootstrap.

    Args:
        counts: [groups, kinds], what each group (listener) adds.
        function: counts [..., kinds] -> [...].
        seed, draws, level: as of `interval`.

    Returns:
        (value, low, high).
    """
    size = len(counts)
    times = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), draws)  # [draws, groups]
    low, high = np.quantile(function(times @ counts), [(1 - level) / 2, (1 + level) / 2])
    return float(function(np.sum(counts, 0))), float(low), float(high)
