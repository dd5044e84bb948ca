"""What trained methods do with songs that they did not learn from: MusAE's table 1 and figure 4, the fit to the prior.

What only a flower of genres has is measured in genre_evaluation.py, separability.py and transfer.py.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import tracks
from musicfusion.codecs.melody import HOLD
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.example_keys import numbered
from musicfusion.core.report import working
from musicfusion.data import batches, near_duplicates, splits
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import bootstrap
from musicfusion.systems.musae import baselines, dataset, genre_evaluation, objective, tables
from musicfusion.systems.musae.baselines import FLOWER, Method
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.dataset import UNTAGGED
from musicfusion.systems.musae.examples import Examples
from musicfusion.systems.musae.judges import Classifier
from musicfusion.systems.musae.latent_space import LatentSpace
from musicfusion.systems.musae.tables import Findings, Measured
from musicfusion.systems.musae.transfer import Number

PAIRS = 256  # of windows that are interpolated (section 4.3)
SHARES = np.linspace(0, 1, 11)  # of the other window, along an interpolation
DIRECTIONS = 256  # of the sliced Wasserstein distance
ENOUGH = 16  # codes of a component for a distance
LEARNED = 50_000  # training windows, at most, among which exact equals are looked for


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

    critic: (z [n, size], batch) -> its scores [n]; None for a method without a critic, or where it was not kept.
    predicted: (z [n, size], tokens [n, T, 4]) -> the likeliest tokens where the truth is fed, int32 [n, T, 4]; None
        where nothing is fed to the decoder.
    rate: tokens int [n, T, 4] -> KL of the posterior to N(0, I), nats a window [n]; None without such a KL.
    """

    method: Method
    space: LatentSpace
    critic: Callable[[jax.Array, Mapping], jax.Array] | None = None
    predicted: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    rate: Callable[[np.ndarray], np.ndarray] | None = None


def evaluate(
    corpus: Corpus, *, preset: str, lengths: Iterable[int], selection: Selection, components: Components,
    subjects: Callable[[int], Iterable[Subject]], untrained: Callable[[int], LatentSpace],
    judges: Mapping[str, Classifier],
) -> Evaluation:
    """Measures the trained methods on windows of a corpus.

    Args:
        corpus: of the songs.
        preset: of the config, for the heading.
        lengths: bars of the windows.
        components: of the prior.
        subjects: bars -> the methods that were trained on windows of so many, MusAE itself first.
        untrained: bars -> MusAE's latent space with parameters as they are drawn at first.
        judges: of genres, by name.
    """
    names = tuple(part.name for part in tracks.INSTRUMENTATIONS[corpus.instrumentation])
    lengths, seed = tuple(lengths), selection.seed
    windows, songs, genres = {}, set(), {}
    reconstructions, fits, curves = [], [], {}
    known = {}
    for bars in lengths:
        examples = read(corpus, selection, bars=bars, components=components)
        windows[bars] = len(examples.tokens)
        songs |= {*examples.song.tolist()}
        known[bars] = known_windows(corpus, examples, selection, bars=bars)
        majority = baselines.majority_tokens(corpus, seed=seed, bars=bars, encoding=selection.encoding,
                                             split=_learned(selection))
        majority = np.broadcast_to(majority, examples.tokens.shape)
        reconstructions.append(Measured(method="majority", title="majority token", bars=bars,
                                        values=reconstruction(examples, majority, names)))
        curves[bars] = {"data space": mixed_in_data_space(examples, seed)}
        for subject in subjects(bars):
            method, space = subject.method, subject.space
            working(f"{bars} bars: {method.title}")
            z = space.encode(examples.tokens)
            row = functools.partial(Measured, method=method.name, title=method.title, bars=bars)
            reconstructions.append(row(values=reconstruction(examples, space.decode(z), names)
                                       | _fed(subject, examples, z)))
            curves[bars][method.title] = interpolated(space, examples, z, seed)
            if method.prior:
                fits.append(row(values=prior_fit(subject, examples, z, seed)))
            if method == FLOWER:
                familiar = None
                if corpus.grooves and selection.split == "test":
                    familiar = read(corpus, dataclasses.replace(selection, split="validation"), bars=bars,
                                    components=components)
                genres[bars] = genre_evaluation.measure(space, untrained(bars), examples, z, judges, seed, familiar)
                if space.rest is not None:
                    rest = functools.partial(Measured, method="flow", bars=bars)
                    title = "the flower's rest by the flow"
                    fits.append(rest(title=title, values=rest_fit(space, examples, z, seed)))
                    if familiar is not None:
                        fits.append(rest(title=f"{title}, known grooves", values=rest_fit(
                            space, familiar, space.encode(familiar.tokens), seed)))
    found = Findings(instrumentation=corpus.instrumentation, genres=tuple(components.around), windows=windows,
                     known=known, reconstructions=tuple(reconstructions), interpolation=curves, fits=tuple(fits),
                     flower=genres)
    return tables.evaluation(found, preset=preset, source=corpus.source, split=selection.split, songs=len(songs))


