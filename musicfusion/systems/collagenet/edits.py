"""Exact edits of a melody and an accompaniment: what they are, what they cost, and the music after them.

    shift           one key for the whole song: the melody moves into the accompaniment's, or the other way round
    chords          a new chord for a half bar; the accompaniment follows by rule (reharmony.py)
    nudges, slides  a melody note a semitone or two away; a melody note that begins with a note of the accompaniment

Whatever is not edited stays as it is, to the last bit. Which edits are made search.py decides.
"""

import dataclasses
import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Integer

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.systems.collagenet import reharmony
from musicfusion.systems.collagenet.dataset import PER_BEAT

FLOOR = 0.1  # nats that an edit costs at least
KEYS = ("either", "melody", "accompaniment")  # whose key holds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A pair on one grid of 16ths.

    Attributes:
        tokens: the melody, int [T].
        pitch, duration: the accompaniment's slots, int [T, 14].
        chords: rows int [T / 4, 3].
        bars: the steps at which bars begin, then T.
    """

    tokens: np.ndarray
    pitch: np.ndarray
    duration: np.ndarray
    chords: np.ndarray
    bars: np.ndarray

    @property
    def steps(self) -> int:
        """T."""
        return len(self.tokens)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prices:
    """What each edit costs, in nats of a window of eight beats; infinity forbids it.

    Attributes:
        chord: of a new chord, for a place whose notes all change; fewer cost less.
        voicing: added to it where the voicing changes, too.
        nudge, slide: of a note.
        melody_moves, accompaniment_moves: which part may be transposed as a whole, which costs nothing.
    """

    chord: float
    voicing: float
    nudge: float
    slide: float
    melody_moves: bool = True
    accompaniment_moves: bool = False


def price(base: float, control: float) -> float:
    """The price at a control of 0 to 1: `base` at one half, next to nothing at 0, infinite at 1."""
    return math.inf if control >= 1 else FLOOR + base * control / (1 - control)


def prices(controls: Mapping[str, Any], *, chord: float, voicing: float, nudge: float, slide: float) -> Prices:
    """What edits cost under a user's controls; the other arguments are the prices at controls of one half.

    The part whose control is lower is transposed, of equals the melody, unless "key" says whose key holds. At chord 1
    the accompaniment never is, so with the melody's key held nothing is transposed then.
    """
    keep = controls["key"]
    accompaniment = controls["chord"] < 1 and (
        keep == "melody" or (keep == "either" and controls["chord"] < controls["pitch"]))
    return Prices(chord=price(chord, controls["chord"]), voicing=price(voicing, controls["texture"]),
                  nudge=price(nudge, controls["pitch"]), slide=price(slide, controls["rhythm"]),
                  melody_moves=keep != "melody" and not accompaniment, accompaniment_moves=accompaniment)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Edits:
    """What is done to one pair.

    Attributes:
        melody_shift, accompaniment_shift: semitones by which a part moves as a whole; one of them is 0.
        cells: the steps at which places for chords begin, then T.
        options: what becomes of the chord in each, int [cells]; reharmony.OWN keeps it. They name chords in the
            accompaniment's own key, before its shift.
        nudges, slides: semitones and steps at each onset of the source, int [T], else 0.
    """

    melody_shift: int
    accompaniment_shift: int
    cells: np.ndarray
    options: np.ndarray
    nudges: np.ndarray
    slides: np.ndarray


def none(source: Source) -> Edits:
    """No edit at all."""
    borders = cells(source.bars)
    still = np.zeros(source.steps, np.int32)
    return Edits(melody_shift=0, accompaniment_shift=0, cells=borders, options=np.zeros(len(borders) - 1, np.int32),
                 nudges=still, slides=still)


def cells(bars: Integer[np.ndarray, " bars"]) -> Integer[np.ndarray, " cells"]:
    """Where chords may change: at half bars, where a half lasts two whole beats at least; else at bars."""
    found: list[int] = []
    for begin, end in pairwise(bars.tolist()):
        half, odd = divmod(end - begin, 2)
        halves = not odd and half % PER_BEAT == 0 and half >= reharmony.HALF * PER_BEAT
        found += [begin, begin + half] if halves else [begin]
    return np.array([*found, bars[-1]], np.int32)


def scale(source: Source) -> int:
    """The seven pitch classes that the accompaniment sounds longest, as a mask."""
    there = source.duration > 0
    weight = np.bincount(source.pitch[there].astype(int) % 12, source.duration[there], minlength=12)
    return int(sum(1 << int(c) for c in np.argsort(-weight, kind="stable")[:7]))


# After them ----------------------------------------------------------------------------------------------------------


class Rendering(NamedTuple):
    """Where the accompaniment's pitches go: at step t, pitch p to maps[row[t], option[t]][p]; and its chords then.

    maps: [rows, options, 128];  row, option: [T];  chords: [T / 4, 3], before the shift
    """

    maps: np.ndarray
    row: np.ndarray
    option: np.ndarray
    chords: np.ndarray


def rendering(source: Source, edits: Edits) -> Rendering:
    """How the edits' chords are recognised in this accompaniment."""
    rows, number = np.unique(source.chords, axis=0, return_inverse=True)
    maps, after = reharmony.pitch_maps(rows, scale(source))
    option = np.repeat(edits.options, np.diff(edits.cells))
    number = number.reshape(-1)
    return Rendering(maps, np.repeat(number, PER_BEAT), option, after[number, option[::PER_BEAT]])


