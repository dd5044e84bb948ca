"""FusionGAN: two genres of melodies, a generator and a critic for each, and a third pair for the genre between them.

Chen, Wu, Lu, Lerch and Lu, ICDM 2017.
"""

from musicfusion.core.contracts import Control, Declaration, ExportSpec, Input

DECLARATION = Declaration(
    package=__name__,
    name="fusion_gan",
    title="FusionGAN: melodies of a genre between two genres, new ones or continuations of yours",
    paper="Chen, Wu, Lu, Lerch, Lu: Learning to Fuse Music Genres with Generative Adversarial Dual Learning, ICDM 2017",
    inputs={"prompt": Input(about="a MIDI file or score whose melody is continued")},
    input_sets=((), ("prompt",)),
    controls={
        "genre": Control(about="which generator plays: the fusion, the first genre's or the second genre's",
                         default="fusion", choices=("fusion", "a", "b")),
        "n": Control(about="how many melodies", default=8, low=1, high=64, whole=True),
        "ratio": Control(about="the first genre's share of a fusion", default=0.5),
    },
    embedded_corpus="music21's fiddle tunes and the sopranos of Bach's chorales",
    other_corpora="two others by --config.data.root=ONE,OTHER: fiddle, chorales, essen, folders with POP909, Weimar's"
                  " solos, **kern or MIDI files",
    exported={
        "fusion": ExportSpec(groups=("generators",)),
        "genre_classifier": ExportSpec(required=False),
    },
    pretrained="fusion-gan-lite",
)
