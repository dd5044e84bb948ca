"""CollageNet as a system: its corpus, its stages, its modules, and what it does for a user."""

import functools

import numpy as np

from musicfusion.codecs import melody, polyphony
from musicfusion.core.task import Stage, System
from musicfusion.data import cache
from musicfusion.systems.collagenet import (
    DECLARATION,
    evaluation,
    fusion,
    latents,
    nets,
    sampling,
    segments,
    vae,
)


def corpus(config):
    """POP909, a cache file, or the embedded chorales, as config.data says."""
    return cache.load(config.data.root, limit=config.data.songs)


def stages(config) -> tuple[Stage, ...]:
    """melody_vae, accompaniment_vae -> latents -> fusion."""
    sides = nets.models(config)
    actor, critic = nets.actor_and_critic(config, sides)

    def vae_stage(side):
        group = config[f"{side}_vae"]
        return Stage(
            name=f"{side}_vae",
            task=vae.task(sides[side], group),
            steps=group.steps,
            batch=group.batch,
            data=lambda corpus, results: segments.resident(corpus, config, (side,)),
            examples=segments.examples,
            best="loss",
            show=show_reconstruction,
        )

    rows = config.latents.segments * config.latents.transpositions + config.latents.validation
    return (
        vae_stage("melody"),
        vae_stage("accompaniment"),
        Stage(
            name="latents",
            needs=("melody_vae", "accompaniment_vae"),
            task=latents.task(sides, config),
            steps=-(-rows // config.latents.batch),
            batch=config.latents.batch,
            shuffled=False,
            data=lambda corpus, results: latents.resident(corpus, config, results),
            examples=latents.examples,
        ),
        Stage(
            name="fusion",
            needs=("melody_vae", "accompaniment_vae", "latents"),
            task=fusion.task(actor, critic, functools.partial(nets.decode, sides), config.fusion),
            steps=config.fusion.steps,
            batch=config.fusion.batch,
            data=lambda corpus, results: fusion.resident(corpus, config, results),
            examples=functools.partial(fusion.examples, aspects=actor.aspects),
            show=show_fusion,
        ),
    )


def parts(arrays, row: int) -> dict[str, np.ndarray]:
    """One row of decoded or original arrays -> {"melody", "accompaniment"}: notes, whichever are there."""
    found = {}
    tokens = arrays.get("tokens", arrays.get("melody"))
    if tokens is not None:
        found["melody"] = melody.notes_from_tokens(tokens[row])
    if "pitch" in arrays:
        found["accompaniment"] = polyphony.notes_from_slots(arrays["pitch"][row], arrays["duration"][row])
    return found


def show_reconstruction(batch, made) -> list:
    """Originals beside their reconstructions: (title, before, after)."""
    shown = []
    for row in range(len(batch["melody"])):
        after = parts(made, row)
        before = {name: notes for name, notes in parts(batch, row).items() if name in after}
        shown.append((f"reconstruction_{row}", before, after))
    return shown


def show_fusion(batch, made) -> list:
    """Unrelated pairs beside what the actor makes of them: (title, before, after)."""
    del batch
    rows = range(len(made["before"]["tokens"]))
    return [(f"fusion_{row}", parts(made["before"], row), parts(made["after"], row)) for row in rows]


SYSTEM = System(
    DECLARATION, corpus, stages, nets.modules, evaluation.evaluate, sampling.sample, sampling.examples
)
