"""CollageNet as a system: what its config builds, its stages, and what it does for a user. Only this file sees config.

    melody_vae, accompaniment_vae -> latents -> fusion    section 3
    chord_model, edit_critic, second_edit_critic          fusion by edits of the music itself
    harmony_evaluator, judge, second_judge                section 4.3: they measure, and need none of these
    vanilla_*, fusion_<lambda>, baseline_critic           what Table 1 sets beside them, where train.baselines is true
"""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from musicfusion.core import optimizers
from musicfusion.core.contracts import Listening, Sampler, Stage, System, Task
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.listening import ListeningTest
from musicfusion.core.results import Trained
from musicfusion.data import cache, splits
from musicfusion.data.corpus import Corpus
from musicfusion.latent import table, vae
from musicfusion.systems.collagenet import (
    DECLARATION,
    actor_critic,
    baselines,
    dataset,
    ec2vae,
    evaluation,
    judges,
    listening,
    lite,
    lite_actor_critic,
    negatives,
    objective,
    polydis,
    reharmony,
    sampling,
    sampling_edits,
    sampling_latent,
    search,
    vanilla,
)
from musicfusion.systems.collagenet.dataset import PARTS
from musicfusion.systems.collagenet.latent_space import Fusion, LatentSpace, reconstruction_counts

VAES: dict[str, dict[str, Callable]] = {
    "melody": {"lite": lite.MelodyVAE, "ec2vae": ec2vae.EC2VAE, "plain": vanilla.PlainMelodyVAE,
               "recurrent": vanilla.RecurrentMelodyVAE},
    "accompaniment": {"lite": lite.AccompanimentVAE, "polydis": polydis.create,
                      "plain": vanilla.PlainAccompanimentVAE, "pianotree": vanilla.PianoTreeVAE},
}
FUSIONS: dict[str, tuple[Callable, Callable]] = {
    "lite": (lite_actor_critic.Actor, lite_actor_critic.Critic),
    "perceptron": (actor_critic.Actor, actor_critic.Critic),
}
HARMONIES: dict[str, Callable] = {"lite": judges.LiteHarmony, "recurrent": judges.RecurrentHarmony,
                                  "harmony": judges.Harmony}
CRITICS = ("edit_critic", "second_edit_critic")  # the config's groups of what guides edits, each a make of its own
JUDGES = DECLARATION.judges  # stage -> config's group
PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
OWN, VANILLA = "", "vanilla"  # the config's groups of two VAEs: its own, and those of config.vanilla


# What a config builds ------------------------------------------------------------------------------------------------


def build_space(config: ConfigDict, where: str = OWN) -> LatentSpace:
    """The two VAEs of one group. Raises MusicFusionError where the config names no such networks."""
    built = {}
    for part in PARTS:
        group, key = _group(config, where)[f"{part}_vae"], f"{where}.{part}_vae".removeprefix(".")
        kind = _choice(VAES[part], group.model, f"{key}.model")
        built[part] = _build(kind, group.size, f"{key}.size", config)
    return LatentSpace(**built)


def build_fusion(config: ConfigDict, where: str = OWN) -> Fusion:
    """Actor and critic in the latent space of these VAEs. Raises MusicFusionError where they cannot work in it."""
    group, space = config.fusion, build_space(config, where)
    kinds = _choice(FUSIONS, group.networks, "fusion.networks")
    decoded = group.networks != "perceptron"
    for part, model in space.vaes.items():
        if decoded and not hasattr(model, "soft_decode"):
            key, name = f"{where}.{part}_vae".removeprefix("."), _group(config, where)[f"{part}_vae"].model
            raise MusicFusionError(f"fusion.networks = {group.networks!r} reads the decoded notes as probabilities,"
                                   f" which {key}.model = {name!r} cannot give: use perceptron")
    if config.fusion.intervals and not decoded:
        raise MusicFusionError(f"fusion.intervals = {config.fusion.intervals} counts intervals in the decoded notes,"
                               " which fusion.networks = 'perceptron' does not read: use 0")
    actor, critic = (_build(functools.partial(kind, space.aspects), group[name], f"fusion.{name}", config)
                     for name, kind in zip(("actor", "critic"), kinds, strict=True))
    return Fusion(space=space, actor=actor, critic=critic, decoded=decoded)


def build_harmony(config: ConfigDict, group: str) -> Any:
    """A network that tells real pairs: one of CRITICS, evaluator, judge or second_judge."""
    kind = _choice(HARMONIES, config[group].model, f"{group}.model")
    return _build(kind, config[group].size, f"{group}.size", config)


