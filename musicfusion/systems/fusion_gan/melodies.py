"""Windows of 36 symbols out of melodies of two genres, all of them in C (paper 003, section IV-A).

The paper's public code sorts whatever values its files hold and calls the rank of each its symbol; here a symbol means
the same in all data: 60 pitches from LOWEST on, then hold and rest.
"""

import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import keys, melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.rows import folded
from musicfusion.core.task import Resident
from musicfusion.data import batches, sources, splits
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus

LOWEST, PITCHES = 36, 60
HIGHEST = LOWEST + PITCHES - 1
HOLD, REST = PITCHES, PITCHES + 1
SYMBOLS = PITCHES + 2
LENGTH = 36  # symbols of a window: nine beats of 16ths
GRIDS = {16: sources.melodies, 32: sources.fine_melodies}  # symbols of a bar: how melodies are read
SPLITS = {"train": 8, "validation": 1, "test": 1}  # of songs
MODES = ("major", "minor", "both")
GENRES = ("a", "b")


def symbols(tokens, xp=np):
    """Tokens (codecs.melody) [...] -> symbols int32 [...]; pitches out of range are moved into it by octaves."""
    tokens = tokens.astype(xp.int32)
    pitch = melody.fold(tokens, LOWEST, HIGHEST) - LOWEST
    return xp.where(tokens < melody.HOLD, pitch, tokens - melody.HOLD + HOLD)


def tokens(symbols) -> np.ndarray:
    """The reverse, uint8 [...]."""
    symbols = np.asarray(symbols)
    return np.where(symbols < PITCHES, symbols + LOWEST, symbols - HOLD + melody.HOLD).astype(np.uint8)


def key_of(tokens: np.ndarray) -> int:
    """The key of a melody's tokens [T]: 0..11 major, 12..23 minor."""
    notes = melody.notes_from_tokens(tokens)
    return int(keys.best(np.bincount(notes[:, 2] % 12, notes[:, 1], 12)))


def in_c(tokens: np.ndarray, key: int) -> np.ndarray:
    """A melody moved to C, by the shorter way."""
    return np.asarray(melody.transpose(tokens, (-key + 6) % 12 - 6)).astype(np.uint8)


def bar(config) -> int:
    """How many symbols a bar has. Raises MusicFusionError for a grid that is none of GRIDS."""
    if config.data.grid not in GRIDS:
        raise MusicFusionError(f"data.grid = {config.data.grid} is unknown: use {' or '.join(map(str, GRIDS))}")
    return config.data.grid


def windows(corpus: Corpus, config, split: str) -> dict[str, dict[str, np.ndarray]]:
    """{"a", "b": {"symbols" uint8 [n, 36], "song" int32 [n]}}: every bar of a split's songs begins one, if notes do.

    Raises MusicFusionError for an unknown mode, or where a genre has none.
    """
    mode = config.data.mode
    if mode not in MODES:
        raise MusicFusionError(f"data.mode = {mode!r} is unknown: use {', '.join(MODES)}")
    starts, songs = corpus.windows(-(-LENGTH // STEPS_PER_BEAT), bar(config) // STEPS_PER_BEAT, {"melody": 4})
    chosen = splits.select(corpus, songs, split, config.seed, SPLITS)
    starts, songs = starts[chosen], songs[chosen]
    moved, kept = _moved(corpus, mode)
    found = {}
    for k, genre in enumerate(GENRES):
        own = kept[songs] & ((corpus.arrays["tags"][starts] >> np.uint32(k)) & 1 > 0)
        steps = starts[own, None] * STEPS_PER_BEAT + np.arange(LENGTH)
        if not len(steps):
            raise MusicFusionError(f"{corpus.tags[k]}: no {split} song in {mode} of {LENGTH} steps; {len(corpus.songs)}"
                                   " songs were read: more are needed, or data.mode=both")
        cut = melody.without_carry(moved[steps])
        found[genre] = {"symbols": symbols(cut).astype(np.uint8), "song": songs[own].astype(np.int32)}
    return found


def _moved(corpus: Corpus, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """All melodies in C, and which songs are in the mode: uint8 [T], bool [songs]."""
    moved, kept = corpus.arrays["melody"].copy(), np.ones(len(corpus.songs), bool)
    ends = corpus.first_beat * STEPS_PER_BEAT
    for k, (start, end) in enumerate(itertools.pairwise(ends)):
        key = key_of(moved[start:end])
        moved[start:end] = in_c(moved[start:end], key % 12)
        kept[k] = mode == "both" or (mode == "minor") == (key >= 12)
    return moved, kept


def resident(corpus: Corpus, config, before: Mapping | None = None) -> Resident:
    """Both genres' windows for training and validation on the device, and what earlier stages learned (`before`)."""
    arrays: dict = {"before": before or {}}
    counts = []
    for split in ("train", "validation"):
        found = windows(corpus, config, split)
        counts.append({genre: len(found[genre]["symbols"]) for genre in GENRES})
        for genre in GENRES:
            arrays.setdefault(genre, []).append(found[genre]["symbols"])
    for genre in GENRES:
        arrays[genre] = np.concatenate(arrays[genre])
        arrays[f"bounds_{genre}"] = np.array([0, counts[0][genre], len(arrays[genre])], np.int32)
    return Resident(arrays, *(max(count.values()) for count in counts))


def examples(arrays: Mapping, index: jax.Array, row_keys: jax.Array, training: bool) -> dict:
    """A window of either genre for each row, drawn by chance: {"a", "b" int32 [b, 36], "before", "row_key"}."""
    del index  # genres differ in size; each is drawn from as often as the other
    part = 0 if training else 1
    found = {"before": arrays["before"], "row_key": row_keys}
    for salt, genre in enumerate(GENRES):
        first, end = arrays[f"bounds_{genre}"][part], arrays[f"bounds_{genre}"][part + 1]
        rows = jax.vmap(lambda key, first=first, end=end: jax.random.randint(key, (), first, end))(
            folded(row_keys, 50 + salt))
        found[genre] = arrays[genre][rows].astype(jnp.int32)
    return found


def measured(corpus: Corpus, config, split: str, count: int) -> dict[str, np.ndarray]:
    """At most `count` windows of either genre, evenly chosen: {"a", "b": int32 [n, 36]}, as many of each."""
    found = windows(corpus, config, split)
    least = min(count, *(len(found[genre]["symbols"]) for genre in GENRES))
    return {genre: found[genre]["symbols"][batches.fixed(len(found[genre]["symbols"]), least)].astype(np.int32)
            for genre in GENRES}
