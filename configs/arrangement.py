"""Arrangement: a bass line gets its drums, a voice its band, by CycleGANs on mel-spectrograms (paper 002).

    python -m musicfusion.launch --config=configs/arrangement.py[:VARIANT] [--config.any.key=value ...]

variants
  quick   minutes on 2 CPU cores: shows that everything works, not how good it gets
  lite    (default) crops of 128 x 128, networks over time that see all bands; told how dense the target is to be
  paper   the published sizes: crops of 256 x 256, ResNet of 9 blocks and 64 channels; accelerators only
"""

from ml_collections import ConfigDict

VARIANTS = ("quick", "lite", "paper")


def get_config(variant: str = "lite") -> ConfigDict:
    """The whole configuration; each group is the keyword arguments of the thing that it configures."""
    variant = variant or "lite"
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r} is unknown: use one of {', '.join(VARIANTS)}")
    config = ConfigDict()
    config.system = "arrangement"
    config.preset = variant
    config.seed = 0

    # From source to target, two of bass, drums, vocals, mix. root: folders of stems, of whole songs (taken apart by
    # demucs) or of MIDI files (played), with a comma between; "" for chorales. soundfonts: files or folders of .sf2 and
    # .sf3 that MIDI files are played with, one a song; "" for the plain synthesiser. In frames of 23 ms: crop, stride
    # of the crops that are learned from, overlap of those of which a song is put together
    config.data = ConfigDict({
        "root": "", "soundfonts": "", "songs": 0, "split": "test", "source": "bass", "target": "drums",
        "bands": 128, "crop": 128, "stride": 32, "overlap": 25,
    })
    # frames: convolutions over time, all bands at once; images: over time and bands, as in the paper
    config.networks = "frames"
    config.generator = ConfigDict({"width": 192, "blocks": 6})
    config.discriminator = ConfigDict({"width": 64})
    # identity: in parts of cycle. density: how much G_b is to come to the level that it is told; 0: it is told none.
    # noise: on what was made, before it is turned back
    config.cyclegan = ConfigDict({
        "steps": 9000, "batch": 4, "cycle": 10.0, "identity": 0.5, "density": 5.0, "noise": 0.1,
        "optimizer": {"rate": 4e-4, "schedule": "linear", "warmup": 0, "clip": 0.0, "beta1": 0.5, "beta2": 0.999},
    })
    config.tuned = config.cyclegan.copy_and_resolve_references()
    config.tuned.steps = 0  # on recordings, where data.root has both kinds of songs
    config.tuned.optimizer.rate = 2e-4
    config.pix2pix = ConfigDict({
        "steps": 2000, "batch": 8, "paired": 100.0, "density": 5.0,
        "optimizer": config.cyclegan.optimizer.to_dict() | {"rate": 2e-4},
    })
    config.ear = ConfigDict({
        "size": {"width": 16, "hidden": 64},
        "steps": 200, "batch": 16,
        "optimizer": {"rate": 1e-3, "schedule": "cosine", "warmup": 50, "clip": 1.0},
    })
    config.sample = ConfigDict({"iterations": 32, "examples": 2, "seconds": 20.0})  # iterations: of Griffin and Lim's
    # songs and the seconds of each that are measured; clips that are made to be listened to; grades: a CSV of what
    # listeners said of them; features: MODULE:FUNCTION, pictures [n, T, M] in -1..1 -> [n, d], in place of the ear's
    config.evaluate = ConfigDict({
        "songs": 120, "seconds": 60.0, "clips": 8, "compare": False, "grades": "", "features": "",
    })
    # steps_per_dispatch: more pays on accelerators; on a CPU convolutions are slow in a loop
    config.run = ConfigDict({
        "parallel": "pmap", "precision": "float32", "steps_per_dispatch": 1,
        "log_every": 20, "evaluate_every": 250, "checkpoint_every": 250, "show_every": 0, "evaluate_batches": 8,
        "tensorboard": True,
    })

    {"quick": _quick, "lite": lambda _: None, "paper": _paper}[variant](config)
    return config


def _quick(config: ConfigDict) -> None:
    """Small everything."""
    config.data.update({"bands": 64, "crop": 64, "overlap": 12})
    config.generator.update({"width": 64, "blocks": 3})
    config.discriminator.update({"width": 16})
    config.cyclegan.update({"steps": 2000, "noise": 0.0})
    config.pix2pix.steps = 400
    config.ear.update({"steps": 300})
    config.ear.size.update({"width": 8})
    config.evaluate.update({"songs": 4, "seconds": 20.0, "clips": 4})
    config.sample.update({"examples": 1, "seconds": 10.0})


def _paper(config: ConfigDict) -> None:
    """Paper 002: the networks and losses of the public CycleGAN code, but for its flips, which turn time round."""
    config.data.update({"bands": 256, "crop": 256, "stride": 206, "overlap": 50})
    config.networks = "images"
    config.generator.update({"width": 64, "blocks": 9})
    config.discriminator.update({"width": 64})
    for group in (config.cyclegan, config.tuned, config.pix2pix):
        group.update({"batch": 1, "density": 0.0})
        group.optimizer.rate = 2e-4
    config.cyclegan.noise = config.tuned.noise = 0.0
    config.cyclegan.steps = config.pix2pix.steps = 200_000
    config.tuned.optimizer.schedule = "constant"
    config.run.update({"evaluate_every": 1000, "checkpoint_every": 1000})
