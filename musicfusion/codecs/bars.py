"""A part of a score from bar line to bar line, on the grid of 16ths, and the tempo and metre that belong to it."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from musicfusion.codecs.beats import phase
from musicfusion.codecs.score import STEPS_PER_QUARTER, Score, grid


class Part(NamedTuple):
    """A part of a score, in whole bars.

    notes: int32 [n, 3] on the grid (onset step, duration in steps, pitch);  steps: how many 16ths the part lasts
    begin: the quarter of the score at which the grid begins;  phase: how many quarters the notes were moved before
    """

    notes: np.ndarray
    steps: int
    score: Score
    begin: float
    phase: float


def in_bars(notes: Float[np.ndarray, "n 4"], score: Score) -> Part:
    """Notes [n, 4] in quarters -> the same on the grid, from their first bar line to their last.

    Bars are the score's own, beats those of its notes (codecs.beats); a note that is played a little early is not in
    the bar before.
    """
    early = phase(score)
    notes = notes - np.array([early, 0, 0, 0])
    first = np.floor(notes[:, 0].min() * STEPS_PER_QUARTER + 0.5) / STEPS_PER_QUARTER
    begin, bar = _metre(score, first)
    offset = begin + np.floor((first - begin) / bar) * bar
    notes = grid(notes, offset)
    last = offset + (notes[:, 0] + notes[:, 1]).max() / STEPS_PER_QUARTER
    begin, bar = _metre(score, last)
    end = begin + np.ceil((last - begin) / bar) * bar
    return Part(notes, int(np.ceil((end - offset) * STEPS_PER_QUARTER)), score, float(offset), early)


def _metre(score: Score, quarter: float) -> tuple[float, float]:
    """The metre in force at a quarter: since when, and the length of its bars in quarters."""
    begin, bar = 0.0, 4.0
    for at, numerator, denominator in score.metres:
        if at <= quarter:
            begin, bar = at, 4.0 * numerator / denominator
    return begin, bar


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
