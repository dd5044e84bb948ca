"""A corpus as arrays: all songs end to end on one grid of 16ths."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from musicfusion.codecs import melody
from musicfusion.core.errors import MusicFusionError

STEPS_PER_BEAT = 4  # a beat is a quarter, a step a 16th
# onsets that a window must hold to be worth learning from: fewer say nothing about a melody or a
# texture
ENOUGH = {"melody": 2, "accompaniment": 8}

Arrays = dict[str, np.ndarray]
Progress = Callable[[int, int], None]  # songs done, songs in all


@dataclass(frozen=True)
class Corpus:
    """Songs end to end; song k occupies the beats first_beat[k] .. first_beat[k + 1].

    arrays: "melody" uint8 [T] tokens and, where songs have one, the accompaniment: "pitch" and
    "duration" uint8 [T, 14] slots, "chords" int16 [T // 4, 3] rows (root, bass, mask); or "tracks" uint8 [T, 4] tokens,
    with "tags" uint32 [T // 4], a bit for each of `tags`, the names of genres. Songs begin on
    a bar line and last whole bars of four beats. `skipped` says why a song was left out, `fingerprint` is a sha256
    over names and arrays. lineup: what the tracks are (codecs.tracks.LINEUPS).

    Of recordings: "source" and "target" uint8 [T, M], mel pictures (codecs.mel); what is said of beats is then true of
    their frames, which `unit` says.
    """

    arrays: Arrays
    songs: tuple[str, ...]
    first_beat: np.ndarray  # int32 [songs + 1]
    fingerprint: str
    skipped: Mapping[str, str]
    source: str
    tags: tuple[str, ...] = ()
    lineup: str = ""
    unit: str = "beats"

    @property
    def beats(self) -> int:
        """Length of all songs together, in beats."""
        return int(self.first_beat[-1])

    def windows(
        self, beats: int = 8, stride: int = 1, require: Mapping[str, int] = ENOUGH
    ) -> tuple[np.ndarray, np.ndarray]:
        """Windows of `beats` beats inside one song -> (start beat int32 [n], song int32 [n]).

        A song's windows start at its beats 0, stride, 2 * stride...; one stays if it holds at least
        require["melody"] onsets of the melody and require["accompaniment"] notes of the
        accompaniment that start in it.
        """
        lengths = np.diff(self.first_beat)
        song = np.repeat(np.arange(len(lengths)), lengths)
        start = np.arange(self.beats)
        within = start - self.first_beat[song]
        kept = (within % stride == 0) & (within + beats <= lengths[song])
        for part, least in require.items():
            sums = np.concatenate([[0], np.cumsum(self._onsets(part))])
            kept &= sums[np.minimum(start + beats, self.beats)] - sums[start] >= least
        return start[kept].astype(np.int32), song[kept].astype(np.int32)

    def _onsets(self, part: str) -> np.ndarray:
        """Notes of a part that start in each beat, int [beats]."""
        if part == "melody":
            starts = self.arrays["melody"] < melody.HOLD
        elif part == "accompaniment":
            starts = np.count_nonzero(self.arrays["duration"], axis=1)
        else:
            raise MusicFusionError(
                f"a window cannot require onsets of {part!r}: accepted are melody and accompaniment"
            )
        return starts.reshape(-1, STEPS_PER_BEAT).sum(axis=1)


def concatenate(
    songs: Iterable[tuple[str, Arrays]], skipped: Mapping[str, str], source: str, place: str = "",
    tags: tuple[str, ...] = (), lineup: str = "",
) -> Corpus:
    """Songs, each a name and its arrays (T a multiple of 4), -> one Corpus in the order given.

    Raises MusicFusionError, naming the `place` or else the source, if there is no song.
    """
    songs = list(songs)
    if not songs:
        example = "".join(f" ({name}: {why})" for name, why in list(skipped.items())[:1])
        raise MusicFusionError(
            f"{place or source}: none of {len(skipped)} songs can be used{example}"
        )
    names = tuple(name for name, _ in songs)
    arrays = {key: np.concatenate([of_song[key] for _, of_song in songs]) for key in songs[0][1]}
    grid = "tracks" if lineup else "melody"
    first_beat = np.cumsum([0] + [len(of_song[grid]) // STEPS_PER_BEAT for _, of_song in songs]).astype(np.int32)
    return Corpus(
        arrays, names, first_beat, fingerprint(arrays, names, first_beat), dict(skipped), source, tags, lineup
    )


def joined(corpora: Sequence[Corpus], tags: tuple[str, ...] = ()) -> Corpus:
    """Several corpora with the same arrays as one, in the order given; tags: one for each, which its songs bear."""
    if len(corpora) == 1 and not tags:
        return corpora[0]
    arrays = {key: np.concatenate([one.arrays[key] for one in corpora]) for key in corpora[0].arrays}
    if tags:
        bits = np.uint32(1) << np.arange(len(tags), dtype=np.uint32)
        arrays["tags"] = np.repeat(bits, [one.beats for one in corpora])
    songs = tuple(itertools.chain.from_iterable(one.songs for one in corpora))
    lengths = np.concatenate([np.diff(one.first_beat) for one in corpora])
    first_beat = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    skipped = {name: why for one in corpora for name, why in one.skipped.items()}
    source = " + ".join(one.source for one in corpora)
    return Corpus(arrays, songs, first_beat, fingerprint(arrays, songs, first_beat), skipped, source, tags,
                  unit=corpora[0].unit)


def finer(corpus: Corpus) -> Corpus:
    """A corpus of melodies with two steps to a 16th: what it calls a beat is then an eighth."""
    arrays, first_beat = {"melody": melody.finer(corpus.arrays["melody"])}, 2 * corpus.first_beat
    if corpus.tags:
        arrays["tags"] = np.repeat(corpus.arrays["tags"], 2)
    return replace(corpus, arrays=arrays, first_beat=first_beat,
                   fingerprint=fingerprint(arrays, corpus.songs, first_beat))


def fingerprint(
    arrays: Mapping[str, np.ndarray], songs: tuple[str, ...], first_beat: np.ndarray
) -> str:
    """sha256 over what a run sees: the names, the borders of the songs, and every array."""
    digest = hashlib.sha256("\n".join(songs).encode())
    digest.update(np.ascontiguousarray(first_beat).tobytes())
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
