"""The paired middle as a system: what the config means where `model` is "grid" (see system.py)."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from musicfusion.codecs import drum_frames, drums, midi
from musicfusion.core import memos, optimizers
from musicfusion.core.contracts import Resident, Sampler, Stage, Tree
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation, Table
from musicfusion.core.listening import ListeningTest
from musicfusion.core.results import Trained
from musicfusion.data import batches, cache, sources
from musicfusion.data.corpus import Corpus
from musicfusion.systems.arrangement import (
    drum_evaluation,
    drum_sounds,
    drum_transcriber,
    grid,
    grid_basses,
    grid_dataset,
    grid_evaluation,
    grid_listening,
    grid_recordings,
    grid_repertoire,
    grid_sampling,
)
from musicfusion.systems.arrangement.drum_sounds import Sounds
from musicfusion.systems.arrangement.drum_transcriber import DrumNet, Transcriber
from musicfusion.systems.arrangement.grid import Drummer, GridNet
from musicfusion.systems.arrangement.grid_dataset import BEATS, LENGTH, OFFSETS, VELOCITIES, Sections, Windows

PATTERNS, PLAYERS, STYLES = "patterns", "players", "styles"
TRANSCRIBER, THRESHOLDS = "transcriber", "thresholds"


def corpus(config: ConfigDict) -> Corpus:
    """The drums and basses of every data root."""
    return cache.load(config.data.root, limit=config.data.songs, source=sources.sections)


def _sections(config: ConfigDict) -> Sections:
    return Sections(seed=config.seed, shares=tuple(config.data.shares), sounding=config.pairing.sounding)


def _taught(config: ConfigDict, corpus: Corpus) -> Corpus:
    """What is learned from: where the config says so, with basses for what people played without."""
    return grid_basses.with_basses(corpus, config.seed) if config.pairing.made_up else corpus


def _net(config: ConfigDict, name: str) -> GridNet:
    outputs = 1 if name == PATTERNS else VELOCITIES + OFFSETS
    return GridNet(outputs=outputs, **config[name].size)


def stages(config: ConfigDict) -> tuple[Stage, ...]:
    """What is known beforehand; which drums are hit; and how, which is learned from people alone.

    Known are the names of styles, how people play, and drums of other songs. Then the transcriber of drums, which only
    measures, and from which activation on it takes something for a hit.
    """
    sections = _sections(config)
    names = Stage(name=STYLES, task=memos.task(), batch=1, examples=memos.examples,
                  data=lambda corpus, trained: memos.resident({
                      "styles": memos.letters([*corpus.tags] or [""]), "feels": sections.known_feels(corpus),
                      **grid_repertoire.packed(sections.repertoire(corpus)[0])}))
    return (names, _stage(config, PATTERNS), _stage(config, PLAYERS, people=True), *_transcriber_stages(config))


def _stage(config: ConfigDict, name: str, people: bool = False) -> Stage:
    """people: it learns from those alone, where there are any."""
    group, sections = config[name], _sections(config)
    optimizer = optimizers.create(**group.optimizer, steps=group.steps)
    return Stage(name=name, task=getattr(grid, name)(_net(config, name), optimizer=optimizer, steps=group.steps),
                 steps=group.steps, batch=group.batch, best="loss",
                 data=lambda corpus, trained: sections.resident(
                     _taught(config, corpus), human=grid_dataset.played_by_people(corpus) if people else None),
                 examples=grid_dataset.examples)


def _transcriber_stages(config: ConfigDict) -> tuple[Stage, Stage]:
    group, net = config.transcriber, DrumNet(**config.transcriber.size)
    sounds = Sounds(sections=_sections(config), windows=group.windows)
    optimizer = optimizers.create(**group.optimizer, steps=group.steps)

    def thresholds(corpus: Corpus, trained: Trained) -> Resident:
        frames, hits = sounds.played(corpus, "validation", sounds.validation, 1)
        run = drum_transcriber.activations(net, trained(TRANSCRIBER))
        return memos.resident({"thresholds": drum_transcriber.thresholds([run(own) for own in frames], hits)})

    return (Stage(name=TRANSCRIBER, steps=group.steps, batch=group.batch, best="loss",
                  task=drum_transcriber.transcriber(net, optimizer=optimizer, steps=group.steps),
                  data=lambda corpus, trained: sounds.resident(corpus), examples=drum_sounds.examples),
            Stage(name=THRESHOLDS, task=memos.task(), batch=1, examples=memos.examples, needs=(TRANSCRIBER,),
                  data=thresholds))


def _transcriber(config: ConfigDict, trained: Trained, learned: bool = True) -> Transcriber | None:
    """The trained transcriber, or one with parameters as they are drawn at first; None where none was trained."""
    if not (trained.has(TRANSCRIBER) and trained.has(THRESHOLDS)):
        return None
    net = DrumNet(**config.transcriber.size)
    drawn = net.init(jax.random.key(config.seed), jnp.zeros((1, drum_sounds.CROP, drum_frames.BANDS)))["params"]
    return drum_transcriber.create(net, trained(TRANSCRIBER) if learned else drawn, trained(THRESHOLDS)["thresholds"])


def modules(config: ConfigDict) -> dict[str, Tree]:
    """The abstract parameters of the networks; nothing is allocated."""
    transcriber = jax.eval_shape(DrumNet(**config.transcriber.size).init, jax.random.key(0),
                                 jnp.zeros((1, drum_sounds.CROP, drum_frames.BANDS)))["params"]
    found = {name: jax.eval_shape(_net(config, name).init, jax.random.key(0), *_example(name))["params"]
             for name in (PATTERNS, PLAYERS)}
    return found | {TRANSCRIBER: transcriber}


def _example(name: str) -> tuple[jax.Array, ...]:
    """What a network is initialised with."""
    seen, numbers = (grid.SEEN + grid.SHOWN, grid.CONDITIONS) if name == PATTERNS else (grid.SEEN, grid.MANNER)
    return jnp.zeros((1, BEATS, seen)), jnp.zeros(1, jnp.int32), jnp.zeros((1, numbers))


def _writer(config: ConfigDict, trained: Trained, learned: bool = True) -> grid_sampling.Writer:
    """learned: with the trained patterns, not with parameters as they are drawn at first."""
    group = config.sample
    drummer = Drummer(patterns=_net(config, PATTERNS), players=_net(config, PLAYERS), passes=group.passes,
                      temperature=group.temperature, threshold=group.threshold, params={
                          PATTERNS: trained(PATTERNS) if learned else _drawn(config), PLAYERS: trained(PLAYERS)})
    known = trained(STYLES)
    return grid_sampling.writer(
        drummer, styles=[name for name in map(memos.text, known["styles"]) if name], feels=known["feels"],
        repertoire=grid_repertoire.unpacked(known), candidates=group.candidates, sounding=config.pairing.sounding)


def _drawn(config: ConfigDict) -> Tree:
    """Parameters of the patterns' network as they are drawn at first."""
    return _net(config, PATTERNS).init(jax.random.key(config.seed), *_example(PATTERNS))["params"]


