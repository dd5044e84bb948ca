"""The examples: windows of 2 or 16 bars out of pieces in four tracks (MusAE, section 4.1), and their genres."""

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody, tracks
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.codecs.score import Score
from musicfusion.core.contracts import Resident
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import folded
from musicfusion.data import batches, splits
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus

SPLITS = {"train": 7, "validation": 1, "test": 2}  # of songs; the paper keeps a fifth of its windows for validation
GRIDS = {4: "16ths", 12: "12ths of a quarter"}  # steps of a beat, in words
BEATS = 4  # of a bar
TRANSPOSITIONS = (-5, 6)  # semitones, the lowest and the highest
COMPONENTS = 32  # the most components that the flower has, and genres that a corpus has; MusAE, section 3.3
UNTAGGED = -1  # the component of what has no genre: the middle of the flower
ONSETS = 4  # a bar, all tracks together, that a window has at least, where tracks may be silent


def windows(corpus: Corpus, split: str, *, seed: int, bars: int, sparse: bool = False) -> dict[str, np.ndarray]:
    """The windows of one split, one begins on every bar line.

    A window in which a track is silent for more than a bar on end is left out, unless that track is silent throughout
    the song (MusAE, section 4.1). If `sparse`, tracks may be silent, and a window needs ONSETS a bar instead.

    Returns:
        {"start": the first beat, "song"}, int32 [n] each.

    Raises:
        MusicFusionError: there is none.
    """
    starts, songs = corpus.windows(bars * BEATS, BEATS, {})
    chosen = splits.select(corpus, songs, split, seed, SPLITS)
    starts, songs = starts[chosen], songs[chosen]
    full = _busy(corpus, starts, bars) if sparse else _without_pauses(corpus, starts, songs, bars)
    if not full.any():
        raise MusicFusionError(f"{corpus.source}: no {split} song has {bars} bars in which no track is silent for"
                               f" longer than a bar; {len(corpus.songs)} were read: more songs are needed")
    return {"start": starts[full].astype(np.int32), "song": songs[full].astype(np.int32)}


def _without_pauses(corpus: Corpus, starts: np.ndarray, songs: np.ndarray, bars: int) -> np.ndarray:
    """Of windows at the beats `starts` [n]: whether no track is silent for more than a bar, bool [n]."""
    silent, bar = corpus.arrays["tracks"] == REST, BEATS * corpus.steps
    ends = corpus.first_beat * corpus.steps
    absent = np.stack([silent[a:b].all(0) for a, b in itertools.pairwise(ends)])  # [songs, 4]
    rests = np.concatenate([np.zeros((1, tracks.TRACKS), np.int32), np.cumsum(silent, 0, dtype=np.int32)])
    long = np.zeros(silent.shape, bool)  # more than a bar of rest begins here
    long[:-bar] = (rests[bar + 1 :] - rests[: -bar - 1]) > bar
    runs = np.concatenate([np.zeros((1, tracks.TRACKS), np.int32), np.cumsum(long, 0, dtype=np.int32)])
    first = starts * corpus.steps
    within = runs[first + bars * bar - bar] - runs[first]
    return ~np.any((within > 0) & ~absent[songs], 1)


def _busy(corpus: Corpus, starts: np.ndarray, bars: int) -> np.ndarray:
    """Of windows at the beats `starts` [n]: whether ONSETS a bar begin in them, bool [n]."""
    onsets = np.concatenate([[0], np.cumsum(np.sum(corpus.arrays["tracks"] < HOLD, 1, dtype=np.int32))])
    first = starts * corpus.steps
    return onsets[first + bars * BEATS * corpus.steps] - onsets[first] >= ONSETS * bars


def resident(corpus: Corpus, *, seed: int, bars: int, component: np.ndarray, components: int, sparse: bool = False,
             shares: Sequence[float] = (), tagged: bool = False, train: str = "train") -> Resident:
    """The corpus on the device, with the windows to learn from and to validate on; the rest as for `arrays`.

    Args:
        sparse: of `windows`.
        shares: of the examples, that the windows of each corpus have which this one was joined of; (): as they come.
        tagged: only windows that have a genre. train: the split to learn from; where it has no songs, "train".

    Raises:
        MusicFusionError: there are no windows, or none with a genre; or `shares` does not fit (`weighted`).
    """
    if train not in splits.of_songs(corpus, seed, SPLITS):
        train = "train"
    parts = []
    for split in (train, "validation"):
        found = windows(corpus, split, seed=seed, bars=bars, sparse=sparse)
        if tagged and corpus.tags:
            has_genre = corpus.arrays["tags"][found["start"]] > 0
            found = {name: x[has_genre] for name, x in found.items()}
            if split == train and not has_genre.any():
                raise MusicFusionError(f"{corpus.source}: no {train} song with windows of {bars} bars has a genre")
        parts.append(weighted(corpus, found, shares, seed) if split == train and not tagged else found["start"])
    found = arrays(corpus, np.concatenate(parts), component=component, components=components)
    return Resident(arrays={**found, "train": np.int32(len(parts[0]))}, train=len(parts[0]), validation=len(parts[1]))


