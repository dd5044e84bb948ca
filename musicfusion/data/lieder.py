"""The OpenScore Lieder Corpus (CC0): songs for voice and piano as compressed MusicXML.

    index.csv    columns file, composer, title and more;  files/    lcNUMBER.mxl

Melody = the voice, accompaniment = the piano, both hands; what else plays is left out. Chords are estimated
(codecs.chords), as the files have none. Songs are in any metre: a beat is a quarter whatever the metre, so a bar of 3/4
and one of 6/8 have three. Repeats and verses are read once, as written.
"""

import csv
import re
from pathlib import Path

from musicfusion.codecs import musicxml
from musicfusion.codecs.musicxml import Part
from musicfusion.codecs.score import by_onset, monophonic
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import near_duplicates, reading
from musicfusion.data.corpus import Arrays, Corpus, Progress, pair
from musicfusion.data.reading import Item

LICENCE = "CC0 1.0"
URL = "https://github.com/OpenScore/Lieder"
INDEX, FILES = "index.csv", "files"
COLUMNS = {"file", "composer", "title"}  # of the index
BAR = 4  # beats that a song's length is a multiple of
LONGEST = 4000  # beats: beyond it a file is damaged
ONE_VOICE = 0.8  # share of the voice's notes that `monophonic` keeps; less are two singers on one staff
_KEYBOARDS = re.compile(r"piano|klavier|clavier|cembalo|harpsichord|organ|orgue|orgel")  # where no sound is named


def is_here(root: Path) -> bool:
    """Whether a folder is laid out as the corpus; OpenScore's quartets, files/sqNUMBER.mxl, are another."""
    try:
        with (root / INDEX).open(encoding="utf-8", newline="") as file:
            columns = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return set(columns) >= COLUMNS and bool(song_files(root))


def song_files(root: Path) -> list[Path]:
    """The songs' files, sorted by name."""
    return sorted((root / FILES).glob("lc*.mxl"))


def read(root: Path, *, limit: int = 0, progress: Progress | None = None) -> Corpus:
    """The songs as a Corpus of pairs, called by their file's name, such as lc4985931; `limit` > 0: only the first.

    What is not for one voice with a piano, and near-duplicates of earlier songs, are named in `skipped`.

    Raises:
        MusicFusionError: none can be used.
    """
    items = [Item(path.stem, path, folder=path.parent) for path in song_files(root)[: limit or None]]
    return reading.read(items, song, f"OpenScore Lieder Corpus ({URL})", passages=near_duplicates.of_pair,
                        progress=progress, root=str(root), licence=LICENCE)


def song(path: Path) -> Arrays:
    """One song as a pair (see Corpus), from a bar line on; a pickup is padded with rests to a whole bar.

    Raises:
        MusicFusionError: the file cannot be read, or it is not for one voice with a piano.
    """
    root = musicxml.document(path)
    voice, piano = _voice_and_piano(musicxml.parts(root))
    starts, length = musicxml.bars(root)
    if length > LONGEST:
        raise MusicFusionError(f"longer than {LONGEST} quarters")
    sung, played = (by_onset(musicxml.notes(part.element, starts)) for part in (voice, piano))
    if not len(sung) or not len(played):
        raise MusicFusionError(f"no notes in {(piano if len(sung) else voice).name}")
    lead = monophonic(sung)
    if len(lead) < ONE_VOICE * len(sung):
        raise MusicFusionError(f"{voice.name}: chords, so it is for several voices")
    return pair(lead, played, -(-length // BAR) * BAR)


def _voice_and_piano(parts: list[Part]) -> tuple[Part, Part]:
    """The part that sings and the one that accompanies; other instruments beside a piano do not matter."""
    pianos = [part for part in parts if _is_keyboard(part)]
    voices = [part for part in parts if part not in pianos and (part.is_sung or part.sound.startswith("voice."))]
    for kind, found in (("voice", voices), ("keyboard", pianos)):
        if len(found) != 1:
            raise MusicFusionError(f"{len(found) or 'no'} {kind}{'s' * (len(found) > 1)} among its parts: "
                                   f"{', '.join(part.name for part in parts)}; accepted is one")
    return voices[0], pianos[0]


def _is_keyboard(part: Part) -> bool:
    return part.sound.startswith("keyboard.") or (not part.sound and bool(_KEYBOARDS.search(part.name.lower())))
