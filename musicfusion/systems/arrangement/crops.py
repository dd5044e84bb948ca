"""Crops of songs' mel pictures: of the source, of the target, and of both at the same time (paper 002, section 3)."""

import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import mel
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.rows import folded
from musicfusion.core.task import Resident
from musicfusion.data import splits
from musicfusion.data.corpus import Corpus

SPLITS = {"train": 0.7, "validation": 0.15, "test": 0.15}  # of songs
SOUNDS = 0.02  # a crop with less of the whole picture lit is silence
KINDS = ("rendered", "real")  # tags of songs, where both are there
QUANTILES = 21  # of the targets' levels, 0 to 1


def crops(corpus: Corpus, config, split: str, kind: str = "") -> dict[str, np.ndarray]:
    """Where crops of a split's songs begin: {"a", "b", "both": frames int32 [n]}, by what sounds in them.

    kind: only rendered or only real songs. Raises MusicFusionError where a side has none.
    """
    length, stride = config.data.crop, config.data.stride
    first = corpus.first_beat
    start = np.concatenate([np.arange(begin, end - length + 1, stride) for begin, end in itertools.pairwise(first)])
    song = np.searchsorted(first, start, "right") - 1
    kept = splits.select(corpus, song, split, config.seed, SPLITS)
    if kind:
        bit = np.uint32(1 << corpus.tags.index(kind))
        kept = kept[corpus.arrays["tags"][start[kept]] & bit > 0]
    start = start[kept]
    sounds = {}
    for side, part in (("a", "source"), ("b", "target")):
        lit = np.concatenate([[0.0], np.cumsum(corpus.arrays[part].mean(1, dtype=np.float64) / 255)])
        sounds[side] = (lit[start + length] - lit[start]) / length > SOUNDS
        if not sounds[side].any():
            raise MusicFusionError(f"data: no {split} song{' of kind ' + kind if kind else ''} has {length} frames of"
                                   f" {config.data[part]}; {len(corpus.songs)} songs were read: more are needed")
    found = {side: start[heard] for side, heard in sounds.items()}
    return {key: x.astype(np.int32) for key, x in (found | {"both": start[sounds["a"] & sounds["b"]]}).items()}


def resident(corpus: Corpus, config, kind: str = "", before: Mapping | None = None, sides=("a", "b")) -> Resident:
    """Pictures and where crops of them begin, on the device. sides: "both" for those that are in pairs.

    Raises MusicFusionError where a side has no crop.
    """
    parts = [crops(corpus, config, split, kind) for split in ("train", "validation")]
    arrays: dict = {"source": corpus.arrays["source"], "target": corpus.arrays["target"], "before": before or {},
                    "levels": levels(corpus, config, kind)}
    for side in sides:
        if not all(len(part[side]) for part in parts):
            raise MusicFusionError("data: source and target never sound together: nothing can be learned in pairs")
        arrays[side] = np.concatenate([part[side] for part in parts])
        arrays[f"bounds_{side}"] = np.array([0, len(parts[0][side]), len(arrays[side])], np.int32)
    return Resident(arrays, len(parts[0][sides[0]]), len(parts[1][sides[0]]))


def examples(length: int, arrays: Mapping, index: jax.Array, row_keys: jax.Array, training: bool) -> dict:
    """{"a": crops of the source, "b": of the target somewhere else, "pair": of the target at the same time, each
    [b, T, M, 1] in -1..1, "before", "levels", "row_key"}."""
    part = 0 if training else 1
    a = "both" if "both" in arrays else "a"
    first = arrays[a][index]
    found = {"before": arrays["before"], "levels": arrays["levels"], "row_key": row_keys,
             "a": cut(arrays["source"], first, length),
             "pair": cut(arrays["target"], first, length)}
    if "b" in arrays:
        bounds = arrays["bounds_b"]
        other = jax.vmap(lambda key: jax.random.randint(key, (), bounds[part], bounds[part + 1]))(folded(row_keys, 30))
        found["b"] = cut(arrays["target"], arrays["b"][other], length)
    return found


def cut(pictures: jax.Array, first: jax.Array, length: int) -> jax.Array:
    """uint8 [frames, M], int [b] -> [b, length, M, 1] in -1..1."""
    rows = first[:, None] + jnp.arange(length)
    return mel.restored(pictures[rows])[..., None]


def levels(corpus: Corpus, config, kind: str = "") -> np.ndarray:
    """Quantiles of how much sounds in training crops of the target, from least to most: float32 [QUANTILES]."""
    start = crops(corpus, config, "train", kind)["b"]
    lit = np.concatenate([[0.0], np.cumsum(corpus.arrays["target"].mean(1, dtype=np.float64) / 255)])
    found = (lit[start + config.data.crop] - lit[start]) / config.data.crop
    return np.quantile(found, np.linspace(0, 1, QUANTILES)).astype(np.float32)
