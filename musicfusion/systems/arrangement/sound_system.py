"""The paper's translators of sound as a system: what the config means where `model` is "cyclegan" (see system.py)."""

import dataclasses
import functools
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from musicfusion.core import optimizers
from musicfusion.core.contracts import Sampler, Stage, Tree
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.listening import ListeningTest
from musicfusion.core.results import Trained
from musicfusion.data import cache, recordings, sources
from musicfusion.data.corpus import Corpus
from musicfusion.nn.frames import FrameNet, FramePatchGAN
from musicfusion.nn.images import PatchGAN, ResNet
from musicfusion.systems.arrangement import (
    evaluation,
    judges,
    listening,
    objective,
    pix2pix,
    sampling,
    synchrony,
    translation,
)
from musicfusion.systems.arrangement.dataset import Crops, kinds
from musicfusion.systems.arrangement.judges import Features, Judge, PartClassifier
from musicfusion.systems.arrangement.objective import CycleGAN
from musicfusion.systems.arrangement.pix2pix import Pix2pix
from musicfusion.systems.arrangement.synchrony import Scored, Scorer, Synchrony

NETWORKS = {"frames": (FrameNet, FramePatchGAN), "images": (ResNet, PatchGAN)}
ROWS = {"pix2pix": "pix2pix, from pairs", "cyclegan": "CycleGAN", "finetune": "CycleGAN, fine-tuned on recordings"}
TRANSLATORS = ("finetune", "cyclegan")  # the first that was trained makes music


# From the config ------------------------------------------------------------------------------------------------------


def _networks(config: ConfigDict) -> tuple[nn.Module, nn.Module]:
    """The generator and the discriminator, which are the same for both domains."""
    if config.networks not in NETWORKS:
        raise MusicFusionError(f"networks = {config.networks!r}: accepted are {', '.join(NETWORKS)}")
    generator, discriminator = NETWORKS[config.networks]
    dtype = jnp.dtype(config.run.precision)
    return generator(**config.generator, dtype=dtype), discriminator(**config.discriminator, dtype=dtype)


def _cyclegan(config: ConfigDict, stage: str) -> CycleGAN:
    group = config[stage]
    generator, discriminator = _networks(config)
    return CycleGAN(generator=generator, discriminator=discriminator, cycle=group.cycle, identity=group.identity,
                    density=group.density, noise=group.noise, scorer=_synchrony(config),
                    synchrony=config.synchrony.weight, latent=_latent(config), diversity=config.synchrony.diversity)


def _synchrony(config: ConfigDict) -> Synchrony | None:
    """None where its weight is 0."""
    group = config.synchrony
    return Synchrony(scorer=Scorer(**group.size), noise=config.cyclegan.noise) if group.weight else None


def _latent(config: ConfigDict) -> int:
    """The size of CycleGAN's vector of noise, 0 where two targets need not differ."""
    return config.synchrony.latent if config.synchrony.diversity else 0


def _pix2pix(config: ConfigDict) -> Pix2pix:
    generator, discriminator = _networks(config)
    return Pix2pix(generator=generator, discriminator=discriminator, l1=config.pix2pix.l1,
                   density=config.pix2pix.density)


def _classifier(config: ConfigDict) -> PartClassifier:
    return PartClassifier(**config.part_classifier.size)


def _crops(config: ConfigDict) -> Crops:
    data = config.data
    return Crops(length=data.crop, stride=data.stride, seed=config.seed, source=data.source, target=data.target)


def _translator(config: ConfigDict, trained: Trained, stage: str, learned: bool = True) -> translation.Translate:
    """learned: with the trained parameters, not with those that are drawn at first."""
    params = trained(stage) if learned else _drawn(config, stage)
    return translation.translator(
        _networks(config)[0], params["generators"]["b"], length=config.data.crop, overlap=config.data.overlap,
        conditional=bool(config[stage].density), latent=_latent(config) if stage in TRANSLATORS else 0)