def read(corpus: Corpus, selection: Selection, *, bars: int, components: Components) -> Examples:
    """The windows that are measured: of songs in which no track is silent for longer than a bar."""
    table = dataset.measured(corpus, selection.split, seed=selection.seed, bars=bars, count=selection.count,
                             batch=selection.batch)
    arrays = dataset.arrays(corpus, table["start"], component=components.of(corpus), components=components.count)
    run = jax.jit(lambda arrays, index, keys: dataset.examples(
        arrays, index, keys, False, bars=bars, encoding=selection.encoding))
    index = jnp.arange(len(table["start"]))
    batch = jax.device_get(run(arrays, index, numbered(jax.random.key(selection.seed), index)))
    _, family = np.unique(np.array(corpus.families), return_inverse=True)
    return Examples(tokens=batch["tracks"], genre=batch["genre"], component=batch["component"], song=table["song"],
                    family=family.reshape(-1)[table["song"]])


def _learned(selection: Selection) -> str:
    """The split that stands for what models learn from."""
    return selection.split if selection.split == splits.ALL else "train"


def known_windows(corpus: Corpus, examples: Examples, selection: Selection, *, bars: int) -> dict[str, float]:
    """Of each track, the share of its measured windows that stand note for note in training songs, in whatever key."""
    if selection.split == splits.ALL:  # then no song of this corpus was learned from
        return {}
    names = [part.name for part in tracks.INSTRUMENTATIONS[corpus.instrumentation]]
    try:
        starts = dataset.windows(corpus, "train", seed=selection.seed, bars=bars, sparse=True)["start"]
    except MusicFusionError:
        return {}
    chosen = starts[batches.fixed(len(starts), min(len(starts), LEARNED))]
    steps = chosen[:, None] * corpus.steps + np.arange(bars * dataset.BEATS * corpus.steps)
    learned = tracks.without_carry(corpus.arrays["tracks"][steps])
    learned = tracks.merged(learned) if selection.encoding == "paper" else learned
    pitched = np.array([not part.drums for part in tracks.INSTRUMENTATIONS[corpus.instrumentation]])
    own = near_duplicates.known_windows(examples.tokens, learned, pitched)
    sounding = np.any(examples.tokens < HOLD, 1)
    return {name: float(own[:, k].sum() / max(sounding[:, k].sum(), 1)) for k, name in enumerate(names)}


def _fed(subject: Subject, examples: Examples, z: np.ndarray) -> dict[str, Number]:
    """What is measured of a decoder that is fed: where the truth is fed to it; and the rate of its code."""
    found: dict[str, Number] = {}
    if subject.predicted is not None:
        right = (subject.predicted(z, examples.tokens) == examples.tokens) & (examples.tokens < HOLD)
        found["forced"] = float(right.sum() / max(np.sum(examples.tokens < HOLD), 1))
    if subject.rate is not None:
        found["rate"] = float(np.mean(subject.rate(examples.tokens)))
    return found


