"""Music that is no band as a band's four tracks (codecs.tracks.BAND), for autoencoders that should know more than that.

    read_pop909      a melody as strings; its accompaniment below SPLIT as bass, from there up as guitar
    read_drums       drums that people played (Groove MIDI Dataset); the other tracks rest
    read_quartets    string quartets: violin 1 as strings, viola as guitar, cello as bass
    read_voices      pieces for four voices: soprano as strings, alto as guitar, bass as bass

Violin 2 and the tenor are left out, and only drums have drums. Genres are not known.
"""

import csv
import functools
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from musicfusion.codecs import midi, musicxml, polyphony, tracks
from musicfusion.codecs.melody import REST
from musicfusion.codecs.score import grid
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import near_duplicates, pop909, reading, voices
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays, Corpus, Progress, fingerprint
from musicfusion.data.reading import Item

BAND = "band"
PARTS = tuple(part.name for part in tracks.BAND)
BAR = musicxml.BAR  # quarters
SPLIT = 50  # the lowest MIDI pitch of an accompaniment that is the guitar's

DRUMS_URL = "https://magenta.tensorflow.org/datasets/groove"
DRUMS_LICENCE = "CC BY 4.0 (Gillick, Roberts, Engel, Eck and Bamman: Groove MIDI Dataset)"
INFO, COLUMNS = "info.csv", {"session", "time_signature", "midi_filename"}
ROLAND = {22: 42, 26: 46, 40: 38, 47: 45, 58: 43}  # pitches of a Roland TD-11: what General MIDI has for them
EVALUATION = "eval_session"  # in which several drummers play the same ten pieces

QUARTETS_URL = "https://github.com/OpenScore/StringQuartets"
QUARTETS_LICENCE = "CC0 1.0"
METRES = {("4", "4"), ("2", "2")}
LEAST = 16  # bars of a quartet that follow one another in these metres
LONGEST = 2000  # bars: beyond it a file is damaged


def _band(found: Mapping[str, np.ndarray], steps: int) -> np.ndarray:
    """The tokens of some parts -> all parts uint8 [steps, 4]; the others rest."""
    rest = np.full(steps, REST, np.uint8)
    return np.stack([found.get(part, rest) for part in PARTS], 1)


def _only_tracks(corpus: Corpus, tokens: np.ndarray) -> Corpus:
    """A corpus with other arrays: the tracks of a band, without genres."""
    arrays = {"tracks": tokens}
    known = fingerprint(arrays, corpus.songs, corpus.first_beat, corpus.families, corpus.grooves)
    return replace(corpus, arrays=arrays, fingerprint=known, tags=(), instrumentation=BAND)


# Melody and accompaniment --------------------------------------------------------------------------------------------


def read_pop909(
    root: Path, *, limit: int = 0, steps: int = STEPS_PER_BEAT, progress: Progress | None = None
) -> Corpus:
    """The 4/4 songs of POP909 as a Corpus of tracks, by number; `limit` > 0 reads only the first songs.

    Songs whose melodies share phrases are one family, and all are kept, as in data.pop909. What cannot be used is named
    in `skipped`. steps: of a beat.

    Raises:
        MusicFusionError: the folder holds no song, or none that can be used.
    """
    items = [Item(folder.name, folder, folder=folder) for folder in pop909.song_folders(root)[: limit or None]]
    found = reading.read(
        items, functools.partial(of_pair, steps=steps), f"POP909 ({pop909.URL}) as bands", progress=progress,
        root=str(root), licence=pop909.LICENCE, steps=steps)
    return _only_tracks(found, found.arrays["tracks"])


def of_pair(folder: Path, steps: int = STEPS_PER_BEAT) -> Arrays:
    """One song of POP909 -> its "tracks" [T, 4], and its "melody" in 16ths, by which families are found.

    steps: of a beat.

    Raises:
        MusicFusionError: as pop909.song.
    """
    pair = pop909.song(folder, steps)
    lead, length = pair["melody"], len(pair["melody"])
    played = polyphony.notes_from_slots(pair["pitch"], pair["duration"])
    low = played[:, 2] < SPLIT
    parts = {"strings": lead, "guitar": tracks.encode(played[~low], length), "bass": tracks.encode(played[low], length)}
    coarse = lead if steps == STEPS_PER_BEAT else pop909.song(folder)["melody"]
    return {"tracks": _band(parts, length), "melody": coarse}


