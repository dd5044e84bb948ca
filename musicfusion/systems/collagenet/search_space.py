"""What a search for edits works on: songs as windows of eight beats, and the places and notes that may change in them.

Equal windows of a song are one window, equal bars have the same places, and equal bars of the melody the same notes: so
what repeats is scored once, and edited alike.
"""

import dataclasses
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from musicfusion.codecs import melody, polyphony
from musicfusion.systems.collagenet import edits, reharmony
from musicfusion.systems.collagenet.dataset import PER_BEAT, STEPS
from musicfusion.systems.collagenet.edits import Source
from musicfusion.systems.collagenet.reharmony import OPTIONS

NUDGES = (-2, -1, 1, 2)  # semitones
SLIDES = (-2, -1, 1, 2)  # steps
LEAST_HOP = 12  # steps from one window to the next at least


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """One song's places: the steps at which they begin, then T; the place and the note (or -1) at each step [T]."""

    cells: np.ndarray
    place: np.ndarray
    note: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """All windows of all songs, equal ones of a song once, and what may change in them.

    Attributes:
        tokens, pitch, duration: the windows, [W, 32], [W, 32, 14] x 2.
        row, place, note: at each step [W, 32] the source chord (in maps), the place for a chord, the melody note that
            begins there or -1. Their numbers run through all songs.
        weight, song: of each window [W].
        maps, after: reharmony.pitch_maps of all source chords.
        layouts: of each song.
        first_row, place_song, members: of each place: its first source chord, its song, how often it occurs.
        classes: how long each pitch class of the melody sounds in it  # [places, 12]
        changed: share of its notes that an option changes  # [places, options]
        note_members: how often each note occurs.
        place_taste, note_taste: random nats of each option of a place, of a note's NUDGES  # [places, options],
            [notes, 4]
    """

    tokens: np.ndarray
    pitch: np.ndarray
    duration: np.ndarray
    row: np.ndarray
    place: np.ndarray
    note: np.ndarray
    weight: np.ndarray
    song: np.ndarray
    maps: np.ndarray
    after: np.ndarray
    layouts: list[Layout]
    first_row: np.ndarray
    place_song: np.ndarray
    members: np.ndarray
    classes: np.ndarray
    changed: np.ndarray
    note_members: np.ndarray
    place_taste: np.ndarray
    note_taste: np.ndarray

    @classmethod
    def of(cls, sources: Sequence[Source], seeds: Sequence[int], variety: float) -> "SearchSpace":
        """That of some songs; seeds, variety: as of search.search."""
        tables, rows, known = [], [], 0
        for source in sources:
            unique, number = np.unique(source.chords, axis=0, return_inverse=True)
            tables.append(reharmony.pitch_maps(unique, edits.scale(source)))
            rows.append(np.repeat(number.reshape(-1) + known, PER_BEAT))
            known += len(unique)
        maps, after = (np.concatenate(parts) for parts in zip(*tables, strict=True))
        layouts, counts = _layouts(sources, rows)
        windows = _windows(sources, rows, layouts)
        places = _places(sources, rows, layouts, counts[0], maps)
        members, note_taste = np.zeros(counts[1], int), np.zeros((counts[1], len(NUDGES)))
        place_taste = np.zeros((counts[0], OPTIONS))
        for layout, seed in zip(layouts, seeds, strict=True):
            rng = np.random.default_rng(seed)
            notes, own = layout.note[layout.note >= 0], np.unique(layout.place)
            np.add.at(members, notes, 1)
            place_taste[own] = variety * rng.standard_normal((len(own), OPTIONS))
            note_taste[np.unique(notes)] = variety * rng.standard_normal((len(np.unique(notes)), len(NUDGES)))
        return cls(maps=maps, after=after, layouts=layouts, note_members=members, place_taste=place_taste,
                   note_taste=note_taste, **windows, **places)


def layout(source: Source) -> Layout:
    """That of one song."""
    _, number = np.unique(source.chords, axis=0, return_inverse=True)
    (found,), _ = _layouts([source], [np.repeat(number.reshape(-1), PER_BEAT)])
    return found


