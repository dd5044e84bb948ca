"""The report of paper 000's tables as text and figures: ours, its 95 % intervals, and the paper's own numbers."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from musicfusion.render import figures
from musicfusion.render.tables import markdown
from musicfusion.systems.collagenet import published

RATES = {"harmony_rate": "harmony rate", "harmony_rate_key_matched": "key-matched"}
RHO = {"rho_melody": "rho melody", "rho_accompaniment": "rho acc."}
KEPT = {"onsets_kept": "onsets kept", "pitches_kept": "pitches kept", "notes_kept": "acc. notes kept",
        "chords_kept": "chords kept"}
TABLE2 = {"pch_kld": "PCH KLD", "pch_oa": "PCH OA", "oh_kld": "OH KLD", "oh_oa": "OH OA", "re": "RE"}
TABLE3 = {"melody_pc": "melody PC", "melody_pi": "PI signed", "melody_pi_abs": "|PI|", "melody_ioi": "IOI",
          "accompaniment_pc": "acc. PC", "accompaniment_ioi": "acc. IOI"}
RECONSTRUCTION = {
    "token_accuracy": "melody tokens",
    "onset_accuracy": "melody onsets",
    "rhythm_accuracy": "melody rhythm",
    "note_f1": "accompaniment notes, F1 (onset, pitch)",
    "note_duration_f1": "the same with duration",
    "root_accuracy": "chord roots",
    "chord_accuracy": "whole chords",
}


def paper() -> dict:
    """The paper's rows as the report holds them."""
    return {"table1": published.TABLE1, "table2": published.TABLE2, "table3": published.TABLE3,
            "remarks": list(published.REMARKS)}


def text(report: Mapping) -> str:
    """The whole report as Markdown."""
    data = report["data"]
    blocks = [
        f"# CollageNet, preset {report['preset']}",
        f"{report['segments']} segments of {report['songs']} songs ({data['split']} split of {data['source']})."
        " In brackets: 95 % bootstrap intervals over songs. In \"paper\" columns: what paper 000 reports.",
        "## Table 1: harmony, and what it costs",
        _table1(report),
        "Rates: percentages of pairs that an evaluator takes for real; the first learned from random negatives as the"
        " paper's did, the second also from melodies transposed into the best-fitting key. rho: latent distance, in"
        " the latents that the method moves (of methods that rewrite notes, after encoding them again). kept:"
        " percentages of the melody's onsets, of its pitches at them, F1 of accompaniment notes, beats with the same"
        " chord. The last column: both rates of CollageNet with its four controls set alike so that it changes as many"
        " notes (mean of pitches and accompaniment notes).",
        "## The evaluators on these songs",
        _evaluators(report["evaluator"]),
        "## Table 2: melody against accompaniment",
        _compared(report["table2"], TABLE2, published.TABLE2, report),
        "## Table 3: each part against the test set",
        _compared(report["table3"], TABLE3, published.TABLE3, report),
        "Rows below the first are differences from it. PC counts notes; PI in semitones; IOI in 16ths.",
        *(f"- {remark}" for remark in published.REMARKS),
        "## Control: harmony and change with all four controls alike",
        _curve(report),
        "## Control response: latent distance rho of each aspect; the other controls at .5",
        _controls(report["controls"]),
        "## Reconstruction: greedy, from the posterior mean",
        _reconstruction(report["reconstruction"]),
    ]
    return "\n\n".join(blocks)


def draw(report: Mapping, folder: Path) -> list[Path]:
    """controls.png (what each control holds fast) and harmony.png (harmony against change)."""
    values, response = report["controls"]["values"], report["controls"]["rho"]
    panels = [(f"control: {control}", values, curves) for control, curves in response.items()]
    drawn = [figures.lines_grid(folder / "controls.png", panels, xlabel="control", ylabel="latent distance rho",
                                title="What each control holds fast")]
    return [*drawn, _draw_harmony(report, folder / "harmony.png")] if report["evaluator"] else drawn


def _draw_harmony(report: Mapping, path: Path) -> Path:
    """Both rates against the share of changed notes: CollageNet's controls as a line, every method as a point."""
    steered = sorted(report["curve"], key=lambda row: row["changed"])
    rows = [row for row in report["table1"] if row["changed"] is not None]
    panels: list[tuple[str, list, dict]] = []
    for rate, label in RATES.items():
        if steered[0][rate] is not None:
            line = ([row["changed"] for row in steered], [row[rate] for row in steered])
            points = {row["method"]: ([row["changed"]], [row[rate]]) for row in rows}
            panels.append((label, [], {"CollageNet, controls 1 to 0": line} | points))
    return figures.lines_grid(path, panels, xlabel="share of notes changed", ylabel="share of pairs that pass",
                              title="Harmony against change")


# Tables --------------------------------------------------------------------------------------------------------------


