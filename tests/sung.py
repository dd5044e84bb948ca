"""A singer that is computed: vowels and consonants, glides, vibrato, a room, and no two notes quite in tune."""

from typing import NamedTuple

import numpy as np
import scipy.signal

RATE = 22050
VOWELS = np.array([  # Hz of four formants
    [730, 1090, 2440, 3400], [530, 1840, 2480, 3500], [300, 2200, 2950, 3600], [500, 900, 2400, 3300],
    [320, 800, 2240, 3200]], float)  # a, e, i, o, u
WIDTHS, STRENGTHS = np.array([80.0, 100, 160, 250]), np.array([1, 0.6, 0.35, 0.2])
CONSONANTS = ("fricative", "voiced", "plosive", "none")
HARMONICS, STEP = 40, 64  # of the voice; samples from which on its colour is interpolated


class Singer(NamedTuple):
    """vibrato, glide, error, scoop: the most semitones, seconds, semitones, semitones; room, noise: dB of the least."""

    vibrato: float = 0.55
    glide: float = 0.09
    error: float = 0.08
    scoop: float = 1.2
    room: float = -26.0
    noise: float = -70.0
    consonants: tuple[float, ...] = (0.25, 0.35, 0.25, 0.15)


GOOD = Singer()
POOR = Singer(vibrato=1.0, glide=0.14, error=0.2, scoop=2.5, room=-18.0, noise=-55.0, consonants=(0.2, 0.4, 0.15, 0.25))


def sing(notes: np.ndarray, seconds: float, seed: int, singer: Singer = GOOD) -> np.ndarray:
    """Notes [n, 4] (onset and duration in seconds, MIDI pitch, velocity), in order, sung: samples float32 at RATE."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    hertz = 440 * 2 ** ((_pitch(notes, count, singer, rng) - 69) / 12)
    level, consonants, formants = _syllables(notes, count, singer, rng)
    tone = _tone(hertz, formants, rng.uniform(0.8, 1.4)) * level
    tone *= 0.1 / np.sqrt(np.mean(tone[level > 0.1] ** 2))
    breath = rng.normal(0, 1, count)
    hiss = scipy.signal.sosfilt(scipy.signal.butter(2, (2500, 9000), "bandpass", fs=RATE, output="sos"), breath)
    sound = tone + consonants * hiss + 0.004 * level * breath
    sound += 10 ** (rng.uniform(singer.noise, singer.noise + 20) / 20) * rng.normal(0, 1, count)
    tail = int(rng.uniform(0.3, 1.2) * RATE)
    echo = rng.normal(0, 1, tail) * np.exp(-6.9 * np.arange(tail) / tail)
    wet = 10 ** (rng.uniform(singer.room, singer.room + 12) / 20) / np.linalg.norm(echo)
    sound = sound + wet * scipy.signal.fftconvolve(sound, echo)[:count]
    return (0.7 * sound / np.abs(sound).max()).astype(np.float32)


def _smooth(values: np.ndarray, seconds: float) -> np.ndarray:
    """Values [..., n] as a mean over so many seconds."""
    window = np.hanning(int(seconds * RATE) + 3)
    ends = [(0, 0)] * (values.ndim - 1) + [(len(window), len(window))]
    found = scipy.signal.fftconvolve(np.pad(values, ends, mode="edge"), (window / window.sum())[(None,) * (
        values.ndim - 1)], "same", axes=-1)
    return found[..., len(window) : -len(window)]


def _pitch(notes: np.ndarray, count: int, singer: Singer, rng: np.random.Generator) -> np.ndarray:
    """Semitones [count]."""
    pitch, vibrato = np.full(count, notes[0, 2]), np.zeros(count)
    rate, depth = rng.uniform(5, 6.5), singer.vibrato * rng.uniform(0.2, 1)
    before = -1.0
    for onset, duration, note, _ in notes:
        first, last = int(onset * RATE), min(int((onset + duration) * RATE), count)
        pitch[first:] = note + rng.normal(0, singer.error)
        if onset - before > 0.15:
            scoop = pitch[first : first + int(rng.uniform(0.03, 0.12) * RATE)]
            scoop -= rng.uniform(0, singer.scoop) * np.linspace(1, 0, len(scoop))
        time = np.arange(last - first) / RATE
        vibrato[first:last] = np.clip((time - 0.2) / 0.3, 0, 1) * np.sin(2 * np.pi * rate * time + rng.uniform(0, 6))
        before = onset + duration
    return _smooth(pitch, 2 * singer.glide * rng.uniform(0.4, 1)) + depth * vibrato + rng.uniform(-0.3, 0.3)


def _syllables(notes: np.ndarray, count: int, singer: Singer,
               rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The level of the voice [count], that of its consonants, and its formants in Hz [4, count]."""
    level, consonants = np.zeros(count), np.zeros(count)
    formants = np.tile(VOWELS[0][:, None], count)
    high = rng.uniform(1.0, 1.2)
    ends = notes[:, 0] + notes[:, 1]
    for k, (onset, duration, _, velocity) in enumerate(notes):
        first, last = int(onset * RATE), min(int(ends[k] * RATE), count)
        loud, kind = (velocity / 127) ** 1.2, rng.choice(CONSONANTS, p=singer.consonants)
        joined, goes_on = k and onset - ends[k - 1] < 0.03, k + 1 < len(notes) and notes[k + 1, 0] - ends[k] < 0.03
        time = np.arange(last - first) / RATE
        rise = 0.02 if kind in ("plosive", "fricative") else 0.001 if joined else 0.05
        fall = 1 if goes_on else np.clip((duration - time) / 0.04, 0, 1)
        level[first:last] = loud * np.clip(time / rise, 0, 1) * fall * (1 - 0.2 * time / duration)
        before = max(first - int(rng.uniform(0.03, 0.09) * RATE), 0)
        level[before:first] *= {"fricative": 0.05, "plosive": 0.02, "voiced": 0.45, "none": 1}[kind]
        if kind == "fricative":
            consonants[before:first] = 0.12 * loud * np.hanning(first - before)
        if kind == "plosive":
            burst = consonants[first : first + int(0.012 * RATE)]
            burst[:] = 0.25 * loud * np.linspace(1, 0, len(burst))
        formants[:, first:] = high * VOWELS[rng.integers(len(VOWELS)), :, None]
    return np.maximum(_smooth(level, 0.03), 0), consonants, _smooth(formants, 0.03)


def _tone(hertz: np.ndarray, formants: np.ndarray, tilt: float) -> np.ndarray:
    """Harmonics of a frequency for each sample [n] that formants [4, n] colour."""
    phase, every = 2 * np.pi * np.cumsum(hertz) / RATE, slice(None, None, STEP)
    at = np.arange(len(hertz))
    found = np.zeros(len(hertz))
    for harmonic in range(1, HARMONICS):
        own = harmonic * hertz[every]
        away = (own - formants[:, every]) / WIDTHS[:, None]
        strength = (STRENGTHS @ (1 / (1 + away**2)) + 0.02) * harmonic**-tilt * (own < 9500)
        if strength.any():
            found += np.interp(at, at[every], strength) * np.sin(harmonic * phase)
    return found
