"""FusionGAN: melodies of a genre between two genres (Chen, Wu, Lu, Lerch and Lu, ICDM 2017).

    python -m musicfusion.launch --config=configs/fusion_gan.py[:VARIANT] [--config.any.key=value ...]

variants
  quick   under three minutes on 2 CPU cores: shows that everything works, not how good it gets
  lite    (default) larger generators, smaller critics; fusions are conditioned on the share of either genre.
          20 minutes on one CPU core. On Weimar and Essen, over three seeds: EM Ratio of durations 1.01 to 1.13, of
          pitch classes 1.01 to 1.23; the classifier's probability lies in .25 to .75 for 7 to 11 % of fusions
  paper   the public code's sizes and schedule; accelerators only
"""

from ml_collections import ConfigDict

from musicfusion.configs import common


def get_config(variant: str = "lite") -> ConfigDict:
    """The whole configuration; each group is the keyword arguments of the thing that it configures."""
    variants = {"quick": _quick, "lite": lambda _: None, "paper": _paper}
    config = common.start("fusion_gan", variant, variants)
    config.data = ConfigDict({
        # two data roots, ONE,OTHER: chorales, fiddle, essen (of music21), POP909's folder, the Weimar Jazz Database's,
        # one with **kern or MIDI files; "" for fiddle,chorales
        "root": "",
        "songs": 0,  # of each genre at most, 0 for all
        "split": "test",  # that is measured
        "mode": "major",  # of the songs: major, minor, both
        "grid": 16,  # steps of a bar: 16 or 32
    })
    # blended: a generator is conditioned on how much of the first genre its melodies are to have
    config.generator = ConfigDict({"hidden": 128, "embedding": 32, "blended": True})
    config.critic = ConfigDict({"widths": (1, 2, 3, 4, 8), "filters": (24,) * 5, "embedding": 16})
    config.pretrain = ConfigDict({"steps": 1500, "batch": 64, "optimizer": common.adam(3e-3, warmup=100)})
    config.gan = ConfigDict({
        "steps": 150, "batch": 64,
        "critic_updates": 5,  # in each step
        "generator_start": 50,  # the step from which on the generators learn
        "genres_every": 1,  # beside the fusion's, the genres' generators learn in every so many steps
        "gradient_penalty_weight": 10.0,
        "critic_balance_weight": 1.0,  # of the terms (9) and (13)
        "rollouts": 4,  # completions of each prefix
        "likelihood_weight": 0.3,  # of the generators' likelihood of pieces
        "entropy_weight": 0.02,  # of the generators' entropy
        "balance_weight": 0.0,  # of each fusion's distance from its position between the genres
        "geometric_mean_weight": 0.0,  # of G_F's divergence from what both genres play, in place of the likelihood
        "optimizer": common.adam(1e-3, schedule="constant"),
        "critic_optimizer": common.adam(1e-3, schedule="constant", clip=0.0, beta1=0.5, beta2=0.9),
    })
    config.fusion = config.gan.copy_and_resolve_references()
    config.fusion.update({
        "steps": 300, "genres_every": 4, "generator_start": 20, "balance_weight": 8.0, "geometric_mean_weight": 0.5})
    config.genre_classifier = ConfigDict({
        "size": {"width": 64, "depth": 2, "dropout": 0.2},
        "steps": 1000, "batch": 64, "optimizer": common.adam(2e-3, warmup=100)})
    config.sample = ConfigDict({
        "steps": 64,  # of what is played, without the prompt
        "audio": True,  # play what is sampled
        "examples": 2,  # demos at the end of a training
    })
    config.evaluate.update({"melodies": 2000, "clips": 8})  # melodies: of each method
    config.run.update({
        "steps_per_dispatch": 10, "log_every": 20, "validate_every": 50, "checkpoint_every": 50, "show_every": 300})
    variants[variant](config)
    return config


def _quick(config: ConfigDict) -> None:
    """Everything small."""
    config.data.songs = 300
    config.generator.update({"hidden": 48})
    config.critic.update({"widths": (1, 2, 4, 8), "filters": (16,) * 4})
    config.pretrain.steps = 800
    for group in (config.gan, config.fusion):
        group.update({"steps": 60, "generator_start": 20, "rollouts": 4, "batch": 32})
    config.genre_classifier.size.update({"width": 32, "depth": 1})
    config.genre_classifier.steps = 300
    config.evaluate.melodies = 500


def _paper(config: ConfigDict) -> None:
    """Sizes and schedule of the public code.

    What differs from the paper: the objective, as systems/fusion_gan/objective.py says; 16ths where it has 32nds
    (data.grid=32); critics without dropout and weight decay.
    """
    config.generator.update({"hidden": 32, "embedding": 32, "blended": False})
    config.critic.update({
        "widths": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20),
        "filters": (100, 200, 200, 200, 200, 100, 100, 100, 100, 100, 160, 160), "embedding": 64})
    config.pretrain.update({"steps": 10_000, "optimizer": common.adam(1e-2, schedule="constant", clip=5.0)})
    config.gan.update({
        "steps": 2000, "generator_start": 1000, "rollouts": 16, "likelihood_weight": 0.0, "entropy_weight": 0.0})
    config.fusion.update({
        "steps": 5000, "genres_every": 1, "generator_start": 0, "rollouts": 16, "likelihood_weight": 0.0,
        "entropy_weight": 0.0, "balance_weight": 0.0, "geometric_mean_weight": 0.0})
    config.genre_classifier.steps = 10_000
    config.run.update({"validate_every": 500, "checkpoint_every": 500})
