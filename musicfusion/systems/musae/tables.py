"""What was measured as tables and figures: columns, rows, and the pictures of MusAE's figures 3 to 5."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from musicfusion.codecs.tracks import INSTRUMENTATIONS
from musicfusion.core.evaluation import Evaluation, Measure, Table, Value, row
from musicfusion.metrics import arrangement
from musicfusion.render import figures
from musicfusion.systems.musae import published
from musicfusion.systems.musae.genre_evaluation import GenreFindings
from musicfusion.systems.musae.transfer import Number

DBG = ("drums", "bass", "guitar")  # of a band: the tracks that the paper has of all its 16-bar models


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

    genres: in the order of their components. windows: how many, by bars. known: {bars: {track: the share of its windows
    that stand in training songs}}. interpolation: {bars: {title: the share of steps that differ from the start, at
    equal steps of the way}}. flower: by bars; empty where it was not trained.
    """

    instrumentation: str
    genres: tuple[str, ...]
    windows: Mapping[int, int]
    known: Mapping[int, Mapping[str, float]]
    reconstructions: tuple[Measured, ...]
    interpolation: Mapping[int, Mapping[str, Sequence[float]]]
    fits: tuple[Measured, ...]
    flower: Mapping[int, GenreFindings] = dataclasses.field(default_factory=dict)

    @property
    def tracks(self) -> list[str]:
        """Their names."""
        return [part.name for part in INSTRUMENTATIONS[self.instrumentation]]


def evaluation(found: Findings, *, preset: str, source: str, split: str, songs: int) -> Evaluation:
    """The report. source, split, songs: of the measured windows."""
    measured = " and ".join(f"{count} windows of {bars} bars" for bars, count in found.windows.items())
    remarks = [*published.REMARKS]
    remarks += [f"{bars} bars, windows that stand note for note in training songs, in whatever key: "
                + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()) + "."
                for bars, shares in found.known.items() if shares]
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
                 "steps_dbg": percent(label="drums, bass, guitar: mean, steps"),
                 "onsets": percent(label="mean, onsets"), "forced": percent(label="onsets, truth fed"),
                 "rate": Measure(label="KL, nats", digits=1)}
    rows = []
    for one in found.reconstructions:
        paper = published.TABLE1.get((one.method, one.bars), {}) if found.instrumentation == "band" else {}
        named = {"steps" if name == "mean" else f"steps_{name}": x for name, x in paper.items()}
        values = dict(one.values)
        if found.instrumentation == "band":
            values["steps_dbg"] = float(np.mean([_mean(values[f"steps_{track}"]) for track in DBG]))
        own = row(one.name, values, named)
        alone = {name: Value(mean=None, paper=x) for name, x in named.items() if name not in own.values}
        rows.append(dataclasses.replace(own, values={**own.values, **alone}))
    return Table(name="reconstruction", title="Table 1: reconstruction", measures=measures, rows=tuple(rows),
                 note="Steps: share of steps at which the token is right. Onsets: the same where a note begins."
                      " Intervals are over songs, or the charts that songs share.")


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
        "wasserstein": Measure(label="sliced Wasserstein, by component", better="lower"),
        "wasserstein_prior": Measure(label="of two draws"),
        "gap": Measure(label="critic's gap"),
        "witness": Measure(label="gap of the norms", better="lower"),
        "recovered": Measure(label="nearest to its component", unit="%", scale=100, digits=1, better="higher"),
    }
    return Table(name="prior_fit", title="How well the codes fit their prior", measures=measures,
                 rows=tuple(row(one.name, one.values) for one in found.fits),
                 note="In coordinates in which the prior, of the flower each window's component, is N(0, I). A critic"
                      " whose gap is below that of the norms has not found what a single number shows. The last column:"
                      " share of windows with a genre whose code lies nearest to its component.")


def genre_tables(found: Findings) -> Iterator[Table]:
    """What only a flower with genres has; none without."""
    if not found.genres or not found.flower:
        return
    judges = [*dict.fromkeys(name for one in found.flower.values() for rates in one.recognised.values()
                             for name in rates)]
    percent = functools.partial(Measure, unit="%", scale=100, digits=1)
    if judges:
        yield Table(
            name="genres", title="Classified as their genre", measures={name: percent(label=name) for name in judges},
            first="what", rows=tuple(row(f"{what}, {bars} bars", rates) for bars, one in found.flower.items()
                                     for what, rates in one.recognised.items()),
            note="The genre classifier learned from the grooves that models learn from, the second judge from those"
                 " held out alone. So what a model makes is to be set beside real windows of known grooves, which the"
                 " second judge does not know; the other real windows are of held-out grooves, which it does.")
    if any(one.probes for one in found.flower.values()):
        yield Table(
            name="probes", title="Where the genre is", measures={"value": percent(label="found by a linear probe")},
            first="in", rows=tuple(row(f"{what}, {bars} bars", {"value": x}) for bars, one in found.flower.items()
                                   for what, x in (*one.probes.items(), ("the most frequent genre", one.chance))),
            note="The probe learns from the codes of one half of the charts or songs, and is tried on those of the"
                 " other: of held-out grooves, of which each genre has one, so that whoever knows the groove knows the"
                 " genre; and of known ones, of which the flow should leave no more than the most frequent genre.")
    plain = functools.partial(Measure, digits=2)
    yield Table(
        name="circle", title="Neighbours on the circle", measures={"value": plain(label="rank correlation")},
        first="of", rows=tuple(row(f"{what}, {bars} bars", {"value": x}) for bars, one in found.flower.items()
                               for what, x in one.correlations.items()),
        note="Spearman's correlation of how far two components lie apart and how much the features of draws from them"
             " differ. The other rows are what means nothing.")
    if any(one.genre_pairs for one in found.flower.values()):
        yield Table(
            name="separable", title="Two genres apart by a line", first="windows of",
            measures={"in_plane": percent(label="in the plane of two principal components"),
                      "in_space": percent(label="in all of z"),
                      "genre_pairs": Measure(label="pairs of genres", digits=0)},
            rows=tuple(row(f"{bars} bars", {name: getattr(one, name) for name in ("in_plane", "in_space",
                                                                                  "genre_pairs")})
                       for bars, one in found.flower.items() if one.genre_pairs),
            note="The line is found in one half of the charts or songs, and tried on the other.")
    if any(one.transfer for one in found.flower.values()):
        yield transfer_table(found.flower, judges)


