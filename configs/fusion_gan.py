"""FusionGAN: melodies of a genre between two genres (paper 003).

    python -m musicfusion.launch --config=configs/fusion_gan.py[:VARIANT] [--config.any.key=value ...]

variants
  quick   minutes on 2 CPU cores: shows that everything works, not how good it gets
  lite    (default) larger generators, smaller critics; fusions know how much of either genre they are to have
  paper   the public code's sizes and schedule; accelerators only
"""

from ml_collections import ConfigDict

VARIANTS = ("quick", "lite", "paper")


def get_config(variant: str = "lite") -> ConfigDict:
    """The whole configuration; each group is the keyword arguments of the thing that it configures."""
    variant = variant or "lite"
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r} is unknown: use one of {', '.join(VARIANTS)}")
    config = ConfigDict()
    config.system = "fusion_gan"
    config.preset = variant
    config.seed = 0

    # Which genres. root: two places with a comma between: chorales, fiddle, essen (of music21), POP909's folder, the
    # Weimar Jazz Database's, one with **kern or MIDI files; "" for fiddle,chorales. mode: major, minor, both. grid:
    # steps of a bar, 16 or 32
    config.data = ConfigDict({"root": "", "songs": 0, "split": "test", "mode": "major", "grid": 16})

    config.generator = ConfigDict({"hidden": 128, "embedding": 32, "blended": True})
    config.critic = ConfigDict({"widths": (1, 2, 3, 4, 8), "filters": (24,) * 5, "embedding": 16})
    config.likelihood = ConfigDict({
        "steps": 1500, "batch": 64,
        "optimizer": {"rate": 3e-3, "schedule": "cosine", "warmup": 100, "clip": 1.0},
    })
    # penalty: of gradients, balance: of terms (9) and (13). likelihood, entropy: parts of the generators' own. Ours:
    # even, how much each fusion is asked to lie between by itself; common, how much by symbols that both genres play
    config.gan = ConfigDict({
        "steps": 150, "batch": 64, "rollouts": 4,
        "critic_updates": 5, "generator_start": 50, "genres_every": 1,
        "penalty": 10.0, "balance": 1.0, "likelihood": 0.3, "entropy": 0.02, "even": 0.0, "common": 0.0,
        "optimizer": {"rate": 1e-3, "schedule": "constant", "warmup": 0, "clip": 1.0},
        "critic_optimizer": {
            "rate": 1e-3, "schedule": "constant", "warmup": 0, "clip": 0.0, "beta1": 0.5, "beta2": 0.9},
    })
    config.fusion = config.gan.copy_and_resolve_references()
    config.fusion.update({"steps": 300, "genres_every": 4, "generator_start": 20, "even": 8.0, "common": 0.5})
    config.genre = ConfigDict({
        "size": {"width": 64, "depth": 2, "dropout": 0.2},
        "steps": 1000, "batch": 64,
        "optimizer": {"rate": 2e-3, "schedule": "cosine", "warmup": 100, "clip": 1.0},
    })
    config.sample = ConfigDict({"steps": 64, "audio": True, "examples": 2})  # steps: 16ths of what is made up
    # listening: a CSV of what listeners said (columns method, first, second, mixture, neither)
    config.evaluate = ConfigDict({"melodies": 2000, "compare": False, "listening": ""})
    config.run = ConfigDict({
        "parallel": "pmap", "precision": "float32", "steps_per_dispatch": 10,
        "log_every": 20, "evaluate_every": 50, "checkpoint_every": 50, "show_every": 300, "evaluate_batches": 8,
        "tensorboard": True,
    })

    {"quick": _quick, "lite": lambda _: None, "paper": _paper}[variant](config)
    return config


def _quick(config: ConfigDict) -> None:
    """Small everything."""
    config.data.songs = 300
    config.generator.update({"hidden": 48})
    config.critic.update({"widths": (1, 2, 4, 8), "filters": (16,) * 4})
    config.likelihood.steps = 800
    for group in (config.gan, config.fusion):
        group.update({"steps": 60, "generator_start": 20, "rollouts": 4, "batch": 32})
    config.genre.size.update({"width": 32, "depth": 1})
    config.genre.steps = 300
    config.evaluate.melodies = 500


def _paper(config: ConfigDict) -> None:
    """Paper 003; sizes and schedule of the public code, but for what cannot train there (docs: adversarial.py)."""
    config.generator.update({"hidden": 32, "embedding": 32, "blended": False})
    config.critic.update({
        "widths": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20),
        "filters": (100, 200, 200, 200, 200, 100, 100, 100, 100, 100, 160, 160), "embedding": 64})
    config.likelihood.update({"steps": 10_000})
    config.likelihood.optimizer.update({"rate": 1e-2, "schedule": "constant", "warmup": 0, "clip": 5.0})
    config.gan.update({
        "steps": 2000, "generator_start": 1000, "rollouts": 16, "likelihood": 0.0, "entropy": 0.0})
    config.fusion.update({
        "steps": 5000, "genres_every": 1, "generator_start": 0, "rollouts": 16, "likelihood": 0.0, "entropy": 0.0,
        "even": 0.0, "common": 0.0})
    config.genre.steps = 10_000
    config.run.update({"evaluate_every": 500, "checkpoint_every": 500})
