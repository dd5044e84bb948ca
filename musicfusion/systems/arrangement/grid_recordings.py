"""The paired middle on recordings: drums for a recorded bass beside the drums that were recorded with it.

The bass goes the way of a user's file (grid_sampling): its notes, beats and bars are found first. The true drums are
what a transcriber finds in their recording. Only those bars count in which the bass plays.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from musicfusion.codecs import audio, drums
from musicfusion.codecs.audio import RATE
from musicfusion.codecs.drums import INSTRUMENTS, STEPS, Hits
from musicfusion.codecs.melody import HOLD
from musicfusion.core import progress
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Measure, Table, row
from musicfusion.core.report import working
from musicfusion.data import recordings
from musicfusion.data.corpus import Corpus
from musicfusion.metrics.drums import WINDOW, f1, stream_agreement, timed_agreement
from musicfusion.render import kit
from musicfusion.systems.arrangement import drum_evaluation, grid_baselines, grid_sampling
from musicfusion.systems.arrangement.drum_transcriber import Transcriber
from musicfusion.systems.arrangement.grid_dataset import BAR, KIT, LENGTH, Sections
from musicfusion.systems.arrangement.grid_sampling import Piece

SEEDS = 3
ENOUGH = 20  # true hits, of an instrument that counts in a song
SHIFTS = np.concatenate([-np.linspace(0.17, 1.9, 12), np.linspace(0.13, 1.83, 12)])  # seconds: unlike any beat's parts
SIXTEENTHS = STEPS // 4

Write = Callable[[Piece, int], Hits]  # a piece, seed -> drums
Clock = Callable[[np.ndarray], np.ndarray]  # quarters from the beginning of a piece's grid -> seconds of the recording


@dataclasses.dataclass(frozen=True, kw_only=True)
class Song:
    """A recording of a bass and of drums.

    name;  piece: the bass, transcribed;  drums: samples at RATE
    truth: hits of these, float [n, 3] (seconds, instrument, velocity)
    """

    name: str
    piece: Piece
    drums: np.ndarray
    truth: np.ndarray


def read(roots: str, transcriber: Transcriber) -> tuple[list[Song], list[str]]:
    """The songs of folders of stems with commas between, and a line about each that cannot be used.

    Raises:
        MusicFusionError: a folder holds no song with a bass and drums that can be used.
    """
    found: list[Song] = []
    left_out = []
    for root in filter(None, roots.split(",")):
        folder, before = Path(root).expanduser(), len(found)
        for own in recordings.stem_folders(folder):
            bass, beside = (recordings.stem(own, part) for part in ("bass", "drums"))
            if bass is None or beside is None:
                left_out.append(f"{own.name}: no {'bass' if bass is None else 'drums'}")
                continue
            working(f"reading {own.name}")
            try:
                piece, samples = grid_sampling.read({"source": str(bass)}, {"intro": 0, "bpm": 0}), audio.read(beside)
            except MusicFusionError as error:
                left_out.append(f"{own.name}: {error}")
                continue
            found.append(Song(name=own.name, piece=piece, drums=samples, truth=transcriber.hits(samples)))
        if len(found) == before:
            raise MusicFusionError(f"{root}: no song with a bass and drums that can be used"
                                   f" ({'; '.join(left_out) or 'no folder SONG with bass.wav and drums.wav'})")
    return found, left_out


# Time ----------------------------------------------------------------------------------------------------------------


def tracked(piece: Piece) -> Clock:
    """The beats that were found in the bass."""
    return lambda quarter: piece.offset + np.asarray(piece.score.seconds(piece.begin + quarter))


def steady(piece: Piece) -> Clock:
    """Beats of one tempo throughout: the line through those that were found where the bass plays."""
    beats = np.flatnonzero(np.repeat(bars(piece), BAR)).astype(float)
    if len(beats) < 2:
        return tracked(piece)
    slope, begin = np.polyfit(beats, tracked(piece)(beats), 1)
    return lambda quarter: begin + slope * np.asarray(quarter)


def bars(piece: Piece) -> np.ndarray:
    """In which bars a note of the bass begins: bool [bars]."""
    return np.asarray((piece.bass < HOLD).reshape(-1, BAR * STEPS).any(1))


def spans(piece: Piece) -> np.ndarray:
    """Those bars in seconds, float [n, 2], a sixteenth early, so that whole beats are in them."""
    edges = tracked(piece)(BAR * np.arange(len(bars(piece)) + 1.0) - 0.25)
    return np.stack([edges[:-1], edges[1:]], 1)[bars(piece)]


def inside(rows: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The rows [n, 3] whose seconds lie in spans [m, 2], which are in order."""
    if not len(where):
        return rows[:0]
    number = np.searchsorted(where[:, 0], rows[:, 0], "right") - 1
    return rows[(number >= 0) & (rows[:, 0] < where[np.maximum(number, 0), 1])]


