"""POP909 (MIT licence), from the layout of its public repository.

Melody = MELODY, accompaniment = BRIDGE and PIANO together (CollageNet, section 4.1). The beats are
those of beat_midi.txt: a time in seconds, then two flags, the downbeats of the simple and of the
compound metre. In 790 of 818 songs the first flag comes every 2 beats and the second every 4: these
are in 4/4. In the others they come every 3 and 6: triple metre, left out.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from musicfusion.codecs import chord_symbols, chords, melody, midi, polyphony
from musicfusion.codecs.score import Score, by_onset, monophonic
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import reading
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays, Corpus, Progress
from musicfusion.data.reading import Item

LICENCE = "MIT"
URL = "https://github.com/music-x-lab/POP909-Dataset"
FILES = ("{name}.mid", "beat_midi.txt", "chord_midi.txt")
BAR = 4  # beats
TAIL = 4 * BAR  # beats: a note that never ends must not lengthen its song without limit
LONGEST = 20_000  # beats: nor may a damaged tempo


def song_folders(root: Path) -> list[Path]:
    """The folders NNN that hold NNN.mid, under the POP909 folder or its repository. Raises MusicFusionError without."""
    songs = _song_folders(Path(root))
    if not songs:
        raise MusicFusionError(
            f"{root}: no songs here; accepted is POP909 as {URL} ships it: that repository, or its "
            "folder POP909 with NNN/NNN.mid, NNN/beat_midi.txt and NNN/chord_midi.txt"
        )
    return songs


def is_here(root: Path) -> bool:
    """Whether a folder is laid out as POP909."""
    return bool(_song_folders(Path(root)))


def _song_folders(root: Path) -> list[Path]:
    for folder in (root, root / "POP909", root / "POP909-Dataset" / "POP909"):
        if folder.is_dir():
            songs = sorted(
                song for song in folder.iterdir() if (song / f"{song.name}.mid").is_file()
            )
            if songs:
                return songs
    return []


def read(root: Path, *, limit: int = 0, progress: Progress | None = None) -> Corpus:
    """The 4/4 songs of POP909 as a Corpus of pairs, by number; `limit` > 0 reads only the first songs.

    Songs that are unreadable or not in 4/4 are named in `skipped` with the reason.

    Raises:
        MusicFusionError: the folder holds no song, or none that can be used.
    """
    items = [Item(folder.name, folder, folder=folder) for folder in song_folders(root)[: limit or None]]
    return reading.read(items, song, f"POP909 ({URL})", progress=progress, root=str(root), licence=LICENCE)


def song(folder: Path, steps: int = STEPS_PER_BEAT) -> Arrays:
    """One song as a pair (see Corpus), from a bar line on, in whole bars; steps: of a beat.

    Raises:
        MusicFusionError: it is not in 4/4, a track or a file is missing, or a line cannot be read.
    """
    midi_file, beat_file, chord_file = (folder / name.format(name=folder.name) for name in FILES)
    times, simple, compound = _beats(beat_file)
    score = midi.read(midi_file)
    lead = _seconds(score, "MELODY")
    accompaniment = np.concatenate([_seconds(score, "BRIDGE"), _seconds(score, "PIANO")])
    if not len(lead) or not len(accompaniment):
        raise MusicFusionError(f"{midi_file}: needs notes in a track MELODY and in BRIDGE or PIANO")

    grid = _Grid(times, _phase(compound if compound.any() else simple))
    first, last = grid.span(np.concatenate([lead, accompaniment]))
    if last - first > LONGEST:
        raise MusicFusionError(f"{midi_file}: longer than {LONGEST} beats of {beat_file.name}")
    length = (last - first) * steps
    # On a fine grid a note may come a little before the first bar line.
    lead, accompaniment = (by_onset(np.maximum(grid.notes(part, first, steps), 0)) for part in (lead, accompaniment))
    pitch, duration = polyphony.slots_from_notes(accompaniment, length)
    return {
        "melody": melody.tokens_from_notes(monophonic(lead), length),
        "pitch": pitch,
        "duration": duration,
        "chords": _chords(chord_file, grid.times(np.arange(first, last) + 0.5)),
    }


class _Grid:
    """Seconds <-> beats: linear between the table's beats, beyond them the tempo of its first or last two bars.

    Beat 0 is the last bar line at or before the table's first beat.
    """

    def __init__(self, times: np.ndarray, phase: int):
        self._times = times
        self._beats = np.arange(len(times)) + (-phase) % BAR
        edge = min(len(times) - 1, 2 * BAR)
        self._before = np.median(np.diff(times[: edge + 1]))
        self._after = np.median(np.diff(times[-edge - 1 :]))

    def beats(self, times: np.ndarray) -> np.ndarray:
        inside = np.interp(times, self._times, self._beats)
        before = np.minimum(times - self._times[0], 0) / self._before
        after = np.maximum(times - self._times[-1], 0) / self._after
        return inside + before + after

    def times(self, beats: np.ndarray) -> np.ndarray:
        inside = np.interp(beats, self._beats, self._times)
        before = np.minimum(beats - self._beats[0], 0) * self._before
        after = np.maximum(beats - self._beats[-1], 0) * self._after
        return inside + before + after

    def notes(self, seconds: np.ndarray, first: int, steps: int = STEPS_PER_BEAT) -> np.ndarray:
        """Notes (start, end in seconds, pitch) -> notes on the grid that begins at beat `first`."""
        onset, end = (
            np.floor((self.beats(seconds[:, column]) - first) * steps + 0.5)
            for column in (0, 1)
        )
        length = np.maximum(end - onset, 1)
        notes = np.stack([onset, length, seconds[:, 2]], axis=1).astype(np.int32)
        return notes[np.lexsort((notes[:, 2], notes[:, 0]))]

    def span(self, seconds: np.ndarray) -> tuple[int, int]:
        """The whole bars, in beats, that hold every beat and note; no note rings on beyond TAIL."""
        notes = self.notes(seconds, 0)
        onset, end = notes[:, 0], notes[:, 0] + notes[:, 1]
        first = min(0, int(onset.min()) // STEPS_PER_BEAT)
        latest = max(
            int(onset.max()) + 1, min(int(end.max()), int(onset.max()) + TAIL * STEPS_PER_BEAT)
        )
        last = max(int(self._beats[-1]) + 1, -(-latest // STEPS_PER_BEAT))
        return first // BAR * BAR, -(-last // BAR) * BAR


def _beats(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A beat_midi.txt in 4/4 -> times float64 [n], downbeats of both kinds bool [n]."""
    numbers, flags = _table(path)
    times, simple = numbers[:, 0], numbers[:, 1] > 0
    compound = np.array([flag not in ("0", "0.0") for flag in flags])
    if len(times) < 2 * BAR or not np.all(np.diff(times) > 0):
        raise MusicFusionError(
            f"{path}: needs at least {2 * BAR} beats, each later than the one before"
        )
    distances = np.diff(np.flatnonzero(simple))
    usual = Counter(distances.tolist()).most_common(1)
    period = usual[0][0] if usual else 0
    if period not in (2, 4):
        raise MusicFusionError(f"{path}: not in 4/4 (a downbeat every {period} beats)")
    return times, simple, compound