# Drums ---------------------------------------------------------------------------------------------------------------


def is_drums(root: Path) -> bool:
    """Whether a folder is laid out as the Groove MIDI Dataset: info.csv beside folders drummerN."""
    try:
        with (root / INFO).open(encoding="utf-8", newline="") as file:
            columns = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return set(columns) >= COLUMNS and any(path.is_dir() for path in root.glob("drummer*"))


def drum_files(root: Path) -> list[tuple[str, Path, str]]:
    """What info.csv lists, in its order: (song, file, metre). The song is SESSION#TAKE, so a session is a family.

    The evaluation sessions of all drummers are one, as the same pieces are played in them. Files that are not there are
    left out. Raises MusicFusionError if the table cannot be read.
    """
    found, path = [], root / INFO
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for entry in csv.DictReader(file):
                name, session = entry["midi_filename"], entry["session"]
                family = EVALUATION if session.endswith(f"/{EVALUATION}") else session
                if (root / name).is_file():
                    title = name.removesuffix(Path(name).suffix)
                    take = title if family == EVALUATION else title.removeprefix(f"{session}/")
                    found.append((f"{family}#{take}", root / name, entry["time_signature"]))
    except (OSError, UnicodeDecodeError, csv.Error, TypeError, AttributeError) as error:
        raise MusicFusionError(f"{path}: not the table of the Groove MIDI Dataset ({error})") from error
    return found


def read_drums(
    root: Path, *, limit: int = 0, steps: int = STEPS_PER_BEAT, progress: Progress | None = None
) -> Corpus:
    """The takes of the Groove MIDI Dataset in 4/4 as a Corpus of tracks; `limit` > 0: only the first of its table.

    What is in another metre, is shorter than a bar, or is a near-duplicate of a take of an earlier session, is named in
    `skipped`. steps: of a beat.

    Raises:
        MusicFusionError: the table cannot be read, or no take can be used.
    """
    items = [Item(path.relative_to(root).as_posix(), (path, metre), song, root)
             for song, path, metre in drum_files(root)[: limit or None]]
    return reading.read(
        items, functools.partial(_take, steps=steps), f"Groove MIDI Dataset ({DRUMS_URL})", versions=True,
        passages=functools.partial(near_duplicates.of_tracks, steps=steps), progress=progress, root=str(root),
        licence=DRUMS_LICENCE, instrumentation=BAND, steps=steps)


def _take(content: tuple[Path, str], steps: int) -> Arrays:
    path, metre = content
    if metre != "4-4":
        raise MusicFusionError(f"{path}: not in 4/4 but {metre.replace('-', '/')}")
    return {"tracks": drums(path, steps)}


def drums(path: Path, steps: int = STEPS_PER_BEAT) -> np.ndarray:
    """A take of the Groove MIDI Dataset -> tokens uint8 [T, 4] from its beginning on, in whole bars.

    Every hit lasts a step, of which a beat has `steps`. A last bar of which less than a quarter is played is left out.

    Raises:
        MusicFusionError: it cannot be read, or ends before a bar's last quarter.
    """
    score = midi.read(path)
    if score.length <= BAR - 1:
        raise MusicFusionError(f"{path}: shorter than a bar")
    bars = int(np.ceil(score.length / BAR - 0.25))
    if bars > LONGEST:
        raise MusicFusionError(f"{path}: longer than {LONGEST} bars")
    hits = grid(np.concatenate([track.notes for track in score.tracks]), per_quarter=steps)
    hits[:, 1] = 1
    hits[:, 2] = [ROLAND.get(pitch, pitch) for pitch in hits[:, 2].tolist()]
    length = bars * BAR * steps
    return _band({"drums": tracks.encode(hits, length)}, length)


# String quartets -----------------------------------------------------------------------------------------------------


def quartet_files(root: Path) -> list[Path]:
    """The files of the OpenScore String Quartets under their folder, sorted by name: files/sqNUMBER.mxl."""
    return sorted((root / "files").glob("sq*.mxl"))


