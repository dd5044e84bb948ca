"""How well genres can be read from codes: two of them by a line (MusAE's figure 5), all of them by a linear probe."""

import itertools

import numpy as np

from musicfusion.systems.musae.examples import Examples

Plane = tuple[str, np.ndarray, np.ndarray]  # title, points [n, 2], which of two genres: 1 or -1 [n]
RIDGE = 10.0  # of the probe


def halves(family: np.ndarray, seed: int) -> np.ndarray:
    """Which examples are to be learned from: half of the families (charts, songs), at random. int [n] -> bool [n]."""
    own, member = np.unique(family, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(own)) < len(own) / 2)[member.reshape(-1)]


def probe(x: np.ndarray, genre: np.ndarray, half: np.ndarray) -> float | None:
    """The share of examples whose genre a linear probe finds: ridge regression on one-hot genres.

    It learns from one half and is tried on the other, which has none of its songs. x: [n, size]; genre: int [n];
    half: bool [n]. None where a half is empty.
    """
    if not half.any() or half.all():
        return None
    x = (x - x[half].mean(0)) / np.maximum(x[half].std(0), 1e-6)
    x = np.concatenate([x, np.ones((len(x), 1))], 1)
    learned = x[half]
    weights = np.linalg.solve(learned.T @ learned + RIDGE * np.eye(x.shape[1]), learned.T @ np.eye(genre.max() + 1)[
        genre[half]])
    return float(np.mean(np.argmax(x[~half] @ weights, 1) == genre[~half]))


def separability(examples: Examples, z: np.ndarray, genres: tuple[str, ...], seed: int) -> dict:
    """How well a line separates the codes of two genres, in the plane of two principal components and in all of z.

    The line is found by least squares on one half of the songs or charts, and tried on the other. genres: in the
    corpus's order.

    Returns:
        {"in_plane", "in_space", "genre_pairs", "planes"} as in genre_evaluation.GenreFindings. planes: of the pairs
        that are separated worst, middling and best, by PCA and, where scikit-learn is installed, by t-SNE.
    """
    found, everyone = [], halves(examples.family, seed)
    for a, b in itertools.combinations(range(len(genres)), 2):
        index = np.flatnonzero((examples.genre == a) | (examples.genre == b))
        sign = np.where(examples.genre[index] == a, 1.0, -1.0)
        half = everyone[index]
        if min(np.sum(half & (sign > 0)), np.sum(half & (sign < 0)),
               np.sum(~half & (sign > 0)), np.sum(~half & (sign < 0))) < 3:
            continue
        shares = (line_accuracy(principal(z[index]), sign, half), line_accuracy(z[index], sign, half))
        found.append((*shares, f"{genres[a]} and {genres[b]}", index, sign))
    if not found:
        return {}
    found.sort(key=lambda pair: pair[0])
    planes: list[Plane] = []
    for share, _, title, index, sign in (found[k] for k in sorted({0, len(found) // 2, len(found) - 1})):
        planes.append((f"{title}, PCA: {share:.0%}", principal(z[index]), sign))
        if (points := embedded(z[index], seed)) is not None:
            planes.append((f"{title}, t-SNE", points, sign))
    return {"in_plane": float(np.mean([pair[0] for pair in found])),
            "in_space": float(np.mean([pair[1] for pair in found])),
            "genre_pairs": len(found), "planes": tuple(planes)}


def embedded(x: np.ndarray, seed: int) -> np.ndarray | None:
    """t-SNE: [n, size] -> [n, 2]; None where scikit-learn is not installed."""
    try:
        from sklearn.manifold import TSNE
    except ModuleNotFoundError:
        return None
    return TSNE(perplexity=min(30.0, (len(x) - 1) / 3), random_state=seed).fit_transform(x)


def principal(x: np.ndarray) -> np.ndarray:
    """The first two principal components: [n, size] -> [n, 2]."""
    centred = x - x.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    return centred @ axes[:2].T


def line_accuracy(x: np.ndarray, sign: np.ndarray, half: np.ndarray) -> float:
    """Balanced accuracy, on the other half, of the line that least squares (ridge) finds in one half.

    x: [n, size]; sign: of which kind each is, 1 or -1 [n]; half: bool [n].
    """
    x = (x - x[half].mean(0)) / np.maximum(x[half].std(0), 1e-6)
    x = np.concatenate([x, np.ones((len(x), 1))], 1)
    weight = np.where(sign > 0, 1 / np.sum(half & (sign > 0)), 1 / np.sum(half & (sign < 0)))[half, None]
    ridge = 1e-2 * np.eye(x.shape[1])
    line = np.linalg.solve(x[half].T @ (weight * x[half]) + ridge, x[half].T @ (weight[:, 0] * sign[half]))
    right = np.sign(x[~half] @ line) == sign[~half]
    return float(np.mean([np.mean(right[sign[~half] > 0]), np.mean(right[sign[~half] < 0])]))
