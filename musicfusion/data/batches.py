"""Which examples a step sees: f(seed, step) without state, so that a run resumes exactly."""

from functools import lru_cache

import numpy as np


def indices(seed: int, step: int, batch: int, count: int) -> np.ndarray:
    """The examples of one step, int32 [batch] in 0..count-1.

    Every epoch is a permutation of all examples; the steps walk through the epochs' permutations
    end to end, so a batch may straddle two epochs. Raises ValueError for no examples.
    """
    return block(seed, step, 1, batch, count)[0]


def block(seed: int, first_step: int, steps: int, batch: int, count: int) -> np.ndarray:
    """The examples of `steps` steps from `first_step` on, int32 [steps, batch]."""
    if count < 1:
        raise ValueError("batches need at least one example")
    position = first_step * batch + np.arange(steps * batch, dtype=np.int64)
    epoch, offset = np.divmod(position, count)
    drawn = np.empty(len(position), np.int32)
    borders = np.flatnonzero(np.diff(epoch)) + 1
    for part in np.split(np.arange(len(position)), borders):
        if len(part):
            drawn[part] = _permutation(seed, int(epoch[part[0]]), count)[offset[part]]
    return drawn.reshape(steps, batch)


def fixed(count: int, n: int) -> np.ndarray:
    """n examples spread evenly over 0..count-1, int32 [n]; some repeat where n > count.

    Raises ValueError for no examples.
    """
    if count < 1:
        raise ValueError("batches need at least one example")
    return (np.arange(n, dtype=np.int64) * count // max(n, 1)).astype(np.int32)


@lru_cache(maxsize=2)  # a block straddles two epochs at most, unless the corpus is tiny
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch])))
    order = generator.permutation(count).astype(np.int32)
    order.setflags(write=False)
    return order
