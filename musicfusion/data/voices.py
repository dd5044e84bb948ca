"""Pieces for four voices that the music21 package carries, the composer as their genre.

Bach's chorales, Palestrina's masses for four (**kern), Monteverdi's madrigals without their fifth voice, quartets by
Haydn, Mozart and Beethoven. Only what is in 4/4 or, bar for bar the same, in cut time; of Palestrina's 4/2 a minim is
read as a quarter.
"""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from musicfusion.codecs import kern, musicxml, tracks
from musicfusion.codecs.score import grid
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import chorales, near_duplicates, reading
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays, Corpus, Progress
from musicfusion.data.reading import Item

COMPOSERS = ("palestrina", "monteverdi", "bach", "haydn", "mozart", "beethoven")
METRES = {("4", "4"), ("2", "2")}
BREVES = "4/2"
FIFTH = "quint"  # the voice that a madrigal for five does without
LICENCE = "public domain scores, as music21's corpus says"
LONGEST = 2000  # bars: beyond it a file is damaged


def read(limit: int = 0, *, composers: Sequence[str] = COMPOSERS, steps: int = STEPS_PER_BEAT,
         progress: Progress | None = None) -> Corpus:
    """The pieces of composers as a Corpus of tracks; `limit` > 0 reads only so many, the same number of each composer.

    Names are those of music21's corpus. What is not for four voices in that metre, or a near-duplicate of an earlier
    piece, is named in `skipped`. steps: of a beat.

    Raises:
        MusicFusionError: music21 is not installed.
    """
    items = [Item(_name(path)[1], path, folder=path.parent) for path in _chosen(limit, composers)]
    return reading.read(
        items, functools.partial(_arrays, steps=steps), f"pieces for four voices of music21 {chorales.version()}",
        passages=functools.partial(near_duplicates.of_tracks, steps=steps), progress=progress, licence=LICENCE,
        tags=COMPOSERS, instrumentation="voices", steps=steps)


def _chosen(limit: int, composers: Sequence[str]) -> list[Path]:
    files = {composer: list(_files(composer)) for composer in composers}
    if limit:
        share = -(-limit // len(composers))
        files = {composer: own[:share] for composer, own in files.items()}
    return [path for own in files.values() for path in own]


def _files(composer: str) -> Iterator[Path]:
    kinds = (".krn",) if composer == "palestrina" else (".mxl", ".xml")
    yield from chorales.corpus_files(composer, kinds)


def _name(path: Path) -> tuple[str, str]:
    """(composer, name of the piece): the name is its path under music21's corpus."""
    parts = path.with_suffix("").parts
    composer = next(part for part in reversed(parts) if part in COMPOSERS)
    return composer, "/".join(parts[len(parts) - 1 - parts[::-1].index(composer) :])


def _arrays(path: Path, steps: int) -> Arrays:
    tokens = song(path, steps)
    genre = np.uint32(1 << COMPOSERS.index(_name(path)[0]))
    return {"tracks": tokens, "tags": np.full(len(tokens) // steps, genre)}


def song(path: Path, steps: int = STEPS_PER_BEAT) -> np.ndarray:
    """One piece -> tokens uint8 [T, 4], the highest voice first; a pickup is padded with rests to a whole bar.

    steps: of a beat.

    Raises:
        MusicFusionError: it is in another metre, or not for four voices.
    """
    voices, length = _kern(path, steps) if path.suffix == ".krn" else _musicxml(path, steps)
    if len(voices) != tracks.TRACKS:
        raise MusicFusionError(f"for {len(voices)} voices, not for four")
    bar = musicxml.BAR * steps
    whole = -(-length // bar) * bar
    if whole > LONGEST * bar:
        raise MusicFusionError(f"longer than {LONGEST} bars")
    return np.stack([tracks.encode(voice, whole) for voice in voices], 1)


def _musicxml(path: Path, steps: int) -> tuple[list[np.ndarray], int]:
    root = musicxml.document(path)
    metres = musicxml.metres(root)
    if not metres or not metres <= METRES:
        raise MusicFusionError("not in 4/4 but " + ", ".join(sorted(f"{a}/{b}" for a, b in metres)))
    starts, length = musicxml.bars(root)
    found = [musicxml.notes(part.element, starts, steps) for part in musicxml.parts(root)
             if not part.name.lower().startswith(FIFTH)]
    return [notes for notes in found if len(notes)], length * steps


def _kern(path: Path, steps: int) -> tuple[list[np.ndarray], int]:
    piece = kern.read(path.read_text(encoding="latin-1"))
    if piece.metres != {BREVES} or set(np.diff(piece.bars)) - {2.0 * musicxml.BAR}:
        raise MusicFusionError("not in 4/2 throughout")
    halves = np.array([0.5, 0.5, 1.0])
    found = [grid(np.hstack([voice * halves, np.full((len(voice), 1), 80)]), per_quarter=steps)
             for voice in reversed(piece.voices)]
    return [notes for notes in found if len(notes)], int(np.ceil(piece.length / 2 * steps))


