"""How one mel picture goes with another, band by band (paper 002, section 5: "STOI-like")."""

import numpy as np


def as_printed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """S_i = sum over t of (x_i(t) - x(t)) (y_i(t) - y(t)), x(t) the mean over all bands at t: [T, M] x 2 -> [M].

    The paper prints this and calls it Pearson's correlation over time, for which the means would be each band's own.
    """
    x, y = (picture - picture.mean(1, keepdims=True) for picture in (one, other))
    return np.sum(x * y, 0)


def pearson(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What the paper's words mean: each band's correlation over time, [T, M] x 2 -> [M]; 0 where a band is still."""
    x, y = (picture - picture.mean(0) for picture in (one, other))
    size = np.sqrt(np.sum(x**2, 0) * np.sum(y**2, 0))
    return np.divide(np.sum(x * y, 0), size, out=np.zeros(len(size)), where=size > 1e-12)
