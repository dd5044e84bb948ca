"""The notes of a recorded voice, or of any instrument that plays one note at a time.

    samples [n] -> pitch, in semitones, at each frame [T] -> notes of one pitch each [m, 4] in seconds

A voice glides, trembles and sings a little flat, so that its pitch is no note's. Notes are found as a whole, by dynamic
programming: those from which the pitch is least away, where each note more costs something. All are tuned as the voice
is on average. Onsets (codecs.onsets) part notes of one pitch.
"""

import numpy as np
from jaxtyping import Float, Float32, Num

from musicfusion.codecs import pitch as pitches
from musicfusion.codecs.line_levels import in_seconds, levelled
from musicfusion.codecs.onsets import Flux, onsets
from musicfusion.codecs.pitch import PARTS

RANGE = pitches.Range(lowest=36, highest=100, octave=0.06, rate=22050, hop=256, window=1024, centre=600,
                      passed=(60, 4000))  # from C2, a low bass, to E7, a high whistle
FLUX = Flux(rate=RANGE.rate, hop=RANGE.hop, window=1024, low=60.0, high=9000.0, clear=0.03, late=120)

_NO_PITCH, _LEAP = 0.25, 1.0  # the cost of no pitch, beside 0 of a periodic sound; what a leap between frames costs
_FAR = 1.0  # semitones: a pitch farther from a note costs no more
_OTHER = 2.0  # what it costs that a note has no pitch in a frame, or that a pitch belongs to no note
_NOTE = 5.0  # what it costs that a note begins, and that it ends
_TREMBLE, _HELD = 17, 2.5  # frames of a period of vibrato; semitones: where pitch moves less, a note is held
_SAME = 8  # frames: a change of pitch so near to an onset belongs to it
_SHORTEST = 8  # frames with a pitch: least of a note


def notes(samples: Num[np.ndarray, " n"], rate: int) -> Float[np.ndarray, "m 4"]:
    """The notes of a line that is sung, whistled or played: float64 [m, 4], as of bass_notes.notes.

    Rows are onset and duration in seconds, MIDI pitch, velocity 1..127; they are in order and do not overlap. Pitches
    are whole, and in tune with the line itself. Velocities compare the notes of one line. samples: mono, of any level;
    rate: in Hz. Silence, noise and clicks have no notes.
    """
    line = levelled(samples, rate, RANGE)
    if line is None:
        return np.zeros((0, 4))
    sound, level, floor = line
    pitch = _pitch(sound, level < floor)
    sounding = ~np.isnan(pitch)
    path = _notes(pitch - _tuning(pitch))
    rows = []
    for begin, end in _segments(path, onsets(sound, FLUX)):
        voiced = begin + np.flatnonzero(sounding[begin:end])
        if path[begin] >= 0 and len(voiced) >= _SHORTEST:
            rows.append((voiced[0], voiced[-1] + 1, RANGE.lowest + path[begin], level[begin:end].max()))
    return in_seconds(np.array(rows, float).reshape(-1, 4), RANGE)


def _pitch(sound: Float32[np.ndarray, " n"], silent: np.ndarray) -> Float[np.ndarray, " T"]:
    """The pitch at each frame in semitones, NaN where there is none. silent: bool [T]."""
    fine = pitches.costs(sound, RANGE)
    costs = pitches.by_semitone(fine, RANGE)
    costs[silent] = 1.0
    path = pitches.path(np.column_stack([costs, np.full(len(costs), _NO_PITCH, np.float32)]), _LEAP)
    at = np.flatnonzero(path < costs.shape[1])
    near = path[at, None] * PARTS + np.arange(-PARTS // 2, PARTS + PARTS // 2 + 1)  # a semitone around
    near = np.clip(near, 1, fine.shape[1] - 2)
    best = near[np.arange(len(at)), fine[at[:, None], near].argmin(axis=1)]
    before, own, after = (fine[at, best + k] for k in (-1, 0, 1))
    bend = before - 2 * own + after
    moved = np.where(bend > 1e-6, (before - after) / 2 / np.maximum(bend, 1e-6), 0).clip(-0.5, 0.5)  # of the parabola
    pitch = np.full(len(path), np.nan)
    pitch[at] = RANGE.tried[best] + moved / PARTS
    return pitch


def _tuning(pitch: np.ndarray) -> float:
    """How much sharp a line is on average, -0.5..0.5 semitones; pitch [T], NaN where there is none.

    Pitches are means over a period of vibrato, for a wide one is most of the time far from its note.
    """
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(pitch, _TREMBLE // 2, constant_values=np.nan), _TREMBLE)
    held = windows[np.ptp(windows, axis=1) < _HELD]  # False where one is NaN
    means = held.mean(axis=1) if len(held) else pitch[~np.isnan(pitch)]
    return float(np.angle(np.exp(2j * np.pi * means).sum()) / (2 * np.pi))


def _notes(pitch: np.ndarray) -> np.ndarray:
    """The note that sounds at each frame, int [T]: semitones over the lowest, -1 where there is none.

    pitch: in semitones, NaN where there is none.
    """
    away = np.abs(pitch[:, None] - np.arange(RANGE.lowest, RANGE.highest + 1))
    costs = np.where(np.isnan(away), _OTHER, np.minimum(away, _FAR) ** 2)
    silence = np.where(np.isnan(pitch), 0, _OTHER)
    path = pitches.path(np.column_stack([costs, silence]).astype(np.float32), _NOTE)
    return np.where(path == costs.shape[1], -1, path)


def _segments(path: np.ndarray, starts: np.ndarray) -> list[tuple[int, int]]:
    """Frames (begin, end) between changes of the path of notes [T] and onsets [k] that are not near one."""
    changes = np.flatnonzero(np.diff(path)) + 1
    apart = np.abs(starts[:, None] - changes).min(axis=1, initial=np.inf) > _SAME
    inside = np.rint(starts[apart]).astype(int)
    bounds = np.unique(np.concatenate([[0], changes, inside[inside < len(path)], [len(path)]]))
    return [*zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]
