"""Songs are split, not windows: no song has windows in two splits."""

import hashlib
import itertools
from collections.abc import Mapping

import numpy as np

from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import Corpus, whole

SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}  # CollageNet, section 4.1
ALL = "all"


def of_song(name: str, seed: int, shares: Mapping[str, float] = SPLITS) -> str:
    """The split of a song, by the name of its family (see Corpus) and the seed alone.

    shares: {split: its share, relative to the others}. Parts and versions of one song, SONG#PART, stay together.
    """
    digest = hashlib.sha256(f"{seed}:{whole(name)}".encode()).digest()
    position = int.from_bytes(digest[:8]) / 2**64 * sum(shares.values())
    ends = itertools.accumulate(shares.values())
    return next((split for split, end in zip(shares, ends, strict=True) if position < end), list(shares)[-1])


def select(
    corpus: Corpus, window_songs: np.ndarray, split: str, seed: int, shares: Mapping[str, float] = SPLITS
) -> np.ndarray:
    """The windows of one split, or of "all": int32 indices into `window_songs` [n]. Songs of one family share a split.

    Raises MusicFusionError for an unknown split.
    """
    if split == ALL:
        return np.arange(len(window_songs), dtype=np.int32)
    if split not in shares:
        raise MusicFusionError(f"split {split!r} is unknown: accepted are {', '.join([*shares, ALL])}")
    member = np.array([of_song(name, seed, shares) == split for name in corpus.families], bool)
    return np.flatnonzero(member[window_songs]).astype(np.int32)
