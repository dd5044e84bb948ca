"""A corpus in latent space: posterior mean and std of all examples, encoded once.

What sampling needs of it (sbar, the average posterior std: CollageNet, section 3.2, and Connective Fusion, section 2.3;
and the spread of the means) is in state["params"].
"""

from collections.abc import Callable, Iterable, Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Integer, Num, Shaped

from musicfusion.core import parallel
from musicfusion.core.contracts import Precompute, Resident, Tree
from musicfusion.data.corpus import Corpus
from musicfusion.latent import negatives

STORED = jnp.float16


def table(
    parts: Iterable[tuple[Integer[np.ndarray, " _n"], Shaped[np.ndarray, " _n"], Num[np.ndarray, "_n _copies"]]]
) -> tuple[dict[str, Integer[np.ndarray, " N"]], int]:
    """What is encoded: {"start", "shift", "low", "high"} int32 [N], and how many examples are for training.

    parts: of training, then of validation, each (start [n], song [n], shifts [n, copies]): an example's copies, each in
    a key of its own, are neighbours. Examples low..high-1 are of the same song and part: all others are unrelated.
    """
    found: list[dict[str, np.ndarray]] = []
    for start, song, shifts in parts:
        copies, offset = shifts.shape[1], len(found[0]["start"]) if found else 0
        low, high = negatives.song_bounds(song)
        found.append({"start": np.repeat(start, copies), "shift": shifts.reshape(-1),
                      "low": np.repeat(low * copies, copies) + offset,
                      "high": np.repeat(high * copies, copies) + offset})
    return ({name: np.concatenate([part[name] for part in found]).astype(np.int32) for name in found[0]},
            len(found[0]["start"]))


def resident(corpus: Corpus, entries: Mapping[str, Integer[np.ndarray, " N"]], train: int, vaes: Tree) -> Resident:
    """The corpus, the table of what is encoded, and the trained VAEs (frozen), for one pass over the table."""
    arrays = {"corpus": dict(corpus.arrays), "table": entries, "learned": np.arange(len(entries["start"])) < train}
    return Resident(arrays=arrays, train=len(entries["start"]), frozen={"vaes": vaes})


def precompute(encode: Callable, *, size: int, floor: float) -> Precompute:
    """encode(vaes, batch) -> posterior mean and std [B, size]; floor: the least sbar.

    A batch also holds which entries of the table it encodes ("index" [B]) and which entries are for training
    ("learned" bool [N]; only they count for sbar). state: {"params", "sums", "latents": {"mean", "std"}, "seen"}.
    """

    def init(key, batch, frozen):
        del key, frozen
        total = len(batch["learned"])
        nothing = jnp.zeros(size)
        return {
            "params": {"sbar": nothing, "mean": nothing, "scale": nothing},
            "sums": {"count": jnp.zeros(()), "std": nothing, "mean": nothing, "square": nothing},
            "latents": {k: jnp.zeros((total, size), STORED) for k in ("mean", "std")},
            "seen": jnp.zeros(total, bool),
        }

    def step(state, batch, frozen):
        mean, std, index = parallel.gather((*encode(frozen["vaes"], batch), batch["index"]))
        copies = jnp.zeros(len(state["seen"])).at[index].add(1.0)[index]  # a batch may hold an entry twice
        new = (~state["seen"][index] & batch["learned"][index]) / copies
        new = new[:, None]
        old = state["sums"]
        sums = {
            "count": old["count"] + jnp.sum(new),
            "std": old["std"] + jnp.sum(new * std, 0),
            "mean": old["mean"] + jnp.sum(new * mean, 0),
            "square": old["square"] + jnp.sum(new * mean**2, 0),
        }
        average = sums["mean"] / sums["count"]
        variance = jnp.maximum(sums["square"] / sums["count"] - average**2, 0.0)
        params = {
            "sbar": jnp.maximum(sums["std"] / sums["count"], floor),
            "mean": average,
            "scale": jnp.sqrt(variance),
        }
        latents = {
            "mean": state["latents"]["mean"].at[index].set(mean.astype(STORED)),
            "std": state["latents"]["std"].at[index].set(std.astype(STORED)),
        }
        return {"params": params, "sums": sums, "latents": latents, "seen": state["seen"].at[index].set(True)}

    return Precompute(init=init, step=step)
