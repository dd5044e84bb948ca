"""When things begin, and how fast they go on: onsets and tempo of mel pictures (codecs.mel)."""

import numpy as np

WINDOW = 0.07  # seconds within which an onset is found again (MIREX)
SLOWEST, FASTEST = 60.0, 200.0  # quarters a minute
NEAR = 0.04  # a tempo is the same within so much, or an octave off (MIREX)


def flux(picture: np.ndarray) -> np.ndarray:
    """How much louder a picture [T, M] gets at each frame, in parts of its whole range: [T]."""
    rise = np.maximum(np.diff(picture, axis=0, prepend=picture[:1]), 0)
    return rise.mean(1) / 2


def onsets(picture: np.ndarray, rate: float, least: float = 0.01) -> np.ndarray:
    """Seconds at which something begins in a picture [T, M] of `rate` frames a second: peaks of its flux.

    A peak is the highest of 70 ms either way, and above the mean of a second around it by half of that and by `least`.
    """
    rising = flux(picture)
    near, far = max(round(WINDOW * rate), 1), max(round(rate / 2), 1)
    padded = np.pad(rising, near, constant_values=-1.0)
    highest = np.lib.stride_tricks.sliding_window_view(padded, 2 * near + 1).max(1)
    sums = np.cumsum(np.pad(rising, (far + 1, far), mode="constant"))
    width = np.minimum(np.arange(len(rising)) + far + 1, len(rising)) - np.maximum(np.arange(len(rising)) - far, 0)
    mean = (sums[2 * far + 1 :] - sums[: -2 * far - 1]) / width
    found = np.flatnonzero((rising >= highest) & (rising > 1.5 * mean + least))
    if len(found):  # of several frames as high the first
        found = found[np.concatenate([[True], np.diff(found) > near])]
    return found / rate


def f_measure(found: np.ndarray, truth: np.ndarray, window: float = WINDOW) -> float:
    """How well onsets (seconds, ascending) are those of the truth: F1 of a matching one to one within the window.

    1 where both are empty. Taking the earliest that fits is the best matching on a line.
    """
    if not len(found) and not len(truth):
        return 1.0
    hits = j = 0
    for time in truth:
        while j < len(found) and found[j] < time - window:
            j += 1
        if j < len(found) and found[j] <= time + window:
            hits, j = hits + 1, j + 1
    return 2 * hits / (len(found) + len(truth))


def tempo(picture: np.ndarray, rate: float) -> float:
    """Quarters a minute at which a picture's flux repeats best, 0 where nothing does."""
    rising = flux(picture)
    rising = rising - rising.mean()
    slowest, fastest = int(np.ceil(60 * rate / SLOWEST)), int(np.floor(60 * rate / FASTEST))
    if len(rising) < 2 * slowest or not np.any(rising):
        return 0.0
    spectrum = np.fft.rfft(rising, 2 * len(rising))
    again = np.fft.irfft(np.abs(spectrum) ** 2)[: 4 * slowest + 1]
    again = again / np.maximum(len(rising) - np.arange(len(again)), 1)
    lags = np.arange(fastest, slowest + 1)
    prior = np.exp(-0.5 * (np.log2(60 * rate / lags / 120) / 0.9) ** 2)  # near 120, as listeners have it
    score = again[lags] * prior
    best = int(np.argmax(score))
    if score[best] <= 0:
        return 0.0
    if 0 < best < len(lags) - 1:  # between the frames, by a parabola
        left, here, right = score[best - 1 : best + 2]
        bend = left - 2 * here + right
        return 60 * rate / (lags[best] + (0.5 * (left - right) / bend if bend else 0.0))
    return 60 * rate / lags[best]


def same_tempo(one: float, other: float) -> bool:
    """Whether two tempos agree, an octave more or less allowed."""
    return bool(one and other and any(abs(one * factor / other - 1) <= NEAR for factor in (0.5, 1.0, 2.0)))


def beats(bpm: float, seconds: float, first: float = 0.0) -> np.ndarray:
    """Onsets of a steady beat: seconds."""
    return np.arange(first, seconds, 60 / bpm) if bpm else np.zeros(0)
