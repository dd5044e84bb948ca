"""Drums that the paired middle writes under basses it does not know, beside the true ones and beside what is cheap."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from musicfusion.codecs.drums import FINEST, INSTRUMENTS, STEPS
from musicfusion.codecs.melody import HOLD
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation, Measure, Table, row
from musicfusion.core.report import working
from musicfusion.data import batches
from musicfusion.data.corpus import Corpus
from musicfusion.data.rhythm_sections import HUMAN
from musicfusion.metrics import bootstrap, drums
from musicfusion.systems.arrangement import grid_baselines, grid_songs
from musicfusion.systems.arrangement.grid_dataset import BARS, LENGTH, Sections, Windows, feels, read

ENOUGH = 200  # hits, of an instrument that has a column
KNOWN = 20_000  # training windows that rules look at, at most
SEEDS = 3
DENSITIES = (0.0, 0.25, 0.5, 0.75, 1.0)


Write = Callable[[Windows, float, int], np.ndarray]  # windows, density, seed -> patterns bool [n, LENGTH, 9]
Play = Callable[[Windows, int], tuple[np.ndarray, np.ndarray]]  # windows with patterns, seed -> velocity, offset


def evaluate(corpus: Corpus, sections: Sections, *, split: str, count: int, songs: int, write: Mapping[str, Write],
             write_songs: Mapping[str, grid_songs.Write], play: Play | None, density: float,
             preset: str) -> Evaluation:
    """Measures drums under the basses of a split.

    Args:
        corpus, sections: the songs, and how they are cut.
        split, count, songs: which windows, at most how many, and how many whole songs.
        write: networks by the names of their rows, the trained one first; write_songs: the same for whole songs.
        play: how hits are played; None: that was not trained.
        density: at which they write.
        preset: of the config.
    """
    start = sections.windows(corpus, split, human=False, bass=True)
    if not len(start):
        raise MusicFusionError(f"data: no {split} song has {BARS} bars of bass and drums; {len(corpus.songs)} songs"
                               " were read: more are needed, or data.split=all")
    start = start[batches.fixed(len(start), min(count, len(start)))]
    tested = read(corpus, start)
    learned = sections.windows(corpus, "train", human=False, bass=True)
    known = read(corpus, learned[batches.fixed(len(learned), min(KNOWN, len(learned)))])
    methods: dict[str, np.ndarray] = {name: rule(tested.bass) for name, rule in grid_baselines.RULES.items()}
    working("rules and drums that exist")
    methods |= {
        "the mean pattern": grid_baselines.mean_pattern(known.pattern, len(start)),
        "another song's drums": grid_baselines.other_drums(known.pattern, len(start), sections.seed),
        "the training drums with the nearest bass": grid_baselines.nearest_bass(
            tested.bass, known.bass, known.pattern, sections.sounding)}
    for name, own in write.items():
        working(name)
        methods[name] = own(tested, density, 0)
    first = next(iter(write))
    working("other seeds and densities")
    by_seed = [methods[first], *(write[first](tested, density, seed) for seed in range(1, SEEDS))]
    by_density = {x: by_seed[0] if x == density else write[first](tested, x, 0) for x in DENSITIES}
    methods["the true drums"] = tested.pattern
    often = tested.pattern.sum((0, 1))
    shown = np.flatnonzero(often >= min(ENOUGH, often.max())).tolist()
    rows = tuple(row(name, measured(pattern, tested, shown)) for name, pattern in methods.items())
    tables = [
        Table(name="hits", title="Hits beside the true ones",
              measures={"one_stream": Measure(label="one stream", digits=2, better="higher"),
                        "mean": Measure(label="mean of instruments", digits=2, better="higher"),
                        **{INSTRUMENTS[k]: Measure(label=INSTRUMENTS[k], digits=2, better="higher") for k in shown},
                        "synchrony": Measure(label="synchrony", digits=2),
                        "density": Measure(label="hits a beat", digits=1)}, rows=rows,
              note="F1 of hits within a 12th of a beat of the true ones. One stream: of whatever is hit. Synchrony: F1"
                   " of the kick with the bass's onsets, less its mean when the kick is shifted by beats: by 16ths,"
                   " whatever plays on eighths would seem to follow."),
        *by_collection(corpus, start, methods, tested),
        Table(name="seeds", title="How much seeds differ",
              measures={"one_stream": Measure(label="one stream", digits=2),
                        "instruments": Measure(label="all instruments", digits=2)},
              rows=(row(first, seeds_agree(by_seed)),),
              note="F1 of the drums of one seed beside those of another, the mean over pairs."),
        Table(name="densities", title="What density does",
              measures={"hits": Measure(label="hits a beat", digits=2),
                        "one_stream": Measure(label="one stream", digits=2)}, first="density",
              rows=tuple(row(f"{x:g}", _dense(own, tested)) for x, own in by_density.items())),
    ]
    if whole := grid_songs.read(corpus, split, sections.seed, songs):
        tables.append(grid_songs.table(whole, write_songs))
    if play is not None and (human := _human(corpus, sections, split, count)) is not None:
        tables.append(played(human, play, corpus, sections))
    return Evaluation(
        system="arrangement", preset=preset, title=f"Arrangement by the grid, preset {preset}",
        about=f"Drums under {len(start)} basses of four bars ({split} split of {corpus.source}).",
        data={"source": corpus.source, "split": split, "songs": len(np.unique(tested.group)), "examples": len(start)},
        settings={"seed": sections.seed, "density": density}, tables=tuple(tables),
        headlines=(("hits", first, "one_stream"), ("hits", first, "mean")))


def measured(pattern: np.ndarray, tested: Windows, shown: Sequence[int]) -> dict[str, object]:
    """The values of one row: (value, low, high) or numbers."""
    counts = drums.agreement(pattern, tested.pattern)
    found: dict[str, object] = {"one_stream": _one_stream(pattern, tested.pattern, tested.group)}
    flat = _by_group(counts[:, shown].reshape(len(counts), -1), tested.group)
    found["mean"] = bootstrap.statistic(
        flat, lambda x: drums.f1(x.reshape(*x.shape[:-1], len(shown), 3)).mean(-1))
    found |= {INSTRUMENTS[k]: float(drums.f1(counts[:, k].sum(0))) for k in shown}
    kick = pattern[..., grid_baselines.KICK]
    found["synchrony"] = float(np.mean(drums.synchrony(kick, tested.bass < HOLD, STEPS)))
    found["density"] = float(pattern.sum() / len(pattern) / (LENGTH // STEPS))
    return found


def by_collection(corpus: Corpus, start: np.ndarray, methods: Mapping[str, np.ndarray],
                  tested: Windows) -> list[Table]:
    """The methods apart for each of the collections that a corpus was joined of; [] where all windows are of one.

    start: the beats at which the windows begin, int [n]; methods: patterns bool [n, LENGTH, 9] by name.
    """
    part = np.searchsorted(corpus.first_beat[np.cumsum([0, *corpus.parts])], start, "right") - 1
    shown = np.unique(part)
    if len(shown) < 2:
        return []
    names = corpus.source.split(" + ")
    measures: dict[str, Measure] = {}
    values: dict[str, dict[str, tuple[float, float, float]]] = {name: {} for name in methods}
    for k in shown:
        here = part == k
        truth, group = tested.pattern[here], tested.group[here]
        measures |= {f"stream_{k}": Measure(label=f"{names[k]}: one stream", digits=2, better="higher"),
                     f"hits_{k}": Measure(label=f"all hits ({len(np.unique(group))})", digits=2, better="higher")}
        for name, pattern in methods.items():
            counts = drums.agreement(pattern[here], truth).sum(1)
            values[name] |= {f"stream_{k}": _one_stream(pattern[here], truth, group),
                             f"hits_{k}": bootstrap.statistic(_by_group(counts, group), drums.f1)}
    return [Table(name="collections", title="The same by collection", measures=measures,
                  rows=tuple(row(name, own) for name, own in values.items()),
                  note="All hits: F1 of the hits of all instruments together. In brackets behind it: how many songs and"
                       " rhythm patterns the windows are of.")]


def _one_stream(pattern: np.ndarray, truth: np.ndarray, group: np.ndarray) -> tuple[float, float, float]:
    """F1 of whatever is hit, and its interval over groups."""
    stream = drums.agreement(drums.one_stream(pattern), drums.one_stream(truth))
    return bootstrap.statistic(_by_group(stream[:, 0], group), drums.f1)


def _by_group(counts: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Counts int [n, m] summed over the windows of a group, int [n]: [groups, m]."""
    groups = np.unique(group, return_inverse=True)[1]
    return np.stack([np.bincount(groups, counts[:, k]) for k in range(counts.shape[1])], 1)


