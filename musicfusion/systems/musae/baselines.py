"""The rows of MusAE's table 1, MusAE itself and what is set beside it; and two rules that learn nothing."""

import dataclasses

import numpy as np

from musicfusion.codecs import tracks
from musicfusion.codecs.melody import VOCABULARY
from musicfusion.data.corpus import Corpus
from musicfusion.systems.musae import dataset

ENOUGH = 2000  # windows that the majority is counted in, about


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """A row of table 1.

    name: its stages are called NAME_BARS. title: in tables. prior: one of objective.PRIORS, "" for a MusicVAE.
    critic: whether one draws the codes to the prior. hierarchical: of a MusicVAE's decoder.
    """

    name: str
    title: str
    prior: str = ""
    critic: bool = False
    hierarchical: bool = False


FLOWER = Method(name="flower", title="MusAE, flower", prior="flower", critic=True)
METHODS = (
    FLOWER,
    Method(name="gaussian", title="MusAE, Gaussian", prior="gaussian", critic=True),
    Method(name="narrow", title="MusAE, N(0, .001 I)", prior="narrow", critic=True),
    Method(name="free", title="MusAE, no critic", prior="flower"),
    Method(name="flat", title="MusicVAE, flat"),
    Method(name="hierarchical", title="MusicVAE, hierarchical", hierarchical=True),
)


def majority_tokens(corpus: Corpus, *, seed: int, bars: int, encoding: str, split: str = "train") -> np.ndarray:
    """The commonest token of each track in windows of a split, int [4]."""
    starts = dataset.windows(corpus, split, seed=seed, bars=bars)["start"]
    chosen = starts[:: max(len(starts) // ENOUGH, 1), None]
    tokens = corpus.arrays["tracks"][chosen * corpus.steps + np.arange(bars * dataset.BEATS * corpus.steps)]
    tokens = tracks.without_carry(tokens)
    tokens = tracks.merged(tokens) if encoding == "paper" else tokens
    return np.array([np.argmax(np.bincount(tokens[..., k].ravel(), minlength=VOCABULARY))
                     for k in range(tracks.TRACKS)])


def mixed(one: np.ndarray, other: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Each step of each track taken from the other window with probability `share`: tokens int [n, T, 4] x 2 -> same.

    With one seed, what a smaller share takes from the other window a larger one takes, too.
    """
    uniforms = np.random.default_rng(seed).uniform(size=one.shape)
    return np.where(uniforms < share, other, one)
