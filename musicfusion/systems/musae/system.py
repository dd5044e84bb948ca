"""MusAE as a system: networks, objectives, data sets and judges from a config, and what it does for a user."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from musicfusion import losses, priors
from musicfusion.core import memos, optimizers
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
    codes,
    components,
    dataset,
    evaluation,
    flow,
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
from musicfusion.systems.musae.dataset import GRIDS
from musicfusion.systems.musae.genre_means import GenreMeans
from musicfusion.systems.musae.harmony import harmony_of, no_harmony
from musicfusion.systems.musae.latent_space import LatentSpace

MODELS = ("lite", "lstm")
ENCODINGS = ("onsets", "paper")


def corpus(config: ConfigDict) -> Corpus:
    """The pieces in four tracks at config.data.root, music21's where it is "", on the grid of config.data.steps.

    Raises:
        MusicFusionError: the encoding or the grid is unknown; a cache file has another grid; or as cache.load.
    """
    steps = _steps(config)
    if config.data.encoding not in ENCODINGS:
        raise MusicFusionError(f"data.encoding = {config.data.encoding!r} is unknown: use {' or '.join(ENCODINGS)}")
    found = cache.load(config.data.root, limit=config.data.songs,
                       source=functools.partial(sources.arrangements, steps=steps))
    if found.steps != steps:
        raise MusicFusionError(f"{config.data.root}: has {found.steps} steps a quarter, and data.steps = {steps}:"
                               " give the songs themselves, or a file with that grid")
    return found


def _steps(config: ConfigDict) -> int:
    """Of a beat."""
    steps = config.data.steps
    if steps not in GRIDS:
        raise MusicFusionError(f"data.steps = {steps} is unknown: use {' or '.join(map(str, GRIDS))}")
    return steps


# Stages --------------------------------------------------------------------------------------------------------------


def stages(config: ConfigDict) -> tuple[Stage, ...]:
    """components -> the autoencoders of config.lengths with the flower -> genre_means -> flow; then the judges.

    Where config.train.baselines asks for them, also the other rows of table 1.
    """
    methods = METHODS if config.train.baselines else (FLOWER,)
    return (
        Stage(name="components", task=memos.task(), batch=1, examples=memos.examples,
              data=lambda corpus, trained: components.resident(corpus, seed=config.seed, bars=min(config.lengths),
                                                               sparse=config.data.sparse)),
        *(_autoencoder(config, method, bars) for method in methods for bars in config.lengths),
        *(_genre_means(config, bars) for bars in config.lengths),
        *(_flow(config, bars) for bars in config.lengths),
        *(_genre_classifier(config, name) for name in judges.SPLITS),
    )


def _autoencoder(config: ConfigDict, method: Method, bars: int) -> Stage:
    """A row of table 1."""
    windows = _windows(config, bars, dataset.Mixing(**config.mixing))
    group = _group(config, bars, "musae" if method.prior else "music_vae")
    shorter = [f"{method.name}_{group.begins_with}"] if group.begins_with else []

    def data(corpus, trained):
        begins = trained(shorter[0]) if shorter else {}
        return dataclasses.replace(windows["data"](corpus, trained), frozen=begins.get("autoencoder", begins))

    return Stage(name=f"{method.name}_{bars}", needs=("components", *shorter),
                 task=(_adversarial if method.prior else _variational)(config, method, bars), steps=group.steps,
                 batch=group.batch, best="loss", show=functools.partial(dataset.show, steps=_steps(config)),
                 **{**windows, "data": data})


def _adversarial(config: ConfigDict, method: Method, bars: int) -> Task:
    group = _group(config, bars)
    return objective.task(
        _model(config, method, bars), _critic(config), prior=method.prior, whiten=config.critic.whiten,
        optimizer=optimizers.create(**group.optimizer, steps=group.steps),
        critic_optimizer=optimizers.create(**group.critic_optimizer, steps=group.steps, updates=group.critic_updates),
        beta=group.beta if method.critic else 0.0, beta_every=group.beta_every, penalty=group.penalty,
        critic_updates=group.critic_updates, plane=group.plane if method == FLOWER else 0.0,
        counts=autoencoder.reconstruction_counts)


def _variational(config: ConfigDict, method: Method, bars: int) -> Task:
    group = _group(config, bars, "music_vae")
    return vae.task(
        _model(config, method, bars), optimizer=optimizers.create(**group.optimizer, steps=group.steps),
        steps=group.steps, kl=group.kl.to_dict(), kl_midpoint=group.kl_midpoint,
        free_nats=group.free_bits * math.log(2), teacher_forced=True, counts=autoencoder.reconstruction_counts,
        begun=autoencoder.beginning)


def _genre_means(config: ConfigDict, bars: int) -> Stage:
    """Where the genres' codes lie, once the autoencoder is trained."""
    return Stage(name=f"genre_means_{bars}", needs=("components", f"{FLOWER.name}_{bars}"),
                 task=memos.task(), batch=1, examples=memos.examples,
                 data=lambda corpus, trained: genre_means.resident(_codes(config, corpus, trained, bars)))


