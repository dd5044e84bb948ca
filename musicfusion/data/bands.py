"""Arrangements out of any folder of MIDI files: drums, bass, guitar or piano, and strings or whatever else plays.

(MusAE, section 4.1.) A file is used if it is in 4/4 throughout and has a bass and a guitar or piano; of several drums,
basses and guitars every combination is a song of its own. Genres come from an index beside the files:

    index.csv    columns file (under the folder), genre (several with "|" between); and, if files share a song, which
                 one: song or chart_song. Files of one song stay in one split. A column groove names the rhythm
                 pattern that a file was generated from; data.splits keeps those apart, too.
"""

import csv
import functools
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicfusion.codecs import midi, tracks
from musicfusion.codecs.score import EARLY, Score
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import licences, midi_folder, near_duplicates, reading
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays, Corpus, Progress
from musicfusion.data.reading import Item

INDEX = "index.csv"
SONGS = ("song", "chart_song")  # columns that say which song a file is of, the first that is there
MOST_GENRES = 32  # MusAE's number; those of most files
COMBINATIONS = 4  # of one file
BAR = 4  # quarters
LONGEST = 1000  # bars


class Entry(NamedTuple):
    """What the index says of a file: which song it is of, its genres, and its rhythm pattern, "" for none."""

    song: str
    genres: tuple[str, ...]
    groove: str = ""


def read(root: Path, *, limit: int = 0, steps: int = STEPS_PER_BEAT, progress: Progress | None = None) -> Corpus:
    """The arrangements of the files under `root` as a Corpus of tracks; `limit` > 0 reads only so many, evenly chosen.

    An arrangement is called SONG#FILE#NUMBER. steps: of a beat. What cannot be used is named in `skipped`.

    Raises:
        MusicFusionError: the folder holds no MIDI file or none that can be used, or its index cannot be read.
    """
    root = Path(root)
    genres, items = known_genres(read_index(root)), []
    for song, path, entry in named(root, limit):
        bits = np.uint32(sum(1 << genres.index(genre) for genre in entry.genres if genre in genres))
        items.append(Item(path.relative_to(root).as_posix(), (path, bits), song, root, entry.groove))
    return reading.read(
        items, functools.partial(_songs, steps=steps), f"{root.resolve().name}, {len(items)} MIDI files", several=True,
        versions=True, passages=functools.partial(near_duplicates.of_tracks, steps=steps), progress=progress,
        root=str(root), licence=licences.of_folder(root), tags=genres, instrumentation="band", steps=steps)


def named(root: Path, limit: int = 0) -> list[tuple[str, Path, Entry]]:
    """The MIDI files under a folder (see `files`): what each is called, SONG#FILE, and what the index says of it.

    A file that the index does not name is a song of its own. Raises MusicFusionError as `read` does.
    """
    index, found = read_index(root), []
    for path in files(root, limit):
        name = path.relative_to(root).as_posix()
        title = name.removesuffix(path.suffix)
        entry = index.get(name, Entry(title, ()))
        found.append((f"{entry.song}#{title}", path, entry))
    return found


def files(root: Path, limit: int = 0) -> list[Path]:
    """The MIDI files under a folder, or `limit` of them, spread over all of it. Raises MusicFusionError without any."""
    found = midi_folder.files(root)
    if not limit or limit >= len(found):
        return found
    return [found[i * len(found) // limit] for i in range(limit)]


def read_index(root: Path) -> Mapping[str, Entry]:
    """{file: what the index says of it}, empty without an index. MusicFusionError if it is not as described above."""
    path = root / INDEX
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            if "file" not in columns:
                raise MusicFusionError(f"{path}: no column file; accepted are file, genre and, if you like, song")
            song = next((column for column in SONGS if column in columns), "file")
            found = {}
            for row in rows:
                genres = tuple(genre.strip() for genre in (row.get("genre") or "").split("|") if genre.strip())
                name = (row[song] or row["file"]).replace("#", "-")
                found[row["file"]] = Entry(name, genres, (row.get("groove") or "").strip())
            return found
    except (UnicodeDecodeError, csv.Error) as error:
        raise MusicFusionError(f"{path}: not a table of comma-separated values ({error})") from error


def known_genres(index: Mapping[str, Entry]) -> tuple[str, ...]:
    """The genres of most files, in the order in which the index names them first."""
    count: dict[str, int] = {}
    for entry in index.values():
        for genre in entry.genres:
            count[genre] = count.get(genre, 0) + 1
    kept = sorted(count, key=lambda genre: -count[genre])[:MOST_GENRES]
    return tuple(genre for genre in count if genre in kept)


def _songs(content: tuple[Path, np.uint32], steps: int) -> dict[int, Arrays]:
    path, genres = content
    return {number: {"tracks": tokens, "tags": np.full(len(tokens) // steps, genres, np.uint32)}
            for number, tokens in enumerate(arrangements(midi.read(path), path, steps))}


def arrangements(score: Score, where: str | Path, steps: int = STEPS_PER_BEAT) -> list[np.ndarray]:
    """Each combination of a score's drums, basses and guitars -> tokens uint8 [T, 4], whole bars from the first note's.

    Drums may be missing, and so may the fourth track. where: what errors name; steps: of a beat.

    Raises:
        MusicFusionError: it is not in 4/4 throughout, is too long, or lacks a bass or a guitar.
    """
    if any(metre[1:] != (4, 4) for metre in score.metres):
        raise MusicFusionError(f"{where}: not in 4/4 throughout")
    if score.length > LONGEST * BAR:
        raise MusicFusionError(f"{where}: longer than {LONGEST} bars")
    found = tracks.roles(score)
    for part in ("bass", "guitar"):
        if not found[part]:
            raise MusicFusionError(f"{where}: no {part} (General MIDI programs"
                                   f" {'33 to 40' if part == 'bass' else '1 to 32, piano and guitar'})")
    first = min(track.notes[0, 0] for part in found.values() for track in part)
    offset = np.floor((first + EARLY) / BAR) * BAR  # a note played a little early is not in the bar before
    bars = max(int(np.ceil((score.length - offset) / BAR - 0.25)), 1)  # nor does what rings on make a bar
    drums = [[track] for track in found["drums"]] or [[]]
    choices = itertools.product(drums, found["bass"], found["guitar"])
    return [tracks.from_tracks([own, [bass], [guitar], found["strings"]], offset, bars * BAR * steps, steps)
            for own, bass, guitar in itertools.islice(choices, COMBINATIONS)]
