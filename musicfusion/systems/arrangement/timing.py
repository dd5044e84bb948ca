"""When the source's notes begin, and where beats and bars are: from a song's marks, or found in its sound.

Rules know the beats of what was played from notes better than any program that listens: rows made with them are as good
as such rules can be.
"""

from typing import NamedTuple

import numpy as np

from musicfusion.codecs import beat_tracking
from musicfusion.codecs.line_beats import extended
from musicfusion.data import marks
from musicfusion.metrics import onsets
from musicfusion.systems.arrangement.dataset import RATE, Song

BAR = 4  # beats, where bars are not known
DEFAULT = 120.0  # beats a minute, where there is nothing to track


class Timing(NamedTuple):
    """A song's time.

    onsets: of the source in seconds [n];  beats: in seconds [m], ascending, from before its beginning to its end
    first: the index of a beat that begins a bar
    """

    onsets: np.ndarray
    beats: np.ndarray
    first: int


def timing(song: Song) -> Timing:
    """What the song's marks say; where they say nothing, `tracked`."""
    beats = marks.seconds(song.marks, marks.BEAT, RATE)
    if len(beats) < 2:
        return tracked(song.source)
    bars = marks.seconds(song.marks, marks.BAR, RATE)
    long = extended(beats, 0.0, len(song.source) / RATE)
    first = int(np.argmin(np.abs(long - bars[0]))) if len(bars) else 0
    return Timing(marks.seconds(song.marks, marks.SOURCE, RATE), long, first)


def tracked(source: np.ndarray) -> Timing:
    """The onsets that are found in a source [T, M], and beats that follow their tempo (codecs.beat_tracking).

    Where bars begin is not looked for.
    """
    found = onsets.onsets(source, RATE)
    beats = beat_tracking.through(found, np.ones(len(found))) if len(found) > 1 else found
    if len(beats) < 2:
        beats = (found[0] if len(found) else 0.0) + 60 / DEFAULT * np.arange(2)
    return Timing(found, extended(beats, 0.0, len(source) / RATE), 0)


def divided(beats: np.ndarray, parts: int) -> np.ndarray:
    """Each beat in equal parts: seconds [m] -> [(m - 1) parts + 1]."""
    return np.interp(np.arange(parts * (len(beats) - 1) + 1) / parts, np.arange(len(beats)), beats)


def positions(seconds: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Where moments are, counted in beats: [n], [m] -> [n]."""
    return np.interp(seconds, beats, np.arange(len(beats)))
