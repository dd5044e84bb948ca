"""MusAE: an adversarial autoencoder of music in four tracks, whose prior knows genres (ECAI 2020)."""

from musicfusion.core.contracts import Control, Declaration, ExportSpec, Input

DECLARATION = Declaration(
    package=__name__,
    name="musae",
    title="MusAE: a latent space of music in four tracks that knows genres; it interpolates, and changes the genre",
    paper="Valenti, Carta, Bacciu: Learning a Latent Space of Style-Aware Symbolic Music Representations, ECAI 2020",
    inputs={
        "song": Input(about="a MIDI file or score: it comes back, in another genre where `to` names one"),
        "start": Input(about="a MIDI file or score: an interpolation begins with its first bars"),
        "end": Input(about="a MIDI file or score: the interpolation ends with its first bars"),
    },
    input_sets=(("song",), ("start", "end"), ()),
    controls={
        "steps": Control(about="number of windows that an interpolation has between start and end", default=8, low=1,
                         high=64, whole=True),
        "genre": Control(about="genre of new music, without inputs", default=""),
        "n": Control(about="number of windows of new music", default=4, low=1, high=64, whole=True),
        "to": Control(about="genre that a song is moved toward", default=""),
        "amount": Control(about="how far a song is moved; 1 is the difference of the genres' means", default=1.25,
                          high=2.0),
        "spread": Control(about="how far new music lies from its genre's mean; 1: as far as songs do", default=0.7,
                          high=2.0),
    },
    embedded_corpus="music21's pieces for four voices, the composer as genre",
    other_corpora="bands by --config.data.root: any folder of MIDI files, with genres in an index.csv beside them",
    exported={
        "components": ExportSpec(),
        "flower_*": ExportSpec(),
        "genre_means_*": ExportSpec(),
        "genre_classifier": ExportSpec(required=False),
    },
    pretrained="musae-lite",
)
