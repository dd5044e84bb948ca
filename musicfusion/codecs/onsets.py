"""Where the notes of a recorded line begin: peaks of the spectral flux.

    samples [n] -> novelty [2T], at each half of a frame -> onsets [k], in frames

Flux is of logarithmic bands, where each band is compared with the loudest of its neighbours before (Böck and Widmer,
"Maximum filter vibrato suppression for onset detection", DAFx 2013).
"""

from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.ndimage
from jaxtyping import Float, Float32

from musicfusion.codecs.pitch import windows

_BLOCK = 2048  # windows transformed at once
_BANDS, _BEND = 40, 150.0  # evenly on log(1 + f / _BEND), f in Hz
_GAMMA = 100.0  # levels are log10(1 + _GAMMA amplitude), where what is loud has an RMS of 1
_LAG = 6  # halves of a frame: how much earlier is the window that a window is compared with
_APART, _AROUND = 6, 20  # halves: least distance of two onsets; how far around an onset the average reaches
_STANDS_OUT = 0.8  # how many times the average an onset's novelty must be more than `clear`


class Flux(NamedTuple):
    """How novelty is found.

    rate: of the samples, in Hz; hop: samples between frames; window: samples of a window; low, high: the bands' edges
    in Hz; clear: least novelty of an onset; late: samples from a peak to its onset.
    """

    rate: int
    hop: int
    window: int
    low: float
    high: float
    clear: float
    late: int


def onsets(sound: Float32[np.ndarray, " n"], own: Flux) -> Float[np.ndarray, " k"]:
    """Where novelty has its peaks, in frames; the sound's loud frames have an RMS of about 1."""
    novelty = _novelty(sound, own)
    highest = scipy.ndimage.maximum_filter1d(novelty, 2 * _APART + 1)
    average = scipy.ndimage.uniform_filter1d(novelty, 2 * _AROUND + 1)
    at = np.flatnonzero((novelty == highest) & (novelty > own.clear + _STANDS_OUT * average))
    return at[np.diff(at, prepend=-_APART - 1) > _APART] / 2 + own.late / own.hop


def _novelty(sound: np.ndarray, own: Flux) -> np.ndarray:
    """By how much bands become louder on average, at each half of a frame [2T]."""
    frames = windows(sound, own.window, own.hop // 2, own.window // 2)
    hann = np.hanning(own.window + 1)[:-1].astype(np.float32) * np.float32(4 / own.window)
    bank = _bands(own)
    levels = np.empty((len(frames), _BANDS), np.float32)
    for first in range(0, len(frames), _BLOCK):
        spectrum = np.abs(scipy.fft.rfft(frames[first : first + _BLOCK] * hann))
        levels[first : first + _BLOCK] = np.log10(1 + _GAMMA * (spectrum @ bank))
    before = scipy.ndimage.maximum_filter1d(levels, 3, axis=1)[:-_LAG]
    return np.pad(np.maximum(levels[_LAG:] - before, 0).mean(axis=1), (_LAG // 2, _LAG - _LAG // 2))[: len(levels)]


def _bands(own: Flux) -> np.ndarray:
    """Triangular filters [bins, _BANDS], each of sum 1; a bin at least is in each."""
    position = np.log1p(np.linspace(0, own.rate / 2, own.window // 2 + 1) / _BEND)[:, None]
    edges = np.linspace(np.log1p(own.low / _BEND), np.log1p(own.high / _BEND), _BANDS + 2)
    width = np.maximum(edges[1] - edges[0], np.gradient(position[:, 0])[:, None])
    bank = np.maximum(0, 1 - np.abs(position - edges[1:-1]) / width)
    return (bank / bank.sum(axis=0)).astype(np.float32)
