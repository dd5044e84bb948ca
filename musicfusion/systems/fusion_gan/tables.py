"""FusionGAN's tables and figures: pure functions of what was measured."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicfusion.core.evaluation import Measure, Table, row
from musicfusion.metrics import histograms as counted
from musicfusion.render import figures as render
from musicfusion.systems.fusion_gan import published

METHODS = {  # name, which is its stage's where it has one: title
    "random": "random mixing (RM)", "monte_carlo": "Monte Carlo (MC)", "pretrain": "maximum likelihood (MLE)",
    "mixture": "GAN on the mixture", "exchanged": "exchanged critics (RL)", "fusion": "FusionGAN",
}
HEADLINES = tuple(("detected", METHODS[name], "between") for name in ("fusion", "pretrain"))
STEPS = {16: "16ths", 32: "32nds"}  # by the number of steps in a bar
DISTANCES = ("eud_diff", "eud_ratio", "em_diff", "em_ratio")  # in the order of published.TABLE1
KINDS = {"x_a": "real: {0}", "x_b": "real: {1}", "g_a": "G_A", "g_b": "G_B", "g_f": "fusion"}  # of melodies

_DIFF_AND_RATIO = (
    "Diff and Ratio: by how much the way from one genre's histogram to the other's grows if it leads over that of a"
    " method; 0 and 1 if that lies between, as that of any mixture of both genres does.")

Numbers = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The numbers of all tables: `distances` and `raw` by method and kind of count, the others as in evaluation.py."""

    genres: tuple[str, str]
    distances: Mapping[str, Mapping[str, Numbers]]
    raw: Mapping[str, Mapping[str, Numbers]]
    detected: Mapping[str, Numbers]
    critics: Mapping[str, Numbers]
    ratios: Mapping[float, Numbers]


def of(measured: Measured) -> tuple[Table, ...]:
    """All tables; of what was not measured there is none."""
    tables = [_distances(kind, measured.distances) for kind in counted.KINDS]
    tables += [_raw(kind, measured.raw) for kind in published.TABLE1]
    tables.append(_detected(measured))
    if measured.critics:
        tables.append(_critics(measured))
    if measured.ratios:
        tables.append(_ratios(measured))
    return tuple(tables)


def _distances(kind: str, measured: Mapping[str, Mapping[str, Numbers]]) -> Table:
    paper = published.TABLE1.get(kind, {})
    ratios = {method: {name: x for name, x in zip(DISTANCES, of, strict=True) if name.endswith("ratio")}
              for method, of in paper.items()}
    return Table(
        name=_key(kind), title=f"Table I: {kind}", measures=_distance_measures(digits=3),
        rows=tuple(row(METHODS[method], of[kind], ratios.get(method)) for method, of in measured.items()),
        note=_DIFF_AND_RATIO if kind == "durations" else "")


def _raw(kind: str, measured: Mapping[str, Mapping[str, Numbers]]) -> Table:
    paper = {method: dict(zip(DISTANCES, of, strict=True)) for method, of in published.TABLE1[kind].items()}
    return Table(
        name=f"raw_{_key(kind)}", title=f"Raw counts, as in the paper: {kind}", measures=_distance_measures(digits=1),
        rows=tuple(row(METHODS[method], of[kind], paper.get(method)) for method, of in measured.items()))


def _distance_measures(digits: int) -> dict[str, Measure]:
    found = {}
    for name, distance in (("eud", "EUD"), ("em", "EM")):
        found[f"{name}_diff"] = Measure(label=f"{distance} Diff", digits=digits, better="lower")
        found[f"{name}_ratio"] = Measure(label=f"{distance} Ratio", better="lower")
    return found


def _detected_measures(genre: str) -> dict[str, Measure]:
    return {
        "probability": Measure(label=f"p({genre})"),
        "spread": Measure(label="spread"),
        "between": Measure(label="between", unit="%", scale=100, digits=1, better="higher"),
        "copied": Measure(label="copied", unit="%", scale=100, digits=1),
        "rhythms": Measure(label="known rhythms", unit="%", scale=100, digits=1),
        "distinct": Measure(label="distinct", unit="%", scale=100, digits=1),
        "notes": Measure(label="notes a melody", digits=1),
    }


