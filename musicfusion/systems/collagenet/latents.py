"""CollageNet's corpus in latent space: training segments in all keys, validation segments in their own."""

import numpy as np

from musicfusion.core.task import Resident
from musicfusion.latent import fusion, partners
from musicfusion.systems.collagenet import nets, segments


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
        low, high = partners.song_bounds(songs)
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


def encoded(corpus, config, results) -> Resident:
    """What actor and critic learn from: the rows' latents."""
    table, train = rows(corpus, config)
    return fusion.resident(table["low"], table["high"], train, results("latents", "latents"),
                           results("latents")["sbar"], nets.vaes(results))
