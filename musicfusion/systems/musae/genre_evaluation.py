"""What only a flower of genres has: draws from its components (MusAE's figure 3), what of a code tells the genre."""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion import priors
from musicfusion.core.example_keys import numbered
from musicfusion.metrics import arrangement, bootstrap
from musicfusion.systems.musae.examples import Examples
from musicfusion.systems.musae.flow import PLANE
from musicfusion.systems.musae.judges import Classifier, classified
from musicfusion.systems.musae.latent_space import LatentSpace
from musicfusion.systems.musae.separability import Plane, halves, probe, separability
from musicfusion.systems.musae.transfer import Number, Transfer, transferred

DRAWS = 256  # from each component (section 4.4.1)
JUDGED = 48  # of these are classified
SPREADS = (0.7, 1.0)  # of draws: how far they lie from where most codes do


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenreFindings:
    """What is measured of a flower, in windows of so many bars; without judges or genres some of it is missing.

    features: {measure: [components, tracks]} of draws from each component, relative to their mean over all components.
    correlations: {what: Spearman's correlation of how far components lie apart and how much these features differ}.
    recognised: {what: {judge: the share classified as its genre}}: real windows, draws.
    probes: {which numbers of a code: how often a linear probe finds the genre}; chance: the commonest genre's share.
    in_plane, in_space: accuracy of a line between two genres in the plane of two principal components, and in all of
        z, mean over `genre_pairs` pairs; planes: what figure 5 shows.
    transfer: changes of genre.
    """

    features: Mapping[str, np.ndarray]
    correlations: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    recognised: Mapping[str, Mapping[str, Number]] = dataclasses.field(default_factory=dict)
    probes: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    chance: float | None = None
    in_plane: float | None = None
    in_space: float | None = None
    genre_pairs: int = 0
    planes: tuple[Plane, ...] = ()
    transfer: tuple[Transfer, ...] = ()


def measure(space: LatentSpace, untrained: LatentSpace, examples: Examples, z: np.ndarray,
            judges: Mapping[str, Classifier], seed: int, familiar: Examples | None = None) -> GenreFindings:
    """All of it.

    Args:
        z: the codes of the examples [n, size].
        untrained: a space of the same kind that learned nothing.
        judges: of genres, by name.
        familiar: windows of other songs whose grooves the space did learn from, where those of the examples are held
            out: on these a judge of held-out grooves shows how much it can know.
    """
    count = space.components.count
    component = np.repeat(np.arange(count), DRAWS)
    decoded = space.decode(drawn(space, component, 1.0, seed))
    features = relative_features(decoded, count, space.steps)
    found = GenreFindings(features=features, correlations=correlations(space, untrained, features, component, seed))
    if not space.genres:
        return found
    known = examples.genre >= 0
    found = dataclasses.replace(found, transfer=transferred(space, examples, z, judges, seed, familiar))
    if known.any():
        tagged = examples.only(known)
        found = dataclasses.replace(
            found, **separability(tagged, z[known], space.components.genres, seed),
            probes=probes(space, tagged, z[known], seed),
            chance=float(np.max(np.bincount(tagged.genre)) / len(tagged.genre)))
    rates = {"real windows": examples, "real windows of known grooves": familiar}
    real = {what: real_rates(judges, own, space.steps) for what, own in rates.items()
            if own is not None and np.any(own.genre >= 0)}
    if familiar is not None:
        familiar = familiar.only(familiar.genre >= 0)
        known_probes = probes(space, familiar, space.encode(familiar.tokens), seed)
        found = dataclasses.replace(
            found, probes={**found.probes, **{f"{what}, known grooves": x for what, x in known_probes.items()}})
    return dataclasses.replace(found, recognised=real | recognised(space, decoded, judges, seed))


def real_rates(judges: Mapping[str, Classifier], examples: Examples, steps: int) -> dict[str, Number]:
    """{judge: the share of windows with a genre that are classified as it}. steps: of a beat."""
    examples = examples.only(examples.genre >= 0)
    return {name: bootstrap.interval(classified(judge, examples.tokens, steps) == examples.genre, examples.family, 0)
            for name, judge in judges.items()}


