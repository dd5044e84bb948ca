"""The transcriber of drums measured on hits that are known: drums of songs that nobody learned from, played by kits."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from musicfusion.codecs import drum_frames
from musicfusion.codecs.audio import RATE
from musicfusion.codecs.drum_frames import PER_SECOND, QUIETEST
from musicfusion.codecs.drums import INSTRUMENTS, KEYS
from musicfusion.codecs.score import Score, Track
from musicfusion.core import progress
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Measure, Table, row
from musicfusion.core.report import working
from musicfusion.data import batches
from musicfusion.data.corpus import Corpus
from musicfusion.data.recordings import SOUNDFONTS
from musicfusion.metrics import bootstrap, drums, onsets
from musicfusion.render import audio, kit
from musicfusion.systems.arrangement import drum_sounds
from musicfusion.systems.arrangement.drum_transcriber import Transcriber
from musicfusion.systems.arrangement.grid_dataset import KIT, Sections

WINDOWS = 100  # that are played, at most
ENOUGH = 20  # hits, of an instrument that has a column
SHIPPED = "shipped kit"
HAT = INSTRUMENTS.index("closed hat")
USUAL = 80.0  # the velocity of what no velocity is known of

Play = Callable[[np.ndarray, float, int], np.ndarray]  # hits [n, 3], seconds, seed -> samples at RATE
Find = Callable[[np.ndarray], np.ndarray]  # samples at RATE -> hits [n, 3]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """Drums whose hits are known. hits: float [n, 3] (seconds, instrument, velocity); seconds; group: of the song."""

    hits: np.ndarray
    seconds: float
    group: int


def windows(corpus: Corpus, sections: Sections, split: str, count: int) -> list[Window]:
    """Windows of a split, `count` at most, evenly chosen. Raises MusicFusionError where there are none."""
    start = sections.windows(corpus, split)
    if not len(start):
        raise MusicFusionError(f"data: no {split} windows of drums; {len(corpus.songs)} songs were read: more are"
                               " needed")
    start = start[batches.fixed(len(start), min(count, len(start)))]
    song = np.searchsorted(corpus.first_beat, start, "right") - 1
    return [Window(hits=drum_sounds.rows(corpus, int(begin)), seconds=drum_sounds.seconds(corpus, int(begin)),
                   group=int(number)) for begin, number in zip(start, song, strict=True)]


def players(kits: str) -> dict[str, Play]:
    """The shipped kit, and those that are named, folders of samples or soundfonts with commas between, by name.

    Raises:
        MusicFusionError: one of them cannot be used.
    """
    found: dict[str, Play] = {SHIPPED: functools.partial(_by_kit, kit.shipped())}
    for name in filter(None, kits.split(",")):
        path = Path(name).expanduser()
        own: Play = (functools.partial(_by_soundfont, path) if path.suffix in SOUNDFONTS
                     else functools.partial(_by_kit, kit.read(path)))
        found[path.stem] = own
    return found


def _by_kit(own: kit.Kit, hits: np.ndarray, seconds: float, seed: int) -> np.ndarray:
    return kit.play(hits, own, seed=seed, rate=RATE, seconds=seconds)


def _by_soundfont(path: Path, hits: np.ndarray, seconds: float, seed: int) -> np.ndarray:
    keys = np.array([own[0] for own in KEYS])[hits[:, 1].astype(int)]
    notes = np.stack([hits[:, 0], np.full(len(hits), 0.1), keys, hits[:, 2]], 1)
    score = Score((Track("DRUMS", 0, True, notes[np.argsort(notes[:, 0], kind="stable")]),), np.array([[0.0, 60.0]]),
                  ((0.0, 4, 4),), "drums")
    return audio.synthesise(score, RATE, path).samples[: round(seconds * RATE)]


def detected(samples: np.ndarray) -> np.ndarray:
    """Onsets of samples [n] by their spectral flux (metrics.onsets), each called a closed hat: hits [n, 3]."""
    frames = drum_frames.frames(samples).astype(np.float32)
    when = onsets.onsets(1 - 2 * frames / QUIETEST, PER_SECOND)
    return np.stack([when, np.full(len(when), HAT), np.full(len(when), USUAL)], 1)


def table(transcriber: Transcriber, untrained: Transcriber, tested: Sequence[Window],
          plays: Mapping[str, Play]) -> Table:
    """The transcriber beside what knows less, with each kit.

    untrained: with parameters as they are drawn at first; tested: windows; plays: kits by their names.
    """
    truth = [own.hits for own in tested]
    often = np.bincount(np.concatenate(truth)[:, 1].astype(int), minlength=KIT)
    shown = np.flatnonzero(often >= min(ENOUGH, often.max())).tolist()
    groups = np.unique([own.group for own in tested], return_inverse=True)[1]
    methods: dict[str, Find] = {"the transcriber": transcriber.hits, "the same, untrained": untrained.hits,
                                "every onset a closed hat": detected}
    rows = []
    for name, play in plays.items():
        working(f"transcribing drums, {name}")
        sounds = [play(own.hits, own.seconds, number) for number, own in enumerate(tested)]
        for method, find in methods.items():
            found = [find(sound) for sound in progress.steps(sounds, "transcribing")]
            rows.append(row(f"{method}, {name}", measured(found, truth, groups, shown)))
    others = [truth[k - len(truth) // 2] for k in range(len(truth))]
    rows.append(row("another window's hits", measured(others, truth, groups, shown)))
    return Table(
        name="drum_transcriber", title="The drum transcriber",
        measures={"one_stream": Measure(label="one stream", digits=2, better="higher"),
                  "mean": Measure(label="mean of instruments", digits=2, better="higher"),
                  **{INSTRUMENTS[k]: Measure(label=INSTRUMENTS[k], digits=2, better="higher") for k in shown},
                  "velocity": Measure(label="velocity error", digits=0, better="lower")},
        rows=tuple(rows),
        note=f"F1 of hits within {1000 * drums.WINDOW:.0f} ms of the true ones, in {len(tested)} windows of four bars,"
             " played. One stream: of whatever is hit. Velocity error: the mean over hits that agree; a closed hat for"
             f" every onset has velocity {USUAL:.0f} throughout.")


def measured(found: Sequence[np.ndarray], truth: Sequence[np.ndarray], groups: np.ndarray,
             shown: Sequence[int]) -> dict[str, object]:
    """The values of one row. found, truth: hits of each sound; groups: int [n]; shown: instruments with a column."""
    counts = np.stack([drums.timed_agreement(own, true, KIT) for own, true in zip(found, truth, strict=True)])
    stream = np.stack([drums.stream_agreement(own[:, 0], true[:, 0]) for own, true in zip(found, truth, strict=True)])

    def by_group(x: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(groups, x[:, k]) for k in range(x.shape[1])], 1)

    values: dict[str, object] = {"one_stream": bootstrap.statistic(by_group(stream), drums.f1)}
    values["mean"] = bootstrap.statistic(by_group(counts[:, shown].reshape(len(counts), -1)),
                                         lambda x: drums.f1(x.reshape(*x.shape[:-1], len(shown), 3)).mean(-1))
    values |= {INSTRUMENTS[k]: float(drums.f1(counts[:, k].sum(0))) for k in shown}
    errors = np.concatenate([drums.velocity_errors(own, true, KIT) for own, true in zip(found, truth, strict=True)])
    return values | {"velocity": float(errors.mean()) if len(errors) else np.nan}