def _layouts(sources: Sequence[Source], rows: Sequence[np.ndarray]) -> tuple[list[Layout], tuple[int, int]]:
    """Places and notes of each song, the same number where bars are equal; and how many there are."""
    places: dict = {}
    notes: dict = {}
    found = []
    for k, (source, row) in enumerate(zip(sources, rows, strict=True)):
        borders = edits.cells(source.bars)
        place, note = np.zeros(source.steps, int), np.full(source.steps, -1)
        for begin, end in pairwise(source.bars.tolist()):
            bar = slice(begin, end)
            lead = source.tokens[bar].tobytes()
            both = lead, source.pitch[bar].tobytes(), source.duration[bar].tobytes(), row[bar].tobytes()
            inside = borders[(borders >= begin) & (borders < end)]
            for cell, until in pairwise([*inside.tolist(), end]):
                place[cell:until] = places.setdefault((k, both, cell - begin), len(places))
            for step in np.flatnonzero(source.tokens[bar] < melody.HOLD).tolist():
                note[begin + step] = notes.setdefault((k, lead, step), len(notes))
        found.append(Layout(cells=borders, place=place, note=note))
    return found, (len(places), len(notes))


def _windows(sources, rows, layouts) -> dict[str, np.ndarray]:
    """Windows in which both parts begin a note; equal ones of a song once, with the weight of all."""
    numbers: dict = {}
    found: list[dict] = []
    for k, (source, row, layout) in enumerate(zip(sources, rows, layouts, strict=True)):
        starts = _starts(layout.cells, source.steps)
        for begin, behind in pairwise([*starts.tolist(), source.steps]):
            here = slice(begin, begin + STEPS)
            part = {"tokens": melody.without_carry(source.tokens[here]).astype(np.int32),
                    "pitch": source.pitch[here].astype(np.int32),
                    "duration": polyphony.cut(source.duration[here]).astype(np.int32),
                    "row": row[here], "place": layout.place[here], "note": layout.note[here]}
            if not ((part["tokens"] < melody.HOLD).any() and (part["duration"] > 0).any()):
                continue
            key = k, *(x.tobytes() for x in part.values())
            if key not in numbers:
                numbers[key] = len(found)
                found.append(part | {"weight": 0.0, "song": k})
            found[numbers[key]]["weight"] += (behind - begin) / STEPS
    if not found:
        shapes = {"pitch": (0, STEPS, polyphony.SLOTS), "duration": (0, STEPS, polyphony.SLOTS), "weight": (0,),
                  "song": (0,)}
        return {name: np.zeros(shapes.get(name, (0, STEPS)), float if name == "weight" else int)
                for name in ("tokens", "pitch", "duration", "row", "place", "note", "weight", "song")}
    return {name: np.stack([part[name] for part in found]) for name in found[0]}


def _starts(borders: np.ndarray, steps: int) -> np.ndarray:
    """Where windows begin: at places for chords, LEAST_HOP steps apart at least, the last so that it ends there."""
    last, found = max(steps - STEPS, 0), [0]
    for border in borders[:-1].tolist():
        if border - found[-1] >= LEAST_HOP and border < last:
            found.append(border)
    return np.unique([*found, last])


def _places(sources, rows, layouts, count: int, maps: np.ndarray) -> dict[str, np.ndarray]:
    """What is known of each place beforehand."""
    first_row, song, members = np.zeros(count, int), np.zeros(count, int), np.zeros(count, int)
    classes, changed = np.zeros((count, 12)), np.zeros((count, OPTIONS))
    for k, (source, row, layout) in enumerate(zip(sources, rows, layouts, strict=True)):
        lead = melody.sounding(source.tokens)
        for begin, end in pairwise(layout.cells.tolist()):
            place = layout.place[begin]
            members[place] += 1
            if members[place] > 1:
                continue
            first_row[place], song[place] = row[begin], k
            here, there = lead[begin:end], source.duration[begin:end] > 0
            classes[place] = np.bincount(here[here >= 0] % 12, minlength=12)
            pitch = source.pitch[begin:end][there].astype(int)
            if len(pitch):
                at = np.repeat(row[begin:end], there.sum(1))
                changed[place] = np.mean(maps[at, :, pitch] != pitch[:, None], 0)
    return {"first_row": first_row, "place_song": song, "members": members, "classes": classes, "changed": changed}


def index(numbers: np.ndarray, count: int) -> list[np.ndarray]:
    """Of each number 0..count-1 the windows in which it occurs; numbers [W, 32], -1 for none."""
    w = np.repeat(np.arange(len(numbers)), numbers.shape[1])
    flat = numbers.reshape(-1)
    pairs = np.unique(np.stack([flat, w], 1)[flat >= 0], axis=0)
    return np.split(pairs[:, 1], np.searchsorted(pairs[:, 0], np.arange(1, count))) if count else []
