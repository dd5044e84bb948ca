"""A corpus in latent space: posterior mean and std of all rows, encoded once.

The stage is a task like any other: a step encodes a batch of rows and writes them into the state. What sampling needs
of it (sbar, the average posterior std: paper 000, section 3.2, and paper 001, section 2.3; and the spread of the means)
is in state["params"].
"""

from collections.abc import Callable, Iterable

import jax.numpy as jnp
import numpy as np

from musicfusion.core import parallel
from musicfusion.core.task import Resident, Task
from musicfusion.latent import partners

STORED = jnp.float16


def rows(parts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[dict[str, np.ndarray], int]:
    """What each row encodes: {"start", "shift", "low", "high"} int32 [R], and how many rows are for training.

    parts: of training, then of validation, each (start [n], song [n], shifts [n, copies]): an example's copies, each in
    a key of its own, are neighbours. Rows low..high-1 are those of the same song and part: all others are unrelated.
    """
    found: list[dict[str, np.ndarray]] = []
    for start, song, shifts in parts:
        copies, offset = shifts.shape[1], len(found[0]["start"]) if found else 0
        low, high = partners.song_bounds(song)
        found.append({"start": np.repeat(start, copies), "shift": shifts.reshape(-1),
                      "low": np.repeat(low * copies, copies) + offset,
                      "high": np.repeat(high * copies, copies) + offset})
    return ({name: np.concatenate([part[name] for part in found]).astype(np.int32) for name in found[0]},
            len(found[0]["start"]))


def resident(corpus, table: dict[str, np.ndarray], train: int, batch: int, **vaes) -> Resident:
    """The corpus, the rows to encode, and the trained VAEs, for one pass over the rows."""
    total = len(table["start"])
    arrays = {"corpus": dict(corpus.arrays), "rows": table, "train": np.int32(train), **vaes}
    return Resident(arrays, total, 0, steps=-(-total // batch))


def task(encode: Callable, size: int, floor: float) -> Task:
    """encode(batch) -> posterior mean and std [B, size]; floor: the least sbar.

    A batch also says which rows it holds ("index" [B]), how many are for training ("train"; only they count for sbar)
    and how many there are ("total" [R]). state: {"params", "sums", "latents": {"mean", "std"}, "seen"}.
    """

    def init(key, batch):
        del key
        total = batch["total"].shape[0]
        nothing = jnp.zeros(size)
        return {
            "params": {"sbar": nothing, "mean": nothing, "scale": nothing},
            "sums": {"count": jnp.zeros(()), "std": nothing, "mean": nothing, "square": nothing},
            "latents": {k: jnp.zeros((total, size), STORED) for k in ("mean", "std")},
            "seen": jnp.zeros(total, bool),
        }

    def step(state, batch, key):
        del key
        mean, std, index = parallel.gather((*encode(batch), batch["index"]))
        copies = jnp.zeros(len(state["seen"])).at[index].add(1.0)[index]  # a batch may hold a row twice
        new = (~state["seen"][index] & (index < batch["train"])) / copies
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
        seen = state["seen"].at[index].set(True)
        metrics = {"loss": jnp.mean(std), "sbar": jnp.mean(params["sbar"]),
                   "scale": jnp.mean(params["scale"])}
        return {"params": params, "sums": sums, "latents": latents, "seen": seen}, metrics

    def evaluate(state, batch, key):
        del batch, key
        return {"sbar": jnp.mean(state["params"]["sbar"])}

    return Task(init, step, evaluate)
