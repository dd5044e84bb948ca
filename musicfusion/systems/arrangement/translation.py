"""Songs of any length: overlapping crops are translated and joined, and mel-spectrograms turned back into sound."""

from collections.abc import Sequence
from typing import Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import mel
from musicfusion.core import progress
from musicfusion.core.contracts import Tree
from musicfusion.data import recordings
from musicfusion.systems.arrangement import objective
from musicfusion.systems.arrangement.dataset import AUDIBLE

BATCH = 8  # crops that are translated at once
BLOCK = 1024  # frames: whole blocks are turned into sound, so that one program does for songs of many lengths


class Translate(Protocol):
    """A function of mel-spectrograms [T, M] in -1..1 of sources that returns those of their targets.

    density: that is wanted, 0 to 1; seeds: one for each source, which tells its targets apart, () for 0, 1, 2 ...
    """

    def __call__(self, sources: Sequence[np.ndarray], density: float, seeds: Sequence[int] = (), /) -> list[np.ndarray]:
        ...


def translator(generator: nn.Module, params: Tree, *, length: int, overlap: int, conditional: bool,
               latent: int = 0) -> Translate:
    """A function that translates songs; it compiles one program, whatever their number and lengths.

    Neighbouring crops are cross-faded in decibels. After the source's end the target fades out over `overlap` frames.
    Where the source is silent for a whole crop, so is the target: networks with instance norm cannot tell silence from
    noise.

    Args:
        generator: of the domain b.
        params: its parameters.
        length, overlap: of the crops, in frames.
        conditional: whether the generator is conditioned on how dense its output is to be.
        latent: the size of its vector of noise, which is the same for all crops of a song.

    Returns:
        what translates. Each target is what it would be if it were translated alone. The density is the share of the
        target's training crops that are less dense; it is without effect where the generator is not conditional, and
        so are seeds where it has no vector of noise.
    """
    params = jax.device_put(params)

    @jax.jit
    def program(params, mels, density, noise):  # [BATCH, length, M], noise [BATCH, latent] -> the same as mels
        wanted = jnp.full(len(mels), density) if conditional else None
        return objective.translate(generator, params, mels[..., None], wanted, noise if latent else None)[..., 0]

    def translate(sources: Sequence[np.ndarray], density: float, seeds: Sequence[int] = (), /) -> list[np.ndarray]:
        drawn = [jax.random.normal(jax.random.key(seed), (latent,)) for seed in seeds or range(len(sources))]
        crops = [_crops(source, length, overlap) for source in sources]
        flat = np.concatenate(crops)
        noise = np.repeat(np.asarray(drawn, np.float32), [len(own) for own in crops], 0)
        batches = [[np.resize(x[k : k + BATCH], (BATCH, *x.shape[1:])) for x in (flat, noise)]
                   for k in range(0, len(flat), BATCH)]
        translated = np.concatenate([np.asarray(program(params, batch, density, own))
                                     for batch, own in progress.steps(batches, "translating")])[: len(flat)]
        translated = np.where(np.max(flat, (1, 2), keepdims=True) > -1, translated, -1.0)
        ends = np.cumsum([len(own) for own in crops])
        joined = [_joined(own, overlap) for own in np.split(translated, ends[:-1])]
        return [_faded(mels[: len(source)], source, max(overlap, 1))
                for mels, source in zip(joined, sources, strict=True)]

    return translate


def _crops(mels: np.ndarray, length: int, overlap: int) -> np.ndarray:
    """Overlapping crops of [T, M], the last padded with silence: float32 [n, length, M]."""
    hop = length - overlap
    count = max(-(-(len(mels) - overlap) // hop), 1)
    padded = np.full((count * hop + overlap, mels.shape[1]), -1.0, np.float32)
    padded[: len(mels)] = mels
    return np.stack([padded[k * hop : k * hop + length] for k in range(count)])


def _joined(crops: np.ndarray, overlap: int) -> np.ndarray:
    """Crops [n, length, M] cross-faded over `overlap` frames: [n (length - overlap) + overlap, M]."""
    count, length, bands = crops.shape
    hop = length - overlap
    weight = np.ones(length, np.float32)
    if overlap:
        ramp = (np.arange(overlap) + 0.5) / overlap
        weight[:overlap], weight[-overlap:] = ramp, ramp[::-1]
    total = np.zeros((count * hop + overlap, bands), np.float32)
    weights = np.zeros((len(total), 1), np.float32)
    for k, crop in enumerate(crops):
        total[k * hop : k * hop + length] += crop * weight[:, None]
        weights[k * hop : k * hop + length] += weight[:, None]
    return np.clip(total / weights, -1, 1)


def _faded(target: np.ndarray, source: np.ndarray, fade: int) -> np.ndarray:
    """The target [T, M], faded over `fade` frames before the source's first sound and after its last."""
    audible = np.flatnonzero((source.mean(1) + 1) / 2 > AUDIBLE)
    if not len(audible):
        return target
    frame = np.arange(len(target))
    distance = np.maximum(audible[0] - frame, frame - audible[-1]).clip(0)
    return np.maximum(target - 2 * distance[:, None] / fade, -1)


def reconstruct(mels: np.ndarray, *, samples: int, seed: int, iterations: int) -> np.ndarray:
    """A mel-spectrogram [T, M] as sound: float32 [samples] at codecs.mel.RATE.

    seed: draws the phases that the iterations (codecs.mel.griffin_lim) start from.
    """
    frames = -(-len(mels) // BLOCK) * BLOCK + 1
    padded = np.full((frames, mels.shape[1]), -1.0, np.float32)
    padded[: len(mels)] = mels
    sound = np.asarray(mel.reconstruct(padded, jax.random.key(seed), iterations))
    return np.pad(sound, (0, max(samples - len(sound), 0)))[:samples]


def synthesised(mels: np.ndarray, *, seed: int, iterations: int) -> np.ndarray:
    """The mel-spectrogram of the sound that a mel-spectrogram becomes: [T, M] -> [T, M] in -1..1.

    seed, iterations: as of `reconstruct`.
    """
    samples = reconstruct(mels, samples=len(mels) * mel.HOP, seed=seed, iterations=iterations)
    return np.asarray(mel.restored(recordings.mel_spectrogram(samples, mels.shape[1])))[: len(mels)]
