"""The notes of a recorded bass line: one voice of a bass guitar, a double bass or a synthesiser.

    samples [n] -> levels [T], costs of pitches [T, P], onsets [k] -> notes [m, 4] in seconds

A path of the pitch is found by dynamic programming (codecs.pitch). Notes begin at onsets (codecs.onsets) and where the
pitch changes.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num

from musicfusion.codecs import pitch as pitches
from musicfusion.codecs.line_levels import in_seconds, levelled
from musicfusion.codecs.onsets import Flux, onsets

RANGE = pitches.Range(lowest=23, highest=67, octave=0.1, rate=11025, hop=128, window=512, centre=300,
                      passed=(25, 800))  # from B0, the lowest string of five, to G4
FLUX = Flux(rate=RANGE.rate, hop=RANGE.hop, window=640, low=20.0, high=5000.0, clear=0.014, late=60)
_NO_PITCH, _UNSURE = 0.4, 0.5  # the cost of no pitch, beside 0 of a periodic sound; most for a short note
_CHANGE = 0.5  # what it costs that the pitch changes between frames

# Notes; in frames
_SAME = 8  # a change of pitch so near to an onset belongs to it
_SETTLE, _HEAD = 2, 25  # pitch is not yet clear at first; frames that tell it
_SHORTEST = 4  # least of a note without an onset of its own
_APPROACH, _SLIDE = 6, 10  # what is shorter is a slide where a note begins, and where the pitch changes without onset
_GONE = 26.0  # dB below its beginning a note has ended


class _Segment(NamedTuple):
    """What lies between two boundaries: frames from start to end, and whether it was struck there."""

    start: float
    end: float
    struck: bool


def notes(samples: Num[np.ndarray, " n"], rate: int) -> Float[np.ndarray, "m 4"]:
    """The notes of a monophonic bass line: float64 [m, 4], onset and duration in seconds, MIDI pitch, velocity 1..127.

    samples: mono, of any level; rate: in Hz. Notes are in order and do not overlap. Velocities compare the notes of one
    line: 1 in 10 is louder than LOUD_NOTE. Silence, noise and clicks have no notes; a slide belongs to the note where
    it begins.
    """
    line = levelled(samples, rate, RANGE)
    if line is None:
        return np.zeros((0, 4))
    sound, level, floor = line
    costs = pitches.by_semitone(pitches.costs(sound, RANGE), RANGE)
    costs[level < floor] = 1.0
    path = pitches.path(np.column_stack([costs, np.full(len(costs), _NO_PITCH, np.float32)]), _CHANGE)
    path[path == costs.shape[1]] = -1
    rows = _line(_segments(path, onsets(sound, FLUX)), path, costs, level, floor)
    return in_seconds(np.array(rows).reshape(-1, 4), RANGE)


# Notes ---------------------------------------------------------------------------------------------------------------


def _segments(path: np.ndarray, struck: np.ndarray) -> list[_Segment]:
    """What lies between onsets [k] and changes of the pitch path [T] that are not near one."""
    changes = np.flatnonzero(np.diff(path)) + 1.0
    changes = changes[np.abs(changes[:, None] - struck).min(axis=1, initial=np.inf) > _SAME]
    starts = [(0.0, False), *((at, True) for at in struck.tolist()), *((at, False) for at in changes.tolist())]
    starts.sort()
    ends = [start for start, _ in starts[1:]] + [float(len(path))]
    return [_Segment(start, end, hit) for (start, hit), end in zip(starts, ends, strict=True)]


def _line(
    segments: list[_Segment], path: np.ndarray, costs: np.ndarray, level: np.ndarray, floor: float
) -> list[tuple[float, float, int, float]]:
    """Notes (start, end, pitch, level): frames, dB. What follows a slide, or goes on at its pitch, is no new note."""
    line: list[tuple[float, float, int, float]] = []
    for segment in segments:
        note = _note(segment, path, costs, level, floor)
        if note is None:
            continue
        if line and not segment.struck and segment.start - line[-1][1] < 3:
            start, end, pitch, loudness = line[-1]
            if end - start < _APPROACH:  # it began with a slide
                line[-1] = (start, note[1], note[2], loudness)
                continue
            if pitch == note[2] or segment.end - segment.start < _SLIDE:
                line[-1] = (start, note[1], pitch, loudness)
                continue
        line.append(note)
    return line


def _note(
    segment: _Segment, path: np.ndarray, costs: np.ndarray, level: np.ndarray, floor: float
) -> tuple[float, float, int, float] | None:
    """The note of a segment, (start, end, pitch, level), or None: it has no pitch, or is over before it began."""
    last = max(round(segment.end), round(segment.start) + 1)
    first = min(round(segment.start) + (_SETTLE if segment.struck else 0), last - 1)
    voiced = first + np.flatnonzero(path[first:last] >= 0)
    if not segment.struck and len(voiced) < _SHORTEST:
        return None
    if not len(voiced):  # a short one, such as a muted string's
        voiced = np.arange(first, min(first + _SHORTEST, last))
        if costs[voiced].mean(axis=0).min() > _UNSURE:
            return None
    pitch = RANGE.lowest + int(costs[voiced[:_HEAD]].mean(axis=0).argmin())
    loudness = float(level[first : first + _APPROACH].max())
    gone = voiced[(level[voiced] < max(floor, loudness - _GONE)) & (voiced > first + _SHORTEST)]
    end = float(gone[0]) if len(gone) else min(float(voiced[-1] + 1), segment.end)
    return (segment.start, end, pitch, loudness) if end - segment.start >= 2 else None