def weighted(corpus: Corpus, found: Mapping[str, np.ndarray], shares: Sequence[float], seed: int) -> np.ndarray:
    """Windows, some of them several times, so that each part of a joined corpus has its share: first beats int32 [m].

    found: of `windows`. Each window is there once at least.

    Raises:
        MusicFusionError: there are not as many shares as parts, or a part without windows has a share.
    """
    if not shares:
        return found["start"]
    counts = corpus.parts or (len(corpus.songs),)
    if len(shares) != len(counts) or min(shares) < 0:
        raise MusicFusionError(f"data.shares has {len(shares)} numbers; accepted is one for each of {len(counts)} data"
                               " roots, none below 0")
    part = np.searchsorted(np.cumsum(counts), found["song"], side="right")
    own = [found["start"][part == k] for k in range(len(counts))]
    empty = [k for k, x in enumerate(own) if shares[k] and not len(x)]
    if empty:
        raise MusicFusionError(f"{corpus.source}: data root {empty[0] + 1} has no windows to learn from")
    total = max(len(x) / share for x, share in zip(own, shares, strict=True) if share)
    rng = np.random.default_rng(seed)
    return np.concatenate([np.resize(rng.permutation(x), round(share * total))
                           for x, share in zip(own, shares, strict=True) if share])


def arrays(corpus: Corpus, starts: np.ndarray, *, component: np.ndarray, components: int) -> dict[str, Any]:
    """What `examples` reads of a corpus.

    Args:
        starts: the first beat of each window, int [n].
        component: of each genre in the corpus's order, int [32] (components.py); components: how many there are.
    """
    drums = [part.drums for part in tracks.INSTRUMENTATIONS[corpus.instrumentation]]
    tags = corpus.arrays.get("tags", np.zeros(corpus.beats, np.uint32))
    return {"tracks": corpus.arrays["tracks"], "tags": tags, "starts": starts, "train": np.int32(len(starts)),
            "pitched": ~np.array(drums), "component": np.asarray(component), "components": np.asarray(components),
            "instrumentation": np.int32([*tracks.INSTRUMENTATIONS].index(corpus.instrumentation))}


