"""MusAE: an adversarial autoencoder of music in four tracks whose prior is a mixture of genres, the flower.

    python -m musicfusion.launch --config=configs/musae.py[:VARIANT] [--config.any.key=value ...]

variants
  quick   minutes on 2 CPU cores, windows of two bars of pieces for four voices by six composers: everything works
  lite    (default) parallel blocks, some ten minutes on 2 CPU cores without the baselines; made for bands with genres:
          --config.data.root=FOLDER
  paper   LSTMs in the public code's sizes, the paper's schedule; accelerators only
"""

from ml_collections import ConfigDict

from musicfusion.configs import common


def get_config(variant: str = "lite") -> ConfigDict:
    """The whole configuration; each group is the keyword arguments of the thing that it configures."""
    config = common.start("musae", variant or "lite", VARIANTS)

    # Which pieces. root: a folder of MIDI files with or without an index of genres, a cache file, "" for music21's.
    # songs: read only so many, 0 for all. split: which songs are evaluated.
    # encoding: "onsets", or "paper", in which a repeated note runs on
    config.data = ConfigDict({"root": "", "songs": 0, "split": "test", "encoding": "onsets"})
    config.lengths = (2, 16)  # bars of a window: an autoencoder for each, configured by musae_2 and musae_16

    # model: lite or lstm. penalty: lambda of equation (6). beta: the adversarial weight, reached in ten stairs of
    # `beta_every` steps. critic_updates: of the critic, for each of the autoencoder
    config.musae_2 = ConfigDict({
        "model": "lite",
        "size": {"width": 128, "depth": 2, "latent": 512, "parts": 8, "shared": 16},
        "steps": 3000, "batch": 64,
        "beta": 1.0, "beta_every": 100, "penalty": 10.0, "critic_updates": 5,
        "optimizer": common.adam(1e-3, warmup=200),
        "critic_optimizer": common.adam(2e-4, warmup=200, clip=0.0, beta1=0.5, beta2=0.9),  # moments: WGAN-GP's
    })
    config.musae_16 = config.musae_2.copy_and_resolve_references()
    config.musae_16.size.parts = 16
    config.musae_16.update({"steps": 800, "beta_every": 40})
    config.critic = ConfigDict({"hidden": 512, "scaled": True})  # scaled: it reads z in units of the prior's spread
    # MusicVAE, a baseline: as many steps and as large batches as MusAE. free_nats: a bar
    config.music_vae = ConfigDict({
        "size": {"hidden": 256, "embedding": 64},
        "kl": {"z": 0.2}, "kl_midpoint": 0.0, "free_nats": 12.0,
        "optimizer": common.adam(1e-3, warmup=200),
    })
    config.genre_classifier = ConfigDict({
        "size": {"width": 64, "depth": 2, "dropout": 0.2},
        "steps": 2000, "batch": 64,
        "optimizer": common.adam(2e-3, warmup=200),
    })
    config.sample = ConfigDict({"bars": 0, "audio": True, "examples": 3})  # bars: of a window, 0 for the shortest
    # windows: of each length; batch: as sampling uses it, too
    config.evaluate.update({"windows": 1000, "batch": 100, "clips": 10})

    VARIANTS[config.preset](config)
    return config


def _quick(config: ConfigDict) -> None:
    """Small everything, two bars, a part of music21's pieces."""
    config.data.songs = 240
    config.lengths = (2,)
    del config.musae_16
    config.musae_2.size.update({"width": 64, "depth": 1})
    config.musae_2.update({"steps": 1200, "beta_every": 30})
    config.musae_2.optimizer.warmup = 50
    config.musae_2.critic_optimizer.warmup = 50
    config.genre_classifier.size.update({"width": 32, "depth": 1})
    config.genre_classifier.steps = 300
    config.genre_classifier.optimizer.warmup = 50
    config.evaluate.windows = 500
    config.run.update(common.QUICK)


def _paper(config: ConfigDict) -> None:
    """MusAE, section 4.1; sizes of the public code."""
    for bars in config.lengths:
        config[f"musae_{bars}"] = ConfigDict({
            "model": "lstm",
            "size": {"hidden": 512, "latent": 512},
            "steps": 200_000, "batch": 256,
            "beta": 1.0, "beta_every": 10_000, "penalty": 10.0, "critic_updates": 5,
            "optimizer": common.adam(1e-4, schedule="decay"),
            "critic_optimizer": common.adam(1e-4, schedule="decay", clip=0.0, beta1=0.5, beta2=0.9),
        })
    config.music_vae.size.update({"hidden": 1024, "embedding": 128})
    config.critic.scaled = False
    config.genre_classifier.steps = 20_000
    config.run.update({"validate_every": 1000, "checkpoint_every": 1000})


VARIANTS = {"quick": _quick, "lite": lambda _: None, "paper": _paper}
