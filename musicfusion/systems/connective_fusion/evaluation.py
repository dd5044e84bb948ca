"""What a trained system does with songs that it never saw: the paper's figures 4 to 7 as numbers."""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.report import working
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import bootstrap, transitions
from musicfusion.systems.connective_fusion import baselines, dataset, judges, objective, tables
from musicfusion.systems.connective_fusion.dataset import SIDES, Columns
from musicfusion.systems.connective_fusion.inference import RIVAL, Inference
from musicfusion.systems.connective_fusion.tables import Point

ITERATIONS = 5  # of G
DRAWS = 200  # of songs, for the correlations' intervals
PAIRS = 200_000  # of sides, for the histogram of distances
STYLES, CELLS = 8, 5
OTHER = "validation-2"  # songs whose real pairs show how alike real pairs are

Transform = tuple[str, str, int, np.ndarray, np.ndarray]  # method, setting, how often; symbols [n, 128], z-distance [n]


class Pairs(NamedTuple):
    """real, random: symbols int [n, 128] of windows as they are, and with the right side of another song's window.

    z: of the random ones, [n, 2 d_z]; songs: int [n], of the left side.
    """

    real: np.ndarray
    random: np.ndarray
    z: np.ndarray
    songs: np.ndarray


def evaluate(corpus: Corpus, networks: Inference, *, actors: Sequence[tuple[float, str]], distance: float, style: int,
             count: int, batch: int, preset: str, split: str, seed: int) -> Evaluation:
    """Reality and the five statistics against z-distance, from pairs of test songs and from pairs of the prior.

    Args:
        corpus: the songs.
        networks: the trained networks.
        actors: (lambda, stage), ascending; those that were not trained are left out.
        distance: the lambda of the main actor, whose transitions are drawn.
        style: d_s.
        count, batch: of measured windows (dataset.measured).
        preset, split, seed: of the config.
    """
    chosen = {"seed": seed, "count": count, "batch": batch}
    pairs = read(corpus, networks, split=split, **chosen)
    others = real_pairs(corpus, OTHER, **chosen)
    rng = np.random.default_rng(seed)
    styles = rng.uniform(size=(len(pairs.z), style)).astype(np.float32)
    prior = rng.normal(size=pairs.z.shape).astype(np.float32)
    reference = states(pairs.real)
    measure = functools.partial(_point, networks=networks, reference=reference, seed=seed)
    as_they_are = (("real pairs", pairs.real, pairs.songs), ("real pairs of other songs", *others))
    real = [measure((name, "", 0, symbols, np.zeros(len(symbols))), songs) for name, symbols, songs in as_they_are]
    shown = {"real pairs": pairs.real, "random pairs": pairs.random}
    curves: dict[str, list[Point]] = {}
    for name, z, before in (("test", pairs.z, pairs.random), ("prior", prior, networks.decode(prior))):
        curves[name] = []
        for transform in transforms(networks, z, styles, before, actors=actors, seed=seed):
            method, setting, iteration, symbols, _ = transform
            working(f"{name} pairs: {method} {setting}")
            curves[name].append(measure(transform, pairs.songs))
            if (name, method, setting, iteration) == ("test", "Connective Fusion", f"lambda {distance:g}", 1):
                shown["transformed"] = symbols
    matrices = {name: {key: transitions.matrix(found, transitions.STATES[key])
                       for key, found in states(symbols).items()} for name, symbols in shown.items()}
    return tables.evaluation(
        preset=preset,
        data={"source": corpus.source, "split": split, "songs": len(np.unique(pairs.songs)),
              "examples": len(pairs.songs)},
        settings={"lambda": distance, "seed": seed},
        classifier=classifier_accuracy(networks, pairs), real=real, curves=curves,
        style=style_differences(networks, pairs.z[: 4 * batch], style=style, seed=seed),
        histogram=histogram(networks, pairs, seed), reconstruction=reconstruction(networks, pairs), matrices=matrices)


# What is measured -----------------------------------------------------------------------------------------------------


