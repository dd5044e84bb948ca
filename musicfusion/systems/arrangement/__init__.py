"""Arrangement: the part that a recording lacks, by CycleGANs on mel-spectrograms (paper 002)."""

from musicfusion.core.task import Control, Declaration, Shipped, System


def _load() -> System:
    from musicfusion.systems.arrangement.system import SYSTEM

    return SYSTEM


DECLARATION = Declaration(
    name="arrangement",
    title="Arrangement: a bass line gets its drums, a voice its band",
    paper="Automatic Music Production Using Generative Adversarial Networks, submitted to ICLR 2021",
    inputs={"source": "a recording of the part that is there (WAV, FLAC, OGG, MP3): a bass line"},
    controls={"density": Control("how dense the part that is made gets, beside what was learned from", 0.5)},
    data="Bach's chorales, played: from the bass voice to the others",
    more="others by --config.data.root: folders with stems (SONG/bass.wav, drums.wav...; MUSDB18), with whole songs,"
         " where demucs is installed, or with MIDI files of bands, which are played; several with a comma between",
    load=_load,
    pretrained="arrangement-lite",
    shipped={
        "cyclegan": Shipped(("generators",)),
        "tuned": Shipped(("generators",), needed=False),
        "ear": Shipped(needed=False),
    },
)
