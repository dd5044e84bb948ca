"""MusAE: an adversarial autoencoder of music in four tracks, whose prior knows genres (paper 004, ECAI 2020)."""

from musicfusion.core.task import Control, Declaration, Shipped, System


def _load() -> System:
    from musicfusion.systems.musae.system import SYSTEM

    return SYSTEM


DECLARATION = Declaration(
    name="musae",
    title="MusAE: a latent space of music in four tracks that knows genres; it interpolates, and changes the genre",
    paper="Valenti, Carta, Bacciu: Learning a Latent Space of Style-Aware Symbolic Music Representations, ECAI 2020",
    inputs={
        "song": "a MIDI file: it is encoded and decoded, and moved to another genre where `to` names one",
        "start": "a MIDI file, the beginning of an interpolation",
        "end": "a MIDI file, its end",
    },
    controls={
        "steps": Control("how many windows an interpolation has between start and end", 8, 1, 64, whole=True),
        "genre": Control("of what is made up, without inputs", ""),
        "n": Control("how many windows are made up", 4, 1, 64, whole=True),
        "to": Control("the genre that a song moves toward", ""),
        "amount": Control("how far: 1 is the way between the genres' means", 1.25, 0.0, 2.0),
        "spread": Control("how far what is made up strays from its genre's mean; 1: as pieces do", 0.7, 0.0, 2.0),
    },
    data="music21's pieces for four voices, the composer as genre",
    more="bands by --config.data.root: any folder of MIDI files, with genres in an index.csv beside them",
    load=_load,
    shipped={
        "petals": Shipped(),
        "flower_*": Shipped(),
        "styles_*": Shipped(),
        "genre": Shipped(needed=False),
    },
    pretrained="musae-lite",
    together=("song",),
)
