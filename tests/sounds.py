"""Sounds, and audio files made of them."""

import io

import numpy as np
import soundfile
import soxr

from musicfusion.codecs import audio


def encode(samples, rate, form="WAV", depth="PCM_16"):
    """Samples [n] or [n, channels] as the bytes of a file."""
    buffer = io.BytesIO()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(buffer, "w", rate, channels, format=form, subtype=depth) as file:
        for first in range(0, len(samples), 1 << 15):
            file.write(samples[first : first + (1 << 15)])
    return buffer.getvalue()


def tone(rate, channels=1, seconds=1.5):
    """A tone of 440 Hz, the same in all channels."""
    wave = 0.4 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    return np.repeat(wave[:, None], channels, 1).astype(np.float32)


def read_at_once(data):
    """The logic that files were read by before they were read in blocks."""
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        samples, own = file.read(dtype="float32", always_2d=True), file.samplerate
    mono = samples.mean(axis=1)
    return soxr.resample(mono, own, audio.RATE).astype(np.float32) if own != audio.RATE else mono


def spoken(rate):
    """Bursts of noise between pauses, mono."""
    times = np.arange(4 * rate) / rate
    return np.random.default_rng(1).normal(0, 0.1, len(times)).astype(np.float32) * (np.sin(6 * times) > 0)


def sweep(rate):
    """A tone that rises, wide in stereo."""
    times = np.arange(4 * rate) / rate
    return (0.5 * np.sin(2 * np.pi * (100 + 300 * times) * times)[:, None] * (1, 0.3)).astype(np.float32)


def plucked(rate):
    """Notes that fade, louder than full scale in the sum of both sides."""
    times = np.arange(4 * rate) / rate
    wave = 0.9 * np.sin(2 * np.pi * 82.4 * times) * np.exp(-5 * (times % 0.5))
    return np.stack([wave, np.roll(wave, rate // 100)], 1).astype(np.float32)
