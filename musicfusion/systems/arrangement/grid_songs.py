"""Drums of whole songs beside the true ones: whether they keep a groove as songs do, and change where songs change."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from musicfusion.codecs.drums import INSTRUMENTS, STEPS
from musicfusion.codecs.melody import HOLD
from musicfusion.core.evaluation import Measure, Table, row
from musicfusion.core.report import working
from musicfusion.data import batches, splits
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import bootstrap, drums
from musicfusion.systems.arrangement import grid_baselines
from musicfusion.systems.arrangement.grid_dataset import BAR, BEATS, SPLITS

LONGEST = 48  # bars of a song that are measured, its first
PHRASE = 4  # bars
ENOUGH = 100  # hits, of an instrument that counts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Song:
    """A song with a bass: tokens int [T], quarters a minute [T / STEPS], the true drums bool [T, 9]."""

    bass: np.ndarray
    tempo: np.ndarray
    pattern: np.ndarray


Write = Callable[[Song], np.ndarray]  # -> the drums bool [T, 9]


def read(corpus: Corpus, split: str, seed: int, count: int) -> list[Song]:
    """Songs of a split whose bass plays, evenly chosen; `count` at most."""
    number = np.arange(len(corpus.songs), dtype=np.int32)
    found = []
    for k in splits.select(corpus, number, split, seed, SPLITS):
        begin, end = corpus.first_beat[k], corpus.first_beat[k + 1]
        end = min(end, begin + LONGEST * BAR)
        own = slice(begin * STEPS, end * STEPS)
        bass, pattern = corpus.arrays["bass"][own].astype(int), corpus.arrays["velocity"][own] > 0
        if end - begin >= 2 * BEATS and np.count_nonzero(bass < HOLD) >= BEATS and pattern.any():
            found.append(Song(bass=bass, tempo=corpus.arrays["tempo"][begin:end].astype(float), pattern=pattern))
    return [found[k] for k in batches.fixed(len(found), min(count, len(found)))] if found else []


def table(songs: list[Song], write: Mapping[str, Write]) -> Table:
    """Drums of whole songs, by several networks, beside a rule and the true ones."""

    def rule(song: Song) -> np.ndarray:
        return grid_baselines.bass_and_backbeat(song.bass[None])[0]

    methods = {"bass, snare and eighths": rule, **write, "the true drums": lambda song: song.pattern}
    rows = []
    for name, own in methods.items():
        working(f"whole songs: {name}")
        rows.append(row(name, measured([own(song) for song in songs], songs)))
    return Table(name="songs", title=f"Whole songs ({len(songs)})", measures={
        "one_stream": Measure(label="one stream", digits=2, better="higher"),
        "mean": Measure(label="mean of instruments", digits=2, better="higher"),
        "repeated": Measure(label="repeated", digits=2),
        "ends": Measure(label="ends of phrases", digits=3),
        "density": Measure(label="hits a beat", digits=1)}, rows=tuple(rows),
        note="F1 of hits as above. Repeated: the mean F1 of a bar's hits with those of the song's other bars; what"
             " plays one bar again and again has 1. Ends of phrases: how much less every"
             f" {PHRASE}th bar agrees with the others than the rest do. Of both the true drums say what is right.")


def measured(patterns: list[np.ndarray], songs: list[Song]) -> dict[str, object]:
    """The values of one row, the mean over songs. Intervals are over songs."""
    stream, counts, found = [], [], []
    for pattern, song in zip(patterns, songs, strict=True):
        stream.append(drums.agreement(drums.one_stream(pattern[None]), drums.one_stream(song.pattern[None]))[0, 0])
        counts.append(drums.agreement(pattern[None], song.pattern[None])[0])
        found.append(repeated(pattern))
    total = np.stack(counts)
    often = total[..., 2].sum(0)
    shown = np.flatnonzero(often >= min(ENOUGH, often.max()))
    return {"one_stream": bootstrap.statistic(np.stack(stream), drums.f1),
            "mean": bootstrap.statistic(total[:, shown].reshape(len(total), -1), lambda x: drums.f1(
                x.reshape(*x.shape[:-1], len(shown), 3)).mean(-1)),
            "repeated": _mean([x for x, _ in found]), "ends": _mean([x for _, x in found]),
            "density": float(np.mean([pattern.sum() / len(pattern) * STEPS for pattern in patterns]))}


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def repeated(pattern: np.ndarray) -> tuple[float, float]:
    """How far bars agree with the song's others, F1, and how much less the last ones of phrases do than the rest.

    pattern: bool [T, 9], whole bars. Bars without hits are left out; NaN where there are fewer than two.
    """
    bars = pattern.reshape(-1, BAR * STEPS * len(INSTRUMENTS)).astype(float)
    size = bars.sum(1)
    alike = 2 * bars @ bars.T / np.maximum(size[:, None] + size, 1)
    others = (size[:, None] > 0) & (size > 0) & ~np.eye(len(bars), dtype=bool)
    own = np.divide((alike * others).sum(1), others.sum(1), out=np.full(len(bars), np.nan), where=others.any(1))
    last = np.arange(len(bars)) % PHRASE == PHRASE - 1
    if np.isnan(own[last]).all() or np.isnan(own[~last]).all():
        return np.nan, np.nan
    return float(np.nanmean(own)), float(np.nanmean(own[~last]) - np.nanmean(own[last]))
