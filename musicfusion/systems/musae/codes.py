"""The codes of songs, once an autoencoder is trained: what later stages learn from."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.core.contracts import Resident
from musicfusion.core.example_keys import numbered
from musicfusion.data import batches
from musicfusion.data.corpus import Corpus
from musicfusion.systems.musae import dataset
from musicfusion.systems.musae.components import Components

BLOCK = 4096  # windows whose tokens are in memory at a time


@dataclasses.dataclass(frozen=True, kw_only=True)
class Codes:
    """Codes of windows: z float32 [N, size], the component of each one's genre, int [N], UNTAGGED for none, and the
    harmony of each [N, parts, H].

    Those of training windows come first, `train` of them, then those to validate on.
    """

    z: np.ndarray
    component: np.ndarray
    harmony: np.ndarray
    train: int

    def resident(self, components: int, frozen: Any) -> Resident:
        """As the examples of a stage; components: how many the flower has."""
        return Resident(arrays={"z": self.z, "component": self.component, "harmony": self.harmony,
                                "components": np.int32(components)},
                        train=self.train, validation=len(self.z) - self.train, frozen=frozen)


def encoded(corpus: Corpus, encode: Callable[[np.ndarray], np.ndarray], harmony: Callable[[jax.Array], jax.Array],
            components: Components, *, seed: int, bars: int, encoding: str, sparse: bool, shares: Sequence[float],
            count: int) -> Codes:
    """The codes of about `count` training windows, each in a key drawn for it, and of windows to validate on.

    encode: tokens int [n, T, 4] -> z [n, size]; harmony: tokens -> [n, parts, H]; bars, encoding, sparse, shares: of
    dataset.
    """
    found = dataset.resident(corpus, seed=seed, bars=bars, component=components.component, components=components.count,
                             sparse=sparse, shares=shares)
    chosen = [batches.fixed(found.train, min(found.train, count)),
              found.train + batches.fixed(found.validation, min(found.validation, count // 8))]

    @jax.jit
    def run(arrays, index, keys):
        batch = dataset.examples(arrays, index, keys, True, bars=bars, encoding=encoding)
        return batch | {"harmony": harmony(batch["tracks"])}

    z, component, sounding = [], [], []
    for index in np.split(np.concatenate(chosen), np.arange(BLOCK, sum(map(len, chosen)), BLOCK)):
        batch = run(found.arrays, index, numbered(jax.random.key(seed), jnp.asarray(index)))
        z.append(encode(np.asarray(batch["tracks"])))
        sounding.append(np.asarray(batch["harmony"]))
        component.append(np.asarray(batch["component"]))
    return Codes(z=np.concatenate(z), component=np.concatenate(component), harmony=np.concatenate(sounding),
                 train=len(chosen[0]))


def examples(arrays: Mapping, index: jax.Array, keys: jax.Array, training: bool) -> dict:
    """A batch of codes: {"z" [B, size], "harmony" [B, parts, H], "component", "components" int [B], "example_key"}."""
    del training
    component = arrays["component"][index]
    return {"z": arrays["z"][index], "harmony": arrays["harmony"][index], "component": component, "example_key": keys,
            "components": jnp.broadcast_to(arrays["components"], component.shape)}
