"""Folders of melodies in one voice that are no MIDI: the Weimar Jazz Database's solos, **kern files (Essen's songs).

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
from musicfusion.data import tunes
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays, Corpus, Progress, concatenate
from musicfusion.data.readers import read_all
from musicfusion.data.twins import Twins

SOLOS, INDEX = "mcsv_melody", "wjd_meta.csv"
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


def read_jazz(folder: Path, progress: Progress | None = None, limit: int = 0, stretch: int = 1) -> Corpus:
    """The solos as a Corpus of melodies; one is called TITLE#SOLO, so that two solos on one tune share a split.

    stretch: steps to a 16th; with 2 a step is a 32nd, and what a Corpus calls a beat is an eighth.

    What cannot be used is named in `skipped`. Raises MusicFusionError if none can.
    """
    with (folder / INDEX).open(encoding="utf-8", newline="") as file:
        titles = {row["id"].removesuffix(".sv"): row["title"] for row in csv.DictReader(file)}
    named = {path: f"{titles.get(path.stem, path.stem)}#{path.stem}".replace("/", "-") for path in solo_files(folder)}
    return _read(named, solo, "Weimar Jazz Database", folder, progress, limit, stretch)


def read_kern(folder: Path, progress: Progress | None = None, limit: int = 0, stretch: int = 1) -> Corpus:
    """The songs as a Corpus of melodies, called by their place under the folder. As `read_jazz` otherwise."""
    named = {path: path.relative_to(folder).with_suffix("").as_posix() for path in kern_files(folder)}
    return _read(named, song, f"{folder.resolve().name}, {len(named)} **kern files", folder, progress, limit, stretch)


def _read(named: dict[Path, str], one: Callable, source: str, folder: Path, progress, limit: int,
          stretch: int) -> Corpus:
    paths = list(named)[: limit or None]
    songs: list[tuple[str, Arrays]] = []
    skipped: dict[str, str] = {}
    twins = Twins()
    outcomes = read_all(functools.partial(_outcome, functools.partial(one, stretch=stretch)), paths)
    for done, (path, result) in enumerate(zip(paths, outcomes, strict=True), start=1):
        name = named[path]
        if isinstance(result, str):
            skipped[name] = result
        elif (other := twins.of(own := tunes.passages(result, stretch))) and _tune(other) != _tune(name):
            skipped[name] = f"most of it is {other}"
        else:
            twins.add(name, own)
            songs.append((name, {"melody": result}))
        if progress:
            progress(done, len(paths))
    return concatenate(songs, skipped, source=source, place=str(folder))


def _tune(name: str) -> str:
    return name.partition("#")[0]


def _outcome(one: Callable, path: Path) -> np.ndarray | str:
    try:
        return one(path)
    except (MusicFusionError, OSError, UnicodeDecodeError) as error:
        return str(error).replace(str(path), path.name)


def solo(path: Path, stretch: int = 1) -> np.ndarray:
    """One solo's table of notes -> tokens, whole bars from that of the first note on.

    Where a note begins is told by its bar, beat, and tatum of so many, how long it lasts by its seconds over a beat's.
    Raises MusicFusionError where the metre is not 4/4 throughout, or a cell is no number.
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
        raise MusicFusionError(f"{path}: a note without its place or pitch ({error})") from None
    return _tokens(notes, path, stretch)


def song(path: Path, stretch: int = 1) -> np.ndarray:
    """One **kern file -> tokens, from a bar line on, in whole bars; a pickup is padded with rests.

    Raises MusicFusionError where it is not one voice in 4/4 throughout, or its bars do not add up.
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
    return _tokens(notes + [-pickup % BAR, 0, 0, 0], path, stretch)


def _tokens(notes: np.ndarray, path: Path, stretch: int) -> np.ndarray:
    """Notes [n, 4] in quarters -> tokens, `stretch` to a 16th."""
    first = np.floor(notes[:, 0].min() / BAR) * BAR
    line = monophonic(grid((notes - [first, 0, 0, 0]) * [stretch, stretch, 1, 1]))
    bar = BAR * STEPS_PER_BEAT * stretch
    bars = -(-int(np.max(line[:, 0] + line[:, 1])) // bar)
    if bars > LONGEST:
        raise MusicFusionError(f"{path}: longer than {LONGEST} bars")
    return melody.tokens_from_notes(line, bars * bar)
