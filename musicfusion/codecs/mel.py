"""Sound as pictures: mel-spectrograms in decibels, and back to sound without phases (paper 002, section 3).

    samples [n] <-> power [T, 1025] <-> mel power [T, M] <-> picture [T, M] in -1..1

22,050 samples a second, windows of 2048 every 512; a picture's bounds are the same for all sounds, so that silence
stays silence. The mel scale is that of torchaudio, 2595 log10(1 + f / 700): the paper prints it without the 700.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

RATE, WINDOW, HOP = 22050, 2048, 512
PARTS = WINDOW // HOP  # hops of a window
BINS = WINDOW // 2 + 1
LOW, HIGH = -40.0, 50.0  # dB of mel power that a picture shows as -1 and 1
TINY = 1e-10


def frames(samples: int) -> int:
    """How many windows a sound of so many samples has; the first is centred on its beginning."""
    return 1 + samples // HOP


@lru_cache(maxsize=8)
def filterbank(bands: int) -> np.ndarray:
    """Triangles of height 1 that overlap by half, equally wide on the mel scale from 0 to 11,025 Hz: [1025, bands]."""
    def mel(hertz):
        return 2595 * np.log10(1 + hertz / 700)

    edges = 700 * (10 ** (np.linspace(0, mel(RATE / 2), bands + 2) / 2595) - 1)
    hertz = np.linspace(0, RATE / 2, BINS)[:, None]
    rising = (hertz - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz) / np.diff(edges)[1:]
    found = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    found.setflags(write=False)
    return found


def hann() -> np.ndarray:
    """The periodic Hann window, float32 [2048]."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


def stft(samples: jax.Array) -> jax.Array:
    """Samples [n], n a multiple of 512 -> complex [1 + n / 512, 1025]; beyond its ends a sound is silent."""
    padded = jnp.pad(samples, WINDOW // 2).reshape(-1, HOP)
    count = len(padded) - PARTS + 1
    windows = jnp.concatenate([padded[k : k + count] for k in range(PARTS)], 1)
    return jnp.fft.rfft(windows * hann(), axis=1)


def istft(spectrum: jax.Array) -> jax.Array:
    """The reverse, by least squares: complex [T, 1025] -> samples [(T - 1) 512]."""
    windows = jnp.fft.irfft(spectrum, WINDOW, axis=1) * hann()
    return _added(windows) / jnp.maximum(_added(jnp.broadcast_to(hann() ** 2, windows.shape)), 1e-3)


def _added(windows: jax.Array) -> jax.Array:
    """Overlapping windows [T, 2048] -> their sum where the sound is, [(T - 1) 512]."""
    count = len(windows)
    hops = windows.reshape(count, PARTS, HOP)
    moved = [jnp.pad(hops[:, k], ((k, PARTS - 1 - k), (0, 0))) for k in range(PARTS)]
    total = jnp.sum(jnp.stack(moved), 0)
    return total.reshape(-1)[WINDOW // 2 : WINDOW // 2 + (count - 1) * HOP]


def picture(samples: jax.Array, bands: int) -> jax.Array:
    """Samples [n] -> [T, bands] in -1..1, T = frames(n); what is missing to whole hops is silence."""
    samples = jnp.pad(samples, (0, -len(samples) % HOP))[: len(samples) // HOP * HOP]
    return shown(jnp.abs(stft(samples)) ** 2 @ filterbank(bands))


def shown(power: jax.Array) -> jax.Array:
    """Mel power [...] -> what a picture shows of it, in -1..1."""
    decibels = 10 * jnp.log10(jnp.maximum(power, TINY))
    return jnp.clip((decibels - LOW) / (HIGH - LOW), 0, 1) * 2 - 1


def mel_power(pictured: jax.Array) -> jax.Array:
    """A picture [T, M] in -1..1 -> mel power [T, M]; black is nothing at all."""
    decibels = (jnp.clip(pictured, -1, 1) + 1) / 2 * (HIGH - LOW) + LOW
    return jnp.where(pictured <= -1, 0.0, 10 ** (decibels / 10))


def spread(power: jax.Array, iterations: int = 60) -> jax.Array:
    """Mel power [T, M] -> a power spectrum [T, 1025] that has it, nothing below 0.

    Multiplicative updates (Lee and Seung, NIPS 2000) of the divergence that takes a weak band as seriously as a strong
    one; the paper goes down a gradient instead.
    """
    bank = jnp.asarray(filterbank(power.shape[1]))
    reach = jnp.sum(bank, 1)

    def body(_, found):
        return found * ((power / jnp.maximum(found @ bank, TINY)) @ bank.T) / jnp.maximum(reach, TINY)

    return lax.fori_loop(0, iterations, body, power @ (bank / jnp.sum(bank, 0)).T)


def griffin_lim(magnitude: jax.Array, key: jax.Array, iterations: int = 32, momentum: float = 0.99) -> jax.Array:
    """Magnitudes [T, 1025] -> samples [(T - 1) 512] whose spectrum has nearly these (Griffin and Lim, 1984).

    With momentum (Perraudin, Balazs and Sondergaard, WASPAA 2013), as librosa has it; phases begin at random.
    """
    phases = jnp.exp(2j * jnp.pi * jax.random.uniform(key, magnitude.shape))

    def body(_, carry):
        phases, before = carry
        rebuilt = stft(istft(magnitude * phases))
        ahead = rebuilt - momentum / (1 + momentum) * before
        return ahead / jnp.maximum(jnp.abs(ahead), TINY), rebuilt

    phases, _ = lax.fori_loop(0, iterations, body, (phases, jnp.zeros_like(phases)))
    return istft(magnitude * phases)


def sound(pictured: jax.Array, key: jax.Array, iterations: int = 32) -> jax.Array:
    """A picture [T, M] in -1..1 -> samples [(T - 1) 512]."""
    return griffin_lim(jnp.sqrt(spread(mel_power(pictured))), key, iterations)


def quantised(pictured) -> np.ndarray:
    """A picture in -1..1 -> uint8, 256 steps (.35 dB), as the paper keeps its own."""
    return np.rint((np.asarray(pictured) + 1) * 127.5).astype(np.uint8)


def restored(kept):
    """The reverse, float32."""
    return kept.astype(jnp.float32) / 127.5 - 1
