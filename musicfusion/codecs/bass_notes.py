"""The notes of a recorded bass line: one voice of a bass guitar, a double bass or a synthesiser.

    samples [n] -> levels [T], costs of pitches [T, P], novelty [2T] -> notes [m, 4] in seconds

Pitch is YIN's (de Cheveigné and Kawahara, JASA 2002), and its path is found by dynamic programming. Onsets are peaks of
the spectral flux of logarithmic bands, where each band is compared with the loudest of its neighbours before (Böck and
Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013), and changes of the pitch.
"""

from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal
from jaxtyping import Float, Num

from musicfusion.codecs.audio import resampled

LOWEST, HIGHEST = 23, 67  # MIDI pitches: B0, the lowest string of five, to G4
LOUD_NOTE = 100  # the velocity of a loud note
RATE = 11025  # Hz: the sound is resampled to it
HOP = 128  # samples between frames; onsets are placed twice as exactly

_BLOCK = 2048  # windows transformed at once
_LOUD = 95  # percentile of the levels of frames that is loud
_SILENCE, _QUIET = -60.0, -38.0  # dB of full scale, and of what is loud: below the louder of both is silence

# Pitch
_WINDOW, _SIZE = 512, 1024  # samples that are compared with later ones, and of the transform for that
_CENTRE = 300  # samples from the beginning of a window to the moment that it tells of
_BAND = scipy.signal.butter(2, (25, 800), "bandpass", fs=RATE, output="sos")
_PARTS = 5  # lags tried for a semitone
_NO_PITCH, _UNSURE = 0.4, 0.5  # the cost of no pitch, beside 0 of a periodic sound; most for a short note
_OCTAVE, _MIDDLE = 0.1, 40  # what an octave more below that pitch costs: two periods are a period too
_CHANGE = 0.5  # what it costs that the pitch changes between frames

# Onsets; in frames of half a hop where nothing else is said
_FLUX, _LAG = 640, 6  # samples of a window; how much earlier is the window that it is compared with
_BANDS, _LOW, _HIGH, _BEND = 40, 20.0, 5000.0, 150.0  # evenly on log(1 + f / _BEND), f in Hz
_GAMMA = 100.0  # levels are log10(1 + _GAMMA amplitude), where what is loud has an RMS of 1
_APART, _AROUND = 6, 20  # least distance of two onsets; how far around an onset the average reaches
_CLEAR, _STANDS_OUT = 0.014, 0.8  # novelty of an onset: more than this, and than so many times the average more
_LATE = 60  # samples from a peak to its onset

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
    sound = np.nan_to_num(resampled(np.asarray(samples, np.float32), rate, RATE))
    level = _levels(sound)
    loud = float(np.percentile(level, _LOUD))
    if loud <= _SILENCE or len(sound) < _WINDOW:
        return np.zeros((0, 4))
    floor = max(_SILENCE, loud + _QUIET)
    sound = sound / np.float32(10 ** (loud / 20))
    costs = _pitch_costs(sound)
    costs[level < floor] = 1.0
    path = _path(np.column_stack([costs, np.full(len(costs), _NO_PITCH, np.float32)]), _CHANGE)
    path[path == costs.shape[1]] = -1
    line = _line(_segments(path, _struck(_novelty(sound))), path, costs, level, floor)
    return _in_seconds(np.array(line).reshape(-1, 4))