def _table1(report: Mapping) -> str:
    known = _published(published.TABLE1, report)
    header = ["method"]
    for name, label in RATES.items():
        header += [label, "paper"] if name == "harmony_rate" else [label]
    for label in RHO.values():
        header += [label, "paper"]
    header += [*KEPT.values(), "CollageNet at equal change"]
    rows = []
    for row in report["table1"]:
        theirs = known.get(row["method"], {})
        cells = [row["method"], _with_interval(row, "harmony_rate", 100, 1), _plain(theirs.get("harmony_rate"), 100, 2),
                 _with_interval(row, "harmony_rate_key_matched", 100, 1)]
        for name in RHO:
            cells += [_with_interval(row, name, 1, 2), _plain(theirs.get(name), 1, 2)]
        cells += [_plain(row[name], 100, 1) for name in KEPT]
        rows.append([*cells, _at_equal_change(report["curve"], row)])
    return markdown(header, rows)


def _at_equal_change(curve: Iterable[Mapping], row: Mapping) -> str:
    """Both rates of the controls' curve at the row's share of changed notes, "-" where the curve does not reach it."""
    steered = sorted(curve, key=lambda point: point["changed"])
    change = [point["changed"] for point in steered]
    if row["changed"] is None or not change[0] <= row["changed"] <= change[-1] or steered[0]["harmony_rate"] is None:
        return "-"
    return " / ".join(
        f"{100 * np.interp(row['changed'], change, [point[rate] for point in steered]):.1f}"
        for rate in RATES if steered[0][rate] is not None)


def _evaluators(found: Mapping) -> str:
    if not found:
        return "(none is trained in this run)"
    labels = {"passes_real": "real pairs pass", "passes_random": "unrelated pairs pass",
              "passes_key_matched": "transposed into key pass", "accuracy_random": "accuracy, random negatives",
              "accuracy_key_matched": "accuracy, key-matched negatives"}
    rows = [[stage, *(_plain(numbers[name], 100, 1) for name in labels)] for stage, numbers in found.items()]
    return markdown(["%", *labels.values()], rows)


def _compared(table: Iterable[Mapping], columns: Mapping[str, str], theirs: Mapping, report: Mapping) -> str:
    """A table with the paper's number behind each of ours."""
    known = _published(theirs, report)
    rows = []
    for row in table:
        cells = [row["method"]]
        for name in columns:
            value = known.get(row["method"], {}).get(name)
            cells.append(_with_interval(row, name, 1, 3) + (f"; {value:g}" if value is not None else ""))
        rows.append(cells)
    return markdown(["ours [interval]; paper", *columns.values()], rows)


def _published(theirs: Mapping[str, Mapping], report: Mapping) -> dict[str, Mapping]:
    """The paper's rows under our names: its data-driven row beside our 100 iterations, CollageNet beside our own."""
    own = f"CollageNet, lambda {report['lambda']:g}"
    ours = {"data-driven": "data-driven, 100 iterations", "CollageNet": own}
    return {ours.get(name, name): row for name, row in theirs.items()}


def _curve(report: Mapping) -> str:
    rows = []
    for row in report["curve"]:
        rows.append([row["method"], *(_with_interval(row, name, 100, 1) for name in RATES),
                     *(_plain(row[name], 1, 2) for name in RHO), *(_plain(row[name], 100, 1) for name in KEPT)])
    return markdown(["", *RATES.values(), *RHO.values(), *KEPT.values()], rows)


def _controls(controls: Mapping) -> str:
    names, rows = list(controls["rho"]), []
    for control, curves in controls["rho"].items():
        for i, value in enumerate(controls["values"]):
            own = ("falls" if falls(curves[control]) else "does not fall") if i == 0 else ""
            rows.append([control if i == 0 else "", value, *(curves[name][i] for name in curves), own])
    return markdown(["control", "c", *names, "own distance"], rows)


def falls(values: list[float]) -> bool:
    """Whether every value is below the one before."""
    return bool(np.all(np.diff(values) < 0))


def _reconstruction(found: Mapping) -> str:
    columns = {"ours": "ours", "majority": "majority", "controls_1": "all controls 1"}
    rows = [[label, *(f"{100 * found[column][name]:.2f}" for column in columns)]
            for name, label in RECONSTRUCTION.items()]
    note = ("majority: always the training songs' most frequent symbol. all controls 1: unrelated pairs through the"
            " actor that is told to keep everything, against the VAEs' own reconstruction of them.")
    return markdown(["%", *columns.values()], rows) + "\n\n" + note


def _with_interval(row: Mapping, name: str, scale: float, digits: int) -> str:
    if row[name] is None:
        return "-"
    low, high = row["ci"][name]
    return f"{scale * row[name]:.{digits}f} [{scale * low:.{digits}f}, {scale * high:.{digits}f}]"


def _plain(value: float | None, scale: float, digits: int) -> str:
    return "-" if value is None else f"{scale * value:.{digits}f}"