def _phase(downbeats: np.ndarray) -> int:
    """Where the bar lines fall, 0..3 beats after the first beat: where most downbeats lie."""
    return int(np.argmax(np.bincount(np.flatnonzero(downbeats) % BAR, minlength=BAR)))


def _seconds(score: Score, name: str) -> np.ndarray:
    """The notes of the tracks called `name`, float64 [n, 3]: start and end in seconds, pitch."""
    tracks = [track.notes for track in score.tracks if track.name.strip().upper() == name]
    notes = np.concatenate([np.zeros((0, 4)), *tracks])
    start, end = score.seconds(notes[:, 0]), score.seconds(notes[:, 0] + notes[:, 1])
    return np.stack([start, end, notes[:, 2]], axis=1)


def _chords(path: Path, times: np.ndarray) -> np.ndarray:
    """Rows int16 [n, 3] of the labels that cover the times [n]; no chord outside the table."""
    numbers, labels = _table(path)
    starts, ends = numbers.T
    if not np.all(np.diff(starts) >= 0):
        raise MusicFusionError(f"{path}: every chord must start after the one before")
    known = np.array([chord_symbols.parse(label) for label in labels], np.int16)
    index = np.searchsorted(starts, times, side="right") - 1
    covered = (index >= 0) & (times < ends[index])
    return chords.fill(known[index] * covered[:, None])


def _table(path: Path) -> tuple[np.ndarray, list[str]]:
    """Lines of two numbers and a word -> float64 [n, 2], the n words."""
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        first, second, words = zip(*filter(None, rows), strict=True)
        numbers = np.array([first, second]).T.astype(np.float64)
    except OSError as error:
        raise MusicFusionError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError:
        numbers, words = np.array([]), ()
    if not numbers.size or not np.isfinite(numbers).all():
        raise MusicFusionError(f"{path}: accepted are lines of two numbers and a word")
    return numbers, list(words)