def build_segments(config: ConfigDict) -> dataset.Segments:
    """Which segments are examples."""
    return dataset.Segments(melody_onsets=config.data.melody_onsets,
                            accompaniment_onsets=config.data.accompaniment_onsets, seed=config.seed)


def build_latents(config: ConfigDict) -> dataset.Latents:
    """Which segments are encoded."""
    group = config.latents
    return dataset.Latents(segments=build_segments(config), train=group.segments, validation=group.validation,
                           transpositions=group.transpositions)


def lambdas(config: ConfigDict) -> list[tuple[float, str]]:
    """Every lambda of Table 1, ascending, with the stage that trains its actor; config.fusion's own is "fusion".

    Raises:
        MusicFusionError: config.train.lambdas holds anything but numbers from 0.
    """
    own, others = float(config.fusion.distance), config.train.lambdas
    if not all(isinstance(value, int | float) and value >= 0 for value in others):
        raise MusicFusionError(f"train.lambdas = {tuple(others)!r} is out of range: accepted are numbers from 0")
    values = sorted({own, *map(float, others)})
    return [(value, "fusion" if value == own else f"fusion_{value}") for value in values]


def _group(config: ConfigDict, where: str) -> ConfigDict:
    return config[where] if where else config


def _choice(kinds: Mapping[str, Any], name: str, key: str) -> Any:
    if name not in kinds:
        raise MusicFusionError(f"{key} = {name!r} is unknown: use {' or '.join(kinds)}")
    return kinds[name]


def _build(kind: Callable, size: ConfigDict, key: str, config: ConfigDict) -> Any:
    """A network of these sizes; MusicFusionError where they are those of another kind.

    run.precision is the number format of matrix products; parameters and losses stay float32.
    """
    dtype = _choice(PRECISIONS, config.run.precision, "run.precision")
    try:
        return kind(**dict(size), dtype=dtype)
    except TypeError as error:
        raise MusicFusionError(f"{key} = {dict(size)!r} does not fit its model: {error}") from None


def _optimizer(group: ConfigDict):
    return optimizers.create(**group.optimizer, steps=group.steps)


# Stages --------------------------------------------------------------------------------------------------------------


def corpus(config: ConfigDict) -> Corpus:
    """POP909, a cache file, or the embedded chorales, as config.data says.

    Raises:
        MusicFusionError: it has nothing to evaluate, which is better known now than when everything is trained.
    """
    found = cache.load(config.data.root, limit=config.data.songs)
    build_segments(config).measured(found, config.data.split, count=config.evaluate.segments,
                                    batch=config.evaluate.batch)
    return found


def stages(config: ConfigDict) -> tuple[Stage, ...]:
    """All stages in the order in which they are trained."""
    fusion = build_fusion(config)
    _require_controls(config, fusion.space)
    _choice(dict.fromkeys(("edits", "latent")), config.fusion.model, "fusion.model")
    found = (*_vae_stages(config, OWN, fusion), _fusion_stage(config, OWN, fusion), _chord_stage(config),
             *(_harmony_stage(config, name, group, "train") for name, group in _critics(config).items()),
             *(_harmony_stage(config, name, group, "judges") for name, group in JUDGES.items()))
    if not config.train.baselines:
        return found
    other = build_fusion(config, VANILLA)
    swept = (_fusion_stage(config, OWN, fusion, name=name, distance=distance)
             for distance, name in lambdas(config) if name != "fusion")
    return (*found, *_vae_stages(config, VANILLA, other), _fusion_stage(config, VANILLA, other), *swept,
            _critic_stage(config, fusion))


def _require_controls(config: ConfigDict, space: LatentSpace) -> None:
    """What users control must have its own part of z; VAEs without are for config.vanilla."""
    for part, needed in (("melody", objective.MELODY), ("accompaniment", objective.ACCOMPANIMENT)):
        if tuple(space.vaes[part].aspects) != needed:
            raise MusicFusionError(f"{part}_vae.model = {config[f'{part}_vae'].model!r} does not tell"
                                   f" {' from '.join(needed)}: it is for vanilla.{part}_vae alone")