def _windows(sound: np.ndarray, size: int, hop: int, centre: int) -> np.ndarray:
    """Windows [1 + n // hop, size] of a sound [n], a view: sample `centre` of the first is that of the beginning."""
    padded = np.pad(sound, (centre, size))
    return np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][: 1 + len(sound) // hop]


def _levels(sound: np.ndarray) -> np.ndarray:
    """The level of the window around each frame, in dB of full scale [T]."""
    windows = _windows(sound, _WINDOW, HOP, _WINDOW // 2)
    return 10 * np.log10(np.maximum(np.einsum("tn,tn->t", windows, windows) / _WINDOW, 1e-12))


# Pitch ---------------------------------------------------------------------------------------------------------------


def _pitch_costs(sound: np.ndarray) -> np.ndarray:
    """What each semitone from LOWEST to HIGHEST costs at each frame: float32 [T, P], about 0 for a tone of that pitch.

    It is the least of YIN's normalised differences at the lags of a semitone; see _OCTAVE.
    """
    filtered = scipy.signal.sosfiltfilt(_BAND, sound).astype(np.float32)
    tried = LOWEST - 0.5 + (np.arange((HIGHEST - LOWEST + 1) * _PARTS) + 0.5) / _PARTS
    lags = RATE / (440 * 2 ** ((tried - 69) / 12))
    left = lags.astype(int)
    share = (lags - left).astype(np.float32)
    count = int(left.max()) + 2
    frames = _windows(filtered, _WINDOW + count, HOP, _CENTRE)
    costs = np.empty((len(frames), HIGHEST - LOWEST + 1), np.float32)
    for first in range(0, len(frames), _BLOCK):
        normal = _differences(frames[first : first + _BLOCK], count)
        between = normal[:, left] * (1 - share) + normal[:, left + 1] * share
        costs[first : first + _BLOCK] = between.reshape(len(between), -1, _PARTS).min(axis=2)
    return costs + np.float32(_OCTAVE / 12) * (_MIDDLE - np.arange(LOWEST, HIGHEST + 1, dtype=np.float32))


def _differences(frames: np.ndarray, count: int) -> np.ndarray:
    """YIN's cumulative mean normalised difference of frames [B, _WINDOW + count] at lags from 0 on: [B, count]."""
    spectrum = scipy.fft.rfft(frames, _SIZE)
    spectrum *= scipy.fft.rfft(frames[:, :_WINDOW], _SIZE).conj()
    product = scipy.fft.irfft(spectrum, _SIZE)[:, :count]
    power = np.cumsum(np.pad(frames.astype(np.float64) ** 2, ((0, 0), (1, 0))), axis=1)
    power = power[:, _WINDOW : _WINDOW + count] - power[:, :count]
    difference = np.maximum(power[:, :1] + power - 2 * product, 0)
    mean = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, count)
    return np.column_stack([np.ones(len(frames)), difference[:, 1:] / np.maximum(mean, 1e-9)])


def _path(costs: np.ndarray, change: float) -> np.ndarray:
    """The states [T] whose costs [T, S] have the least sum, where each change costs as much again."""
    total = costs[0].copy()
    before = np.empty(costs.shape, np.int16)
    same = np.arange(costs.shape[1])
    for frame in range(1, len(costs)):
        best = total.argmin()
        other = total[best] + change
        before[frame] = np.where(total > other, best, same)
        total = np.minimum(total, other) + costs[frame]
    path = np.empty(len(costs), int)
    path[-1] = total.argmin()
    for frame in range(len(costs) - 1, 0, -1):
        path[frame - 1] = before[frame, path[frame]]
    return path


# Onsets --------------------------------------------------------------------------------------------------------------


def _novelty(sound: np.ndarray) -> np.ndarray:
    """By how much bands become louder on average, at each half of a frame [2T]."""
    frames = _windows(sound, _FLUX, HOP // 2, _FLUX // 2)
    hann = scipy.signal.get_window("hann", _FLUX).astype(np.float32) * np.float32(4 / _FLUX)
    bank = _bands()
    levels = np.empty((len(frames), _BANDS), np.float32)
    for first in range(0, len(frames), _BLOCK):
        spectrum = np.abs(scipy.fft.rfft(frames[first : first + _BLOCK] * hann))
        levels[first : first + _BLOCK] = np.log10(1 + _GAMMA * (spectrum @ bank))
    before = scipy.ndimage.maximum_filter1d(levels, 3, axis=1)[:-_LAG]
    return np.pad(np.maximum(levels[_LAG:] - before, 0).mean(axis=1), (_LAG // 2, _LAG - _LAG // 2))[: len(levels)]


def _bands() -> np.ndarray:
    """Triangular filters [bins, _BANDS], each of sum 1; a bin at least is in each."""
    position = np.log1p(np.linspace(0, RATE / 2, _FLUX // 2 + 1) / _BEND)[:, None]
    edges = np.linspace(np.log1p(_LOW / _BEND), np.log1p(_HIGH / _BEND), _BANDS + 2)
    width = np.maximum(edges[1] - edges[0], np.gradient(position[:, 0])[:, None])
    bank = np.maximum(0, 1 - np.abs(position - edges[1:-1]) / width)
    return (bank / bank.sum(axis=0)).astype(np.float32)


def _struck(novelty: np.ndarray) -> np.ndarray:
    """Where novelty [2T] has its peaks, in frames [k]."""
    highest = scipy.ndimage.maximum_filter1d(novelty, 2 * _APART + 1)
    average = scipy.ndimage.uniform_filter1d(novelty, 2 * _AROUND + 1)
    at = np.flatnonzero((novelty == highest) & (novelty > _CLEAR + _STANDS_OUT * average))
    return at[np.diff(at, prepend=-_APART - 1) > _APART] / 2 + _LATE / HOP


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
    pitch = LOWEST + int(costs[voiced[:_HEAD]].mean(axis=0).argmin())
    loudness = float(level[first : first + _APPROACH].max())
    gone = voiced[(level[voiced] < max(floor, loudness - _GONE)) & (voiced > first + _SHORTEST)]
    end = float(gone[0]) if len(gone) else min(float(voiced[-1] + 1), segment.end)
    return (segment.start, end, pitch, loudness) if end - segment.start >= 2 else None


def _in_seconds(line: np.ndarray) -> np.ndarray:
    """Notes [m, 4] (start, end, pitch, level) as onset and duration in seconds, pitch and velocity."""
    if not len(line):
        return line
    start, end, pitch, loudness = line.T
    velocity = LOUD_NOTE * 10 ** ((loudness - np.percentile(loudness, 90)) / 30)  # as amplitude is velocity ** 1.5
    onset = start * HOP / RATE
    return np.column_stack([onset, end * HOP / RATE - onset, pitch, np.clip(velocity, 1, 127)])
