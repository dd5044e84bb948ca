"""A recorded line as a score: its notes, in quarters of its own beats, from a bar line on.

    samples [n] -> bass_notes or voice_notes [m, 4] in seconds -> line_beats.beats -> Score
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Num

from musicfusion.codecs import bass_notes, line_beats, voice_notes
from musicfusion.codecs.line_beats import BAR, Habits
from musicfusion.codecs.score import EARLY, Score, Track


class Instrument(NamedTuple):
    """What plays the line: its track's name and General MIDI program, what finds its notes, its usual beats."""

    name: str
    program: int
    notes: Callable
    habits: Habits


BASS = Instrument("bass", 33, bass_notes.notes, line_beats.BASS)  # an electric bass, fingered
VOICE = Instrument("voice", 73, voice_notes.notes, line_beats.VOICE)  # a flute, where notes are played
INSTRUMENTS = {own.name: own for own in (BASS, VOICE)}


class Transcription(NamedTuple):
    """A score of a recording.

    score: one track in 4/4, a tempo for each beat, from a bar line on; offset: when its quarter 0 is, in seconds of the
    recording, before its beginning where that is negative. So quarter q is at `offset + score.seconds(q)`.
    """

    score: Score
    offset: float


def transcribe(samples: Num[np.ndarray, " n"], rate: int, instrument: Instrument, name: str = "",
               tempo: float = 0.0) -> Transcription:
    """Transcribe one line: a bass, or a voice or another instrument, one note at a time.

    samples: mono; rate: in Hz; name: of the score; tempo: about how many beats a minute it has, 0 where that is
    unknown. Notes keep the times that they have in the recording; see `score.grid` for the nearest 16ths. The score
    begins with the bar of its first note; a first note that comes a bit too soon, by EARLY quarters at most, moves that
    bar line to itself. A recording without notes gives a track without.
    """
    notes = instrument.notes(samples, rate)
    seconds = len(samples) / rate
    times = _from_a_bar_line(line_beats.beats(notes, seconds, instrument.habits, tempo), notes, seconds)
    tempos = np.column_stack([np.arange(len(times) - 1), 60 / np.diff(times)])
    empty = Score((), tempos, ((0.0, BAR, 4),), name)
    begin, end = (np.asarray(empty.quarters(at - times[0])) for at in (notes[:, 0], notes[:, 0] + notes[:, 1]))
    begin = np.maximum(begin, 0.0)  # rounding
    written = np.column_stack([begin, end - begin, notes[:, 2:]])
    track = Track(instrument.name, instrument.program, False, written)
    return Transcription(Score((track,), tempos, empty.metres, name), float(times[0]))


def _from_a_bar_line(found: line_beats.Beats, notes: np.ndarray, seconds: float) -> np.ndarray:
    """Beats in seconds [m], two at least, from the bar line of the first note to the end of the recording."""
    start = float(notes[0, 0]) if len(notes) else 0.0
    times, first = found
    if len(times) < 2:
        times, first = times[0] + 60 / line_beats.DEFAULT * np.arange(2), 0
    long = line_beats.extended(times, start - 4 * BAR, max(seconds, times[-1]) + 1)
    before = int(np.searchsorted(long, times[0] - 1e-6))
    lines = np.arange((before + first) % BAR, len(long) - 1, BAR)
    soon = long[lines] - EARLY * (long[lines + 1] - long[lines])
    line = lines[max(int(np.searchsorted(soon, start, side="right")) - 1, 0)]
    long = long[line:].copy()
    long[0] = min(long[0], start)
    return long
