"""Whole songs of any length: overlapping crops, translated and joined in the mel picture without seams."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import mel
from musicfusion.systems.arrangement import crops, cyclegan, nets

ROWS = 8  # crops that are translated at once
BLOCK = 1024  # frames: songs are turned into sound in whole blocks, so that one program does for many lengths


def translated(config, params, picture: np.ndarray, density: float) -> np.ndarray:
    """A song's picture [T, M] in -1..1 -> the target's, [T, M].

    params: {"generators": {"b"}}; density: 0 to 1, the share of the target's training crops in which less sounds. Crops
    overlap by config.data.overlap frames, over which one fades into the next, in decibels; after the source's end the
    target fades out over as many. Where the source is silent for a whole crop, so is the target: networks that norm
    each picture cannot tell silence from noise.
    """
    length, overlap = config.data.crop, config.data.overlap
    hop = length - overlap
    count = max(-(-(len(picture) - overlap) // hop), 1)
    padded = np.full((count * hop + overlap, picture.shape[1]), -1.0, np.float32)
    padded[: len(picture)] = picture
    cut = np.stack([padded[k * hop : k * hop + length] for k in range(count)])
    run = _program(nets.generator(config), bool(config.cyclegan.density))
    made = np.concatenate([
        np.asarray(run(params["generators"]["b"], np.resize(cut[k : k + ROWS], (ROWS, *cut.shape[1:])), density))
        for k in range(0, count, ROWS)])[:count]
    made = np.where(np.max(cut, (1, 2), keepdims=True) > -1, made, -1.0)
    weight = np.ones(length, np.float32)
    if overlap:
        ramp = (np.arange(overlap) + 0.5) / overlap
        weight[:overlap], weight[-overlap:] = ramp, ramp[::-1]
    total, weights = np.zeros_like(padded), np.zeros((len(padded), 1), np.float32)
    for k in range(count):
        total[k * hop : k * hop + length] += made[k] * weight[:, None]
        weights[k * hop : k * hop + length] += weight[:, None]
    return _within(picture, np.clip(total / weights, -1, 1)[: len(picture)], max(overlap, 1))


def _within(source: np.ndarray, made: np.ndarray, fade: int) -> np.ndarray:
    """What was made [T, M], faded out before the source's first sound and after its last, over so many frames."""
    sounding = np.flatnonzero((source.mean(1) + 1) / 2 > crops.SOUNDS)
    if not len(sounding):
        return made
    frame = np.arange(len(made))
    away = np.maximum(sounding[0] - frame, frame - sounding[-1]).clip(0)
    return np.maximum(made - 2 * away[:, None] / fade, -1)


@functools.lru_cache(maxsize=4)
def _program(generator, told: bool):
    @jax.jit
    def run(params, pictures, density):  # [ROWS, T, M] -> the same
        ranks = jnp.full(len(pictures), density) if told else None
        return cyclegan.translate(generator, params, pictures[..., None], ranks)[..., 0]

    return run


def sound(picture: np.ndarray, samples: int, seed: int, iterations: int) -> np.ndarray:
    """A picture [T, M] as so many samples, float32; the seed draws the phases with which it begins."""
    frames = -(-len(picture) // BLOCK) * BLOCK + 1
    padded = np.full((frames, picture.shape[1]), -1.0, np.float32)
    padded[: len(picture)] = picture
    made = np.asarray(_sound(jnp.asarray(padded), jax.random.key(seed), iterations))
    return np.pad(made, (0, max(samples - len(made), 0)))[:samples]


_sound = jax.jit(mel.sound, static_argnums=2)