def _flow(config: ConfigDict, bars: int) -> Stage:
    """What takes the codes of each genre to one normal distribution."""
    group = config[f"flow_{bars}"]

    def data(corpus, trained):
        means, own = trained(f"genre_means_{bars}"), Components.load(trained("components"))
        return _codes(config, corpus, trained, bars).resident(
            own.count, {"mean": means["mean"], "deviation": means["deviation"]})

    task = flow.task(_velocity(config, bars), untagged=group.untagged, unharmonised=group.unharmonised,
                     steps=group.steps, optimizer=optimizers.create(**group.optimizer, steps=group.steps))
    return Stage(name=f"flow_{bars}", needs=("components", f"{FLOWER.name}_{bars}", f"genre_means_{bars}"), task=task,
                 steps=group.steps, batch=group.batch, best="loss", data=data, examples=codes.examples)


def _codes(config: ConfigDict, corpus: Corpus, trained: Trained, bars: int) -> codes.Codes:
    """Of training windows and those to validate on."""
    space = _space(config, trained, FLOWER, bars)
    harmony = functools.partial(harmony_of, pitched=jnp.asarray(space.pitched), parts=_velocity(config, bars).parts,
                                steps=_steps(config))
    return codes.encoded(corpus, space.encode, harmony, space.components, seed=config.seed, bars=bars,
                         encoding=config.data.encoding, sparse=config.data.sparse, shares=config.data.shares,
                         count=config[f"flow_{bars}"].codes)


def _genre_classifier(config: ConfigDict, name: str = "genre_classifier") -> Stage:
    """A judge of genres: "genre_classifier" knows the grooves that are learned, "second_judge" those held out."""
    group = config[name]
    task = judges.task(_classifier(config, name), optimizer=optimizers.create(**group.optimizer, steps=group.steps),
                       steps=group.steps)
    windows = _windows(config, judges.BARS, tagged=True, train=judges.SPLITS[name])
    return Stage(name=name, needs=("components",), task=task, steps=group.steps, batch=group.batch, best="loss",
                 **windows)


def _windows(config: ConfigDict, bars: int, mixing: dataset.Mixing = dataset.PLAIN, **which: Any) -> dict[str, Any]:
    """How a stage gets its batches; which: of dataset.resident."""

    def data(corpus, trained):
        own = Components.load(trained("components"))
        return dataset.resident(corpus, seed=config.seed, bars=bars, component=own.component, components=own.count,
                                sparse=config.data.sparse, shares=config.data.shares, **which)

    return {"data": data, "examples": functools.partial(dataset.examples, bars=bars, encoding=config.data.encoding,
                                                        mixing=mixing)}


# Networks ------------------------------------------------------------------------------------------------------------


