"""What was measured as tables and figures: columns, rows, and the pictures of MusAE's figures 3 to 5."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from musicfusion.codecs.tracks import INSTRUMENTATIONS
from musicfusion.core.evaluation import Evaluation, Measure, Table, Value, row
from musicfusion.metrics import arrangement
from musicfusion.render import figures
from musicfusion.systems.musae import published
from musicfusion.systems.musae.genre_evaluation import FlowerFindings, Transfer

Number = float | None | tuple[float, float, float]  # a mean, or (mean, low, high)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """A row of a table: what was measured of a method on windows of so many bars."""

    method: str
    title: str
    bars: int
    values: Mapping[str, Number]

    @property
    def name(self) -> str:
        """The row's."""
        return f"{self.title}, {self.bars} bars"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Findings:
    """Everything that was measured.

    genres: in the order of their components. windows: how many, by bars. interpolation: {bars: {title: the share of
    steps that differ from the start, at equal steps of the way}}. flower: None where it was not trained.
    """

    instrumentation: str
    genres: tuple[str, ...]
    windows: Mapping[int, int]
    reconstructions: tuple[Measured, ...]
    interpolation: Mapping[int, Mapping[str, Sequence[float]]]
    fits: tuple[Measured, ...]
    flower: FlowerFindings | None = None

    @property
    def tracks(self) -> list[str]:
        """Their names."""
        return [part.name for part in INSTRUMENTATIONS[self.instrumentation]]


def evaluation(found: Findings, *, preset: str, source: str, split: str, songs: int) -> Evaluation:
    """The report. source, split, songs: of the measured windows."""
    measured = " and ".join(f"{count} windows of {bars} bars" for bars, count in found.windows.items())
    remarks = [*published.REMARKS]
    if found.genres:
        remarks.append(f"Around the flower: {', '.join(found.genres)}.")
    return Evaluation(
        system="musae", preset=preset, title=f"MusAE, preset {preset}",
        about=f"{measured} ({split} split of {source}).",
        data={"source": source, "split": split, "songs": songs, "examples": sum(found.windows.values()),
              "windows": {str(bars): count for bars, count in found.windows.items()}},
        settings={"genres": list(found.genres), "tracks": found.tracks},
        tables=(reconstruction_table(found), interpolation_table(found), fit_table(found), *genre_tables(found)),
        headlines=tuple(
            ("reconstruction", one.name, "onsets") for one in found.reconstructions if one.method == "flower"),
        remarks=tuple(remarks),
        details={"interpolation": {str(bars): {title: list(curve) for title, curve in curves.items()}
                                   for bars, curves in found.interpolation.items()}},
        figures=drawings(found))


def reconstruction_table(found: Findings) -> Table:
    """Table 1, with the paper's numbers where the tracks are those of a band."""
    percent = functools.partial(Measure, unit="%", scale=100, digits=1, better="higher")
    measures: dict[str, Measure] = {}
    for track in found.tracks:
        measures |= {f"steps_{track}": percent(label=f"{track}, steps"),
                     f"onsets_{track}": percent(label=f"{track}, onsets")}
    measures |= {"steps_melody": percent(label="melody, steps"), "steps": percent(label="mean, steps"),
                 "onsets": percent(label="mean, onsets")}
    rows = []
    for one in found.reconstructions:
        paper = published.TABLE1.get((one.method, one.bars), {}) if found.instrumentation == "band" else {}
        named = {"steps" if name == "mean" else f"steps_{name}": x for name, x in paper.items()}
        own = row(one.name, one.values, named)
        alone = {name: Value(mean=None, paper=x) for name, x in named.items() if name not in own.values}
        rows.append(dataclasses.replace(own, values={**own.values, **alone}))
    return Table(name="reconstruction", title="Table 1: reconstruction", measures=measures, rows=tuple(rows),
                 note="Steps: share of 16ths at which the token is right. Onsets: the same where a note begins."
                      " Intervals are over songs.")


def interpolation_table(found: Findings) -> Table:
    """Figure 4 as numbers."""
    measures: dict[str, Measure] = {}
    rows = []
    for bars, curves in found.interpolation.items():
        for title, curve in curves.items():
            alphas = np.linspace(0, 1, len(curve))
            measures |= {f"alpha_{alpha:.1f}": Measure(label=f"{alpha:.1f}", digits=2) for alpha in alphas[::2]}
            values = {f"alpha_{alpha:.1f}": x for alpha, x in zip(alphas[::2], curve[::2], strict=True)}
            rows.append(row(f"{title}, {bars} bars", {**values, "rises": float(np.all(np.diff(curve) > 0))}))
    measures["rises"] = Measure(label="rises throughout", digits=0)
    return Table(name="interpolation", title="Interpolation: share of steps that differ from the start",
                 measures=measures, rows=tuple(rows),
                 note="By alpha, the share of the end in the code (in data space: of the steps). 1: it rises"
                      " throughout.")