def _drawn(config: ConfigDict, stage: str) -> Tree:
    """CycleGAN's parameters as they are drawn at first."""
    return jax.jit(_cyclegan(config, stage).init)(jax.random.key(config.seed), _example(config))


def _example(config: ConfigDict) -> jax.Array:
    """A crop, for the shapes."""
    return jnp.zeros((1, config.data.crop, config.data.bands, 1))


# The system -----------------------------------------------------------------------------------------------------------


def corpus(config: ConfigDict) -> Corpus:
    """The songs of every data root (config.data.root, with commas between).

    Raises:
        MusicFusionError: source or target is no part, they are the same, or a root cannot be read.
    """
    data = config.data
    if data.source == data.target or not {data.source, data.target} <= set(recordings.PARTS):
        raise MusicFusionError(f"data.source = {data.source!r}, data.target = {data.target!r}: accepted are two of"
                               f" {', '.join(recordings.PARTS)}")
    read = functools.partial(sources.sounds, source=data.source, target=data.target, mels=data.bands,
                             soundfonts=data.soundfonts)
    return cache.load(data.root, limit=data.songs, source=read)


def stages(config: ConfigDict) -> tuple[Stage, ...]:
    """What rewards synchrony; CycleGAN; fine-tuning on recordings (section 4.1); pix2pix; the classifier.

    All but CycleGAN and the classifier where the config asks for them.
    """
    found = [_synchrony_stage(config)] if config.synchrony.weight else []
    found.append(_translation_stage(config, "cyclegan", "rendered"))
    if config.finetune.steps:
        found.append(_translation_stage(config, "finetune", "real", after="cyclegan"))
    if config.train.baselines:
        found.append(_pix2pix_stage(config))
    return (*found, _classifier_stage(config))


def _translation_stage(config: ConfigDict, name: str, kind: str, after: str = "") -> Stage:
    """CycleGAN on songs of a kind, if the corpus has several; it begins with the parameters of the stage `after`."""
    group, crops, rewarded = config[name], _crops(config), bool(config.synchrony.weight)
    needs = (*(("synchrony",) if rewarded else ()), *((after,) if after else ()))

    def data(corpus, trained):
        several = len(np.unique(kinds(corpus))) > 1
        found = crops.resident(corpus, kind=kind if several else "", params=trained(after) if after else None)
        if rewarded:
            found = dataclasses.replace(found, frozen=found.frozen | {"scorer": trained("synchrony")})
        return found

    optimizer = optimizers.create(**group.optimizer, steps=group.steps)
    return Stage(name=name, task=objective.task(_cyclegan(config, name), optimizer, continued=bool(after)),
                 steps=group.steps, batch=group.batch, needs=needs, data=data,
                 examples=crops.examples)


def _synchrony_stage(config: ConfigDict) -> Stage:
    group, crops, model = config.synchrony, _crops(config), _synchrony(config)
    assert model is not None
    optimizer = optimizers.create(**group.optimizer, steps=group.steps)
    return Stage(name="synchrony", task=synchrony.task(model, optimizer, steps=group.steps), steps=group.steps,
                 batch=group.batch, best="loss", data=lambda corpus, trained: crops.resident(corpus, paired=True),
                 examples=crops.examples)


def _pix2pix_stage(config: ConfigDict) -> Stage:
    group, crops = config.pix2pix, _crops(config)
    optimizer = optimizers.create(**group.optimizer, steps=group.steps)
    return Stage(name="pix2pix", task=pix2pix.task(_pix2pix(config), optimizer), steps=group.steps, batch=group.batch,
                 data=lambda corpus, trained: crops.resident(corpus, paired=True), examples=crops.examples)


def _classifier_stage(config: ConfigDict) -> Stage:
    group, crops = config.part_classifier, _crops(config)
    optimizer = optimizers.create(**group.optimizer, steps=group.steps)
    return Stage(name="part_classifier", task=judges.task(_classifier(config), optimizer, steps=group.steps),
                 steps=group.steps, batch=group.batch, best="loss",
                 data=lambda corpus, trained: crops.resident(corpus), examples=crops.examples)


