"""Where the codes of each genre lie: the mean of each, and how codes scatter about it.

The flower's petals say where they should lie, and in its plane they do. Elsewhere genres differ, too, and that is where
the decoder hears them: a change of genre, or a draw from one, starts from here.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.core.rows import numbered
from musicfusion.core.task import Resident
from musicfusion.data import batches
from musicfusion.systems.musae import space, windows
from musicfusion.systems.musae.adversarial import PETALS

ENOUGH = {2: 6000, 16: 2000}  # windows that are encoded


def resident(corpus, config, bars: int, results) -> Resident:
    """{"found": {"mean" [32, n], in the order of the petals, "scatter" [n, n]}}, of training windows.

    scatter: its product with N(0, I) is distributed as codes are about their genre's mean.
    """
    starts = windows.windows(corpus, "train", config.seed, bars)["start"]
    starts = starts[batches.fixed(len(starts), min(len(starts), ENOUGH[bars]))]
    arrays = windows.fixed(corpus, starts, results("petals"))
    index = jnp.arange(len(starts))
    batch = windows.examples(arrays, index, numbered(jax.random.key(config.seed), index), False, bars=bars,
                             encoding=config.data.encoding)
    z = space.load(config, results, bars).encode(batch["tracks"])
    petal = np.where(np.asarray(batch["genre"]) < 0, -1, np.asarray(batch["petal"]))
    return Resident({"found": gathered(z, petal)}, 1, 0, steps=1)


def gathered(z: np.ndarray, petal: np.ndarray) -> dict[str, np.ndarray]:
    """z [N, n], petal int [N], -1 for no genre -> {"mean", "scatter"}; a petal without codes has the mean of all."""
    mean = np.repeat(z.mean(0, keepdims=True), PETALS + 1, 0)  # the last one is of no genre
    for k in np.unique(petal):
        mean[k] = z[petal == k].mean(0)
    about = (z - mean[petal]).astype(np.float64)
    variances, axes = np.linalg.eigh(about.T @ about / len(z))  # there may be fewer codes than dimensions
    scatter = axes * np.sqrt(np.maximum(variances, 0.0))
    return {"mean": mean[:PETALS].astype(np.float32), "scatter": scatter.astype(np.float32)}


def drawn(found: Mapping, petal: np.ndarray, spread: float, seed: int) -> np.ndarray:
    """Codes of the genres of petals int [b], by chance, `spread` times as far from the mean as a piece's: [b, n]."""
    normal = np.random.default_rng(seed).normal(size=(len(petal), found["scatter"].shape[0]))
    strayed = spread * normal @ np.asarray(found["scatter"], np.float64).T
    return (np.asarray(found["mean"], np.float64)[petal] + strayed).astype(np.float32)


def moved(found: Mapping, z: np.ndarray, source, target, amount: float) -> np.ndarray:
    """Codes [b, n] moved by the difference of two genres' means, `amount` times. source, target: petals, int or [b]."""
    mean = np.asarray(found["mean"], np.float32)
    return (z + amount * (mean[target] - mean[source])).astype(np.float32)
