"""Tunes in one voice that the music21 package carries: fiddle tunes and Essen folk songs (ABC), chorale sopranos.

    fiddle    Ryan's Mammoth Collection (1883), O'Neill's Music of Ireland (1850 tunes, 1903), Aird's Airs (1782-1801)
    essen     the Essen folk song collection: for research only, so nothing that is shipped learns from it
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
from musicfusion.data import chorales
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays, Corpus, Progress, concatenate
from musicfusion.data.readers import read_all
from musicfusion.data.twins import Twins

FOLDERS = {"fiddle": ("ryansMammoth", "oneills1850", "airdsAirs"), "essen": ("essenFolksong",)}
METRES = ("4/4", "C", "C|", "2/2")
BAR = 4  # quarters
PASSAGE = 2 * BAR * STEPS_PER_BEAT  # two bars: one alone is often like another tune's
LONGEST = 400  # bars: beyond it a file is damaged


def read(collection: str, limit: int = 0, progress: Progress | None = None) -> Corpus:
    """One of "fiddle", "essen", "chorales" as a Corpus of melodies; `limit` > 0 reads only the first tunes.

    A song is called FOLDER/FILE:NUMBER, by music21's corpus. What is a twin of an earlier tune, or has bars that do not
    add up, is named in `skipped`. Raises MusicFusionError without music21.
    """
    if collection == "chorales":
        return melodies(chorales.read(limit, progress), "chorale sopranos")
    found = list(texts(collection))
    found = found[:limit] if limit else found
    songs: list[tuple[str, Arrays]] = []
    skipped: dict[str, str] = {}
    twins = Twins()
    for done, (name, arrays) in enumerate(read_all(_outcome, found), start=1):
        if isinstance(arrays, str):
            skipped[name] = arrays
        elif other := twins.of(own := passages(arrays["melody"])):
            skipped[name] = f"most of it is {other}"
        else:
            twins.add(name, own)
            songs.append((name, arrays))
        if progress:
            progress(done, len(found))
    return concatenate(songs, skipped, source=f"{collection} tunes of music21 {chorales.version()}")


def melodies(corpus: Corpus, what: str) -> Corpus:
    """The melodies of a corpus of pairs, as a corpus of their own."""
    lengths = np.diff(corpus.first_beat) * STEPS_PER_BEAT
    parts = np.split(corpus.arrays["melody"], np.cumsum(lengths)[:-1])
    songs = [(name, {"melody": part}) for name, part in zip(corpus.songs, parts, strict=True)]
    return concatenate(songs, corpus.skipped, source=f"{what} of {corpus.source}")


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


def passages(tokens: np.ndarray, stretch: int = 1) -> frozenset[bytes]:
    """What every two bars of a melody, `stretch` steps to a 16th, sound like, whatever the key."""
    found = set()
    for start in range(0, len(tokens), PASSAGE * stretch):
        part = tokens[start : start + PASSAGE * stretch].astype(np.int32)
        onsets = part < melody.HOLD
        if onsets.any():
            part[onsets] -= part[onsets][0]
            found.add(part.tobytes())
    return frozenset(found)


def _outcome(tune: tuple[str, str]) -> tuple[str, Arrays | str]:
    name, text = tune
    try:
        return name, song(text)
    except MusicFusionError as error:
        return name, str(error)


def song(text: str) -> Arrays:
    """One tune in ABC -> {"melody"}, from a bar line on, in whole bars; a pickup is padded with rests.

    Of notes that sound together the highest stays. Raises MusicFusionError if music21 cannot read it, it has no notes,
    or its bars do not add up to bars of four quarters.
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
    """Measures as written, lengths in quarters -> where each begins, and the end, so that whole ones are bars.

    Between whole measures stand section ends and pickups, which make up bars together; where they do not, a rest does.
    Raises MusicFusionError where a measure is longer than a bar, or hardly one is whole.
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
