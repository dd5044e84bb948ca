"""What was measured as the tables and figures of an Evaluation: pure functions."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicfusion.core.evaluation import Evaluation, Measure, Table, row
from musicfusion.metrics import transitions
from musicfusion.render import figures
from musicfusion.systems.connective_fusion import published

STATISTICS = {"key": "key", "mean_pitch": "mean pitch", "mean_duration": "mean duration", "pitch": "pitch transition",
              "duration": "duration transition"}
COMPARED = {"reality": "reality", **STATISTICS}
INPUTS = {"test": "pairs of test songs", "prior": "pairs drawn from the prior"}
LIMITS = (1, 3)  # of z-distance, which the paper names

CURVE = {
    "z_distance": Measure(label="z-distance", digits=2),
    "reality": Measure(label="reality", better="higher"),
    "accepted": Measure(label="accepted", unit="%", scale=100, digits=1, better="higher"),
    **{name: Measure(label=label, better="higher") for name, label in STATISTICS.items()},
}
CLASSIFIER = {
    "real": Measure(label="mean on real pairs"),
    "accuracy": Measure(label="accuracy", better="higher"),
    "shuffled": Measure(label="mean on shuffled pairs"),
}
EQUAL_DISTANCE = {
    "higher": Measure(label="Connective Fusion is higher at", digits=0),
    "separated": Measure(label="with separate intervals at", digits=0),
    "points": Measure(label="of points", digits=0),
}
STYLE = {
    "different": Measure(label="outputs that differ"),
    "symbols": Measure(label="symbols that differ"),
    "neighbours": Measure(label="between neighbours"),
    "far": Measure(label="between opposite corners"),
    "z_distance": Measure(label="z-distance"),
}
DISTANCES = {f"below_{limit}": Measure(label=f"below {limit}") for limit in LIMITS}
RECONSTRUCTION = {
    "symbol_accuracy": Measure(label="symbols", better="higher"),
    "onset_accuracy": Measure(label="onsets", better="higher"),
    "kl": Measure(label="KL", unit="nats a side"),
}


class Point(NamedTuple):
    """One point of a curve: a method at a setting, applied so often; values: measure -> mean, low, high."""

    method: str
    setting: str
    iteration: int
    values: Mapping[str, tuple[float, float, float]]

    @property
    def line(self) -> str:
        """Which curve it is on."""
        return f"{self.method}{', ' if self.setting else ''}{self.setting}"

    @property
    def name(self) -> str:
        """Its row's name."""
        return f"{self.line} x {self.iteration}" if self.iteration else self.line


def evaluation(*, preset: str, data: Mapping, settings: Mapping, classifier: Mapping[str, float],
               real: Sequence[Point], curves: Mapping[str, Sequence[Point]], style: Mapping[str, float],
               histogram: Mapping[str, list[float]], reconstruction: Mapping[str, float],
               matrices: Mapping[str, Mapping[str, np.ndarray]]) -> Evaluation:
    """All that evaluation.py measured, put into its tables and figures."""
    compared = equal_distance_table(curves)
    return Evaluation(
        system="connective_fusion", preset=preset, title=f"Connective Fusion, preset {preset}",
        about=f"{data['examples']} windows of {data['songs']} songs ({data['split']} split of {data['source']})."
              " Intervals are over songs. But for two numbers of its reality classifier the paper has curves only.",
        data=data, settings=settings,
        headlines=tuple(("test", name, "reality") for name in (
            f"Connective Fusion, lambda {settings['lambda']:g} x 1", "random pairs", "real pairs")),
        tables=(
            Table(name="reality_classifier", title="Reality", measures=CLASSIFIER, first="classifier",
                  rows=(row("reality classifier", classifier, published.REALITY_CLASSIFIER),),
                  note="Reality is how likely a pair is a real one, by a classifier that learned from songs of its own."
                       " Accuracy: on real and shuffled pairs."),
            *(curve_table(name, label, [*real, *curves[name]]) for name, label in INPUTS.items()),
            *([compared] if compared.rows else []),
            Table(name="style", title="Style", measures=STYLE, rows=(row("Connective Fusion", style),),
                  note="Shares of outputs, and of their symbols, that differ between two random styles; shares of"
                       " symbols that differ between neighbours on a plane of 5 x 5 styles, and between its opposite"
                       " corners; z-distance between the outputs of two random styles."),
            Table(name="distances", title="z-distance of sides", measures=DISTANCES, first="sides", rows=tuple(
                row(label, {f"below_{limit}": histogram[f"{name}_below_{limit}"][0] for limit in LIMITS})
                for name, label in (("within", "within a song"), ("across", "across songs"))),
                note="Shares of pairs of sides whose z-distance is below 1 and below 3; identical sides are left out."),
            Table(name="reconstruction", title="Reconstruction", measures=RECONSTRUCTION, first="model",
                  rows=(row("melody VAE", reconstruction),),
                  note="Greedy, from the posterior mean: shares of symbols, and of onsets, that come back."),
        ),
        remarks=() if compared.rows else (
            "Latent Perturb was not trained in this run: `--config.train.baselines=true` trains it.",),
        details={"histogram": {name: histogram[name] for name in ("edges", "within", "across")}},
        figures=drawings(curves, histogram, matrices),
    )


