"""Windows of four bars of drums and of the bass under them, on a grid of 12 steps a quarter (data.rhythm_sections).

Source: ours, not the paper's, which knows sound alone; but its stems are paired, as these are.
"""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import tracks
from musicfusion.codecs.drums import FARTHEST, FINEST, INSTRUMENTS, STEPS
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.codecs.score import Score, Track
from musicfusion.core.arrays import AnyArray, ArrayModule
from musicfusion.core.contracts import Resident, Tree
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import folded
from musicfusion.data import splits
from musicfusion.data.corpus import Corpus
from musicfusion.data.rhythm_sections import BASS, HUMAN
from musicfusion.systems.arrangement import grid_repertoire
from musicfusion.systems.arrangement.grid_repertoire import Repertoire

SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}  # of songs; the test has grooves of its own, too
BARS, BAR = 4, 4  # of a window, and beats of a bar
BEATS = BARS * BAR
LENGTH = BEATS * STEPS
KIT = len(INSTRUMENTS)
OFF, HIT, UNKNOWN = 0, 1, 2  # what a pattern says of an instrument at a step
NO_STYLE = 0  # styles are counted from 1, in the order of the corpus's tags
QUANTILES = 21  # of the density of training windows, from 0 to 1
USUAL_TEMPO = 120.0
PHRASE = 8  # bars
NEIGHBOURS = 8  # windows of other songs with similar basses, of which training shows one
POSITION = 6  # numbers that say where in a song a window is
VELOCITIES, OFFSETS = 16, 24  # classes
WIDTH = 128 // VELOCITIES  # velocities of a class
SALT = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sections:
    """How a corpus becomes examples.

    seed: of the songs' splits; shares: of the training examples for each data root, () for as many as there are;
    sounding: weight of where basses sound, in how similar they are (grid_repertoire.similar).
    """

    seed: int
    shares: tuple[float, ...] = ()
    sounding: float = 0.0

    def windows(self, corpus: Corpus, split: str, *, human: bool | None = None, bass: bool = False) -> np.ndarray:
        """The beats at which windows of a split begin, on bar lines; each has four hits or more. int32 [n].

        human: only those that a person played, or only others; None: all. bass: only those with a bass that plays.
        """
        first = corpus.first_beat
        start = np.concatenate([np.arange(begin, end - BEATS + 1, BAR)
                                for begin, end in itertools.pairwise(first)]).astype(np.int32)
        song = np.searchsorted(first, start, "right") - 1
        kept = splits.select(corpus, song.astype(np.int32), split, self.seed, SPLITS)
        start = start[kept]
        enough = _in_windows(np.count_nonzero(corpus.arrays["velocity"], 1), start) >= BAR
        kind = corpus.arrays["kind"][start]
        if human is not None:
            enough &= ((kind & HUMAN) > 0) == human
        if bass:
            enough &= _in_windows(corpus.arrays["bass"] < HOLD, start) >= BAR
        return start[enough]

    def density_quantiles(self, corpus: Corpus) -> np.ndarray:
        """Quantiles of the hits in training windows, ascending: float32 [QUANTILES]."""
        hits = _in_windows(np.count_nonzero(corpus.arrays["velocity"], 1), self.windows(corpus, "train"))
        return np.quantile(hits, np.linspace(0, 1, QUANTILES)).astype(np.float32)

    def known_feels(self, corpus: Corpus, count: int = 512) -> np.ndarray:
        """How people play some of the training windows, or others do where no person plays: float32 [n, 2] (`feels`).

        n: count at most.
        """
        start = self.windows(corpus, "train", human=played_by_people(corpus))
        step = start[np.linspace(0, len(start) - 1, min(count, len(start))).astype(int), None] * STEPS
        step = step + np.arange(LENGTH)
        return feels(corpus.arrays["velocity"][step].astype(int), corpus.arrays["offset"][step].astype(int))[0]

    def repertoire(self, corpus: Corpus) -> tuple[Repertoire, np.ndarray]:
        """What is known of other songs: some training windows, and the groups that they are of, int [m].

        Of bands alone: a bass that was made up says little of the drums that it was made up for.
        """
        windows = read(corpus, self.windows(corpus, "train", human=False, bass=True))
        every = grid_repertoire.of(windows.pattern, windows.bass, windows.tags)
        chosen = grid_repertoire.collected(every, windows.group)
        return grid_repertoire.only(every, chosen), windows.group[chosen]

    def resident(self, corpus: Corpus, *, human: bool | None = None) -> Resident:
        """The arrays of a corpus and where windows begin, for a stage's device.

        Raises:
            MusicFusionError: there are no such windows.
        """
        train, validation = (self.windows(corpus, split, human=human) for split in ("train", "validation"))
        if not (len(train) and len(validation)):
            what = " that a person played" if human else ""
            raise MusicFusionError(f"data: no windows of {BARS} bars of drums{what}; {len(corpus.songs)} songs were"
                                   " read: more are needed")
        if self.shares and corpus.parts:
            train = _shared(corpus, train, self.shares, self.seed)
        names = ("velocity", "offset", "bass", "tempo", "kind", "tags")
        start = np.concatenate([train, validation])
        first, last = bounds(corpus, start)
        arrays = {name: corpus.arrays[name] for name in names} | {"start": start, "first": first, "last": last}
        known, groups = self.repertoire(corpus)
        windows = read(corpus, start)
        arrays |= {"known_hits": known.hits, "known_onsets": known.onsets, "neighbours": grid_repertoire.similar(
            windows.bass, known, NEIGHBOURS, sounding=self.sounding, groups=(windows.group, groups))}
        return Resident(arrays=arrays, train=len(train), validation=len(validation),
                        frozen={"density_quantiles": self.density_quantiles(corpus)})


