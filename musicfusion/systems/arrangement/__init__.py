"""Arrangement: the drums that a bass line lacks, as notes; or by CycleGANs on mel-spectrograms (Barnabo et al., 2020).

    grid*.py, drum_*.py    the grid, which is ours: drums as notes, and what measures them
    the others             the paper's translators of sound

Sections in this folder are those of "Automatic Music Production Using Generative Adversarial Networks".
"""

from musicfusion.core.contracts import Control, Declaration, ExportSpec, Input

DECLARATION = Declaration(
    package=__name__,
    name="arrangement",
    title="Arrangement: a bass line gets its drums, a voice its band",
    paper="Automatic Music Production Using Generative Adversarial Networks, submitted to ICLR 2021",
    inputs={"source": Input(
        about="a bass line, or a band whose drums are to be replaced: notes, or a recording of the bass alone",
        kinds=("notes", "sound"))},
    input_sets=(("source",),),
    controls={
        "density": Control(
            about="how dense the new part is: the share of the training examples that are less dense", default=0.5),
        "style": Control(about="style of the drums; none: whichever fits the bass", default=""),
        "intro": Control(about="bars that the drums play alone before the bass begins", default=0, high=8, whole=True),
        "bpm": Control(about="beats a minute of a recording; 0: they are found", default=0, high=240, whole=True),
    },
    embedded_corpus="for the CycleGANs Bach's chorales, played: from the bass voice to the others",
    other_corpora="others by --config.data.root, with commas between: MIDI files of bands and the Groove MIDI Dataset;"
                  " for the CycleGANs folders with stems (SONG/bass.wav, drums.wav...; MUSDB18), with whole songs,"
                  " where demucs is installed, or with MIDI files of bands, which are played",
    exported={
        "cyclegan": ExportSpec(groups=("generators",), required=False),
        "finetune": ExportSpec(groups=("generators",), required=False),
        "part_classifier": ExportSpec(required=False),
        "styles": ExportSpec(required=False),
        "patterns": ExportSpec(required=False),
        "players": ExportSpec(required=False),
        "transcriber": ExportSpec(required=False),
        "thresholds": ExportSpec(required=False),
    },
    pretrained="arrangement-lite",
)
