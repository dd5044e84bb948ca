"""Connective Fusion as a system: its corpus, its stages, its modules, and what it does for a user."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from musicfusion.codecs import melody
from musicfusion.codecs.score import Score
from musicfusion.core.contracts import Listening, Sampler, Stage, System
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.listening import ListeningTest
from musicfusion.core.results import Trained
from musicfusion.data import cache, sources
from musicfusion.data.corpus import Corpus
from musicfusion.latent import actor_critic as latent_actor_critic
from musicfusion.latent import vae
from musicfusion.systems.connective_fusion import (
    DECLARATION,
    actor_critic,
    dataset,
    evaluation,
    inference,
    judges,
    listening,
    lite,
    lite_actor_critic,
    lstm_vae,
    objective,
    sampling,
)
from musicfusion.systems.connective_fusion.pairs import PairVAE, parts

VAES: dict[str, Callable[..., nn.Module]] = {"lite": lite.MelodyVAE, "lstm": lstm_vae.LSTMVAE}
PLAYERS = {"lite": lite_actor_critic, "perceptron": actor_critic}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Networks:
    """All modules that a config names. features: (the VAE's parameters, z) -> what actor and critic read."""

    pair_vae: PairVAE
    actor: nn.Module
    critic: nn.Module
    features: Callable
    classifier: judges.RealityClassifier


def build(config: ConfigDict) -> Networks:
    """The networks. Raises MusicFusionError for a model that is unknown, or that does not fit the other."""
    group = config.fusion
    if config.melody_vae.model not in VAES:
        raise MusicFusionError(f"melody_vae.model = {config.melody_vae.model!r} is unknown: use {' or '.join(VAES)}")
    if group.model not in PLAYERS:
        raise MusicFusionError(f"fusion.model = {group.model!r} is unknown: use {' or '.join(PLAYERS)}")
    if group.model == "lite" and config.melody_vae.model != "lite":
        raise MusicFusionError("fusion.model = 'lite' needs a latent that lies in time: use melody_vae.model = 'lite'")
    pair_vae = PairVAE(side=VAES[config.melody_vae.model](**config.melody_vae.size))
    lite_features = functools.partial(lite_actor_critic.features, pair_vae.side)
    aspects = parts(pair_vae.latent)
    return Networks(
        pair_vae=pair_vae,
        actor=PLAYERS[group.model].Actor(aspects, **group.actor),
        critic=PLAYERS[group.model].Critic(aspects, **group.critic),
        features=lite_features if group.model == "lite" else actor_critic.features,
        classifier=judges.RealityClassifier(**config.reality_classifier.size))


def corpus(config: ConfigDict) -> Corpus:
    """The melodies at each data root that config.data.root names, by commas; all of music21's where it is ""."""
    root = config.data.root or ",".join(sources.COLLECTIONS)
    found = cache.load(root, limit=config.data.songs, source=sources.melodies)
    dataset.require_pairs(found, config.data.split, **_measured(config))
    return found


def _measured(config: ConfigDict) -> dict[str, int]:
    """Which windows are measured (dataset.measured)."""
    return {"seed": config.seed, "count": config.evaluate.windows, "batch": config.evaluate.batch}


# Stages ---------------------------------------------------------------------------------------------------------------


def stages(config: ConfigDict) -> tuple[Stage, ...]:
    """melody_vae -> latents -> fusion; then reality_classifier, which needs none of them.

    Where config.train.baselines asks for it, then G at the other lambdas, and Latent Perturb's own classifier.
    """
    networks = build(config)
    main, others = _main_and_others(config)
    found = (
        _melody_vae(config, networks), _latents(config, networks), _fusion(config, networks, *main),
        _classifier(config, networks, inference.CLASSIFIER, "2"),
    )
    if not config.train.baselines:
        return found
    return (*found, *(_fusion(config, networks, *other) for other in others),
            _classifier(config, networks, inference.RIVAL, "1"))


def actors(distance: float, others: Sequence[float]) -> list[tuple[float, str]]:
    """Every lambda, ascending, with the stage of its actor; that of `distance`, the config's own, is "fusion"."""
    values = sorted({float(distance), *map(float, others)})
    return [(value, inference.ACTOR if value == distance else f"{inference.ACTOR}_{value}") for value in values]


def _main_and_others(config: ConfigDict) -> tuple[tuple[float, str], list[tuple[float, str]]]:
    found = actors(config.fusion.distance, config.train.lambdas)
    (main,) = (actor for actor in found if actor[1] == inference.ACTOR)
    return main, [actor for actor in found if actor != main]


def _melody_vae(config: ConfigDict, networks: Networks) -> Stage:
    """The VAE of four bars."""
    group = config.melody_vae
    return Stage(
        name="melody_vae",
        task=objective.melody_vae(networks.pair_vae.side, kl=group.kl.to_dict(), kl_midpoint=group.kl_midpoint,
                                  free_nats=group.free_nats, optimizer=group.optimizer, steps=group.steps),
        steps=group.steps,
        batch=group.batch,
        data=lambda corpus, trained: dataset.resident(corpus, "train-1", "validation-1", seed=config.seed),
        examples=dataset.side_examples,
        best="loss",
        show=show_reconstruction,
    )


def _table(config: ConfigDict, corpus: Corpus) -> tuple[dataset.Columns, int]:
    group = config.latents
    return dataset.latent_table(corpus, count=group.windows, validation=group.validation, copies=group.transpositions,
                                seed=config.seed)


def _latents(config: ConfigDict, networks: Networks) -> Stage:
    """The latents of pairs, computed once."""
    return Stage(
        name="latents",
        needs=("melody_vae",),
        task=objective.latents(networks.pair_vae, floor=config.latents.floor),
        batch=config.latents.batch,
        data=lambda corpus, trained: dataset.table_resident(corpus, *_table(config, corpus), trained),
        examples=dataset.table_examples,
    )


def _fusion(config: ConfigDict, networks: Networks, distance: float, name: str) -> Stage:
    """G against D, at one lambda."""
    group = config.fusion
    return Stage(
        name=name,
        needs=("melody_vae", "latents"),
        task=objective.fusion(
            pair_vae=networks.pair_vae, actor=networks.actor, critic=networks.critic, features=networks.features,
            loss_weights=group.weights.to_dict(), prior=group.prior, distance=distance, diversity=group.diversity,
            margin=group.margin, critic_updates=group.critic_updates, actor_start=group.actor_start,
            actor_rate=group.actor_rate, optimizer=group.optimizer, steps=group.steps),
        steps=group.steps,
        batch=group.batch,
        data=lambda corpus, trained: dataset.latent_resident(*_table(config, corpus), trained),
        examples=functools.partial(latent_actor_critic.examples, cut=networks.pair_vae.latent, controls=group.style,
                                   noise=group.noise),
        show=show_fusion,
    )


def _classifier(config: ConfigDict, networks: Networks, name: str, part: str) -> Stage:
    """A reality classifier that learns from train-1 or train-2."""
    group = config.reality_classifier
    return Stage(
        name=name,
        task=judges.task(networks.classifier, optimizer=group.optimizer, steps=group.steps),
        steps=group.steps,
        batch=group.batch,
        data=lambda corpus, trained: dataset.resident(corpus, f"train-{part}", f"validation-{part}", seed=config.seed),
        examples=dataset.pair_examples,
        best="loss",
    )


def show_reconstruction(batch: dict, generated: dict) -> list[tuple[str, Score, Score]]:
    """Sides and their reconstructions: (title, before, after)."""
    return _shown("reconstruction", batch["melody"], generated["melody"])


def show_fusion(batch: dict, generated: dict) -> list[tuple[str, Score, Score]]:
    """Unrelated pairs and what the actor makes of them: (title, before, after)."""
    del batch
    return _shown("fusion", *(np.concatenate([generated[when][side] for side in dataset.SIDES], 1)
                              for when in ("before", "after")))


def _shown(name: str, before: np.ndarray, after: np.ndarray) -> list[tuple[str, Score, Score]]:
    found = []
    for i, pair in enumerate(zip(before, after, strict=True)):
        first, second = (sampling.melody_score(dataset.notes(symbols), f"{name}_{i}") for symbols in pair)
        found.append((f"{name}_{i}", first, second))
    return found


# What it does ---------------------------------------------------------------------------------------------------------


def modules(config: ConfigDict) -> dict[str, dict]:
    """Abstract parameters of each module; nothing is allocated."""
    networks = build(config)
    side, latent = networks.pair_vae.side, networks.pair_vae.latent
    key, silence = jax.random.key(0), jnp.full((1, dataset.STEPS), melody.SYMBOLS - 1, jnp.int32)
    shapes = {"melody_vae": jax.eval_shape(functools.partial(vae.init, side), key, {"melody": silence})}
    z, style = jnp.zeros((1, 2 * latent)), jnp.zeros((1, config.fusion.style))
    read = jax.eval_shape(networks.features, shapes["melody_vae"], z)
    shapes["actor"] = jax.eval_shape(networks.actor.init, key, read, style)["params"]
    shapes["critic"] = jax.eval_shape(networks.critic.init, key, read)["params"]
    shapes["reality_classifier"] = jax.eval_shape(networks.classifier.init, key, silence, silence)["params"]
    return shapes


def _inference(config: ConfigDict, trained: Trained, batch: int) -> inference.Inference:
    networks = build(config)
    return inference.Inference(pair_vae=networks.pair_vae, actor=networks.actor, features=networks.features,
                               classifier=networks.classifier, trained=trained, batch=batch)


def evaluate(config: ConfigDict, corpus: Corpus, trained: Trained) -> Evaluation:
    """The paper's curves on the songs of config.data.split."""
    return evaluation.evaluate(
        corpus, _inference(config, trained, config.evaluate.batch),
        actors=actors(config.fusion.distance, config.train.lambdas), distance=config.fusion.distance,
        style=config.fusion.style, preset=config.preset, split=config.data.split, **_measured(config))


def listening_test(config: ConfigDict, corpus: Corpus, trained: Trained) -> ListeningTest:
    """Joined melodies beside real and random ones, on the songs of config.data.split."""
    return listening.test(
        corpus, _inference(config, trained, config.evaluate.batch), distance=config.fusion.distance,
        style=config.fusion.style, clips=config.evaluate.clips, split=config.data.split, seed=config.seed,
        preset=config.preset)


def sampler(config: ConfigDict, trained: Trained) -> Sampler:
    """Joins two melodies; every pair is a batch of its own, so that no other one bears on it."""
    return sampling.sampler(_inference(config, trained, 1), style=config.fusion.style)


def demo_inputs(config: ConfigDict, corpus: Corpus, folder: Path) -> list[dict[str, str]]:
    """A few pairs of test songs."""
    return sampling.demo_inputs(corpus, folder, count=config.sample.examples, seed=config.seed)


SYSTEM = System(declaration=DECLARATION, corpus=corpus, splits=dataset.SPLITS, stages=stages, modules=modules,
                evaluate=evaluate, sampler=sampler, demo_inputs=demo_inputs,
                listening=Listening(test=listening_test, report=listening.report))
