"""MusAE as a system: networks, objectives, data sets and judges from a config, and what it does for a user."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from musicfusion import priors
from musicfusion.core import optimizers
from musicfusion.core.contracts import Listening, Sampler, Stage, System, Task
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.listening import ListeningTest
from musicfusion.core.results import Trained
from musicfusion.data import cache, sources
from musicfusion.data.corpus import Corpus
from musicfusion.latent import vae
from musicfusion.systems.musae import (
    DECLARATION,
    autoencoder,
    components,
    dataset,
    evaluation,
    genre_means,
    judges,
    latent_space,
    listening,
    lite,
    lstm,
    music_vae,
    objective,
    sampling,
)
from musicfusion.systems.musae.baselines import FLOWER, METHODS, Method
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.genre_means import GenreMeans
from musicfusion.systems.musae.latent_space import LatentSpace

MODELS = ("lite", "lstm")
ENCODINGS = ("onsets", "paper")


def corpus(config: ConfigDict) -> Corpus:
    """The pieces in four tracks at config.data.root, music21's where it is ""."""
    if config.data.encoding not in ENCODINGS:
        raise MusicFusionError(f"data.encoding = {config.data.encoding!r} is unknown: use {' or '.join(ENCODINGS)}")
    return cache.load(config.data.root, limit=config.data.songs, source=sources.arrangements)


# Stages --------------------------------------------------------------------------------------------------------------


def stages(config: ConfigDict) -> tuple[Stage, ...]:
    """components -> the autoencoders of config.lengths with the flower -> genre_means; then genre_classifier.

    Where config.train.baselines asks for them, also the other rows of table 1.
    """
    methods = METHODS if config.train.baselines else (FLOWER,)
    return (
        Stage(name="components", task=components.precompute(), batch=1, examples=components.examples,
              data=lambda corpus, trained: components.resident(corpus, seed=config.seed, bars=min(config.lengths))),
        *(_autoencoder(config, method, bars) for method in methods for bars in config.lengths),
        *(_genre_means(config, bars) for bars in config.lengths),
        _genre_classifier(config),
    )


def _autoencoder(config: ConfigDict, method: Method, bars: int) -> Stage:
    """A row of table 1."""
    group = _group(config, bars)
    task = _adversarial(config, method, bars) if method.prior else _variational(config, method, bars)
    return Stage(name=f"{method.name}_{bars}", needs=("components",), task=task, steps=group.steps, batch=group.batch,
                 best="loss", show=dataset.show, **_windows(config, bars))


def _adversarial(config: ConfigDict, method: Method, bars: int) -> Task:
    group = _group(config, bars)
    return objective.task(
        _model(config, method, bars), _critic(config, method.prior), prior=method.prior,
        optimizer=optimizers.create(**group.optimizer, steps=group.steps),
        critic_optimizer=optimizers.create(**group.critic_optimizer, steps=group.steps * group.critic_updates),
        beta=group.beta if method.critic else 0.0, beta_every=group.beta_every, penalty=group.penalty,
        critic_updates=group.critic_updates, counts=autoencoder.reconstruction_counts)


def _variational(config: ConfigDict, method: Method, bars: int) -> Task:
    group, steps = config.music_vae, _group(config, bars).steps
    return vae.task(
        _model(config, method, bars), optimizer=optimizers.create(**group.optimizer, steps=steps), steps=steps,
        kl=group.kl.to_dict(), kl_midpoint=group.kl_midpoint, free_nats=bars * group.free_nats,
        counts=autoencoder.reconstruction_counts)


def _genre_means(config: ConfigDict, bars: int) -> Stage:
    """Where the genres' codes lie, once the autoencoder is trained."""

    def data(corpus, trained):
        space = _space(config, trained, FLOWER, bars)
        return genre_means.resident(corpus, encode=space.encode, components=space.components, seed=config.seed,
                                    bars=bars, encoding=config.data.encoding)

    return Stage(name=f"genre_means_{bars}", needs=("components", f"{FLOWER.name}_{bars}"),
                 task=components.precompute(), batch=1, examples=components.examples, data=data)


def _genre_classifier(config: ConfigDict) -> Stage:
    group = config.genre_classifier
    task = judges.task(_classifier(config), optimizer=optimizers.create(**group.optimizer, steps=group.steps),
                       steps=group.steps)
    return Stage(name="genre_classifier", needs=("components",), task=task, steps=group.steps, batch=group.batch,
                 best="loss", **_windows(config, min(config.lengths)))


def _windows(config: ConfigDict, bars: int) -> dict[str, Any]:
    """How a stage gets its batches."""

    def data(corpus, trained):
        own = Components.load(trained("components"))
        return dataset.resident(corpus, seed=config.seed, bars=bars, component=own.component, components=own.count)

    return {"data": data, "examples": functools.partial(dataset.examples, bars=bars, encoding=config.data.encoding)}


# Networks ------------------------------------------------------------------------------------------------------------


def _group(config: ConfigDict, bars: int) -> ConfigDict:
    """How windows of so many bars are learned."""
    if f"musae_{bars}" not in config:
        known = " and ".join(name.removeprefix("musae_") for name in config if name.startswith("musae_"))
        raise MusicFusionError(f"lengths: {bars} bars are not configured in this preset: accepted are {known}")
    return config[f"musae_{bars}"]


