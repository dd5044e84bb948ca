"""MusAE: an adversarial autoencoder of music in four tracks whose prior is a flower of genres (paper 004).

    python -m musicfusion.launch --config=configs/musae.py[:VARIANT] [--config.any.key=value ...]

variants
  quick   minutes on 2 CPU cores, on pieces for four voices by six composers: shows that everything works
  lite    (default) parallel blocks, some ten minutes on 2 CPU cores without what it is compared with; made for bands
          with genres: --config.data.root=FOLDER; what came of its trials: docs/lite.md
  paper   LSTMs in the public code's sizes, the paper's schedule; accelerators only
"""

from ml_collections import ConfigDict

VARIANTS = ("quick", "lite", "paper")


def get_config(variant: str = "lite") -> ConfigDict:
    """The whole configuration; each group is the keyword arguments of the thing that it configures."""
    variant = variant or "lite"
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r} is unknown: use one of {', '.join(VARIANTS)}")
    config = ConfigDict()
    config.system = "musae"
    config.preset = variant
    config.seed = 0

    # Which pieces. root: a folder of MIDI files with or without an index of genres, a cache file, "" for music21's.
    # encoding: onsets, or "paper", in which a repeated note runs on
    config.data = ConfigDict({"root": "", "songs": 0, "split": "test", "encoding": "onsets"})
    config.lengths = (2, 16)  # bars

    # penalty: lambda of equation (6); beta: the adversarial weight, reached in ten stairs of `beta_every` steps
    config.musae_2 = ConfigDict({
        "model": "lite",
        "size": {"width": 128, "depth": 2, "latent": 512, "parts": 8, "shared": 16},
        "steps": 3000, "batch": 64,
        "beta": 1.0, "beta_every": 100, "penalty": 10.0, "critic_updates": 5, "critic_rate": 0.2,
        "optimizer": {"rate": 1e-3, "schedule": "cosine", "warmup": 200, "clip": 1.0},
    })
    config.musae_16 = config.musae_2.copy_and_resolve_references()
    config.musae_16.size.parts = 16
    config.musae_16.update({"steps": 800, "beta_every": 40})
    config.critic = ConfigDict({"hidden": 512, "scaled": True})  # scaled: it reads z in units of the prior's spread
    # MusicVAE learns for as many steps as MusAE, from as large batches. free_nats: a bar; its own are 17 and 11
    config.music_vae = ConfigDict({
        "size": {"hidden": 256, "embedding": 64},
        "kl": {"z": 0.2}, "kl_midpoint": 0.0, "free_nats": 12.0,
        "optimizer": {"rate": 1e-3, "schedule": "cosine", "warmup": 200, "clip": 1.0},
    })
    config.genre = ConfigDict({
        "size": {"width": 64, "depth": 2, "dropout": 0.2},
        "steps": 2000, "batch": 64,
        "optimizer": {"rate": 2e-3, "schedule": "cosine", "warmup": 200, "clip": 1.0},
    })
    config.sample = ConfigDict({"bars": 0, "audio": True, "examples": 3})  # bars: of a window, 0 for the shortest
    config.evaluate = ConfigDict({"windows": 1000, "batch": 100, "compare": False})
    config.run = ConfigDict({
        "parallel": "pmap", "precision": "float32", "steps_per_dispatch": 20,
        "log_every": 100, "evaluate_every": 500, "checkpoint_every": 500, "show_every": 1000, "evaluate_batches": 8,
        "tensorboard": True,
    })

    {"quick": _quick, "lite": lambda _: None, "paper": _paper}[variant](config)
    return config


def _quick(config: ConfigDict) -> None:
    """Small everything, two bars, a part of music21's pieces."""
    config.data.songs = 240
    config.lengths = (2,)
    config.musae_2.size.update({"width": 64, "depth": 1})
    config.musae_2.update({"steps": 1200, "beta_every": 30})
    config.musae_2.optimizer.warmup = 50
    config.genre.size.update({"width": 32, "depth": 1})
    config.genre.steps = 300
    config.genre.optimizer.warmup = 50
    config.evaluate.update({"windows": 500})
    config.run.update({"log_every": 20, "evaluate_every": 100, "checkpoint_every": 100, "show_every": 300,
                       "evaluate_batches": 4})


def _paper(config: ConfigDict) -> None:
    """Paper 004, section 4.1; sizes of the public code."""
    for bars in config.lengths:
        config[f"musae_{bars}"] = ConfigDict({
            "model": "lstm",
            "size": {"hidden": 512, "latent": 512},
            "steps": 200_000, "batch": 256,
            "beta": 1.0, "beta_every": 10_000, "penalty": 10.0, "critic_updates": 5, "critic_rate": 1.0,
            "optimizer": {"rate": 1e-4, "schedule": "decay", "warmup": 0, "clip": 1.0},
        })
    config.music_vae.size.update({"hidden": 1024, "embedding": 128})
    config.critic.scaled = False
    config.genre.steps = 20_000
    config.run.update({"evaluate_every": 1000, "checkpoint_every": 1000})
