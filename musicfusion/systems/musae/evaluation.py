"""What trained methods do with songs that they did not learn from: MusAE's table 1 and figure 4, the fit to the prior.

What only a flower of genres has, figures 3 and 5 and the change of genre, is measured in genre_evaluation.py.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion import priors
from musicfusion.codecs import tracks
from musicfusion.codecs.melody import HOLD
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.example_keys import numbered
from musicfusion.core.report import working
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import bootstrap
from musicfusion.systems.musae import baselines, dataset, genre_evaluation, objective, tables
from musicfusion.systems.musae.baselines import FLOWER, Method
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.genre_evaluation import Examples
from musicfusion.systems.musae.latent_space import LatentSpace
from musicfusion.systems.musae.tables import Findings, Measured, Number

PAIRS = 256  # of windows that are interpolated (section 4.3)
SHARES = np.linspace(0, 1, 11)  # of the other window, along an interpolation
DIRECTIONS = 256  # of the sliced Wasserstein distance


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
    """Which windows are measured: at most `count` of a split, in batches of `batch`; encoding: of dataset.examples."""

    split: str
    seed: int
    count: int
    batch: int
    encoding: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """A trained method, ready to be measured.

    critic: (z [n, size], batch) -> its scores [n]; None for a method without a critic.
    """

    method: Method
    space: LatentSpace
    critic: Callable[[jax.Array, Mapping], jax.Array] | None = None


def evaluate(
    corpus: Corpus, *, preset: str, lengths: Iterable[int], selection: Selection, components: Components,
    subjects: Callable[[int], Iterable[Subject]], classifier: Callable[[np.ndarray], np.ndarray] | None,
) -> Evaluation:
    """Measures the trained methods on windows of a corpus.

    Args:
        corpus: of the songs.
        preset: of the config, for the heading.
        lengths: bars of the windows; the flower's genres are measured in the shortest ones.
        components: of the prior.
        subjects: bars -> the methods that were trained on windows of so many, MusAE itself first.
        classifier: tokens int [n, T, 4] -> probabilities of genres in the corpus's order [n, 32]; None without one.
    """
    names = tuple(part.name for part in tracks.INSTRUMENTATIONS[corpus.instrumentation])
    lengths, seed = tuple(lengths), selection.seed
    windows, songs, flower = {}, set(), None
    reconstructions, fits, curves = [], [], {}
    for bars in lengths:
        examples = read(corpus, selection, bars=bars, components=components)
        windows[bars] = len(examples.tokens)
        songs |= {*examples.song.tolist()}
        majority = baselines.majority_tokens(corpus, seed=seed, bars=bars, encoding=selection.encoding)
        majority = np.broadcast_to(majority, examples.tokens.shape)
        reconstructions.append(Measured(method="majority", title="majority token", bars=bars,
                                        values=reconstruction(examples, majority, names)))
        curves[bars] = {"data space": mixed_in_data_space(examples, seed)}
        for subject in subjects(bars):
            method, space = subject.method, subject.space
            working(f"{bars} bars: {method.title}")
            z = space.encode(examples.tokens)
            row = functools.partial(Measured, method=method.name, title=method.title, bars=bars)
            reconstructions.append(row(values=reconstruction(examples, space.decode(z), names)))
            curves[bars][method.title] = interpolated(space, examples, z, seed)
            if method.prior:
                fits.append(row(values=prior_fit(subject, examples, z, seed)))
            if method == FLOWER and bars == min(lengths):
                flower = genre_evaluation.measure(space, examples, z, classifier, seed)
    found = Findings(instrumentation=corpus.instrumentation, genres=tuple(components.around), windows=windows,
                     reconstructions=tuple(reconstructions), interpolation=curves, fits=tuple(fits), flower=flower)
    return tables.evaluation(found, preset=preset, source=corpus.source, split=selection.split, songs=len(songs))


def read(corpus: Corpus, selection: Selection, *, bars: int, components: Components) -> Examples:
    """The windows that are measured."""
    table = dataset.measured(corpus, selection.split, seed=selection.seed, bars=bars, count=selection.count,
                             batch=selection.batch)
    arrays = dataset.arrays(corpus, table["start"], component=components.component, components=components.count)
    run = jax.jit(lambda arrays, index, keys: dataset.examples(
        arrays, index, keys, False, bars=bars, encoding=selection.encoding))
    index = jnp.arange(len(table["start"]))
    batch = jax.device_get(run(arrays, index, numbered(jax.random.key(selection.seed), index)))
    return Examples(tokens=batch["tracks"], genre=batch["genre"], component=batch["component"], song=table["song"])


def reconstruction(examples: Examples, decoded: np.ndarray, names: Iterable[str]) -> dict[str, Number]:
    """The values of a row of table 1: shares of steps and of onsets that are right in decoded int [n, T, 4].

    names: of the tracks. Returns {"steps_TRACK", "onsets_TRACK": by track, NaN where a track has no onsets; "steps",
    "onsets": means over tracks and windows with intervals over songs}.
    """
    right, onset = examples.tokens == decoded, examples.tokens < HOLD
    count = onset.sum((0, 1))
    steps = right.mean((0, 1))
    onsets = np.where(count > 0, (right & onset).sum((0, 1)) / np.maximum(count, 1), np.nan)
    by_window = (right & onset).sum(1) / np.where(onset.sum(1) > 0, onset.sum(1), np.nan)  # [n, 4]
    return {**{f"steps_{name}": float(x) for name, x in zip(names, steps, strict=True)},
            **{f"onsets_{name}": float(x) for name, x in zip(names, onsets, strict=True)},
            "steps": bootstrap.interval(right.mean((1, 2)), examples.song, 0),
            "onsets": bootstrap.interval(np.nanmean(by_window, 1), examples.song, 0)}


def pairs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two different windows of `count`, PAIRS times: int [PAIRS] x 2."""
    rng = np.random.default_rng(seed)
    one = rng.integers(0, count, PAIRS)
    return one, (one + rng.integers(1, max(count, 2), PAIRS)) % count