def evaluate(config: ConfigDict, corpus: Corpus, trained: Trained) -> Evaluation:
    """Drums under basses that no network learned from, beside rules and drums that exist."""
    own, batch = _writer(config, trained), config.evaluate.batch
    untrained = _writer(config, trained, learned=False)

    def of_none(windows, density, seed):
        return untrained.windows(windows, density, seed, batch)

    def write_song(song, reference):
        return own.pattern(song.bass, song.tempo, style="", density=config.evaluate.density, seed=0,
                           reference=reference)

    more = _transcribed(config, corpus, trained, {"the grid": own, "the grid, untrained": untrained})
    found = grid_evaluation.evaluate(
        corpus, _sections(config), split=config.data.split, count=config.evaluate.windows,
        songs=config.evaluate.songs, write_songs={
            "the grid": functools.partial(write_song, reference=True),
            "the same, window by window": functools.partial(write_song, reference=False)},
        write=_written(own, batch) | {"the grid, untrained": of_none},
        play=functools.partial(_play, own, batch) if trained.has(PLAYERS) else None,
        density=config.evaluate.density, preset=config.preset)
    return dataclasses.replace(found, tables=(*found.tables, *more))


def _transcribed(config: ConfigDict, corpus: Corpus, trained: Trained,
           writers: Mapping[str, grid_sampling.Writer]) -> list[Table]:
    """The transcriber of drums measured, and with it drums for recorded basses. writers: by the names of their rows."""
    group, sections = config.evaluate, _sections(config)
    transcriber, drawn = (_transcriber(config, trained, learned) for learned in (True, False))
    if transcriber is None or drawn is None:
        if group.stems or group.kit:
            raise MusicFusionError("evaluate.stems, evaluate.kit: the drum transcriber was not trained")
        return []
    plays = drum_evaluation.players(group.kit)
    tested = drum_evaluation.windows(corpus, sections, config.data.split, min(group.windows, drum_evaluation.WINDOWS))
    tables = [drum_evaluation.table(transcriber, drawn, tested, plays)]
    if group.stems:
        write = {name: grid_recordings.write(own, group.density) for name, own in writers.items()}
        tables.append(grid_recordings.evaluate(group.stems, corpus, sections, write, transcriber))
    return tables


