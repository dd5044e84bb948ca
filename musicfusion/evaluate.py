"""Runs a system's evaluation; writes report.json, report.md and figures into a folder."""

import json
from pathlib import Path

from ml_collections import ConfigDict

from musicfusion.core import parallel
from musicfusion.core.contracts import System
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.files import atomic_write
from musicfusion.core.results import SKIPPED, Results, Trained, write_skipped
from musicfusion.data.corpus import Corpus
from musicfusion.render import tables


def evaluate(
    system: System, config: ConfigDict, workdir: Path, corpus: Corpus | None = None, weights: Trained | None = None
) -> list[Path]:
    """Measures a trained run on songs that it never saw (config.data.split); prints and writes; returns files to open.

    Shipped `weights` are measured instead of the run, if they are given; the report names them.
    """
    if corpus is None:
        corpus = read_corpus(system, config, Path(workdir))
    trained = weights or Results(workdir)
    evaluation = system.evaluate(config, corpus, trained)
    text = tables.report(evaluation)
    print(text, flush=True)
    write_skipped(corpus.skipped, Path(workdir))
    return write(evaluation, text, Path(workdir), trained.origin() if weights else {})


def write(evaluation: Evaluation, text: str, folder: Path, origin: dict) -> list[Path]:
    """report.json, report.md, figures; origin: whose parameters were measured. Returns report.md and the figures."""
    report = json.dumps(evaluation.to_json() | origin, indent=1)
    atomic_write(folder / "report.json", report + "\n")
    atomic_write(folder / "report.md", text + "\n")
    try:
        return [folder / "report.md", *(draw(folder / name) for name, draw in evaluation.figures.items())]
    except ModuleNotFoundError as error:  # a bare accelerator machine: the numbers are there
        print(f"figures left out: {error.name} is not installed; --mode=evaluate draws them where it is")
        return [folder / "report.md"]


def read_corpus(system: System, config: ConfigDict, workdir: Path | None = None) -> Corpus:
    """The corpus, with a line on what it is, and on how many songs were left out; WORKDIR/skipped.json will say why."""
    corpus = system.corpus(config)
    if not parallel.is_main():
        return corpus
    declared = system.declaration
    if not config.data.root:
        print(f"data: {declared.embedded_corpus} ({declared.other_corpora})")
    print(f"data: {len(corpus.songs)} songs, {corpus.beats} {corpus.unit} from {corpus.source}", flush=True)
    if corpus.skipped:
        named = ", ".join(list(corpus.skipped)[:5])
        more = f" and {len(corpus.skipped) - 5} more" if len(corpus.skipped) > 5 else ""
        reasons = f"; {Path(workdir) / SKIPPED} says why" if workdir is not None else ""
        print(f"data: {len(corpus.skipped)} songs left out: {named}{more}{reasons}")
    return corpus