def fit_table(found: Findings) -> Table:
    """How well the codes fit their prior."""
    measures = {
        "mean": Measure(label="means off by", better="lower"),
        "variance": Measure(label="variance, of the prior's"),
        "wasserstein": Measure(label="sliced Wasserstein", better="lower"),
        "wasserstein_prior": Measure(label="of two draws"),
        "gap": Measure(label="critic's gap"),
        "recovered": Measure(label="nearest to its component", unit="%", scale=100, digits=1, better="higher"),
    }
    return Table(name="prior_fit", title="How well the codes fit their prior", measures=measures,
                 rows=tuple(row(one.name, one.values) for one in found.fits),
                 note="In standard deviations of the prior. The last column: share of windows with a genre whose code"
                      " lies nearest to its component.")


def genre_tables(found: Findings) -> tuple[Table, ...]:
    """What only a flower with genres has; none without."""
    flower = found.flower
    if flower is None or not found.genres:
        return ()
    values = {
        "rank correlation: how far components lie apart, how much draws from them differ": flower.rank_correlation,
        "draws from a component that are classified as its genre": flower.draws,
        **{f"draws from where its codes lie, {spread} times as far from their mean": share
           for spread, share in flower.from_means.items()},
        "real windows that are classified as their genre": flower.real,
        "two genres separated by a line in the plane of their first two principal components": flower.in_plane,
        "two genres separated by a line in all of z": flower.in_space,
    }
    genres = Table(name="genres", title="Genres", measures={"value": Measure(label="value")}, first="what",
                   rows=tuple(row(name, {"value": x}) for name, x in values.items()),
                   note="Shares, but for the rank correlation. It is no evidence that the prior was learned: decoders"
                        " that learned nothing have high ones, too. Lines: mean of"
                        f" {flower.genre_pairs} pairs of genres.")
    return (genres, transfer_table(flower.transfer)) if flower.transfer else (genres,)


def transfer_table(transfers: Sequence[Transfer]) -> Table:
    """Windows moved toward another genre."""
    percent = functools.partial(Measure, unit="%", scale=100, digits=1)
    measures = {"target": percent(label="classified as the target"), "source": percent(label="as before"),
                "rhythm": percent(label="rhythm kept"), "notes": percent(label="notes kept")}
    return Table(name="transfer", title="Windows moved toward another genre", measures=measures, first="way, amount",
                 rows=tuple(row(f"{one.way}, {one.amount:.2f}", {name: getattr(one, name) for name in measures})
                            for one in transfers),
                 note="Kept: F1 of onsets, and of onsets with their pitch, beside the window before.")


def drawings(found: Findings) -> dict[str, Callable[[Path], Path]]:
    """interpolation.png (figure 4), components.png (3), genres.png (5), transfer.png."""
    panels = [(f"{bars} bars", np.linspace(0, 1, len(next(iter(curves.values())))), curves)
              for bars, curves in found.interpolation.items()]
    drawn: dict[str, Callable[[Path], Path]] = {"interpolation.png": functools.partial(
        figures.lines_grid, panels=panels, xlabel="alpha", ylabel="share of steps",
        title="How far interpolations differ from their start")}
    if (flower := found.flower) is None:
        return drawn
    features = {f"{words}, {track}": flower.features[measure][:, k] for measure, words in arrangement.NAMES.items()
                for k, track in enumerate(found.tracks)}
    values = np.stack(list(features.values()))
    drawn["components.png"] = functools.partial(
        figures.heat, rows=list(features), columns=found.genres or [str(k + 1) for k in range(values.shape[1])],
        values=values, title="Draws from each component, relative to the mean of all")
    if flower.planes:
        drawn["genres.png"] = functools.partial(figures.scatter, panels=flower.planes,
                                                title="Two genres in the plane of their codes")
    if flower.transfer:
        ways = {way: ([one.rhythm for one in flower.transfer if one.way == way],
                      [one.target for one in flower.transfer if one.way == way])
                for way in dict.fromkeys(one.way for one in flower.transfer)}
        drawn["transfer.png"] = functools.partial(
            figures.lines_grid, panels=[("", [], ways)], xlabel="rhythm kept", ylabel="classified as the target",
            title="Toward another genre")
    return drawn
