"""The report of paper 004's table and figures as text and pictures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from musicfusion.metrics import arrangement
from musicfusion.render import figures
from musicfusion.render.tables import markdown
from musicfusion.systems.musae import published


def text(report: Mapping) -> str:
    """The whole report as Markdown."""
    data = report["data"]
    measured = " and ".join(f"{n} windows of {bars} bars" for bars, n in report["windows"].items())
    blocks = [
        f"# MusAE, preset {report['preset']}",
        f"{measured} ({data['split']} split of {data['source']}). In brackets: 95 % bootstrap intervals over songs.",
        "## Table 1: reconstruction, % of steps, and of onsets alone",
        _table1(report),
        *published.REMARKS,
        "## Interpolation: share of steps that differ from the start",
        _interpolation(report["interpolation"]),
        "## How well the codes fit their prior",
        markdown(["", "bars", "means off by", "variance, x the prior's", "sliced Wasserstein", "of two draws",
                  "critic's gap", "nearest to its petal"],
                 [[row[name] for name in ("title", "bars", "mean", "variance", "wasserstein", "wasserstein_prior",
                                          "gap", "recovered")] for row in report["fit"]]),
        "In standard deviations of the prior. The last column: share of windows with a genre whose code lies nearest to"
        " its petal.",
    ]
    if report["genres"]:
        blocks += ["## Genres", f"Around the flower: {', '.join(report['genres'])}.", _genres(report)]
    return "\n\n".join(blocks)


def _table1(report: Mapping) -> str:
    names, rows = report["tracks"], []
    for row in report["table1"]:
        paper = published.TABLE1.get((row["kind"], row["bars"]), {})
        cells = [_both(a, b) for a, b in zip(row["accuracy"], row["onsets"], strict=True)]
        rows.append([f"{row['title']}, {row['bars']} bars", *cells, _percent(row, "mean"), _percent(row, "onsets_mean"),
                     ", ".join(f"{name} {100 * x:.1f}" for name, x in paper.items()) or None])
    return markdown(["", *names, "mean", "onsets, mean", "paper"], rows)


def _both(steps: float, onsets: float | None) -> str:
    return f"{100 * steps:.1f} / {'-' if onsets is None else f'{100 * onsets:.1f}'}"


def _percent(row: Mapping, name: str) -> str:
    low, high = row["ci"][name]
    return f"{100 * row[name]:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _interpolation(curves: Mapping) -> str:
    rows = [[f"{title}, {bars} bars", *(f"{x:.2f}" for x in curve[::2]),
             "yes" if np.all(np.diff(curve) > 0) else "no"]
            for bars, found in curves.items() for title, curve in found.items()]
    return markdown(["alpha", "0", ".2", ".4", ".6", ".8", "1", "rises throughout"], rows)


def _genres(report: Mapping) -> str:
    about = [["rank correlation: how far petals lie apart, how much draws from them differ",
              report["petals"]["rank_correlation"]],
             ["draws from a petal that are heard as its genre", report["petals"].get("judged")],
             *([f"draws from where its codes lie, {spread} times as far from their mean", share]
               for spread, share in report["petals"].get("from_styles", {}).items()),
             ["real windows that are heard as their genre", report.get("judge")],
             [f"two genres parted by a line, mean of {report['separable']['pairs']} pairs: in the plane of PCA",
              report["separable"]["plane"]],
             ["the same in all of z", report["separable"]["all"]]]
    found = [markdown(["", "share"], about)]
    if report.get("transfer"):
        found += ["Windows moved toward another genre:",
                  markdown(["way", "amount", "heard as the target", "as before", "rhythm kept", "notes kept"],
                           [[row["way"], row["amount"], row["target"], row["source"], row["rhythm"], row["notes"]]
                            for row in report["transfer"]])]
    return "\n\n".join(found)


def draw(report: Mapping, drawn: Mapping, folder: Path) -> list[Path]:
    """interpolation.png (figure 4), petals.png (3), genres.png (5), transfer.png."""
    panels: list = [(f"{bars} bars", np.linspace(0, 1, 11), curves) for bars, curves in report["interpolation"].items()]
    found = [figures.lines_grid(folder / "interpolation.png", panels, xlabel="alpha", ylabel="share of steps",
                                title="How far interpolations differ from their start")]
    names = report["genres"] or [str(k + 1) for k in range(len(next(iter(drawn["heat"].values()))))]
    rows = {f"{words}, {track}": drawn["heat"][measure][:, k] for measure, words in arrangement.NAMES.items()
            for k, track in enumerate(report["tracks"])}
    found.append(figures.heat(folder / "petals.png", list(rows), names, np.stack(list(rows.values())),
                              "Draws from each petal, relative to the mean of all"))
    if drawn.get("planes"):
        found.append(figures.scatter(folder / "genres.png", drawn["planes"], "Two genres in the plane of their codes"))
    if report.get("transfer"):
        ways: dict[str, tuple[list, list]] = {}
        for row in report["transfer"]:
            x, y = ways.setdefault(row["way"], ([], []))
            x.append(row["rhythm"])
            y.append(row["target"])
        found.append(figures.lines_grid(folder / "transfer.png", [("", [], ways)], xlabel="rhythm kept",
                                        ylabel="heard as the target", title="Toward another genre"))
    return found
