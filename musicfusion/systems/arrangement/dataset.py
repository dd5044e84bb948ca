"""Crops of songs' mel-spectrograms: of the source, of the target, and of both at the same time (section 3.4).

A crop is [length, M] in -1..1, M bands; mel-spectrograms of a corpus are kept as uint8 (codecs.mel.quantised). The
source is CycleGAN's domain a, the target its domain b.
"""

import dataclasses
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import mel
from musicfusion.core.contracts import Resident, Tree
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import folded
from musicfusion.data import marks, splits
from musicfusion.data.corpus import Corpus

SPLITS = {"train": 0.7, "validation": 0.15, "test": 0.15}  # of songs
AUDIBLE = 0.02  # a crop whose level is lower counts as silent
KINDS = ("rendered", "real")  # of songs: played from notes, so that their marks are known, or recorded
QUANTILES = 21  # of the levels of the target's crops, from 0 to 1
RATE = mel.RATE / mel.HOP  # frames a second


class Song(NamedTuple):
    """A song's mel-spectrograms [T, M] in -1..1, and its marks uint8 [T] (data.marks).

    group: over which intervals are drawn: its groove, else its family.
    """

    name: str
    source: np.ndarray
    target: np.ndarray
    marks: np.ndarray
    group: str


def kinds(corpus: Corpus) -> np.ndarray:
    """Which of KINDS each song is: int [songs]. A corpus without marks is taken for recordings."""
    return 1 - (all_marks(corpus)[corpus.first_beat[:-1]] & marks.KNOWN).astype(int)


def all_marks(corpus: Corpus) -> np.ndarray:
    """The marks of all songs, uint8 [frames]; a corpus that was read before there were any knows nothing."""
    return corpus.arrays["marks"] if "marks" in corpus.arrays else np.zeros(corpus.beats, np.uint8)