def played_by_people(corpus: Corpus) -> bool | None:
    """True where people play any of it, else None: for `Sections.windows`."""
    return True if (corpus.arrays["kind"] & HUMAN).any() else None


def bounds(corpus: Corpus, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At which beats the songs of windows begin and end: start [n] -> int32 [n] each."""
    song = np.searchsorted(corpus.first_beat, start, "right") - 1
    return corpus.first_beat[song], corpus.first_beat[song + 1]


def _in_windows(counts: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Sums over the windows that begin at the beats `start` [n] of something counted by step [T]: [n]."""
    total = np.concatenate([[0], np.cumsum(counts)])
    return total[(start + BEATS) * STEPS] - total[start * STEPS]


def _shared(corpus: Corpus, start: np.ndarray, shares: tuple[float, ...], seed: int) -> np.ndarray:
    """Windows drawn so that each part of a joined corpus has its share; as many as there are of the largest share."""
    if len(shares) != len(corpus.parts):
        raise MusicFusionError(f"data.shares has {len(shares)} numbers, data.root {len(corpus.parts)} roots:"
                               " one for each is accepted")
    ends = corpus.first_beat[np.cumsum([0, *corpus.parts])]
    part = np.searchsorted(ends, start, "right") - 1
    rng = np.random.default_rng(seed)
    total = max(int(np.sum(part == k)) / share for k, share in enumerate(shares) if share)
    drawn = [rng.choice(own, round(total * share)) for k, share in enumerate(shares)
             if share and len(own := start[part == k])]
    return np.concatenate(drawn)


def examples(arrays: Tree, index: jax.Array, example_keys: jax.Array, training: bool) -> dict[str, jax.Array]:
    """Windows for a batch.

    Returns:
        pattern: int32 [B, LENGTH, 9], OFF or HIT;  velocity, offset: classes of the hits, int32 [B, LENGTH, 9]
        bass: float32 [B, LENGTH, 4], see `bass_features`; in training sometimes unknown
        style: int32 [B], 1 + the tag, NO_STYLE for none;  hits: how many there are, float32 [B]
        tempo: float32 [B], see `tempo_feature`;  position: float32 [B, POSITION], see `position`
        song_hits, song_onsets, song_given: drums and the bass's onsets of another window of the song, bool [B, LENGTH,
            9], [B, LENGTH]; and whether there is one that does not overlap, bool [B]
        other_hits, other_onsets, other_given: the same of a window of another song whose bass is similar
        feel: float32 [B, 2], see `feels`;  human: bool [B];  example_key

    Offsets are those beside the window's mean: that somebody plays early throughout says nothing without others.
    """
    beat, first, last = (arrays[name][index] for name in ("start", "first", "last"))
    step = beat[:, None] * STEPS + jnp.arange(LENGTH)
    velocity, offset = arrays["velocity"][step].astype(jnp.int32), arrays["offset"][step].astype(jnp.int32)
    kind, tags = arrays["kind"][beat], arrays["tags"][beat]
    known = (kind & BASS) > 0
    if training:
        known &= jax.vmap(lambda key: jax.random.uniform(key))(folded(example_keys, SALT)) > 0.1
    lowest = jnp.argmax((tags[:, None] >> jnp.arange(32, dtype=jnp.uint32)) & 1, 1)
    pattern = (velocity > 0).astype(jnp.int32)
    feel, early = feels(velocity, offset, jnp)
    uniforms = jax.vmap(jax.random.uniform)(folded(example_keys, SALT + 1))
    other = first + BAR * jnp.floor(uniforms * ((last - first - BEATS) // BAR + 1)).astype(beat.dtype)
    apart = jnp.abs(other - beat) >= BEATS
    other_step = other[:, None] * STEPS + jnp.arange(LENGTH)
    neighbours = arrays["neighbours"][index]
    chosen = jax.vmap(lambda key, own: own[jax.random.randint(key, (), 0, NEIGHBOURS)])(
        folded(example_keys, SALT + 2), neighbours)
    return {
        "pattern": pattern, "velocity": velocity_class(velocity), "offset": offset_class(offset - early), "feel": feel,
        "bass": bass_features(arrays["bass"][step], known, jnp), "style": jnp.where(tags > 0, 1 + lowest, NO_STYLE),
        "hits": jnp.sum(pattern, (1, 2)).astype(jnp.float32),
        "tempo": tempo_feature(arrays["tempo"][beat].astype(jnp.float32)), "human": (kind & HUMAN) > 0,
        "position": position((beat - first) // BAR, (last - beat) // BAR - BARS, jnp),
        "song_hits": arrays["velocity"][other_step] > 0,
        "other_hits": arrays["known_hits"][chosen], "other_onsets": arrays["known_onsets"][chosen],
        "other_given": chosen >= 0, "song_onsets": (arrays["bass"][other_step] < HOLD) & known[:, None],
        "song_given": apart,
        "example_key": example_keys,
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows of a corpus, as NumPy: pattern bool [n, LENGTH, 9], bass tokens int [n, LENGTH], tempo [n], position
    float32 [n, POSITION], tags uint32 [n], group int [n] (the groove, else the song, over which intervals are drawn),
    velocity and offset [n, LENGTH, 9].
    """

    pattern: np.ndarray
    bass: np.ndarray
    tempo: np.ndarray
    position: np.ndarray
    tags: np.ndarray
    group: np.ndarray
    velocity: np.ndarray
    offset: np.ndarray


def read(corpus: Corpus, start: np.ndarray) -> Windows:
    """The windows that begin at the beats `start` [n]."""
    step = start[:, None] * STEPS + np.arange(LENGTH)
    song = np.searchsorted(corpus.first_beat, start, "right") - 1
    names = [groove or family for groove, family in
             zip(corpus.grooves or [""] * len(corpus.songs), corpus.families, strict=True)]
    _, group = np.unique(np.array(names), return_inverse=True)
    first, last = bounds(corpus, start)
    velocity = corpus.arrays["velocity"][step]
    return Windows(pattern=velocity > 0, bass=corpus.arrays["bass"][step].astype(int),
                   tempo=corpus.arrays["tempo"][start].astype(float),
                   position=position((start - first) // BAR, (last - start) // BAR - BARS),
                   tags=corpus.arrays["tags"][start], group=group[song],
                   velocity=velocity, offset=corpus.arrays["offset"][step])


def bass_features(tokens: AnyArray, known: AnyArray, xp: ArrayModule = np) -> AnyArray:
    """What a network sees of a bass: tokens int [B, LENGTH], known: bool [B] -> float32 [B, LENGTH, 4].

    Whether a note begins; whether one sounds; its pitch beside the window's lowest, in octaves; and 1 where the bass is
    known. Of an unknown one all are 0.
    """
    tokens = tokens.astype(xp.int32)
    onset = tokens < HOLD
    pitch = xp.where(onset, tokens, 0)
    lowest = xp.min(xp.where(onset, tokens, 127), 1, keepdims=True)
    height = xp.where(onset, pitch - lowest, 0) / 12.0
    parts = [onset, tokens < REST, height, xp.ones(tokens.shape)]
    return (xp.stack(parts, -1) * known[:, None, None]).astype(xp.float32)


def position(before: AnyArray, after: AnyArray, xp: ArrayModule = np) -> AnyArray:
    """Where in its song a window is: bars before and after it, int [B] each -> float32 [B, POSITION].

    Angles within four bars and within PHRASE, and how near the song's beginning and end are.
    """
    angles = [2 * xp.pi * before / bars for bars in (BARS, PHRASE)]
    parts = [wave(angle) for angle in angles for wave in (xp.sin, xp.cos)]
    parts += [xp.clip(bars, 0, PHRASE) / PHRASE for bars in (before, after)]
    return xp.stack(parts, -1).astype(xp.float32)


def feels(velocity: AnyArray, offset: AnyArray, xp: ArrayModule = np) -> tuple[AnyArray, AnyArray]:
    """How windows are played: velocity, offset int [B, LENGTH, 9] -> (float32 [B, 2], the mean offset [B, 1, 1]).

    How loud: the mean velocity in -1..1. How loose: the standard deviation of offsets around their mean, in steps.
    """
    hit = velocity > 0
    count = xp.maximum(xp.sum(hit, (1, 2), keepdims=True), 1)

    def mean(x):
        return xp.sum(xp.where(hit, x, 0.0), (1, 2), keepdims=True) / count

    early = mean(offset)
    loose = xp.sqrt(mean((offset - early) ** 2)) / FINEST
    return xp.concatenate([mean(velocity) / 64 - 1, loose], -1)[:, 0].astype(xp.float32), early


def tempo_feature(tempo: AnyArray) -> AnyArray:
    """Quarters a minute -> octaves above USUAL_TEMPO."""
    xp = jnp if isinstance(tempo, jax.Array) else np
    return xp.log2(tempo / USUAL_TEMPO)


def velocity_class(velocity: AnyArray) -> AnyArray:
    """1..127 -> 0..VELOCITIES - 1."""
    return velocity // WIDTH


def offset_class(offset: AnyArray) -> AnyArray:
    """FINEST parts of a step -> 0..OFFSETS - 1, in the middle of which there is no offset."""
    xp = jnp if isinstance(offset, jax.Array) else np
    share = (offset / FINEST + FARTHEST) / (2 * FARTHEST)
    return xp.clip(xp.floor(share * OFFSETS), 0, OFFSETS - 1).astype(xp.int32)


def velocity_of(number: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """A velocity somewhere in a class; uniforms in 0..1. uint8, 1..127."""
    return np.clip(np.floor((number + uniforms) * WIDTH), 1, 127).astype(np.uint8)


def offset_of(number: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """An offset somewhere in a class; uniforms in 0..1. int8, FINEST parts of a step."""
    return np.rint(((number + uniforms) / OFFSETS * 2 * FARTHEST - FARTHEST) * FINEST).astype(np.int8)


def as_score(tokens: np.ndarray, tempo: float, name: str) -> Score:
    """A window's bass, tokens int [LENGTH] at `tempo` quarters a minute, as a score of one track."""
    notes = tracks.notes(tracks.without_carry(tokens[:, None]))[0].astype(float)
    rows = np.stack([notes[:, 0] / STEPS, notes[:, 1] / STEPS, notes[:, 2], np.full(len(notes), 90.0)], 1)
    return Score((Track("BASS", 33, False, rows),), np.array([[0.0, tempo]]), ((0.0, BAR, 4),), name)
