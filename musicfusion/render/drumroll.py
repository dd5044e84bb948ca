"""Drums as people draw them: a line for each instrument, four bars in a row, the bass below."""

from pathlib import Path

import numpy as np

from musicfusion.codecs import melody
from musicfusion.codecs.drums import FINEST, INSTRUMENTS, STEPS, Hits
from musicfusion.render.figures import INK, PALETTE, drawable, new_figure, save

BAR, BARS = 4 * STEPS, 4  # steps of a bar; bars in a row
MOST = 12  # rows: of a longer song, the first


def draw(path: str | Path, hits: Hits, bass: np.ndarray, title: str = "") -> Path:
    """Draws hits and a bass as a PNG: the darker a hit, the louder.

    hits: on the grid; bass: tokens int [T] (codecs.melody), on the same grid.
    """
    steps, span = len(bass), BAR * BARS
    rows = min(-(-steps // span), MOST)
    figure = new_figure(9.0, 1.6 * rows + 0.5)
    figure.suptitle(drawable(title), fontsize=12, fontweight="bold", color=INK)
    step, kind = np.nonzero(hits.velocity)
    loud = hits.velocity[step, kind] / 127
    played = step + hits.offset[step, kind] / FINEST
    notes = melody.notes_from_tokens(bass)
    low, high = (notes[:, 2].min(), notes[:, 2].max()) if len(notes) else (0, 1)
    for row, axis in enumerate(figure.subplots(rows, 1, squeeze=False)[:, 0]):
        begin = row * span
        here = (step >= begin) & (step < begin + span)
        axis.scatter(played[here] - begin, kind[here] + 1.5, s=14, marker="s", color=INK, linewidths=0,
                     alpha=0.15 + 0.85 * loud[here])
        own = notes[(notes[:, 0] >= begin) & (notes[:, 0] < begin + span)]
        axis.hlines((own[:, 2] - low) / max(high - low, 1), own[:, 0] - begin, own[:, 0] - begin + own[:, 1] - 1,
                    color=PALETTE[0], linewidth=2)
        lines = np.arange(0, span + 1, STEPS)
        axis.vlines(lines - 0.5, -0.3, len(INSTRUMENTS) + 1, color=INK, alpha=0.5,
                    linewidth=np.where(lines % BAR == 0, 0.8, 0.2))
        axis.set_xlim(-1, span)
        axis.set_ylim(-0.3, len(INSTRUMENTS) + 1)
        axis.set_yticks([0.5, *(k + 1.5 for k in range(len(INSTRUMENTS)))], ["bass", *INSTRUMENTS], fontsize=5)
        axis.set_xticks([BAR * k for k in range(BARS)], [f"{row * BARS + k + 1}" for k in range(BARS)], fontsize=6)
    return save(figure, path)