def pitches(source: Source, edits: Edits, steps: Integer[np.ndarray, " n"], pitch: Integer[np.ndarray, " n"]
            ) -> Integer[np.ndarray, " n"]:
    """What becomes of accompaniment notes: their onset steps and pitches -> new pitches, each [n]."""
    way = rendering(source, edits)
    at = np.clip(steps, 0, source.steps - 1)
    moved = way.maps[way.row[at], way.option[at], pitch] + edits.accompaniment_shift
    return np.asarray(melody.fold(moved), np.int32)


def apply(source: Source, edits: Edits) -> dict[str, np.ndarray]:
    """The pair after its edits: {"melody" [T], "pitch", "duration" [T, 14], "chords" [T / 4, 3]}, int32."""
    way = rendering(source, edits)
    there = source.duration > 0
    pitch = way.maps[way.row[:, None], way.option[:, None], source.pitch].astype(np.int32)
    pitch = polyphony.transpose(pitch, source.duration, edits.accompaniment_shift) * there
    return {
        "melody": melody_after(source.tokens, edits),
        "pitch": pitch,
        "duration": source.duration.astype(np.int32),
        "chords": chords.transpose(way.chords, edits.accompaniment_shift),
    }


def melody_after(tokens: Integer[np.ndarray, " T"], edits: Edits) -> Integer[np.ndarray, " T"]:
    """The melody after its edits, tokens int32 [T]; a slide for which another has left no room is not made."""
    moved = melody.transpose(melody.transpose(tokens, edits.melody_shift), edits.nudges)
    for step in np.flatnonzero(edits.slides).tolist():
        if may_slide(moved, step, int(edits.slides[step])):
            moved = slid(moved, step, int(edits.slides[step]))
    return moved


def made_slides(tokens: Integer[np.ndarray, " T"], edits: Edits) -> Integer[np.ndarray, " T"]:
    """The slides that `melody_after` makes."""
    made, moved = np.zeros_like(edits.slides), tokens
    for step in np.flatnonzero(edits.slides).tolist():
        if may_slide(moved, step, int(edits.slides[step])):
            moved, made[step] = slid(moved, step, int(edits.slides[step])), edits.slides[step]
    return made


def slid(tokens: Integer[np.ndarray, " T"], step: int, by: int) -> Integer[np.ndarray, " T"]:
    """Tokens [T] in which the note that begins at `step` begins `by` steps later (earlier, if negative).

    Its end stays; what sounds before it ends where it begins. See `may_slide`.
    """
    new = tokens.copy()
    target = step + by
    if by < 0:
        new[target + 1 : step + 1] = melody.HOLD
    else:
        new[step:target] = melody.HOLD if step and tokens[step - 1] != melody.REST else melody.REST
    new[target] = tokens[step]
    return new


def may_slide(tokens: Integer[np.ndarray, " T"], step: int, by: int) -> bool:
    """Whether the note at `step` can begin `by` steps later without passing another, or its own end."""
    target = step + by
    if not 0 <= target < len(tokens):
        return False
    if by < 0:
        return not (tokens[target:step] < melody.HOLD).any()
    return bool((tokens[step + 1 : target + 1] == melody.HOLD).all())