def _detected(measured: Measured) -> Table:
    one, other = measured.genres
    titles = {"a": f"real: {one}", "b": f"real: {other}", **METHODS}
    return Table(
        name="detected", title="Each melody by itself", measures=_detected_measures(one),
        rows=tuple(row(titles[name], of) for name, of in measured.detected.items()),
        note=f"p({one}): mean probability by a classifier that has seen the generators' training songs, and that no"
             " generator has learned from; spread: its standard deviation; between: melodies with one in .25 to .75."
             " copied: bars, empty ones too, that occur in a training melody; known rhythms: bars whose rhythm does.")


def _critics(measured: Measured) -> Table:
    measures = {kind: Measure(label=label.format(*measured.genres)) for kind, label in KINDS.items()}
    return Table(
        name="critics", title="What the critics say", measures=measures | {"imbalance": Measure(label="imbalance")},
        rows=tuple(row(f"D_{name.upper()}", of) for name, of in measured.critics.items()), first="critic",
        note="Mean scores. imbalance: terms (9) and (13), as a share of the distance between the genres' pieces.")


def _ratios(measured: Measured) -> Table:
    one = measured.genres[0]
    return Table(
        name="ratios", title=f"How much of {one}", measures=_detected_measures(one), first="ratio",
        rows=tuple(row(f"{ratio:.2f}", of) for ratio, of in measured.ratios.items()))


def _key(kind: str) -> str:
    return kind.replace(" ", "_")


# Figures ------------------------------------------------------------------------------------------------------------


def figures(
    measured: Measured, *, shares: Mapping[str, Mapping[str, np.ndarray]], progress: Mapping[str, list[float]],
    steps: str,
) -> dict[str, Callable[[Path], Path]]:
    """histograms.png (figure 6), ratios.png, progress.png: those for which there are numbers.

    Args:
        measured: as for the tables.
        shares: {kind of count: {"a", "b", method: [bins]}}.
        progress: validation by step (evaluation.progress).
        steps: what a step is called.
    """
    titles = {"a": measured.genres[0], "b": measured.genres[1], **METHODS}
    found: dict[str, Callable[[Path], Path]] = {
        "histograms.png": functools.partial(_draw_histograms, shares=shares, titles=titles, steps=steps),
    }
    if any("probability" in of for of in measured.ratios.values()):
        found["ratios.png"] = functools.partial(_draw_ratios, ratios=measured.ratios, genre=titles["a"])
    if progress:
        found["progress.png"] = functools.partial(_draw_progress, progress=progress)
    return found


def _draw_histograms(path: Path, *, shares: Mapping[str, Mapping[str, np.ndarray]], titles: Mapping[str, str],
                     steps: str) -> Path:
    panels: list = []
    for kind, of in shares.items():
        lines = {titles[name]: of[name] for name in ("a", "b", "pretrain", "fusion") if name in of}
        panels.append((kind, np.arange(len(of["a"])) + (kind == "durations"), lines))
    return render.lines_grid(path, panels, xlabel=f"{steps}; pitch class from C", ylabel="share",
                             title="How long notes last, and which they are")


def _draw_ratios(path: Path, *, ratios: Mapping[float, Numbers], genre: str) -> Path:
    lines = {f"p({genre})": np.array([of["probability"] for of in ratios.values()]),
             "between": np.array([of["between"] for of in ratios.values()])}
    return render.curves(path, list(ratios), lines, xlabel=f"share of {genre}", title="What the share does")


def _draw_progress(path: Path, *, progress: Mapping[str, list[float]]) -> Path:
    drawn = {"first genre from fusion (D_A)": "distance_a", "second genre from fusion (D_B)": "distance_b",
             "both from fusion (D_F)": "distance_f", "the two genres": "genre_distance"}
    lines = {title: np.array(progress[name], float) for title, name in drawn.items()}
    return render.curves(
        path, progress["step"], lines, xlabel="step", ylabel="distance",
        title="The objective's distances, equation (1), on validation songs")
