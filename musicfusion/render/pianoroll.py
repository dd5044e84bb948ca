"""Piano rolls: a small raster for TensorBoard, and a before/after picture for people.

Notes are int32 [n, 3] on the grid: onset and duration in steps, MIDI pitch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicfusion.render.figures import INK, PALETTE, drawable, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Notes = np.ndarray

BARS = 8  # bars in a line of the picture
LINES = 6  # lines in a picture; what comes after is counted, not drawn
WIDTH = 12.8  # inches of a full line
LEFT = 0.8  # inches before it
CHORDS = 0.27  # inches above a panel, for the names of chords
BLACK_KEYS = (1, 3, 6, 8, 10)


def changed(before: Notes, after: Notes) -> tuple[np.ndarray, np.ndarray]:
    """Which notes two versions share: bool masks over `before` and `after`, True where kept.

    A note is kept when the other version has a note with its onset and pitch; durations may differ.
    """
    before, after = (np.asarray(n, np.int64).reshape(-1, 3) for n in (before, after))
    mine, theirs = (n[:, 0] * 128 + n[:, 2] for n in (before, after))
    return np.isin(mine, theirs), np.isin(theirs, mine)


def raster(
    tracks: Sequence[tuple[Notes, str | tuple[int, int, int]]],
    steps: int,
    height: int | None = None,
    pitches: tuple[int, int] | None = None,
    pixel: int = 4,
    steps_per_bar: int = 16,
) -> np.ndarray:
    """Draw tracks, each (notes, colour), as an image uint8 [h, steps * pixel, 3].

    Colours are "#RRGGBB" or (r, g, b); a later track covers an earlier one. `pitches`, lowest and
    highest, fits the notes unless given. h is `pixel` a pitch, or about `height` when given: the
    nearest whole number of rows a pitch, at least one.
    """
    drawn = [(np.asarray(n, np.int64).reshape(-1, 3), _rgb(colour)) for n, colour in tracks]
    low, high = pitches or _range([n for n, _ in drawn])
    image = np.full((high - low + 1, steps * pixel, 3), 255, np.uint8)
    image[np.isin(np.arange(low, high + 1) % 12, BLACK_KEYS)] = 243
    image[:, :: steps_per_bar * pixel] = 205
    for notes, colour in drawn:
        for onset, duration, pitch in notes.tolist():
            if low <= pitch <= high and 0 <= onset < steps:
                left, right = onset * pixel, (onset + duration) * pixel
                image[pitch - low, left:right] = colour
                image[pitch - low, left] = colour // 2  # so that a repeated note shows as two
    rows = pixel if height is None else max(1, round(height / len(image)))
    return np.repeat(image[::-1], rows, axis=0)


def compare(
    path: str | Path,
    before: Mapping[str, Notes],
    after: Mapping[str, Notes],
    title: str = "",
    steps_per_beat: int = 4,
    beats_per_bar: int = 4,
    chords_before: Sequence[str] | None = None,
    chords_after: Sequence[str] | None = None,
    labels: tuple[str, str] = ("before", "after"),
    shifts: Mapping[str, int] | None = None,
) -> Path:
    """Draw two versions of a piece, {track name: notes}, one above the other, as a PNG.

    Each track has a colour, the first (the melody, say) on top. Hatched notes of the first version
    are gone in the second; strong, outlined notes of the second are new; pale ones are in both.
    A track that was transposed as a whole by `shifts` semitones is compared in its new key.
    Chords are names, one a beat, "" for none. Lines hold `BARS` bars; what comes after `LINES`
    lines is counted, not drawn.
    """
    versions = (_arrays(before), _arrays(after))
    names = list(dict.fromkeys([*versions[0], *versions[1]]))
    tracks = {
        name: _Track(PALETTE[k % len(PALETTE)], _pair(name, *versions), (shifts or {}).get(name, 0))
        for k, name in enumerate(names)
    }
    bar = steps_per_beat * beats_per_bar
    everything = [notes for track in tracks.values() for notes in track.notes]
    bars = max((_bars(n, bar, steps_per_beat) for n in everything if len(n)), default=1)
    lines = min(LINES, -(-bars // BARS))
    low, high = _range(everything)

    # All in inches from the top left corner; a figure's own units are fractions from the bottom.
    bar_width = min(3.2, WIDTH / min(BARS, bars))
    wide, tall = bar_width * min(BARS, bars), float(np.clip(0.075 * (high - low), 1.5, 3.2))
    head = 0.95 if title else 0.65
    chords = [list(c) if c is not None else [] for c in (chords_before, chords_after)]
    above = CHORDS if any(chords) else 0.1  # room above a panel
    line_height = 2 * (above + tall) + 0.42
    size = min((_chord_size(c, bar_width / beats_per_bar) for c in chords if c), default=0)
    width, height = max(7.5, LEFT + wide + 0.2), head + lines * line_height + 0.15
    figure = new_figure(width, height, automatic=False)
    for line in range(lines):
        here = min(BARS, bars - line * BARS)
        start, stop = line * BARS * bar, (line * BARS + here) * bar
        for k in range(2):
            top = head + line * line_height + (k + 1) * above + k * tall
            axis = figure.add_axes(
                (
                    LEFT / width,
                    (height - top - tall) / height,
                    bar_width * here / width,
                    tall / height,
                )
            )
            _keyboard(axis, low, high)
            _time(axis, start, stop, steps_per_beat, bar, numbered=k == 1)
            axis.set_ylabel(
                drawable(labels[k]), fontsize=11, fontweight="bold", color=INK, parse_math=False
            )
            for track in reversed(tracks.values()):
                _draw(axis, track, k, start, stop)
            _chords(axis, chords[k], start, stop, steps_per_beat, size)
    _head(figure, title, tracks, height, width)
    if bars > lines * BARS:
        figure.text(
            LEFT / width,
            0.06 / height,
            f"bars {lines * BARS + 1} to {bars} are not drawn",
            fontsize=9,
            color=INK,
            style="italic",
        )
    return save(figure, path, dpi=110)


def gallery(
    path: str | Path,
    cells: Sequence[Sequence[tuple[str, Mapping[str, Notes]]]],
    steps: int,
    title: str = "",
    steps_per_bar: int = 16,
) -> Path:
    """Draw many short pieces in rows and columns, each (what it is, {track name: notes}), as a PNG.

    All have the same range and length, so that they can be compared by eye.
    """
    everything = [np.asarray(notes) for row in cells for _, tracks in row for notes in tracks.values()]
    pitches = _range(everything)
    columns = max(len(row) for row in cells)
    width, height = (3.2 if columns > 1 else 9.0) * columns, (1.5 if columns > 1 else 1.7) * len(cells) + 0.4
    figure = new_figure(width, height)
    figure.suptitle(drawable(title), fontsize=13, fontweight="bold", color=INK)
    axes = figure.subplots(len(cells), columns, squeeze=False)
    names = list(dict.fromkeys(name for row in cells for _, tracks in row for name in tracks))
    colours = {name: PALETTE[k % len(PALETTE)] for k, name in enumerate(names)}
    for row, drawn in zip(axes, cells, strict=True):
        for axis in row:
            axis.set_axis_off()
        for axis, (words, tracks) in zip(row, drawn, strict=False):
            coloured = [(notes, colours[name]) for name, notes in tracks.items()]
            axis.imshow(raster(coloured, steps, pitches=pitches, steps_per_bar=steps_per_bar), aspect="auto")
            axis.set_title(drawable(words), fontsize=8, color=INK, parse_math=False)
    return save(figure, path, dpi=110)


@dataclass
class _Track:
    """A track of the picture: its notes before and after, and which of them are in both."""

    colour: str
    notes: tuple[Notes, Notes]
    shift: int = 0

    @property
    def kept(self) -> tuple[np.ndarray, np.ndarray]:
        return changed(self.notes[0] + np.array([0, 0, self.shift]), self.notes[1])


def _draw(axis: "Axes", track: _Track, k: int, start: int, stop: int) -> None:
    """Draw the notes of version k (0 before, 1 after) that sound in steps [start, stop)."""
    from matplotlib.collections import PolyCollection

    notes, kept = track.notes[k], track.kept[k]
    sounding = (notes[:, 0] < stop) & (notes[:, 0] + notes[:, 1] > start)
    gone: dict[str, Any] = {
        "facecolors": "white",
        "edgecolors": track.colour,
        "hatch": "//////",
        "linewidths": 0.9,
    }
    new: dict[str, Any] = {"facecolors": track.colour, "edgecolors": INK, "linewidths": 1.3}
    plain: dict[str, Any] = {
        "facecolors": _pale(track.colour),
        "edgecolors": track.colour,
        "linewidths": 0.7,
    }
    for chosen, look in ((kept, plain), (~kept, (gone, new)[k])):
        shown = notes[sounding & chosen].astype(float)
        if len(shown):
            left, right = shown[:, 0] + 0.06, shown[:, 0] + shown[:, 1] - 0.06
            low, high = shown[:, 2] - 0.44, shown[:, 2] + 0.44
            corners = np.stack([left, low, left, high, right, high, right, low], axis=1)
            axis.add_collection(PolyCollection(list(corners.reshape(-1, 4, 2)), zorder=3, **look))


def _keyboard(axis: "Axes", low: int, high: int) -> None:
    """Rows of pitches, those of the black keys shaded; each C is named, C4 being MIDI 60."""
    for pitch in range(low, high + 1):
        if pitch % 12 in BLACK_KEYS:
            axis.axhspan(pitch - 0.5, pitch + 0.5, color="#F3F3F3", linewidth=0, zorder=0)
    octaves = [pitch for pitch in range(low, high + 1) if pitch % 12 == 0]
    for pitch in octaves:
        axis.axhline(pitch - 0.5, color="#C4C4C4", linewidth=0.7, zorder=1)
    axis.set_yticks(octaves, [f"C{pitch // 12 - 1}" for pitch in octaves], fontsize=8, color=INK)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(low - 0.5, high + 0.5)


def _time(axis: "Axes", start: int, stop: int, beat: int, bar: int, numbered: bool) -> None:
    """Lines at beats and bars from step `start` to `stop`, and the bars' numbers below."""
    for step in range(start, stop + 1, beat):
        strong = step % bar == 0
        axis.axvline(
            step,
            color="#8C8C8C" if strong else "#E2E2E2",
            linewidth=0.9 if strong else 0.6,
            zorder=2 if strong else 1,
        )
    firsts = range(start, stop, bar)
    numbers = [str(step // bar + 1) for step in firsts] if numbered else [""] * len(firsts)
    axis.set_xticks(firsts, numbers, fontsize=8, color=INK, ha="left")
    axis.tick_params(axis="x", length=0, pad=2)
    axis.set_xlim(start, stop)
    for spine in axis.spines.values():
        spine.set_color("#8C8C8C")


def _chords(
    axis: "Axes", names: Sequence[str], start: int, stop: int, beat: int, size: float
) -> None:
    """Write a chord's name above the beat where it begins, and again at the start of a line."""
    first, last = start // beat, min(stop // beat, len(names))
    for k in range(first, last):
        if names[k] and (k == first or names[k] != names[k - 1]):
            axis.annotate(
                drawable(names[k]),
                (k * beat, 1),
                xycoords=("data", "axes fraction"),
                xytext=(1, 3),
                textcoords="offset points",
                fontsize=size,
                color=INK,
                parse_math=False,
            )


def _chord_size(names: Sequence[str], beat_width: float) -> float:
    """The type size in points at which every name ends before the next begins; 5.5 at least."""
    begins = [k for k, name in enumerate(names) if k == 0 or name != names[k - 1]]
    gaps = np.diff([*begins, len(names)]) * beat_width
    # A character takes about 0.0088 inches a point.
    fits = [gap / (0.0088 * max(1, len(names[k]))) for gap, k in zip(gaps, begins, strict=True)]
    return float(np.clip(min(fits, default=9), 5.5, 9))


def _head(
    figure: "Figure", title: str, tracks: Mapping[str, _Track], height: float, width: float
) -> None:
    """The title, how many notes were kept, and the legend."""
    from matplotlib.patches import Patch

    handles, counts = [], []
    for name, track in tracks.items():
        kept = track.kept
        counts.append(
            f"{name}: {kept[0].sum()} of {len(kept[0])} notes kept, {(~kept[1]).sum()} new"
        )
        handles.append(Patch(facecolor=track.colour, label=drawable(name)))
    gone = any((~track.kept[0]).any() for track in tracks.values())
    new = any((~track.kept[1]).any() for track in tracks.values())
    if any(track.kept[0].any() for track in tracks.values()):
        handles.append(Patch(facecolor="#D5D5D5", edgecolor="#666666", linewidth=0.7, label="kept"))
    if gone:
        handles.append(Patch(facecolor="white", edgecolor="#666666", hatch="//////", label="gone"))
    if new:
        handles.append(Patch(facecolor="#999999", edgecolor=INK, linewidth=1.3, label="new"))
    # A character of a line takes about 0.0080 inches a point; bold ones 0.0088.
    left, room, counted = LEFT / width, width - 0.9, "  \u00b7  ".join(counts)
    if title:
        figure.text(
            left,
            1 - 0.12 / height,
            drawable(title),
            va="top",
            color=INK,
            parse_math=False,
            fontweight="bold",
            fontsize=min(14, room / (0.0088 * len(title))),
        )
    down = 0.42 if title else 0.12
    figure.text(
        left,
        1 - down / height,
        drawable(counted),
        va="top",
        color="#555555",
        parse_math=False,
        fontsize=min(9, room / (0.0080 * max(1, len(counted)))),
    )
    legend = figure.legend(
        handles=handles,
        loc="upper left",
        ncols=len(handles),
        frameon=False,
        fontsize=9,
        bbox_to_anchor=(left, 1 - (down + 0.2) / height),
        borderaxespad=0,
        borderpad=0,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _arrays(version: Mapping[str, Notes]) -> dict[str, Notes]:
    return {name: np.asarray(n, np.int64).reshape(-1, 3) for name, n in version.items()}


def _pair(name: str, *versions: Mapping[str, Notes]) -> tuple[Notes, Notes]:
    """The notes of a track in both versions; a track may be missing from one."""
    none = np.zeros((0, 3), np.int64)
    return versions[0].get(name, none), versions[1].get(name, none)


def _range(tracks: Sequence[Notes], least: int = 18) -> tuple[int, int]:
    """Lowest and highest pitch to draw: two semitones of air, and `least` semitones at least."""
    pitches = np.concatenate([n[:, 2] for n in tracks] or [np.zeros(0, np.int64)])
    if not len(pitches):
        pitches = np.array([60])
    low, high = int(pitches.min()) - 2, int(pitches.max()) + 2
    short = max(0, least - (high - low))
    return max(0, low - short // 2), min(127, high + short - short // 2)


def _bars(notes: Notes, bar: int, beat: int) -> int:
    """Bars that notes fill; what sticks out by less than a beat makes no bar of its own."""
    return max(
        int(notes[:, 0].max()) // bar + 1, -(-int((notes[:, :2].sum(1) - beat).max()) // bar)
    )


def _pale(colour: str) -> str:
    """A colour half way to white."""
    return "#" + bytes((_rgb(colour) // 2 + 127).tolist()).hex()


def _rgb(colour: str | tuple[int, int, int]) -> np.ndarray:
    """A colour as uint8 [3]."""
    parts = bytes.fromhex(colour.lstrip("#")) if isinstance(colour, str) else colour
    return np.asarray(tuple(parts), np.uint8)
