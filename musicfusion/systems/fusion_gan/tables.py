"""The report of paper 003's tables and figure as text and pictures."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from musicfusion.metrics import histograms
from musicfusion.render import figures
from musicfusion.render.tables import markdown
from musicfusion.systems.fusion_gan import published

STEPS = {16: "16ths", 32: "32nds"}


def text(report: Mapping) -> str:
    """The whole report as Markdown."""
    one, other = report["genres"]
    counts, steps = report["melodies"], STEPS[report["grid"]]
    blocks = [
        f"# FusionGAN, preset {report['preset']}",
        f"Between {one} and {other}: {counts['a']} windows of 36 {steps} of either ({report['mode']}, in C;"
        f" {report['data']['split']} split of {report['data']['source']}), as many melodies of each method.",
        "## Table I: distances of histograms",
        "Diff and Ratio: how much longer the way from the one genre to the other is by way of what was made; 0 and 1 if"
        " that lies between. Behind each Ratio the paper's.",
        *(f"**{kind}**\n\n{_distances(report, kind)}" for kind in histograms.KINDS),
        *report["paper"]["remarks"],
        "## Raw counts, as in the paper",
        *(f"**{kind}**\n\n{_distances(report, kind, 'raw')}" for kind in published.TABLE1),
        "## Each melody by itself",
        _heard(report, [("a", f"real: {one}"), ("b", f"real: {other}"),
                        *((name, title) for name, title in report["titles"].items() if name in report["heard"])]),
        f"p({one}): by a classifier that no generator learned from; between: melodies for which it lies in .25 to .75;"
        " copied: whole bars that stand in a training melody; rhythms: bars whose rhythm does.",
    ]
    if "critics" in report:
        uneven = report["critics"]["uneven"]
        rows = [[f"D_{name.upper()}", *report["critics"][name].values(), uneven[name]] for name in uneven]
        blocks += ["## What the critics say", markdown(
            ["", f"real: {one}", f"real: {other}", "G_A", "G_B", "fusion", "uneven"], rows),
            "Mean scores; uneven: by how much terms (9) and (13) are missed, in parts of the way between the genres."]
    if "ratios" in report:
        rows = [[row["ratio"], row.get("first"), row.get("spread"), row.get("between")] for row in report["ratios"]]
        blocks += [f"## How much of {one}", markdown(["ratio", f"p({one})", "spread", "between"], rows)]
    if "listening" in report:
        rows = [[name, *(said[x] for x in ("first", "second", "mixture", "neither", "level"))]
                for name, said in report["listening"].items()]
        blocks += ["## Table II: what listeners said",
                   markdown(["method", one, other, "mixture", "neither", "fusion level"], rows)]
    return "\n\n".join(blocks)


def _distances(report: Mapping, kind: str, which: str = "distances") -> str:
    rows = []
    for name, of in report[which].items():
        paper = published.TABLE1.get(kind, {}).get(name)
        cells: list = []
        for k, distance in enumerate(("eud", "em")):
            ratio = f"{of[kind][f'{distance}_ratio']:.3f}"
            cells += [of[kind][f"{distance}_diff"], f"{ratio} ({paper[2 * k + 1]:.3f})" if paper else ratio]
        rows.append([report["titles"][name], *cells])
    return markdown(["", "EUD Diff", "EUD Ratio", "EM Diff", "EM Ratio"], rows)


def _heard(report: Mapping, methods: list[tuple[str, str]]) -> str:
    names = ("first", "spread", "between", "copied", "rhythms", "distinct", "notes")
    rows = [[title, *(report["heard"][name].get(x) for x in names)] for name, title in methods]
    return markdown(["", f"p({report['genres'][0]})", "spread", *names[2:-1], "notes a melody"], rows)


def draw(report: Mapping, folder: Path) -> list[Path]:
    """histograms.png (figure 6), ratios.png, and progress.png from the record of a run."""
    titles = {"a": report["genres"][0], "b": report["genres"][1], **report["titles"]}
    panels: list = []
    for kind, of in report["histograms"].items():
        shown = {titles[name]: np.array(of[name]) for name in ("a", "b", "likelihood", "fusion") if name in of}
        panels.append((kind, np.arange(len(of["a"])) + (kind == "durations"), shown))
    found = [figures.lines_grid(
        folder / "histograms.png", panels, xlabel=f"{STEPS[report['grid']]}; pitch class from C", ylabel="share",
        title="How long notes last, and which they are")]
    if report.get("ratios") and "first" in report["ratios"][0]:
        x = [row["ratio"] for row in report["ratios"]]
        lines = {f"p({titles['a']})": np.array([row["first"] for row in report["ratios"]]),
                 "between": np.array([row["between"] for row in report["ratios"]])}
        found.append(figures.curves(folder / "ratios.png", x, lines, xlabel=f"share of {titles['a']}", ylabel="",
                                    title="What the share does"))
    if (progress := _progress(folder / "fusion" / "metrics.jsonl")) is not None:
        drawn = {"first genre from fusion (D_A)": "distance_a", "second genre from fusion (D_B)": "distance_b",
                 "both from fusion (D_F)": "distance_f", "the two genres": "genres_apart"}
        found.append(figures.curves(
            folder / "progress.png", progress["step"], {title: progress[key] for title, key in drawn.items()},
            xlabel="step", ylabel="distance", title="The objective's distances, equation (1), on validation songs"))
    return found


def _progress(path: Path) -> dict[str, np.ndarray] | None:
    """What a stage's record says of validation, by step; None where there is no record."""
    if not path.is_file():
        return None
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if "validation/loss" in row]
    if len(rows) < 2:
        return None
    return {key.removeprefix("validation/"): np.array([row[key] for row in rows], float) for key in rows[0]}
