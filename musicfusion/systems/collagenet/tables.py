"""CollageNet's tables and figures: columns, rows and notes, pure functions of numbers that evaluation.py measured.

`Means`: measure -> (mean, low, high) with the 95 % interval, all NaN where a method has no such number.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from musicfusion.core.evaluation import OURS, Measure, Table, row
from musicfusion.render import figures
from musicfusion.systems.collagenet import published
from musicfusion.systems.collagenet.objective import ASPECTS

Means = Mapping[str, tuple[float, float, float]]


def _percent(label: str, digits: int = 1, better: str = "higher") -> Measure:
    return Measure(label=label, unit="%", scale=100, digits=digits, better=better)


RATES = {"harmony_rate": _percent("paper's evaluator"), "judge_rate": _percent("judge"),
         "second_judge_rate": _percent("second judge")}
RHO = {"rho_melody": Measure(label="rho melody", digits=2, better="lower"),
       "rho_accompaniment": Measure(label="rho acc.", digits=2, better="lower")}
KEPT = {"intervals_kept": _percent("melodic intervals"), "contour_kept": _percent("contour"),
        "onsets_kept": _percent("onsets"), "pitches_kept": _percent("pitches"),
        "notes_kept": _percent("acc. notes (F1)"), "voicing_rhythm_kept": _percent("acc. rhythm (F1)"),
        "chords_kept": _percent("chords")}
RETENTION = {"pitch": "intervals_kept", "rhythm": "onsets_kept", "chord": "chords_kept",
         "texture": "notes_kept"}  # control -> what of its aspect is kept
FOOLED_BY = ("every note on a chord tone", "in key, then on a chord tone", "drone on the root", "drone on the third",
             "drone on the fifth", "one note all along", "acc. on the melody's notes",
             "acc. on three of the melody's notes", "acc. on one pedal note")
TABLE2 = {"pch_kld": Measure(label="PCH KLD"), "pch_oa": Measure(label="PCH OA"), "oh_kld": Measure(label="OH KLD"),
          "oh_oa": Measure(label="OH OA"), "re": Measure(label="RE")}
TABLE3 = {"melody_pc": Measure(label="melody PC"), "melody_pi": Measure(label="PI signed"),
          "melody_pi_abs": Measure(label="PI absolute"), "melody_ioi": Measure(label="IOI"),
          "accompaniment_pc": Measure(label="acc. PC"), "accompaniment_ioi": Measure(label="acc. IOI")}
RECONSTRUCTION = {
    "token_accuracy": _percent("melody tokens", 2), "onset_accuracy": _percent("melody onsets", 2),
    "rhythm_accuracy": _percent("melody rhythm", 2),
    "note_f1": _percent("accompaniment notes, F1 (onset, pitch)", 2),
    "note_duration_f1": _percent("the same with duration", 2),
    "root_accuracy": _percent("chord roots", 2), "chord_accuracy": _percent("whole chords", 2)}


def judges(passes: Mapping[str, Mapping[str, float]]) -> Table:
    """What each judge takes for real. passes: {judge: {what: share}}."""
    names = {name: None for row in passes.values() for name in row}
    measures = {name: _percent(name, better="higher" if name == "harmonic pairs" else "lower") for name in names}
    return Table(name="judges", title="What each judge takes for real", measures=measures, first="judge",
                 rows=tuple(row(name, shares) for name, shares in passes.items()),
                 note="The harmony evaluator learned from random negatives as the paper's did. The two judges learned"
                      " from six kinds of wrong melodies and two of wrong accompaniments, in equal parts (the second"
                      " judge twice as often from accompaniments on a melody's notes). None met a"
                      " melody on one note, nor an accompaniment on three. All learned from songs of their own.")


def fooled(judge: str, passes: Mapping[str, float], most: float) -> str:
    """A line that says that a judge is none, since a rule pleases it; "" if none of FOOLED_BY does."""
    worst = max(FOOLED_BY, key=lambda name: passes.get(name, 0.0))
    share = passes.get(worst, 0.0)
    if share <= most:
        return ""
    return (f"{judge} is no judge, and its rates are left out: \"{worst}\" passes in {100 * share:.0f} %; at most"
            f" {100 * most:.0f} % may.")


def harmony(methods: Mapping[str, Means], distance: float) -> Table:
    """Table 1. distance: lambda of the run."""
    paper = published.beside(published.TABLE1, distance)
    kept = {name: KEPT[name] for name in ("intervals_kept", "contour_kept", "onsets_kept", "notes_kept", "chords_kept")}
    return Table(
        name="table1", title="Table 1: harmony, and what it costs", measures=RATES | kept | RHO,
        rows=_rows(methods, RATES | kept | RHO, paper),
        note="Rates: pairs that a judge takes for real. Then what is kept of both pieces, see \"What is kept\"."
             " rho: distance in the latents that the method moves (of methods that rewrite notes, after encoding them"
             " again). Controls are random where nothing else is said.")


def kept(methods: Mapping[str, Means]) -> Table:
    """How much of what went in a method keeps."""
    return Table(
        name="kept", title="What is kept", measures=KEPT, rows=_rows(methods, KEPT),
        note="Intervals: of two consecutive onsets of the melody that are there still, with none between, as many"
             " semitones apart as before; contour: in the same direction. Onsets and pitches of the melody. F1 of the"
             " accompaniment's notes by onset and pitch, and by onset alone. Beats with the same chord. A part that is"
             " transposed as a whole loses nothing but the pitches of methods that do not say by how much.")


def pairs(methods: Mapping[str, Means], distance: float) -> Table:
    """Table 2."""
    return Table(name="table2", title="Table 2: melody against accompaniment", measures=TABLE2,
                 rows=_rows(methods, TABLE2, published.beside(published.TABLE2, distance)),
                 note="PCH: pitch-class histograms; OH: onset histograms; KLD: divergence; OA: overlapping area; RE:"
                      " steps at which both parts have the same state (onset, hold, rest).")


def parts(differences: Mapping[str, Means], distance: float) -> Table:
    """Table 3."""
    return Table(name="table3", title="Table 3: each part against the test set", measures=TABLE3,
                 rows=_rows(differences, TABLE3, published.beside(published.TABLE3, distance)),
                 note="Rows below the first are differences from it. PC counts notes; PI in semitones; IOI in 16ths.")


def controls_alike(steered: Mapping[str, Means]) -> Table:
    """Latent fusion with all four controls at one value."""
    measures = RATES | RHO | KEPT
    return Table(name="curve", title="Control: latent fusion with all four controls alike", measures=measures,
                 rows=_rows(steered, measures), first="")


def retention(values: Sequence[float], response: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> Table:
    """What is kept as one control moves. response: {method: {control: {measure: [share at each of `values`]}}}."""
    measures = {name: KEPT[name] for name in RETENTION.values()}
    rows = [row(f"{method}, {control} {value:g}", {name: curve[i] for name, curve in curves.items()})
            for method, controls in response.items() for control, curves in controls.items()
            for i, value in enumerate(values)]
    return Table(name="retention", title="Control response: what is kept; the other controls at .5", first="control",
                 measures=measures, rows=tuple(rows))


def control_response(values: Sequence[float], response: Mapping[str, Mapping[str, Sequence[float]]]) -> Table:
    """rho of each aspect as one control moves. response: {control: {aspect: [rho at each of `values`]}}."""
    rows = [row(f"{control} {value:g}", {aspect: curve[i] for aspect, curve in curves.items()})
            for control, curves in response.items() for i, value in enumerate(values)]
    fall = [control for control, curves in response.items() if falls(curves[control])]
    return Table(
        name="controls", title="Control response: rho of each aspect; the other controls at .5", first="control",
        measures={aspect: Measure(label=aspect, better="lower") for aspect in ASPECTS}, rows=tuple(rows),
        note=f"Falls with every step of its own control: {', '.join(fall) or 'no aspect'}.")


def reconstruction(found: Mapping[str, Mapping[str, float]]) -> Table:
    """Greedy reconstruction from the posterior mean. found: {row: {measure: rate}}."""
    return Table(
        name="reconstruction", title="Reconstruction: greedy, from the posterior mean", measures=RECONSTRUCTION,
        rows=tuple(row(name, rates) for name, rates in found.items()), first="",
        note="majority: always the training songs' most frequent symbol. all controls 1: unrelated pairs through the"
             " actor that is told to keep everything, against the VAEs' own reconstruction of them.")


def falls(values: Sequence[float]) -> bool:
    """Whether every value is below the one before."""
    return bool(np.all(np.diff(values) < 0))


def _rows(found: Mapping[str, Means], measures, paper: Mapping[str, Mapping[str, float]] | None = None) -> tuple:
    paper = paper or {}
    return tuple(row(name, _of(means, measures), paper.get(name)) for name, means in found.items())


def _of(means: Means, measures) -> dict[str, tuple[float, float, float]]:
    return {name: means[name] for name in measures if name in means}


# Figures -------------------------------------------------------------------------------------------------------------


def draw_controls(path: Path, *, values: Sequence[float],
                  response: Mapping[str, Mapping[str, Sequence[float]]]) -> Path:
    """How far each aspect moves as one control goes from 0 to 1, a panel for each control."""
    panels = [(f"control: {control}", values, curves) for control, curves in response.items()]
    return figures.lines_grid(path, panels, xlabel="control", ylabel="latent distance rho",
                              title="How far each aspect moves as one control goes up")


def draw_retention(path: Path, *, values: Sequence[float],
               retention: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> Path:
    """How much of each control's own aspect is kept as it goes from 0 to 1, a panel for each control."""
    panels = [(f"control {control}: {KEPT[name].label}", values,
               {method: response[control][name] for method, response in retention.items()})
              for control, name in RETENTION.items()]
    return figures.lines_grid(path, panels, xlabel="control", ylabel="share kept",
                              title="What is kept under each control")


def draw_harmony(path: Path, *, methods: Mapping[str, Means], steered: Mapping[str, Means],
                 kinds: Mapping[str, str]) -> Path:
    """Each judge's rate against the melodic intervals kept; what has controls as a line. kinds: of the methods."""
    shown = dict(methods) | {f"latent, {name}": means for name, means in steered.items()}
    kinds = dict(kinds) | {name: OURS for name in shown if name not in methods}
    panels = []
    for rate, measure in RATES.items():
        points = {name: (means["intervals_kept"][0], means[rate][0]) for name, means in shown.items()
                  if rate in means and not math.isnan(means["intervals_kept"][0])}
        if points:
            panels.append(figures.Points(
                title=measure.label, xlabel="melodic intervals kept", ylabel="share of pairs that pass", points=points,
                kinds=kinds, lines=list(controlled(points).values())))
    return figures.tradeoff(path, panels, title="Harmony against what is left of the tune")


def controlled(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The rows of one method whose controls go up, by the method: a line in a figure."""
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        method, _, value = name.partition(", controls ")
        if value:
            found[method] = (*found.get(method, ()), name)
    return found
