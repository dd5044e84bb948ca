"""Folders of melodies in one voice that are not MIDI: solos of the Weimar Jazz Database, folk songs in **kern files.

    solos       wjd_meta.csv, and in mcsv_melody/ a table of notes for each solo (Jazzomat Research Project; ODbL)
    folk songs  any folder of .krn files with one spine each

Only what is in 4/4 (a song's 2/2 is, bar for bar, the same) throughout.
"""

import csv
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from musicfusion.codecs import kern, melody
from musicfusion.codecs.score import grid, monophonic
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import licences, near_duplicates, reading
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays, Corpus, Progress
from musicfusion.data.reading import Item

SOLOS, INDEX = "mcsv_melody", "wjd_meta.csv"
JAZZ_LICENCE = "ODbL 1.0 (Jazzomat Research Project, Hochschule für Musik Franz Liszt Weimar)"
METRES = ("4/4", "2/2")
BAR = 4  # quarters
LONGEST = 1000  # bars


def is_jazz(folder: Path) -> bool:
    """Whether the Weimar solos lie here."""
    return (folder / INDEX).is_file() and (folder / SOLOS).is_dir()


def solo_files(folder: Path) -> list[Path]:
    """The tables of notes, sorted."""
    return sorted((folder / SOLOS).glob("*.csv"))


def kern_files(folder: Path) -> list[Path]:
    """The .krn files under a folder, sorted."""
    return sorted(path for path in folder.rglob("*.krn") if path.is_file())


def read_jazz(folder: Path, *, limit: int = 0, stretch: int = 1, progress: Progress | None = None) -> Corpus:
    """The solos as a Corpus of melodies; one is called TITLE#SOLO, so that two solos on one tune share a split.

    Args:
        folder: where the Weimar Jazz Database lies.
        limit: read only the first so many (0: all).
        stretch: steps to a 16th; with 2 a step is a 32nd, and what a Corpus calls a beat is an eighth.
        progress: called with the solos done and the solos in all.

    Raises:
        MusicFusionError: none can be used; those that cannot are named in `skipped`.
    """
    with (folder / INDEX).open(encoding="utf-8", newline="") as file:
        titles = {row["id"].removesuffix(".sv"): row["title"] for row in csv.DictReader(file)}
    named = {f"{titles.get(path.stem, path.stem)}#{path.stem}".replace("/", "-"): path for path in solo_files(folder)}
    return _read(named, solo, "Weimar Jazz Database", folder, limit, stretch, progress, JAZZ_LICENCE)


def read_kern(folder: Path, *, limit: int = 0, stretch: int = 1, progress: Progress | None = None) -> Corpus:
    """The songs as a Corpus of melodies, called by their path under the folder. As `read_jazz` otherwise."""
    named = {path.relative_to(folder).with_suffix("").as_posix(): path for path in kern_files(folder)}
    source = f"{folder.resolve().name}, {len(named)} **kern files"
    return _read(named, song, source, folder, limit, stretch, progress, licences.of_folder(folder))


def _read(named: dict[str, Path], song: Callable[..., Arrays], source: str, folder: Path, limit: int, stretch: int,
          progress: Progress | None, licence: str) -> Corpus:
    items = [Item(name, path, folder=path.parent) for name, path in named.items()]
    return reading.read(
        items[: limit or None], functools.partial(song, stretch=stretch), source, versions=True,
        passages=functools.partial(near_duplicates.of_melody, stretch=stretch), progress=progress, root=str(folder),
        licence=licence)


def solo(path: Path, stretch: int = 1) -> Arrays:
    """One solo's table of notes -> {"melody": tokens [T]}, in whole bars from that of the first note on.

    A note's onset follows from its bar, beat and tatum (the `division`-th part of a beat), its duration from its
    seconds and those of a beat. stretch: steps to a 16th.

    Raises:
        MusicFusionError: the metre is not 4/4 throughout, or a cell is not a number.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if {row["signature"].strip("\"'") for row in rows} != {"4/4"}:
        raise MusicFusionError(f"{path}: not in 4/4 throughout")
    try:
        notes = np.array([[
            BAR * float(row["bar"]) + float(row["beat"]) - 1 + (float(row["tatum"]) - 1) / float(row["division"]),
            float(row["duration"]) / float(row["beat_duration"]), float(row["pitch"]), 80] for row in rows])
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise MusicFusionError(f"{path}: a note without its position or pitch ({error})") from None
    return _melody(notes, path, stretch)


def song(path: Path, stretch: int = 1) -> Arrays:
    """One **kern file -> {"melody": tokens [T]}, from a bar line on, in whole bars; a pickup is padded with rests.

    stretch: steps to a 16th.

    Raises:
        MusicFusionError: it is not one voice in 4/4 throughout, or its bars do not add up.
    """
    piece = kern.read(path.read_text(encoding="latin-1"))
    if len(piece.voices) != 1 or not len(piece.voices[0]):
        raise MusicFusionError(f"{path}: not one voice")
    if len(piece.metres) != 1 or not piece.metres <= set(METRES):
        raise MusicFusionError(f"{path}: not in 4/4 throughout")
    lines = np.unique(piece.bars)
    pickup = float(lines[0]) if len(lines) else 0.0
    whole = np.diff(lines)
    if pickup > BAR or np.any(whole[:-1] != BAR) or np.any(whole[-1:] > BAR):  # a last bar and a pickup make up one
        raise MusicFusionError(f"{path}: its bars do not add up")
    notes = np.concatenate([piece.voices[0], np.full((len(piece.voices[0]), 1), 80.0)], 1)
    return _melody(notes + [-pickup % BAR, 0, 0, 0], path, stretch)


def _melody(notes: np.ndarray, path: Path, stretch: int) -> Arrays:
    """Notes [n, 4] in quarters -> tokens, `stretch` to a 16th."""
    first = np.floor(notes[:, 0].min() / BAR) * BAR
    line = monophonic(grid((notes - [first, 0, 0, 0]) * [stretch, stretch, 1, 1]))
    bar = BAR * STEPS_PER_BEAT * stretch
    bars = -(-int(np.max(line[:, 0] + line[:, 1])) // bar)
    if bars > LONGEST:
        raise MusicFusionError(f"{path}: longer than {LONGEST} bars")
    return {"melody": melody.tokens_from_notes(line, bars * bar)}
