"""Near-duplicates: one song under two names, which would lie in two splits. They are found by the passages they share.

A passage is what a bar or two sound like in whatever key: its notes, counted from one of them, as bytes.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from musicfusion.codecs import melody, polyphony, tracks
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays

BAR = 4 * STEPS_PER_BEAT  # steps


class NearDuplicates:
    """The songs met so far, each as a set of passages."""

    def __init__(self) -> None:
        self._owners: dict[bytes, list[str]] = {}
        self._order: dict[str, int] = {}

    def of(self, passages: frozenset[bytes]) -> str | None:
        """The song that has most of these passages, if it has more than half; of several the one met first."""
        shared = Counter(owner for passage in passages for owner in self._owners.get(passage, ()))
        name = min(shared, key=lambda name: (-shared[name], self._order[name]), default=None)
        return name if name is not None and shared[name] > len(passages) / 2 else None

    def add(self, name: str, passages: frozenset[bytes]) -> None:
        """Remembers a song."""
        self._order.setdefault(name, len(self._order))
        for passage in passages:
            self._owners.setdefault(passage, []).append(name)


def of_melody(arrays: Arrays, stretch: int = 1) -> frozenset[bytes]:
    """Every two bars of {"melody": tokens [T]}, `stretch` steps to a 16th; one bar is often like another tune's."""
    tokens, length = arrays["melody"], 2 * BAR * stretch
    found = set()
    for start in range(0, len(tokens), length):
        part = tokens[start : start + length].astype(np.int32)
        onsets = part < melody.HOLD
        if onsets.any():
            part[onsets] -= part[onsets][0]
            found.add(part.tobytes())
    return frozenset(found)


def of_pair(arrays: Arrays) -> frozenset[bytes]:
    """Every bar of a melody with its accompaniment: {"melody" [T], "pitch" and "duration" [T, 14]}."""
    found = set()
    for start in range(0, len(arrays["melody"]), BAR):
        lead, pitch, duration = (
            arrays[key][start : start + BAR].astype(np.int32) for key in ("melody", "pitch", "duration"))
        lowest = np.min(pitch, where=duration > 0, initial=127)
        lead = np.where(lead < melody.HOLD, lead - lowest, lead + polyphony.PITCHES)
        found.add(b"".join(part.tobytes() for part in (lead, (duration > 0) * (pitch - lowest), duration)))
    return frozenset(found)


def of_tracks(arrays: Mapping[str, np.ndarray]) -> frozenset[bytes]:
    """Every bar of {"tracks": tokens [T, 4]}."""
    pitch, found = tracks.sounding(arrays["tracks"]), set()
    for start in range(0, len(pitch), BAR):
        here = pitch[start : start + BAR]
        if (here >= 0).any():
            lowest = here[here >= 0].min()
            found.add(np.where(here >= 0, here - lowest, -1).tobytes())
    return frozenset(found)
