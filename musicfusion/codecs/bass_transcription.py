"""A recorded bass line as a score: its notes, in quarters of its own beats, from a bar line on.

    samples [n] -> bass_notes.notes [m, 4] in seconds -> bass_beats.beats -> Score
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Num

from musicfusion.codecs import bass_beats, bass_notes
from musicfusion.codecs.bass_beats import BAR
from musicfusion.codecs.score import EARLY, Score, Track

PROGRAM = 33  # General MIDI: electric bass, fingered


class Transcription(NamedTuple):
    """A score of a recording.

    score: one track in 4/4, a tempo for each beat, from a bar line on; offset: when its quarter 0 is, in seconds of the
    recording, before its beginning where that is negative. So quarter q is at `offset + score.seconds(q)`.
    """

    score: Score
    offset: float


def transcribe(samples: Num[np.ndarray, " n"], rate: int, name: str = "") -> Transcription:
    """Transcribe a monophonic bass line.

    samples: mono; rate: in Hz; name: of the score. Notes keep the times that they have in the recording; see
    `score.grid` for the nearest 16ths. The score begins with the bar of its first note; a first note that comes a bit
    too soon, by EARLY quarters at most, moves that bar line to itself. A recording without notes gives a track without.
    """
    notes = bass_notes.notes(samples, rate)
    seconds = len(samples) / rate
    times = _from_a_bar_line(bass_beats.beats(notes, seconds), notes, seconds)
    tempos = np.column_stack([np.arange(len(times) - 1), 60 / np.diff(times)])
    empty = Score((), tempos, ((0.0, BAR, 4),), name)
    begin, end = (np.asarray(empty.quarters(at - times[0])) for at in (notes[:, 0], notes[:, 0] + notes[:, 1]))
    begin = np.maximum(begin, 0.0)  # rounding
    written = np.column_stack([begin, end - begin, notes[:, 2:]])
    track = Track("bass", PROGRAM, False, written)
    return Transcription(Score((track,), tempos, empty.metres, name), float(times[0]))


def _from_a_bar_line(found: bass_beats.Beats, notes: np.ndarray, seconds: float) -> np.ndarray:
    """Beats in seconds [m], two at least, from the bar line of the first note to the end of the recording."""
    start = float(notes[0, 0]) if len(notes) else 0.0
    times, first = found
    if len(times) < 2:
        times, first = times[0] + 60 / bass_beats.DEFAULT * np.arange(2), 0
    long = bass_beats.extended(times, start - 4 * BAR, max(seconds, times[-1]) + 1)
    before = int(np.searchsorted(long, times[0] - 1e-6))
    lines = np.arange((before + first) % BAR, len(long) - 1, BAR)
    soon = long[lines] - EARLY * (long[lines + 1] - long[lines])
    line = lines[max(int(np.searchsorted(soon, start, side="right")) - 1, 0)]
    long = long[line:].copy()
    long[0] = min(long[0], start)
    return long