def transfer_table(flower: Mapping[int, GenreFindings], judges: Sequence[str]) -> Table:
    """Windows moved toward another genre."""
    percent = functools.partial(Measure, unit="%", scale=100, digits=1)
    measures = {name: percent(label=f"as the target, {name}") for name in judges}
    kept = {"source": percent(label="as before"), "rhythm": percent(label="rhythm kept"),
            "notes": percent(label="notes kept"), "harmony": percent(label="in its harmony"),
            "leap": Measure(label="leaps of the bass", digits=1), "rest": Measure(label="rest kept", digits=2)}
    return Table(name="transfer", title="Windows moved toward another genre", measures=measures | kept,
                 first="way, amount",
                 rows=tuple(row(f"{one.way}, {one.amount:.2f}, {bars} bars",
                                {**one.target, **{name: getattr(one, name) for name in kept}})
                            for bars, findings in flower.items() for one in findings.transfer),
                 note="position: the flow goes so much of its way back from where the song lies in the plane, and"
                      " forward again to the middle of the target's component; it is given the harmony, unless that is"
                      " unknown; drums+bass, drums: those tracks alone, the others stay. means: by the difference of"
                      " two genres' mean codes. plane: the plane is exchanged, without the flow. The last rows are"
                      " fools: another window of these; a real one of the target, of grooves that are known where there"
                      " are such; and tracks of such a window beside the others of this one. Kept: F1 of onsets, and of"
                      " onsets with their pitch, beside the window before; in its harmony: notes whose pitch class"
                      " sounded in the same half bar before; leaps: semitones from one note to the next; rest:"
                      " correlation of the flow's rest before and after the music is decoded and encoded again.")


def drawings(found: Findings) -> dict[str, Callable[[Path], Path]]:
    """interpolation.png (figure 4); of each length components_BARS.png (3), genres_BARS.png (5), transfer_BARS.png."""
    panels = [(f"{bars} bars", np.linspace(0, 1, len(next(iter(curves.values())))), curves)
              for bars, curves in found.interpolation.items()]
    drawn: dict[str, Callable[[Path], Path]] = {"interpolation.png": functools.partial(
        figures.lines_grid, panels=panels, xlabel="alpha", ylabel="share of steps",
        title="How far interpolations differ from their start")}
    for bars, flower in found.flower.items():
        drawn |= {f"{name}_{bars}.png": draw for name, draw in _flower(found, flower).items()}
    return drawn


def _flower(found: Findings, flower: GenreFindings) -> dict[str, Callable[[Path], Path]]:
    """The pictures of one length."""
    drawn: dict[str, Callable[[Path], Path]] = {}
    features = {f"{words}, {track}": flower.features[measure][:, k] for measure, words in arrangement.NAMES.items()
                for k, track in enumerate(found.tracks)}
    values = np.stack(list(features.values()))
    drawn["components"] = functools.partial(
        figures.heat, rows=list(features), columns=found.genres or [str(k + 1) for k in range(values.shape[1])],
        values=values, title="Draws from each component, relative to the mean of all")
    if flower.planes:
        drawn["genres"] = functools.partial(figures.scatter, panels=flower.planes,
                                            title="Two genres in the plane of their codes")
    if flower.transfer:
        judge = next(iter(flower.transfer[0].target), None)
        ways = {way: ([_mean(one.rhythm) for one in flower.transfer if one.way == way],
                      [_mean(one.target[judge]) for one in flower.transfer if one.way == way])
                for way in dict.fromkeys(one.way for one in flower.transfer)} if judge else {}
        if ways:
            drawn["transfer"] = functools.partial(
                figures.lines_grid, panels=[("", [], ways)], xlabel="rhythm kept",
                ylabel="classified as the target", title="Toward another genre")
    return drawn


def _mean(x: Number) -> float:
    found = x[0] if isinstance(x, tuple) else x
    return float("nan") if found is None else found
