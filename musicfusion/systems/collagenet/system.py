"""CollageNet as a system: its corpus, its stages, its modules, and what it does for a user."""

import dataclasses
import functools

import numpy as np

from musicfusion.codecs import melody, polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.task import Stage, System
from musicfusion.data import cache, splits
from musicfusion.latent import fusion, table, vae
from musicfusion.systems.collagenet import (
    DECLARATION,
    actor_critic,
    baselines,
    evaluation,
    evaluator,
    latents,
    nets,
    sampling,
    segments,
)


def corpus(config):
    """POP909, a cache file, or the embedded chorales, as config.data says.

    Raises MusicFusionError where it has nothing to evaluate: better now than when everything is trained.
    """
    corpus = cache.load(config.data.root, limit=config.data.songs)
    segments.measured(corpus, config)
    return corpus


def stages(config) -> tuple[Stage, ...]:
    """melody_vae, accompaniment_vae -> latents -> fusion; then the two evaluators, which need none of them.

    Where config.evaluate.compare asks for it, then what Table 1 sets beside them: the same four of CollageNet-vanilla,
    fusion at the other lambdas, and the critic of the data-driven baseline.
    """
    _require_controls(config)
    own = _stages(config)
    judged = (*own, *_evaluators(config))
    return (*judged, *_compared(config, own[-1])) if config.evaluate.compare else judged


def _require_controls(config) -> None:
    """What users steer must have its own part of z; the models without are for config.vanilla."""
    models = nets.models(config)
    for side, needed in (("melody", actor_critic.MELODY), ("accompaniment", actor_critic.ACCOMPANIMENT)):
        if tuple(models[side].aspects) != needed:
            raise MusicFusionError(f"{side}_vae.model = {config[f'{side}_vae'].model!r} does not tell"
                                   f" {' from '.join(needed)}: it is for vanilla.{side}_vae alone")


def _stages(config, prefix: str = "") -> tuple[Stage, ...]:
    """The four stages of one config, their names behind a prefix."""
    sides = nets.models(config)
    actor, critic = nets.actor_and_critic(config, sides)
    vaes = tuple(f"{prefix}{side}_vae" for side in nets.SIDES)

    def vae_stage(side):
        group = config[f"{side}_vae"]
        return Stage(
            name=f"{prefix}{side}_vae",
            task=vae.task(sides[side], group, nets.reconstructions),
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
            name=f"{prefix}latents",
            needs=vaes,
            task=table.task(functools.partial(nets.encode_batch, sides), sum(actor.aspects.values()),
                            config.latents.floor),
            steps=-(-rows // config.latents.batch),
            batch=config.latents.batch,
            shuffled=False,
            data=lambda corpus, results: latents.resident(corpus, config, nets.prefixed(results, prefix)),
            examples=latents.examples,
        ),
        Stage(
            name=f"{prefix}fusion",
            needs=(*vaes, f"{prefix}latents"),
            task=fusion.task(actor, critic, nets.hear(config, sides), functools.partial(nets.decode, sides),
                             actor_critic.control_loss, config.fusion),
            steps=config.fusion.steps,
            batch=config.fusion.batch,
            data=lambda corpus, results: latents.encoded(corpus, config, nets.prefixed(results, prefix)),
            examples=functools.partial(fusion.examples, cut=actor_critic.melody_size(actor.aspects),
                                       knobs=len(actor_critic.controlled(actor.aspects))),
            show=show_fusion,
        ),
    )


def _compared(config, own: Stage) -> tuple[Stage, ...]:
    """What Table 1 sets beside the actor of the stage `own`."""
    sides = nets.models(config)
    _, critic = nets.actor_and_critic(config, sides)
    return (
        *_stages(nets.view(config, "vanilla"), "vanilla_"),
        *(dataclasses.replace(_stages(_at(config, distance))[-1], name=name)
          for distance, name in nets.sweep(config) if name != own.name),
        dataclasses.replace(own, name="baseline_critic", best="loss", show=None,
                            task=baselines.critic_task(critic, nets.hear(config, sides), config.fusion)),
    )


def _at(config, distance: float):
    """The config with another lambda."""
    changed = config.copy_and_resolve_references()
    changed.fusion.distance = distance
    return changed


def _evaluators(config) -> tuple[Stage, ...]:
    """Who judges harmony: one who knows random negatives, as in the paper, and one who knows key-matched ones too."""
    model, group = evaluator.create(config), config.evaluator
    return tuple(
        Stage(
            name=name,
            task=evaluator.task(model, group),
            steps=group.steps,
            batch=group.batch,
            data=lambda corpus, results: segments.resident(corpus, config, nets.SIDES),
            examples=functools.partial(evaluator.examples, key_matched=share),
            best="loss",
        )
        for name, share in (("harmony_evaluator", 0.0), ("key_evaluator", group.key_matched))
    )


def modules(config) -> dict:
    """Abstract parameters of each module, the evaluators' last; nothing is allocated."""
    return nets.modules(config) | evaluator.modules(config)


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
    DECLARATION, corpus, splits.SPLITS, stages, modules, evaluation.evaluate, sampling.sample, sampling.examples
)