def _group(config: ConfigDict, bars: int, kind: str = "musae") -> ConfigDict:
    """How windows of so many bars are learned, by a MusAE or a MusicVAE ("music_vae")."""
    name = f"{kind}_{bars}"
    if name not in config:
        known = " and ".join(x.removeprefix(f"{kind}_") for x in config if x.startswith(f"{kind}_"))
        raise MusicFusionError(f"lengths: {bars} bars are not configured in this preset: accepted are {known}")
    group = config[name]
    if group.begins_with and group.begins_with not in config.lengths:
        raise MusicFusionError(f"{name}.begins_with = {group.begins_with}: lengths = {tuple(config.lengths)} does not"
                               " hold it; 0 is accepted")
    return group


def _model(config: ConfigDict, method: Method, bars: int) -> Any:
    """The autoencoder of a row of table 1."""
    steps = _steps(config)
    if not method.prior:
        own = _group(config, bars, "music_vae")
        encoder = music_vae.Encoder(**own.encoder, latent=own.size.latent)
        return music_vae.MusicVAE(encoder, bars, method.hierarchical, rate=own.rate, steps=steps, **own.size)
    group = _group(config, bars)
    if group.model not in MODELS:
        raise MusicFusionError(f"musae_{bars}.model = {group.model!r} is unknown: use {' or '.join(MODELS)}")
    if group.model == "lite":
        spread = priors.OTHER_VARIANCE**0.5 if method.prior in ("flower", "narrow") else 1.0
        model: Any = lite.Autoencoder(bars, **group.size, spread=spread, flower=method.prior == "flower", steps=steps)
    else:
        model = lstm.Autoencoder(bars, **group.size, steps=steps)
    return model


def _critic(config: ConfigDict) -> objective.Critic:
    return objective.Critic(config.critic.hidden, reads_norm=config.critic.whiten)


def _velocity(config: ConfigDict, bars: int) -> flow.Velocity:
    """Of codes that are laid out in parts, or are taken to be."""
    size = _group(config, bars).size
    return flow.Velocity(**config[f"flow_{bars}"].size, parts=size.get("parts", 8), shared=size.get("shared", 16))


def _classifier(config: ConfigDict, name: str) -> Any:
    return judges.CLASSIFIERS[name](**config[name].size)


def _nothing(config: ConfigDict, bars: int) -> dict[str, jax.Array]:
    """A window of so many bars, as a batch."""
    return {"tracks": jnp.zeros((1, bars * dataset.BEATS * _steps(config), 4), jnp.int32)}


def modules(config: ConfigDict) -> dict[str, Any]:
    """Abstract parameters of each module; nothing is allocated."""
    key = jax.random.key(0)
    found: dict[str, Any] = {}
    for bars in config.lengths:
        batch = _nothing(config, bars)
        whole = jax.eval_shape(functools.partial(vae.init, _model(config, FLOWER, bars)), key, batch)
        encoder = whole.pop("encoder")
        found |= {f"encoder_{bars}": encoder, f"decoder_{bars}": whole}
        z, component = jnp.zeros((1, _group(config, bars).size.latent)), jnp.zeros(1, jnp.int32)
        found[f"critic_{bars}"] = jax.eval_shape(_critic(config).init, key, z, component)["params"]
        velocity, plane = _velocity(config, bars), jnp.zeros((1, flow.PLANE))
        found[f"flow_{bars}"] = jax.eval_shape(velocity.init, key, z[:, flow.PLANE :], jnp.zeros(1), plane,
                                               no_harmony(1, bars, velocity.parts))["params"]
    tokens = _nothing(config, judges.BARS)["tracks"]
    for name in judges.SPLITS:
        found[name] = jax.eval_shape(_classifier(config, name).init, key, tokens)["params"]
    return found


# Use -----------------------------------------------------------------------------------------------------------------


