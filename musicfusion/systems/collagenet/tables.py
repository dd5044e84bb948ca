"""CollageNet's tables and figures: columns, rows and notes, pure functions of numbers that evaluation.py measured.

`Means`: measure -> (mean, low, high) with the 95 % interval, all NaN where a method has no such number.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from musicfusion.core.evaluation import Measure, Table, row
from musicfusion.render import figures
from musicfusion.systems.collagenet import published
from musicfusion.systems.collagenet.objective import ASPECTS

Means = Mapping[str, tuple[float, float, float]]


def _percent(label: str, digits: int = 1, better: str = "higher") -> Measure:
    return Measure(label=label, unit="%", scale=100, digits=digits, better=better)


RATES = {"harmony_rate": _percent("harmony rate"), "harmony_rate_key_matched": _percent("key-matched")}
RHO = {"rho_melody": Measure(label="rho melody", digits=2, better="lower"),
       "rho_accompaniment": Measure(label="rho acc.", digits=2, better="lower")}
AT_EQUAL_CHANGE = {"harmony_rate_equal_change": _percent("CollageNet at equal change"),
                   "harmony_rate_key_matched_equal_change": _percent("its key-matched")}
KEPT = {"onsets_kept": _percent("onsets kept"), "pitches_kept": _percent("pitches kept"),
        "notes_kept": _percent("acc. notes kept (F1)"), "chords_kept": _percent("chords kept"),
        "changed": _percent("changed", better="lower")}
EVALUATORS = {
    "passes_real": _percent("real pairs pass"), "passes_random": _percent("unrelated pairs pass", better="lower"),
    "passes_key_matched": _percent("transposed into key pass", better="lower"),
    "accuracy_random": _percent("accuracy, random negatives"),
    "accuracy_key_matched": _percent("accuracy, key-matched negatives")}
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


def harmony(methods: Mapping[str, Means], steered: Mapping[str, Means], distance: float) -> Table:
    """Table 1. steered: CollageNet with all controls alike; distance: lambda of the run."""
    paper = published.beside(published.TABLE1, distance)
    rows = [row(name, _of(means, RATES | RHO) | at_equal_change(steered, means), paper.get(name))
            for name, means in methods.items()]
    return Table(
        name="table1", title="Table 1: harmony, and what it costs", measures=RATES | RHO | AT_EQUAL_CHANGE,
        rows=tuple(rows),
        note="Rates: pairs that an evaluator takes for real. The first evaluator learned from random negatives as the"
             " paper's did, the second also from key-matched ones. rho: distance in the latents that"
             " the method moves (of methods that rewrite notes, after encoding them again). At equal change: both rates"
             " of CollageNet with its four controls set alike so that it changes as many notes.")


def kept(methods: Mapping[str, Means]) -> Table:
    """How much of what went in a method keeps."""
    return Table(
        name="kept", title="What is kept", measures=KEPT, rows=_rows(methods, KEPT),
        note="Of the melody's onsets, those at which a note begins, and those at which the same pitch begins; F1 of the"
             " accompaniment's notes by onset and pitch; beats with the same chord. changed: 100 less the mean of"
             " pitches and accompaniment notes.")


def evaluators(found: Mapping[str, Mapping[str, float]]) -> Table:
    """How often each evaluator is right."""
    return Table(name="evaluators", title="The evaluators on these songs", measures=EVALUATORS, first="evaluator",
                 rows=tuple(row(name, rates) for name, rates in found.items()))


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
    """CollageNet with all four controls at one value."""
    measures = RATES | RHO | KEPT
    return Table(name="curve", title="Control: harmony and change with all four controls alike", measures=measures,
                 rows=_rows(steered, measures), first="")


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


def at_equal_change(steered: Mapping[str, Means], means: Means) -> dict[str, float]:
    """Both rates on the controls' curve at a method's share of changed notes; {} where the curve does not reach it."""
    curve = sorted(steered.values(), key=lambda point: point["changed"][0])
    change, own = [point["changed"][0] for point in curve], means["changed"][0]
    if math.isnan(own) or not change[0] <= own <= change[-1]:
        return {}
    return {f"{rate}_equal_change": float(np.interp(own, change, [point[rate][0] for point in curve]))
            for rate in RATES if rate in curve[0]}


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


def draw_harmony(path: Path, *, methods: Mapping[str, Means], steered: Mapping[str, Means]) -> Path:
    """Both rates against the share of changed notes: CollageNet's controls as a line, every method as a point."""
    curve = sorted(steered.values(), key=lambda point: point["changed"][0])
    shown = {name: means for name, means in methods.items() if not math.isnan(means["changed"][0])}
    panels: list[tuple[str, list, dict]] = []
    for rate, measure in RATES.items():
        if rate in curve[0]:
            line = ([point["changed"][0] for point in curve], [point[rate][0] for point in curve])
            points = {name: ([means["changed"][0]], [means[rate][0]]) for name, means in shown.items()}
            panels.append((measure.label, [], {"CollageNet, controls 1 to 0": line} | points))
    return figures.lines_grid(path, panels, xlabel="share of notes changed", ylabel="share of pairs that pass",
                              title="Harmony against change")
