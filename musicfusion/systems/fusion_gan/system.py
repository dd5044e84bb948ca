"""FusionGAN as a system: its corpus, its stages, its modules, and what it does for a user."""

from pathlib import Path

from musicfusion.core.errors import MusicFusionError
from musicfusion.core.task import Stage, System
from musicfusion.data import cache, sources
from musicfusion.data.corpus import joined
from musicfusion.systems.fusion_gan import (
    DECLARATION,
    adversarial,
    evaluation,
    genre,
    melodies,
    nets,
    sampling,
)

PLACES = ("fiddle", "chorales")  # where data.root names none
BASELINES = ("mixture", "exchanged")


def corpus(config):
    """The melodies of the two places that config.data.root names, with a comma between; each is a genre."""
    places = [place for place in config.data.root.split(",") if place] or list(PLACES)
    if len(places) == 1 and Path(places[0]).expanduser().is_file():
        return cache.open_file(Path(places[0]).expanduser())
    if len(places) != 2:
        raise MusicFusionError(f"data.root = {config.data.root!r}: accepted are two places of melodies, ONE,OTHER")
    source = melodies.GRIDS[melodies.bar(config)]
    found = [cache.load(place, limit=config.data.songs, source=source) for place in places]
    names = [Path(place).expanduser().resolve().name if place not in sources.COLLECTIONS else place for place in places]
    if names[0] == names[1]:
        raise MusicFusionError(f"data.root = {config.data.root!r}: the two genres are one")
    return joined(found, tuple(names))


def stages(config) -> tuple[Stage, ...]:
    """likelihood -> gan -> fusion, each from where the one before ended; then genre, which needs none of them.

    Where config.evaluate.compare asks for it, the paper's baselines: a GAN on the mixture, and exchanged critics.
    """
    first = Stage(
        name="likelihood", task=adversarial.pretraining(nets.generator(config), config.likelihood),
        steps=config.likelihood.steps, batch=config.likelihood.batch, best="loss", show=show,
        data=lambda corpus, results: melodies.resident(corpus, config), examples=melodies.examples)
    judge = Stage(
        name="genre", task=genre.task(nets.judge(config), config.genre), steps=config.genre.steps,
        batch=config.genre.batch, best="loss",
        data=lambda corpus, results: melodies.resident(corpus, config), examples=melodies.examples)
    others = [_adversarial(config, name, "gan") for name in BASELINES] if config.evaluate.compare else []
    return (first, _adversarial(config, "gan", "likelihood"), _adversarial(config, "fusion", "gan"), *others, judge)


def _adversarial(config, name: str, before: str) -> Stage:
    """Generators against critics, by one of the plans."""
    group = config[name if name in config else "gan"]
    return Stage(
        name=name, needs=(before,),
        task=adversarial.task(adversarial.PLANS[name], nets.generator(config), nets.critic(config), group),
        steps=group.steps, batch=group.batch, show=show, best="aside" if name == "fusion" else "",
        data=lambda corpus, results: melodies.resident(corpus, config, learned(results, before)),
        examples=melodies.examples)


def learned(results, stage: str) -> dict:
    """What a stage learned, as `before` of the next: {"generators"} and, if any, {"critics"}."""
    found = results(stage)
    return found if "generators" in found else {"generators": found}


def show(batch, made) -> list:
    """Windows of the first genre and melodies of the fusion: (title, the one, the other)."""
    return [(f"fusion_{row}", {"first genre": sampling.notes(before)}, {"fusion": sampling.notes(after)})
            for row, (before, after) in enumerate(zip(made["before"], made["after"], strict=True))]


SYSTEM = System(
    DECLARATION, corpus, melodies.SPLITS, stages, nets.modules, evaluation.evaluate, sampling.sample, sampling.examples
)
