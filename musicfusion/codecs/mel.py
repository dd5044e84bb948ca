"""Sound as mel-spectrograms in decibels, and back to sound without phases (Arrangement, section 3.2).

    samples [n] <-> power [T, 1025] <-> mel power [T, M] <-> mel-spectrogram [T, M] in -1..1

22,050 samples a second, windows of 2048 samples every 512. The range in decibels is the same for all sounds, so that
silence stays silence. The mel scale is that of torchaudio, 2595 log10(1 + f / 700); the paper prints it without 700.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Complex, Float, Float32, Key, UInt8

from musicfusion.codecs.audio import RATE
from musicfusion.core import progress
from musicfusion.core.arrays import AnyArray

WINDOW, HOP = 2048, 512
HOPS = WINDOW // HOP  # in a window
BINS = WINDOW // 2 + 1
LOW, HIGH = -40.0, 50.0  # dB of mel power that are -1 and 1 in a mel-spectrogram
TINY = 1e-10
AT_ONCE = 4  # iterations of Griffin and Lim in one run


def frames(samples: int) -> int:
    """The number of windows of a sound with so many samples; the first is centred on its beginning."""
    return 1 + samples // HOP


@functools.lru_cache(maxsize=8)
def filterbank(bands: int) -> Float[np.ndarray, "1025 {bands}"]:
    """Triangular filters of height 1, equally wide on the mel scale from 0 to 11,025 Hz: float32 [1025, bands].

    Neighbours overlap by half. The array is shared between calls and cannot be written.
    """
    def mel(hertz):
        return 2595 * np.log10(1 + hertz / 700)

    edges = 700 * (10 ** (np.linspace(0, mel(RATE / 2), bands + 2) / 2595) - 1)
    hertz = np.linspace(0, RATE / 2, BINS)[:, None]
    rising = (hertz - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz) / np.diff(edges)[1:]
    found = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    found.setflags(write=False)
    return found


def hann() -> Float[np.ndarray, "2048"]:
    """The periodic Hann window, float32 [2048]."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