def reconstruction(examples: Examples, decoded: np.ndarray, names: Iterable[str]) -> dict[str, Number]:
    """The values of a row of table 1: shares of steps and of onsets that are right in decoded int [n, T, 4].

    names: of the tracks. Returns {"steps_TRACK", "onsets_TRACK": by track, NaN where a track has no onsets; "steps",
    "onsets": means over tracks and windows with intervals over families of songs}.
    """
    right, onset = examples.tokens == decoded, examples.tokens < HOLD
    count = onset.sum((0, 1))
    steps = right.mean((0, 1))
    onsets = np.where(count > 0, (right & onset).sum((0, 1)) / np.maximum(count, 1), np.nan)
    begun = onset.sum(1)  # [n, 4]
    playing = np.count_nonzero(begun, 1)  # tracks
    by_window = np.sum((right & onset).sum(1) / np.maximum(begun, 1), 1) / np.where(playing > 0, playing, np.nan)
    return {**{f"steps_{name}": float(x) for name, x in zip(names, steps, strict=True)},
            **{f"onsets_{name}": float(x) for name, x in zip(names, onsets, strict=True)},
            "steps": bootstrap.interval(right.mean((1, 2)), examples.family, 0),
            "onsets": bootstrap.interval(by_window, examples.family, 0)}


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
         "wasserstein": the sliced distance to draws from the prior, mean over components with enough codes (of a prior
            without components, of all), in coordinates in which it is N(0, I); "wasserstein_prior": that of two sets
            of draws,
         "gap": the critic's between draws and codes, where there is one; "witness": the gap of the norms,
         "recovered": of windows with a genre, the share whose nearest component is that genre's}
    """
    prior, count, size = subject.method.prior, subject.space.components.count, z.shape[1]
    component = jnp.asarray(examples.component)
    batch = {"component": component, "components": jnp.full(len(z), count)}
    white = np.asarray(objective.whitened(prior, jnp.asarray(z), batch))
    draws, again = np.random.default_rng(seed).normal(size=(2, *white.shape))
    groups = examples.component if prior == "flower" else np.zeros(len(z), int)
    gap = None
    if subject.critic is not None:
        drawn = objective.draw(prior, numbered(jax.random.key(seed), jnp.arange(len(z))), batch, size)
        gap = float(np.mean(subject.critic(drawn, batch)) - np.mean(subject.critic(jnp.asarray(z), batch)))
    known = (examples.genre >= 0) & (prior == "flower")
    near = subject.space.nearest(z) == examples.component
    return {"mean": float(np.sqrt(np.mean(white.mean(0) ** 2))), "variance": float(np.mean(white.var(0))),
            "wasserstein": by_group(white, draws, groups, seed),
            "wasserstein_prior": by_group(again, draws, groups, seed), "gap": gap,
            "witness": float(np.abs(np.mean(objective.norm(jnp.asarray(white)))
                                    - np.mean(objective.norm(jnp.asarray(draws))))),
            "recovered": float(near[known].mean()) if known.any() else None}


def rest_fit(space: LatentSpace, examples: Examples, z: np.ndarray, seed: int) -> dict[str, Number]:
    """The same of the flow's rest: how well it fits N(0, I) at the positions of the examples' components."""
    assert space.rest is not None and space.harmony is not None
    position = np.where((examples.component == UNTAGGED)[:, None], 0, space.position(examples.component))
    rest = space.rest(z, position.astype(np.float32), space.harmony(examples.tokens))
    draws, again = np.random.default_rng(seed).normal(size=(2, *rest.shape))
    return {"mean": float(np.sqrt(np.mean(rest.mean(0) ** 2))), "variance": float(np.mean(rest.var(0))),
            "wasserstein": by_group(rest, draws, examples.component, seed),
            "wasserstein_prior": by_group(again, draws, examples.component, seed),
            "witness": float(np.abs(np.mean(objective.norm(jnp.asarray(rest)))
                                    - np.mean(objective.norm(jnp.asarray(draws)))))}


def by_group(one: np.ndarray, other: np.ndarray, group: np.ndarray, seed: int) -> float | None:
    """The sliced Wasserstein distance of two samples [n, size], mean over the groups int [n] that have ENOUGH."""
    found = [sliced_wasserstein(one[group == k], other[group == k], seed) for k in np.unique(group)
             if np.sum(group == k) >= ENOUGH]
    return float(np.mean(found)) if found else None


def sliced_wasserstein(one: np.ndarray, other: np.ndarray, seed: int) -> float:
    """The sliced Wasserstein-1 distance of two samples [n, size], over random directions."""
    directions = np.random.default_rng(seed).normal(size=(one.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.mean(np.abs(np.sort(one @ directions, 0) - np.sort(other @ directions, 0))))
