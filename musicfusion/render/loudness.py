"""How loud sounds are (ITU-R BS.1770-4), and all of them at one loudness."""

from collections.abc import Sequence

import numpy as np

from musicfusion.codecs.audio import Audio

TARGET = -23.0  # LUFS (EBU R 128); lower where a sound's peaks need it
PEAK = 0.95  # of the loudest sample
BLOCK, HOP = 0.4, 0.1  # seconds of a gating block, and from one to the next
SILENT = -70.0  # LUFS: the absolute gate
GATE = -10.0  # LU: the relative gate
FADE_IN, FADE_OUT = 0.01, 0.05  # seconds
RINGS = 0.5  # seconds after which the filters' response is over


def loudness(samples: np.ndarray, rate: int) -> float:
    """The integrated loudness of mono samples float [n], in LUFS: K-weighted, gated; -inf for silence.

    A sound that is shorter than a gating block is one block.

    Source: ITU-R BS.1770-4, annex 1, for one channel.
    """
    power = np.square(weighted(samples, rate))
    if not len(power):
        return -np.inf
    length, hop = min(round(BLOCK * rate), len(power)), round(HOP * rate)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    starts = np.arange(0, len(power) - length + 1, hop)
    blocks = (sums[starts + length] - sums[starts]) / length
    blocks = blocks[_lufs(blocks) > SILENT]
    if not len(blocks):
        return -np.inf
    blocks = blocks[_lufs(blocks) > _lufs(np.mean(blocks)) + GATE]
    return float(_lufs(np.mean(blocks)))


def weighted(samples: np.ndarray, rate: int) -> np.ndarray:
    """K-weighted samples [n]: a shelf for the head, and a high-pass.

    By the spectrum, for importing scipy.signal takes as long as all the rest.
    """
    count = len(samples)
    size = 1 << (count + round(RINGS * rate)).bit_length()
    late = np.exp(-2j * np.pi * np.fft.rfftfreq(size))  # of a sample
    gain = np.ones(len(late), complex)
    for numerator, denominator in filters(rate):
        gain *= np.polyval(numerator[::-1], late) / np.polyval(denominator[::-1], late)
    return np.fft.irfft(np.fft.rfft(np.asarray(samples, np.float64), size) * gain, size)[:count]


def filters(rate: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two filters of K-weighting at a sampling rate in Hz: (numerator [3], denominator [3]) each.

    The standard gives them for 48 kHz. These are its analogue filters by the bilinear transform, which gives the
    standard's own coefficients there.
    """
    frequency, quality, gain = 1681.974450955533, 0.7071752369554196, 3.999843853973347  # Hz, Q, dB
    k = np.tan(np.pi * frequency / rate)
    high, band = 10 ** (gain / 20), 10 ** (gain / 20 * 0.4996667741545416)
    norm = 1 + k / quality + k * k
    shelf = np.array([high + band * k / quality + k * k, 2 * (k * k - high), high - band * k / quality + k * k]) / norm
    poles = np.array([norm, 2 * (k * k - 1), 1 - k / quality + k * k]) / norm
    frequency, quality = 38.13547087602444, 0.5003270373238773
    k = np.tan(np.pi * frequency / rate)
    norm = 1 + k / quality + k * k
    return [(shelf, poles),
            (np.array([1.0, -2.0, 1.0]), np.array([norm, 2 * (k * k - 1), 1 - k / quality + k * k]) / norm)]


def matched(sounds: Sequence[Audio]) -> list[Audio]:
    """Sounds faded in and out, all at one loudness: TARGET, or the highest at which no sample is above PEAK.

    Silence stays silence.
    """
    faded_in = [faded(sound) for sound in sounds]
    levels = [loudness(sound.samples, sound.rate) for sound in faded_in]
    peaks = [float(np.max(np.abs(sound.samples), initial=0.0)) for sound in faded_in]
    target = min([TARGET, *(level + 20 * np.log10(PEAK / peak)
                            for level, peak in zip(levels, peaks, strict=True) if level > -np.inf)])
    return [Audio((sound.samples * 10 ** ((target - level) / 20)).astype(np.float32), sound.rate)
            if level > -np.inf else sound for sound, level in zip(faded_in, levels, strict=True)]


def faded(sound: Audio) -> Audio:
    """A sound that begins and ends without a click."""
    samples = np.array(sound.samples, np.float32)
    for seconds, part in ((FADE_IN, slice(None)), (FADE_OUT, slice(None, None, -1))):
        count = min(round(seconds * sound.rate), len(samples))
        samples[part][:count] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(count) / max(count, 1))
    return Audio(samples, sound.rate)


def _lufs(power: np.ndarray | np.floating) -> np.ndarray:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-20))
