"""How loud a recorded line is: what of it is silence, and the velocities of its notes."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Num

from musicfusion.codecs.audio import resampled
from musicfusion.codecs.pitch import Range, levels

LOUD_NOTE = 100  # the velocity of a loud note
_LOUD = 95  # percentile of the levels of frames that is loud
_SILENCE, _QUIET = -60.0, -38.0  # dB of full scale, and of what is loud: below the louder of both is silence


class Line(NamedTuple):
    """A recorded line, as its notes are looked for.

    sound: at the rate of a Range, what is loud has an RMS of 1; level: of each frame, in dB of full scale; floor: what
    is below is silence.
    """

    sound: Float32[np.ndarray, " n"]
    level: Float[np.ndarray, " T"]
    floor: float


def levelled(samples: Num[np.ndarray, " n"], rate: int, own: Range) -> Line | None:
    """Mono samples, at any rate and level, as a Line; None where there is nothing but silence."""
    sound = np.nan_to_num(resampled(np.asarray(samples, np.float32), rate, own.rate))
    level = levels(sound, own)
    loud = float(np.percentile(level, _LOUD))
    if loud <= _SILENCE or len(sound) < own.window:
        return None
    return Line(sound / np.float32(10 ** (loud / 20)), level, max(_SILENCE, loud + _QUIET))


def in_seconds(rows: Float[np.ndarray, "m 4"], own: Range) -> Float[np.ndarray, "m 4"]:
    """Notes (start and end in frames, pitch, level in dB) as onset and duration in seconds, pitch and velocity.

    Velocities compare the notes of one line: 1 in 10 is louder than LOUD_NOTE.
    """
    if not len(rows):
        return rows
    start, end, pitch, level = rows.T
    velocity = LOUD_NOTE * 10 ** ((level - np.percentile(level, 90)) / 30)  # as amplitude is velocity ** 1.5
    onset = start * own.hop / own.rate
    return np.column_stack([onset, end * own.hop / own.rate - onset, pitch, np.clip(velocity, 1, 127)])
