"""Which genre gets which petal: genres whose pieces are alike become neighbours (paper 004, section 3.3).

The paper orders them by hand and does not say how. Here each genre is the mean of what its windows are like (low-level
numbers, and where in the bar notes begin), and the order is the shortest round trip through all genres.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.core.task import Resident, Task
from musicfusion.metrics import arrangement
from musicfusion.systems.musae import windows
from musicfusion.systems.musae.adversarial import PETALS

LETTERS = 48  # of a genre's name
ENOUGH = 4000  # windows that are looked at
STARTS = 200  # of the search for the shortest round trip


def task() -> Task:
    """Nothing is learned: what `resident` found becomes the stage's parameters."""

    def init(key, batch):
        del key
        return {"params": batch["found"]}

    def step(state, batch, key):
        del batch, key
        return state, {"loss": jnp.zeros(())}

    return Task(init, step, lambda state, batch, key: {"loss": jnp.zeros(())})


def examples(arrays, index, keys, training: bool) -> dict:
    """The findings, whatever the index."""
    del index, keys, training
    return arrays


def resident(corpus, config, bars: int) -> Resident:
    """{"found": {"place" int32 [32], "count", "names" uint8 [32, 48], "distance" [32, 32], "lineup" uint8 [48]}}.

    place: genre -> petal;  count: of petals, 32 where nothing has a tag;  distance: between genres, 0 beyond them.
    """
    count = len(corpus.tags)
    place, distance = np.arange(PETALS, dtype=np.int32), np.zeros((PETALS, PETALS), np.float32)
    if count > 1:
        found = apart(features(corpus, config, bars))
        distance[:count, :count] = found
        order = round_trip(found, config.seed)
        place[order] = np.arange(count)
    names = np.stack([letters(name) for name in (*corpus.tags, *[""] * (PETALS - count))])
    return Resident({"found": {
        "place": place, "count": np.int32(count or PETALS), "names": names, "distance": distance,
        "lineup": letters(corpus.lineup)}}, 1, 0, steps=1)


def features(corpus, config, bars: int) -> np.ndarray:
    """What the training windows of each genre are like on average, in standard deviations: float [genres, features]."""
    starts = windows.windows(corpus, "train", config.seed, bars)["start"]
    tags = corpus.arrays["tags"][starts]
    chosen = np.concatenate([np.flatnonzero(tags >> np.uint32(k) & 1)[:: 1 + np.sum(tags >> np.uint32(k) & 1) * len(
        corpus.tags) // ENOUGH] for k in range(len(corpus.tags))])
    steps = starts[chosen, None] * 4 + np.arange(bars * windows.BAR)
    tokens = corpus.arrays["tracks"][steps]
    rows = np.asarray(jax.jit(described)(tokens))
    rows = (rows - np.nanmean(rows, 0)) / np.maximum(np.nanstd(rows, 0), 1e-6)
    rows = np.nan_to_num(rows)  # a track that is not there is like the average one
    of = tags[chosen]
    return np.stack([rows[(of >> np.uint32(k) & 1) > 0].mean(0) for k in range(len(corpus.tags))])


def described(tokens) -> jax.Array:
    """[N, T, 4] -> [N, features]."""
    numbers = jnp.concatenate(list(arrangement.low_level(tokens).values()), 1)
    return jnp.concatenate([numbers, arrangement.profile(tokens)], 1)


def apart(features: np.ndarray) -> np.ndarray:
    """Euclidean distances between rows: [n, f] -> [n, n]."""
    return np.sqrt(np.sum((features[:, None] - features[None]) ** 2, -1))


def round_trip(distance: np.ndarray, seed: int) -> np.ndarray:
    """The shortest way through all and back that a search finds (2-opt from many starts): an order int [n], 0 first."""
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


def letters(text: str) -> np.ndarray:
    """Text as numbers, which a checkpoint can hold: uint8 [48]."""
    spelt = text.encode()[:LETTERS]
    return np.frombuffer(spelt.ljust(LETTERS, b"\0"), np.uint8)


def text(letters) -> str:
    """The reverse."""
    return bytes(np.asarray(letters)).rstrip(b"\0").decode(errors="replace")


def names(found: Mapping) -> tuple[str, ...]:
    """The genres in the corpus's order."""
    return tuple(name for name in map(text, found["names"]) if name)


def around(found: Mapping) -> list[str]:
    """The genres in the order of their petals."""
    given = names(found)
    return [given[k] for k in np.argsort(np.asarray(found["place"])[: len(given)])]