def timed(hits: Hits, clock: Clock) -> np.ndarray:
    """Hits on a piece's grid in seconds: float [n, 3]."""
    played = drums.played(hits)
    return np.stack([clock(played.quarter), played.instrument, played.velocity], 1)


# Methods -------------------------------------------------------------------------------------------------------------


def rules(piece: Piece) -> dict[str, np.ndarray]:
    """What follows from the bass without a network: hits [n, 3] by name, on the beats found, and at one tempo."""
    bass = piece.bass[None]
    fool = np.zeros((len(piece.bass), KIT), bool)
    fool[::SIXTEENTHS, grid_baselines.HAT] = True
    patterns = {name: rule(bass)[0] for name, rule in grid_baselines.RULES.items()} | {"sixteenths": fool}
    hits = {name: drums.hits_of(own.astype(np.uint8)) for name, own in patterns.items()}
    found = {name: timed(own, tracked(piece)) for name, own in hits.items()}
    return found | {f"{name}, at one tempo": timed(hits[name], steady(piece))
                    for name in ("eighths", "backbeat with eighths")}


def another(corpus: Corpus, sections: Sections, piece: Piece, seed: int) -> np.ndarray:
    """The drums of training windows drawn at random, one after the other on the beats that were found: [n, 3]."""
    start = sections.windows(corpus, "train", human=False, bass=True)
    steps = len(piece.bass)
    drawn = np.random.default_rng(seed).choice(start, -(-steps // LENGTH))
    step = (drawn[:, None] * STEPS + np.arange(LENGTH)).reshape(-1)[:steps]
    return timed(Hits(corpus.arrays["velocity"][step], corpus.arrays["offset"][step]), tracked(piece))


def methods(songs: Sequence[Song], corpus: Corpus, sections: Sections, write: Mapping[str, Write],
            transcriber: Transcriber) -> dict[str, list[list[np.ndarray]]]:
    """Hits [n, 3] of each song by each method; of one that draws, those of several seeds."""
    by_rule = [rules(song.piece) for song in songs]
    found = {name: [[own[name]] for own in by_rule] for name in by_rule[0]}
    found["another song's drums"] = [[another(corpus, sections, song.piece, seed) for seed in range(SEEDS)]
                                     for song in songs]
    if len(songs) > 1:
        found["another recording's drums"] = [[songs[k - 1].truth] for k in range(len(songs))]
    for name, own in write.items():
        working(name)
        found[name] = [[timed(own(song.piece, seed), tracked(song.piece)) for seed in range(SEEDS)]
                       for song in progress.steps(songs, name)]
    working("true drums")
    found["the true drums, by their spectral flux"] = [[drum_evaluation.detected(song.drums)] for song in songs]
    found["the true drums, played by the kit and transcribed again"] = [[again(song, transcriber)] for song in songs]
    return found


def again(song: Song, transcriber: Transcriber) -> np.ndarray:
    """What is found in the true hits where the shipped kit plays them: [n, 3]."""
    return transcriber.hits(kit.play(song.truth, kit.shipped(), rate=RATE, seconds=len(song.drums) / RATE))


# Measures ------------------------------------------------------------------------------------------------------------


def measured(found: np.ndarray, song: Song) -> dict[str, float]:
    """One song: F1 in one stream, how much that is above hits moved in time, the mean of instruments, hits a second."""
    where = spans(song.piece)
    own, truth = inside(found, where), inside(song.truth, where)
    stream = float(f1(stream_agreement(own[:, 0], truth[:, 0])))
    moved = [float(f1(stream_agreement(inside(found + [shift, 0, 0], where)[:, 0], truth[:, 0]))) for shift in SHIFTS]
    counts = timed_agreement(own, truth, KIT)
    shown = counts[:, 2] >= min(ENOUGH, counts[:, 2].max())
    seconds = max(float(np.sum(where[:, 1] - where[:, 0])), 1e-9)
    return {"one_stream": stream, "above": stream - float(np.mean(moved)), "mean": float(f1(counts[shown]).mean()),
            "hits": len(own) / seconds}


def table(songs: Sequence[Song], found: Mapping[str, Sequence[Sequence[np.ndarray]]], left_out: Sequence[str]) -> Table:
    """Every method, the mean over songs and seeds, and its one stream song by song."""
    rows = []
    for name, by_song in found.items():
        values = [[measured(hits, song) for hits in own] for own, song in zip(by_song, songs, strict=True)]
        means = [{key: float(np.mean([one[key] for one in own])) for key in own[0]} for own in values]
        rows.append(row(name, {key: float(np.mean([one[key] for one in means])) for key in means[0]}
                        | {f"song {k}": one["one_stream"] for k, one in enumerate(means, start=1)}))
    shown = []
    for song in songs:
        where = spans(song.piece)
        counts = np.bincount(inside(song.truth, where)[:, 1].astype(int), minlength=KIT)
        kinds = ", ".join(INSTRUMENTS[k] for k in np.flatnonzero(counts >= ENOUGH))
        shown.append(f"{song.name}, {len(where)} bars ({kinds})")
    return Table(
        name="recordings", title="Recordings",
        measures={"one_stream": Measure(label="one stream", digits=2, better="higher"),
                  "above": Measure(label="above chance", digits=2, better="higher"),
                  "mean": Measure(label="mean of instruments", digits=2, better="higher"),
                  "hits": Measure(label="hits a second", digits=1),
                  **{f"song {k}": Measure(label=song.name, digits=2, better="higher")
                     for k, song in enumerate(songs, start=1)}},
        rows=tuple(rows),
        note=f"F1 of hits within {1000 * WINDOW:.0f} ms of those that the transcriber finds in the recorded drums, in"
             " the bars in which the bass plays; the mean over songs. One stream: of whatever is hit; so by song. Above"
             f" chance: less its mean where the hits are moved by up to {max(abs(SHIFTS)):.1f} s. Instruments that"
             f" count have {ENOUGH} true hits: {'; '.join(shown)}."
             + (f" Left out: {'; '.join(left_out)}." if left_out else ""))


def evaluate(roots: str, corpus: Corpus, sections: Sections, write: Mapping[str, Write],
             transcriber: Transcriber) -> Table:
    """The table of the songs in folders of stems (`read`). write: networks by the names of their rows.

    Raises:
        MusicFusionError: there are none.
    """
    songs, left_out = read(roots, transcriber)
    return table(songs, methods(songs, corpus, sections, write, transcriber), left_out)


def write(own: grid_sampling.Writer, density: float) -> Write:
    """A Writer as a method: no style is given."""
    return functools.partial(_write, own, density)


def _write(own: grid_sampling.Writer, density: float, piece: Piece, seed: int) -> Hits:
    return own.song(piece.bass, piece.tempo, style="", density=density, seed=seed)
