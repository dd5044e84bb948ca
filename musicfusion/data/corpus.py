"""A corpus as arrays: all songs end to end on one grid, of 16ths but for some corpora of tracks."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import near_duplicates

STEPS_PER_BEAT = 4  # a beat is a quarter, a step a 16th: the grid of all corpora but some of tracks
BITS = 32  # genres that an array of tags has room for
TIMELINES = ("tracks", "melody", "source", "velocity")  # arrays that have a row for each step or frame
UNITS = ("beats", "frames")  # what lengths are counted in
# Onsets that a window must hold to be worth learning from: fewer say nothing about a melody or a texture.
ENOUGH = {"melody": 2, "accompaniment": 8}

Arrays = dict[str, np.ndarray]
Progress = Callable[[int, int], None]  # songs done, songs in all


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Songs end to end; song k occupies the beats first_beat[k] .. first_beat[k + 1].

    A song begins on a bar line, and its length is a multiple of four beats: whole bars, where it is in 4/4; in another
    metre silence is added at its end. (Of recordings, whose lengths are counted in frames, neither is true.)

    Attributes:
        arrays: what the songs are; T is `steps` for each beat. One of
            pairs: "melody" uint8 [T] tokens (codecs.melody), the accompaniment's "pitch" and "duration" uint8 [T, 14]
                slots (codecs.polyphony), and "chords" int16 [beats, 3] (codecs.chords);
            melodies: "melody" alone, with "tags" where genres are known;
            tracks: "tracks" uint8 [T, 4] tokens (codecs.tracks), with "tags" uint32 [beats], bit k for tags[k];
            rhythm sections: "velocity", "offset", "bass", "tempo", "kind" and "tags" (data.rhythm_sections);
            recordings: "source" and "target" uint8 [frames, mels], mel-spectrograms (codecs.mel), and "marks" uint8
                [frames] (data.marks), with "tags" where genres are known.
        songs: their names. Those that begin alike up to a "#" are versions or parts of one song.
        first_beat: int32 [songs + 1].
        fingerprint: sha256 over names, borders and arrays, over the families of near-duplicates, and over grooves.
        families: under which name each song is split; songs of one family are versions of one another. By default
            their names up to a "#"; near-duplicates have that of the first of them (data.near_duplicates).
        grooves: for each song the rhythm pattern that it was generated from, "" for none; () where no song has one.
            Songs that share one share a split, too (data.splits).
        parts: how many songs each corpus had that this one was joined of, in order; () where it was not joined.
        skipped: what was left out, and why.
        source: where the songs come from, in words.
        licence: under which licence the songs may be used; "" where that is unknown (data.licences).
        tags: the genres that the bits of "tags" stand for.
        instrumentation: what the tracks are, one of codecs.tracks.INSTRUMENTATIONS.
        unit: what lengths are counted in, one of UNITS.
        steps: of a beat; others than STEPS_PER_BEAT in corpora of tracks and of rhythm sections alone.
    """

    arrays: Arrays
    songs: tuple[str, ...]
    first_beat: np.ndarray
    fingerprint: str
    families: tuple[str, ...] = ()
    grooves: tuple[str, ...] = ()
    parts: tuple[int, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    source: str
    licence: str = ""
    tags: tuple[str, ...] = ()
    instrumentation: str = ""
    unit: str = "beats"
    steps: int = STEPS_PER_BEAT

    def __post_init__(self) -> None:
        if not self.families:
            object.__setattr__(self, "families", tuple(map(whole, self.songs)))
        if not any(self.grooves):
            object.__setattr__(self, "grooves", ())

    @property
    def versions(self) -> dict[str, list[str]]:
        """The families whose songs are called differently, {family: its songs}: near-duplicates that were found."""
        found: dict[str, list[str]] = {}
        for name, family in zip(self.songs, self.families, strict=True):
            found.setdefault(family, []).append(name)
        return {family: own for family, own in found.items() if len(set(map(whole, own))) > 1}

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
        return starts.reshape(-1, self.steps).sum(axis=1)


def concatenate(
    songs: Iterable[tuple[str, Arrays]], skipped: Mapping[str, str], source: str, *, root: str = "",
    families: tuple[str, ...] = (), grooves: tuple[str, ...] = (), licence: str = "", tags: tuple[str, ...] = (),
    instrumentation: str = "", unit: str = "beats", steps: int = STEPS_PER_BEAT,
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
    timeline = next(key for key in TIMELINES if key in arrays)
    rows = steps if unit == "beats" else 1
    lengths = [len(of_song[timeline]) // rows for _, of_song in songs]
    first_beat = np.cumsum([0, *lengths]).astype(np.int32)
    return Corpus(
        arrays=arrays, songs=names, first_beat=first_beat,
        fingerprint=fingerprint(arrays, names, first_beat, families, grooves), families=families, grooves=grooves,
        skipped=dict(skipped), source=source, licence=licence, tags=tags, instrumentation=instrumentation, unit=unit,
        steps=steps)


def joined(corpora: Sequence[Corpus], tags: tuple[str, ...] = (), *, names: Sequence[str] = ()) -> Corpus:
    """Several corpora with the same arrays as one, in the order given.

    Near-duplicates are looked for across all of them where they have melodies; elsewhere a song is of the family that
    a song of its name has in another part. The licence names that of each part, unless they are the same.

    Args:
        corpora: the parts.
        tags: one for each part, which its songs bear; (): the songs keep the genres that they have.
        names: what errors call the parts, else their sources.

    Raises:
        MusicFusionError: a part has other arrays than the first, or another unit, grid or instrumentation; or there are
            more genres than bits.
    """
    if len(corpora) == 1 and not tags:
        return corpora[0]
    first, of_genres = corpora[0], () if tags else tuple(dict.fromkeys(tag for one in corpora for tag in one.tags))
    names = names or [one.source for one in corpora]
    for name, one in zip(names, corpora, strict=True):
        if _kind(one) != _kind(first):
            raise MusicFusionError(f"{name}: holds {_kind(one)}; accepted beside {names[0]} is {_kind(first)}")
    if len(of_genres) > BITS:
        raise MusicFusionError(f"{len(of_genres)} genres in {len(corpora)} corpora; accepted are {BITS}")
    arrays = {key: np.concatenate([one.arrays[key] for one in corpora]) for key in first.arrays if key != "tags"}
    if tags:
        bits = np.uint32(1) << np.arange(len(tags), dtype=np.uint32)
        arrays["tags"] = np.repeat(bits, [one.beats for one in corpora])
    elif any("tags" in one.arrays for one in corpora):
        arrays["tags"] = np.concatenate([_tagged(one, of_genres) for one in corpora])
    songs = tuple(itertools.chain.from_iterable(one.songs for one in corpora))
    lengths = np.concatenate([np.diff(one.first_beat) for one in corpora])
    first_beat = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    families = tuple(itertools.chain.from_iterable(one.families for one in corpora))
    if "melody" in arrays:
        families = near_duplicates.families(families, split_songs(arrays["melody"], first_beat))
    else:
        family_of = {whole(name): family for name, family in zip(songs, families, strict=True) if family != whole(name)}
        families = tuple(family_of.get(family, family) for family in families)
    grooves: tuple[str, ...] = ()
    if any(one.grooves for one in corpora):
        grooves = tuple(itertools.chain.from_iterable(one.grooves or ("",) * len(one.songs) for one in corpora))
    skipped = {name: why for one in corpora for name, why in one.skipped.items()}
    return Corpus(
        arrays=arrays, songs=songs, first_beat=first_beat,
        fingerprint=fingerprint(arrays, songs, first_beat, families, grooves), families=families, grooves=grooves,
        parts=tuple(itertools.chain.from_iterable(one.parts or (len(one.songs),) for one in corpora)),
        skipped=skipped, source=" + ".join(one.source for one in corpora), licence=_licences(corpora),
        tags=tags or of_genres, instrumentation=first.instrumentation, unit=first.unit, steps=first.steps)


def _kind(corpus: Corpus) -> str:
    """What can be joined with what, in words."""
    parts = " and ".join(sorted(corpus.arrays.keys() - {"tags"}))
    grid = f" of {corpus.steps} steps" if corpus.steps != STEPS_PER_BEAT else ""
    return f"{parts} in {corpus.unit}{grid}" + (f" ({corpus.instrumentation})" if corpus.instrumentation else "")


def _tagged(corpus: Corpus, tags: tuple[str, ...]) -> np.ndarray:
    """The genres of a corpus, uint32 [beats], bit k for tags[k] of a longer list."""
    own = corpus.arrays.get("tags", np.zeros(corpus.beats, np.uint32))
    found = np.zeros_like(own)
    for bit, tag in enumerate(corpus.tags):
        found |= (own >> np.uint32(bit) & np.uint32(1)) << np.uint32(tags.index(tag))
    return found


def split_songs(array: np.ndarray, first_beat: np.ndarray) -> list[np.ndarray]:
    """An array with a row for each step, [T, ...] -> that of each song."""
    return np.split(array, first_beat[1:-1] * STEPS_PER_BEAT)


def pair(lead: np.ndarray, accompaniment: np.ndarray, beats: int) -> Arrays:
    """A melody in one voice and its accompaniment, notes int32 [n, 3] on the grid -> arrays of a pair (see Corpus).

    Chords are estimated from both; beats: the length.
    """
    steps = beats * STEPS_PER_BEAT
    pitch, duration = polyphony.slots_from_notes(accompaniment, steps)
    return {"melody": melody.tokens_from_notes(lead, steps), "pitch": pitch, "duration": duration,
            "chords": chords.estimate(np.concatenate([lead, accompaniment]), beats)}


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
                   fingerprint=fingerprint(arrays, corpus.songs, first_beat, corpus.families, corpus.grooves))


def fingerprint(arrays: Mapping[str, np.ndarray], songs: tuple[str, ...], first_beat: np.ndarray,
                families: tuple[str, ...] = (), grooves: tuple[str, ...] = ()) -> str:
    """sha256 over what a run sees: the names, the borders of the songs, every array, near-duplicates and grooves.

    families, grooves: as of a Corpus; of families only those count that do not follow from the songs' names.
    """
    digest = hashlib.sha256("\n".join(songs).encode())
    digest.update(np.ascontiguousarray(first_beat).tobytes())
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    for name, family in zip(songs, families, strict=bool(families)):
        if family != whole(name):
            digest.update(f"{name} is a version of {family}\n".encode())
    if any(grooves):
        for name, groove in zip(songs, grooves, strict=True):
            digest.update(f"{name} has the groove {groove}\n".encode())
    return digest.hexdigest()