def read(corpus: Corpus, networks: Inference, *, split: str, seed: int, count: int, batch: int) -> Pairs:
    """The measured windows, and each left side with the right side of another song, in a key of its own."""
    found = dataset.measured(corpus, split, seed=seed, count=count, batch=batch)
    rng = np.random.default_rng(seed)
    real, songs = _symbols(corpus, found), found["song"]
    other = rng.permutation(len(songs))
    while len(same := np.flatnonzero(songs[other] == songs)):
        other[same] = rng.integers(0, len(songs), len(same))
    shift = np.round(found["room"][:, 0] + rng.uniform(size=len(songs)) * np.diff(found["room"], axis=1)[:, 0])
    left, _ = np.split(real, 2, 1)
    _, right = np.split(_symbols(corpus, found, shift.astype(np.int32)), 2, 1)
    random = np.concatenate([left, right[other]], 1)
    return Pairs(real, random, networks.encode(random)[0], songs)


def real_pairs(corpus: Corpus, split: str, *, seed: int, count: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Symbols int [n, 128] and songs int [n] of the measured windows of a split."""
    found = dataset.measured(corpus, split, seed=seed, count=count, batch=batch)
    return _symbols(corpus, found), found["song"]


def _symbols(corpus: Corpus, found: Columns, shift: np.ndarray | None = None) -> np.ndarray:
    shift = np.zeros(len(found["song"]), np.int32) if shift is None else shift
    sides = jax.device_get(jax.jit(dataset.cut)({"melody": corpus.arrays["melody"]}, found["start"], shift))
    return np.concatenate([sides[name] for name in SIDES], 1)


def transforms(networks: Inference, z: np.ndarray, style: np.ndarray, before: np.ndarray, *,
               actors: Sequence[tuple[float, str]], seed: int) -> Iterator[Transform]:
    """Every method on inputs z [n, 2 d_z] with styles [n, d_s] (sections 3.4 to 3.6); before: their symbols."""
    nothing = np.zeros(len(z), np.float32)
    yield "random pairs", "", 0, before, nothing
    yield "random pairs through the VAE", "", 0, networks.decode(z), nothing

    if networks.has(RIVAL):
        moved = baselines.best_transposition(functools.partial(networks.logits, stage=RIVAL), before)
        yield "one transposition", "", 0, moved, networks.distance(networks.encode(moved)[0], z)

    for distance, stage in actors:
        moved = z
        for iteration in range(1, ITERATIONS + 1) if networks.has(stage) else ():
            moved = networks.move(moved, style, stage)
            yield ("Connective Fusion", f"lambda {distance:g}", iteration, networks.decode(moved),
                   networks.distance(moved, z))
    for sigma in baselines.SIGMAS if networks.has(RIVAL) else ():
        for count, moved in networks.latent_perturb(z, sigma, seed).items():
            yield "Latent Perturb", f"sigma {sigma:g}", count, networks.decode(moved), networks.distance(moved, z)


# Measures -------------------------------------------------------------------------------------------------------------


def states(symbols: np.ndarray) -> dict[str, np.ndarray]:
    """Symbols int [n, 128] -> each statistic's states before and after the middle (metrics.transitions)."""
    return jax.device_get(transitions.states(melody.from_symbols(jnp.asarray(symbols), jnp)))


def _point(transform: Transform, songs: np.ndarray, *, networks: Inference, reference: Mapping[str, np.ndarray],
           seed: int) -> Point:
    """One point of the curves, with 95 % intervals over songs."""
    method, setting, iteration, symbols, distance = transform
    logits = networks.logits(symbols)
    values = {name: bootstrap.interval(x, songs, seed) for name, x in (
        ("z_distance", distance), ("reality", judges.reality(logits)), ("accepted", 1.0 * (logits > 0)))}
    for name, found in states(symbols).items():
        values[name] = correlation(found, reference[name], transitions.STATES[name], songs, seed)
    return Point(method, setting, iteration, values)


def correlation(states: np.ndarray, reference: np.ndarray, count: int, songs: np.ndarray,
                seed: int) -> tuple[float, float, float]:
    """Pearson's correlation of the transitions with those of real pairs; its 95 % interval over draws of songs.

    The real pairs stay the same in all draws.
    """
    target = transitions.matrix(reference, count)
    _, member = np.unique(songs, return_inverse=True)
    size = member.max() + 1
    times = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), DRAWS)
    draws = [transitions.correlation(transitions.matrix(states, count, each[member]), target) for each in times]
    low, high = np.quantile(draws, (0.025, 0.975))
    return transitions.correlation(transitions.matrix(states, count), target), float(low), float(high)


def classifier_accuracy(networks: Inference, pairs: Pairs) -> dict[str, float]:
    """The reality classifier's own numbers: its mean outputs, its accuracy on real and shuffled pairs."""
    real, shuffled = (networks.logits(symbols) for symbols in (pairs.real, pairs.random))
    return {"real": float(np.mean(judges.reality(real))), "shuffled": float(np.mean(judges.reality(shuffled))),
            "accuracy": float(0.5 * (np.mean(real > 0) + np.mean(shuffled <= 0)))}


