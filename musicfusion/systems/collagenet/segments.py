"""Segments of eight beats out of a corpus that lives on the device (paper 000, section 4.1)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.task import Resident
from musicfusion.data import splits
from musicfusion.data.corpus import Corpus

BEATS, PER_BEAT = 8, 4
STEPS = BEATS * PER_BEAT
LOWEST_SHIFT, KEYS = -6, 12  # twelve keys: -6..+5 semitones


def windows(corpus: Corpus, config, split: str, parts: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Windows of one split in which each of `parts` has enough onsets -> (start beat [n], song [n])."""
    require = {part: config.data[f"{part}_onsets"] for part in parts}
    starts, songs = corpus.windows(BEATS, 1, require)
    chosen = splits.select(corpus, songs, split, config.seed)
    if not len(chosen):
        raise MusicFusionError(
            f"{corpus.source}: no {split} song has a segment of {BEATS} beats with {' and '.join(parts)};"
            f" {len(corpus.songs)} songs were read: more songs are needed"
        )
    return starts[chosen], songs[chosen]


def resident(corpus: Corpus, config, parts: tuple[str, ...]) -> Resident:
    """The corpus and the start beats of its training and validation segments."""
    train, _ = windows(corpus, config, "train", parts)
    validation, _ = windows(corpus, config, "validation", parts)
    arrays = {"corpus": dict(corpus.arrays), "starts": np.concatenate([train, validation])}
    return Resident(arrays, len(train), len(validation))


def examples(arrays: Mapping, index: jax.Array, keys: jax.Array, training: bool) -> dict:
    """Segments `index` [b]; in training each in a random key of twelve, both tracks and the chords alike."""
    shift = jnp.zeros(index.shape, jnp.int32)
    if training:
        draw = jax.vmap(lambda key: jax.random.randint(jax.random.fold_in(key, 0), (), 0, KEYS))
        shift = draw(keys) + LOWEST_SHIFT
    return cut(arrays["corpus"], arrays["starts"][index], shift) | {"row_key": keys}


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
