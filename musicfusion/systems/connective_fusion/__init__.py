"""Connective Fusion: joining two short melodies so that one follows from the other (paper 001, ISMIR 2020)."""

from musicfusion.core.task import Control, Declaration, Shipped, System


def _load() -> System:
    from musicfusion.systems.connective_fusion.system import SYSTEM

    return SYSTEM


DECLARATION = Declaration(
    name="connective_fusion",
    title="Connective Fusion: two melodies are changed so that one follows from the other",
    paper="Akama: Connective Fusion, ISMIR 2020",
    inputs={
        "left": "a MIDI file, the end of whose melody comes first; without it, four bars are made up",
        "right": "a MIDI file, the beginning of whose melody follows; without it, four bars are made up",
    },
    controls={
        "iterations": Control("how often the pair is transformed, a little more each time", 1, 0, 10, whole=True),
        "style": Control("s, which way it goes: one number for every dimension, or NUMBER:NUMBER", 0.5, many=True),
    },
    data="music21's melodies: sopranos of Bach chorales, fiddle tunes, Essen folk songs",
    more="others by --config.data.root, several with commas between: chorales, fiddle, essen, POP909's folder, any"
         " folder of MIDI files",
    load=_load,
    shipped={
        "melody_vae": Shipped(),
        "latents": Shipped(),
        "fusion": Shipped(("actor",)),
        "reality*": Shipped(needed=False),  # Latent Perturb's, too
        "fusion_*": Shipped(("actor",), needed=False),
    },
    pretrained="connective-fusion-lite",
)
