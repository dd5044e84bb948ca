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
    # encoding: "onsets", or "paper", in which a repeated note runs on. sparse: models also learn from windows in which
    # tracks are silent. shares: of the training examples for each data root, () for as many as there are.
    # steps: of a quarter, 4 or 12; with 12 triplets and swung notes are on the grid, too
    config.data = ConfigDict({"root": "", "songs": 0, "split": "test", "encoding": "onsets", "sparse": True,
                              "shares": (), "steps": 4})
    # Shares of training examples whose tracks are of several songs, of their pitched tracks that are exchanged, and of
    # tracks that are moved by an octave or silent
    config.mixing = ConfigDict({"mixed": 0.5, "swapped": 0.2, "octaves": 0.3, "silent": 0.05})
    config.lengths = (2, 16)  # bars of a window: an autoencoder for each, configured by musae_2 and musae_16

    # model: lite or lstm. begins_with: bars of the autoencoder whose parameters it takes over at first, where they fit;
    # 0: none. penalty: lambda of equation (6). beta: the adversarial weight, reached in ten stairs of `beta_every`
    # steps. critic_updates: of the critic, for each of the autoencoder. plane: weight of a term by which the plane
    # learns the genre, 0 in the paper
    config.musae_2 = ConfigDict({
        "model": "lite",
        "size": {"width": 128, "depth": 3, "embedding": 48, "latent": 512, "parts": 8, "shared": 16},
        "begins_with": 0, "steps": 12_000, "batch": 64,
        "beta": 0.003, "beta_every": 500, "penalty": 10.0, "critic_updates": 5, "plane": 1.0,
        "optimizer": common.adam(1e-3, warmup=200),
        "critic_optimizer": common.adam(2e-4, warmup=200, clip=0.0, beta1=0.5, beta2=0.9),  # moments: WGAN-GP's
    })
    config.musae_16 = config.musae_2.copy_and_resolve_references()
    config.musae_16.size.update({"latent": 2048, "parts": 16})
    config.musae_16.update({"begins_with": 2, "steps": 7000, "batch": 32, "beta_every": 200})
    config.critic = ConfigDict({"hidden": 256, "whiten": True})  # whiten: it reads z as if the prior were N(0, I)
    # What takes codes to a rest without genre. codes: how many it learns from. untagged: share of those with a genre
    # that are taken for others. unharmonised: share of those whose harmony is not given. integration: steps of the flow
    # in each direction
    config.flow_2 = ConfigDict({
        "size": {"width": 128, "depth": 3},
        "steps": 6000, "batch": 256, "codes": 80_000, "untagged": 0.15, "unharmonised": 0.15,
        "integration": 12,
        "optimizer": common.adam(2e-3, warmup=200),
    })
    config.flow_16 = config.flow_2.copy_and_resolve_references()
    config.flow_16.update({"steps": 3500, "codes": 20_000})
    # The judges of genre: of grooves that models learn from, and of those that are held out
    config.genre_classifier = ConfigDict({
        "size": {"width": 64, "depth": 2, "dropout": 0.2},
        "steps": 2000, "batch": 64,
        "optimizer": common.adam(2e-3, warmup=200),
    })
    config.second_judge = ConfigDict({
        "size": {"hidden": 64, "dropout": 0.3},
        "steps": 2000, "batch": 64,
        "optimizer": common.adam(2e-3, warmup=200),
    })
    # MusicVAE, a baseline. rate: of the inverse sigmoid by which less and less of the truth is fed, 0: all of it.
    # free_bits: of the KL, that cost nothing
    config.music_vae_2 = ConfigDict({
        "encoder": {"hidden": 256, "layers": 2}, "size": {"hidden": 256, "embedding": 64, "layers": 2, "latent": 512},
        "begins_with": 0, "steps": 30_000, "batch": 32, "rate": 2000.0,
        "kl": {"z": 0.2}, "kl_midpoint": 0.0, "free_bits": 512.0,
        "optimizer": common.adam(1e-3, warmup=200),
    })
    config.music_vae_16 = config.music_vae_2.copy_and_resolve_references()
    config.music_vae_16.update({"begins_with": 2, "steps": 15_000, "batch": 16, "free_bits": 2048.0})
    config.sample = ConfigDict({"bars": 0, "audio": True, "examples": 3})  # bars: of a window, 0 for the shortest
    # windows: of each length; batch: as sampling uses it, too
    config.evaluate.update({"windows": 1000, "batch": 100, "clips": 10})

    VARIANTS[config.preset](config)
    return config


def _quick(config: ConfigDict) -> None:
    """Small everything, two bars, a part of music21's pieces."""
    config.data.songs = 240
    config.lengths = (2,)
    del config.musae_16, config.flow_16, config.music_vae_16
    config.musae_2.size.update({"width": 64, "depth": 1, "embedding": 16})
    config.musae_2.update({"steps": 1200, "beta_every": 30})
    config.flow_2.size.update({"width": 64, "depth": 1})
    config.flow_2.update({"steps": 300, "batch": 64, "codes": 4000})
    config.music_vae_2.encoder.hidden = config.music_vae_2.size.hidden = 64
    config.second_judge.size.hidden = 32
    config.second_judge.steps = 200
    config.second_judge.optimizer.warmup = 50
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
            "begins_with": 0, "steps": 200_000, "batch": 256,
            "beta": 1.0, "beta_every": 10_000, "penalty": 10.0, "critic_updates": 5, "plane": 0.0,
            "optimizer": common.adam(1e-4, schedule="decay"),
            "critic_optimizer": common.adam(1e-4, schedule="decay", clip=0.0, beta1=0.5, beta2=0.9),
        })
        config[f"flow_{bars}"].steps = 50_000
        config[f"music_vae_{bars}"].size.update({"hidden": 1024, "embedding": 128})
        config[f"music_vae_{bars}"].encoder.hidden = 2048
        config[f"music_vae_{bars}"].update({"begins_with": 0, "steps": 100_000, "batch": 256, "rate": 0.0,
                                            "free_bits": 48.0 if bars == 2 else 256.0})
    config.data.sparse = False
    config.mixing.update({"mixed": 0.0, "swapped": 0.0, "octaves": 0.0, "silent": 0.0})
    config.critic.update({"hidden": 512, "whiten": False})
    config.second_judge.steps = 20_000
    config.genre_classifier.steps = 20_000
    config.run.update({"validate_every": 1000, "checkpoint_every": 1000})


VARIANTS = {"quick": _quick, "lite": lambda _: None, "paper": _paper}
