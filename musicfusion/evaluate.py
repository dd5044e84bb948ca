"""Runs a system's evaluation; writes report.json, report.md and figures into a folder; makes its listening test."""

import dataclasses
import json
from pathlib import Path

from ml_collections import ConfigDict

from musicfusion import pretrained
from musicfusion.core import parallel
from musicfusion.core.contracts import Listening, System
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.files import atomic_write
from musicfusion.core.results import FAMILIES, SKIPPED, Judged, Results, Trained, write_songs
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import listening
from musicfusion.render import sheet, tables


def evaluate(
    system: System, config: ConfigDict, workdir: Path, corpus: Corpus | None = None, weights: Trained | None = None
) -> list[Path]:
    """Measures a trained run on songs that it never saw (config.data.split); prints and writes; returns files to open.

    Shipped `weights` are measured instead of the run, if they are given; the report names them. It also holds what
    listeners said, where config.evaluate.answers names their answers.

    Raises:
        MusicFusionError: there is too little to measure, or the answers cannot be used.
    """
    group, workdir, answers = config.evaluate, Path(workdir), None
    if group.answers:
        _listening(system)
        answers = listening.read(group.answers, group.sheet, system.declaration.name)
    if corpus is None:
        corpus = read_corpus(system, config, workdir)
    trained = weights or Results(workdir)
    evaluation = measured(system, config, corpus, trained)
    if answers is not None:
        evaluation = with_answers(evaluation, _listening(system), answers)
    text = tables.report(evaluation)
    print(text, flush=True)
    write_songs(workdir, skipped=corpus.skipped, versions=corpus.versions)
    return write(evaluation, text, workdir, trained.origin() if weights else {})


def measured(system: System, config: ConfigDict, corpus: Corpus, trained: Trained) -> Evaluation:
    """The system's evaluation of a run, by its own judges or by those of config.evaluate.judges.

    Raises:
        MusicFusionError: there is too little to measure, or those judges are none of this system's.
    """
    source, groups = config.evaluate.judges, system.declaration.judges
    if not source:
        return system.evaluate(config, corpus, trained)
    name, stored, other = pretrained.opened(source)
    if not groups or stored["system"] != system.declaration.name:
        whose = "they are those of " + stored["system"] if groups else "its reports take none but a run's own"
        raise MusicFusionError(f"evaluate.judges = {source!r} does not fit {system.declaration.name}: {whose}")
    config = config.copy_and_resolve_references()
    for group in groups.values():
        if group not in stored:
            raise MusicFusionError(f"evaluate.judges = {source!r} has no {group}: it was trained before there was one")
        config[group] = ConfigDict(stored[group])
    evaluation = system.evaluate(config, corpus, Judged(trained, other, groups))
    return dataclasses.replace(evaluation, remarks=(f"The judges are those of {name}.", *evaluation.remarks))


def listening_sheet(
    system: System, config: ConfigDict, workdir: Path, corpus: Corpus | None = None, weights: Trained | None = None
) -> list[Path]:
    """Writes the listening test of a trained run, or of `weights`, into config.evaluate.sheet; returns page and key.

    Raises:
        MusicFusionError: the system has no listening test, or there is too little music for one.
    """
    asked = _listening(system)
    if corpus is None:
        corpus = read_corpus(system, config, Path(workdir))
    trained = weights or Results(workdir)
    test = asked.test(config, corpus, trained)
    files = sheet.write(test, config.evaluate.sheet, seed=config.seed, origin=trained.origin())
    size = files[0].stat().st_size / 1e6
    print(f"listening test: {size:.1f} MB, about {test.minutes:.0f} minutes for a listener", flush=True)
    return files


def _listening(system: System) -> Listening:
    if system.listening is None:
        raise MusicFusionError(f"{system.declaration.name} has no listening test: evaluate.sheet and evaluate.answers"
                               " are for systems that have one")
    return system.listening


def with_answers(evaluation: Evaluation, asked: Listening, answers: listening.Answers) -> Evaluation:
    """An evaluation with what listeners said, behind its own tables."""
    found = asked.report(answers)
    counted = {"sheet": answers.sheet, "listeners": len(answers.listeners), "answers": len(answers.given)}
    return dataclasses.replace(
        evaluation, tables=(*evaluation.tables, listening.table_of_listeners(answers), *found.tables),
        figures={**evaluation.figures, **found.figures}, remarks=(*evaluation.remarks, *found.remarks),
        details={**evaluation.details, "listening": counted})


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
    """The corpus, with a line on what it is, on songs that were left out, and on versions of one song.

    WORKDIR/skipped.json and families.json will name them all.
    """
    corpus = system.corpus(config)
    if not parallel.is_main():
        return corpus
    declared = system.declaration
    if not config.data.root:
        print(f"data: {declared.embedded_corpus} ({declared.other_corpora})")
    print(f"data: {len(corpus.songs)} songs, {corpus.beats} {corpus.unit} from {corpus.source}", flush=True)
    if corpus.skipped:
        reasons = f"; {Path(workdir) / SKIPPED} says why" if workdir is not None else ""
        print(f"data: {len(corpus.skipped)} songs left out: {_first(list(corpus.skipped))}{reasons}")
    if corpus.versions:
        families = [" = ".join(songs) for songs in corpus.versions.values()]
        every = f"; {Path(workdir) / FAMILIES} names all" if workdir is not None else ""
        print(f"data: versions of one song, which share a split: {_first(families)}{every}")
    return corpus


def _first(names: list[str], count: int = 5) -> str:
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
