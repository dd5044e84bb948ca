"""Windows of eight bars, four a side, out of melodies, and their latents (Connective Fusion, section 3.1)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.core.contracts import Resident
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import folded
from musicfusion.core.results import Trained
from musicfusion.data import batches, splits
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus
from musicfusion.latent import actor_critic, negatives, table

SPLITS = {"train-1": 11, "validation-1": 1, "train-2": 6, "validation-2": 1, "test": 1}  # of songs
BAR = 4 * STEPS_PER_BEAT  # steps
BARS = 4  # of a side
STEPS = BARS * BAR  # of a side
SIDES = ("left", "right")
TONIC_OFFSET = 6  # semitones

Columns = dict[str, np.ndarray]


# Which windows there are ----------------------------------------------------------------------------------------------


def windows(corpus: Corpus, split: str, seed: int) -> Columns:
    """The windows of one split.

    A window begins on a bar line, has an onset in each half, rests for a bar at most at a stretch, and keeps to the
    range.

    Returns:
        {"start" int32 [n], a beat, "song" int32 [n], "room" int32 [n, 2]}. room: by how many semitones a window can be
        transposed, down (negative) and up. song: parts of one song (SONG#PART) are one song.

    Raises:
        MusicFusionError: there is none.
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


def measured(corpus: Corpus, split: str, *, seed: int, count: int, batch: int) -> Columns:
    """The windows of a split that are measured: `count` at most, evenly chosen, a whole number of batches."""
    found = windows(corpus, split, seed)
    total = min(count, len(found["start"]))
    size = min(batch, total)
    chosen = batches.fixed(len(found["start"]), total // size * size)
    return {name: x[chosen] for name, x in found.items()}


def require_pairs(corpus: Corpus, split: str, *, seed: int, count: int, batch: int) -> None:
    """Raises MusicFusionError where all that is measured belongs to one song: its windows cannot be paired."""
    if len(np.unique(measured(corpus, split, seed=seed, count=count, batch=batch)["song"])) < 2:
        raise MusicFusionError(f"{corpus.source}: the windows of the {split} split belong to one song: two are needed"
                               " to pair them")


# Examples for the VAE and the classifier ------------------------------------------------------------------------------


def resident(corpus: Corpus, training: str, validation: str, *, seed: int) -> Resident:
    """The corpus on the device, with the windows of a split to learn from and of one to validate on.

    low..high-1 are the windows of a window's song; bounds: where training begins, ends, validation ends.
    """
    parts = [windows(corpus, split, seed) for split in (training, validation)]
    every = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    low, high = negatives.song_bounds(every["song"])
    train, held_out = (len(part["start"]) for part in parts)
    arrays = {"corpus": dict(corpus.arrays), "starts": every["start"], "room": every["room"], "low": low, "high": high,
              "bounds": np.array([0, train, train + held_out], np.int32)}
    return Resident(arrays=arrays, train=train, validation=held_out)


def side_examples(arrays: Mapping, index: jax.Array, keys: jax.Array, training: bool) -> dict:
    """One side, left or right, of windows `index` [B] -> {"melody" int [B, 64], "tonic_offset" int [B], "example_key"}.

    In training each is in a random key, and half of them are counted from a pitch up to TONIC_OFFSET semitones beside
    their tonic (codecs/tonic.py): a melody that always looks the same is soon known by heart.
    """
    sides = cut(arrays["corpus"], arrays["starts"][index], transpositions(arrays["room"][index], keys, training))
    right = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, 3)))(keys)
    offset = jnp.zeros(len(index), jnp.int32)
    if training:
        drawn = jax.vmap(lambda key: jax.random.randint(jax.random.fold_in(key, 4), (), -TONIC_OFFSET, TONIC_OFFSET))
        chosen = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, 5)))(keys)
        offset = jnp.where(chosen, drawn(keys), 0)
    return {"melody": jnp.where(right[:, None], sides["right"], sides["left"]), "tonic_offset": offset,
            "example_key": keys}


