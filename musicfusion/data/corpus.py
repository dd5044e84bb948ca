"""A corpus as arrays: all songs end to end on one grid of 16ths."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from musicfusion.codecs import melody
from musicfusion.core.errors import MusicFusionError

STEPS_PER_BEAT = 4  # a beat is a quarter, a step a 16th
UNITS = {"beats": STEPS_PER_BEAT, "frames": 1}  # what lengths are counted in: rows of the arrays to each
# Onsets that a window must hold to be worth learning from: fewer say nothing about a melody or a texture.
ENOUGH = {"melody": 2, "accompaniment": 8}

Arrays = dict[str, np.ndarray]
Progress = Callable[[int, int], None]  # songs done, songs in all


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Songs end to end; song k occupies the beats first_beat[k] .. first_beat[k + 1].

    A song begins on a bar line and lasts whole bars of four beats (of recordings, whose lengths are counted in frames,
    neither is true).

    Attributes:
        arrays: what the songs are; T is 4 for each beat. One of
            pairs: "melody" uint8 [T] tokens (codecs.melody), the accompaniment's "pitch" and "duration" uint8 [T, 14]
                slots (codecs.polyphony), and "chords" int16 [T / 4, 3] (codecs.chords);
            melodies: "melody" alone, with "tags" where genres are known;
            tracks: "tracks" uint8 [T, 4] tokens (codecs.tracks), with "tags" uint32 [T / 4], bit k for tags[k];
            recordings: "source" and "target" uint8 [frames, mels], mel-spectrograms (codecs.mel).
        songs: their names. Those that begin alike up to a "#" are versions or parts of one song.
        first_beat: int32 [songs + 1].
        fingerprint: sha256 over names, borders and arrays.
        skipped: what was left out, and why.
        source: where the songs come from, in words.
        licence: under which licence the songs may be used; "" where that is unknown (data.licences).
        tags: the genres that the bits of "tags" stand for.
        instrumentation: what the tracks are, one of codecs.tracks.INSTRUMENTATIONS.
        unit: what lengths are counted in, one of UNITS.
    """

    arrays: Arrays
    songs: tuple[str, ...]
    first_beat: np.ndarray
    fingerprint: str
    skipped: Mapping[str, str] = field(default_factory=dict)
    source: str
    licence: str = ""
    tags: tuple[str, ...] = ()
    instrumentation: str = ""
    unit: str = "beats"

    @property
    def beats(self) -> int:
        """Length of all songs together, in `unit`."""
        return int(self.first_beat[-1])

    def windows(
        self, beats: int = 8, stride: int = 1, require: Mapping[str, int] = ENOUGH
    ) -> tuple[np.ndarray, np.ndarray]:
        """Windows of `beats` beats inside one song -> (start beat int32 [n], song int32 [n]).

        A song's windows start at its beats 0, stride, 2 * stride...; one stays if at least require["melody"] onsets
        of the melody and require["accompaniment"] notes of the accompaniment lie in it.

        Raises:
            MusicFusionError: `require` names another part.
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
    songs: Iterable[tuple[str, Arrays]], skipped: Mapping[str, str], source: str, *, root: str = "", licence: str = "",
    tags: tuple[str, ...] = (), instrumentation: str = "", unit: str = "beats",
) -> Corpus:
    """Songs, each a name and its arrays, as one Corpus in the order given. root: the folder that errors name.

    Raises:
        MusicFusionError: there is no song; it names the root, or else the source, and the first reason.
    """
    songs = list(songs)
    if not songs:
        example = "".join(f" ({name}: {why})" for name, why in list(skipped.items())[:1])
        raise MusicFusionError(f"{root or source}: none of {len(skipped)} songs can be used{example}")
    names = tuple(name for name, _ in songs)
    arrays = {key: np.concatenate([of_song[key] for _, of_song in songs]) for key in songs[0][1]}
    timeline = next(key for key in ("melody", "tracks", "source") if key in arrays)  # has a row for each step or frame
    lengths = [len(of_song[timeline]) // UNITS[unit] for _, of_song in songs]
    first_beat = np.cumsum([0, *lengths]).astype(np.int32)
    return Corpus(
        arrays=arrays, songs=names, first_beat=first_beat, fingerprint=fingerprint(arrays, names, first_beat),
        skipped=dict(skipped), source=source, licence=licence, tags=tags, instrumentation=instrumentation, unit=unit)


def joined(corpora: Sequence[Corpus], tags: tuple[str, ...] = ()) -> Corpus:
    """Several corpora with the same arrays as one, in the order given; tags: one for each, which its songs bear.

    Its licence names that of each part, unless they are the same.
    """
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
    return Corpus(
        arrays=arrays, songs=songs, first_beat=first_beat, fingerprint=fingerprint(arrays, songs, first_beat),
        skipped=skipped, source=" + ".join(one.source for one in corpora), licence=_licences(corpora), tags=tags,
        unit=corpora[0].unit)


def _licences(corpora: Sequence[Corpus]) -> str:
    """The licence of all parts, or that of each, after its source."""
    if len({one.licence for one in corpora}) == 1:
        return corpora[0].licence
    return "; ".join(one.licence if one.licence.startswith(f"{one.source.partition(' + ')[0]}: ")  # joined before
                     else f"{one.source}: {one.licence or 'unknown'}" for one in corpora)


def whole(name: str) -> str:
    """The song that SONG#PART is a part or a version of."""
    return name.partition("#")[0]


def finer(corpus: Corpus) -> Corpus:
    """A corpus of melodies with two steps to a 16th: what it calls a beat is then an eighth."""
    arrays, first_beat = {"melody": melody.finer(corpus.arrays["melody"])}, 2 * corpus.first_beat
    if corpus.tags:
        arrays["tags"] = np.repeat(corpus.arrays["tags"], 2)
    return replace(corpus, arrays=arrays, first_beat=first_beat,
                   fingerprint=fingerprint(arrays, corpus.songs, first_beat))


def fingerprint(arrays: Mapping[str, np.ndarray], songs: tuple[str, ...], first_beat: np.ndarray) -> str:
    """sha256 over what a run sees: the names, the borders of the songs, and every array."""
    digest = hashlib.sha256("\n".join(songs).encode())
    digest.update(np.ascontiguousarray(first_beat).tobytes())
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