def read_quartets(
    root: Path, *, limit: int = 0, steps: int = STEPS_PER_BEAT, progress: Progress | None = None
) -> Corpus:
    """The passages of string quartets in 4/4 or 2/2 as a Corpus of tracks, FILE#NUMBER; `limit` > 0: the first files.

    What has no such passage of LEAST bars, or other instruments, is named in `skipped`, and so are near-duplicates.
    steps: of a beat.

    Raises:
        MusicFusionError: none can be used.
    """
    items = [Item(path.stem, path, folder=path.parent) for path in quartet_files(root)[: limit or None]]
    return reading.read(
        items, functools.partial(quartet, steps=steps), f"OpenScore String Quartets ({QUARTETS_URL})", several=True,
        versions=True, passages=functools.partial(near_duplicates.of_tracks, steps=steps), progress=progress,
        root=str(root), licence=QUARTETS_LICENCE, instrumentation=BAND, steps=steps)


def quartet(path: Path, steps: int = STEPS_PER_BEAT) -> dict[int, Arrays]:
    """The passages of a quartet in 4/4 or 2/2 that last LEAST bars or more: {number: {"tracks": uint8 [T, 4]}}.

    A note that was struck before a passage begins anew with it. Repeats are read once, as written. steps: of a beat.

    Raises:
        MusicFusionError: it cannot be read, is not for a quartet, or has no such passage.
    """
    root = musicxml.document(path)
    parts = musicxml.parts(root)
    if len(parts) != 4:
        raise MusicFusionError(f"{len(parts)} parts: {', '.join(part.name for part in parts)}; accepted are four")
    starts, end = musicxml.bars(root)
    if end > LONGEST * BAR:
        raise MusicFusionError(f"longer than {LONGEST} bars")
    found = passages(root, starts, end)
    if not found:
        raise MusicFusionError(f"no {LEAST} bars in 4/4 or 2/2 that follow one another")
    first, _, third, fourth = (musicxml.notes(part.element, starts, steps) for part in parts)
    songs = {}
    for number, (begin, bars) in enumerate(found):
        length, offset = bars * BAR * steps, [begin * steps, 0, 0]
        encode = functools.partial(tracks.encode, steps=length)
        songs[number] = {"tracks": _band({"strings": encode(first - offset), "guitar": encode(third - offset),
                                          "bass": encode(fourth - offset)}, length)}
    return songs


def passages(root: Element, starts: list[Fraction], end: int) -> list[tuple[int, int]]:
    """Where a document is in 4/4 or 2/2 for LEAST bars or more: (first quarter, bars), in order.

    A passage begins with a whole bar, and ends where one begins off its bar lines.

    Args:
        root: of a document.
        starts, end: where its measures begin, and the last one ends, in quarters (musicxml.bars).
    """
    found: list[tuple[Fraction, Fraction]] = []
    begin: Fraction | None = None
    for metre, start, stop in zip(_metres(root), starts, [*starts[1:], Fraction(end)], strict=True):
        whole = stop - start == BAR
        on_line = begin is None or not whole or (start - begin) % BAR == 0
        if begin is not None and not (metre in METRES and on_line and stop - start <= BAR):
            found.append((begin, start))
            begin = None
        if begin is None and metre in METRES and whole and start.denominator == 1:
            begin = start
    if begin is not None:
        found.append((begin, Fraction(end)))
    return [(int(first), int(last - first) // BAR) for first, last in found if last - first >= LEAST * BAR]


def _metres(root: Element) -> list[tuple[str | None, str | None]]:
    """The time signature in force in each measure."""
    now: tuple[str | None, str | None] = ("4", "4")
    found = []
    for measure in next(root.iterfind("part")).findall("measure"):
        for time in measure.iterfind("attributes/time"):
            now = (time.findtext("beats"), time.findtext("beat-type"))
        found.append(now)
    return found


# Four voices ---------------------------------------------------------------------------------------------------------


def read_voices(*, limit: int = 0, steps: int = STEPS_PER_BEAT, progress: Progress | None = None) -> Corpus:
    """The pieces for four voices of music21 (data.voices) as a Corpus of tracks; `limit` and `steps` as there.

    Raises:
        MusicFusionError: music21 is not installed.
    """
    found = voices.read(limit, steps=steps, progress=progress)
    soprano, alto, _, bass = found.arrays["tracks"].T
    tokens = _band({"strings": soprano, "guitar": alto, "bass": bass}, len(soprano))
    return replace(_only_tracks(found, tokens), source=f"{found.source} as bands")