def curve_table(name: str, label: str, points: Sequence[Point]) -> Table:
    """A row for each point of the curves."""
    return Table(name=name, title=label.capitalize(), measures=CURVE,
                 rows=tuple(row(point.name, point.values) for point in points),
                 note="Accepted: pairs that the classifier takes for real ones. Statistics: Pearson's correlation of"
                      " the transitions from left to right with those of the real pairs, which stay the same in all"
                      " draws of the intervals. x N: after N iterations, or N perturbations.")


def equal_distance_table(curves: Mapping[str, Sequence[Point]]) -> Table:
    """Each point of Latent Perturb against the best one of Connective Fusion at no greater a z-distance, by measure."""
    rows = []
    for name, label in INPUTS.items():
        ours, theirs = (by_distance(curves[name], method) for method in ("Connective Fusion", "Latent Perturb"))
        if ours and theirs:
            for measure, words in COMPARED.items():
                counts = equal_distance(ours, theirs, measure)
                rows.append(row(f"{label}, {words}", dict(zip(EQUAL_DISTANCE, counts, strict=True))))
    return Table(name="equal_distance", title="Connective Fusion and Latent Perturb at equal z-distance",
                 measures=EQUAL_DISTANCE, rows=tuple(rows), first="inputs, measure",
                 note="Points of Latent Perturb at which the best point of Connective Fusion with no greater a"
                      " z-distance is higher; points nearer than any of Connective Fusion are left out.")


def by_distance(points: Iterable[Point], method: str) -> list[Point]:
    """A method's points, nearest first."""
    return sorted((point for point in points if point.method == method), key=_distance)


def equal_distance(ours: Sequence[Point], theirs: Sequence[Point], measure: str) -> tuple[int, int, int]:
    """At how many of their points our best one at no greater a z-distance is higher; at how many its interval is above
    theirs; of how many points: those that are farther than the nearest of ours.
    """
    higher = separated = points = 0
    for other in theirs:
        within = [mine for mine in ours if _distance(mine) <= _distance(other)]
        if within:
            best = max(within, key=lambda mine: mine.values[measure][0]).values[measure]
            points += 1
            higher += best[0] > other.values[measure][0]
            separated += best[1] > other.values[measure][2]
    return higher, separated, points


def _distance(point: Point) -> float:
    return point.values["z_distance"][0]


# Figures --------------------------------------------------------------------------------------------------------------


def drawings(curves: Mapping[str, Sequence[Point]], histogram: Mapping[str, list[float]],
             matrices: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Callable[[Path], Path]]:
    """curves_test.png and curves_prior.png (the paper's figures 4 and 7), matrices.png (5), distances.png (6)."""
    drawn: dict[str, Callable[[Path], Path]] = {}
    for name, label in INPUTS.items():
        panels: list[tuple[str, list[float], dict]] = [
            (words, [], _lines(curves[name], measure)) for measure, words in COMPARED.items()]
        drawn[f"curves_{name}.png"] = functools.partial(
            figures.lines_grid, panels=panels, xlabel="z-distance", title=f"Against z-distance, from {label}")
    drawn["matrices.png"] = functools.partial(
        figures.images, title="From the left half to the right one",
        rows=[[(f"{words}: {which}", matrices[which][key][_span(key)]) for key, words in STATISTICS.items()]
              for which in matrices])
    drawn["distances.png"] = functools.partial(
        figures.curves, x=np.log10(histogram["edges"][1:]),
        lines={"within a song": histogram["within"], "across songs": histogram["across"]},
        xlabel="log10 of z-distance", ylabel="share of pairs", title="z-distances of four bars")
    return drawn


def _lines(points: Iterable[Point], measure: str) -> dict[str, tuple[list[float], list[float]]]:
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for point in points:
        x, y = lines.setdefault(point.line, ([], []))
        x.append(_distance(point))
        y.append(point.values[measure][0])
    return lines


def _span(key: str) -> tuple[slice, slice]:
    """The states that melodies of this range reach."""
    span = slice(55, 85) if transitions.STATES[key] > 100 else slice(None)
    return span, span
