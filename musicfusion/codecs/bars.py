"""A part of a score from bar line to bar line, on the grid of 16ths, and the tempo and metre that belong to it.

A pickup is the end of a whole bar: in MIDI it is a short first metre, in a written score an incomplete first bar.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int32

from musicfusion.codecs import beat_tracking, beats, feel
from musicfusion.codecs.feel import Feel
from musicfusion.codecs.score import EARLY, STEPS_PER_QUARTER, Score, grid

Metres = Sequence[tuple[float, int, int]]  # rows (quarter, numerator, denominator), as in a Score

COMMON = (0.0, 4, 4)
_FAR = 0.1  # 16ths: notes are said to be off the grid where they lie farther from it on average
_NAMED = 3  # metres that are named; of a song with more it is said that there are others
_NEAR = 1e-6  # quarters: closer than that is the same


class Aligned(NamedTuple):
    """A score whose beats are known.

    score: with its swing and triplets on the grid of 16ths;  feel: how they were played
    phase: how many quarters after the score's own beats those of its notes lie;  notices: what is to be said of them
    """

    score: Score
    phase: float
    feel: Feel
    notices: tuple[str, ...]


class Part(NamedTuple):
    """A part of a score, in whole bars.

    notes: int32 [n, 3] on the grid (onset step, duration in steps, pitch);  steps: how many 16ths the part lasts
    source: the score;  begin: the quarter of it at which the grid begins, its phase not counted; before 0 where a
    pickup does not fill the first bar;  metres: of the score (see `metres`)
    """

    notes: np.ndarray
    steps: int
    source: Aligned
    begin: float
    metres: Metres

    @property
    def quarters(self) -> float:
        """How long it lasts."""
        return self.steps / STEPS_PER_QUARTER

    @property
    def offset(self) -> float:
        """The quarter of the score's own at which it begins."""
        return self.begin + self.source.phase

    def tempos(self, end: float) -> list[tuple]:
        """Its tempos, counted from where it begins; repeated until the quarter `end`, as it is itself."""
        return cut_out(self.source.score.tempos.tolist(), self.offset, self.quarters, end)

    def own_metres(self, end: float) -> list[tuple]:
        """Its metres, likewise; [] where they are unknown."""
        return cut_out(self.metres, self.begin, self.quarters, end)

    def chords(self, end: float) -> list[tuple]:
        """The chords that its source names, likewise."""
        return cut_out(self.source.score.chords, self.offset, self.quarters, end)

    def feel(self, end: float) -> Feel:
        """How its beats are played, likewise."""
        return self.source.feel.cut_out(self.offset, self.quarters, end)


def aligned(score: Score) -> Aligned:
    """A score on its beats (`phase`), its swing and triplets straight (codecs.feel)."""
    early = phase(score)
    own = feel.of(score, early)
    new = feel.straight(score, own)
    distance, _ = beat_tracking.fit(new, early)
    said = feel.words(own, score.length)
    if distance > _FAR:
        said += (f"notes lie {distance:.2f} of a 16th from the grid on average",)
    return Aligned(new, early, own, said)


def in_bars(notes: Float[np.ndarray, "n 4"], source: Aligned) -> Part:
    """Notes [n, 4] of a score, in quarters -> the same on the grid, from their first bar line to their last.

    Bars are the score's own, beats those of its notes (codecs.beats); a note that is played a little early is not in
    the bar before.
    """
    rows = metres(source.score)
    notes = notes - np.array([source.phase, 0, 0, 0])
    first = np.floor(notes[:, 0].min() * STEPS_PER_QUARTER + 0.5) / STEPS_PER_QUARTER
    offset = line_before(rows, first)
    notes = grid(notes, offset)
    end = line_after(rows, offset + (notes[:, 0] + notes[:, 1]).max() / STEPS_PER_QUARTER)
    steps = int(np.ceil((end - offset - _NEAR) * STEPS_PER_QUARTER))
    return Part(notes, steps, source, offset, rows)


# Bars and beats ------------------------------------------------------------------------------------------------------


def metres(score: Score) -> list[tuple[float, int, int]]:
    """The metres of a score, [] where they are unknown; with a pickup the first begins before 0, with a whole bar.

    A first bar that is shorter than the next is a pickup, unless its metre comes back before the last bar.
    """
    rows = [(at, over, under) for at, over, under in score.metres]
    if len(rows) < 2 or rows[0][0] > 0:
        return rows
    first, second = rows[:2]
    short = second[0] < min(_bar(first) + _NEAR, _bar(second) - _NEAR)
    if short and (first[1:] == second[1:] or all(row[1:] != first[1:] for row in rows[2:-1])):
        return [(second[0] - _bar(second), *second[1:]), *rows[2:]]
    return rows


