"""Songs are split, not windows: no song has windows in two splits."""

import hashlib

import numpy as np

from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import Corpus

SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}  # paper 000, section 4.1
ALL = "all"


def of_song(name: str, seed: int) -> str:
    """The split of a song: "train", "validation" or "test", by its name and the seed alone.

    So it depends neither on the order of the corpus nor on what else is in it.
    """
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    if place < SPLITS["train"]:
        return "train"
    return "validation" if place < SPLITS["train"] + SPLITS["validation"] else "test"


def select(corpus: Corpus, window_songs: np.ndarray, split: str, seed: int) -> np.ndarray:
    """The windows of one split, or of "all": int32 indices into `window_songs` [n].

    Raises MusicFusionError for an unknown split.
    """
    if split == ALL:
        return np.arange(len(window_songs), dtype=np.int32)
    if split not in SPLITS:
        raise MusicFusionError(
            f"split {split!r} is unknown: accepted are {', '.join([*SPLITS, ALL])}"
        )
    member = np.array([of_song(name, seed) == split for name in corpus.songs], bool)
    return np.flatnonzero(member[window_songs]).astype(np.int32)