def _vae_stages(config: ConfigDict, where: str, fusion: Fusion) -> tuple[Stage, ...]:
    """Both VAEs of one group, and the corpus in their latent space."""
    space, segments, latents = fusion.space, build_segments(config), build_latents(config)

    def vae_stage(part):
        group = _group(config, where)[f"{part}_vae"]
        return Stage(
            name=_name(where, f"{part}_vae"),
            task=vae.task(space.vaes[part], optimizer=_optimizer(group), steps=group.steps, kl=group.kl.to_dict(),
                          kl_midpoint=group.kl_midpoint, counts=reconstruction_counts),
            steps=group.steps,
            batch=group.batch,
            data=lambda corpus, trained: segments.resident(corpus, (part,)),
            examples=dataset.examples,
            best="loss",
            show=show_reconstruction,
        )

    return (*map(vae_stage, PARTS), Stage(
        name=_name(where, "latents"),
        needs=_vae_names(where),
        task=table.precompute(space.encode, size=space.size, floor=config.latents.floor),
        batch=config.latents.batch,
        data=lambda corpus, trained: latents.resident(corpus, vaes=_trained_vaes(trained, where)),
        examples=dataset.encoder_examples,
    ))


def _fusion_stage(config: ConfigDict, where: str, fusion: Fusion, *, name: str = "fusion",
                  distance: float | None = None) -> Stage:
    """Actor against critic; distance: another lambda than config.fusion's."""
    group, own = config.fusion, config.fusion.optimizer
    actors = own.to_dict() | {"rate": own.rate * group.actor_rate}
    return _on_latents(config, where, fusion, name=name, show=show_fusion, task=objective.task(
        actor=fusion.actor, critic=fusion.critic, features=fusion.features, decode=fusion.space.decode,
        loss_weights=group.weights.to_dict(), prior=group.prior, critic_updates=group.critic_updates,
        distance=group.distance if distance is None else distance, actor_start=group.actor_start,
        intervals=group.intervals, wrong=_wrong(config, fusion),
        optimizer={"actor": optimizers.create(**actors, steps=group.steps), "critic": _optimizer(group)}))


def _critic_stage(config: ConfigDict, fusion: Fusion) -> Stage:
    """The critic of the data-driven baseline, on the same examples."""
    group = config.fusion
    return _on_latents(config, OWN, fusion, name="baseline_critic", best="loss", task=baselines.critic_task(
        critic=fusion.critic, features=fusion.features, loss_weights=group.weights.to_dict(), prior=group.prior,
        wrong=_wrong(config, fusion), optimizer=_optimizer(group), steps=group.steps))


def _wrong(config: ConfigDict, fusion: Fusion) -> Callable | None:
    """The critic's further negatives, where config.fusion names some."""
    return negatives.latents(fusion.space.encode) if config.fusion.negatives else None


def _on_latents(config: ConfigDict, where: str, fusion: Fusion, *, name: str, task: Task, best: str = "",
                show: Callable | None = None) -> Stage:
    """A stage that learns from the encoded corpus."""
    space, latents = fusion.space, build_latents(config)

    def data(corpus, trained):
        stage = _name(where, "latents")
        return latents.encoded(corpus, latents=trained(stage, "latents"), sbar=trained(stage)["sbar"],
                               vaes=_trained_vaes(trained, where))

    return Stage(
        name=_name(where, name), needs=(*_vae_names(where), _name(where, "latents")), task=task,
        steps=config.fusion.steps, batch=config.fusion.batch, data=data, best=best, show=show,
        examples=functools.partial(negatives.latent_pairs, cut=space.cut, ends=config.fusion.ends,
                                   controls=len(objective.controlled(space.aspects)), kinds=_kinds(config, "fusion")))


def _critics(config: ConfigDict) -> dict[str, str]:
    """The stages of the critics that guide edits -> their group; older runs have no second group."""
    return {f"{group}_{number + 1}": group
            for group in CRITICS if group in config for number in range(config[group].members)}


def _harmony_stage(config: ConfigDict, name: str, key: str, split: str) -> Stage:
    """A network that tells real pairs from negatives of some kinds; see judges.py.

    A critic is the one of its best step. A judge is what its schedule ends with: it is not chosen by what it measures,
    and between late steps the validation loss of 512 examples tells nothing (its standard deviation is .02).
    """
    group, segments = config[key], build_segments(config)
    kinds = _kinds(config, key)
    if not kinds:
        raise MusicFusionError(f"{key}.negatives is empty: use {' or '.join(negatives.KINDS)}")
    return Stage(
        name=name,
        task=judges.task(build_harmony(config, key), optimizer=_optimizer(group), steps=group.steps),
        steps=group.steps,
        batch=group.batch,
        data=lambda corpus, trained: segments.resident(corpus, split=split),
        examples=functools.partial(judges.examples, kinds=kinds),
        best="" if name in JUDGES else "loss",
    )


