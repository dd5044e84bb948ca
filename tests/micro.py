"""The micro variants and the command line as a user runs it.

A module of its own: several folders have a conftest, so that name does not say which of them.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SYSTEMS = ("collagenet", "connective_fusion", "musae", "fusion_gan", "arrangement")
CONFIGS = {name: ROOT / "configs" / f"{name}.py" for name in SYSTEMS}
CONFIG = CONFIGS["collagenet"]

# The quick variants shrunk until all stages train in about a minute.
RUN = {
    "run.steps_per_dispatch": 5, "run.log_every": 10, "run.evaluate_every": 20, "run.checkpoint_every": 10,
    "run.show_every": 40, "run.evaluate_batches": 1,
}
MICRO = {
    "data.songs": 40,
    **{f"{group}{side}_vae.{key}": value for group in ("", "vanilla.") for side in ("melody", "accompaniment")
       for key, value in (("steps", 40), ("size.width", 32), ("size.depth", 1))},
    "latents.segments": 200, "latents.validation": 50, "latents.transpositions": 3, "latents.batch": 20,
    "fusion.steps": 40, "fusion.batch": 64, "fusion.actor.width": 32, "fusion.critic.width": 32,
    "fusion.actor.depth": 1, "fusion.critic.depth": 1, "fusion.actor_start": 5,
    "evaluator.steps": 40, "evaluator.batch": 32, "evaluator.size.width": 16,
    "evaluate.segments": 100, "evaluate.batch": 50,
    "sample.examples": 1,
    **RUN,
}
MICRO_OF = {
    "collagenet": MICRO,
    "connective_fusion": {
        "data.songs": 100,
        "melody_vae.steps": 40, "melody_vae.size.width": 32, "melody_vae.size.depth": 1,
        "latents.windows": 100, "latents.validation": 40, "latents.transpositions": 2, "latents.batch": 20,
        "fusion.steps": 40, "fusion.actor.width": 32, "fusion.critic.width": 32,
        "fusion.actor.depth": 1, "fusion.critic.depth": 1, "fusion.actor_start": 5,
        "reality.steps": 40, "reality.size.width": 16, "reality.batch": 32,
        "evaluate.windows": 40, "evaluate.batch": 20,
        "sample.examples": 1,
        **RUN,
    },
    "musae": {
        "data.songs": 90,
        "musae_2.steps": 40, "musae_2.batch": 32, "musae_2.size.width": 32, "musae_2.beta_every": 2,
        "critic.hidden": 32, "music_vae.size.hidden": 16, "music_vae.size.embedding": 8,
        "genre.steps": 40, "genre.batch": 32, "genre.size.width": 16,
        "evaluate.windows": 40, "evaluate.batch": 20,
        "sample.examples": 1,
        **RUN,
    },
    "fusion_gan": {
        "data.songs": 60, "data.mode": "both",
        "generator.hidden": 16, "critic.widths": (1, 2), "critic.filters": (8, 8),
        "likelihood.steps": 40,
        **{f"{group}.{key}": value for group in ("gan", "fusion") for key, value in (
            ("steps", 20), ("batch", 8), ("rollouts", 2), ("critic_updates", 2), ("generator_start", 2))},
        "genre.steps": 40, "genre.batch": 16, "genre.size.width": 16,
        "evaluate.melodies": 50,
        "sample.examples": 1,
        **RUN,
    },
    "arrangement": {
        "data.bands": 32, "data.crop": 32, "data.overlap": 8,
        "generator.width": 4, "generator.blocks": 1, "discriminator.width": 4,
        "cyclegan.steps": 20, "cyclegan.batch": 2, "pix2pix.steps": 20, "pix2pix.batch": 2,
        "ear.steps": 40, "ear.batch": 8, "ear.size.width": 4,
        "evaluate.songs": 2, "evaluate.seconds": 10.0, "evaluate.clips": 3,
        "sample.examples": 1, "sample.seconds": 3.0, "sample.iterations": 4,
        **RUN, "run.steps_per_dispatch": 1,
    },
}


def micro_flags(system: str = "collagenet", **overrides) -> list[str]:
    """Flags of the micro variant; overrides by key with dots written as __."""
    values = MICRO_OF[system] | {key.replace("__", "."): value for key, value in overrides.items()}
    return [f"--config={CONFIGS[system]}:quick", *(f"--config.{key}={value}" for key, value in values.items())]


def micro_config(system: str = "collagenet", **overrides):
    """The same as a config."""
    config = variant(system)
    config.update_from_flattened_dict(
        MICRO_OF[system] | {key.replace("__", "."): value for key, value in overrides.items()})
    return config


def variant(system: str, name: str = "quick"):
    """A system's config as it is published."""
    spec = importlib.util.spec_from_file_location(f"{system}_config", CONFIGS[system])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(name)


def launch(*flags: str, **settings) -> subprocess.CompletedProcess:
    """Runs the command line in a process of its own, as a user does."""
    command = [sys.executable, "-m", "musicfusion.launch", *flags]
    return subprocess.run(command, capture_output=True, text=True, **settings)