def listening_test(config: ConfigDict, corpus: Corpus, trained: Trained) -> ListeningTest:
    """Drums of the network, with the right bass and with another, beside real drums, a rule and the nearest bass's."""
    group, own = config.evaluate, _writer(config, trained)
    return grid_listening.test(
        corpus, _sections(config), split=config.data.split, clips=group.clips, write=_written(own, group.batch),
        play=functools.partial(_play, own, group.batch), density=group.density, preset=config.preset)


def _written(own: grid_sampling.Writer, batch: int) -> dict[str, grid_evaluation.Write]:
    """Drums of windows, and as a fool those for another window's bass, by the names of their rows."""

    def write(windows, density, seed):
        return own.windows(windows, density, seed, batch)

    def of_another(windows, density, seed):
        return write(dataclasses.replace(windows, bass=np.roll(windows.bass, len(windows.bass) // 2, 0)), density, seed)

    return {"the grid": write, "the grid, given another window's bass": of_another}


def _play(own: grid_sampling.Writer, batch: int, windows: Windows,
          seed: int) -> tuple[np.ndarray, np.ndarray]:
    return own.played(windows.pattern, windows.bass, windows.tempo, seed, batch)


def sampler(config: ConfigDict, trained: Trained) -> Sampler:
    """Drums for a user's bass."""
    return grid_sampling.sampler(_writer(config, trained), config.sample.kit)


def demo_inputs(config: ConfigDict, corpus: Corpus, folder: Path) -> list[dict[str, str]]:
    """The basses of a few windows of config.data.split as MIDI files in `folder`."""
    start = _sections(config).windows(corpus, config.data.split, human=False, bass=True)
    if not len(start):
        raise MusicFusionError(f"data: no {config.data.split} song has {grid_dataset.BARS} bars of bass and drums")
    chosen = start[batches.fixed(len(start), min(config.sample.examples, len(start)))]
    written = []
    for number, begin in enumerate(chosen, start=1):
        tokens = corpus.arrays["bass"][begin * drums.STEPS : begin * drums.STEPS + LENGTH]
        path = folder / f"{number}-bass.mid"
        tempo = float(corpus.arrays["tempo"][begin])
        midi.write(path, grid_dataset.as_score(tokens, tempo, path.stem))
        written.append({"source": str(path)})
    return written
