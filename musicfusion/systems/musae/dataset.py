"""The examples: windows of 2 or 16 bars out of pieces in four tracks (MusAE, section 4.1), and their genres."""

import itertools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import tracks
from musicfusion.codecs.melody import REST
from musicfusion.codecs.score import Score
from musicfusion.core.contracts import Resident
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import folded
from musicfusion.data import batches, splits
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus

SPLITS = {"train": 8, "validation": 1, "test": 1}  # of songs; the paper keeps a fifth of its windows for validation
BAR = 4 * STEPS_PER_BEAT  # steps
BEAT_TOKENS = STEPS_PER_BEAT * tracks.TRACKS  # tokens of a beat, all tracks
TRANSPOSITIONS = (-5, 6)  # semitones, the lowest and the highest
COMPONENTS = 32  # the most components that the flower has, and genres that a corpus has; MusAE, section 3.3


def windows(corpus: Corpus, split: str, *, seed: int, bars: int) -> dict[str, np.ndarray]:
    """The windows of one split, one begins on every bar line.

    A window in which a track is silent for more than a bar on end is left out, unless that track is silent throughout
    the song.

    Returns:
        {"start": the first beat, "song"}, int32 [n] each.

    Raises:
        MusicFusionError: there is none.
    """
    starts, songs = corpus.windows(bars * 4, 4, {})
    chosen = splits.select(corpus, songs, split, seed, SPLITS)
    starts, songs = starts[chosen], songs[chosen]
    silent = corpus.arrays["tracks"] == REST
    ends = corpus.first_beat * STEPS_PER_BEAT
    absent = np.stack([silent[a:b].all(0) for a, b in itertools.pairwise(ends)])  # [songs, 4]
    rests = np.concatenate([np.zeros((1, tracks.TRACKS), np.int32), np.cumsum(silent, 0, dtype=np.int32)])
    long = np.zeros(silent.shape, bool)  # more than a bar of rest begins here
    long[: -BAR or None] = (rests[BAR + 1 :] - rests[: -BAR - 1]) > BAR
    runs = np.concatenate([np.zeros((1, tracks.TRACKS), np.int32), np.cumsum(long, 0, dtype=np.int32)])
    first = starts * STEPS_PER_BEAT
    within = runs[first + bars * BAR - BAR] - runs[first]
    kept = ~np.any((within > 0) & ~absent[songs], 1)
    if not kept.any():
        raise MusicFusionError(f"{corpus.source}: no {split} song has {bars} bars in which no track is silent for"
                               f" longer than a bar; {len(corpus.songs)} were read: more songs are needed")
    return {"start": starts[kept].astype(np.int32), "song": songs[kept].astype(np.int32)}


def resident(corpus: Corpus, *, seed: int, bars: int, component: np.ndarray, components: int) -> Resident:
    """The corpus on the device, with the windows to learn from and to validate on; the rest as for `arrays`."""
    parts = [windows(corpus, split, seed=seed, bars=bars)["start"] for split in ("train", "validation")]
    found = arrays(corpus, np.concatenate(parts), component=component, components=components)
    return Resident(arrays=found, train=len(parts[0]), validation=len(parts[1]))


def arrays(corpus: Corpus, starts: np.ndarray, *, component: np.ndarray, components: int) -> dict[str, Any]:
    """What `examples` reads of a corpus.

    Args:
        starts: the first beat of each window, int [n].
        component: of each genre in the corpus's order, int [32] (components.py); components: how many there are.
    """
    drums = [part.drums for part in tracks.INSTRUMENTATIONS[corpus.instrumentation]]
    return {"tracks": corpus.arrays["tracks"], "tags": corpus.arrays["tags"], "starts": starts,
            "pitched": ~np.array(drums), "component": np.asarray(component), "components": np.asarray(components),
            "instrumentation": np.int32([*tracks.INSTRUMENTATIONS].index(corpus.instrumentation))}


def measured(corpus: Corpus, split: str, *, seed: int, bars: int, count: int, batch: int) -> dict[str, np.ndarray]:
    """At most `count` windows of a split, evenly spread over it, as whole batches where there are enough."""
    found = windows(corpus, split, seed=seed, bars=bars)
    size = min(batch, len(found["start"]))
    total = min(count, len(found["start"])) // size * size
    chosen = batches.fixed(len(found["start"]), total)
    return {name: x[chosen] for name, x in found.items()}


def examples(arrays: Mapping, index: jax.Array, keys: jax.Array, training: bool, *, bars: int, encoding: str) -> dict:
    """Windows as a batch; in training each is transposed at random (drums stay as they are).

    Args:
        arrays: of `arrays`; index: which windows [B]; keys: their random keys [B].
        bars: of a window; encoding: "onsets" or "paper" (codecs.tracks.merged).

    Returns:
        {"tracks": tokens int32 [B, T, 4],
         "genre": one of the window's genres, drawn anew each time, -1 for none, int32 [B],
         "component": that genre's on the flower, a random one for none, int32 [B],
         "components": how many there are, int32 [B],
         "instrumentation": which of codecs.tracks.INSTRUMENTATIONS, int32 [B],
         "example_key": [B]}
    """
    starts = arrays["starts"][index]
    steps = starts[:, None] * STEPS_PER_BEAT + jnp.arange(bars * BAR)
    tokens = tracks.without_carry(arrays["tracks"][steps], jnp)
    if training:
        low, high = TRANSPOSITIONS
        shift = jax.vmap(lambda key: jax.random.randint(key, (), low, high + 1))(folded(keys, 1))
        tokens = tracks.transpose(tokens, shift, arrays["pitched"], jnp)
    if encoding == "paper":
        tokens = tracks.merged(tokens, jnp)
    genre, component = drawn_genre(arrays["tags"][starts], keys, arrays["component"], arrays["components"])
    return {"tracks": tokens, "genre": genre, "component": component,
            "components": jnp.broadcast_to(arrays["components"], component.shape),
            "instrumentation": jnp.broadcast_to(arrays["instrumentation"], component.shape), "example_key": keys}


def drawn_genre(
    tags: jax.Array, keys: jax.Array, component: jax.Array, components: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """One of the genres that each example's tags name, at random, and its component of the flower.

    Args:
        tags: a bit for each genre, uint32 [B]; keys: random keys [B].
        component: of each genre, int [32]; components: how many there are.

    Returns:
        genre int32 [B], -1 where the tags name none; component int32 [B], a random one where they name none.
    """
    carried = (tags[:, None] >> jnp.arange(len(component), dtype=jnp.uint32)) & 1
    uniforms = jax.vmap(lambda key: jax.random.uniform(key, (len(component),)))(folded(keys, 2))
    genre = jnp.argmax(jnp.where(carried > 0, uniforms, -1.0), 1).astype(jnp.int32)
    anywhere = jax.vmap(lambda key: jax.random.randint(key, (), 0, components))(folded(keys, 3))
    known = jnp.any(carried > 0, 1)
    return jnp.where(known, genre, -1), jnp.where(known, component[genre], anywhere).astype(jnp.int32)


def show(batch: Mapping, generated: Mapping) -> list[tuple[str, Score, Score]]:
    """Windows beside their reconstructions, all tracks, as core.contracts.Stage.show: (title, before, after)."""
    names = [*tracks.INSTRUMENTATIONS]
    instrumentations = [names[which] for which in batch["instrumentation"].tolist()]
    return [(f"reconstruction_{number}", tracks.score(before, own), tracks.score(after, own))
            for number, (before, after, own) in enumerate(
                zip(batch["tracks"], generated["tracks"], instrumentations, strict=True))]
