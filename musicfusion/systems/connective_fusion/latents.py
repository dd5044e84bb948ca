"""The corpus in latent space: both sides of windows, in several keys each."""

import numpy as np

from musicfusion.core.task import Resident
from musicfusion.latent import fusion, partners
from musicfusion.systems.connective_fusion import windows


def rows(corpus, config) -> tuple[dict[str, np.ndarray], int]:
    """What each latent row encodes: {"start", "shift", "low", "high"} int32 [R], and how many rows are for training.

    Training rows come first, a window's keys (spread over its room) as neighbours; validation rows are in their own
    key. Rows low..high-1 are those of the same song and split.
    """
    parts: list[dict[str, np.ndarray]] = []
    for split, wanted, copies in (("train-1", config.latents.windows, config.latents.transpositions),
                                  ("validation-1", config.latents.validation, 1)):
        found = windows.windows(corpus, split, config.seed)
        count = min(wanted, len(found["start"]))
        chosen = np.linspace(0, len(found["start"]) - 1, count).round().astype(int)
        room = found["room"][chosen].astype(float)
        place = (np.arange(copies) + 0.5) / copies if copies > 1 else np.zeros(1)
        shift = np.round(room[:, :1] + place * (room[:, 1:] - room[:, :1])) if copies > 1 else np.zeros((count, 1))
        low, high = partners.song_bounds(found["song"][chosen])
        offset = len(parts[0]["start"]) if parts else 0
        parts.append({
            "start": np.repeat(found["start"][chosen], copies),
            "shift": shift.reshape(-1),
            "low": np.repeat(low * copies, copies) + offset,
            "high": np.repeat(high * copies, copies) + offset,
        })
    table = {k: np.concatenate([part[k] for part in parts]).astype(np.int32) for k in parts[0]}
    return table, len(parts[0]["start"])


def resident(corpus, config, results) -> Resident:
    """The corpus, the rows to encode, and the trained VAE."""
    table, train = rows(corpus, config)
    total = len(table["start"])
    arrays = {"corpus": dict(corpus.arrays), "rows": table, "train": np.int32(train), "vae": results("melody_vae")}
    return Resident(arrays, total, 0, steps=-(-total // config.latents.batch))


def examples(arrays, index, keys, training) -> dict:
    """Both sides of the rows `index` [b]."""
    del keys, training
    table = arrays["rows"]
    sides = windows.cut(arrays["corpus"], table["start"][index], table["shift"][index])
    return sides | {"index": index, "vae": arrays["vae"], "train": arrays["train"], "total": table["start"]}


def encoded(corpus, config, results) -> Resident:
    """What actor and critic learn from: the rows' latents."""
    table, train = rows(corpus, config)
    return fusion.resident(table["low"], table["high"], train, results("latents", "latents"),
                           results("latents")["sbar"], results("melody_vae"))
