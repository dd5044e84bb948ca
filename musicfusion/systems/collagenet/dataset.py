"""CollageNet's examples: segments of eight beats (section 4.1), and the same segments in latent space.

The corpus lives on the device. A segment is cut out of it, and transposed, inside the compiled step.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.codecs.score import Score, from_notes
from musicfusion.core.contracts import Resident
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import batches, splits
from musicfusion.data.corpus import Corpus
from musicfusion.latent import actor_critic, negatives, table

PARTS = ("melody", "accompaniment")
# The judges learn from songs that neither VAE, critic nor actor has met. Validation and test are the paper's (4.1).
SPLITS = {"train": 0.4, "judges": 0.4, "validation": 0.1, "test": 0.1}
BEATS, PER_BEAT = 8, 4
STEPS = BEATS * PER_BEAT  # 16ths
LOWEST_SHIFT, KEYS = -6, 12  # twelve keys: -6..+5 semitones
VIOLIN, PIANO = 40, 0  # General MIDI programs of the two parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Segments:
    """Which segments of a corpus are examples, and how its songs are split.

    Attributes:
        melody_onsets, accompaniment_onsets: notes that must begin in a segment at least.
        seed: of the split of songs into training, validation and test.
    """

    melody_onsets: int
    accompaniment_onsets: int
    seed: int

    def windows(self, corpus: Corpus, split: str, parts: Sequence[str] = PARTS) -> tuple[np.ndarray, np.ndarray]:
        """All segments of a split in which each of `parts` has enough onsets -> (start beat [n], song [n]).

        Raises:
            MusicFusionError: there is none.
        """
        onsets = {"melody": self.melody_onsets, "accompaniment": self.accompaniment_onsets}
        starts, songs = corpus.windows(BEATS, 1, {part: onsets[part] for part in parts})
        chosen = splits.select(corpus, songs, split, self.seed, SPLITS)
        if not len(chosen):
            raise MusicFusionError(
                f"{corpus.source}: no {split} song has a segment of {BEATS} beats with {' and '.join(parts)};"
                f" {len(corpus.songs)} songs were read: more songs are needed")
        return starts[chosen], songs[chosen]

    def measured(self, corpus: Corpus, split: str, *, count: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """The segments that an evaluation pairs across songs: evenly chosen, a whole number of batches.

        Args:
            corpus, split: where they come from.
            count: so many at most.
            batch: the size of a batch, or of the only one if there are fewer segments.

        Returns:
            (start beat [n], song [n])

        Raises:
            MusicFusionError: there are not two songs.
        """
        starts, songs = self.windows(corpus, split)
        total = min(count, len(starts))
        size = min(batch, total)
        chosen = batches.fixed(len(starts), total // size * size)
        if len(np.unique(songs[chosen])) < 2:
            raise MusicFusionError(f"{corpus.source}: the segments of the {split} split that are measured"
                                   " belong to one song: two are needed to pair them")
        return starts[chosen], songs[chosen]

    def resident(self, corpus: Corpus, parts: Sequence[str] = PARTS, split: str = "train") -> Resident:
        """The corpus, the start beats of the segments to learn from and to validate on, and which of them share a song.

        Segments low[i]..high[i]-1 are those of segment i's song. bounds: where training begins, where it ends, where
        validation ends. split: what is learned from, "train" or "judges".
        """
        train, train_songs = self.windows(corpus, split, parts)
        validation, validation_songs = self.windows(corpus, "validation", parts)
        low, high = negatives.song_bounds(np.concatenate([train_songs, validation_songs]))
        arrays = {
            "corpus": dict(corpus.arrays), "starts": np.concatenate([train, validation]),
            "low": low, "high": high,
            "bounds": np.array([0, len(train), len(low)], np.int32),
        }
        return Resident(arrays=arrays, train=len(train), validation=len(validation))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latents:
    """Which segments are encoded once, for actor and critic to learn from.

    Attributes:
        segments: the segments to choose from.
        train, validation: how many of each, evenly chosen.
        transpositions: in how many keys each training segment is encoded; a validation segment only in its own.
    """

    segments: Segments
    train: int
    validation: int
    transpositions: int

    def table(self, corpus: Corpus) -> tuple[dict[str, np.ndarray], int]:
        """What is encoded, and how much of it is for training; see latent.table.table."""

        def part(split, wanted, shifts):
            starts, songs = self.segments.windows(corpus, split)
            chosen = np.linspace(0, len(starts) - 1, min(wanted, len(starts))).round().astype(int)
            return starts[chosen], songs[chosen], np.tile(shifts, (len(chosen), 1))

        return table.table([part("train", self.train, np.arange(self.transpositions) + LOWEST_SHIFT),
                            part("validation", self.validation, np.zeros(1))])

    def resident(self, corpus: Corpus, *, vaes: Mapping[str, Any]) -> Resident:
        """What the stage that encodes them needs. vaes: the trained parameters by part."""
        return table.resident(corpus, *self.table(corpus), vaes)

    def encoded(self, corpus: Corpus, *, latents: Mapping[str, np.ndarray], sbar: np.ndarray,
                vaes: Mapping[str, Any]) -> Resident:
        """What actor and critic learn from, and the music that was encoded.

        Args:
            corpus: the one that was encoded.
            latents: {"mean", "std"} [N, d] of the table's entries.
            sbar: the average posterior std [d].
            vaes: the trained parameters by part.
        """
        entries, train = self.table(corpus)
        found = actor_critic.resident(low=entries["low"], high=entries["high"], train=train, latents=latents,
                                      sbar=sbar, vaes=vaes)
        return dataclasses.replace(found, arrays=dict(found.arrays) | {"corpus": dict(corpus.arrays), "table": entries})


# Inside the compiled step --------------------------------------------------------------------------------------------


def examples(arrays: Mapping[str, Any], index: jax.Array, keys: jax.Array, training: bool) -> dict[str, jax.Array]:
    """Segments `index` [b]; in training each in a random key of twelve, both parts and the chords alike."""
    shift = shifts(keys, training)
    return cut(arrays["corpus"], arrays["starts"][index], shift) | {"example_key": keys}


def in_own_key(arrays: Mapping[str, Any], index: jax.Array, keys: jax.Array, training: bool) -> dict[str, jax.Array]:
    """Segments `index` [b] as they are, always."""
    del training
    return examples(arrays, index, keys, False)


def encoder_examples(arrays: Mapping[str, Any], index: jax.Array, keys: jax.Array, training: bool) -> dict:
    """The segments of the table's entries `index` [b], for latent.table.precompute."""
    del keys, training
    start, shift = (arrays["table"][name] for name in ("start", "shift"))
    return cut(arrays["corpus"], start[index], shift[index]) | {"index": index, "learned": arrays["learned"]}


