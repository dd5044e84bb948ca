"""FusionGAN's evaluation: Table I and figure 6, and what they do not show: order, novelty, each melody by itself."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.core.contracts import Tree
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.example_keys import numbered
from musicfusion.core.report import working
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import histograms
from musicfusion.systems.fusion_gan import baselines, dataset, objective, published, tables
from musicfusion.systems.fusion_gan.critic import Critic
from musicfusion.systems.fusion_gan.dataset import GENRES, LENGTH, Dataset
from musicfusion.systems.fusion_gan.generator import Generator, player, uniforms

RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)
BETWEEN = (0.25, 0.75)  # probabilities of the first genre at which the classifier decides for neither


@dataclasses.dataclass(frozen=True, kw_only=True)
class Models:
    """What is measured.

    Attributes:
        generator: the network of all generators.
        generators: stage -> parameters of its generators, {"a", "b", "f"}; of the stages that were trained.
        critic: the network of all critics.
        critics: parameters of the fusion's critics, {"a", "b", "f"}; None where they are not at hand.
        probability: tokens [N, 36] -> probability of the first genre [N] (judges.py); None without a classifier.
    """

    generator: Generator
    generators: Mapping[str, Mapping[str, Tree]]
    critic: Critic
    critics: Mapping[str, Tree] | None = None
    probability: Callable[[np.ndarray], np.ndarray] | None = None


def evaluate(
    corpus: Corpus, models: Models, *, data: Dataset, split: str, count: int, preset: str,
    record: Path | None = None,
) -> Evaluation:
    """The paper's tables on the windows of a split.

    Args:
        corpus: of two genres.
        models: what is measured.
        data: how windows are cut.
        split: of the songs.
        count: melodies of each method, and windows of each genre at most.
        preset: for the report.
        record: metrics.jsonl of the stage "fusion", where there is one.

    Raises:
        MusicFusionError: a genre has no windows.
    """
    windows = dataset.evenly(data.windows(corpus, split), count)
    real = {genre: dataset.tokens(own.symbols) for genre, own in windows.items()}
    training = {genre: dataset.tokens(own.symbols)
                for genre, own in dataset.evenly(data.windows(corpus, "train")).items()}
    play = playing(models.generator, seed=data.seed)
    generated = {}
    for method, title in tables.METHODS.items():
        working(title)
        if (found := by(method, models.generators, play, training=training, count=count, seed=data.seed)) is not None:
            generated[method] = found
    known = TrainingBars(training, data.grid)
    counts = {name: histograms.counts(x) for name, x in (*real.items(), *generated.items())}
    shares = {kind: {name: histograms.shares(x[kind]) for name, x in counts.items()} for kind in published.TABLE1}
    genres = (corpus.tags[0], corpus.tags[1])
    measured = tables.Measured(
        genres=genres,
        distances={name: distances(counts["a"], counts["b"], counts[name]) for name in generated},
        raw={name: distances(counts["a"], counts["b"], counts[name], raw=True) for name in generated},
        detected={name: detected(models.probability, known, x) for name, x in (*real.items(), *generated.items())},
        critics=critics(models, real, play) if models.critics is not None else {},
        ratios=ratios(models, known, play, count=count),
    )
    curves = progress(record) if record is not None else {}
    return Evaluation(
        system="fusion_gan", preset=preset, title=f"FusionGAN, preset {preset}",
        about=f"Between {genres[0]} and {genres[1]}: {len(real['a'])} windows of {LENGTH} {tables.STEPS[data.grid]} of"
              f" either genre ({data.mode}, in C; {split} split of {corpus.source}), {count} melodies of each method.",
        data={"source": corpus.source, "split": split, "genres": list(genres),
              "songs": sum(len(np.unique(own.songs)) for own in windows.values()),
              "examples": {genre: len(x) for genre, x in (*real.items(), *generated.items())}},
        settings={"mode": data.mode, "grid": data.grid, "melodies": count},
        tables=tables.of(measured), headlines=tables.HEADLINES, remarks=published.REMARKS,
        details={"histograms": shares, "progress": curves},
        figures=tables.figures(measured, shares=shares, progress=curves, steps=tables.STEPS[data.grid]),
    )


# What is measured ---------------------------------------------------------------------------------------------------


def playing(generator: Generator, *, seed: int) -> Callable[..., np.ndarray]:
    """A function play(parameters, count, ratio=0.5): what a generator plays, tokens uint8 [count, 36]."""

    @jax.jit
    def run(params, keys, ratio):
        return player(generator, params).sample(uniforms(keys, 0, (LENGTH,)), jnp.full(len(keys), ratio))

    def play(params: Tree, count: int, ratio: float = 0.5) -> np.ndarray:
        return dataset.tokens(run(params, numbered(jax.random.key(seed), jnp.arange(count)), ratio))

    return play


def by(
    method: str, generators: Mapping[str, Mapping[str, Tree]], play: Callable[..., np.ndarray], *,
    training: Mapping[str, np.ndarray], count: int, seed: int,
) -> np.ndarray | None:
    """Melodies of a method, tokens uint8 [count, 36]; None where its stage was not trained."""
    if method == "random":
        return baselines.random_mixing(training, count=count, seed=seed)
    if method == "monte_carlo":
        return baselines.monte_carlo(training, count=count, seed=seed)
    if method not in generators:
        return None
    if method == "exchanged":  # both, since each has learned from the other genre's critic
        halves = [play(generators[method][genre], -(-count // 2)) for genre in GENRES]
        return np.concatenate(halves)[:count]
    return play(generators[method]["f"], count)


def distances(one: Mapping, other: Mapping, generated: Mapping, *, raw: bool = False) -> dict[str, dict[str, float]]:
    """Table I from counts (metrics.histograms): {kind: {"eud_diff", "eud_ratio", "em_diff", "em_ratio"}}.

    Args:
        one: counts of the first genre by kind; `other`, of the second; `generated`, of what lies between.
        raw: compare counts, as the paper does; else their shares.
    """
    found: dict[str, dict[str, float]] = {}
    for kind in histograms.KINDS:
        a, b, g = (x[kind] if raw else histograms.shares(x[kind]) for x in (one, other, generated))
        found[kind] = {}
        for name, distance in (("eud", histograms.euclidean), ("em", histograms.earth_mover)):
            found[kind][f"{name}_diff"], found[kind][f"{name}_ratio"] = histograms.between(a, b, g, distance)
    return found


class TrainingBars:
    """The bars of the training melodies, and the rhythms of these bars."""

    def __init__(self, training: Mapping[str, np.ndarray], grid: int = 16):
        """Keeps them; training: tokens of windows by genre, [N, 36]; grid: steps of a bar."""
        self._grid = grid
        bars = np.concatenate([_bars(x, grid) for x in training.values()])
        self._bars = {bar.tobytes() for bar in bars}
        self._rhythms = {melody.rhythm(bar).astype(np.uint8).tobytes() for bar in bars}

    def shares(self, tokens: np.ndarray) -> tuple[float, float]:
        """Of the bars of melodies [N, 36]: the shares that occur among them, and whose rhythms do."""
        bars = _bars(tokens, self._grid)
        return (float(np.mean([bar.tobytes() in self._bars for bar in bars])),
                float(np.mean([melody.rhythm(bar).astype(np.uint8).tobytes() in self._rhythms for bar in bars])))


def _bars(tokens: np.ndarray, grid: int) -> np.ndarray:
    """Whole bars, each from its own first note on: [N, 36] -> uint8 [bars, grid]."""
    whole = tokens[:, : LENGTH // grid * grid].reshape(-1, grid)
    return np.ascontiguousarray(melody.without_carry(whole).astype(np.uint8))


def detected(
    probability: Callable[[np.ndarray], np.ndarray] | None, known: TrainingBars, tokens: np.ndarray
) -> dict[str, float]:
    """What is detected in each melody by itself; tokens [N, 36].

    Returns:
        probability: the classifier's mean probability of the first genre, and spread: its standard deviation.
        between: the share of melodies whose probability lies within BETWEEN.
        copied, rhythms: the shares of `known`.
        distinct: the share of different melodies.
        notes: of a melody, on average.
        Without a classifier, none of the first three.
    """
    copied, rhythms = known.shares(tokens)
    found = {"copied": copied, "rhythms": rhythms, "notes": float(np.mean(np.sum(tokens < melody.HOLD, 1))),
             "distinct": len({one.tobytes() for one in tokens}) / len(tokens)}
    if probability is None:
        return found
    p = probability(tokens)
    return {"probability": float(p.mean()), "spread": float(p.std()),
            "between": float(np.mean((p > BETWEEN[0]) & (p < BETWEEN[1]))), **found}


def critics(models: Models, real: Mapping[str, np.ndarray], play: Callable[..., np.ndarray]) -> dict[str, dict]:
    """Mean scores of the fusion's critics, {critic: {"x_a", "x_b", "g_a", "g_b", "g_f", "imbalance"}}.

    imbalance: of equations 9 and 13, as a share of the distance between the two genres' pieces by that critic; of D_F,
    to which both genres are to be alike, by D_A and D_B.
    """
    assert models.critics is not None
    melodies = {f"x_{genre}": x for genre, x in real.items()}
    melodies |= {f"g_{name}": play(models.generators["fusion"][name], len(real["a"])) for name in objective.NAMES}
    run = jax.jit(lambda params, x: models.critic.apply({"params": params}, x))
    scores = {name: {kind: run(models.critics[name], dataset.symbols(x)) for kind, x in melodies.items()}
              for name in objective.NAMES}
    means = {name: {kind: float(jnp.mean(x)) for kind, x in own.items()} for name, own in scores.items()}
    between = {name: abs(own["x_a"] - own["x_b"]) for name, own in means.items()}
    between["f"] = (between["a"] + between["b"]) / 2
    imbalance = objective.imbalance(scores)
    return {name: {**own, "imbalance": float(imbalance[name]) / max(between[name], 1e-6)}
            for name, own in means.items()}


def ratios(
    models: Models, known: TrainingBars, play: Callable[..., np.ndarray], *, count: int
) -> dict[float, dict[str, float]]:
    """What is detected in fusions by their share of the first genre; nothing where no generator is conditioned."""
    if "fusion" not in models.generators or not models.generator.blended:
        return {}
    params = models.generators["fusion"]["f"]
    return {ratio: detected(models.probability, known, play(params, count, ratio)) for ratio in RATIOS}


def progress(record: Path) -> dict[str, list[float]]:
    """Validation of a stage by step, {"step", metric: [n]}, from its metrics.jsonl.

    Empty if there is no such file, or if the stage was validated less than twice.
    """
    if not record.is_file():
        return {}
    lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    validated = [line for line in lines if "validation/loss" in line]
    if len(validated) < 2:
        return {}
    names = [name for name in validated[0] if name == "step" or name.startswith("validation/")]
    return {name.removeprefix("validation/"): [line[name] for line in validated] for name in names}