def _kinds(config: ConfigDict, key: str) -> tuple[str, ...]:
    """The kinds of negatives of one group. Raises MusicFusionError where there is no such kind."""
    known = {kind: kind for kind in negatives.KINDS}
    return tuple(_choice(known, kind, f"{key}.negatives") for kind in config[key].negatives)


def _chord_stage(config: ConfigDict) -> Stage:
    """How chords follow each other in songs, and what melodies do over them."""
    segments = build_segments(config)
    return Stage(name="chord_model", task=reharmony.statistics(), batch=config.latents.batch,
                 data=lambda corpus, trained: segments.resident(corpus), examples=dataset.in_own_key)


def _name(where: str, stage: str) -> str:
    return f"{where}_{stage}" if where else stage


def _vae_names(where: str) -> tuple[str, ...]:
    return tuple(_name(where, f"{part}_vae") for part in PARTS)


def _trained_vaes(trained: Trained, where: str = OWN) -> dict[str, Any]:
    """The parameters of both trained VAEs by part."""
    return {part: trained(name) for part, name in zip(PARTS, _vae_names(where), strict=True)}


def show_reconstruction(batch: Mapping[str, Any], generated: Mapping[str, Any]) -> list:
    """Originals beside their reconstructions: (title, before, after)."""
    shown = []
    for example in range(len(batch["melody"])):
        after = dataset.notes(generated, example)
        before = {part: notes for part, notes in dataset.notes(batch, example).items() if part in after}
        shown.append((f"reconstruction_{example}", dataset.score(before, "before"), dataset.score(after, "after")))
    return shown


def show_fusion(batch: Mapping[str, Any], generated: Mapping[str, Any]) -> list:
    """Unrelated pairs beside what the actor makes of them: (title, before, after)."""
    del batch
    return [(f"fusion_{example}",
             *(dataset.score(dataset.notes(generated[name], example), name) for name in ("before", "after")))
            for example in range(len(generated["before"]["tokens"]))]


# For a user ----------------------------------------------------------------------------------------------------------


def modules(config: ConfigDict) -> dict[str, Any]:
    """Abstract parameters of each network, those that judge harmony last; nothing is allocated."""
    shapes = _modules(build_fusion(config))
    if config.train.baselines:
        shapes |= {f"vanilla_{name}": shape for name, shape in _modules(build_fusion(config, VANILLA)).items()}
    return shapes | {name: jax.eval_shape(build_harmony(config, group).init, jax.random.key(0),
                                          dataset.silence(1))["params"]
                     for name, group in {**{group: group for group in _critics(config).values()}, **JUDGES}.items()}


def _modules(fusion: Fusion) -> dict[str, Any]:
    space, key = fusion.space, jax.random.key(0)
    vaes = {part: jax.eval_shape(functools.partial(vae.init, model), key, dataset.silence(1))
            for part, model in space.vaes.items()}
    controls = jnp.zeros((1, len(objective.controlled(space.aspects))))
    features = jax.eval_shape(fusion.features, vaes, jnp.zeros((1, space.size)))
    return {**{f"{part}_vae": shape for part, shape in vaes.items()},
            "actor": jax.eval_shape(fusion.actor.init, key, features, controls)["params"],
            "critic": jax.eval_shape(fusion.critic.init, key, features)["params"]}


def evaluate(config: ConfigDict, corpus: Corpus, trained: Trained) -> Evaluation:
    """Tables 1 to 3, controls and reconstruction on the songs of config.data.split."""
    space = _trained_space(config, trained)
    actors = {f"CollageNet, lambda {distance:g}": trained(stage)["actor"]
              for distance, stage in lambdas(config) if trained.has(stage)}
    beside = None
    if trained.has("vanilla_fusion"):
        beside = _trained_space(config, trained, VANILLA), trained("vanilla_fusion")["actor"]
    critic = trained("baseline_critic")["critic"] if trained.has("baseline_critic") else None
    edits, untrained = None, None
    if _has_edits(config, trained):
        found = _edits_by(config, trained)
        edits = functools.partial(search.of_segments, **found)
        untrained = functools.partial(search.of_segments, **found | _untrained_scores(config))
    return evaluation.evaluate(
        corpus=corpus, segments=build_segments(config), split=config.data.split, count=config.evaluate.segments,
        batch=config.evaluate.batch, seed=config.seed, preset=config.preset, distance=config.fusion.distance,
        space=space, actor=trained("fusion")["actor"], edits=edits,
        methods=baselines.methods(space, seed=config.seed, critic=critic, vanilla=beside, actors=actors, edits=edits,
                                  untrained=untrained, edited_pairs=config.evaluate.edited),
        retention_pairs=min(config.evaluate.edited, evaluation.RETENTION_FROM),
        judges={rate: _judge(config, trained, stage) for rate, stage in evaluation.RATES.items() if trained.has(stage)})