def drawn(space: LatentSpace, component: np.ndarray, spread: float, seed: int) -> np.ndarray:
    """A code of each of the components int [n]: [n, size].

    By the flow, where there is one, from the middle of the component, the rest `spread` times as wide as codes are;
    else from the prior.
    """
    if space.code is None:
        return component_codes(component, space.components.count, space.size, seed)
    rest = np.random.default_rng(seed).normal(size=(len(component), space.size - PLANE)).astype(np.float32)
    return space.code(spread * rest, space.position(component))


def recognised(space: LatentSpace, decoded: np.ndarray, judges: Mapping[str, Classifier],
               seed: int) -> dict[str, dict[str, Number]]:
    """{what: {judge: the share classified as its genre}}. decoded: draws from each component, DRAWS of each."""
    count = space.components.count
    component = np.repeat(np.arange(count), JUDGED)
    first = (np.arange(count)[:, None] * DRAWS + np.arange(JUDGED)).reshape(-1)
    windows = {"draws from a component": decoded[first]}
    if space.code is not None:
        windows |= {f"the same, {spread} times as wide": space.decode(drawn(space, component, spread, seed))
                    for spread in SPREADS if spread != 1}
    windows["draws from the prior, without the flow"] = space.decode(
        component_codes(component, count, space.size, seed))
    if space.means is not None:
        windows |= {f"draws about the genre's mean, {spread} times as wide": space.decode(
            space.means.draw(component, spread=spread, seed=seed)) for spread in SPREADS}
    genre = np.argsort(np.asarray(space.components.component)[: len(space.genres)])[component]
    return {what: {name: float(np.mean(classified(judge, tokens, space.steps) == genre))
                   for name, judge in judges.items()}
            for what, tokens in windows.items()}


def probes(space: LatentSpace, examples: Examples, z: np.ndarray, seed: int) -> dict[str, float | None]:
    """How often a linear probe finds the genre: in all numbers of codes z [n, size], and in parts of them."""
    half = halves(examples.family, seed)
    found = {"all of z": z, "the plane": z[:, :PLANE], "z without the plane": z[:, PLANE:]}
    if space.means is not None:
        mean = np.asarray(space.means.mean)
        found["z less the mean of the genre nearest in the plane"] = z - mean[space.nearest(z)]
    if space.rest is not None and space.harmony is not None:
        harmony = space.harmony(examples.tokens)
        found["the flow's rest"] = space.rest(z, z[:, :PLANE], harmony)
        found["the flow's rest, given the genre"] = space.rest(z, space.position(examples.component), harmony)
    return {what: probe(x, examples.genre, half) for what, x in found.items()}


def correlations(space: LatentSpace, untrained: LatentSpace, features: Mapping[str, np.ndarray], component: np.ndarray,
                 seed: int) -> dict[str, float | None]:
    """Spearman's correlations of distance on the circle and difference of features, beside what means nothing."""
    own = np.concatenate(list(features.values()), 1)
    codes = component_codes(component, space.components.count, untrained.size, seed)
    nothing = relative_features(untrained.decode(codes), space.components.count, space.steps)
    shuffled = [circle_correlation(own[np.random.default_rng(k).permutation(len(own))]) for k in range(20)]
    values = [x for x in shuffled if x is not None]
    return {"draws from components": circle_correlation(own),
            "the same, components shuffled (95 %)": float(np.quantile(values, 0.95)) if values else None,
            "an untrained decoder": circle_correlation(np.concatenate(list(nothing.values()), 1))}


# Figure 3: draws from the components ---------------------------------------------------------------------------------


def component_codes(component: np.ndarray, count: int, size: int, seed: int) -> np.ndarray:
    """A draw from each of the components int [n] of a flower of `count`: [n, size]."""
    keys = numbered(jax.random.key(seed), jnp.arange(len(component)))
    return np.asarray(priors.flower(keys, priors.angle(jnp.asarray(component), count), size))


def relative_features(decoded: np.ndarray, count: int, steps: int) -> dict[str, np.ndarray]:
    """Low-level features of windows int [count DRAWS, T, 4], by component, relative to the mean over all components.

    steps: of a beat. Returns {measure of metrics.arrangement: [count, tracks]}.
    """
    found = {}
    for name, x in jax.jit(functools.partial(arrangement.low_level, steps=steps))(decoded).items():
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