def seeds_agree(patterns: Sequence[np.ndarray]) -> dict[str, float]:
    """How far drums of several seeds agree, the mean over pairs of F1 over all windows."""
    pairs = [(one, other) for k, one in enumerate(patterns) for other in patterns[k + 1 :]]
    return {"one_stream": float(np.mean([drums.f1(drums.agreement(drums.one_stream(a), drums.one_stream(b))
                                                  .sum((0, 1))) for a, b in pairs])),
            "instruments": float(np.mean([drums.f1(drums.agreement(a, b).sum((0, 1))) for a, b in pairs]))}


def _dense(pattern: np.ndarray, tested: Windows) -> dict[str, float]:
    stream = drums.agreement(drums.one_stream(pattern), drums.one_stream(tested.pattern))
    return {"hits": float(pattern.sum() / len(pattern) / (LENGTH // STEPS)),
            "one_stream": float(drums.f1(stream.sum((0, 1))))}


def _human(corpus: Corpus, sections: Sections, split: str, count: int) -> Windows | None:
    if not (corpus.arrays["kind"] & HUMAN).any():
        return None
    start = sections.windows(corpus, split, human=True)
    return read(corpus, start[batches.fixed(len(start), min(count, len(start)))]) if len(start) else None


def played(human: Windows, play: Play, corpus: Corpus, sections: Sections) -> Table:
    """How hits are played beside how people play them, by the distance of distributions.

    Beside it how far two people are apart, each with the hits of their own training windows.
    """
    velocity, offset = play(human, 0)
    true, made = _manner(human.velocity, human.offset), _manner(velocity, offset)
    flat = {"velocity": np.full(velocity.shape, 90.0), "offset": np.zeros(offset.shape)}
    start = sections.windows(corpus, "train", human=True)
    learned = read(corpus, start)
    song = np.searchsorted(corpus.first_beat, start, "right") - 1
    drummer = np.array([corpus.songs[k].partition("#")[0].partition("/")[0] for k in song])

    def distances(one: Mapping[str, np.ndarray], hits: np.ndarray, other: Mapping[str, np.ndarray],
                  others: np.ndarray) -> dict[str, float]:
        """By instrument, weighted by how often each is hit."""
        found = {}
        for name in one:
            own = [(drums.distance(one[name][..., k][hits[..., k]], other[name][..., k][others[..., k]]),
                    int(hits[..., k].sum())) for k in range(hits.shape[-1])
                   if hits[..., k].sum() >= 20 and others[..., k].sum() >= 20]
            found[name] = float(np.average([x for x, _ in own], weights=[n for _, n in own])) if own else np.nan
        return found

    people = {name: learned.pattern[drummer == name] for name in np.unique(drummer)}
    values = {name: _manner(learned.velocity[drummer == name], learned.offset[drummer == name]) for name in people}
    apart = [distances(values[a], people[a], values[b], people[b]) for a in people for b in people if a < b]
    rows = [row("every hit alike, on the grid", distances(flat, human.pattern, true, human.pattern)),
            row("the players' network", distances(made, human.pattern, true, human.pattern))]
    if apart:
        rows += [row(f"two people, {which}", {k: float(mean([x[k] for x in apart])) for k in ("velocity", "offset")})
                 for which, mean in (("the nearest", np.nanmin), ("the mean", np.nanmean))]
    return Table(name="played", title="How hits are played, beside people", measures={
        "velocity": Measure(label="velocity", digits=1, better="lower"),
        "offset": Measure(label="timing", unit="thousandths of a beat", digits=1, better="lower")}, rows=tuple(rows),
        note="Wasserstein distance from people's hits of the test, by instrument, the mean weighted by hits. Timing:"
             " beside the mean of each window.")


def _manner(velocity: np.ndarray, offset: np.ndarray) -> dict[str, np.ndarray]:
    """Velocities, and offsets beside the window's mean in thousandths of a beat: [n, LENGTH, 9] each."""
    _, early = feels(velocity.astype(int), offset.astype(int))
    return {"velocity": velocity.astype(float), "offset": (offset - early) / FINEST * 1000 / STEPS}