def _space(config: ConfigDict, trained: Trained, method: Method, bars: int) -> LatentSpace:
    """A trained autoencoder; the flower's with the genres' means, where they were computed."""
    params, own = trained(f"{method.name}_{bars}"), Components.load(trained("components"))
    means, flows = None, None
    if method == FLOWER and trained.has(f"genre_means_{bars}"):
        found = trained(f"genre_means_{bars}")
        means = GenreMeans(mean=found["mean"], deviation=found["deviation"])
        if trained.has(f"flow_{bars}"):
            flows = flow.Flow(
                velocity=_velocity(config, bars), params=trained(f"flow_{bars}"), components=own.count,
                tables={"mean": jnp.asarray(means.mean), "deviation": jnp.asarray(means.deviation)},
                steps=config[f"flow_{bars}"].integration)
    return latent_space.create(
        _model(config, method, bars), params["autoencoder"] if method.prior else params, components=own, bars=bars,
        batch=config.evaluate.batch, means=means, flow=flows)


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
    return evaluation.evaluate(
        corpus, preset=config.preset, lengths=config.lengths, selection=_selection(config),
        components=Components.load(trained("components")), subjects=functools.partial(_subjects, config, trained),
        untrained=functools.partial(_untrained, config, trained), judges=_judges(config, trained))


def _judges(config: ConfigDict, trained: Trained) -> dict[str, judges.Classifier]:
    """Those that were trained: tokens int [n, T, 4] -> probabilities of genres [n, 32]."""
    found = {}
    for name in judges.SPLITS:
        if trained.has(name):
            run = jax.jit(functools.partial(_probabilities, _classifier(config, name)))
            found[name.replace("_", " ")] = latent_space.batched(run, trained(name), config.evaluate.batch)
    return found


def _probabilities(classifier: Any, params: Any, tokens: jax.Array) -> jax.Array:
    """Of genres: tokens int [B, T, 4] -> [B, 32]."""
    return jax.nn.softmax(classifier.apply({"params": params}, tokens))


def _untrained(config: ConfigDict, trained: Trained, bars: int) -> LatentSpace:
    """The flower's space with parameters as they are drawn at first."""
    model = _model(config, FLOWER, bars)
    params = jax.jit(functools.partial(vae.init, model))(jax.random.key(config.seed), _nothing(config, bars))
    return latent_space.create(model, params, components=Components.load(trained("components")), bars=bars,
                               batch=config.evaluate.batch)


def _subjects(config: ConfigDict, trained: Trained, bars: int) -> Iterator[evaluation.Subject]:
    """The methods that were trained on windows of so many bars."""
    for method in METHODS:
        if not trained.has(f"{method.name}_{bars}"):
            continue
        space, params = _space(config, trained, method, bars), trained(f"{method.name}_{bars}")
        if method.prior:
            has_critic = method.critic and "critic" in params
            yield evaluation.Subject(method=method, space=space,
                                     critic=_scores(config, params["critic"], method) if has_critic else None)
        else:
            yield evaluation.Subject(method=method, space=space, **_fed(config, params, method, bars))


def _scores(config: ConfigDict, params: Any, method: Method):
    """A trained critic: (z [n, size], batch) -> its scores [n]."""
    critic = _critic(config)

    def scores(z, batch):
        seen = objective.whitened(method.prior, z, batch) if config.critic.whiten else z
        return critic.apply({"params": params}, seen, *objective.condition(method.prior, batch))

    return jax.jit(scores)


def _fed(config: ConfigDict, params: Any, method: Method, bars: int) -> dict[str, Any]:
    """What else is measured of a MusicVAE: `predicted` and `rate` of evaluation.Subject."""
    model, batch = _model(config, method, bars), config.evaluate.batch
    predicted = jax.jit(lambda params, z, tokens: model.apply(
        {"params": params}, z, {"tracks": tokens}, method="predicted")["tracks"])
    rate = jax.jit(lambda params, tokens: losses.kl_to_standard_normal(
        *model.apply({"params": params}, {"tracks": tokens}, method="encode")))
    return {"predicted": latent_space.batched(predicted, params, batch),
            "rate": latent_space.batched(rate, params, batch)}


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
