"""The corpus in latent space: posterior mean and std of training segments in all keys, encoded once.

The stage is a task like any other: a step encodes a batch of rows and writes them into the state. What sampling needs
of it (sbar, the average posterior std of paper 000, section 3.2, and the spread of the means) is in state["params"].
"""

import jax.numpy as jnp
import numpy as np

from musicfusion.core import parallel
from musicfusion.core.task import Resident, Task
from musicfusion.systems.collagenet import nets, segments

STORED = jnp.float16


def rows(corpus, config) -> tuple[dict[str, np.ndarray], int]:
    """What each latent row encodes: {"start", "shift", "low", "high"} int32 [R], and how many rows are for training.

    Training rows come first. Rows low..high-1 are those of the same song (and split): a partner from outside them is
    unrelated. A training segment's keys are neighbours; validation rows are in the original key.
    """
    parts: list[dict[str, np.ndarray]] = []
    for split, wanted, shifts in (
        ("train", config.latents.segments, np.arange(config.latents.transpositions) + segments.LOWEST_SHIFT),
        ("validation", config.latents.validation, np.zeros(1)),
    ):
        starts, songs = segments.windows(corpus, config, split, ("melody", "accompaniment"))
        chosen = np.linspace(0, len(starts) - 1, min(wanted, len(starts))).round().astype(int)
        starts, songs, copies = starts[chosen], songs[chosen], len(shifts)
        offset = len(parts[0]["start"]) if parts else 0
        low, high = segments.song_bounds(songs)
        parts.append({
            "start": np.repeat(starts, copies),
            "shift": np.tile(shifts, len(starts)),
            "low": np.repeat(low * copies, copies) + offset,
            "high": np.repeat(high * copies, copies) + offset,
        })
    table = {k: np.concatenate([part[k] for part in parts]).astype(np.int32) for k in parts[0]}
    return table, len(parts[0]["start"])


def resident(corpus, config, results) -> Resident:
    """The corpus, the rows to encode, and the two trained VAEs."""
    table, train = rows(corpus, config)
    vaes = nets.vaes(results)
    total = len(table["start"])
    arrays = {"corpus": dict(corpus.arrays), "rows": table, "train": np.int32(train), "vaes": vaes}
    return Resident(arrays, total, 0, steps=-(-total // config.latents.batch))


def examples(arrays, index, keys, training) -> dict:
    """The segments of rows `index` [b]."""
    del keys, training
    table = arrays["rows"]
    batch = segments.cut(arrays["corpus"], table["start"][index], table["shift"][index])
    return batch | {"index": index, "vaes": arrays["vaes"], "train": arrays["train"],
                    "total": table["start"]}


def task(sides: dict, config) -> Task:
    """sides: the VAEs {"melody", "accompaniment"}. state: {"params", "sums", "latents": {"mean", "std"}, "seen"}."""

    def init(key, batch):
        del key
        size = sum(sum(model.aspects.values()) for model in sides.values())
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
        encoded = nets.encode(sides, batch["vaes"], batch)
        mean, std, index = parallel.gather((*encoded, batch["index"]))
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
            "sbar": jnp.maximum(sums["std"] / sums["count"], config.latents.floor),
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
