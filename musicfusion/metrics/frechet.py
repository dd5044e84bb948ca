"""The Frechet distance between Gaussians that are fitted to features (Heusel et al., NeurIPS 2017)."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

RIDGE = 1e-6  # of the mean variance, added to the covariance: few points have a density, too


class Gaussian(NamedTuple):
    """A mean [d] and a covariance [d, d]."""

    mean: Float[np.ndarray, " d"]
    covariance: Float[np.ndarray, "d d"]


def fit(features: Real[np.ndarray, "n d"]) -> Gaussian:
    """The Gaussian of features [n, d], n at least 2."""
    features = np.asarray(features, np.float64)
    covariance = np.atleast_2d(np.cov(features, rowvar=False))
    ridge = RIDGE * max(float(np.trace(covariance)) / len(covariance), 1e-12)
    return Gaussian(features.mean(0), covariance + ridge * np.eye(len(covariance)))


def distance(one: Gaussian, other: Gaussian) -> float:
    """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)), at least 0."""
    root = _root(one.covariance)
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other.covariance @ root), 0)).sum()
    means = float(np.sum((one.mean - other.mean) ** 2))
    return max(means + float(np.trace(one.covariance) + np.trace(other.covariance)) - 2 * float(cross), 0.0)


def log_density(features: Real[np.ndarray, "n d"], of: Gaussian) -> Float[np.ndarray, " n"]:
    """The log-density in nats of each of features [n, d] under a Gaussian: [n] (Arrangement, section 4.4)."""
    values, vectors = np.linalg.eigh(of.covariance)
    rotated = (np.asarray(features, np.float64) - of.mean) @ vectors
    return -0.5 * (np.sum(rotated**2 / values, 1) + np.sum(np.log(values)) + len(values) * np.log(2 * np.pi))


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
