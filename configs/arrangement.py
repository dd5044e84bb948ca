"""Arrangement: a bass line gets its drums, a voice its band (after Barnabo et al., 2020).

    python -m musicfusion.launch --config=configs/arrangement.py[:VARIANT] [--config.any.key=value ...]

Two models: "grid", drums as notes, learned from pairs, and "cyclegan", the paper's translation of mel-spectrograms.

variants
  quick     cyclegan: minutes on 2 CPU cores, on the embedded chorales: shows that everything works, no more
  lite      (default) grid: the drums that fit a bass, as notes; half an hour on 2 CPU cores; needs
            --config.data.root=FOLDERS of MIDI files with drums and basses; its weights ship as arrangement-lite
  cyclegan  crops of 128 x 128, networks over time that see all bands, conditioned on how dense the target is to be; 20
            minutes on 2 CPU cores
  paper     cyclegan of the published sizes: crops of 256 x 256, ResNet of 9 blocks and 64 channels; accelerators only
"""

from ml_collections import ConfigDict

from musicfusion.configs import common


def get_config(variant: str = "lite") -> ConfigDict:
    """The whole configuration; each group is the keyword arguments of the thing that it configures."""
    config = common.start("arrangement", variant or "lite", VARIANTS)

    config.model = "cyclegan"  # or "grid", whose groups stand in _grid
    # Which songs. Lengths are in frames of 23 ms.
    config.data = ConfigDict({
        # Folders of stems, of whole songs (separated by demucs) or of MIDI files (played), with a comma between; ""
        # for the embedded chorales.
        "root": "",
        "soundfonts": "",  # files or folders of .sf2 and .sf3 to play MIDI files with; "" for a plain synthesiser
        "songs": 0,  # read at most so many; 0 = all
        "split": "test",  # what evaluate measures: train, validation, test or all
        "source": "bass", "target": "drums",  # two of bass, drums, vocals, mix
        "bands": 128,  # of mel-spectrograms
        "crop": 128,  # length of an example
        "stride": 32,  # from one training crop of a song to the next
        "overlap": 25,  # of the crops that a song is translated in
    })

    # The translators' networks. frames: convolutions over time, all bands at once; images: over time and bands, as in
    # the paper.
    config.networks = "frames"
    config.generator = ConfigDict({"width": 192, "blocks": 6})
    config.discriminator = ConfigDict({"width": 64})
    config.cyclegan = ConfigDict({
        "steps": 9000, "batch": 4,
        "cycle": 10.0,  # weight of the cycle consistency loss
        "identity": 0.5,  # weight of the identity loss, as a part of cycle
        "density": 5.0,  # weight of the difference in level; 0: the generator is not conditioned on the density
        "noise": 0.1,  # standard deviation of the noise on what is translated back
        "optimizer": common.adam(4e-4, schedule="linear", clip=0.0, beta1=0.5),
    })
    config.finetune = config.cyclegan.copy_and_resolve_references()
    config.finetune.steps = 0  # on recordings, where data.root has both kinds of songs; 0: none
    config.finetune.optimizer.rate = 2e-4
    # Not in the paper; a weight of 0 leaves it out.
    config.synchrony = ConfigDict({
        "weight": 0.0,  # of what drums lack of being in time with the bass, says a network that learned it from pairs
        "diversity": 0.0,  # of how alike two seeds' drums are; with it the generator gets a vector of noise
        "latent": 8,  # size of that vector
        "size": {"width": 96, "embedding": 32, "farthest": 48},  # farthest: largest lag of the negatives, in frames
        "steps": 1500, "batch": 16,
        "optimizer": common.adam(1e-3, warmup=50),
    })
    # A baseline that learns from pairs, where train.baselines is true: from as many crops as CycleGAN.
    config.pix2pix = ConfigDict({
        "steps": 9000, "batch": 4,
        "l1": 100.0,  # weight of the distance from the true target
        "density": 5.0,  # 0: the generator is not conditioned on the density
        "optimizer": common.adam(4e-4, schedule="linear", clip=0.0, beta1=0.5),
    })
    # The judge of which parts are audible.
    config.part_classifier = ConfigDict({
        "size": {"width": 16, "hidden": 64},
        "steps": 200, "batch": 16,
        "optimizer": common.adam(1e-3, warmup=50),
    })

    # What sampling does where the command line says nothing.
    config.sample = ConfigDict({
        "iterations": 32,  # of Griffin and Lim's algorithm
        "audio": True,  # also write scores as WAV files; this system makes sound, which is always written
        "examples": 2,  # how many held-out songs are translated when training ends
        "seconds": 20.0,  # of each of them
    })
    config.evaluate.update({
        "songs": 120, "seconds": 60.0,  # measure at most so many songs, and so much of each
        "sounding": 24,  # of so many of them turn translations into sound and measure that, too; 0: of none
        "clips": 8,
        "features": "",  # MODULE:FUNCTION, crops [n, T, M] in -1..1 -> [n, d], in place of the part classifier's
    })
    # More steps per dispatch pay on accelerators; on a CPU convolutions are slow in a loop.
    config.run.update({"steps_per_dispatch": 1, "log_every": 20, "validate_every": 250, "checkpoint_every": 250,
                       "show_every": 0})
    VARIANTS[config.preset](config)
    return config


