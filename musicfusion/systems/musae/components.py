"""Which genre sits on which mixture component of the flower prior: similar genres become neighbours on the circle.

The paper orders its genres by hand (MusAE, section 3.3) and does not say how. Here each genre is the mean of its
windows' features (low-level statistics, and where in the bar notes begin), and the order is the shortest round trip
through all genres. The stage `components` computes it.
"""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.core import memos
from musicfusion.core.contracts import Resident
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.memos import letters, text
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import arrangement
from musicfusion.systems.musae import dataset
from musicfusion.systems.musae.dataset import COMPONENTS

ENOUGH = 4000  # windows that are looked at, about
STARTS = 200  # of the search for the shortest round trip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Components:
    """The flower's components, as later stages and sampling read them.

    component: of each genre in the corpus's order, int [32]; beyond the genres each number's own.
    count: of components; 32 where no song has a genre.
    genres: in the corpus's order; instrumentation: of the corpus, one of codecs.tracks.INSTRUMENTATIONS.
    """

    component: np.ndarray
    count: int
    genres: tuple[str, ...]
    instrumentation: str

    @property
    def around(self) -> list[str]:
        """The genres in the order of their components, around the circle."""
        return [self.genres[k] for k in np.argsort(np.asarray(self.component)[: len(self.genres)])]

    def of(self, corpus: Corpus) -> np.ndarray:
        """The component of each of a corpus's genres, in its order: int32 [32].

        Raises:
            MusicFusionError: the corpus has a genre that these components lack.
        """
        if unknown := [genre for genre in corpus.tags if genre not in self.genres]:
            raise MusicFusionError(f"{corpus.source}: genre {unknown[0]!r} is unknown; accepted are"
                                   f" {', '.join(self.genres) or 'songs without genres'}")
        if corpus.tags and corpus.tags != self.genres:
            raise MusicFusionError(f"{corpus.source}: its genres are not those that were learned, in their order")
        return np.asarray(self.component)

    @classmethod
    def load(cls, params: Mapping[str, np.ndarray]) -> "Components":
        """From the parameters of the stage `components`."""
        genres = tuple(name for name in map(text, params["genres"]) if name)
        return cls(component=np.asarray(params["component"]), count=int(params["count"]), genres=genres,
                   instrumentation=text(params["instrumentation"]))

    def params(self) -> dict[str, np.ndarray]:
        """As a stage's parameters: {"component" int32 [32], "count" int32, "genres", "instrumentation": letters}."""
        names = [*self.genres, *[""] * (COMPONENTS - len(self.genres))]
        return {"component": np.asarray(self.component, np.int32), "count": np.int32(self.count),
                "genres": letters(names), "instrumentation": letters([self.instrumentation])[0]}


def resident(corpus: Corpus, *, seed: int, bars: int, sparse: bool) -> Resident:
    """The components of a corpus, computed from its training windows, as a memo (core.memos)."""
    return memos.resident(arranged(corpus, seed=seed, bars=bars, sparse=sparse).params())


def arranged(corpus: Corpus, *, seed: int, bars: int, sparse: bool = False) -> Components:
    """The genres of a corpus in an order in which similar ones are neighbours."""
    component = np.arange(COMPONENTS, dtype=np.int32)
    if len(corpus.tags) > 1:
        order = round_trip(distances(features(corpus, seed=seed, bars=bars, sparse=sparse)), seed)
        component[order] = np.arange(len(corpus.tags))
    return Components(component=component, count=len(corpus.tags) or COMPONENTS, genres=corpus.tags,
                      instrumentation=corpus.instrumentation)


def features(corpus: Corpus, *, seed: int, bars: int, sparse: bool = False) -> np.ndarray:
    """The mean features of each genre's training windows, in standard deviations over windows: [genres, features]."""
    starts = dataset.windows(corpus, "train", seed=seed, bars=bars, sparse=sparse)["start"]
    tags, genres = corpus.arrays["tags"][starts], range(len(corpus.tags))
    members = [np.flatnonzero(tags >> np.uint32(k) & 1) for k in genres]
    chosen = np.concatenate([of_genre[:: 1 + len(of_genre) * len(genres) // ENOUGH] for of_genre in members])
    steps = starts[chosen, None] * corpus.steps + np.arange(bars * dataset.BEATS * corpus.steps)
    run = jax.jit(functools.partial(described, steps=corpus.steps))
    found = np.asarray(run(corpus.arrays["tracks"][steps]))
    found = (found - np.nanmean(found, 0)) / np.maximum(np.nanstd(found, 0), 1e-6)
    found = np.nan_to_num(found)  # a track that is not there is like the average one
    return np.stack([found[(tags[chosen] >> np.uint32(k) & 1) > 0].mean(0) for k in genres])


def described(tokens: jax.Array, steps: int) -> jax.Array:
    """Features of windows, NaN where a track has no notes: int [N, T, 4] -> [N, features]. steps: of a beat."""
    numbers = jnp.concatenate(list(arrangement.low_level(tokens, steps).values()), 1)
    return jnp.concatenate([numbers, arrangement.profile(tokens, steps)], 1)


def distances(features: np.ndarray) -> np.ndarray:
    """Euclidean distances between all pairs: [n, features] -> float32 [n, n]."""
    return np.sqrt(np.sum((features[:, None] - features[None]) ** 2, -1)).astype(np.float32)


def round_trip(distance: np.ndarray, seed: int) -> np.ndarray:
    """The shortest round trip that a search finds (2-opt from many starts): [n, n] -> an order int [n], 0 first."""
    rng, n = np.random.default_rng(seed), len(distance)
    best, shortest = np.arange(n), np.inf
    for _ in range(STARTS if n > 3 else 1):
        order = rng.permutation(n)
        improved = True
        while improved:
            improved = False
            for i in range(n - 1):
                for j in range(i + 2, n):
                    a, b, c, d = order[i], order[i + 1], order[j], order[(j + 1) % n]
                    if a != d and distance[a, c] + distance[b, d] < distance[a, b] + distance[c, d] - 1e-9:
                        order[i + 1 : j + 1] = order[i + 1 : j + 1][::-1].copy()
                        improved = True
        length = distance[order, np.roll(order, -1)].sum()
        if length < shortest:
            best, shortest = order, length
    best = np.roll(best, -int(np.argmin(best)))
    return best if n < 3 or best[1] < best[-1] else np.roll(best[::-1], 1)