def _has_edits(config: ConfigDict, trained: Trained) -> bool:
    return all(map(trained.has, [*_critics(config), "chord_model"]))


def _judge(config: ConfigDict, trained: Trained, stage: str) -> Callable:
    """music -> logits; a Partial, so that its parameters are no constants of a program."""
    model = build_harmony(config, JUDGES[stage])
    return jax.tree_util.Partial(functools.partial(judges.score, model), trained(stage))


def listening_test(config: ConfigDict, corpus: Corpus, trained: Trained) -> ListeningTest:
    """The paper's listening test (section 4.5) on the songs of config.data.split."""
    space, actor = _trained_space(config, trained), trained("fusion")["actor"]
    own = f"CollageNet, lambda {config.fusion.distance:g}"
    edits = functools.partial(search.of_segments, **_edits_by(config, trained)) if _has_edits(config, trained) else None
    compared = {method.name: listening.made_by(method.run) for method in baselines.methods(
        space, seed=config.seed, critic=None, vanilla=None, actors={own: actor}, edits=edits)}
    return listening.test(
        corpus=corpus, segments=build_segments(config), split=config.data.split, clips=config.evaluate.clips,
        seed=config.seed, preset=config.preset, distance=config.fusion.distance,
        methods={listening.UNRELATED: lambda pairs: pairs.unrelated, "rule-based": compared["rule-based"],
                 own: compared[own], **{name: compared[name] for name in (baselines.HALF,) if edits},
                 listening.REAL: lambda pairs: pairs.real},
        sweep=functools.partial(listening.opposed, space, actor))


def _edits_by(config: ConfigDict, trained: Trained) -> dict[str, Any]:
    """What a search for edits needs, by name: "score", "screen", "model", "prices" and its settings."""
    critics = [(build_harmony(config, group), trained(name)) for name, group in _critics(config).items()]
    return {**_scores(critics),
            "model": reharmony.chord_model(trained("chord_model")), **config.sample.edits.to_dict()}


def _scores(critics: list) -> dict[str, Any]:
    """"score", by all critics; "screen", by the first of several, which costs least."""
    return {"score": judges.scorer(critics), "screen": judges.scorer(critics[:1]) if len(critics) > 1 else None}


def _untrained_scores(config: ConfigDict) -> dict[str, Any]:
    """`_scores` by critics that learned nothing: the least that a search must beat."""
    keys, models = jax.random.key(config.seed), [build_harmony(config, group) for group in _critics(config).values()]
    return _scores([(model, jax.jit(model.init)(jax.random.fold_in(keys, number), dataset.silence(1))["params"])
                    for number, model in enumerate(models)])


def _trained_space(config: ConfigDict, trained: Trained, where: str = OWN) -> baselines.TrainedSpace:
    return baselines.trained_space(build_fusion(config, where), vaes=_trained_vaes(trained, where),
                                   sbar=trained(_name(where, "latents"))["sbar"])


def sampler(config: ConfigDict, trained: Trained) -> Sampler:
    """A melody and an accompaniment -> the fused song."""
    group = config.sample
    settings = sampling.Settings(hop=group.hop, length=group.length, tempo=group.tempo, noise=group.noise)
    build = _choice({"edits": _edits_generator, "latent": _latent_generator}, config.fusion.model, "fusion.model")
    return sampling.sampler(settings=settings, generate=build(config, trained))


def _latent_generator(config: ConfigDict, trained: Trained) -> Callable:
    params = {"vaes": _trained_vaes(trained), "actor": trained("fusion")["actor"], "sbar": trained("latents")["sbar"]}
    return sampling_latent.generator(fusion=build_fusion(config), params=params, hop=config.sample.hop,
                                     noise=config.sample.noise)


def _edits_generator(config: ConfigDict, trained: Trained) -> Callable:
    return sampling_edits.generator(**_edits_by(config, trained))


def demo_inputs(config: ConfigDict, corpus: Corpus, folder: Path) -> list[dict[str, str]]:
    """A few unrelated pairs out of held-out songs, as files."""
    return sampling.demo_inputs(corpus, build_segments(config), folder, count=config.sample.examples)


SYSTEM = System(declaration=DECLARATION, corpus=corpus, splits=splits.SPLITS, stages=stages, modules=modules,
                evaluate=evaluate, sampler=sampler, demo_inputs=demo_inputs,
                listening=Listening(test=listening_test, report=listening.report))