def shifts(keys: jax.Array, training: bool) -> jax.Array:
    """How far each example is transposed, in semitones: at random in training, else not at all. [b] -> int32 [b]."""
    if not training:
        return jnp.zeros(keys.shape, jnp.int32)
    draw = jax.vmap(lambda key: jax.random.randint(jax.random.fold_in(key, 0), (), 0, KEYS))
    return draw(keys) + LOWEST_SHIFT


def cut(corpus: Mapping[str, Any], starts: jax.Array, shift: jax.Array) -> dict[str, jax.Array]:
    """Segments out of the corpus's arrays.

    A note that began before the segment leaves no trace; one that lasts beyond it is cut at its end.

    Args:
        corpus: data.corpus.Corpus.arrays.
        starts: the first beats, int [b].
        shift: semitones upward, int [b].

    Returns:
        int32 {"melody" [b, 32] tokens, "pitch", "duration" [b, 32, 14] slots, "chords" [b, 8, 3]}
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


def silence(count: int) -> dict[str, jax.Array]:
    """So many segments without a note, in the form of `cut`: enough to tell the shapes of a network that reads such."""
    slots = jnp.zeros((count, STEPS, polyphony.SLOTS), jnp.int32)
    return {"melody": jnp.full((count, STEPS), melody.REST, jnp.int32), "pitch": slots, "duration": slots,
            "chords": jnp.zeros((count, BEATS, 3), jnp.int32)}


# Back to notes -------------------------------------------------------------------------------------------------------


def notes(arrays: Mapping[str, Any], example: int) -> dict[str, np.ndarray]:
    """The notes of one segment, whether cut out or decoded: {"melody", "accompaniment"} int32 [n, 3], what there is."""
    found = {}
    if name := next((name for name in ("tokens", "melody") if name in arrays), ""):
        found["melody"] = melody.notes_from_tokens(arrays[name][example])
    if "pitch" in arrays:
        found["accompaniment"] = polyphony.notes_from_slots(arrays["pitch"][example], arrays["duration"][example])
    return found


def score(parts: Mapping[str, np.ndarray], name: str, *, tempos: Sequence = ((0.0, 90.0),),
          metres: Sequence[tuple[float, int, int]] = ((0.0, 4, 4),)) -> Score:
    """The parts (notes on the grid of 16ths, int [n, 3]) as a song: the melody on a violin, the other on a piano."""
    kinds = {"melody": (VIOLIN, 100), "accompaniment": (PIANO, 70)}
    tracks = tuple(from_notes(part.upper(), kinds[part][0], own, velocity=kinds[part][1])
                   for part, own in parts.items())
    return Score(tracks, np.array(tempos), tuple(metres), name)
