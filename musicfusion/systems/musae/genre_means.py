"""The latent mean of each genre, and how codes scatter about it: where a change of genre, or a draw from one, starts.

The flower says where the codes of a genre should lie in its plane. Codes of different genres differ in the other
dimensions, too, and it is these that the decoder turns into another genre. The stages `genre_means_BARS` compute the
means, once the autoencoder is trained.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.core.contracts import Resident
from musicfusion.core.example_keys import numbered
from musicfusion.data import batches
from musicfusion.data.corpus import Corpus
from musicfusion.systems.musae import dataset
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.dataset import COMPONENTS

ENOUGH = {2: 6000, 16: 2000}  # bars of a window: windows that are encoded


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenreMeans:
    """Where the codes of training windows lie, n numbers each.

    mean: of each genre, in the order of the components, float32 [32, n]; the mean of all codes where a component has no
    genre. scatter: float32 [n, n], the same for all genres: its product with a draw from N(0, I) is distributed as
    codes are about their genre's mean.
    """

    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def fit(cls, z: np.ndarray, component: np.ndarray) -> "GenreMeans":
        """Of codes z [N, n] and their genres' components int [N], -1 for no genre."""
        mean = np.repeat(z.mean(0, keepdims=True), COMPONENTS + 1, 0)  # the last one is of no genre
        for k in np.unique(component):
            mean[k] = z[component == k].mean(0)
        about = (z - mean[component]).astype(np.float64)
        variances, axes = np.linalg.eigh(about.T @ about / len(z))  # there may be fewer codes than dimensions
        scatter = axes * np.sqrt(np.maximum(variances, 0.0))
        return cls(mean=mean[:COMPONENTS].astype(np.float32), scatter=scatter.astype(np.float32))

    def draw(self, component: np.ndarray, *, spread: float, seed: int) -> np.ndarray:
        """Random codes of the genres of components int [B], `spread` times as far from the mean as songs: [B, n]."""
        normal = np.random.default_rng(seed).normal(size=(len(component), self.scatter.shape[0]))
        away = spread * normal @ np.asarray(self.scatter, np.float64).T
        return (np.asarray(self.mean, np.float64)[component] + away).astype(np.float32)

    def move(self, z: np.ndarray, source: int | np.ndarray, target: int | np.ndarray, amount: float) -> np.ndarray:
        """Codes [B, n] moved by the difference of two genres' means, `amount` times.

        source, target: the components of the genre they have and of the one they move toward, int or [B].
        """
        mean = np.asarray(self.mean, np.float32)
        return (z + amount * (mean[target] - mean[source])).astype(np.float32)


def resident(
    corpus: Corpus, *, encode: Callable[[np.ndarray], np.ndarray], components: Components, seed: int, bars: int,
    encoding: str,
) -> Resident:
    """The means of training windows, as the one example of components.precompute.

    encode: tokens int [N, T, 4] -> z [N, n], the trained autoencoder's; bars, encoding: as of dataset.examples.
    """
    starts = dataset.windows(corpus, "train", seed=seed, bars=bars)["start"]
    starts = starts[batches.fixed(len(starts), min(len(starts), ENOUGH[bars]))]
    arrays = dataset.arrays(corpus, starts, component=components.component, components=components.count)
    index = jnp.arange(len(starts))
    batch = dataset.examples(arrays, index, numbered(jax.random.key(seed), index), False, bars=bars, encoding=encoding)
    component = np.where(np.asarray(batch["genre"]) < 0, -1, np.asarray(batch["component"]))
    return Resident(arrays=vars(GenreMeans.fit(encode(batch["tracks"]), component)), train=1)