def stft(samples: Float[jax.Array, " n"]) -> Complex[jax.Array, "1+n//512 1025"]:
    """The short-time Fourier transform of samples [n], n a multiple of 512: complex [1 + n / 512, 1025].

    Before its beginning and after its end a sound counts as silent.
    """
    padded = jnp.pad(samples, WINDOW // 2).reshape(-1, HOP)
    count = len(padded) - HOPS + 1
    windows = jnp.concatenate([padded[k : k + count] for k in range(HOPS)], 1)
    return jnp.fft.rfft(windows * hann(), axis=1)


def istft(spectrum: Complex[jax.Array, "T 1025"]) -> Float[jax.Array, " (T-1)*512"]:
    """The inverse of `stft`, by least squares: complex [T, 1025] -> samples [(T - 1) 512]."""
    windows = jnp.fft.irfft(spectrum, WINDOW, axis=1) * hann()
    return _overlap_add(windows) / jnp.maximum(_overlap_add(jnp.broadcast_to(hann() ** 2, windows.shape)), 1e-3)


def _overlap_add(windows: Float[jax.Array, "T 2048"]) -> Float[jax.Array, " (T-1)*512"]:
    """The sum of overlapping windows [T, 2048], from the middle of the first to that of the last: [(T - 1) 512]."""
    count = len(windows)
    hops = windows.reshape(count, HOPS, HOP)
    moved = [jnp.pad(hops[:, k], ((k, HOPS - 1 - k), (0, 0))) for k in range(HOPS)]
    total = jnp.sum(jnp.stack(moved), 0)
    return total.reshape(-1)[WINDOW // 2 : WINDOW // 2 + (count - 1) * HOP]


def spectrogram(samples: Float[AnyArray, " n"], bands: int) -> Float[jax.Array, "1+n//512 {bands}"]:
    """The mel-spectrogram of samples [n]: [frames(n), bands] in -1..1."""
    samples = jnp.pad(samples, (0, -len(samples) % HOP))[: len(samples) // HOP * HOP]
    return normalised(jnp.abs(stft(samples)) ** 2 @ filterbank(bands))


def normalised(power: Float[AnyArray, "*B"]) -> Float[jax.Array, "*B"]:
    """Mel power [...] in decibels, LOW..HIGH as -1..1; what lies outside is clipped."""
    decibels = 10 * jnp.log10(jnp.maximum(power, TINY))
    return jnp.clip((decibels - LOW) / (HIGH - LOW), 0, 1) * 2 - 1


def mel_power(mels: Float[AnyArray, "*B"]) -> Float[jax.Array, "*B"]:
    """Mel-spectrograms [...] in -1..1 -> mel power [...]; -1 is nothing at all."""
    decibels = (jnp.clip(mels, -1, 1) + 1) / 2 * (HIGH - LOW) + LOW
    return jnp.where(mels <= -1, 0.0, 10 ** (decibels / 10))


def invert_filterbank(power: Float[AnyArray, "T M"], iterations: int = 60) -> Float[jax.Array, "T 1025"]:
    """Mel power [T, M] -> a power spectrum [T, 1025], not negative, that has nearly this mel power.

    Multiplicative updates for the generalised Kullback-Leibler divergence (Lee and Seung, NIPS 2000). It weighs weak
    bands more than the squared error does, which the paper minimises by gradient descent (section 3.2).
    """
    bank = jnp.asarray(filterbank(power.shape[1]))
    reach = jnp.sum(bank, 1)

    def body(_, found):
        return found * ((power / jnp.maximum(found @ bank, TINY)) @ bank.T) / jnp.maximum(reach, TINY)

    return lax.fori_loop(0, iterations, body, power @ (bank / jnp.sum(bank, 0)).T)


def griffin_lim(
    magnitude: Float[AnyArray, "T 1025"], key: Key[jax.Array, ""], iterations: int = 32, momentum: float = 0.99
) -> Float[jax.Array, " (T-1)*512"]:
    """Magnitudes [T, 1025] -> samples [(T - 1) 512] whose spectrum has nearly these magnitudes.

    The algorithm of Griffin and Lim (1984) with momentum (Perraudin, Balazs and Sondergaard, WASPAA 2013), as in
    librosa. `key` draws the phases that it starts from. A few iterations are one run of a compiled program, so that
    progress can be reported; the whole cannot be compiled.
    """
    phases, before = _first_phases(magnitude, key)
    for done in progress.steps(range(0, iterations, AT_ONCE), "making sound of the mel-spectrogram"):
        count = min(AT_ONCE, iterations - done)
        phases, before = jax.block_until_ready(_next_phases(magnitude, phases, before, momentum, count))
    return _sound(magnitude, phases)


@jax.jit
def _first_phases(magnitude, key):
    """Phases at random, as complex numbers of length 1, and a spectrum of nothing: [T, 1025] each."""
    phases = jnp.exp(2j * jnp.pi * jax.random.uniform(key, magnitude.shape))
    return phases, jnp.zeros_like(phases)


@functools.partial(jax.jit, donate_argnums=(1, 2))
def _next_phases(magnitude, phases, before, momentum, count):
    """`count` iterations. before: the spectrum that the last one rebuilt."""
    def body(_, carry):
        phases, before = carry
        rebuilt = stft(istft(magnitude * phases))
        moved = rebuilt - momentum / (1 + momentum) * before
        return moved / jnp.maximum(jnp.abs(moved), TINY), rebuilt

    return lax.fori_loop(0, count, body, (phases, before))


@jax.jit
def _sound(magnitude, phases):
    return istft(magnitude * phases)


def reconstruct(
    mels: Float[AnyArray, "T M"], key: Key[jax.Array, ""], iterations: int = 32
) -> Float[jax.Array, " (T-1)*512"]:
    """A mel-spectrogram [T, M] in -1..1 -> samples [(T - 1) 512]; `key` draws the phases. It cannot be compiled."""
    return griffin_lim(_magnitude(mels), key, iterations)


@jax.jit
def _magnitude(mels):
    return jnp.sqrt(invert_filterbank(mel_power(mels)))


def quantised(mels: Float[AnyArray, "*B"]) -> UInt8[np.ndarray, "*B"]:
    """A mel-spectrogram in -1..1 as uint8: 256 steps of 0.35 dB (section 3.4)."""
    return np.rint((np.asarray(mels) + 1) * 127.5).astype(np.uint8)


def restored(quantised_mels: UInt8[AnyArray, "*B"]) -> Float32[AnyArray, "*B"]:
    """The inverse of `quantised`: uint8 [...] -> float32 [...] in -1..1."""
    return quantised_mels.astype(jnp.float32) / 127.5 - 1