def pair_examples(arrays: Mapping, index: jax.Array, keys: jax.Array, training: bool) -> dict:
    """Windows `index` [B], and a right side of another song for each -> {"left", "right", "other" int [B, 64], ...}.

    In training the window is in a random key, and the other right side in a random key of its own.
    """
    other_key, own_key = (folded(keys, i) for i in (1, 2))
    part = 0 if training else 1
    first, end = arrays["bounds"][part], arrays["bounds"][part + 1]
    other = negatives.sample_negative(other_key, arrays["low"][index], arrays["high"][index], first, end)

    def sides(index, keys):
        shift = transpositions(arrays["room"][index], keys, training)
        return cut(arrays["corpus"], arrays["starts"][index], shift)

    return sides(index, keys) | {"other": sides(other, own_key)["right"], "example_key": keys}


def transpositions(room: jax.Array, keys: jax.Array, training: bool) -> jax.Array:
    """Semitones for each example: in training anywhere within its room, else none. int [B, 2] -> int32 [B]."""
    if not training:
        return jnp.zeros(len(room), jnp.int32)
    draw = jax.vmap(lambda key, room: jax.random.randint(jax.random.fold_in(key, 0), (), room[0], room[1] + 1))
    return draw(keys, room)


def cut(corpus: Mapping, starts: jax.Array, shift: jax.Array) -> dict[str, jax.Array]:
    """Start beats int [B], semitones int [B] -> {"left", "right"}: symbols int32 [B, 64] (codecs.melody.symbols).

    A note that began before the window leaves no trace; one that goes on over the middle is held on the right.
    """
    steps = starts[:, None] * STEPS_PER_BEAT + jnp.arange(2 * STEPS)
    tokens = melody.without_carry(corpus["melody"][steps].astype(jnp.int32), jnp)
    symbols = melody.symbols(melody.transpose(tokens, shift[:, None]), jnp)
    return dict(zip(SIDES, jnp.split(symbols, 2, 1), strict=True))


# The table of latents -------------------------------------------------------------------------------------------------


def latent_table(corpus: Corpus, *, count: int, validation: int, copies: int, seed: int) -> tuple[Columns, int]:
    """What is encoded (latent.table.table), and how much of it is for training.

    At most `count` windows of train-1, each in `copies` keys all over its room, then at most `validation` windows of
    validation-1 in their own keys.
    """

    def part(split, wanted, copies):
        found = windows(corpus, split, seed)
        chosen = np.linspace(0, len(found["start"]) - 1, min(wanted, len(found["start"]))).round().astype(int)
        low, high = np.split(found["room"][chosen].astype(float), 2, 1)
        share = (np.arange(copies) + 0.5) / copies
        shifts = np.round(low + share * (high - low)) if copies > 1 else np.zeros((len(chosen), 1))
        return found["start"][chosen], found["song"][chosen], shifts

    return table.table([part("train-1", count, copies), part("validation-1", validation, 1)])


def table_resident(corpus: Corpus, entries: Columns, train: int, trained: Trained) -> Resident:
    """What the table of latents is computed from: the corpus, its entries, the trained VAE."""
    return table.resident(corpus, entries, train, trained("melody_vae"))


def table_examples(arrays: Mapping, index: jax.Array, keys: jax.Array, training: bool) -> dict:
    """Both sides of the table's entries `index` [B] (latent.table.precompute)."""
    del keys, training
    entries = arrays["table"]
    sides = cut(arrays["corpus"], entries["start"][index], entries["shift"][index])
    return sides | {"index": index, "learned": arrays["learned"]}


def latent_resident(entries: Columns, train: int, trained: Trained) -> Resident:
    """What actor and critic learn from: the table of latents, and the VAE and sbar that belong to it."""
    return actor_critic.resident(low=entries["low"], high=entries["high"], train=train,
                                 latents=trained("latents", "latents"), sbar=trained("latents")["sbar"],
                                 vaes=trained("melody_vae"))


# Notes ----------------------------------------------------------------------------------------------------------------


def notes(symbols: np.ndarray) -> np.ndarray:
    """Symbols int [T] -> notes int32 [n, 3]: onset and length in steps, pitch."""
    return melody.notes_from_tokens(melody.from_symbols(np.asarray(symbols)))


def halves(notes: np.ndarray) -> dict[str, np.ndarray]:
    """Notes [n, 3] of eight bars -> {"left", "right"}: those that begin on either side of the joint."""
    before = notes[:, 0] < STEPS
    return dict(zip(SIDES, (notes[before], notes[~before]), strict=True))
