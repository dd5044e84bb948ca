"""CollageNet: fusing an arbitrary melody and accompaniment into a coherent song (paper 000, ISMIR 2021)."""

from musicfusion.core.task import Control, Declaration, Shipped, System


def _load() -> System:
    from musicfusion.systems.collagenet.system import SYSTEM

    return SYSTEM


DECLARATION = Declaration(
    name="collagenet",
    title="CollageNet: an arbitrary melody and an unrelated accompaniment become one coherent song",
    paper="Wuerkaixi, Benetatos, Duan, Zhang: CollageNet, ISMIR 2021",
    inputs={
        "melody": "a MIDI file; its melody track is taken (highest notes of it)",
        "accompaniment": "a MIDI file; everything but drums and melody is taken",
    },
    controls={
        "pitch": Control("how much of the melody's pitch must survive (c_mp)", 0.5),
        "rhythm": Control("how much of the melody's rhythm must survive (c_mr)", 0.5),
        "chord": Control("how much of the accompaniment's chords must survive (c_ac)", 0.5),
        "texture": Control("how much of the accompaniment's texture must survive (c_at)", 0.5),
    },
    data="the embedded Bach chorales",
    more="for POP909: git clone https://github.com/music-x-lab/POP909-Dataset, then"
         " --config.data.root=POP909-Dataset",
    load=_load,
    shipped={
        "melody_vae": Shipped(),
        "accompaniment_vae": Shipped(),
        "latents": Shipped(),
        "fusion": Shipped(("actor",)),
        "harmony_evaluator": Shipped(needed=False),
        "key_evaluator": Shipped(needed=False),
        "fusion_*": Shipped(("actor",), needed=False),  # at the other lambdas of Table 1
        "baseline_critic": Shipped(("critic",), needed=False),
    },
    pretrained="collagenet-lite",
)
