"""Annotators' grades of clips, and a regression that predicts them (Arrangement, sections 4.4 and 4.5).

Grades are {annotator: {clip: grades from 1 to 10 [questions]}}. A clip is good if its mean grade is above 5; a
logistic regression predicts that from features of its mel-spectrogram.
"""

from collections.abc import Mapping, Sequence

import numpy as np

GOOD = 5.0
HIGHEST = 10  # grade


def agreement(grades: Mapping[str, Mapping[str, np.ndarray]]) -> tuple[list[str], np.ndarray]:
    """Annotators, and Pearson's correlation of each two's mean grades over the clips that both graded: [n, n].

    NaN where they share fewer than two clips, or one gave all of them the same grade.
    """
    names = sorted(grades)
    found = np.full((len(names), len(names)), np.nan)
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            shared = sorted(grades[one].keys() & grades[other].keys())
            pair = [[grades[name][clip].mean() for clip in shared] for name in (one, other)]
            if len(shared) > 1 and np.std(pair[0]) > 0 and np.std(pair[1]) > 0:
                found[i, j] = np.corrcoef(pair[0], pair[1])[0, 1]
    return names, found


def means(grades: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, float]:
    """For each clip the mean over all annotators and questions."""
    of: dict[str, list[float]] = {}
    for clips in grades.values():
        for clip, values in clips.items():
            of.setdefault(clip, []).append(float(values.mean()))
    return {clip: float(np.mean(values)) for clip, values in of.items()}


def good(grades: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, bool]:
    """For each clip, whether its mean over all annotators and questions is above GOOD."""
    return {clip: mean > GOOD for clip, mean in means(grades).items()}


def distribution(grades: Mapping[str, Mapping[str, np.ndarray]]) -> np.ndarray:
    """How many clips have each rounded mean grade from 1 to HIGHEST: int [HIGHEST] (figure 3)."""
    rounded = [int(np.floor(mean + 0.5)) for mean in means(grades).values()]
    return np.bincount(np.array(rounded, int), minlength=HIGHEST + 1)[1:]


class Logistic:
    """Logistic regression of labels on standardised features, with an L2 penalty, by Newton's method."""

    def __init__(self, features: np.ndarray, labels: Sequence[bool] | np.ndarray, penalty: float = 1.0):
        """features [n, d], labels [n], both kinds among them."""
        features, y = np.asarray(features, np.float64), np.asarray(labels, np.float64)
        self._mean, self._spread = features.mean(0), np.maximum(features.std(0), 1e-9)
        x = self._seen(features)
        self.weights = np.zeros(x.shape[1])
        ridge = penalty * np.eye(x.shape[1])
        ridge[0, 0] = 1e-6  # the constant is free
        for _ in range(50):
            p = 1 / (1 + np.exp(-np.clip(x @ self.weights, -30, 30)))
            slope = x.T @ (y - p) - ridge @ self.weights
            move = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + ridge, slope)
            self.weights += move
            if np.max(np.abs(move)) < 1e-8:
                break

    def _seen(self, features: np.ndarray) -> np.ndarray:
        standard = (np.asarray(features, np.float64) - self._mean) / self._spread
        return np.concatenate([np.ones((len(standard), 1)), standard], 1)

    def probability(self, features: np.ndarray) -> np.ndarray:
        """The probability that each of features [n, d] is good: [n]."""
        return 1 / (1 + np.exp(-np.clip(self._seen(features) @ self.weights, -30, 30)))


def predicted(features: np.ndarray, labels: Sequence[bool] | np.ndarray, songs: Sequence[str], folds: int = 5,
              seed: int = 0) -> float:
    """The accuracy of the regression on clips of songs that it was not fitted to, by cross-validation.

    features: [n, d], labels: [n], songs: of each clip; no song is in two folds. NaN where there is one song, or the
    rest of a fold has one label only, so that nothing can be fitted.
    """
    truth = np.asarray(labels, bool)
    names, song = np.unique(np.asarray(songs), return_inverse=True)
    if len(names) < 2:
        return float("nan")
    right = []
    for part in np.array_split(np.random.default_rng(seed).permutation(len(names)), min(folds, len(names))):
        held_out = np.isin(song, part)
        if len(np.unique(truth[~held_out])) < 2:
            return float("nan")
        fitted = Logistic(features[~held_out], truth[~held_out])
        right.append((fitted.probability(features[held_out]) > 0.5) == truth[held_out])
    return float(np.mean(np.concatenate(right)))
