"""Tunes in one voice that the music21 package carries: fiddle tunes and Essen folk songs (ABC), chorale sopranos.

    fiddle    Ryan's Mammoth Collection (1883), O'Neill's Music of Ireland (1850 tunes, 1903), Aird's Airs (1782-1801)
    essen     the Essen folk song collection: for research only, so weights that learned from it are not shipped
    chorales  the sopranos of the Bach chorales (chorales.py)

Only what is in 4/4 or, bar for bar the same, in cut time; repeats are read once, as written.
"""

import itertools
import re
import warnings
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from musicfusion.codecs import melody
from musicfusion.codecs.score import grid, monophonic
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import chorales, licences, near_duplicates, reading
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays, Corpus, Progress, concatenate, split_songs
from musicfusion.data.reading import Item

LICENCES = {"fiddle": licences.PUBLIC_DOMAIN, "essen": "research only, not redistributable"}
FOLDERS = {"fiddle": ("ryansMammoth", "oneills1850", "airdsAirs"), "essen": ("essenFolksong",)}
METRES = ("4/4", "C", "C|", "2/2")
BAR = 4  # quarters
LONGEST = 400  # bars: beyond it a file is damaged


def read(collection: str, *, limit: int = 0, progress: Progress | None = None) -> Corpus:
    """One of "fiddle", "essen", "chorales" as a Corpus of melodies; `limit` > 0 reads only the first tunes.

    A song is called FOLDER/FILE:NUMBER, by music21's corpus. A near-duplicate of an earlier tune, and a tune whose bars
    do not add up, is named in `skipped`.

    Raises:
        MusicFusionError: music21 is not installed.
    """
    if collection == "chorales":
        return melodies(chorales.read(limit, progress=progress), "chorale sopranos")
    items = [Item(name, text) for name, text in texts(collection)]
    return reading.read(items[: limit or None], song, f"{collection} tunes of music21 {chorales.version()}",
                        passages=near_duplicates.of_melody, progress=progress, licence=LICENCES[collection])


def melodies(corpus: Corpus, what: str) -> Corpus:
    """The melodies of a corpus of pairs, as a corpus of their own."""
    parts = split_songs(corpus.arrays["melody"], corpus.first_beat)
    songs = [(name, {"melody": part}) for name, part in zip(corpus.songs, parts, strict=True)]
    return concatenate(songs, corpus.skipped, f"{what} of {corpus.source}", families=corpus.families,
                       licence=corpus.licence)


def texts(collection: str) -> Iterator[tuple[str, str]]:
    """The tunes of a collection whose metre can be used: (name, ABC)."""
    for folder in FOLDERS[collection]:
        for path in chorales.corpus_files(folder, (".abc",)):
            text = path.read_text(encoding="utf-8", errors="replace")
            for tune in re.split(r"(?m)^(?=X:)", text):
                number = re.match(r"X:\s*(\d+)", tune)
                metre = re.search(r"(?m)^M:\s*(\S+)", tune)
                if number and metre and metre[1] in METRES:
                    yield f"{folder}/{path.stem}:{int(number[1])}", tune


def song(text: str) -> Arrays:
    """One tune in ABC -> {"melody"}, from a bar line on, in whole bars; a pickup is padded with rests.

    Of notes that sound together the highest stays.

    Raises:
        MusicFusionError: music21 cannot read it, it has no notes, or its bars do not add up to bars of four quarters.
    """
    from music21 import converter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of music21, about old spellings of ABC
        try:
            parts = list(converter.parse(text, format="abc").getElementsByClass("Part"))
            lengths = [Fraction(measure.duration.quarterLength).limit_denominator(96)
                       for measure in parts[0].getElementsByClass("Measure")]
            measures = list(parts[0].stripTies().getElementsByClass("Measure"))  # a tied note may outlast its measure
        except Exception as error:  # whatever its parser meets
            raise MusicFusionError(f"music21 cannot read it: {' '.join(str(error).split())}") from error
    notes = []
    starts, end = _in_bars(lengths)
    for start, measure in zip(starts, measures, strict=True):
        for note in measure.notes:
            if not note.duration.isGrace and "ChordSymbol" not in note.classes:
                length = float(note.duration.quarterLength)
                notes += [(float(start) + float(note.offset), length, pitch.midi, 0) for pitch in note.pitches]
    rows = grid(np.array(notes))
    if not len(rows):
        raise MusicFusionError("no notes")
    return {"melody": melody.tokens_from_notes(monophonic(rows), end * STEPS_PER_BEAT)}


def _in_bars(lengths: list[Fraction]) -> tuple[list[Fraction], int]:
    """Lengths of measures as written, in quarters -> where each begins, and the end, so that whole measures are bars.

    Between whole measures stand ends of sections and pickups. Together they fill a bar; where they do not, a rest is
    put in. Raises MusicFusionError where a measure is longer than a bar, or most are not whole.
    """
    if max(lengths, default=0) > BAR or lengths.count(Fraction(BAR)) < max(len(lengths) / 2, 2):
        raise MusicFusionError("its measures are no bars of four quarters")
    if len(lengths) > LONGEST:
        raise MusicFusionError(f"longer than {LONGEST} bars")
    starts: list[Fraction] = []
    now = Fraction(0)
    for whole, run in itertools.groupby(lengths, lambda length: length == BAR):
        *pieces, last = run
        starts += itertools.accumulate(pieces, initial=now)
        if not whole and (last <= BAR / 2 or starts == [now]):  # a pickup: right before the bar line
            starts[-1] += -(sum(pieces) + last) % BAR
        now = Fraction(-(-(starts[-1] + last) // BAR) * BAR)
    return starts, int(now)