def interpolated(space: LatentSpace, examples: Examples, z: np.ndarray, seed: int) -> list[float]:
    """Figure 4: the share of steps that differ from one window's on the way to another's, at each of SHARES."""
    one, other = pairs(len(z), seed)
    return [float(np.mean(space.decode(((1 - a) * z[one] + a * z[other]).astype(np.float32)) != examples.tokens[one]))
            for a in SHARES]


def mixed_in_data_space(examples: Examples, seed: int) -> list[float]:
    """The same where each step is taken from the one window or the other at random."""
    one, other = (examples.tokens[index] for index in pairs(len(examples.tokens), seed))
    return [float(np.mean(baselines.mixed(one, other, a, seed) != one)) for a in SHARES]


def prior_fit(subject: Subject, examples: Examples, z: np.ndarray, seed: int) -> dict[str, Number]:
    """How well the aggregated posterior, z [n, size], fits the prior, in units of the prior's own standard deviation.

    Returns:
        {"mean": how far the means of the dimensions are off,
         "variance": mean ratio to the prior's,
         "wasserstein": the sliced distance to draws from the prior, "wasserstein_prior": that of two sets of draws,
         "gap": the critic's between draws and codes, where there is one,
         "recovered": of windows with a genre, the share whose nearest component is that genre's}
    """
    prior, count, size = subject.method.prior, subject.space.components.count, z.shape[1]
    keys = numbered(jax.random.key(seed), jnp.arange(2 * len(z)))
    batch = {"component": jnp.tile(jnp.asarray(examples.component), 2), "components": jnp.full(2 * len(z), count)}
    drawn, again = np.split(np.asarray(objective.draw(prior, keys, batch, size)), 2)
    spread = again.std(0)
    gap = None
    if subject.critic is not None:
        critic, single = subject.critic, jax.tree.map(lambda x: x[: len(z)], batch)
        score = jax.jit(lambda z: critic(z, single))
        gap = float(np.mean(score(drawn)) - np.mean(score(z)))
    known = (examples.genre >= 0) & (prior == "flower")
    near = np.asarray(priors.nearest_component(jnp.asarray(z), count)) == examples.component
    return {"mean": float(np.sqrt(np.mean(((z.mean(0) - drawn.mean(0)) / spread) ** 2))),
            "variance": float(np.mean(z.var(0) / spread**2)),
            "wasserstein": sliced_wasserstein(z / spread, drawn / spread, seed),
            "wasserstein_prior": sliced_wasserstein(again / spread, drawn / spread, seed), "gap": gap,
            "recovered": float(near[known].mean()) if known.any() else None}


def sliced_wasserstein(one: np.ndarray, other: np.ndarray, seed: int) -> float:
    """The sliced Wasserstein-1 distance of two samples [n, size], over random directions."""
    directions = np.random.default_rng(seed).normal(size=(one.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.mean(np.abs(np.sort(one @ directions, 0) - np.sort(other @ directions, 0))))
