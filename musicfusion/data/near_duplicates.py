"""Near-duplicates: one song under two names, which would lie in two splits. They are found by the passages they share.

A passage is what a bar or two, or ten notes of a melody, sound like in whatever key: the notes as bytes, counted from
one of them.

    NearDuplicates   a song most of whose bars are those of an earlier one: readers leave it out
    families         songs whose melodies share phrases, such as two arrangements of one song: they share a split
    known_windows    windows of tracks that stand in other songs, to count them
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Integer

from musicfusion.codecs import melody, polyphony, tracks
from musicfusion.codecs.score import STEPS_PER_QUARTER

BAR = 4 * STEPS_PER_QUARTER  # steps
PHRASE = 10  # notes
LONGEST = BAR  # steps from one onset to the next: more are taken for as many
SHARE, LEAST = 0.25, 8  # of the phrases of the shorter melody that versions of one song have in common: see `families`


class NearDuplicates:
    """The songs met so far, each as a set of passages."""

    def __init__(self) -> None:
        self._owners: dict[bytes, dict[str, None]] = {}  # in the order in which they were met
        self._order: dict[str, int] = {}

    def of(self, passages: frozenset[bytes]) -> str | None:
        """The song that has most of these passages, if it has more than half; of several the one met first."""
        shared = self.shared(passages)
        name = min(shared, key=lambda name: (-shared[name], self._order[name]), default=None)
        return name if name is not None and shared[name] > len(passages) / 2 else None

    def shared(self, passages: frozenset[bytes]) -> Counter[str]:
        """How many of these passages each song has."""
        return Counter(owner for passage in passages for owner in self._owners.get(passage, ()))

    def add(self, name: str, passages: frozenset[bytes]) -> None:
        """Remembers a song, or more passages of one that was met before; each passage counts once."""
        self._order.setdefault(name, len(self._order))
        for passage in passages:
            self._owners.setdefault(passage, {})[name] = None


def families(names: Sequence[str], melodies: Sequence[np.ndarray]) -> tuple[str, ...]:
    """Songs, some of which are versions of one another -> for each the name of the first song that is the same.

    Two songs are versions of one if they share LEAST phrases, and SHARE of those of the one that has fewer. These
    numbers were chosen by looking at the pairs that share most, and at their notes. Of POP909's 790 songs four pairs
    share 100, 60, 49 and 33 % of their phrases: one is copied, and in the others half of the song and more agrees note
    for note, in runs of 29 to 77. The next pairs share 5, 4 and 3 %, turns of at most 17 notes. Of lieder "Regenlied"
    and "Nachklang" (Brahms took one melody for both) share 41 %, the next pair 16. Chorales with 20 to 30 % in common
    are one hymn with other passing notes, fiddle tunes have a strain in common. Versions in other note values are not
    found.

    Args:
        names: of the songs; those of one name are one song already.
        melodies: their tokens, uint8 [T] each.
    """
    of_song: dict[str, frozenset[bytes]] = {}
    for name, tokens in zip(names, melodies, strict=True):
        of_song[name] = of_song.get(name, frozenset()) | phrases(tokens)
    known, family = NearDuplicates(), {name: name for name in of_song}
    order = {name: number for number, name in enumerate(of_song)}
    for name, own in of_song.items():
        alike = {family[other] for other, shared in known.shared(own).items()
                 if shared >= max(LEAST, SHARE * min(len(own), len(of_song[other])))}
        if alike:
            first = min(alike, key=order.__getitem__)
            family |= {other: first for other, one in family.items() if one in alike or other == name}
        known.add(name, own)
    return tuple(family[name] for name in names)


def phrases(tokens: np.ndarray) -> frozenset[bytes]:
    """Every PHRASE notes of a melody, tokens [T], as intervals in semitones and distances of onsets in steps."""
    onset = np.flatnonzero(tokens < melody.HOLD)
    distance = np.minimum(np.diff(onset), LONGEST)
    steps = np.stack([np.diff(tokens[onset].astype(np.int8)), distance.astype(np.int8)], 1)
    found = steps.tobytes()
    length = 2 * (PHRASE - 1)
    return frozenset(found[start : start + length] for start in range(0, len(found) - length + 1, 2))


def known_windows(
    windows: Integer[np.ndarray, "n T tracks"], of: Integer[np.ndarray, "m T tracks"],
    pitched: Bool[np.ndarray, " tracks"],
) -> Bool[np.ndarray, "n tracks"]:
    """Which tracks of windows stand among other windows, step for step, each track by itself -> bool [n, tracks].

    What is silent in a track counts as not known.

    Args:
        windows, of: tokens (codecs.tracks) [n, T, tracks] and [m, T, tracks]; holds without a note should be rests
            (tracks.without_carry).
        pitched: tracks [tracks] that are the same in whatever key: they are counted from their lowest pitch.
    """
    own, others = _from_lowest(windows, pitched), _from_lowest(of, pitched)
    sounds = (windows < melody.HOLD).any(1)
    known = np.zeros(sounds.shape, bool)
    for track in range(len(pitched)):
        there = {column.tobytes() for column in others[:, track]}
        known[:, track] = [column.tobytes() in there for column in own[:, track]]
    return known & sounds


def _from_lowest(tokens: np.ndarray, pitched: np.ndarray) -> np.ndarray:
    """Tokens [n, T, tracks] -> uint8 [n, tracks, T], the pitches of pitched tracks counted from a track's lowest."""
    tokens = np.asarray(tokens).astype(np.uint8).transpose(0, 2, 1)
    struck = tokens < melody.HOLD
    lowest = np.min(tokens, axis=2, where=struck, initial=melody.HOLD, keepdims=True)
    return np.ascontiguousarray(np.where(struck & np.asarray(pitched)[:, None], tokens - lowest, tokens))


def of_melody(arrays: Mapping[str, np.ndarray], stretch: int = 1) -> frozenset[bytes]:
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


def of_pair(arrays: Mapping[str, np.ndarray]) -> frozenset[bytes]:
    """Every bar of a melody with its accompaniment: {"melody" [T], "pitch" and "duration" [T, 14]}."""
    found = set()
    for start in range(0, len(arrays["melody"]), BAR):
        lead, pitch, duration = (
            arrays[key][start : start + BAR].astype(np.int32) for key in ("melody", "pitch", "duration"))
        lowest = np.min(pitch, where=duration > 0, initial=127)
        lead = np.where(lead < melody.HOLD, lead - lowest, lead + polyphony.PITCHES)
        found.add(b"".join(part.tobytes() for part in (lead, (duration > 0) * (pitch - lowest), duration)))
    return frozenset(found)


def of_tracks(arrays: Mapping[str, np.ndarray], steps: int = STEPS_PER_QUARTER) -> frozenset[bytes]:
    """Every bar of {"tracks": tokens [T, 4]}; steps: of a quarter."""
    pitch, found = tracks.sounding(arrays["tracks"]), set()
    for start in range(0, len(pitch), 4 * steps):
        here = pitch[start : start + 4 * steps]
        if (here >= 0).any():
            lowest = here[here >= 0].min()
            found.add(np.where(here >= 0, here - lowest, -1).tobytes())
    return frozenset(found)
