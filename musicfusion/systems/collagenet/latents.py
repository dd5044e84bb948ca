"""CollageNet's corpus in latent space: training segments in all keys, validation segments in their own."""

import numpy as np

from musicfusion.core.task import Resident
from musicfusion.latent import fusion, table
from musicfusion.systems.collagenet import nets, segments


def rows(corpus, config) -> tuple[dict[str, np.ndarray], int]:
    """The table of rows (latent.table.rows): training segments in many keys, validation's in their own."""

    def part(split, wanted, shifts):
        starts, songs = segments.windows(corpus, config, split, ("melody", "accompaniment"))
        chosen = np.linspace(0, len(starts) - 1, min(wanted, len(starts))).round().astype(int)
        return starts[chosen], songs[chosen], np.tile(shifts, (len(chosen), 1))

    group = config.latents
    return table.rows([part("train", group.segments, np.arange(group.transpositions) + segments.LOWEST_SHIFT),
                       part("validation", group.validation, np.zeros(1))])


def resident(corpus, config, results) -> Resident:
    """The corpus, the rows to encode, and the two trained VAEs."""
    return table.resident(corpus, *rows(corpus, config), config.latents.batch, vaes=nets.vaes(results))


def examples(arrays, index, keys, training) -> dict:
    """The segments of rows `index` [b]."""
    del keys, training
    start, shift = (arrays["rows"][name] for name in ("start", "shift"))
    batch = segments.cut(arrays["corpus"], start[index], shift[index])
    return batch | {"index": index, "vaes": arrays["vaes"], "train": arrays["train"], "total": start}


def encoded(corpus, config, results) -> Resident:
    """What actor and critic learn from: the rows' latents."""
    found, train = rows(corpus, config)
    return fusion.resident(found["low"], found["high"], train, results("latents", "latents"),
                           results("latents")["sbar"], nets.vaes(results))
