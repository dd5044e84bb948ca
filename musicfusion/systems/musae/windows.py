"""Windows of 2 or 16 bars out of pieces in four tracks (paper 004, section 4.1)."""

import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import tracks
from musicfusion.codecs.melody import REST
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.rows import folded
from musicfusion.core.task import Resident
from musicfusion.data import batches, splits
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus

SPLITS = {"train": 8, "validation": 1, "test": 1}  # of songs; the paper keeps a fifth of its windows for validation
BAR = 4 * STEPS_PER_BEAT  # steps
SHIFTS = (-5, 6)  # semitones


def windows(corpus: Corpus, split: str, seed: int, bars: int) -> dict[str, np.ndarray]:
    """The windows of one split, stride one bar: {"start" (a beat), "song"} int32 [n].

    No track is silent for more than a bar on end, unless the whole song does without it. Raises MusicFusionError where
    there is none.
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
        raise MusicFusionError(f"{corpus.source}: no {split} song has {bars} bars in which nobody is silent for longer"
                               f" than a bar; {len(corpus.songs)} were read: more songs are needed")
    return {"start": starts[kept].astype(np.int32), "song": songs[kept].astype(np.int32)}


def resident(corpus: Corpus, config, bars: int, petals: Mapping) -> Resident:
    """The corpus on the device, with the windows to learn from and to validate on, and where each genre's petal is."""
    parts = [windows(corpus, split, config.seed, bars)["start"] for split in ("train", "validation")]
    return Resident(fixed(corpus, np.concatenate(parts), petals), len(parts[0]), len(parts[1]))


def fixed(corpus: Corpus, starts: np.ndarray, petals: Mapping) -> dict:
    """What `examples` reads of a corpus: its arrays, the windows' starts, which tracks have pitches, the petals."""
    drums = [part.drums for part in tracks.LINEUPS[corpus.lineup]]
    return {"tracks": corpus.arrays["tracks"], "tags": corpus.arrays["tags"], "starts": starts,
            "pitched": ~np.array(drums), "place": np.asarray(petals["place"]), "petals": np.asarray(petals["count"])}


def measured(corpus: Corpus, config, bars: int) -> dict[str, np.ndarray]:
    """The windows that are measured, of config.data.split: evenly chosen, whole batches."""
    found = windows(corpus, config.data.split, config.seed, bars)
    size = min(config.evaluate.batch, len(found["start"]))
    total = min(config.evaluate.windows, len(found["start"])) // size * size
    chosen = batches.fixed(len(found["start"]), total)
    return {name: x[chosen] for name, x in found.items()}


def examples(arrays: Mapping, index: jax.Array, keys: jax.Array, training: bool, *, bars: int, encoding: str) -> dict:
    """Windows `index` [b] -> {"tracks" int32 [b, T, 4], "genre", "petal" int32 [b], "petals", "row_key"}.

    In training in a random key (drums stay as they are). genre: one of the window's tags, drawn anew each time, -1 for
    none; petal: its place on the flower, a random one for none.
    """
    starts = arrays["starts"][index]
    steps = starts[:, None] * STEPS_PER_BEAT + jnp.arange(bars * BAR)
    tokens = tracks.without_carry(arrays["tracks"][steps], jnp)
    if training:
        shift = jax.vmap(lambda key: jax.random.randint(key, (), SHIFTS[0], SHIFTS[1] + 1))(folded(keys, 1))
        tokens = tracks.transpose(tokens, shift, arrays["pitched"], jnp)
    if encoding == "paper":
        tokens = tracks.merged(tokens, jnp)
    genre, petal = drawn(arrays["tags"][starts], keys, arrays["place"], arrays["petals"])
    return {"tracks": tokens, "genre": genre, "petal": petal,
            "petals": jnp.broadcast_to(arrays["petals"], petal.shape), "row_key": keys}


def drawn(tags: jax.Array, keys: jax.Array, place: jax.Array, petals: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One of each row's tags (bits of uint32 [b]), by chance, and its petal: int32 [b] x 2."""
    carried = (tags[:, None] >> jnp.arange(len(place), dtype=jnp.uint32)) & 1
    luck = jax.vmap(lambda key: jax.random.uniform(key, (len(place),)))(folded(keys, 2))
    genre = jnp.argmax(jnp.where(carried > 0, luck, -1.0), 1).astype(jnp.int32)
    anywhere = jax.vmap(lambda key: jax.random.randint(key, (), 0, petals))(folded(keys, 3))
    known = jnp.any(carried > 0, 1)
    return jnp.where(known, genre, -1), jnp.where(known, place[genre], anywhere).astype(jnp.int32)
