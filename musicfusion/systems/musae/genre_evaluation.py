"""What only a flower of genres has: draws from its components, genres that a line separates, changes of genre.

Figures 3 and 5 of MusAE, and beyond.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion import priors
from musicfusion.core.example_keys import numbered
from musicfusion.metrics import arrangement
from musicfusion.systems.musae.latent_space import LatentSpace, kept

DRAWS = 256  # from each component (section 4.4.1)
AMOUNTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # of a change of genre
SPREADS = (0.5, 0.7, 1.0)  # of draws from where a genre's codes lie

Classifier = Callable[[np.ndarray], np.ndarray]  # tokens int [n, T, 4] -> probabilities of genres [n, 32]
Plane = tuple[str, np.ndarray, np.ndarray]  # title, points [n, 2], which of two genres: 1 or -1 [n]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples:
    """Windows that are measured: tokens int32 [n, T, 4], genre int [n] (-1: none), component int [n], song int [n]."""

    tokens: np.ndarray
    genre: np.ndarray
    component: np.ndarray
    song: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transfer:
    """Windows moved toward another genre: shares of windows, and of notes that are kept.

    way: how they are moved; amount: how far. target, source: classified as the genre they move toward, as their own.
    rhythm, notes: F1 of onsets, and of onsets with their pitch, beside the window before.
    """

    way: str
    amount: float
    target: float
    source: float
    rhythm: float
    notes: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowerFindings:
    """What is measured of a flower; without a classifier or without genres some of it is missing.

    features: {measure: [components, tracks]} of draws from each component, relative to their mean over all components.
    rank_correlation: how far components lie apart, and how much these features differ.
    draws: share of draws from a component that are classified as its genre; from_means: {spread: the same of draws from
        where the genre's codes lie}.
    real: the classifier's accuracy on real windows.
    in_plane, in_space: accuracy of a line between two genres in the plane of two principal components, and in all of
        z, mean over `genre_pairs` pairs; planes: what figure 5 shows.
    """

    features: Mapping[str, np.ndarray]
    rank_correlation: float | None = None
    draws: float | None = None
    from_means: Mapping[float, float] = dataclasses.field(default_factory=dict)
    real: float | None = None
    in_plane: float | None = None
    in_space: float | None = None
    genre_pairs: int = 0
    planes: tuple[Plane, ...] = ()
    transfer: tuple[Transfer, ...] = ()


def measure(space: LatentSpace, examples: Examples, z: np.ndarray, classifier: Classifier | None,
            seed: int) -> FlowerFindings:
    """All of it. z [n, size]: the codes of the examples."""
    component = np.repeat(np.arange(space.components.count), DRAWS)
    decoded = space.decode(component_codes(component, space.components.count, z.shape[1], seed))
    features = relative_features(decoded, space.components.count)
    found = FlowerFindings(features=features,
                           rank_correlation=circle_correlation(np.concatenate(list(features.values()), 1)))
    if not space.genres:
        return found
    found = dataclasses.replace(found, **separability(examples, z, space.components.genres, seed))
    if classifier is None:
        return found
    position = np.asarray(space.components.component)[: len(space.genres)]

    def recognised(decoded: np.ndarray) -> float:
        genre = np.minimum(np.argmax(classifier(decoded), 1), len(position) - 1)
        return float(np.mean(position[genre] == component))

    from_means = {}
    if space.means is not None:
        from_means = {spread: recognised(space.decode(space.means.draw(component, spread=spread, seed=seed)))
                      for spread in SPREADS}
    known = examples.genre >= 0
    real = np.argmax(classifier(examples.tokens), 1)[known] == examples.genre[known]
    return dataclasses.replace(found, draws=recognised(decoded), from_means=from_means, real=float(np.mean(real)),
                               transfer=transferred(space, examples, z, classifier, seed))


# Figure 3: draws from the components ---------------------------------------------------------------------------------


def component_codes(component: np.ndarray, count: int, size: int, seed: int) -> np.ndarray:
    """A draw from each of the components int [n] of a flower of `count`: [n, size]."""
    keys = numbered(jax.random.key(seed), jnp.arange(len(component)))
    return np.asarray(priors.flower(keys, priors.angle(jnp.asarray(component), count), size))


def relative_features(decoded: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Low-level features of windows int [count DRAWS, T, 4], by component, relative to the mean over all components.

    Returns {measure of metrics.arrangement: [count, tracks]}.
    """
    found = {}
    for name, x in jax.jit(arrangement.low_level)(decoded).items():
        x = np.asarray(x).reshape(count, DRAWS, -1)
        local = np.nansum(x, 1) / np.maximum(np.sum(~np.isnan(x), 1), 1)
        overall = local.mean(0)
        found[name] = (local - overall) / np.where(np.abs(overall) > 1e-6, np.abs(overall), 1.0)
    return found


def circle_correlation(features: np.ndarray) -> float | None:
    """Spearman's correlation of how far two components lie apart on the circle and how much their features differ.

    features: [components, features]; None for fewer than four components.
    """
    n = len(features)
    if n < 4:
        return None
    i, j = np.triu_indices(n, 1)
    steps = np.minimum(j - i, n - (j - i))
    scaled = features / np.maximum(features.std(0), 1e-9)
    difference = np.sqrt(np.mean((scaled[i] - scaled[j]) ** 2, 1))
    return float(np.corrcoef(ranks(steps), ranks(difference))[0, 1])


def ranks(x: np.ndarray) -> np.ndarray:
    """Each number's rank, [n] -> [n]; equal ones share their mean rank."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


# Figure 5: two genres in a plane -------------------------------------------------------------------------------------


def separability(examples: Examples, z: np.ndarray, genres: tuple[str, ...], seed: int) -> dict:
    """How well a line separates the codes of two genres, in the plane of two principal components and in all of z.

    The line is found by least squares on one half of the songs, and tried on the other. genres: in the corpus's order.

    Returns:
        {"in_plane", "in_space", "genre_pairs", "planes"} as in FlowerFindings. planes: of the pairs that are separated
        worst, middling and best, by PCA and, where scikit-learn is installed, by t-SNE.
    """
    found = []
    for a, b in itertools.combinations(range(len(genres)), 2):
        index = np.flatnonzero((examples.genre == a) | (examples.genre == b))
        sign = np.where(examples.genre[index] == a, 1.0, -1.0)
        half = examples.song[index] % 2 == 0
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


# Changes of genre ----------------------------------------------------------------------------------------------------


def transferred(space: LatentSpace, examples: Examples, z: np.ndarray, classifier: Classifier,
                seed: int) -> tuple[Transfer, ...]:
    """Windows moved toward another genre, drawn for each: how often they are classified as it, and what is kept.

    Ways: "around", their first two dimensions are rotated; "straight", the difference of the components' means is
    added; "means", the difference of the two genres' mean codes of training windows, in all dimensions.
    """
    component, count = np.asarray(space.components.component), space.components.count
    known = np.flatnonzero(examples.genre >= 0)
    genres = len(space.genres)
    if genres < 2 or not len(known):
        return ()
    source, z = examples.genre[known], z[known]
    target = (source + np.random.default_rng(seed).integers(1, genres, len(known))) % genres
    here, there = component[source], component[target]
    centres = np.asarray(priors.centre(priors.angle(jnp.arange(count), count)))
    turns = ((there - here) / count + 0.5) % 1.0 - 0.5  # the shorter way around

    def straight(amount: float) -> np.ndarray:
        return np.concatenate([z[:, :2] + amount * (centres[there] - centres[here]), z[:, 2:]], 1)

    ways: dict[str, Callable] = {
        "around": lambda amount: priors.rotated(jnp.asarray(z), 2 * np.pi * amount * turns), "straight": straight}
    if (means := space.means) is not None:
        ways["means"] = lambda amount: means.move(z, here, there, amount)
    found = []
    for (way, moved), amount in itertools.product(ways.items(), AMOUNTS):
        decoded = space.decode(np.asarray(moved(amount), np.float32))
        genre = np.argmax(classifier(decoded), 1)
        similar = {name: float(np.mean(x)) for name, x in kept(examples.tokens[known], decoded).items()}
        found.append(Transfer(way=way, amount=amount, target=float(np.mean(genre == target)),
                              source=float(np.mean(genre == source)), **similar))
    return tuple(found)
