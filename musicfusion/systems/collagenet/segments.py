"""Segments of eight beats out of a corpus that lives on the device (paper 000, section 4.1)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.task import Resident
from musicfusion.data import batches, splits
from musicfusion.data.corpus import Corpus
from musicfusion.latent import partners

BEATS, PER_BEAT = 8, 4
STEPS = BEATS * PER_BEAT
LOWEST_SHIFT, KEYS = -6, 12  # twelve keys: -6..+5 semitones


def windows(corpus: Corpus, config, split: str, parts: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Windows of one split in which each of `parts` has enough onsets -> (start beat [n], song [n]).

    Raises MusicFusionError where there is none.
    """
    require = {part: config.data[f"{part}_onsets"] for part in parts}
    starts, songs = corpus.windows(BEATS, 1, require)
    chosen = splits.select(corpus, songs, split, config.seed)
    if not len(chosen):
        raise MusicFusionError(
            f"{corpus.source}: no {split} song has a segment of {BEATS} beats with {' and '.join(parts)};"
            f" {len(corpus.songs)} songs were read: more songs are needed"
        )
    return starts[chosen], songs[chosen]


def measured(corpus: Corpus, config) -> tuple[np.ndarray, np.ndarray]:
    """The windows of config.data.split that evaluation pairs across songs: evenly chosen, a whole number of batches.

    -> (start beat [n], song [n]). Raises MusicFusionError where there are not two songs.
    """
    starts, songs = windows(corpus, config, config.data.split, ("melody", "accompaniment"))
    total = min(config.evaluate.segments, len(starts))
    size = min(config.evaluate.batch, total)
    chosen = batches.fixed(len(starts), total // size * size)
    if len(np.unique(songs[chosen])) < 2:
        raise MusicFusionError(f"{corpus.source}: the segments of the {config.data.split} split that are measured"
                               " belong to one song: two are needed to pair them")
    return starts[chosen], songs[chosen]


def resident(corpus: Corpus, config, parts: tuple[str, ...]) -> Resident:
    """The corpus, the start beats of its training and validation segments, and which of them share a song.

    Segments low[i]..high[i]-1 are those of segment i's song; bounds: where training begins, ends, validation ends.
    """
    train, train_songs = windows(corpus, config, "train", parts)
    validation, validation_songs = windows(corpus, config, "validation", parts)
    low, high = partners.song_bounds(np.concatenate([train_songs, validation_songs]))
    arrays = {
        "corpus": dict(corpus.arrays), "starts": np.concatenate([train, validation]),
        "low": low, "high": high,
        "bounds": np.array([0, len(train), len(low)], np.int32),
    }
    return Resident(arrays, len(train), len(validation))


def examples(arrays: Mapping, index: jax.Array, keys: jax.Array, training: bool) -> dict:
    """Segments `index` [b]; in training each in a random key of twelve, both tracks and the chords alike."""
    shift = shifts(keys, training)
    return cut(arrays["corpus"], arrays["starts"][index], shift) | {"row_key": keys}


def shifts(keys: jax.Array, training: bool) -> jax.Array:
    """How far each row is transposed, in semitones: at random in training, else not at all. Keys [b] -> int32 [b]."""
    if not training:
        return jnp.zeros(keys.shape, jnp.int32)
    draw = jax.vmap(lambda key: jax.random.randint(jax.random.fold_in(key, 0), (), 0, KEYS))
    return draw(keys) + LOWEST_SHIFT


def silence(rows: int) -> dict[str, jax.Array]:
    """Segments without a note, in the form of `cut`: enough to tell the shapes of a model that reads such."""
    slots = jnp.zeros((rows, STEPS, polyphony.SLOTS), jnp.int32)
    return {"melody": jnp.full((rows, STEPS), melody.REST, jnp.int32), "pitch": slots, "duration": slots,
            "chords": jnp.zeros((rows, BEATS, 3), jnp.int32)}


def cut(corpus: Mapping, starts: jax.Array, shift: jax.Array) -> dict[str, jax.Array]:
    """Start beats [b], semitones [b] -> {"melody" [b, 32], "pitch", "duration" [b, 32, 14], "chords" [b, 8, 3]}, int32.

    A note that began before the segment leaves no trace; one that lasts beyond it is cut at its end.
    """
    steps = starts[:, None] * PER_BEAT + jnp.arange(STEPS)
    beats = starts[:, None] + jnp.arange(BEATS)
    tokens = melody.without_carry(corpus["melody"][steps].astype(jnp.int32), jnp)
    pitch = corpus["pitch"][steps].astype(jnp.int32)
    duration = polyphony.cut(corpus["duration"][steps].astype(jnp.int32), jnp)
    rows = corpus["chords"][beats].astype(jnp.int32)
    return {
        "melody": melody.transpose(tokens, shift[:, None]),
        "pitch": polyphony.transpose(pitch, duration, shift[:, None, None]),
        "duration": duration,
        "chords": chords.transpose(rows, shift[:, None], jnp),
    }
