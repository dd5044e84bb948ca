"""Arrangement as a system: its corpus, its stages, its modules, and what it does for a user."""

import functools
from pathlib import Path

from musicfusion.core.errors import MusicFusionError
from musicfusion.core.task import Stage, System
from musicfusion.data import cache, recordings, sources
from musicfusion.data.corpus import joined
from musicfusion.systems.arrangement import (
    DECLARATION,
    crops,
    cyclegan,
    ear,
    evaluation,
    nets,
    sampling,
)


def corpus(config):
    """Songs of the places that config.data.root names, with a comma between; where some are rendered and some real,
    each song is tagged with what it is."""
    source, target = config.data.source, config.data.target
    if source == target or not {source, target} <= set(recordings.PARTS):
        raise MusicFusionError(f"data.source = {source!r}, data.target = {target!r}: accepted are two of"
                               f" {', '.join(recordings.PARTS)}")
    read = functools.partial(sources.sounds, source=source, target=target, mels=config.data.bands,
                             soundfonts=config.data.soundfonts)
    places = [place for place in config.data.root.split(",") if place] or [""]
    found = [cache.load(place, limit=config.data.songs, source=read) for place in places]
    kinds = [crops.KINDS[bool(place) and recordings.is_real(Path(place).expanduser())] for place in places]
    if len(set(kinds)) < 2:
        return joined(found)
    ordered = {kind: [own for own, other in zip(found, kinds, strict=True) if other == kind] for kind in crops.KINDS}
    return joined([joined(ordered[kind]) for kind in crops.KINDS], crops.KINDS)


def stages(config) -> tuple[Stage, ...]:
    """cyclegan; tuned goes on from there on recordings, if config.tuned.steps asks for it; pix2pix to compare; ear."""
    found = [_translator(config, "cyclegan", crops.KINDS[0])]
    if config.tuned.steps:
        found.append(_translator(config, "tuned", crops.KINDS[1], ("cyclegan",)))
    if config.evaluate.compare:
        group = config.pix2pix
        found.append(Stage(
            name="pix2pix", task=cyclegan.paired(nets.generator(config), nets.discriminator(config), group),
            steps=group.steps, batch=group.batch, show=None,
            data=lambda corpus, results: crops.resident(corpus, config, sides=("both",)),
            examples=functools.partial(crops.examples, config.data.crop)))
    listens = Stage(
        name="ear", task=ear.task(nets.ear(config), config.ear), steps=config.ear.steps, batch=config.ear.batch,
        best="loss", data=lambda corpus, results: crops.resident(corpus, config),
        examples=functools.partial(crops.examples, config.data.crop))
    return (*found, listens)


def _translator(config, name: str, kind: str, needs: tuple[str, ...] = ()) -> Stage:
    group = config[name]

    def data(corpus, results):
        before = results(needs[0]) if needs else None
        return crops.resident(corpus, config, kind if kind in corpus.tags else "", before)

    return Stage(
        name=name, task=cyclegan.task(nets.generator(config), nets.discriminator(config), group), steps=group.steps,
        batch=group.batch, needs=needs, data=data, examples=functools.partial(crops.examples, config.data.crop))


SYSTEM = System(
    DECLARATION, corpus, crops.SPLITS, stages, nets.modules, evaluation.evaluate, sampling.sample, sampling.examples
)

