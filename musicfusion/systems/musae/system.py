"""MusAE as a system: its corpus, its stages, its modules, and what it does for a user."""

import functools

from ml_collections import ConfigDict

from musicfusion.codecs import tracks
from musicfusion.core.task import Stage, System
from musicfusion.data import cache, sources
from musicfusion.latent import vae
from musicfusion.systems.musae import (
    DECLARATION,
    adversarial,
    evaluation,
    genre,
    nets,
    petals,
    sampling,
    styles,
    windows,
)


def corpus(config):
    """The pieces in four tracks at config.data.root, music21's where it is ""."""
    return cache.load(config.data.root, limit=config.data.songs, source=sources.arrangements)


def stages(config) -> tuple[Stage, ...]:
    """petals -> the autoencoders of config.lengths with the flower -> styles; genre, which hears the shortest windows.

    Where config.evaluate.compare asks for it, the other rows of table 1, too.
    """
    kinds = nets.KINDS if config.evaluate.compare else nets.KINDS[:1]
    first = Stage(name="petals", task=petals.task(), steps=1, batch=1, examples=petals.examples, shuffled=False,
                  data=lambda corpus, results: petals.resident(corpus, config, min(config.lengths)))
    judge = Stage(
        name="genre", needs=("petals",), task=genre.task(genre.Genre(**dict(config.genre.size)), config.genre),
        steps=config.genre.steps, batch=config.genre.batch, best="loss",
        **_windows(config, min(config.lengths)))
    trained = [_autoencoder(config, kind, bars) for kind in kinds for bars in config.lengths]
    return (first, *trained, *(_styles(config, bars) for bars in config.lengths), judge)


def _styles(config, bars: int) -> Stage:
    """Where the genres' codes lie, once the autoencoder is trained."""
    return Stage(name=f"styles_{bars}", needs=("petals", f"flower_{bars}"), task=petals.task(), steps=1, batch=1,
                 examples=petals.examples, shuffled=False,
                 data=lambda corpus, results: styles.resident(corpus, config, bars, results))


def _windows(config, bars: int) -> dict:
    """How a stage gets its batches."""
    return {"data": lambda corpus, results: windows.resident(corpus, config, bars, results("petals")),
            "examples": functools.partial(windows.examples, bars=bars, encoding=config.data.encoding)}


def _autoencoder(config, kind: nets.Kind, bars: int) -> Stage:
    """One row of table 1."""
    group = config[f"musae_{bars}"]
    model = nets.model(config, kind, bars)
    if kind.prior:
        own = ConfigDict(group.to_dict() | {"beta": group.beta if kind.drawn else 0.0})
        task = adversarial.task(model, nets.critic(config, kind.prior), kind.prior, own, nets.counts)
    else:
        other = config.music_vae
        own = ConfigDict(other.to_dict() | {"steps": group.steps, "free_nats": bars * other.free_nats})
        task = vae.task(model, own, nets.counts)
    return Stage(name=f"{kind.name}_{bars}", needs=("petals",), task=task, steps=group.steps, batch=group.batch,
                 best="loss", show=show, **_windows(config, bars))


def show(batch, made) -> list:
    """Windows and their reconstructions: (title, before, after)."""
    names = [f"track {k + 1}" for k in range(tracks.TRACKS)]
    return [(f"reconstruction_{row}", *(dict(zip(names, tracks.notes(tokens), strict=True)) for tokens in pair))
            for row, pair in enumerate(zip(batch["tracks"], made["tracks"], strict=True))]


SYSTEM = System(
    DECLARATION, corpus, windows.SPLITS, stages, nets.modules, evaluation.evaluate, sampling.sample, sampling.examples
)
