"""Windows of eight bars out of melodies, four bars a side (paper 001, section 3.1)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.task import Resident
from musicfusion.data import batches, splits
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus
from musicfusion.latent import partners

SPLITS = {"train-1": 11, "validation-1": 1, "train-2": 6, "validation-2": 1, "test": 1}  # of songs
BAR = 4 * STEPS_PER_BEAT  # steps
BARS = 4  # of a side
STEPS = BARS * BAR  # of a side
SIDES = ("left", "right")
ASIDE = 6  # semitones


def windows(corpus: Corpus, split: str, seed: int) -> dict[str, np.ndarray]:
    """The windows of one split: {"start" (a beat), "song", "room"}, int32 [n], [n], [n, 2].

    A window begins on a bar line, has an onset in each half, at most a bar of rest at a stretch, and keeps to the
    range. room: how far it can be transposed, down (negative) and up. song: parts of one song (SONG#PART) are one.
    Raises MusicFusionError where there is none.
    """
    starts, songs = corpus.windows(2 * BARS * 4, 4, {})
    chosen = splits.select(corpus, songs, split, seed, SPLITS)
    starts, songs = starts[chosen], songs[chosen]
    tokens = corpus.arrays["melody"][starts[:, None] * STEPS_PER_BEAT + np.arange(2 * STEPS)]
    tokens = melody.without_carry(tokens)
    onset = tokens < melody.HOLD
    low = np.min(tokens, 1, where=onset, initial=melody.HIGHEST + 1).astype(np.int32)
    high = np.max(tokens, 1, where=onset, initial=0).astype(np.int32)
    rests = np.cumsum(np.pad(tokens == melody.REST, ((0, 0), (1, 0))), 1, dtype=np.int32)
    silent = np.any(rests[:, BAR + 1 :] - rests[:, : -BAR - 1] > BAR, 1)
    kept = (low >= melody.LOWEST) & (high <= melody.HIGHEST) & ~silent
    for side in (slice(None, STEPS), slice(STEPS, None)):
        kept &= onset[:, side].any(1)
    if not kept.any():
        raise MusicFusionError(f"{corpus.source}: no {split} song has {2 * BARS} bars of melody;"
                               f" {len(corpus.songs)} melodies were read: more songs are needed")
    _, of_file = np.unique([name.partition("#")[0] for name in corpus.songs], return_inverse=True)
    room = np.stack([melody.LOWEST - low, melody.HIGHEST - high], 1)
    return {"start": starts[kept], "song": of_file[songs[kept]].astype(np.int32), "room": room[kept]}


def resident(corpus: Corpus, config, first: str, second: str) -> Resident:
    """The corpus on the device, with the windows of a split to learn from and of one to validate on.

    low..high-1 are the windows of a window's song; bounds: where training begins, ends, validation ends.
    """
    parts = [windows(corpus, split, config.seed) for split in (first, second)]
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    low, high = partners.song_bounds(table["song"])
    count = [len(part["start"]) for part in parts]
    arrays = {"corpus": dict(corpus.arrays), "starts": table["start"], "room": table["room"], "low": low, "high": high,
              "bounds": np.array([0, count[0], sum(count)], np.int32)}
    return Resident(arrays, *count)


def measured(corpus: Corpus, config, split: str) -> dict[str, np.ndarray]:
    """The windows of a split that are measured: evenly chosen, a whole number of batches."""
    found = windows(corpus, split, config.seed)
    total = min(config.evaluate.windows, len(found["start"]))
    size = min(config.evaluate.batch, total)
    chosen = batches.fixed(len(found["start"]), total // size * size)
    return {name: x[chosen] for name, x in found.items()}


def require_pairs(corpus: Corpus, config) -> None:
    """MusicFusionError where what is measured belongs to one song: there is nobody to pair it with."""
    split = config.data.split
    if len(np.unique(measured(corpus, config, split)["song"])) < 2:
        raise MusicFusionError(f"{corpus.source}: the windows of the {split} split belong to one song: two are needed"
                               " to pair them")


def examples(arrays: Mapping, index: jax.Array, keys: jax.Array, training: bool) -> dict:
    """Sides of windows `index` [b], left or right -> {"melody" int [b, 64], "aside" int [b], "row_key"}.

    In training in a random key, and half of them to be seen from up to ASIDE semitones beside their frame (frames.py):
    a melody that always looks the same is soon known by heart.
    """
    sides = cut(arrays["corpus"], arrays["starts"][index], shifts(arrays["room"][index], keys, training))
    right = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, 3)))(keys)
    aside = jnp.zeros(len(index), jnp.int32)
    if training:
        places = jax.vmap(lambda key: jax.random.randint(jax.random.fold_in(key, 4), (), -ASIDE, ASIDE))(keys)
        aside = jnp.where(jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, 5)))(keys), places, 0)
    return {"melody": jnp.where(right[:, None], sides["right"], sides["left"]), "aside": aside, "row_key": keys}


def shifts(room: jax.Array, keys: jax.Array, training: bool) -> jax.Array:
    """How far each row is transposed: anywhere within its room in training, else not at all. [b, 2] -> int32 [b]."""
    if not training:
        return jnp.zeros(len(room), jnp.int32)
    draw = jax.vmap(lambda key, room: jax.random.randint(jax.random.fold_in(key, 0), (), room[0], room[1] + 1))
    return draw(keys, room)


def cut(corpus: Mapping, starts: jax.Array, shift: jax.Array) -> dict[str, jax.Array]:
    """Start beats [b], semitones [b] -> {"left", "right"}: symbols int32 [b, 64] (codecs.melody.symbols).

    A note that began before the window leaves no trace; one that goes on over the middle is held on the right.
    """
    steps = starts[:, None] * STEPS_PER_BEAT + jnp.arange(2 * STEPS)
    tokens = melody.without_carry(corpus["melody"][steps].astype(jnp.int32), jnp)
    symbols = melody.symbols(melody.transpose(tokens, shift[:, None]), jnp)
    return dict(zip(SIDES, jnp.split(symbols, 2, 1), strict=True))


def notes(symbols: np.ndarray) -> np.ndarray:
    """Symbols int [T] -> notes int32 [n, 3]: onset and length in steps, pitch."""
    return melody.notes_from_tokens(melody.from_symbols(np.asarray(symbols)))


def halves(notes: np.ndarray) -> dict[str, np.ndarray]:
    """Notes [n, 3] of eight bars -> {"left", "right"}: those that begin on either side of the joint."""
    before = notes[:, 0] < STEPS
    return dict(zip(SIDES, (notes[before], notes[~before]), strict=True))
