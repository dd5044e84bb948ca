"""What a trained system does with songs that it never saw: paper 001's figures 4 to 7 as numbers."""

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.core.report import working
from musicfusion.metrics import bootstrap, transitions
from musicfusion.systems.connective_fusion import methods, nets, tables, windows
from musicfusion.systems.connective_fusion.windows import SIDES

DRAWS = 200  # of songs, for the correlations' intervals
PAIRS = 200_000  # of sides, for the histogram of distances
STYLES, CELLS = 8, 5
OTHER = "validation-2"  # songs whose real pairs show how alike real pairs are


class Inputs(NamedTuple):
    """real, random: symbols int [n, 128] of windows as they are, and with the right side of another song's window.

    z: of the random ones, [n, 128]; songs: int [n], of the left side.
    """

    real: np.ndarray
    random: np.ndarray
    z: np.ndarray
    songs: np.ndarray


def evaluate(config, corpus, results) -> tuple[dict, str, Callable[[Path], list[Path]]]:
    """Reality and the five statistics against z-distance, from test and from prior pairs -> (report, text, draw)."""
    networks = methods.Networks(config, results)
    found = read(config, corpus, networks)
    rng = np.random.default_rng(config.seed)
    style = rng.uniform(size=(len(found.z), config.fusion.style)).astype(np.float32)
    drawn = rng.normal(size=found.z.shape).astype(np.float32)
    reference = _states(found.real)
    measure = functools.partial(_row, networks=networks, reference=reference, seed=config.seed)
    curves: dict[str, list[dict]] = {}
    shown = {"random pairs": found.random}
    for name, z, before in (("test", found.z, found.random), ("prior", drawn, networks.decode(drawn))):
        curves[name] = []
        for point in methods.points(networks, z, style, before):
            working(f"{name} pairs: {point.method} {point.setting}")
            curves[name].append(measure(point, found.songs))
            if name == "test" and point.method == "Connective Fusion" and point.iteration == 1 \
                    and point.setting == f"lambda {config.fusion.distance:g}":
                shown["transformed"] = point.symbols
    report = {
        "system": "connective_fusion",
        "preset": config.preset,
        "data": {"source": corpus.source, "split": config.data.split},
        "songs": len(np.unique(found.songs)),
        "windows": len(found.songs),
        "lambda": config.fusion.distance,
        "reality": _reality(networks, found),
        "real": [measure(methods.Point(name, "", 0, symbols, np.zeros(len(symbols))), songs)
                 for name, symbols, songs in (("real pairs", found.real, found.songs),
                                              ("real pairs of other songs", *real_pairs(corpus, config, OTHER)))],
        "curves": curves,
        "histogram": histogram(networks, found, config.seed),
        "style": style_report(networks, found.z[: 4 * config.evaluate.batch], config.seed),
        "reconstruction": reconstruction(networks, found),
        "paper": {"reality_mean": 0.959, "reality_accuracy": 0.953},
    }
    matrices = {"real pairs": found.real} | shown
    drawn_matrices = {name: {key: transitions.matrix(states, transitions.STATES[key])
                             for key, states in _states(symbols).items()} for name, symbols in matrices.items()}
    return report, tables.text(report), lambda folder: tables.draw(report, drawn_matrices, folder)


def read(config, corpus, networks: methods.Networks) -> Inputs:
    """The measured windows, and each left side with the right side of another song, in a key of its own."""
    table = windows.measured(corpus, config, config.data.split)
    rng = np.random.default_rng(config.seed)
    real, songs = real_pairs(corpus, config, config.data.split)
    partner = rng.permutation(len(songs))
    while len(same := np.flatnonzero(songs[partner] == songs)):
        partner[same] = rng.integers(0, len(songs), len(same))
    shift = np.round(table["room"][:, 0] + rng.uniform(size=len(songs)) * np.diff(table["room"], axis=1)[:, 0])
    left, _ = np.split(real, 2, 1)
    _, right = np.split(_symbols(corpus, table, shift.astype(np.int32)), 2, 1)
    random = np.concatenate([left, right[partner]], 1)
    return Inputs(real, random, networks.encode(random)[0], songs)


def real_pairs(corpus, config, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Symbols int [n, 128] and songs [n] of the measured windows of a split."""
    table = windows.measured(corpus, config, split)
    return _symbols(corpus, table, np.zeros(len(table["song"]), np.int32)), table["song"]


def _symbols(corpus, table, shift) -> np.ndarray:
    sides = jax.device_get(jax.jit(windows.cut)({"melody": corpus.arrays["melody"]}, table["start"], shift))
    return np.concatenate([sides[name] for name in SIDES], 1)


def _states(symbols: np.ndarray) -> dict[str, np.ndarray]:
    return jax.device_get(transitions.states(melody.from_symbols(jnp.asarray(symbols), jnp)))


def _row(point: methods.Point, songs: np.ndarray, *, networks, reference, seed: int) -> dict:
    """One point of the curves, with 95 % intervals over songs under "ci"."""
    logits = networks.logits(point.symbols)
    likely = 1 / (1 + np.exp(-logits))
    row = {"method": point.method, "setting": point.setting, "iteration": point.iteration}
    ci: dict[str, list[float]] = {}
    for name, values in (("z_distance", point.distance), ("reality", likely), ("passes", 1.0 * (logits > 0))):
        row[name], *ci[name] = bootstrap.interval(values, songs, seed)
    for name, states in _states(point.symbols).items():
        row[name], ci[name] = correlation(states, reference[name], transitions.STATES[name], songs, seed)
    return row | {"ci": ci}


def correlation(states, reference, count: int, songs: np.ndarray, seed: int) -> tuple[float, list[float]]:
    """Pearson's correlation of the transitions with those of real pairs, and its interval over draws of songs."""
    target = transitions.matrix(reference, count)
    _, member = np.unique(songs, return_inverse=True)
    size = member.max() + 1
    times = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), DRAWS)
    draws = [transitions.correlation(transitions.matrix(states, count, each[member]), target) for each in times]
    return (transitions.correlation(transitions.matrix(states, count), target),
            [float(x) for x in np.quantile(draws, (0.025, 0.975))])


