"""Songs are split, not windows: no song has windows in two splits.

Songs that were generated from rhythm patterns (Corpus.grooves) are split by these, too: songs of the last split have
grooves that no song of another split has.
"""

import hashlib
import itertools
from collections.abc import Mapping

import numpy as np

from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import Corpus, whole

SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}  # CollageNet, section 4.1
ALL = "all"
HELD_OUT_GROOVES = "held_out_grooves"  # songs for training, but for their grooves


def of_song(name: str, seed: int, shares: Mapping[str, float] = SPLITS) -> str:
    """The split of a song, by the name of its family (see Corpus) and the seed alone.

    shares: {split: its share, relative to the others}. Parts and versions of one song, SONG#PART, stay together.
    """
    position = _draw(whole(name), seed) * sum(shares.values())
    ends = itertools.accumulate(shares.values())
    return next((split for split, end in zip(shares, ends, strict=True) if position < end), list(shares)[-1])


def _draw(name: str, seed: int) -> float:
    """A number from 0 to 1 that follows from a name and the seed."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def of_songs(corpus: Corpus, seed: int, shares: Mapping[str, float] = SPLITS) -> tuple[str, ...]:
    """The split of each song of a corpus, "" for a song that is in none. Songs of one family share a split.

    A song that was generated from a groove is in the last split only if its family is there and its groove is held
    out, and in any other split only if its groove is not held out. Songs of held-out grooves whose family is for
    training are HELD_OUT_GROOVES.
    """
    found = [of_song(family, seed, shares) for family in corpus.families]
    if not corpus.grooves:
        return tuple(found)
    held_out, last = held_out_grooves(corpus, seed), list(shares)[-1]
    for song, groove in enumerate(corpus.grooves):
        if groove and (groove in held_out) != (found[song] == last):
            trains = found[song].startswith("train") and groove in held_out
            found[song] = HELD_OUT_GROOVES if trains else ""
    return tuple(found)


def held_out_grooves(corpus: Corpus, seed: int) -> frozenset[str]:
    """Of the grooves of each genre one, where it has two or more; which one follows from their names and the seed.

    A groove's genre is the first that its songs bear; grooves without any are one group.
    """
    bits = corpus.arrays["tags"][corpus.first_beat[:-1]] if "tags" in corpus.arrays else [0] * len(corpus.songs)
    genres: dict[str, int] = {}
    for groove, own in zip(corpus.grooves, bits, strict=bool(corpus.grooves)):
        if groove:
            genres[groove] = genres.get(groove, 0) | int(own)
    groups: dict[int, list[str]] = {}
    for groove, own in genres.items():
        groups.setdefault(own & -own, []).append(groove)
    return frozenset(min(group, key=lambda groove: _draw(groove, seed)) for group in groups.values() if len(group) > 1)


def select(
    corpus: Corpus, window_songs: np.ndarray, split: str, seed: int, shares: Mapping[str, float] = SPLITS
) -> np.ndarray:
    """The windows of one split, of "held_out_grooves", or of "all": int32 indices into `window_songs` [n].

    Raises MusicFusionError for an unknown split.
    """
    if split == ALL:
        return np.arange(len(window_songs), dtype=np.int32)
    accepted = [*shares, ALL, HELD_OUT_GROOVES]
    if split not in accepted:
        raise MusicFusionError(f"split {split!r} is unknown: accepted are {', '.join(accepted)}")
    member = np.array([own == split for own in of_songs(corpus, seed, shares)], bool)
    return np.flatnonzero(member[window_songs]).astype(np.int32)
