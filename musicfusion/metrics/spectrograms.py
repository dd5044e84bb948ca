"""The correlation of two mel-spectrograms, band by band (Arrangement, section 4.4: "STOI-like features")."""

import numpy as np
from jaxtyping import Float


def as_printed(one: Float[np.ndarray, "T M"], other: Float[np.ndarray, "T M"]) -> Float[np.ndarray, " M"]:
    """S_i = sum over t of (x_i(t) - x(t)) (y_i(t) - y(t)), x(t) the mean over all bands at t: [T, M] x 2 -> [M].

    The paper prints this and calls it "a sort of Pearson correlation coefficient" of each band over time. For that, the
    mean would have to be each band's own, as in `pearson`.
    """
    x, y = (mels - mels.mean(1, keepdims=True) for mels in (one, other))
    return np.sum(x * y, 0)


def pearson(one: Float[np.ndarray, "T M"], other: Float[np.ndarray, "T M"]) -> Float[np.ndarray, " M"]:
    """Pearson's correlation over time of each band, [T, M] x 2 -> [M]; 0 where a band is constant."""
    x, y = (mels - mels.mean(0) for mels in (one, other))
    size = np.sqrt(np.sum(x**2, 0) * np.sum(y**2, 0))
    return np.divide(np.sum(x * y, 0), size, out=np.zeros(len(size)), where=size > 1e-12)