def modules(config: ConfigDict) -> dict[str, Tree]:
    """The abstract parameters of each network; nothing is allocated."""
    params, mels = jax.eval_shape(lambda: _drawn(config, "cyclegan")), _example(config)
    found = {f"{group.removesuffix('s')}_{domain}": own
             for group, domains in params.items() for domain, own in domains.items()}
    if (model := _synchrony(config)) is not None:
        found["synchrony"] = jax.eval_shape(model.init, jax.random.key(0), mels)
    return found | {"part_classifier": jax.eval_shape(_classifier(config).init, jax.random.key(0), mels)["params"]}


def evaluate(config: ConfigDict, corpus: Corpus, trained: Trained) -> Evaluation:
    """Every trained translator beside the baselines, on songs that none of them learned from."""
    group, judge = config.evaluate, _judge(config, trained)
    stages = [stage for stage in ROWS if trained.has(stage)]
    best = next((stage for stage in TRANSLATORS if stage in stages), None)
    translators = {ROWS[stage]: _translator(config, trained, stage) for stage in stages}
    if best:
        translators[f"{ROWS[best]}, untrained"] = _translator(config, trained, best, learned=False)
    return evaluation.evaluate(
        corpus, _crops(config), translators,
        best=best and ROWS[best], conditional=bool(best and config[best].density), judge=judge,
        features=_features(config, judge), features_name=group.features, split=config.data.split, songs=group.songs,
        seconds=group.seconds, sounding=group.sounding,
        sound=functools.partial(translation.synthesised, seed=config.seed, iterations=config.sample.iterations),
        preset=config.preset, scored=_scored(config, trained), latent=_latent(config),
        training={ROWS[stage]: config[stage].steps * config[stage].batch for stage in stages})


def _scored(config: ConfigDict, trained: Trained) -> Scored | None:
    model = _synchrony(config)
    return synchrony.judge(model, trained("synchrony")) if model is not None and trained.has("synchrony") else None


def _judge(config: ConfigDict, trained: Trained) -> Judge | None:
    if not trained.has("part_classifier"):
        return None
    return judges.judge(_classifier(config), trained("part_classifier"))


def _features(config: ConfigDict, judge: Judge | None) -> Features | None:
    if config.evaluate.features:
        return judges.own_features(config.evaluate.features)
    return judge and judge.features


def listening_test(config: ConfigDict, corpus: Corpus, trained: Trained) -> ListeningTest:
    """Every trained translator beside real targets and two rules, on the songs of config.data.split."""
    group, stages = config.evaluate, [stage for stage in ROWS if trained.has(stage)]
    best = next((stage for stage in TRANSLATORS if stage in stages), None)
    return listening.test(
        corpus, _crops(config), {ROWS[stage]: _translator(config, trained, stage) for stage in stages},
        best=ROWS[best] if best else "", features=_features(config, _judge(config, trained)), split=config.data.split,
        songs=group.songs, seconds=group.seconds, clips=group.clips, iterations=config.sample.iterations,
        preset=config.preset)


def sampler(config: ConfigDict, trained: Trained) -> Sampler:
    """The last trained translator, ready for recordings."""
    stage = next((stage for stage in TRANSLATORS if trained.has(stage)), TRANSLATORS[-1])
    return sampling.sampler(
        _translator(config, trained, stage), source=config.data.source, target=config.data.target,
        bands=config.data.bands, iterations=config.sample.iterations, stage=stage,
        conditional=bool(config[stage].density))


def demo_inputs(config: ConfigDict, corpus: Corpus, folder: Path) -> list[dict[str, str]]:
    """The sources of a few songs of config.data.split, turned back into sound, as files in `folder`."""
    group = config.evaluate
    found = _crops(config).songs(corpus, config.data.split, count=group.songs, seconds=group.seconds)
    return sampling.demo_inputs(
        found[: config.sample.examples], folder, source=config.data.source, seconds=config.sample.seconds,
        seed=config.seed, iterations=config.sample.iterations)
