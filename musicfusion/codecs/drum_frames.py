"""Sound as what a transcriber of drums sees: a spectrum in decibels every 12 ms, in bands that are wider the higher.

    samples [n] -> frames [T, BANDS] in dB, beside the loudest of the sound

Hits are at frames: frame k is centred on sample k * HOP.
"""

import functools

import numpy as np
import scipy.fft
from jaxtyping import Float, Float16, Num

from musicfusion.codecs.audio import RATE

HOP, WINDOW = 256, 1024  # samples at codecs.audio.RATE
PER_SECOND = RATE / HOP
BANDS = 64
QUIETEST = -80.0  # dB beside what is loud; no frame is quieter

_LOW, _HIGH, _BEND = 30.0, 10_500.0, 300.0  # Hz; bands are equally wide on log(1 + f / _BEND)
_LOUD = 98  # the percentile of frames by power that is 0 dB
_BLOCK = 4096  # frames that are transformed at once


@functools.lru_cache(maxsize=1)
def filterbank() -> Float[np.ndarray, "513 64"]:
    """Triangular filters that overlap by half, each of area 1: float32 [1 + WINDOW / 2, BANDS]."""
    low, high = np.log1p(_LOW / _BEND), np.log1p(_HIGH / _BEND)
    edges = _BEND * np.expm1(np.linspace(low, high, BANDS + 2))
    step = RATE / WINDOW
    edges[1:-1] = np.maximum(edges[1:-1], edges[0] + step * np.arange(1, BANDS + 1) * 0.5)  # none between two bins
    hertz = step * np.arange(WINDOW // 2 + 1)[:, None]
    width = np.maximum(np.diff(edges), step)
    found = np.maximum(np.minimum((hertz - edges[:-2]) / width[:-1], (edges[2:] - hertz) / width[1:]), 0)
    found = np.minimum(found, 1.0)
    found = (found / np.maximum(found.sum(0), 1e-9)).astype(np.float32)
    found.setflags(write=False)
    return found


def count(samples: int) -> int:
    """The number of frames of a sound with so many samples."""
    return 1 + samples // HOP


def frames(samples: Num[np.ndarray, " n"]) -> Float16[np.ndarray, "1+n//256 64"]:
    """The frames of mono samples [n] at codecs.audio.RATE: float16 [count(n), BANDS], dB, QUIETEST at least.

    However loud the sound is, its loud frames are at 0 dB. Silence is at QUIETEST throughout.
    """
    total = count(len(samples))
    padded = np.zeros((total - 1) * HOP + WINDOW, np.float32)
    body = np.asarray(samples, np.float32)[: len(padded) - WINDOW // 2]
    padded[WINDOW // 2 : WINDOW // 2 + len(body)] = body
    every = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
    power = np.concatenate([
        np.abs(scipy.fft.rfft(every[begin : begin + _BLOCK] * hann, axis=1)) ** 2 @ filterbank()
        for begin in range(0, total, _BLOCK)])
    loud = float(np.percentile(power.mean(1), _LOUD))
    decibels = 10 * np.log10(np.maximum(power / max(loud, 1e-6), 10 ** (QUIETEST / 10)))
    return decibels.astype(np.float16)


def at_frames(rows: Num[np.ndarray, "n 3"], total: int, kinds: int) -> np.ndarray:
    """Hits (seconds, instrument, velocity) as velocities at their frames, 0 for none: uint8 [total, kinds].

    Of several hits of an instrument at one frame the loudest counts; those outside of the sound are left out.
    """
    when = np.rint(rows[:, 0] * PER_SECOND).astype(int)
    inside = (when >= 0) & (when < total)
    found = np.zeros((total, kinds), np.uint8)
    np.maximum.at(found, (when[inside], rows[inside, 1].astype(int)),
                  np.clip(np.rint(rows[inside, 2]), 1, 127).astype(np.uint8))
    return found
