"""CollageNet: fusing an arbitrary melody and accompaniment into a coherent song (ISMIR 2021)."""

from musicfusion.core.contracts import Control, Declaration, ExportSpec, Input

DECLARATION = Declaration(
    package=__name__,
    name="collagenet",
    title="CollageNet: an arbitrary melody and an unrelated accompaniment become one song",
    paper="Wuerkaixi, Benetatos, Duan, Zhang: CollageNet, ISMIR 2021",
    inputs={
        "melody": Input(about="a MIDI file or score; its melody track is taken; or a recording of a voice alone",
                        kinds=("notes", "sound")),
        "accompaniment": Input(about="a MIDI file, score or chord chart; all but its melody is taken"),
    },
    input_sets=(("melody", "accompaniment"),),
    controls={
        "pitch": Control(about="how much of the melody's pitch is to survive (c_mp)", default=0.5),
        "rhythm": Control(about="how much of the melody's rhythm is to survive (c_mr)", default=0.5),
        "chord": Control(about="how much of the accompaniment's chords is to survive (c_ac)", default=0.5),
        "texture": Control(about="how much of the accompaniment's texture is to survive (c_at)", default=0.5),
        "key": Control(about="whose key holds", default="either", choices=("either", "melody", "accompaniment")),
        "bpm": Control(about="beats a minute of a recorded melody; 0: they are found", default=0, high=240, whole=True),
    },
    embedded_corpus="the embedded Bach chorales",
    other_corpora="for POP909: git clone https://github.com/music-x-lab/POP909-Dataset, then"
                  " --config.data.root=POP909-Dataset",
    exported={
        "melody_vae": ExportSpec(),
        "accompaniment_vae": ExportSpec(),
        "latents": ExportSpec(),
        "fusion": ExportSpec(groups=("actor",)),
        "chord_model": ExportSpec(),
        "edit_critic_*": ExportSpec(),
        "second_edit_critic_*": ExportSpec(),
        "harmony_evaluator": ExportSpec(required=False),
        "judge": ExportSpec(required=False),
        "second_judge": ExportSpec(required=False),
        "fusion_*": ExportSpec(groups=("actor",), required=False),  # at the other lambdas of Table 1
        "baseline_critic": ExportSpec(groups=("critic",), required=False),
    },
    pretrained="collagenet-lite",
    free=("fusion.model",),  # both ways are trained
    judges={"harmony_evaluator": "evaluator", "judge": "judge", "second_judge": "second_judge"},
)
