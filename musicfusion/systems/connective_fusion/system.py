"""Connective Fusion as a system: its corpus, its stages, its modules, and what it does for a user."""

import functools

import numpy as np

from musicfusion.core.task import Stage, System
from musicfusion.data import cache, sources
from musicfusion.data.corpus import joined
from musicfusion.latent import fusion, table, vae
from musicfusion.systems.connective_fusion import (
    DECLARATION,
    actor_critic,
    evaluation,
    latents,
    methods,
    nets,
    reality,
    sampling,
    windows,
)


def corpus(config):
    """The melodies at each of the places that config.data.root names, by commas; all of music21's where it is ""."""
    places = [place for place in config.data.root.split(",") if place] or list(sources.COLLECTIONS)
    found = joined([cache.load(place, limit=config.data.songs, source=sources.melodies) for place in places])
    windows.require_pairs(found, config)
    return found


def stages(config) -> tuple[Stage, ...]:
    """melody_vae -> latents -> fusion; then reality, which needs none of them.

    Where config.evaluate.compare asks for it, then G at the other lambdas, and the reality model of Latent Perturb.
    """
    side = nets.model(config)
    rows = config.latents.windows * config.latents.transpositions + config.latents.validation
    own = (
        Stage(
            name="melody_vae",
            task=vae.task(side, config.melody_vae, nets.counts),
            steps=config.melody_vae.steps,
            batch=config.melody_vae.batch,
            data=lambda corpus, results: windows.resident(corpus, config, "train-1", "validation-1"),
            examples=windows.examples,
            best="loss",
            show=show_reconstruction,
        ),
        Stage(
            name="latents",
            needs=("melody_vae",),
            task=table.task(functools.partial(nets.encode_batch, side), 2 * nets.latent(side), config.latents.floor),
            steps=-(-rows // config.latents.batch),
            batch=config.latents.batch,
            shuffled=False,
            data=lambda corpus, results: latents.resident(corpus, config, results),
            examples=latents.examples,
        ),
        _fusion(config, side, "fusion"),
        _reality(config, "reality", "2"),
    )
    if not config.evaluate.compare:
        return own
    others = [(distance, name) for distance, name in methods.sweep(config) if name != "fusion"]
    return (*own, *(_fusion(_at(config, distance), side, name) for distance, name in others),
            _reality(config, "reality_1", "1"))


def _fusion(config, side, name: str) -> Stage:
    """G against D."""
    actor, critic = nets.actor_and_critic(config, side)
    return Stage(
        name=name,
        needs=("melody_vae", "latents"),
        task=fusion.task(actor, critic, nets.hear(config, side), functools.partial(nets.decode, side),
                         actor_critic.similarity_loss, config.fusion),
        steps=config.fusion.steps,
        batch=config.fusion.batch,
        data=lambda corpus, results: latents.encoded(corpus, config, results),
        examples=functools.partial(fusion.examples, cut=nets.latent(side), knobs=config.fusion.style,
                                   noise=config.fusion.noise),
        show=show_fusion,
    )


def _reality(config, name: str, part: str) -> Stage:
    """A classifier that learns from train-1 or train-2."""
    return Stage(
        name=name,
        task=reality.task(reality.Reality(**dict(config.reality.size)), config.reality),
        steps=config.reality.steps,
        batch=config.reality.batch,
        data=lambda corpus, results: windows.resident(corpus, config, f"train-{part}", f"validation-{part}"),
        examples=reality.examples,
        best="loss",
    )


def _at(config, distance: float):
    """The config with another lambda."""
    changed = config.copy_and_resolve_references()
    changed.fusion.distance = distance
    return changed


def show_reconstruction(batch, made) -> list:
    """Sides and their reconstructions: (title, before, after)."""
    pairs = zip(batch["melody"], made["melody"], strict=True)
    return [(f"reconstruction_{row}", {"melody": windows.notes(before)}, {"melody": windows.notes(after)})
            for row, (before, after) in enumerate(pairs)]


def show_fusion(batch, made) -> list:
    """Unrelated pairs and what the actor makes of them: (title, before, after)."""
    del batch
    eight = [np.concatenate([made[when][side] for side in windows.SIDES], 1) for when in ("before", "after")]
    return [(f"fusion_{row}", *(windows.halves(windows.notes(symbols[row])) for symbols in eight))
            for row in range(len(eight[0]))]


SYSTEM = System(
    DECLARATION, corpus, windows.SPLITS, stages, nets.modules, evaluation.evaluate, sampling.sample, sampling.examples
)
