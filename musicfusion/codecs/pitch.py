"""The pitch of a recorded line at each moment, by YIN (de Cheveigné and Kawahara, JASA 2002).

    samples [n] -> costs of pitches [T, K], at each frame -> the path of least cost [T]
"""

from typing import NamedTuple

import numpy as np
import scipy.fft
from jaxtyping import Float, Float32, Int

PARTS = 5  # lags tried for a semitone
_MIDDLE = 40  # the pitch that costs nothing more
_BLOCK = 2048  # windows transformed at once


class Range(NamedTuple):
    """The pitches that are looked for, and the windows for that.

    lowest, highest: MIDI pitches; octave: what an octave lower costs more, as two periods are a period, too; rate: of
    the samples, in Hz; hop: samples between frames; window: samples that are compared with later ones, half of what is
    transformed; centre: samples from the beginning of a window to the moment that it stands for; passed: the
    frequencies that are kept, in Hz.
    """

    lowest: int
    highest: int
    octave: float
    rate: int
    hop: int
    window: int
    centre: int
    passed: tuple[float, float]

    @property
    def tried(self) -> Float[np.ndarray, " K"]:
        """The pitches that are tried, in semitones: PARTS for each of `lowest` to `highest`."""
        return self.lowest - 0.5 + (np.arange((self.highest - self.lowest + 1) * PARTS) + 0.5) / PARTS


def windows(sound: Float32[np.ndarray, " n"], size: int, hop: int, centre: int) -> Float32[np.ndarray, "T size"]:
    """Windows of a sound, 1 + n // hop, a view: sample `centre` of the first is the first sample."""
    padded = np.pad(sound, (centre, size))
    return np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][: 1 + len(sound) // hop]


def levels(sound: Float32[np.ndarray, " n"], own: Range) -> Float[np.ndarray, " T"]:
    """The level of the window around each frame, in dB of full scale."""
    found = windows(sound, own.window, own.hop, own.window // 2)
    return 10 * np.log10(np.maximum(np.einsum("tn,tn->t", found, found) / own.window, 1e-12))


def costs(sound: Float32[np.ndarray, " n"], own: Range) -> Float32[np.ndarray, "T K"]:
    """What each pitch that is tried costs at each frame: about 0 for a tone of that pitch, 1 for none.

    They are YIN's normalised differences, interpolated between lags by cubics.
    """
    filtered = _passed(sound, own)
    between = _interpolating(own.rate / (440 * 2 ** ((own.tried - 69) / 12)))
    count = len(between)
    frames = windows(filtered, own.window + count, own.hop, own.centre)
    found = np.empty((len(frames), between.shape[1]), np.float32)
    for first in range(0, len(frames), _BLOCK):
        found[first : first + _BLOCK] = _differences(frames[first : first + _BLOCK], own.window, count) @ between
    return found


def _interpolating(lags: np.ndarray) -> np.ndarray:
    """Weights that make of values at whole lags those at lags [K]: float32 [N, K] (cubics of Catmull and Rom)."""
    left = lags.astype(int)
    at = lags - left
    weights = (((2 - at) * at - 1) * at / 2, (3 * at - 5) * at**2 / 2 + 1, ((4 - 3 * at) * at + 1) * at / 2,
               (at - 1) * at**2 / 2)
    found = np.zeros((int(left.max()) + 3, len(lags)), np.float32)
    for k, weight in enumerate(weights):
        found[left - 1 + k, np.arange(len(lags))] = weight
    return found


def _passed(sound: np.ndarray, own: Range) -> np.ndarray:
    """A sound [n] as a Butterworth band-pass of order 2 leaves it, forward and backward."""
    size = scipy.fft.next_fast_len(len(sound) + own.rate // 4, real=True)  # room for what rings
    hertz = np.fft.rfftfreq(size, 1 / own.rate)
    low, high = own.passed
    away = (hertz**2 - low * high) / np.maximum(hertz * (high - low), 1e-9)
    gain = (1 / (1 + away**4)).astype(np.float32)  # of both ways together
    return scipy.fft.irfft(scipy.fft.rfft(sound, size) * gain, size)[: len(sound)]


def by_semitone(fine: Float32[np.ndarray, "T K"], own: Range) -> Float32[np.ndarray, "T P"]:
    """The least of `costs` in each semitone, and by how much more low ones cost."""
    low = np.arange(_MIDDLE - own.lowest, _MIDDLE - own.highest - 1, -1, dtype=np.float32) * np.float32(own.octave / 12)
    return fine.reshape(len(fine), -1, PARTS).min(axis=2) + low


def path(found: Float32[np.ndarray, "T S"], change: float) -> Int[np.ndarray, " T"]:
    """The states whose costs have the least sum, where each change costs as much again."""
    total = found[0].copy()
    before = np.empty(found.shape, np.int16)
    same = np.arange(found.shape[1])
    for frame in range(1, len(found)):
        best = total.argmin()
        other = total[best] + change
        before[frame] = np.where(total > other, best, same)
        total = np.minimum(total, other) + found[frame]
    states = np.empty(len(found), int)
    states[-1] = total.argmin()
    for frame in range(len(found) - 1, 0, -1):
        states[frame - 1] = before[frame, states[frame]]
    return states


def _differences(frames: np.ndarray, window: int, count: int) -> np.ndarray:
    """YIN's cumulative mean normalised difference of frames [B, window + count] at lags from 0 on: [B, count]."""
    spectrum = scipy.fft.rfft(frames, 2 * window)
    spectrum *= scipy.fft.rfft(frames[:, :window], 2 * window).conj()
    product = scipy.fft.irfft(spectrum, 2 * window)[:, :count]
    power = np.cumsum(np.pad(frames.astype(np.float64) ** 2, ((0, 0), (1, 0))), axis=1)
    power = power[:, window : window + count] - power[:, :count]
    difference = np.maximum(power[:, :1] + power - 2 * product, 0)
    mean = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, count)
    normal = difference[:, 1:] / np.maximum(mean, 1e-9)
    return np.column_stack([np.ones(len(frames)), normal]).astype(np.float32)