def _reality(networks, found: Inputs) -> dict[str, float]:
    """The classifier's own numbers: its mean output on real pairs, its accuracy on real and shuffled ones."""
    real, shuffled = (networks.logits(symbols) for symbols in (found.real, found.random))
    return {"mean": float(np.mean(1 / (1 + np.exp(-real)))),
            "mean_shuffled": float(np.mean(1 / (1 + np.exp(-shuffled)))),
            "accuracy": float(0.5 * (np.mean(real > 0) + np.mean(shuffled <= 0)))}


def histogram(networks, found: Inputs, seed: int) -> dict[str, list[float]]:
    """z-distances of sides within a song and across songs (figure 6), by powers of ten; identical ones left out."""
    z, symbols = (np.concatenate(np.split(x, 2, 1)) for x in (networks.encode(found.real)[0], found.real))
    songs = np.tile(found.songs, 2)
    rng = np.random.default_rng(seed)
    edges = np.logspace(-2, 3, 51)
    one = rng.integers(0, len(z), PAIRS)
    order = np.argsort(songs, kind="stable")
    first, count = np.searchsorted(songs[order], songs[one]), np.bincount(songs)[songs[one]]
    other = {"inter": rng.integers(0, len(z), PAIRS),
             "intra": order[first + rng.integers(0, count)]}
    sbar = np.asarray(networks.sbar)[: z.shape[1]]
    shares: dict[str, list[float]] = {"edges": edges.tolist()}
    for name, two in other.items():
        kept = np.any(symbols[one] != symbols[two], 1) & ((songs[one] == songs[two]) == (name == "intra"))
        distance = np.concatenate([np.mean((z[one[block]] - z[two[block]]) ** 2 / sbar**2, 1)
                                   for block in np.array_split(np.flatnonzero(kept), 100)])
        shares[name] = (np.histogram(np.clip(distance, edges[0], edges[-1]), edges)[0] / max(len(distance), 1)).tolist()
        for limit in (1, 3):
            shares[f"{name}_below_{limit}"] = [float(np.sum(distance < limit) / max(len(distance), 1))]
    return shares


def style_report(networks, z: np.ndarray, seed: int) -> dict[str, float]:
    """How far G's outputs differ over s, and whether neighbours on the style plane are more alike than far cells.

    different: share of outputs that differ between two random styles; symbols_different: share of their symbols;
    z_distance between them; neighbours and far: share of symbols that differ between cells of a CELLS x CELLS plane
    next to each other, and between its opposite corners.
    """
    rng = np.random.default_rng(seed)
    n, d = len(z), networks.config.fusion.style

    def outputs(style):
        moved = networks.move(z, style)
        return moved, networks.decode(moved)

    drawn = [outputs(rng.uniform(size=(n, d)).astype(np.float32)) for _ in range(STYLES)]
    different, symbols, apart = [], [], []
    for (za, a), (zb, b) in itertools.pairwise(drawn):
        different.append(np.mean(np.any(a != b, 1)))
        symbols.append(np.mean(a != b))
        apart.append(np.mean(networks.distance(za, zb)))
    at = np.linspace(0, 1, CELLS)
    plane = {}
    for i, x in enumerate(at):
        for j, y in enumerate(at):
            style = np.broadcast_to(np.where(np.arange(d) % 2 == 0, x, y).astype(np.float32), (n, d))
            plane[i, j] = outputs(style)[1]
    near = [np.mean(plane[i, j] != plane[i + di, j + dj]) for i in range(CELLS) for j in range(CELLS)
            for di, dj in ((0, 1), (1, 0)) if i + di < CELLS and j + dj < CELLS]
    last = CELLS - 1
    far = [np.mean(plane[a] != plane[b]) for a, b in (((0, 0), (last, last)), ((0, last), (last, 0)))]
    return {"different": float(np.mean(different)), "symbols_different": float(np.mean(symbols)),
            "z_distance": float(np.mean(apart)), "neighbours": float(np.mean(near)), "far": float(np.mean(far))}


def reconstruction(networks, found: Inputs) -> dict[str, float]:
    """Greedy, from the posterior mean, of real sides: symbols, and onsets, that come back; KL in nats a side."""
    mean, std = networks.encode(found.real)
    counts = nets.counts({"melody": found.real}, {"melody": networks.decode(mean)})
    kl = 0.5 * np.mean(np.sum(0.5 * (mean**2 + std**2 - 1) - np.log(std), 1))
    return {name: float(right / whole) for name, (right, whole) in counts.items()} | {"kl": float(kl)}
