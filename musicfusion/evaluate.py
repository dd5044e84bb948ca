"""Runs a system's evaluation; prints its tables and writes report.json, report.md and figures into the workdir."""

import json
from pathlib import Path

from musicfusion.core import parallel
from musicfusion.core.files import atomic_write
from musicfusion.core.results import Results, Trained
from musicfusion.core.task import System


def evaluate(system: System, config, workdir: Path, corpus=None, weights: Trained | None = None) -> list[Path]:
    """Measures a trained run on songs that it never saw (config.data.split); returns the files to open.

    Shipped `weights` are measured instead of the run, if they are given; the report names them.
    """
    if corpus is None:
        corpus = read_corpus(system, config)
    workdir = Path(workdir)
    report, text, draw = system.evaluate(config, corpus, weights or Results(workdir))
    if weights:
        report = report | weights.origin()
    print(text, flush=True)
    atomic_write(workdir / "report.json", json.dumps(report, indent=1) + "\n")
    atomic_write(workdir / "report.md", text + "\n")
    try:
        return [workdir / "report.md", *draw(workdir)]
    except ModuleNotFoundError as error:  # a bare accelerator machine: the numbers are there
        print(f"figures left out: {error.name} is not installed; --mode=evaluate draws them where it is")
        return [workdir / "report.md"]


def read_corpus(system: System, config):
    """The corpus, with a line on what it is and on every song that was left out."""
    corpus = system.corpus(config)
    if not parallel.is_main():
        return corpus
    if not config.data.root:
        print(f"data: {system.declaration.data} ({system.declaration.more})")
    print(f"data: {len(corpus.songs)} songs, {corpus.beats} {corpus.unit} from {corpus.source}", flush=True)
    if corpus.skipped:
        named = ", ".join(list(corpus.skipped)[:5])
        more = f" and {len(corpus.skipped) - 5} more" if len(corpus.skipped) > 5 else ""
        print(f"data: {len(corpus.skipped)} songs left out: {named}{more}; each with its reason in corpus.skipped")
    return corpus
