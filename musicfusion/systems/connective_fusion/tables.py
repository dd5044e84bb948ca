"""The report of paper 001's figures as text and pictures."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from musicfusion.metrics import transitions
from musicfusion.render import figures
from musicfusion.render.tables import markdown

STATISTICS = {"key": "key", "mean_pitch": "mean pitch", "mean_duration": "mean duration", "pitch": "pitch transition",
              "duration": "duration transition"}
METRICS = {"reality": "reality", **STATISTICS}
INPUTS = {"test": "pairs of test songs", "prior": "pairs drawn from the prior"}


def text(report: Mapping) -> str:
    """The whole report as Markdown."""
    data, reality, style = report["data"], report["reality"], report["style"]
    paper, histogram = report["paper"], report["histogram"]
    blocks = [
        f"# Connective Fusion, preset {report['preset']}",
        f"{report['windows']} windows of {report['songs']} songs ({data['split']} split of {data['source']})."
        " In brackets: 95 % bootstrap intervals over songs. The paper reports curves, not tables.",
        "## Reality",
        markdown(["", "ours", "paper"], [
            ["mean on real pairs", reality["mean"], paper["reality_mean"]],
            ["accuracy, real and shuffled pairs", reality["accuracy"], paper["reality_accuracy"]],
            ["mean on shuffled pairs", reality["mean_shuffled"], None]]),
        "How likely a pair is a real one, by a classifier that learned from songs of its own.",
        *(block for name, label in INPUTS.items()
          for block in (f"## {label.capitalize()}", _curve(report["curves"][name], report["real"]))),
        "Statistics: Pearson's correlation of the transitions from left to right with those of these real pairs. More"
        " than real pairs of other songs (validation-2) have is not to be had.",
        "## Ours and Latent Perturb at equal z-distance",
        compared(report["curves"]),
        "## Style",
        markdown(["", "share"], [
            ["outputs that differ between two random styles", style["different"]],
            ["their symbols that differ", style["symbols_different"]],
            ["symbols that differ between neighbours on a 5 x 5 plane", style["neighbours"]],
            ["symbols that differ between its opposite corners", style["far"]]]),
        "## z-distance of sides within a song and across songs",
        markdown(["", "within", "across"], [
            [f"below {limit}", histogram[f"intra_below_{limit}"][0], histogram[f"inter_below_{limit}"][0]]
            for limit in (1, 3)]),
        "## Reconstruction: greedy, from the posterior mean",
        markdown(["symbols", "onsets", "KL, nats a side"], [[report["reconstruction"][name] for name in
                                                               ("symbol_accuracy", "onset_accuracy", "kl")]]),
    ]
    return "\n\n".join(blocks)


def _curve(rows: Iterable[Mapping], real: Iterable[Mapping]) -> str:
    table = [[_name(row), _number(row, "z_distance", 2), *(_number(row, name, 3) for name in METRICS)]
             for row in (*real, *rows)]
    return markdown(["method", "z-distance", *METRICS.values()], table)


def _name(row: Mapping) -> str:
    times = f" x {row['iteration']}" if row["iteration"] else ""
    return f"{row['method']}{', ' if row['setting'] else ''}{row['setting']}{times}"


def _number(row: Mapping, name: str, digits: int) -> str:
    low, high = row["ci"][name]
    return f"{row[name]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def compared(curves: Mapping[str, list[Mapping]]) -> str:
    """Each point of Latent Perturb against our best one at no greater a z-distance, by metric."""
    rows = []
    for name, label in INPUTS.items():
        ours, theirs = (envelope(curves[name], method) for method in ("Connective Fusion", "Latent Perturb"))
        if not (ours and theirs):
            continue
        for metric, words in METRICS.items():
            won, clearly, places = equal_distance(ours, theirs, metric)
            rows.append([label, words, f"{won} of {places}", f"{clearly} of {places}"])
    if not rows:
        return "(Latent Perturb is not trained in this run: `--config.evaluate.compare=true`)"
    return markdown(["inputs", "metric", "ours is higher at", "with intervals apart at"], rows)


def envelope(rows: Iterable[Mapping], method: str) -> list[Mapping]:
    """A method's points by z-distance."""
    return sorted((row for row in rows if row["method"] == method), key=lambda row: row["z_distance"])


def equal_distance(ours: list[Mapping], theirs: list[Mapping], metric: str) -> tuple[int, int, int]:
    """At how many of the other method's points ours is higher at no greater a z-distance, and its interval above the
    other's; of how many points, those that are farther than the nearest of ours.
    """
    won = clearly = places = 0
    for row in theirs:
        within = [mine for mine in ours if mine["z_distance"] <= row["z_distance"]]
        if within:
            best = max(within, key=lambda mine: mine[metric])
            places += 1
            won += best[metric] > row[metric]
            clearly += best["ci"][metric][0] > row["ci"][metric][1]
    return won, clearly, places


def draw(report: Mapping, matrices: Mapping[str, Mapping[str, np.ndarray]], folder: Path) -> list[Path]:
    """curves_test.png and curves_prior.png (figures 4 and 7), matrices.png (figure 5), distances.png (figure 6)."""
    drawn = []
    for name, label in INPUTS.items():
        rows = report["curves"][name]
        panels: list[tuple[str, list, dict]] = [(words, [], _lines(rows, metric)) for metric, words in METRICS.items()]
        drawn.append(figures.lines_grid(folder / f"curves_{name}.png", panels, xlabel="z-distance",
                                        title=f"Against z-distance, from {label}"))
    drawn.append(figures.images(folder / "matrices.png", [
        [(f"{words}: {which}", matrices[which][key][_span(key)]) for key, words in STATISTICS.items()]
        for which in matrices], title="From the left half to the right one"))
    histogram = report["histogram"]
    drawn.append(figures.curves(folder / "distances.png", np.log10(histogram["edges"][1:]),
                                {"within a song": histogram["intra"], "across songs": histogram["inter"]},
                                xlabel="log10 of z-distance", ylabel="share of pairs",
                                title="z-distances of four bars"))
    return drawn


def _lines(rows: Iterable[Mapping], metric: str) -> dict:
    lines: dict[str, tuple[list, list]] = {}
    for row in rows:
        x, y = lines.setdefault(f"{row['method']}{' ' if row['setting'] else ''}{row['setting']}", ([], []))
        x.append(row["z_distance"])
        y.append(row[metric])
    return lines


def _span(key: str) -> tuple[slice, slice]:
    """The states that melodies of this range reach."""
    span = slice(55, 85) if transitions.STATES[key] > 100 else slice(None)
    return span, span
