"""FusionGAN as a system: the only file of this folder that sees the config."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from musicfusion.core import optimizers
from musicfusion.core.contracts import Listening, Sampler, Stage, System, Tree
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.listening import ListeningTest
from musicfusion.core.results import Results, Trained
from musicfusion.data.corpus import Corpus
from musicfusion.systems.fusion_gan import DECLARATION, dataset, evaluation, judges, listening, objective, sampling
from musicfusion.systems.fusion_gan.critic import Critic
from musicfusion.systems.fusion_gan.dataset import LENGTH, SPLITS, Dataset
from musicfusion.systems.fusion_gan.generator import Generator
from musicfusion.systems.fusion_gan.judges import GenreClassifier
from musicfusion.systems.fusion_gan.objective import Adversarial
from musicfusion.systems.fusion_gan.policy_gradient import PolicyGradient

GENERATOR_STAGES = ("fusion", "gan", "pretrain")  # the last one that was trained is sampled from


def _corpus(config: ConfigDict) -> Corpus:
    return _data(config).read(config.data.root, limit=config.data.songs)


def _data(config: ConfigDict) -> Dataset:
    return Dataset(mode=config.data.mode, grid=config.data.grid, seed=config.seed)


def _generator(config: ConfigDict) -> Generator:
    return Generator(**config.generator)


def _critic(config: ConfigDict) -> Critic:
    size = config.critic
    return Critic(widths=tuple(size.widths), filters=tuple(size.filters), embedding=size.embedding)


def _classifier(config: ConfigDict) -> GenreClassifier:
    return GenreClassifier(**config.genre_classifier.size)


def _modules(config: ConfigDict) -> dict[str, Tree]:
    key, symbols = jax.random.key(0), jnp.zeros((1, LENGTH), jnp.int32)
    generator = jax.eval_shape(_generator(config).init, key)["params"]
    critic = jax.eval_shape(_critic(config).init, key, symbols)["params"]
    found: dict[str, Tree] = {}
    for name in objective.NAMES:
        found |= {f"generator_{name}": generator, f"critic_{name}": critic}
    return found | {"genre_classifier": jax.eval_shape(_classifier(config).init, key, symbols)["params"]}


# Training -----------------------------------------------------------------------------------------------------------


def _stages(config: ConfigDict) -> tuple[Stage, ...]:
    """pretrain -> gan -> fusion, each from where the one before ended; then the classifier, which needs none of them.

    config.train.baselines adds the paper's: a GAN on the mixture, and critics that are exchanged.
    """
    data, generator, critic = _data(config), _generator(config), _critic(config)
    show = functools.partial(_show, grid=data.grid)

    def adversarial(name: str, group: ConfigDict, before: str, best: str = "") -> Stage:
        task = objective.adversarial(
            plan=objective.PLANS[name], generator=generator, critic=critic, settings=_chosen(Adversarial, group),
            policy=_chosen(PolicyGradient, group),
            generator_optimizer=optimizers.create(**group.optimizer, steps=group.steps),
            critic_optimizer=optimizers.create(**group.critic_optimizer, steps=group.steps * group.critic_updates))
        return Stage(name=name, task=task, steps=group.steps, batch=group.batch, needs=(before,), best=best, show=show,
                     data=lambda corpus, trained: data.resident(corpus, _learned(trained, before)),
                     examples=dataset.examples)

    pretrain, judge = config.pretrain, config.genre_classifier
    first = Stage(
        name="pretrain", steps=pretrain.steps, batch=pretrain.batch, best="loss", show=show,
        task=objective.pretraining(
            generator, optimizers.create(**pretrain.optimizer, steps=pretrain.steps), steps=pretrain.steps),
        data=lambda corpus, trained: data.resident(corpus), examples=dataset.examples)
    last = Stage(
        name="genre_classifier", steps=judge.steps, batch=judge.batch, best="loss",
        task=judges.task(
            _classifier(config), optimizers.create(**judge.optimizer, steps=judge.steps), steps=judge.steps),
        data=lambda corpus, trained: data.resident(corpus), examples=dataset.examples)
    baselines = [adversarial(name, config.gan, "gan") for name in ("mixture", "exchanged")]
    return (first, adversarial("gan", config.gan, "pretrain"),
            adversarial("fusion", config.fusion, "gan", best="position_error"),
            *(baselines if config.train.baselines else ()), last)


def _chosen(kind: type, group: ConfigDict) -> Any:
    """Settings of that kind from a group of the config that holds others, too."""
    return kind(**{field.name: group[field.name] for field in dataclasses.fields(kind)})


def _learned(trained: Trained, stage: str) -> dict[str, Tree]:
    """What a stage's generators, and its critics if it has any, have learned: {"generators", "critics"}."""
    params = trained(stage)
    return {"generators": params} if stage == "pretrain" else params


def _show(batch: Mapping[str, Any], generated: Any, *, grid: int) -> list:
    """Windows of the first genre, and melodies of the fusion."""
    return [(f"fusion_{k}", *(sampling.score(dataset.tokens(x), name, grid=grid)
                              for name, x in (("first genre", before), ("fusion", after))))
            for k, (before, after) in enumerate(zip(batch["a"], generated, strict=True))]


# Use ----------------------------------------------------------------------------------------------------------------


def _models(config: ConfigDict, trained: Trained) -> evaluation.Models:
    """All that was trained."""
    methods = [name for name in ("pretrain", "mixture", "exchanged", "fusion") if trained.has(name)]
    learned = {name: _learned(trained, name) for name in methods}
    judge = _classifier(config)
    return evaluation.Models(
        generator=_generator(config), generators={name: of["generators"] for name, of in learned.items()},
        critic=_critic(config), critics=learned["fusion"].get("critics") if "fusion" in learned else None,
        probability=judges.probability(judge, trained("genre_classifier")) if trained.has("genre_classifier") else None)


def _evaluate(config: ConfigDict, corpus: Corpus, trained: Trained) -> Evaluation:
    record = Path(trained.workdir) / "fusion" / "metrics.jsonl" if isinstance(trained, Results) else None
    return evaluation.evaluate(
        corpus, _models(config, trained), data=_data(config), split=config.data.split, count=config.evaluate.melodies,
        preset=config.preset, record=record)


def _listening_test(config: ConfigDict, corpus: Corpus, trained: Trained) -> ListeningTest:
    return listening.test(corpus, _models(config, trained), data=_data(config), split=config.data.split,
                          clips=config.evaluate.clips, preset=config.preset)


def _sampler(config: ConfigDict, trained: Trained) -> Sampler:
    stage = next((name for name in GENERATOR_STAGES if trained.has(name)), GENERATOR_STAGES[0])
    data, length = _data(config), config.sample.steps
    model = sampling.Model(
        generators=_learned(trained, stage)["generators"], length=length, data=data,
        program=sampling.compiled(_generator(config), length=length))
    return Sampler(read=functools.partial(sampling.read, grid=data.grid),
                   generate=functools.partial(sampling.generate, model=model))


def _demo_inputs(config: ConfigDict, corpus: Corpus, folder: Path) -> list[dict[str, str]]:
    return sampling.demo_inputs(corpus, folder, data=_data(config), count=config.sample.examples)


SYSTEM = System(
    declaration=DECLARATION, corpus=_corpus, splits=SPLITS, stages=_stages, modules=_modules, evaluate=_evaluate,
    sampler=_sampler, demo_inputs=_demo_inputs,
    listening=Listening(test=_listening_test, report=listening.report))
