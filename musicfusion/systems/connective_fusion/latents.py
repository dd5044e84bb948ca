"""The corpus in latent space: both sides of windows, in several keys each."""

import numpy as np

from musicfusion.core.task import Resident
from musicfusion.latent import fusion, table
from musicfusion.systems.connective_fusion import windows


def rows(corpus, config) -> tuple[dict[str, np.ndarray], int]:
    """The table of rows (latent.table.rows): training windows in keys all over their room, the others in their own."""

    def part(split, wanted, copies):
        found = windows.windows(corpus, split, config.seed)
        chosen = np.linspace(0, len(found["start"]) - 1, min(wanted, len(found["start"]))).round().astype(int)
        low, high = np.split(found["room"][chosen].astype(float), 2, 1)
        place = (np.arange(copies) + 0.5) / copies
        shifts = np.round(low + place * (high - low)) if copies > 1 else np.zeros((len(chosen), 1))
        return found["start"][chosen], found["song"][chosen], shifts

    group = config.latents
    return table.rows([part("train-1", group.windows, group.transpositions), part("validation-1", group.validation, 1)])


def resident(corpus, config, results) -> Resident:
    """The corpus, the rows to encode, and the trained VAE."""
    return table.resident(corpus, *rows(corpus, config), config.latents.batch, vae=results("melody_vae"))


def examples(arrays, index, keys, training) -> dict:
    """Both sides of the rows `index` [b]."""
    del keys, training
    start, shift = (arrays["rows"][name] for name in ("start", "shift"))
    sides = windows.cut(arrays["corpus"], start[index], shift[index])
    return sides | {"index": index, "vae": arrays["vae"], "train": arrays["train"], "total": start}


def encoded(corpus, config, results) -> Resident:
    """What actor and critic learn from: the rows' latents."""
    found, train = rows(corpus, config)
    return fusion.resident(found["low"], found["high"], train, results("latents", "latents"),
                           results("latents")["sbar"], results("melody_vae"))
