"""What a score says of the recording that was made of it: onsets, beats and bar lines, as bits of uint8 [frames].

Of a recording nothing is known: all its bits are 0.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from musicfusion.codecs import drums
from musicfusion.codecs.score import Score, Track

KNOWN, SOURCE, KICK, SNARE, OTHER, BEAT, BAR = (1 << bit for bit in range(7))
TARGET = KICK | SNARE | OTHER  # an onset of the target; what is no drum is OTHER
BAR_LENGTH = 4.0  # quarters, where a score names no metre


def of_score(
    score: Score, source: Iterable[Track], target: Iterable[Track], frames: int, rate: float
) -> UInt8[np.ndarray, " frames"]:
    """The marks of a score that is played, uint8 [frames].

    source, target: the tracks of both parts; rate: frames a second.
    """
    found = np.full(frames, KNOWN, np.uint8)

    def mark(quarters: Float[np.ndarray, " n"], bit: int) -> None:
        at = np.rint(np.asarray(score.seconds(quarters)) * rate).astype(int)
        found[at[at < frames]] |= np.uint8(bit)

    for track in source:
        mark(track.notes[:, 0], SOURCE)
    for track in target:
        kick, snare = (np.isin(track.notes[:, 2], keys) & track.is_drum for keys in drums.KEYS[:2])
        for bit, own in ((KICK, kick), (SNARE, snare), (OTHER, ~(kick | snare))):
            mark(track.notes[own, 0], bit)
    end = float(score.quarters(frames / rate))
    mark(np.arange(0.0, end), BEAT)
    mark(_bars(score.metres, end), BAR)
    return found


def _bars(metres: Sequence[tuple[float, int, int]], end: float) -> np.ndarray:
    """The quarters at which bars begin, up to `end`."""
    metres = metres or ((0.0, int(BAR_LENGTH), 4),)
    ends = [*(metre[0] for metre in metres[1:]), end]
    return np.concatenate([np.zeros(0), *(
        np.arange(begin, max(begin, last), 4 * count / unit)
        for (begin, count, unit), last in zip(metres, ends, strict=True))])


def seconds(marks: UInt8[np.ndarray, " T"], bits: int, rate: float) -> Float[np.ndarray, " n"]:
    """When any of `bits` is marked, in seconds, ascending. rate: frames a second."""
    return np.flatnonzero(marks & bits) / rate