def measured(corpus: Corpus, split: str, *, seed: int, bars: int, count: int, batch: int) -> dict[str, np.ndarray]:
    """At most `count` windows of a split, evenly spread over it, as whole batches where there are enough."""
    found = windows(corpus, split, seed=seed, bars=bars)
    size = min(batch, len(found["start"]))
    total = min(count, len(found["start"])) // size * size
    chosen = batches.fixed(len(found["start"]), total)
    return {name: x[chosen] for name, x in found.items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixing:
    """How much training examples are changed, so that an autoencoder knows more than the bands it learns from.

    mixed: share of examples each of whose tracks is another window's, in a key of its own; they have no genre.
    swapped: share of a mixed example's pitched tracks that are another pitched track of that window.
    octaves: share of the pitched tracks that are moved an octave up or down. silent: share of tracks that are silent.
    """

    mixed: float = 0.0
    swapped: float = 0.0
    octaves: float = 0.0
    silent: float = 0.0


PLAIN = Mixing()


def examples(arrays: Mapping, index: jax.Array, keys: jax.Array, training: bool, *, bars: int, encoding: str,
             mixing: Mixing = PLAIN) -> dict:
    """Windows as a batch; in training each is transposed at random (drums stay as they are), and some are mixed.

    Args:
        arrays: of `arrays`, which has as many steps to a beat as its corpus; index: which windows [B]; keys: their
            random keys [B].
        bars: of a window; encoding: "onsets" or "paper" (codecs.tracks.merged).
        mixing: in training.

    Returns:
        {"tracks": tokens int32 [B, T, 4],
         "genre": one of the window's genres, drawn anew each time, -1 for none, int32 [B],
         "component": that genre's on the flower, UNTAGGED for none, int32 [B],
         "components": how many there are, int32 [B],
         "instrumentation": which of codecs.tracks.INSTRUMENTATIONS, int32 [B],
         "example_key": [B]}
    """
    first = arrays["starts"][index]
    starts = jnp.broadcast_to(first[:, None], (len(index), tracks.TRACKS))
    columns = jnp.broadcast_to(jnp.arange(tracks.TRACKS), starts.shape)
    mixed = jnp.zeros(len(index), bool)
    if training and mixing.mixed:
        mixed, starts, columns = _from_others(arrays, starts, columns, keys, mixing)
    beat = len(arrays["tracks"]) // len(arrays["tags"])  # steps
    steps = starts[:, None] * beat + jnp.arange(bars * BEATS * beat)[:, None]  # [B, T, 4]
    tokens = tracks.without_carry(arrays["tracks"][steps, columns[:, None]], jnp)
    if training:
        tokens = _changed(arrays, tokens, mixed, keys, mixing)
    if encoding == "paper":
        tokens = tracks.merged(tokens, jnp)
    tags = jnp.where(mixed, 0, arrays["tags"][first]).astype(jnp.uint32)
    genre, component = drawn_genre(tags, keys, arrays["component"])
    return {"tracks": tokens, "genre": genre, "component": component,
            "components": jnp.broadcast_to(arrays["components"], component.shape),
            "instrumentation": jnp.broadcast_to(arrays["instrumentation"], component.shape), "example_key": keys}


def _from_others(arrays: Mapping, starts: jax.Array, columns: jax.Array, keys: jax.Array, mixing: Mixing) -> tuple:
    """Which examples are mixed, bool [B]; and the first beat and the column of each track [B, 4]."""
    shape = (tracks.TRACKS,)
    mixed = _chance(keys, 4, mixing.mixed, ())
    other = jax.vmap(lambda key: jax.random.randint(key, shape, 0, arrays["train"]))(folded(keys, 5))
    pitched = jnp.flatnonzero(arrays["pitched"], size=tracks.TRACKS, fill_value=-1)
    count = jnp.sum(arrays["pitched"])
    column = pitched[jax.vmap(lambda key: jax.random.randint(key, shape, 0, count))(folded(keys, 6))]
    swapped = _chance(keys, 7, mixing.swapped, shape) & arrays["pitched"] & mixed[:, None]
    return (mixed, jnp.where(mixed[:, None], arrays["starts"][other], starts), jnp.where(swapped, column, columns))


def _changed(arrays: Mapping, tokens: jax.Array, mixed: jax.Array, keys: jax.Array, mixing: Mixing) -> jax.Array:
    """Tokens [B, T, 4] in another key, some tracks an octave away or silent; in mixed examples each has its own key."""
    low, high = TRANSPOSITIONS
    common = jax.vmap(lambda key: jax.random.randint(key, (), low, high + 1))(folded(keys, 1))[:, None]
    shift = jnp.broadcast_to(common, (len(tokens), tracks.TRACKS))
    if mixing.mixed:
        own = jax.vmap(lambda key: jax.random.randint(key, (tracks.TRACKS,), low, high + 1))(folded(keys, 8))
        shift = jnp.where(mixed[:, None], own, shift)
    if mixing.octaves:
        moved, up = _chance(keys, 9, mixing.octaves, (tracks.TRACKS,)), _chance(keys, 10, 0.5, (tracks.TRACKS,))
        shift = shift + jnp.where(moved, jnp.where(up, 12, -12), 0)
    tokens = melody.transpose(tokens, jnp.where(arrays["pitched"], shift, 0)[:, None])
    if mixing.silent:
        tokens = jnp.where(_chance(keys, 11, mixing.silent, (tracks.TRACKS,))[:, None], REST, tokens)
    return tokens


def _chance(keys: jax.Array, salt: int, share: float, shape: tuple[int, ...]) -> jax.Array:
    """True with probability `share`: keys [B] -> bool [B, *shape]."""
    return jax.vmap(lambda key: jax.random.uniform(key, shape) < share)(folded(keys, salt))


def drawn_genre(tags: jax.Array, keys: jax.Array, component: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One of the genres that each example's tags name, at random, and its component of the flower.

    Args:
        tags: a bit for each genre, uint32 [B]; keys: random keys [B].
        component: of each genre, int [32].

    Returns:
        genre int32 [B], -1 where the tags name none; component int32 [B], UNTAGGED where they name none.
    """
    carried = (tags[:, None] >> jnp.arange(len(component), dtype=jnp.uint32)) & 1
    uniforms = jax.vmap(lambda key: jax.random.uniform(key, (len(component),)))(folded(keys, 2))
    genre = jnp.argmax(jnp.where(carried > 0, uniforms, -1.0), 1).astype(jnp.int32)
    known = jnp.any(carried > 0, 1)
    return jnp.where(known, genre, -1), jnp.where(known, component[genre], UNTAGGED).astype(jnp.int32)


def show(batch: Mapping, generated: Mapping, steps: int = STEPS_PER_BEAT) -> list[tuple[str, Score, Score]]:
    """Windows beside their reconstructions, all tracks, as core.contracts.Stage.show: (title, before, after).

    steps: of a beat.
    """
    names = [*tracks.INSTRUMENTATIONS]
    instrumentations = [names[which] for which in batch["instrumentation"].tolist()]
    score = functools.partial(tracks.score, per_quarter=steps)
    return [(f"reconstruction_{number}", score(before, own), score(after, own))
            for number, (before, after, own) in enumerate(
                zip(batch["tracks"], generated["tracks"], instrumentations, strict=True))]