def _quick(config: ConfigDict) -> None:
    """Small everything."""
    config.data.update({"bands": 64, "crop": 64, "overlap": 12})
    config.generator.update({"width": 64, "blocks": 3})
    config.discriminator.update({"width": 16})
    config.cyclegan.update({"steps": 2000, "noise": 0.0})
    config.pix2pix.steps = 2000
    config.part_classifier.update({"steps": 300})
    config.part_classifier.size.update({"width": 8})
    config.evaluate.update({"songs": 4, "seconds": 20.0, "sounding": 4})
    config.sample.update({"examples": 1, "seconds": 10.0})


def _grid(config: ConfigDict) -> None:
    """Other groups than those of sound."""
    for group in ("data", "networks", "generator", "discriminator", "cyclegan", "finetune", "synchrony",
                  "pix2pix", "part_classifier"):
        del config[group]
    config.model = "grid"
    # root: folders of MIDI files of bands, or the Groove MIDI Dataset, with commas between. songs: read at most so many
    # of each; 0 = all. split: what evaluate measures. shares: of the training examples for each data root, () for as
    # many as there are
    config.data = ConfigDict({"root": "", "songs": 0, "split": "test", "shares": ()})
    # Which basses and drums go together. sounding: weight of where basses sound, beside where their notes begin, in
    # which other songs' drums the network is shown. made_up: people's takes, which have no bass, are learned from with
    # one that is made up. Both help on real bands (docs/experiments.md); arrangement-lite learned without.
    config.pairing = ConfigDict({"sounding": 0.0, "made_up": False})
    config.patterns = ConfigDict({  # which drums are hit
        "size": {"width": 160, "depth": 4, "cell": 12, "dropout": 0.2}, "steps": 3000, "batch": 64,
        "optimizer": common.adam(2e-3, warmup=100),
    })
    config.players = ConfigDict({  # how hard, and how early or late
        "size": {"width": 96, "depth": 2, "cell": 8, "dropout": 0.0}, "steps": 1200, "batch": 32,
        "optimizer": common.adam(2e-3, warmup=100),
    })
    # From recorded drums to hits, to measure with. windows: of drums that are played for it, for training.
    config.transcriber = ConfigDict({
        "size": {"width": 80, "blocks": 4}, "windows": 1200, "steps": 3000, "batch": 16,
        "optimizer": common.adam(2e-3, warmup=100),
    })
    # passes, temperature, threshold: of filling in what is not known (grid.Drummer). candidates: fillings of which the
    # one that agrees best with the others is taken. kit: a folder of drum samples (musicfusion/render/kit.py says how
    # they are named), "" for those that come along
    config.sample = ConfigDict({"audio": True, "examples": 2, "passes": 12, "temperature": 0.4, "threshold": 0.35,
                                "candidates": 8, "kit": ""})
    config.evaluate = ConfigDict({
        **common.EVALUATE, "windows": 300, "songs": 20, "batch": 50, "density": 0.5,
        "kit": "",  # folders of drum samples (render/kit.py), with commas between: the transcriber is tried on them too
        "stems": "",  # folders of recordings in parts, with commas between: drums for their basses beside theirs
    })
    config.run.update(common.RUN)
    config.run.update({"validate_every": 250, "checkpoint_every": 250, "show_every": 0})


def _paper(config: ConfigDict) -> None:
    """Sections 3.2 and 4.2: networks and losses of the public CycleGAN code, without its flips, which reverse time.

    The paper trains for 12 epochs of FMA (700 hours: 6.3 million steps of one crop), then for 20 of musdb18 (98,000).
    Of a decay it says nothing, and the public code's rate is constant for 100 epochs.
    """
    config.data.update({"bands": 256, "crop": 256, "stride": 206, "overlap": 50})
    config.networks = "images"
    config.generator.update({"width": 64, "blocks": 9})
    config.discriminator.update({"width": 64})
    for group in (config.cyclegan, config.finetune, config.pix2pix):
        group.update({"batch": 1, "density": 0.0})
        group.optimizer.update({"rate": 2e-4, "schedule": "constant"})
    config.cyclegan.noise = config.finetune.noise = 0.0
    config.cyclegan.steps = config.pix2pix.steps = 200_000  # a thirtieth of the paper's
    config.run.update({"validate_every": 1000, "checkpoint_every": 1000})


VARIANTS = {"quick": _quick, "lite": _grid, "cyclegan": lambda config: None, "paper": _paper}
