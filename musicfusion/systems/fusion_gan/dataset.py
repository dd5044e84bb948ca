"""FusionGAN's data set: windows of 36 symbols from melodies of two genres, all of them in C (section IV).

The public code sorts the values that occur in its files and takes the rank of each as its symbol. Here a symbol means
the same in all data: 60 pitches from LOWEST on, then hold and rest.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import keys, melody
from musicfusion.core.contracts import Resident
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import folded
from musicfusion.data import batches, cache, sources, splits
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus, joined

LOWEST, PITCHES = 36, 60
HIGHEST = LOWEST + PITCHES - 1
HOLD, REST = PITCHES, PITCHES + 1
SYMBOLS = PITCHES + 2
LENGTH = 36  # symbols of a window: nine quarters of 16ths
READERS = {16: sources.melodies, 32: sources.fine_melodies}  # by the number of steps in a bar
SPLITS = {"train": 8, "validation": 1, "test": 1}  # of songs
MODES = ("major", "minor", "both")
GENRES = ("a", "b")  # the first and the second
DATA_ROOTS = ("fiddle", "chorales")  # where data.root names none


class Windows(NamedTuple):
    """Windows of one genre: symbols uint8 [n, 36], and the number of each window's song, int32 [n]."""

    symbols: np.ndarray
    songs: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """How windows are cut out of a corpus of two genres.

    Attributes:
        mode: "major", "minor" or "both": the mode of the songs that are used.
        grid: steps of a bar, 16 or 32.
        seed: decides which songs belong to which split.

    Raises:
        MusicFusionError: an unknown mode or grid.
    """

    mode: str
    grid: int
    seed: int

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise MusicFusionError(f"data.mode = {self.mode!r} is unknown: use {', '.join(MODES)}")
        if self.grid not in READERS:
            raise MusicFusionError(f"data.grid = {self.grid} is unknown: use {' or '.join(map(str, READERS))}")

    def read(self, root: str, *, limit: int = 0) -> Corpus:
        """The melodies of two data roots, "ONE,OTHER", as one corpus in which each root is a genre.

        Args:
            root: "" for DATA_ROOTS; or the path of one file in which a corpus of two genres was cached.
            limit: how many songs of each, 0 for all.

        Raises:
            MusicFusionError: `root` names no two different data roots, or one of them cannot be read.
        """
        roots = cache.roots(root or ",".join(DATA_ROOTS))
        if len(roots) == 1 and Path(roots[0]).expanduser().is_file():
            return cache.open_file(Path(roots[0]).expanduser())
        if len(roots) != 2:
            raise MusicFusionError(f"data.root = {root!r}: accepted are two data roots with melodies, ONE,OTHER")
        names = [one if one in sources.COLLECTIONS else Path(one).expanduser().resolve().name for one in roots]
        if names[0] == names[1]:
            raise MusicFusionError(f"data.root = {root!r}: both genres are the same")
        found = [cache.load(one, limit=limit, source=READERS[self.grid]) for one in roots]
        return joined(found, tuple(names))

    def windows(self, corpus: Corpus, split: str) -> dict[str, Windows]:
        """All windows of a split, by genre: one begins at each bar from which enough notes follow.

        Raises:
            MusicFusionError: a genre has none, or the split is unknown.
        """
        starts, songs = corpus.windows(-(-LENGTH // STEPS_PER_BEAT), self.grid // STEPS_PER_BEAT, {"melody": 4})
        chosen = splits.select(corpus, songs, split, self.seed, SPLITS)
        starts, songs = starts[chosen], songs[chosen]
        moved, used = self._in_c(corpus)
        found = {}
        for k, genre in enumerate(GENRES):
            own = used[songs] & ((corpus.arrays["tags"][starts] >> np.uint32(k)) & 1 > 0)
            steps = starts[own, None] * STEPS_PER_BEAT + np.arange(LENGTH)
            if not len(steps):
                raise MusicFusionError(
                    f"{corpus.tags[k]}: no {split} song in {self.mode} of {LENGTH} steps; {len(corpus.songs)}"
                    " songs were read: more are needed, or data.mode=both")
            cut = melody.without_carry(moved[steps])
            found[genre] = Windows(symbols(cut).astype(np.uint8), songs[own].astype(np.int32))
        return found

    def _in_c(self, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
        """All melodies in C, and which songs are in the mode: uint8 [T], bool [songs]."""
        moved, used = corpus.arrays["melody"].copy(), np.ones(len(corpus.songs), bool)
        ends = corpus.first_beat * STEPS_PER_BEAT
        for k, (start, end) in enumerate(itertools.pairwise(ends)):
            key = key_of(moved[start:end])
            moved[start:end] = in_c(moved[start:end], key % 12)
            used[k] = self.mode == "both" or (self.mode == "minor") == (key >= 12)
        return moved, used

    def resident(self, corpus: Corpus, frozen: Mapping[str, Any] | None = None) -> Resident:
        """Both genres' windows for training and validation, and what earlier stages learned (`frozen`)."""
        arrays: dict = {}
        counts = []
        for split in ("train", "validation"):
            found = self.windows(corpus, split)
            counts.append({genre: len(found[genre].symbols) for genre in GENRES})
            for genre in GENRES:
                arrays.setdefault(genre, []).append(found[genre].symbols)
        for genre in GENRES:
            arrays[genre] = np.concatenate(arrays[genre])
            arrays[f"bounds_{genre}"] = np.array([0, counts[0][genre], len(arrays[genre])], np.int32)
        train, validation = (max(count.values()) for count in counts)
        return Resident(arrays=arrays, train=train, validation=validation, frozen=frozen or {})


def examples(arrays: Mapping, index: jax.Array, example_keys: jax.Array, training: bool) -> dict:
    """For each example a window of either genre, drawn at random: {"a", "b": int32 [B, 36], "example_key"}."""
    del index  # genres differ in size; each is drawn from as often as the other
    part = 0 if training else 1
    found = {"example_key": example_keys}
    for salt, genre in enumerate(GENRES):
        first, end = arrays[f"bounds_{genre}"][part], arrays[f"bounds_{genre}"][part + 1]
        drawn = jax.vmap(lambda key, first=first, end=end: jax.random.randint(key, (), first, end))(
            folded(example_keys, 50 + salt))
        found[genre] = arrays[genre][drawn].astype(jnp.int32)
    return found


def evenly(windows: Mapping[str, Windows], count: int | None = None) -> dict[str, Windows]:
    """As many windows of each genre, at most `count`, spread evenly over what there is."""
    least = min(len(own.symbols) for own in windows.values())
    least = least if count is None else min(count, least)
    found = {}
    for genre, own in windows.items():
        chosen = batches.fixed(len(own.symbols), least)
        found[genre] = Windows(own.symbols[chosen], own.songs[chosen])
    return found


def symbols(tokens: Any, xp: Any = np) -> Any:
    """Tokens (codecs.melody) [...] -> symbols int32 [...]; pitches out of range are moved into it by octaves.

    xp: numpy or jax.numpy, whichever the tokens are of.
    """
    tokens = tokens.astype(xp.int32)
    pitch = melody.fold(tokens, LOWEST, HIGHEST) - LOWEST
    return xp.where(tokens < melody.HOLD, pitch, tokens - melody.HOLD + HOLD)


def tokens(symbols: Any) -> np.ndarray:
    """The reverse of `symbols`: [...] -> tokens uint8 [...]."""
    symbols = np.asarray(symbols)
    return np.where(symbols < PITCHES, symbols + LOWEST, symbols - HOLD + melody.HOLD).astype(np.uint8)


def key_of(tokens: np.ndarray) -> int:
    """The key of a melody's tokens [T]: 0..11 major, 12..23 minor, from C up."""
    notes = melody.notes_from_tokens(tokens)
    return int(keys.best(np.bincount(notes[:, 2] % 12, notes[:, 1], 12)))


def in_c(tokens: np.ndarray, tonic: int) -> np.ndarray:
    """A melody's tokens [T] transposed so that its tonic (a pitch class) is C, by at most six semitones: uint8 [T]."""
    return np.asarray(melody.transpose(tokens, (-tonic + 6) % 12 - 6)).astype(np.uint8)


def from_c(tokens: np.ndarray, tonic: int) -> np.ndarray:
    """A melody's tokens [T] in C transposed so that `tonic` (a pitch class) is its tonic: uint8 [T]."""
    return np.asarray(melody.transpose(tokens, (tonic + 6) % 12 - 6)).astype(np.uint8)
