"""Connective Fusion: two melodies are changed so that one follows from the other (Akama, ISMIR 2020).

    python -m musicfusion.launch --config=configs/connective_fusion.py[:VARIANT] [--config.any.key=value ...]

variants
  quick   minutes on 2 CPU cores, on the embedded chorales: shows that everything works, not how good it gets
  lite    (default) parallel blocks; about an hour on 2 CPU cores
  paper   the published structure and schedules, as far as they are published; accelerators only
"""

from ml_collections import ConfigDict

from musicfusion.configs import common


def get_config(variant: str = "lite") -> ConfigDict:
    """The whole configuration; each group is the keyword arguments of the thing that it configures."""
    config = common.start("connective_fusion", variant, VARIANTS)

    # Which melodies. root: data roots by commas: chorales, fiddle, essen (of music21), POP909's folder, any folder of
    # MIDI files, a cache file; "" for all three of music21's.
    config.data = ConfigDict({"root": "", "songs": 0, "split": "test"})

    config.melody_vae = ConfigDict({
        "model": "lite",
        "size": {"width": 128, "depth": 2, "latent": 64, "parts": 8},
        "kl": {"melody": 0.25},
        "kl_midpoint": 0.0,
        "free_nats": 0.0,
        "steps": 7000, "batch": 64,
        "optimizer": common.adam(2e-3, warmup=300),
    })
    config.latents = ConfigDict({
        "windows": 20_000, "validation": 2000, "transpositions": 6, "batch": 500, "floor": 0.01,
    })
    config.fusion = ConfigDict({
        "model": "lite",
        "style": 2,  # d_s
        "actor": {"width": 128, "depth": 3},
        "critic": {"width": 128, "depth": 2},
        "weights": {"real": 0.5, "raw": 2.0, "fake": 0.1},
        "noise": 1.0,  # pairs are drawn from q(z|x), where the actor leaves no traces; 0: means, as in the paper
        "prior": 0.25,  # weight of prior pairs beside unrelated pairs; the paper's is 1
        "diversity": 0.5,  # weight of a style's effect; the paper has none
        "margin": 0.15,  # of it
        "distance": 0.7,  # lambda
        "critic_updates": 1,
        "actor_rate": 8.0,  # times the critic's; a faster actor soon sends every pair the same way, and stays there
        "actor_start": 300,
        "steps": 1000, "batch": 64,
        "optimizer": common.adam(1e-4, warmup=50, beta1=0.5, beta2=0.99),
    })
    config.reality_classifier = ConfigDict({
        "size": {"width": 128, "depth": 2, "dropout": 0.2},
        "steps": 2000, "batch": 64,
        "optimizer": common.adam(2e-3, warmup=300),
    })
    config.train.lambdas = (0.3,)  # at which baselines trains further actors
    config.sample = ConfigDict({"audio": True, "examples": 3})
    config.evaluate.update({"windows": 500, "batch": 100})

    VARIANTS[variant](config)
    return config


def _quick(config: ConfigDict) -> None:
    """Small everything, on the chorales' sopranos."""
    config.data.root = "chorales"
    config.melody_vae.size.width = 64
    config.melody_vae.steps = 1000
    config.melody_vae.optimizer.warmup = 50
    config.latents.update({"windows": 2000, "validation": 200, "transpositions": 4, "batch": 250})
    config.fusion.actor.update({"width": 64, "depth": 2})
    config.fusion.critic.width = 64
    config.fusion.update({"steps": 300, "actor_start": 60, "actor_rate": 6.0, "distance": 0.3, "noise": 0.0,
                          "diversity": 1.0, "margin": 0.5})
    config.fusion.optimizer.rate = 5e-5
    config.reality_classifier.size.update({"width": 64, "depth": 1})
    config.reality_classifier.steps = 300
    config.reality_classifier.optimizer.warmup = 50
    config.run.update(common.QUICK)


def _lite(config: ConfigDict) -> None:
    """What get_config says."""


def _paper(config: ConfigDict) -> None:
    """The paper's sections 3.1 and 3.2. It does not tell widths, batches and steps: those here are our choice."""
    config.melody_vae = ConfigDict({
        "model": "lstm",
        "size": {"hidden": 512, "latent": 64, "dropped": 0.3},
        "kl": {"melody": 1.0},
        "kl_midpoint": 0.1,
        "free_nats": 32.0,  # half a nat a dimension
        "steps": 100_000, "batch": 512,
        "optimizer": common.adam(1e-3, schedule="decay"),
    })
    config.latents.update({"windows": 100_000, "validation": 5000})
    config.fusion.update({
        "model": "perceptron", "noise": 0.0, "prior": 1.0, "diversity": 0.0, "margin": 0.0,
        "critic_updates": 10, "actor_rate": 1.0, "actor_start": 0, "steps": 500_000, "batch": 512,
    })
    config.fusion.actor = ConfigDict({"hidden": 1024, "layers": 4})  # and one for the gate
    config.fusion.critic = ConfigDict({"hidden": 1024, "layers": 4})  # and one for the logit
    config.fusion.weights.update({"real": 1.0, "raw": 2.0, "fake": 2.0})  # each of four kinds counts as one
    config.fusion.optimizer = common.adam(5e-6, schedule="constant", clip=0.0, beta1=0.0, beta2=0.9)
    config.train.lambdas = (0.1, 1.0, 2.0)
    config.reality_classifier.update({"steps": 20_000, "batch": 512})
    config.run.update({"validate_every": 1000, "checkpoint_every": 1000})


VARIANTS = {"quick": _quick, "lite": _lite, "paper": _paper}
