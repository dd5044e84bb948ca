"""Which key notes are in, by Krumhansl and Kessler's profiles (1982): how well each scale degree fits a key."""

import numpy as np
from jaxtyping import Integer, Num

from musicfusion.core.arrays import AnyArray, ArrayModule

_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
# 0..11 major, from C up, 12..23 minor; each of mean 0 and variance 1
PROFILES = np.array([np.roll((p - p.mean()) / p.std(), key) for p in (_MAJOR, _MINOR) for key in range(12)])


def best(classes: Num[AnyArray, "*B 12"], xp: ArrayModule = np) -> Integer[AnyArray, "*B"]:
    """How long each pitch class sounds, [..., 12] -> the key that fits best, 0..11 major, 12..23 minor: int [...]."""
    return xp.argmax((classes - xp.mean(classes, -1, keepdims=True)) @ PROFILES.T, -1)


def scale(classes: Num[AnyArray, "*B 12"], xp: ArrayModule = np) -> Integer[AnyArray, "*B"]:
    """The tonic of the major scale whose notes the best key has, a minor key's relative: [..., 12] -> 0..11 [...]."""
    key = best(classes, xp)
    return xp.where(key < 12, key, (key + 3) % 12)