def _model(config: ConfigDict, method: Method, bars: int) -> Any:
    """The autoencoder of a row of table 1; a MusicVAE has MusAE's encoder."""
    group = _group(config, bars)
    if group.model not in MODELS:
        raise MusicFusionError(f"musae_{bars}.model = {group.model!r} is unknown: use {' or '.join(MODELS)}")
    if group.model == "lite":
        spread = priors.OTHER_VARIANCE**0.5 if method.prior == "flower" else 1.0
        model: Any = lite.Autoencoder(bars, **group.size, spread=spread)
        encoder: Any = lite.Encoder(**group.size)
    else:
        model, encoder = lstm.Autoencoder(bars, **group.size), lstm.Encoder(**group.size)
    if method.prior:
        return model
    return music_vae.MusicVAE(encoder, bars, method.hierarchical, latent=group.size.latent, **config.music_vae.size)


def _critic(config: ConfigDict, prior: str) -> objective.Critic:
    return objective.Critic(config.critic.hidden, prior if config.critic.scaled else "")


def _classifier(config: ConfigDict) -> judges.GenreClassifier:
    return judges.GenreClassifier(**config.genre_classifier.size)


def modules(config: ConfigDict) -> dict[str, Any]:
    """Abstract parameters of each module; nothing is allocated."""
    key = jax.random.key(0)
    found: dict[str, Any] = {}
    for bars in config.lengths:
        batch = {"tracks": jnp.zeros((1, bars * dataset.BAR, 4), jnp.int32)}
        whole = jax.eval_shape(functools.partial(vae.init, _model(config, FLOWER, bars)), key, batch)
        encoder = whole.pop("encoder")
        found |= {f"encoder_{bars}": encoder, f"decoder_{bars}": whole}
        z, component = jnp.zeros((1, _group(config, bars).size.latent)), jnp.zeros(1, jnp.int32)
        found[f"critic_{bars}"] = jax.eval_shape(_critic(config, FLOWER.prior).init, key, z, component)["params"]
    tokens = jnp.zeros((1, min(config.lengths) * dataset.BAR, 4), jnp.int32)
    found["genre_classifier"] = jax.eval_shape(_classifier(config).init, key, tokens)["params"]
    return found


# Use -----------------------------------------------------------------------------------------------------------------


def _space(config: ConfigDict, trained: Trained, method: Method, bars: int) -> LatentSpace:
    """A trained autoencoder; the flower's with the genres' means, where they were computed."""
    params = trained(f"{method.name}_{bars}")
    has_means = method == FLOWER and trained.has(f"genre_means_{bars}")
    return latent_space.create(
        _model(config, method, bars), params["autoencoder"] if method.prior else params,
        components=Components.load(trained("components")), bars=bars, batch=config.evaluate.batch,
        means=GenreMeans(**trained(f"genre_means_{bars}")) if has_means else None)


def _selection(config: ConfigDict) -> evaluation.Selection:
    return evaluation.Selection(split=config.data.split, seed=config.seed, count=config.evaluate.windows,
                                batch=config.evaluate.batch, encoding=config.data.encoding)


def listening_test(config: ConfigDict, corpus: Corpus, trained: Trained) -> ListeningTest:
    """Music halfway between two songs, by every method that was trained on the shortest windows."""
    bars = min(config.lengths)
    return listening.test(
        corpus, _selection(config), bars=bars, components=Components.load(trained("components")),
        spaces={subject.method.title: subject.space for subject in _subjects(config, trained, bars)},
        clips=config.evaluate.clips, preset=config.preset)


def evaluate(config: ConfigDict, corpus: Corpus, trained: Trained) -> Evaluation:
    """Every method that was trained, on songs that it did not learn from."""
    classifier = None
    if trained.has("genre_classifier"):
        model = _classifier(config)
        run = jax.jit(lambda params, tokens: jax.nn.softmax(jnp.asarray(model.apply({"params": params}, tokens))))
        classifier = latent_space.batched(run, trained("genre_classifier"), config.evaluate.batch)
    return evaluation.evaluate(
        corpus, preset=config.preset, lengths=config.lengths, selection=_selection(config),
        components=Components.load(trained("components")), subjects=functools.partial(_subjects, config, trained),
        classifier=classifier)


def _subjects(config: ConfigDict, trained: Trained, bars: int) -> Iterator[evaluation.Subject]:
    """The methods that were trained on windows of so many bars."""
    for method in METHODS:
        if trained.has(f"{method.name}_{bars}"):
            yield evaluation.Subject(method=method, space=_space(config, trained, method, bars),
                                     critic=_scores(config, trained, method, bars) if method.critic else None)


def _scores(config: ConfigDict, trained: Trained, method: Method, bars: int):
    """A trained critic: (z [n, size], batch) -> its scores [n]."""
    critic, params = _critic(config, method.prior), trained(f"{method.name}_{bars}")["critic"]
    return lambda z, batch: critic.apply({"params": params}, z, *objective.condition(method.prior, batch))


def sampler(config: ConfigDict, trained: Trained) -> Sampler:
    """A user's songs through the latent space of windows of config.sample.bars."""
    bars = config.sample.bars or min(config.lengths)
    if bars not in config.lengths:
        raise MusicFusionError(f"{bars} bars were not trained: use {' or '.join(map(str, config.lengths))}")
    return sampling.create(_space(config, trained, FLOWER, bars))


def demo_inputs(config: ConfigDict, corpus: Corpus, folder: Path) -> list[dict[str, str]]:
    """A few pieces of test songs as files that the sampler reads."""
    return sampling.demo_inputs(corpus, folder, seed=config.seed, bars=min(config.lengths),
                                count=config.sample.examples)


SYSTEM = System(
    declaration=DECLARATION, corpus=corpus, splits=dataset.SPLITS, stages=stages, modules=modules, evaluate=evaluate,
    sampler=sampler, demo_inputs=demo_inputs, listening=Listening(test=listening_test, report=listening.report),
)
