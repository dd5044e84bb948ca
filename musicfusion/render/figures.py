"""Figures of results as PNG files: curves, alone and side by side, bars, bubbles, images.

matplotlib is imported inside, and pyplot never: no global state, so any thread may draw.
"""

import dataclasses
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musicfusion.core.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which the colour-blind can tell apart; the strongest contrast first.
PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B")
MARKERS = "osD^vPX"
INK, FAINT = "#222222", "#D9D9D9"

Line = Sequence[float] | np.ndarray | tuple[Sequence[float], Sequence[float]]  # y over the panel's x, or (x, y)
Lines = Mapping[str, Line]


def curves(
    path: str | Path,
    x: Sequence[float] | np.ndarray,
    lines: Lines,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Path:
    """Draw `lines`, {label: y [n]} over one x [n], as a PNG. NaN leaves a gap."""
    return lines_grid(path, [(title, x, lines)], xlabel, ylabel)


def lines_grid(
    path: str | Path,
    panels: Sequence[tuple[str, Sequence[float] | np.ndarray, Lines]],
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    share_y: bool = False,
) -> Path:
    """Draw panels (title, x [n], {label: y [n]}) side by side, three in a row, as a PNG.

    A label has one colour in all panels, and stands in one legend. A tuple (x, y) for y has an x of its own; one point
    is shown as its marker.
    """
    labels = list(dict.fromkeys(label for _, _, lines in panels for label in lines))
    columns = min(3, len(panels)) or 1
    rows = -(-len(panels) // columns) or 1
    width, height = (6.4, 4.2) if len(panels) == 1 else (4.2 * columns, 3.2 * rows + 0.4)
    figure = new_figure(width, height)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=share_y).ravel()
    handles = {}
    for panel, (axis, (name, x, lines)) in enumerate(zip(axes, panels, strict=False)):
        for label, line in lines.items():
            place = labels.index(label)
            at, y = line if isinstance(line, tuple) else (x, line)
            few = len(at) <= 25  # markers show where the measurements are, until they cover the line
            (handles[label],) = axis.plot(
                np.asarray(at, float),
                np.asarray(y, float),
                color=PALETTE[place % len(PALETTE)],
                linestyle=("-", "--", ":")[place // len(PALETTE) % 3],
                marker=MARKERS[(place + place // len(MARKERS)) % len(MARKERS)] if few else "",
                markersize=5,
                markeredgecolor="white",
                linewidth=1.8,
            )
        axis.set_title(drawable(name), fontsize=11, color=INK, parse_math=False)
        axis.grid(color=FAINT, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        if panel >= len(panels) - columns:
            axis.set_xlabel(drawable(xlabel), fontsize=10, color=INK, parse_math=False)
        if panel % columns == 0:
            axis.set_ylabel(drawable(ylabel), fontsize=10, color=INK, parse_math=False)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    if title:
        figure.suptitle(drawable(title), fontsize=13, color=INK, parse_math=False)
    if len(labels) > 1 or (labels and labels[0]):
        legend = figure.legend(
            [handles[label] for label in labels],
            [drawable(label) for label in labels],
            loc="outside lower center",
            ncols=min(len(labels), max(1, int(width / (0.07 * max(map(len, labels)) + 0.55)))),  # inches
            frameon=False,
            fontsize=9,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    return save(figure, path)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Points:
    """A panel of `tradeoff`.

    Attributes:
        title, xlabel, ylabel: of the panel.
        points: name -> (x, y), shares from 0 to 1.
        kinds: name -> its kind; each kind has a colour, a marker, and a heading in the list of names.
        lines: names of points that a line joins.
    """

    title: str
    xlabel: str
    ylabel: str
    points: Mapping[str, tuple[float, float]]
    kinds: Mapping[str, str]
    lines: Iterable[Sequence[str]] = ()


def tradeoff(path: str | Path, panels: Sequence[Points], title: str = "") -> Path:
    """Draw panels of numbered points one above the other, each beside the list of its points' names, as a PNG."""
    kinds = list(dict.fromkeys(kind for panel in panels for kind in panel.kinds.values()))
    figure = new_figure(11.0, 4.4 * len(panels) + 0.5)
    rows = figure.subplots(len(panels), 2, squeeze=False, width_ratios=(5, 6))
    for (axis, key), panel in zip(rows, panels, strict=True):
        axis.set_title(drawable(panel.title), fontsize=12, color=INK, parse_math=False)
        axis.set_xlabel(drawable(panel.xlabel), fontsize=10, color=INK, parse_math=False)
        axis.set_ylabel(drawable(panel.ylabel), fontsize=10, color=INK, parse_math=False)
        axis.set(xlim=(-0.04, 1.06), ylim=(-0.04, 1.06))
        axis.grid(color=FAINT, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        for line in panel.lines:
            axis.plot(*zip(*(panel.points[name] for name in line), strict=True), color=INK, linewidth=1.0, zorder=1)
        names = [name for kind in kinds for name in panel.points if panel.kinds[name] == kind]
        entries: list[tuple[str, str, bool]] = []  # of the key: text, colour, whether it is a heading
        for kind in kinds:
            found = [panel.points[name] for name in names if panel.kinds[name] == kind]
            if found:
                axis.scatter(*zip(*found, strict=True), s=36, color=_colour(kinds, kind),
                             marker=MARKERS[kinds.index(kind)], edgecolors="white", zorder=2)
                entries.append((kind, _colour(kinds, kind), True))
                entries += [(f"{at}  {name}", _colour(kinds, kind), False) for at, name in enumerate(names, 1)
                            if panel.kinds[name] == kind]
        _numbered(axis, [panel.points[name] for name in names], [_colour(kinds, panel.kinds[name]) for name in names])
        _key(key, entries)
    if title:
        figure.suptitle(drawable(title), fontsize=13, color=INK, parse_math=False)
    return save(figure, path)


def _colour(kinds: Sequence[str], kind: str) -> str:
    return PALETTE[kinds.index(kind) % len(PALETTE)]


def _numbered(axis: "Axes", points: Sequence[tuple[float, float]], colours: Sequence[str]) -> None:
    """Numbers beside points, from 1, each where least stands already."""
    away = [(radius * math.cos(angle), radius * math.sin(angle)) for radius in (0.035, 0.06, 0.085)
            for angle in (math.pi / 4 * step for step in (1, 7, 3, 5, 0, 2, 4, 6))]
    taken = list(points)
    for number, ((x, y), colour) in enumerate(zip(points, colours, strict=True), 1):

        def crowd(by, x=x, y=y):
            at = x + by[0], y + by[1]
            return sum(max(0.0, 0.045 - math.dist(at, other)) for other in taken if other != (x, y))

        dx, dy = min(away, key=crowd)
        taken.append((x + dx, y + dy))
        axis.text(x + dx, y + dy, str(number), fontsize=7, color=colour, ha="center", va="center")


def _key(axis: "Axes", entries: Sequence[tuple[str, str, bool]]) -> None:
    """Lines (text, colour, whether it is a heading) in one column or two."""
    axis.set_axis_off()
    axis.set(xlim=(0, 1), ylim=(0, 1))
    column = max(22, -(-len(entries) // 2))
    for at, (text, colour, heading) in enumerate(entries):
        axis.text(0.52 * (at // column), 1 - (at % column + 0.5) / column, drawable(text), fontsize=8, color=colour,
                  weight="bold" if heading else "normal", va="center", parse_math=False)


def bars(
    path: str | Path,
    groups: Sequence[str],
    series: Mapping[str, Sequence[tuple[float, float, float] | None]],
    paper: Mapping[str, Sequence[float | None]] | None = None,
    ylabel: str = "",
    title: str = "",
    limits: tuple[float, float] | None = None,
) -> Path:
    """Draw a bar with its interval for each of `series` in each of `groups`, as a PNG.

    series: {label: (mean, low, high) for each group}, NaN for no interval, None for no bar; paper: {label: the paper's
    number for each group}, a diamond on the bar; limits: of the numbers.
    """
    size = max(5.2, 0.6 + 1.5 * len(groups))
    figure = new_figure(size, 4.0)
    axis = figure.subplots()
    width = 0.8 / max(len(series), 1)
    for place, (label, values) in enumerate(series.items()):
        colour = PALETTE[place % len(PALETTE)]
        shown = [(k + (place - (len(series) - 1) / 2) * width, value) for k, value in enumerate(values) if value]
        at, means = [x for x, _ in shown], [value[0] for _, value in shown]
        axis.bar(at, means, width * 0.9, color=colour, alpha=0.85, label=drawable(label))
        for x, (mean, low, high) in shown:
            axis.errorbar(x, mean, [[max(mean - low, 0)], [max(high - mean, 0)]], color=INK, capsize=3, linewidth=1.1)
        known = [(k + (place - (len(series) - 1) / 2) * width, number)
                 for k, number in enumerate((paper or {}).get(label, ())) if number is not None]
        if known:
            axis.scatter([x for x, _ in known], [number for _, number in known], marker="D", s=26, color="white",
                         edgecolors=INK, zorder=3)
    if paper:
        axis.scatter([], [], marker="D", s=26, color="white", edgecolors=INK, label="the paper's")
    axis.set_xticks(range(len(groups)), [drawable(name).replace(", ", "\n") for name in groups], fontsize=9)
    axis.set_ylabel(drawable(ylabel), fontsize=10, color=INK, parse_math=False)
    axis.set_title(drawable(title), fontsize=11, color=INK, parse_math=False)
    axis.grid(color=FAINT, linewidth=0.6, axis="y")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    if limits:
        axis.set_ylim(*limits)
    longest = max(map(len, [*series, "the paper's"]))
    figure.legend(loc="outside lower center", ncols=max(1, min(4, int(size / (0.07 * longest + 0.55)))), frameon=False,
                  fontsize=9)
    return save(figure, path)


def bubbles(path: str | Path, points: Sequence[tuple[float, float, float, float]], xlabel: str = "", ylabel: str = "",
            colour: str = "", title: str = "") -> Path:
    """Draw points (x, y, how many, a number from 0 to 1) as circles whose area is how many, as a PNG.

    colour: what that number is.
    """
    figure = new_figure(5.4, 4.4)
    axis = figure.subplots()
    found = np.array(points, float).reshape(-1, 4)
    most = found[:, 2].max(initial=1.0)
    drawn = axis.scatter(found[:, 0], found[:, 1], s=900 * found[:, 2] / most, c=found[:, 3], cmap="viridis", vmin=0,
                         vmax=1, alpha=0.9, edgecolors="white")
    axis.set_xlabel(drawable(xlabel), fontsize=10, color=INK, parse_math=False)
    axis.set_ylabel(drawable(ylabel), fontsize=10, color=INK, parse_math=False)
    axis.set_title(drawable(title), fontsize=11, color=INK, parse_math=False)
    axis.grid(color=FAINT, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(0.15)
    bar = figure.colorbar(drawn)
    bar.set_label(drawable(colour), fontsize=10, color=INK, parse_math=False)
    bar.ax.tick_params(labelsize=8)
    return save(figure, path)


def images(path: str | Path, rows: Sequence[Sequence[tuple[str, np.ndarray]]], title: str = "") -> Path:
    """Draw matrices, each (title, [n, m]), in rows and columns as a PNG; the first index runs downward."""
    columns = max(len(row) for row in rows)
    figure = new_figure(2.5 * columns, 2.6 * len(rows) + 0.4)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, drawn in zip(axes, rows, strict=True):
        for axis, (name, matrix) in zip(row, drawn, strict=True):
            axis.imshow(matrix, cmap="magma", vmin=0, origin="lower", interpolation="nearest")
            axis.set_title(drawable(name), fontsize=8, color=INK, parse_math=False)
            axis.tick_params(labelsize=6, length=2)
    if title:
        figure.suptitle(drawable(title), fontsize=13, color=INK, parse_math=False)
    return save(figure, path)


def spectrograms(path: str | Path, pictures: Mapping[str, np.ndarray], seconds: float) -> Path:
    """Draw pictures {title: [T, M]} in -1..1 one above the other, time to the right, as a PNG; seconds: of a frame."""
    figure = new_figure(11.0, 2.4 * len(pictures) + 0.3)
    axes = figure.subplots(len(pictures), 1, squeeze=False, sharex=True)[:, 0]
    for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
        axis.imshow(picture.T, cmap="magma", vmin=-1, vmax=1, origin="lower", aspect="auto",
                    extent=(0, len(picture) * seconds, 0, picture.shape[1]))
        axis.set_title(drawable(name), fontsize=10, color=INK, parse_math=False)
        axis.set_ylabel("mel band", fontsize=8)
    axes[-1].set_xlabel("seconds", fontsize=8)
    return save(figure, path, dpi=90)  # of a whole song: more would make a page heavy


def heat(path: str | Path, rows: Sequence[str], columns: Sequence[str], values: np.ndarray, title: str = "") -> Path:
    """Draw a table of signed numbers [rows, columns] as colours, none in the middle, as a PNG."""
    figure = new_figure(2.6 + 0.32 * len(columns), 1.6 + 0.2 * len(rows))
    axis = figure.subplots()
    limit = float(np.quantile(np.abs(values), 0.95)) or 1.0  # a few large ones would make all others pale
    shown = axis.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    axis.set_xticks(range(len(columns)), [drawable(name) for name in columns], rotation=90, fontsize=8)
    axis.set_yticks(range(len(rows)), [drawable(name) for name in rows], fontsize=8)
    axis.set_title(drawable(title), fontsize=11, color=INK, parse_math=False)
    figure.colorbar(shown, fraction=0.03, pad=0.02).ax.tick_params(labelsize=7)
    return save(figure, path)


def scatter(path: str | Path, panels: Sequence[tuple[str, np.ndarray, np.ndarray]], title: str = "") -> Path:
    """Draw panels (title, points [n, 2], sign [n]) side by side as a PNG; a point's sign says of which kind it is."""
    figure = new_figure(3.6 * max(len(panels), 1), 3.8)
    axes = figure.subplots(1, max(len(panels), 1), squeeze=False)[0]
    for axis, (name, points, sign) in zip(axes, panels, strict=True):
        for kind, marker, colour in ((1, "o", PALETTE[1]), (-1, "x", PALETTE[0])):
            chosen = points[np.sign(sign) == kind]
            axis.scatter(chosen[:, 0], chosen[:, 1], s=14, marker=marker, color=colour, linewidths=0.9)
        axis.set_title(drawable(name), fontsize=9, color=INK, parse_math=False)
        axis.tick_params(labelsize=6, length=2)
    if title:
        figure.suptitle(drawable(title), fontsize=13, color=INK, parse_math=False)
    return save(figure, path)


def new_figure(width: float, height: float, automatic: bool = True) -> "Figure":
    """An empty matplotlib figure in inches, on an Agg canvas of its own; laid out automatically?"""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(width, height), layout="constrained" if automatic else None, facecolor="white"
    )
    FigureCanvasAgg(figure)
    return figure


def save(figure: "Figure", path: str | Path, dpi: int = 130) -> Path:
    """Write a figure as a PNG that appears whole; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return atomic_write(path, buffer.getvalue())


def drawable(text: str) -> str:
    """`text` with "?" for what the figures' font lacks: song names come in every script.

    matplotlib would draw an empty box and warn on each.
    """
    known = _known()
    return "".join(c if ord(c) in known or c == "\n" else "?" for c in str(text))


@cache
def _known() -> frozenset[int]:
    """The code points that the figures' font can draw."""
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())