def mean_level(mels: np.ndarray | jax.Array) -> float:
    """The mean level of a mel-spectrogram in -1..1, as a part of its range: 0 is silence."""
    return float((mels.mean() + 1) / 2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Crops:
    """How a corpus is cut into examples.

    length, stride: of the crops, in frames; seed: of the songs' splits; source, target: the parts' names, for errors.
    """

    length: int
    stride: int
    seed: int
    source: str
    target: str

    def starts(self, corpus: Corpus, split: str, kind: str = "") -> dict[str, np.ndarray]:
        """Frames at which crops of a split's songs begin, by what is audible in them.

        Args:
            corpus: with the mel-spectrograms "source" and "target", uint8 [frames, M].
            split: one of SPLITS, or all.
            kind: only songs of this kind, one of KINDS; "" for all.

        Returns:
            {"a": crops with the source, "b": with the target, "both": with both}, int32 [n] each.

        Raises:
            MusicFusionError: the source or the target is audible in no crop.
        """
        first = corpus.first_beat
        start = np.concatenate([
            np.arange(begin, end - self.length + 1, self.stride) for begin, end in itertools.pairwise(first)])
        song = np.searchsorted(first, start, "right") - 1
        kept = splits.select(corpus, song, split, self.seed, SPLITS)
        if kind:
            kept = kept[kinds(corpus)[song[kept]] == KINDS.index(kind)]
        start = start[kept]
        audible = {}
        for domain, part, name in (("a", "source", self.source), ("b", "target", self.target)):
            audible[domain] = self._levels(corpus.arrays[part], start) > AUDIBLE
            if not audible[domain].any():
                raise MusicFusionError(f"data: no {split} song{' of kind ' + kind if kind else ''} has {self.length}"
                                       f" frames of {name}; {len(corpus.songs)} songs were read: more are needed")
        audible["both"] = audible["a"] & audible["b"]
        return {domain: start[there].astype(np.int32) for domain, there in audible.items()}

    def _levels(self, mels: np.ndarray, start: np.ndarray) -> np.ndarray:
        """The levels of crops of a corpus: uint8 [frames, M], int [n] -> [n]."""
        total = np.concatenate([[0.0], np.cumsum(mels.mean(1, dtype=np.float64) / 255)])
        return (total[start + self.length] - total[start]) / self.length

    def level_quantiles(self, corpus: Corpus, kind: str = "") -> np.ndarray:
        """Quantiles of the levels of the target's training crops, ascending: float32 [QUANTILES]."""
        levels = self._levels(corpus.arrays["target"], self.starts(corpus, "train", kind)["b"])
        return np.quantile(levels, np.linspace(0, 1, QUANTILES)).astype(np.float32)

    def resident(self, corpus: Corpus, *, kind: str = "", paired: bool = False, params: Tree = None) -> Resident:
        """The mel-spectrograms, and where crops of them begin, for a stage's device.

        Args:
            corpus: as `starts` takes it.
            kind: only songs of this kind; "" for all.
            paired: only crops in which source and target are audible at the same time.
            params: of an earlier stage, to begin from; they become frozen["params"].

        Raises:
            MusicFusionError: there are no such crops.
        """
        train, validation = (self.starts(corpus, split, kind) for split in ("train", "validation"))
        domain = "both" if paired else "a"
        if not (len(train[domain]) and len(validation[domain])):
            raise MusicFusionError("data: source and target never sound together: nothing can be learned in pairs")
        arrays = {part: corpus.arrays[part] for part in ("source", "target")}
        arrays["start"] = np.concatenate([train[domain], validation[domain]])
        if not paired:
            arrays["other_start"] = np.concatenate([train["b"], validation["b"]])
            arrays["other_bounds"] = np.array([0, len(train["b"]), len(arrays["other_start"])], np.int32)
        frozen = {"level_quantiles": self.level_quantiles(corpus, kind)}
        return Resident(arrays=arrays, train=len(train[domain]), validation=len(validation[domain]),
                        frozen=frozen if params is None else frozen | {"params": params})

    def examples(self, arrays: Tree, index: jax.Array, example_keys: jax.Array, training: bool) -> dict:
        """Crops for a batch, each [b, length, M, 1] in -1..1.

        Returns:
            {"a": of the source, "pair": of the target at the same time, "b": of the target of any crop, drawn at random
            from the same split (not where only pairs are resident), "example_key"}.
        """
        start = arrays["start"][index]
        batch = {"a": cut(arrays["source"], start, self.length), "pair": cut(arrays["target"], start, self.length),
                 "example_key": example_keys}
        if "other_start" not in arrays:
            return batch
        low, high = arrays["other_bounds"][:2] if training else arrays["other_bounds"][1:]
        other = jax.vmap(lambda key: jax.random.randint(key, (), low, high))(folded(example_keys, 30))
        return batch | {"b": cut(arrays["target"], arrays["other_start"][other], self.length)}

    def songs(self, corpus: Corpus, split: str, *, count: int, seconds: float) -> list[Song]:
        """At most `count` songs of a split in which source and target are audible, evenly chosen.

        Each begins where its source does, and lasts `seconds` at most.

        Raises:
            MusicFusionError: there is no such song.
        """
        longest = int(seconds * RATE)
        found, known = [], all_marks(corpus)
        for number in splits.select(corpus, np.arange(len(corpus.songs)), split, self.seed, SPLITS):
            begin, end = corpus.first_beat[number : number + 2]
            mels = [restored(corpus.arrays[part][begin:end]) for part in ("source", "target")]
            audible = [np.flatnonzero((part > -1).mean(1) > AUDIBLE) for part in mels]
            if end - begin >= self.length and all(map(len, audible)):
                first = max(min(audible[0][0], len(mels[0]) - self.length), 0)
                source, target, own = (part[first : first + longest] for part in [*mels, known[begin:end]])
                groove = corpus.grooves[number] if corpus.grooves else ""
                found.append(Song(corpus.songs[number], source, target, own, groove or corpus.families[number]))
        if not found:
            raise MusicFusionError(f"data: no {split} song with {self.source} and {self.target}: more songs are needed,"
                                   " or data.split=all")
        return [found[k * len(found) // count] for k in range(count)] if len(found) > count else found


def restored(mels: np.ndarray) -> np.ndarray:
    """A corpus's mel-spectrogram uint8 [T, M] as float32 [T, M] in -1..1, as it is computed inside a step."""
    return np.asarray(mel.restored(jnp.asarray(mels)))


def cut(mels: jax.Array, start: jax.Array, length: int) -> jax.Array:
    """Crops of a corpus: uint8 [frames, M], int [b] -> float32 [b, length, M, 1] in -1..1."""
    frames = start[:, None] + jnp.arange(length)
    return mel.restored(mels[frames])[..., None]
