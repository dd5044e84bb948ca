"""Connective Fusion (Akama, ISMIR 2020): two short melodies are changed so that one follows from the other."""

from musicfusion.core.contracts import Control, Declaration, ExportSpec, Input

DECLARATION = Declaration(
    package=__name__,
    name="connective_fusion",
    title="Connective Fusion: two melodies are changed so that one follows from the other",
    paper="Akama: Connective Fusion, ISMIR 2020",
    inputs={
        "left": Input(about="a MIDI file or score; the last four bars of its melody come first; made up if not given"),
        "right": Input(about="a MIDI file or score; the first four bars of its melody follow; made up if not given"),
    },
    input_sets=(("left", "right"), ("left",), ("right",), ()),
    controls={
        "iterations": Control(about="how often the pair is transformed, a little more each time", default=1, low=0,
                              high=10, whole=True),
        "style": Control(about="s, which way it is transformed: one number for every dimension, or one for each",
                         default=0.5, many=True),
        "grid": Control(about="cells a side of the style plane, a score for each; 0 for none", default=0, low=0,
                        high=20, whole=True),
    },
    embedded_corpus="music21's melodies: sopranos of Bach chorales, fiddle tunes, Essen folk songs",
    other_corpora="others by --config.data.root, several with commas between: chorales, fiddle, essen, POP909's folder,"
                  " any folder of MIDI files",
    exported={
        "melody_vae": ExportSpec(),
        "latents": ExportSpec(),
        "fusion": ExportSpec(groups=("actor",)),
        "reality_classifier*": ExportSpec(required=False),  # Latent Perturb's, too
        "fusion_*": ExportSpec(groups=("actor",), required=False),
    },
    pretrained="connective-fusion-lite",
)
