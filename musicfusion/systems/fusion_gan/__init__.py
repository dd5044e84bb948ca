"""FusionGAN: generators and critics of two genres, and a third pair that lies between them (paper 003, ICDM 2017)."""

from musicfusion.core.task import Control, Declaration, Shipped, System


def _load() -> System:
    from musicfusion.systems.fusion_gan.system import SYSTEM

    return SYSTEM


DECLARATION = Declaration(
    name="fusion_gan",
    title="FusionGAN: melodies of a genre between two genres, made up or going on from yours",
    paper="Chen, Wu, Lu, Lerch, Lu: Learning to Fuse Music Genres with Generative Adversarial Dual Learning, ICDM 2017",
    inputs={"prompt": "a MIDI file: its melody is gone on with"},
    controls={
        "genre": Control("fusion, a or b: which generator plays", "fusion"),
        "n": Control("how many melodies", 8, 1, 64, whole=True),
        "ratio": Control("how much of the first genre a fusion has", 0.5),
    },
    data="music21's fiddle tunes and the sopranos of Bach's chorales",
    more="two others by --config.data.root=ONE,OTHER: fiddle, chorales, essen, folders with POP909, Weimar's solos,"
         " **kern or MIDI files",
    load=_load,
    pretrained="fusion-gan-lite",
    shipped={
        "fusion": Shipped(("generators",)),
        "genre": Shipped(needed=False),
    },
)
