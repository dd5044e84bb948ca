"""Drums of other songs that a network is shown, those with the most similar basses: what a drummer knows already.

Of each song, or rhythm pattern, a few windows are kept: which instruments are hit, where the bass begins a note, and
where one sounds.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, Integer, UInt32

from musicfusion.codecs.drums import INSTRUMENTS
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.core.contracts import Tree

EACH = 16  # windows of a song or rhythm pattern, at most
BLOCK = 2048  # windows that are compared at once
NONE = -1


class Repertoire(NamedTuple):
    """Windows that are known.

    hits: bool [m, LENGTH, 9]; onsets, sounding: where the bass begins a note, and where one sounds, bool [m, LENGTH];
    tags: uint32 [m].
    """

    hits: Bool[np.ndarray, "m T 9"]
    onsets: Bool[np.ndarray, "m T"]
    sounding: Bool[np.ndarray, "m T"]
    tags: UInt32[np.ndarray, " m"]


def of(hits: Bool[np.ndarray, "m T 9"], bass: Integer[np.ndarray, "m T"], tags: UInt32[np.ndarray, " m"]) -> Repertoire:
    """Windows with a bass, tokens [m, LENGTH]."""
    return Repertoire(hits, bass < HOLD, bass < REST, tags)


def collected(own: Repertoire, groups: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Of each group of windows EACH at most, evenly chosen: which, int [m]. groups: of the windows `own`."""
    with_bass = own.onsets.any(1)
    chosen = []
    for group in np.unique(groups):
        members = np.flatnonzero((groups == group) & with_bass)
        chosen.append(members[np.linspace(0, len(members) - 1, min(EACH, len(members))).astype(int)])
    return np.concatenate(chosen)


def only(own: Repertoire, chosen: Int[np.ndarray, " m"]) -> Repertoire:
    """Some of the windows."""
    return Repertoire(*(x[chosen] for x in own))


def packed(own: Repertoire) -> dict[str, np.ndarray]:
    """As arrays of bytes, eight steps in each."""
    return {"hits": np.packbits(own.hits.reshape(len(own.hits), -1), axis=1), "tags": own.tags,
            **{name: np.packbits(getattr(own, name), axis=1) for name in ("onsets", "sounding")}}


def unpacked(arrays: Tree) -> Repertoire:
    """The reverse of `packed`. Where nothing was kept of where basses sound, none does."""
    hits = np.unpackbits(np.asarray(arrays["hits"]), axis=1).reshape(len(arrays["tags"]), -1, len(INSTRUMENTS))
    onsets = np.unpackbits(np.asarray(arrays["onsets"]), axis=1).astype(bool)
    sounding = (np.unpackbits(np.asarray(arrays["sounding"]), axis=1).astype(bool) if "sounding" in arrays
                else np.zeros_like(onsets))
    return Repertoire(hits.astype(bool), onsets, sounding, np.asarray(arrays["tags"]))


def similar(bass: Integer[np.ndarray, "n T"], own: Repertoire, count: int, *, sounding: float = 0.0, tag: int = 0,
            groups: tuple[np.ndarray, np.ndarray] | None = None) -> Int[np.ndarray, "n count"]:
    """Which windows of a repertoire have the most similar basses, the best first: int32 [n, count], NONE where none is.

    Similar: F1 of the steps at which notes begin, and `sounding` times that of the steps at which they sound.

    Args:
        bass: tokens [n, LENGTH].
        own: the repertoire.
        count: how many.
        sounding: weight of where basses sound beside where their notes begin.
        tag: only those with this tag (a power of two), unless there are none; 0 for all.
        groups: of the basses int [n] and of the repertoire int [m]; those of the same group are left out.
    """
    onsets, lasting = bass < HOLD, bass < REST
    tagged = (own.tags & np.uint32(tag)) > 0
    left_out = ~tagged if tag and tagged.any() else np.zeros(len(own.tags), bool)
    found = np.full((len(bass), count), NONE, np.int32)
    playing = np.flatnonzero(onsets.any(1))
    for begin in range(0, len(playing), BLOCK):
        rows = playing[begin : begin + BLOCK]
        score = _f1(onsets[rows], own.onsets)
        if sounding:
            score += sounding * _f1(lasting[rows], own.sounding)
        score[:, left_out] = -1
        if groups is not None:
            score[groups[0][rows, None] == groups[1]] = -1
        best = np.argsort(-score, 1, kind="stable")[:, :count]
        good = np.take_along_axis(score, best, 1) >= 0
        found[rows, : best.shape[1]] = np.where(good, best, NONE)
    return found


def _f1(asked: Bool[np.ndarray, "n T"], known: Bool[np.ndarray, "m T"]) -> Float32[np.ndarray, "n m"]:
    """F1 of the steps that each of one has in common with each of the other."""
    common = asked.astype(np.float32) @ known.astype(np.float32).T
    return 2 * common / np.maximum(asked.sum(1, keepdims=True, dtype=np.float32) + known.sum(1), 1)