def phase(score: Score) -> float:
    """How many quarters the beats of the notes lie after the score's own: see codecs.beats.phase.

    Beats are counted from each bar line, for a bar may begin between two quarters of the score. 0 for drums alone.
    """
    if not any(len(track.notes) and not track.is_drum for track in score.tracks):
        return 0.0
    rows = metres(score)
    tracks = []
    for track in score.tracks:
        notes = track.notes.copy()
        notes[:, 0] = (notes[:, 0] - _lines(rows, notes[:, 0] + EARLY)) % 1.0
        tracks.append(dataclasses.replace(track, notes=notes))
    return beats.phase(dataclasses.replace(score, tracks=tuple(tracks), metres=tuple(rows)))


def line_before(rows: Metres, quarter: float) -> float:
    """The last bar line at or before a quarter; the first bar lasts 4/4 until a metre is given."""
    return float(_lines(rows, np.array([quarter]))[0])


def line_after(rows: Metres, quarter: float) -> float:
    """The first bar line at or after a quarter: a bar ends where it is full, or where another metre begins."""
    line = line_before(rows, quarter)
    if quarter - line < _NEAR:
        return line
    length = [_bar(row) for row in _from_0(rows) if row[0] <= quarter][-1]
    return min([line + length, *(at for at, *_ in rows if at > quarter)])


def lines(rows: Metres, steps: int) -> Int32[np.ndarray, " bars"]:
    """The 16ths at which the bars of a piece of `steps` 16ths begin, then `steps`: int32 [bars + 1].

    rows: its metres; without any, bars last four quarters.
    """
    changes = [(round(row[0] * STEPS_PER_QUARTER), round(_bar(row) * STEPS_PER_QUARTER)) for row in _from_0(rows)]
    found: list[int] = []
    for (begin, bar), (end, _) in pairwise([*changes, (steps, 0)]):
        found += range(begin, min(end, steps), max(bar, 1))
    return np.array([*dict.fromkeys(found), steps], np.int32)


def informative(rows: Metres) -> Metres:
    """The same rows; [] where bars of single quarters throughout tell nothing of where the music's bars begin."""
    return [] if all(_bar(row) == 1 for row in rows) else rows


def named(rows: Metres) -> str:
    """Metres in words: "3/4", "4/4 and 3/4"."""
    names = list(dict.fromkeys(f"{over}/{under}" for _, over, under in rows)) or [f"{COMMON[1]}/{COMMON[2]}"]
    names = names if len(names) <= _NAMED else [*names[:_NAMED], "others"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def is_common(rows: Metres) -> bool:
    """Whether no metre but 4/4 is given."""
    return all(row[1:] == COMMON[1:] for row in informative(rows))


def quarters(rows: Metres) -> int:
    """How many quarters a bar has in a picture: 4 where bars differ, or do not last whole quarters."""
    lengths = {_bar(row) for row in rows}
    return int(min(lengths)) if len(lengths) == 1 and not is_common(rows) and min(lengths) % 1 == 0 else 4


def _from_0(rows: Metres) -> list[tuple[float, int, int]]:
    """The same rows, in 4/4 until the first."""
    return [COMMON, *rows] if not rows or rows[0][0] > 0 else list(rows)


def _bar(row: tuple[float, int, int]) -> float:
    """The length of a metre's bars in quarters."""
    return 4.0 * row[1] / row[2]


def _lines(rows: Metres, quarters: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The last bar line at or before each quarter."""
    rows = _from_0(rows)
    begins, lengths = np.array([row[0] for row in rows]), np.array([_bar(row) for row in rows])
    own = np.maximum(np.searchsorted(begins, quarters, side="right") - 1, 0)
    return begins[own] + np.floor((quarters - begins[own]) / lengths[own] + _NEAR) * lengths[own]


# In another piece ----------------------------------------------------------------------------------------------------


def cut_out(rows: Iterable, begin: float, length: float, end: float) -> list[tuple]:
    """A tempo map or metres, in another piece: rows (quarter, what holds from there on).

    What holds in the quarters begin .. begin + length is moved to 0, and repeated until the quarter `end`.
    """
    before = [row for row in rows if row[0] <= max(begin, 0.0)][-1:]
    inside = [(0.0, *row[1:]) for row in before]
    inside += [(row[0] - begin, *row[1:]) for row in rows if begin < row[0] < begin + length]
    found: list[tuple] = []
    for k in range(int(np.ceil(end / length))):
        for quarter, *what in inside:
            if k * length + quarter < end and (not found or found[-1][1:] != tuple(what)):
                found.append((k * length + quarter, *what))
    return found