def histogram(networks: Inference, pairs: Pairs, seed: int) -> dict[str, list[float]]:
    """z-distances of sides within a song and across songs (figure 6); identical sides are left out.

    {"edges": of the bins, "within", "across": the share in each bin, "within_below_1", ...: the share below that}.
    """
    z, symbols = (np.concatenate(np.split(x, 2, 1)) for x in (networks.encode(pairs.real)[0], pairs.real))
    songs = np.tile(pairs.songs, 2)
    rng = np.random.default_rng(seed)
    edges = np.logspace(-2, 3, 51)
    one = rng.integers(0, len(z), PAIRS)
    order = np.argsort(songs, kind="stable")
    first, count = np.searchsorted(songs[order], songs[one]), np.bincount(songs)[songs[one]]
    other = {"across": rng.integers(0, len(z), PAIRS),
             "within": order[first + rng.integers(0, count)]}
    sbar = np.asarray(networks.sbar)[: z.shape[1]]
    shares: dict[str, list[float]] = {"edges": edges.tolist()}
    for name, two in other.items():
        kept = np.any(symbols[one] != symbols[two], 1) & ((songs[one] == songs[two]) == (name == "within"))
        distance = np.concatenate([np.mean((z[one[block]] - z[two[block]]) ** 2 / sbar**2, 1)
                                   for block in np.array_split(np.flatnonzero(kept), 100)])
        shares[name] = (np.histogram(np.clip(distance, edges[0], edges[-1]), edges)[0] / max(len(distance), 1)).tolist()
        for limit in tables.LIMITS:
            shares[f"{name}_below_{limit}"] = [float(np.sum(distance < limit) / max(len(distance), 1))]
    return shares


def style_differences(networks: Inference, z: np.ndarray, *, style: int, seed: int) -> dict[str, float]:
    """How far G's outputs differ over styles of `style` numbers, and whether near styles give the more similar music.

    different: share of outputs that differ between two random styles; symbols: share of their symbols; z_distance
    between them; neighbours, far: share of symbols that differ between neighbours on a plane of CELLS x CELLS styles,
    and between its opposite corners.
    """
    rng = np.random.default_rng(seed)
    n = len(z)

    def outputs(styles):
        moved = networks.move(z, styles)
        return moved, networks.decode(moved)

    drawn = [outputs(rng.uniform(size=(n, style)).astype(np.float32)) for _ in range(STYLES)]
    different, symbols, distance = [], [], []
    for (za, a), (zb, b) in itertools.pairwise(drawn):
        different.append(np.mean(np.any(a != b, 1)))
        symbols.append(np.mean(a != b))
        distance.append(np.mean(networks.distance(za, zb)))
    at = np.linspace(0, 1, CELLS)
    plane = {}
    for i, x in enumerate(at):
        for j, y in enumerate(at):
            numbers = np.where(np.arange(style) % 2 == 0, x, y).astype(np.float32)
            plane[i, j] = outputs(np.broadcast_to(numbers, (n, style)))[1]
    near = [np.mean(plane[i, j] != plane[i + di, j + dj]) for i in range(CELLS) for j in range(CELLS)
            for di, dj in ((0, 1), (1, 0)) if i + di < CELLS and j + dj < CELLS]
    last = CELLS - 1
    far = [np.mean(plane[a] != plane[b]) for a, b in (((0, 0), (last, last)), ((0, last), (last, 0)))]
    return {"different": float(np.mean(different)), "symbols": float(np.mean(symbols)),
            "z_distance": float(np.mean(distance)), "neighbours": float(np.mean(near)), "far": float(np.mean(far))}


def reconstruction(networks: Inference, pairs: Pairs) -> dict[str, float]:
    """Greedy, from the posterior mean, of real sides: symbols, and onsets, that come back; KL in nats a side."""
    mean, std = networks.encode(pairs.real)
    counts = objective.reconstructed({"melody": jnp.asarray(pairs.real)}, {"melody": networks.decode(mean)})
    kl = 0.5 * np.mean(np.sum(0.5 * (mean**2 + std**2 - 1) - np.log(std), 1))
    return {name: float(right / whole) for name, (right, whole) in counts.items()} | {"kl": float(kl)}
