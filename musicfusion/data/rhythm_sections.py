"""Drums and the bass that they play with, on a grid of 12 steps a quarter (codecs.drums).

    read         MIDI files of bands: the drums of each, and its bass, which may be missing; styles from an index
                 (data.bands)
    read_drums   drums that people played (Groove MIDI Dataset), without a bass

A song's arrays are "velocity" uint8 [T, 9] and "offset" int8 [T, 9] (codecs.drums.Hits), "bass" uint8 [T] tokens
(codecs.melody), "tempo" uint8 [beats] in quarters a minute, "tags" uint32 [beats], and "kind" uint8 [beats], bits BASS
and HUMAN.
"""

import csv
from pathlib import Path

import numpy as np

from musicfusion.codecs import drums, midi, tracks
from musicfusion.codecs.score import EARLY, Score, Track, grid
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import bands, ensembles, licences, reading
from musicfusion.data.corpus import Arrays, Corpus, Progress
from musicfusion.data.reading import Item

BASS, HUMAN = 1, 2  # bits: there is a bass; hits were played by a person
BAR = 4  # quarters
LONGEST = 1000  # bars
LEAST = 16  # hits, of a song that anything is learned from
# What a style of the Groove MIDI Dataset is called in the index of `grooves`; others are left out.
STYLES = {"blues": "blues", "country": "country", "dance": "disco", "funk": "funk", "jazz": "swing", "pop": "pop",
          "rock": "rock", "soul": "soul"}
GENRES = tuple(dict.fromkeys(STYLES.values()))


def read(root: Path, *, limit: int = 0, progress: Progress | None = None) -> Corpus:
    """The drums and basses of the MIDI files under `root`; `limit` > 0 reads only so many, evenly chosen.

    What has no drums, or is not in 4/4, is named in `skipped`.

    Raises:
        MusicFusionError: the folder holds no MIDI file or none that can be used, or its index cannot be read.
    """
    root = Path(root)
    genres, items = bands.known_genres(bands.read_index(root)), []
    for song, path, entry in bands.named(root, limit):
        bits = sum(1 << genres.index(genre) for genre in entry.genres if genre in genres)
        items.append(Item(path.relative_to(root).as_posix(), (path, bits), song, root, entry.groove))
    return reading.read(
        items, _of_band, f"{root.resolve().name}, {len(items)} MIDI files", versions=True, progress=progress,
        root=str(root), licence=licences.of_folder(root), tags=genres, steps=drums.STEPS)


def read_drums(root: Path, *, limit: int = 0, progress: Progress | None = None) -> Corpus:
    """The takes of the Groove MIDI Dataset in 4/4; `limit` > 0: only the first of its table.

    Takes are split, not sessions: of these there are few, each by one person. The evaluation sessions are one family.

    Raises:
        MusicFusionError: the table cannot be read, or no take can be used.
    """
    root = Path(root)
    styles = _styles(root / ensembles.INFO)
    items = []
    for song, path, metre in ensembles.drum_files(root)[: limit or None]:
        name = path.relative_to(root).as_posix()
        style = STYLES.get(styles.get(name, ""), "")
        take = song if song.startswith(f"{ensembles.EVALUATION}#") else song.replace("#", "/")
        items.append(Item(name, (path, metre, 1 << GENRES.index(style) if style else 0), take, root))
    return reading.read(
        items, _of_take, f"Groove MIDI Dataset ({ensembles.DRUMS_URL})", versions=True, progress=progress,
        root=str(root), licence=ensembles.DRUMS_LICENCE, tags=GENRES, steps=drums.STEPS)


def _styles(table: Path) -> dict[str, str]:
    """The style of each take, the first word of what the table says."""
    with table.open(encoding="utf-8", newline="") as file:
        return {row["midi_filename"]: (row.get("style") or "").partition("/")[0].strip()
                for row in csv.DictReader(file)}


def _of_band(content: tuple[Path, int]) -> Arrays:
    path, bits = content
    score = midi.read(path)
    if any(metre[1:] != (4, 4) for metre in score.metres):
        raise MusicFusionError(f"{path}: not in 4/4 throughout")
    found = tracks.roles(score)
    if not found["drums"]:
        raise MusicFusionError(f"{path}: no drums")
    basses = sorted(found["bass"], key=lambda track: -len(track.notes))
    return section(score, found["drums"], basses[:1], bits=bits, where=path)


def _of_take(content: tuple[Path, str, int]) -> Arrays:
    path, metre, bits = content
    if metre != "4-4":
        raise MusicFusionError(f"{path}: not in 4/4 but {metre.replace('-', '/')}")
    score = midi.read(path)
    return section(score, list(score.tracks), [], bits=bits, where=path, human=True)


def section(score: Score, drummers: list[Track], basses: list[Track], *, bits: int, where: Path,
            human: bool = False) -> Arrays:
    """Tracks of a score as arrays, whole bars from that of the first note on.

    bits: of the styles; where: what errors name; human: a person played them. (Of those the file begins with a bar.)

    Raises:
        MusicFusionError: it is too long, or has hardly any hits.
    """
    if score.length > LONGEST * BAR:
        raise MusicFusionError(f"{where}: longer than {LONGEST} bars")
    hit = np.concatenate([track.notes for track in drummers])
    first = 0.0 if human else min(track.notes[0, 0] for track in [*drummers, *basses] if len(track.notes))
    begin = float(np.floor((first + EARLY) / BAR) * BAR)
    quarters = max(int(np.ceil((score.length - begin) / BAR - 0.25)), 1) * BAR
    hits = drums.encode(hit, begin, quarters)
    if np.count_nonzero(hits.velocity) < LEAST:
        raise MusicFusionError(f"{where}: fewer than {LEAST} hits")
    low = np.concatenate([track.notes for track in basses]) if basses else np.zeros((0, 4))
    kind = BASS * bool(len(low)) + HUMAN * human
    beats = begin + np.arange(quarters + 1.0)
    tempo = 60.0 / np.diff(score.seconds(np.maximum(beats, 0)))
    return {
        "velocity": hits.velocity, "offset": hits.offset,
        "bass": tracks.encode(grid(low, begin, drums.STEPS), quarters * drums.STEPS),
        "tempo": np.clip(np.rint(tempo), 1, 255).astype(np.uint8),
        "tags": np.full(quarters, bits, np.uint32), "kind": np.full(quarters, kind, np.uint8),
    }
