"""Bigram: it learns which symbol of a melody follows which, and continues a melody of yours."""

from musicfusion.core.contracts import Control, Declaration, ExportSpec, Input

DECLARATION = Declaration(
    package=__name__,
    name="bigram",
    title="Bigram: a melody is continued",
    paper="an example of the documentation",
    inputs={"prompt": Input(about="a MIDI file: its melody is continued")},
    input_sets=(("prompt",),),
    controls={"temperature": Control(about="how adventurous it is", default=1.0, low=0.1, high=2.0)},
    embedded_corpus="the sopranos of Bach's chorales",
    other_corpora="others by --config.data.root: fiddle, a folder with POP909 or with MIDI files",
    exported={"bigram": ExportSpec()},
)
