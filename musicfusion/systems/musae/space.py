"""A trained autoencoder in use: music in four tracks <-> z, and where its genres lie."""

import difflib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.musae import nets, petals


class Space(NamedTuple):
    """A trained autoencoder, compiled, and its flower.

    encode: tokens int [n, T, 4] -> mean [n, 512];  decode: the reverse, int32 [n, T, 4]
    genres: in the order of their petals;  petals: how many;  lineup: of the tracks
    styles: where the genres' codes lie (styles.py), in the order of their petals, None where that is not known
    """

    encode: Callable
    decode: Callable
    genres: list[str]
    petals: int
    lineup: str
    bars: int
    styles: Mapping | None = None


def load(config, results, bars: int, stage: str = "flower") -> Space:
    """The autoencoder of a run. MusicFusionError where it has none for so many bars."""
    if bars not in config.lengths:
        raise MusicFusionError(f"{bars} bars were not trained: use {' or '.join(map(str, config.lengths))}")
    kind = next(kind for kind in nets.KINDS if kind.name == stage)
    model, params = nets.model(config, kind, bars), results(f"{stage}_{bars}")
    params = params.get("autoencoder", params)
    encode = jax.jit(lambda params, tokens: model.apply({"params": params}, {"tracks": tokens}, method="encode")[0])
    decode = jax.jit(lambda params, z: model.apply({"params": params}, z, method="decode")["tracks"])
    found, size = results("petals"), config.evaluate.batch
    styles = results(f"styles_{bars}") if stage == "flower" and results.has(f"styles_{bars}") else None
    return Space(rows(encode, params, size), rows(decode, params, size), petals.around(found), int(found["count"]),
                 petals.text(found["lineup"]), bars, styles)


def rows(run: Callable, params, size: int) -> Callable:
    """run(params, rows), so many rows at a time: all calls are alike, so one program serves them."""

    def over(x):
        x = np.asarray(x)
        found = [np.asarray(run(params, _filled(x[i : i + size], size)))[: len(x) - i] for i in range(0, len(x), size)]
        return np.concatenate(found)

    return over


def _filled(x: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([x, np.repeat(x[-1:], size - len(x), 0)]) if len(x) < size else x


def petal_of(net: Space, genre: str, control: str) -> int:
    """The petal of a genre. MusicFusionError, with the near matches, for one that is not there."""
    if genre not in net.genres:
        near = difflib.get_close_matches(genre, net.genres, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        known = ", ".join(net.genres) or "none: the songs had no genres"
        raise MusicFusionError(f"--controls: {control}={genre} is unknown: {hint}there are {known}")
    return net.genres.index(genre)
