"""A trained autoencoder in use: music in four tracks <-> z, and where its genres lie."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from musicfusion.codecs.melody import HOLD
from musicfusion.core import progress
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.genre_means import GenreMeans


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentSpace:
    """A trained autoencoder, compiled, and its genres.

    encode: tokens int [n, T, 4] -> posterior mean [n, size];  decode: the reverse, int32 [n, T, 4]
    components: of the prior it was trained with;  bars: of a window
    means: where its genres lie; None where that was not computed
    """

    encode: Callable[[np.ndarray], np.ndarray]
    decode: Callable[[np.ndarray], np.ndarray]
    components: Components
    bars: int
    means: GenreMeans | None = None

    @property
    def genres(self) -> list[str]:
        """In the order of their components."""
        return self.components.around


def create(model: Any, params: Mapping, *, components: Components, bars: int, batch: int,
           means: GenreMeans | None = None) -> LatentSpace:
    """The space of an autoencoder with trained parameters; batch: windows that are encoded or decoded at a time."""
    encode = jax.jit(lambda params, tokens: model.apply({"params": params}, {"tracks": tokens}, method="encode")[0])
    decode = jax.jit(lambda params, z: model.apply({"params": params}, z, method="decode")["tracks"])
    return LatentSpace(encode=batched(encode, params, batch, "encoding"),
                       decode=batched(decode, params, batch, "decoding"),
                       components=components, bars=bars, means=means)


def batched(run: Callable, params: Any, size: int, what: str = "computing") -> Callable[[np.ndarray], np.ndarray]:
    """run(params, x [size, ...]) for any number of examples: all calls have one shape, so it is compiled once.

    what: it does, for core.progress.
    """

    def over(x: np.ndarray) -> np.ndarray:
        x = np.asarray(x)
        found = [np.asarray(run(params, _filled(x[i : i + size], size)))[: len(x) - i]
                 for i in progress.steps(range(0, len(x), size), what)]
        return np.concatenate(found)

    return over


def _filled(x: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([x, np.repeat(x[-1:], size - len(x), 0)]) if len(x) < size else x


def kept(before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    """What two versions of windows int [n, T, 4] share: F1 of onsets ("rhythm"), of onsets with their pitch ("notes").

    F1, so that notes that were added count against it, too. [n] each.
    """
    old, new = before < HOLD, after < HOLD
    both = np.maximum(old.sum((1, 2)) + new.sum((1, 2)), 1)
    return {"rhythm": 2 * (old & new).sum((1, 2)) / both,
            "notes": 2 * (old & new & (before == after)).sum((1, 2)) / both}
