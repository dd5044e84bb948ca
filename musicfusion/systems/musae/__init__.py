"""MusAE: an adversarial autoencoder of music in four tracks, whose prior knows genres (ECAI 2020)."""

from musicfusion.core.contracts import Control, Declaration, ExportSpec, Input

DECLARATION = Declaration(
    package=__name__,
    name="musae",
    title="MusAE: a latent space of music in four tracks that knows genres; it interpolates, and changes the genre",
    paper="Valenti, Carta, Bacciu: Learning a Latent Space of Style-Aware Symbolic Music Representations, ECAI 2020",
    inputs={
        "song": Input(about="a MIDI file or score: it comes back, in another genre where `to` or `angle` says so"),
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
        "angle": Control(about="degrees around the circle of genres, instead of `to` or `genre`: between genres, too;"
                               " below 0: unused", default=-1.0, low=-1.0, high=360.0),
        "amount": Control(about="how much of a song is made anew toward the genre; 0 leaves it, 1 keeps nothing that"
                                " tells its own genre", default=0.75),
        "tracks": Control(about="which tracks of a song move; the others stay as they are, and music for voices always"
                                " moves whole", default="drums+bass", choices=("drums+bass", "drums", "all")),
        "spread": Control(about="how far new music lies from the middle of its genre; 1: as far as songs do",
                          default=0.7, high=2.0),
    },
    embedded_corpus="music21's pieces for four voices, the composer as genre",
    other_corpora="bands by --config.data.root: any folder of MIDI files, with genres in an index.csv beside them",
    exported={
        "components": ExportSpec(),
        "flower_*": ExportSpec(),
        "genre_means_*": ExportSpec(),
        "flow_*": ExportSpec(),
        "genre_classifier": ExportSpec(required=False),
        "second_judge": ExportSpec(required=False),
    },
    pretrained="musae-lite",
)
