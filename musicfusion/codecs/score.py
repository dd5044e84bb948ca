"""A piece of music between the file and the arrays: tracks of notes in quarters, tempo map, metres.

Times are in quarters (beats of a quarter note) as floats until `grid` puts them on the grid of 16ths that the models
see: int32 rows (onset step, duration in steps, pitch). NumPy only.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Integer, Real

from musicfusion.core.errors import MusicFusionError

STEPS_PER_QUARTER = 4  # the grid: 16ths
EARLY = 1 / 8  # quarters before a bar line at which a note already belongs to it
DEFAULT_QPM = 120.0  # what MIDI means by a file without a tempo

# Names of tracks that are the melody, the most telling first, and of those that are not, whatever else is in the name.
_MELODY_NAMES = ("melod", r"\bvoc|\bvox\b|\bsing", "soprano", r"\blead\b", r"\bvoice\b")
_BACKING_NAMES = r"back|\bbg|harmony|harmonies|choir|ooh|aah"
_PIANOS = range(8)  # General MIDI programs


@dataclass(frozen=True, eq=False)
class Track:
    """One instrument's notes.

    Attributes:
        name: the name in the file, possibly empty.
        program: General MIDI program, 0..127.
        is_drum: True for percussion, whose pitches are instruments.
        notes: float64 [n, 4], columns onset and duration (quarters), pitch, velocity (0..127); sorted here by onset,
            then pitch.
        channel: the MIDI channel, 0..15; None where any will do.
        pedal: when the sustain pedal is down, rows (from, to) in quarters, in order. Notes last as long as their keys
            are held, whatever it does; see `sustained`.
        lyrics: rows (quarter, syllable), sorted here by time.

    Raises:
        ValueError: for notes of another shape, not finite, before 0, without length, or with a pitch or velocity
            outside 0..127; for a pedal that goes down before it is up.
    """

    name: str
    program: int
    is_drum: bool
    notes: np.ndarray
    channel: int | None = None
    pedal: tuple[tuple[float, float], ...] = ()
    lyrics: tuple[tuple[float, str], ...] = ()

    def __post_init__(self) -> None:
        notes = np.asarray(self.notes, np.float64)
        if notes.size == 0:
            notes = np.zeros((0, 4))
        if notes.ndim != 2 or notes.shape[1] != 4 or not np.isfinite(notes).all():
            raise ValueError(f"notes must be finite numbers of shape [n, 4], not {notes.shape}")
        if (notes[:, 0] < 0).any() or (notes[:, 1] <= 0).any():
            raise ValueError("a note must start at 0 or later and have a length")
        if (notes[:, 2:] < 0).any() or (notes[:, 2:] > 127).any():
            raise ValueError("pitches and velocities must be in 0..127")
        if not 0 <= self.program <= 127:
            raise ValueError(f"program must be in 0..127, not {self.program}")
        if self.channel is not None and not 0 <= self.channel <= 15:
            raise ValueError(f"channel must be in 0..15, not {self.channel}")
        if self.pedal and not (np.diff(np.ravel(self.pedal), prepend=0.0) >= 0).all():
            raise ValueError("a pedal must go down at 0 or later, and up before it goes down again")
        order = np.lexsort((notes[:, 1], notes[:, 2], notes[:, 0]))
        object.__setattr__(self, "notes", notes[order])
        object.__setattr__(self, "lyrics", _in_time(self.lyrics))


@dataclass(frozen=True, eq=False)
class Score:
    """Tracks on one time line.

    Attributes:
        tracks: the tracks, each with notes in quarters.
        tempos: float64 [m, 2], rows (quarter, quarters per minute), the first at quarter 0.
        metres: rows (quarter, numerator, denominator); empty means unknown.
        name: what to call the piece in messages.
        lyrics: rows (quarter, syllable) that belong to no single track, sorted here by time.
        notices: what its reader passed over, changed or guessed: short sentences.
        chords: the chords that its source names, rows (quarter, root, bass, mask) as in codecs.chords, each in force
            until the next; () where it names none.

    Raises:
        ValueError: for a tempo map that does not start at 0, does not ascend, or has a tempo
            that is not positive; for chords that do not ascend, or are out of range.
    """

    tracks: tuple[Track, ...]
    tempos: np.ndarray
    metres: tuple[tuple[float, int, int], ...]
    name: str
    lyrics: tuple[tuple[float, str], ...] = ()
    notices: tuple[str, ...] = ()
    chords: tuple[tuple[float, int, int, int], ...] = ()

    def __post_init__(self) -> None:
        tempos = np.asarray(self.tempos, np.float64)
        if tempos.ndim != 2 or tempos.shape[1] != 2 or len(tempos) == 0:
            raise ValueError(f"tempos must have shape [m, 2] with m >= 1, not {tempos.shape}")
        if tempos[0, 0] != 0 or (np.diff(tempos[:, 0]) <= 0).any():
            raise ValueError("the tempo map must start at quarter 0 and ascend")
        if not (np.isfinite(tempos).all() and (tempos[:, 1] > 0).all()):
            raise ValueError("every tempo must be positive")
        if self.chords and not _are_chords(np.array(self.chords, np.float64)):
            raise ValueError("chords must ascend from 0 on, with classes in 0..11 and masks of 12 bits")
        object.__setattr__(self, "tempos", tempos)
        object.__setattr__(self, "lyrics", _in_time(self.lyrics))

    @property
    def length(self) -> float:
        """The end of the last note, in quarters; 0 without notes."""
        ends = [(t.notes[:, 0] + t.notes[:, 1]).max() for t in self.tracks if len(t.notes)]
        return float(max(ends, default=0.0))

    def seconds(self, quarters: Real[np.ndarray, "*n"] | float) -> Float[np.ndarray, "..."] | np.float64:
        """Seconds at the given quarters [...], piecewise linear by the tempo map."""
        quarters = np.asarray(quarters, np.float64)
        starts, pace = self.tempos[:, 0], 60.0 / self.tempos[:, 1]
        row = np.maximum(np.searchsorted(starts, quarters, side="right") - 1, 0)
        return self._tempo_seconds()[row] + (quarters - starts[row]) * pace[row]

    def quarters(self, seconds: Real[np.ndarray, "*n"] | float) -> Float[np.ndarray, "..."] | np.float64:
        """Quarters at the given seconds [...]: the inverse of `seconds`."""
        seconds = np.asarray(seconds, np.float64)
        starts, times = self.tempos[:, 0], self._tempo_seconds()
        row = np.maximum(np.searchsorted(times, seconds, side="right") - 1, 0)
        return starts[row] + (seconds - times[row]) * self.tempos[row, 1] / 60.0

    def _tempo_seconds(self) -> np.ndarray:
        """Seconds at which each row of the tempo map begins [m]."""
        spans = np.diff(self.tempos[:, 0]) * 60.0 / self.tempos[:-1, 1]
        return np.concatenate([[0.0], np.cumsum(spans)])


def _are_chords(rows: np.ndarray) -> bool:
    return bool((rows[:, 0] >= 0).all() and (np.diff(rows[:, 0]) > 0).all() and np.isfinite(rows).all()
                and (rows[:, 1:] >= 0).all() and (rows[:, 1:] <= (11, 11, 0xFFF)).all())


def _in_time(lyrics: tuple[tuple[float, str], ...]) -> tuple[tuple[float, str], ...]:
    if any(not 0 <= time < np.inf for time, _ in lyrics):
        raise ValueError("a syllable must come at 0 or later")
    return tuple(sorted(lyrics, key=lambda row: row[0]))


def sustained(score: Score) -> Score:
    """The score as it sounds: notes of pianos that end while the pedal is down last until it is up.

    They end before that where their pitch is struck again. A notice says how many became longer.
    """
    tracks = tuple(_sustained(track) for track in score.tracks)
    count = sum(int(np.sum(new.notes[:, 1] > old.notes[:, 1]))
                for new, old in zip(tracks, score.tracks, strict=True))
    if not count:
        return score
    said = f"the sustain pedal makes {count:,} note{'s' * (count > 1)} longer"
    return replace(score, tracks=tracks, notices=(*score.notices, said))


def _sustained(track: Track) -> Track:
    if not track.pedal or track.is_drum or track.program not in _PIANOS:
        return track
    down, up = np.array(track.pedal).T
    notes = track.notes.copy()
    ends = notes[:, 0] + notes[:, 1]
    span = np.searchsorted(down, ends, side="right") - 1
    new = np.where((span >= 0) & (ends < up[span]), up[span], ends)
    for pitch in np.unique(notes[:, 2]):
        own = notes[:, 2] == pitch
        onsets = np.append(notes[own, 0], np.inf)
        new[own] = np.minimum(new[own], onsets[np.searchsorted(onsets, notes[own, 0], side="right")])
    notes[:, 1] = np.where(new > ends, new - notes[:, 0], notes[:, 1])
    return replace(track, notes=notes)


def grid(
    track_or_notes: Track | Real[np.ndarray, "..."], offset_quarters: float = 0.0,
    per_quarter: int = STEPS_PER_QUARTER,
) -> Integer[np.ndarray, "n 3"]:
    """Notes [n, 4] in quarters on a grid: int32 [n, 3], columns onset step, duration in steps, pitch.

    Onsets and ends are rounded to the nearest step (a half goes up), and a note lasts one step at least. Step 0 is at
    `offset_quarters`; notes that start more than an eighth of a quarter before it are dropped. Of two notes of one
    pitch on one step the longer stays. Sorted by onset, then pitch. per_quarter: steps, by default 16ths.
    """
    notes = track_or_notes.notes if isinstance(track_or_notes, Track) else track_or_notes
    notes = np.asarray(notes, np.float64).reshape(-1, 4)
    start = (notes[:, 0] - offset_quarters) * per_quarter
    end = start + notes[:, 1] * per_quarter
    onset = np.maximum(np.floor(start + 0.5), 0).astype(np.int32)
    duration = np.maximum(np.floor(end + 0.5).astype(np.int32) - onset, 1)
    rows = np.stack([onset, duration, notes[:, 2].astype(np.int32)], axis=1)
    rows = rows[start >= -EARLY * per_quarter]
    rows = rows[np.lexsort((-rows[:, 1], rows[:, 2], rows[:, 0]))]
    again = (np.diff(rows[:, [0, 2]], axis=0) == 0).all(axis=1)
    return rows[np.concatenate([[True], ~again])] if len(rows) else rows


def by_onset(notes: Integer[np.ndarray, "n 3"]) -> Integer[np.ndarray, "n 3"]:
    """Notes on the grid, sorted by onset, then pitch."""
    return notes[np.lexsort((notes[:, 2], notes[:, 0]))]


def monophonic(notes: Integer[np.ndarray, "..."]) -> Integer[np.ndarray, "m 3"]:
    """One voice out of many: the highest note wins, and a note is cut where the next begins.

    Of the notes that start on one step the highest stays. A lower note that starts while a higher one sounds is left
    out if it ends before it (an inner voice), and cuts it if it sounds on (the next note of the line, played legato).

    Args:
        notes: int [n, 3] on the grid, sorted by onset, then pitch.

    Returns:
        int32 [m, 3], onsets strictly ascending, no two notes sounding at once.
    """
    notes = np.asarray(notes, np.int32).reshape(-1, 3)
    line: list[list[int]] = []  # rows (onset, end, pitch)
    for onset, duration, pitch in notes.tolist():
        end = onset + duration
        if line and line[-1][0] == onset:
            line.pop()  # sorted by pitch: what comes later on this step is the higher one
        if line and pitch < line[-1][2] and end <= line[-1][1]:
            continue
        line.append([onset, end, pitch])
    voice = np.array(line, np.int32).reshape(-1, 3)
    voice[:-1, 1] = np.minimum(voice[:-1, 1], voice[1:, 0])
    voice[:, 1] -= voice[:, 0]
    return voice


def from_notes(
    name: str,
    program: int,
    notes: Integer[np.ndarray, "..."],
    steps_per_quarter: int = STEPS_PER_QUARTER,
    velocity: int = 80,
) -> Track:
    """A track from notes int [n, 3] on the grid; every note gets the same velocity."""
    notes = np.asarray(notes, np.float64).reshape(-1, 3)
    times = notes[:, :2] / steps_per_quarter
    loudness = np.full((len(notes), 1), velocity)
    return Track(name, program, False, np.hstack([times, notes[:, 2:], loudness]))


def pitched_tracks(score: Score, where: str | None = None) -> list[Track]:
    """The tracks that have notes and are not drums.

    Raises:
        MusicFusionError: when there is none, naming `where`, else the score.
    """
    tracks = [t for t in score.tracks if not t.is_drum and len(t.notes)]
    if not tracks:
        what = "only drums" if any(len(t.notes) for t in score.tracks) else "no notes"
        need = "a melody or harmony track is needed"
        raise MusicFusionError(f"{where or score.name}: {what}: {need}")
    return tracks


def pick_melody(score: Score) -> Track:
    """The track that carries the melody.

    It is the track that is called melody, vocal, soprano, lead or voice (in this order; case does not matter, and
    backing voices do not count); several tracks of one name are merged, as one melody that changes its instrument.
    Without such a name it is the one with the highest mean pitch among the tracks that sound for a good part of the
    piece, are not a bass, and are mostly one voice (or among all, if none is). The melody may still overlap itself: see
    `monophonic`.

    Raises:
        MusicFusionError: when no track but drums has notes.
    """
    chosen = melody_tracks(score)
    first = chosen[0]
    return Track(first.name, first.program, False, np.concatenate([t.notes for t in chosen]))


def pick_accompaniment(score: Score) -> Float[np.ndarray, "n 4"]:
    """All notes but drums and a track that is called the melody, merged: float64 [n, 4].

    A melody without such a name stays in: who gives a file as an accompaniment wants all of it, such as both hands of a
    piano. If nothing else is left, the melody's track is the accompaniment.

    Raises:
        MusicFusionError: when no track but drums has notes.
    """
    return Track("", 0, False, np.concatenate([t.notes for t in accompaniment_tracks(score)])).notes


def accompaniment_tracks(score: Score) -> list[Track]:
    """The tracks whose notes `pick_accompaniment` merges.

    Raises:
        MusicFusionError: when no track but drums has notes.
    """
    melody = _called_melody(pitched_tracks(score))
    return [t for t in pitched_tracks(score) if not any(t is m for m in melody)] or melody


def pick_pair(score: Score, where: str | None = None) -> tuple[Track, Float[np.ndarray, "n 4"]]:
    """The melody of a score that holds one (see `pick_melody`), and all other notes but drums: float64 [n, 4].

    Raises:
        MusicFusionError: when nothing plays beside the melody, naming `where`, else the score.
    """
    tracks = pitched_tracks(score, where)
    chosen = melody_tracks(score)
    others = [t.notes for t in tracks if not any(t is m for m in chosen)]
    if not others:
        raise MusicFusionError(f"{where or score.name}: nothing plays beside its melody")
    return pick_melody(score), np.concatenate(others)


def melody_tracks(score: Score) -> list[Track]:
    """The tracks whose notes `pick_melody` merges: one, or several of one name.

    Raises:
        MusicFusionError: when no track but drums has notes.
    """
    tracks = pitched_tracks(score)
    called = _called_melody(tracks)
    if called:
        return called
    # A few high bells are no melody: ask for a quarter of what the busiest track sounds.
    sounding = [t.notes[:, 1].sum() for t in tracks]
    tracks = [t for t, s in zip(tracks, sounding, strict=True) if s >= max(sounding) / 4]
    tracks = [t for t in tracks if _mean_pitch(t) >= 48] or tracks  # a bass is one voice too
    return [max([t for t in tracks if one_voice_share(t) >= 0.8] or tracks, key=_mean_pitch)]


def _called_melody(tracks: list[Track]) -> list[Track]:
    """The tracks whose name says that they are the melody; [] if none says so."""
    for pattern in _MELODY_NAMES:
        for track in tracks:
            words = re.sub(r"[\W\d_]+", " ", track.name).lower()
            if re.search(pattern, words) and not re.search(_BACKING_NAMES, words):
                return [t for t in tracks if t.name == track.name]
    return []


def _mean_pitch(track: Track) -> float:
    return float(track.notes[:, 2].mean())


def one_voice_share(track: Track) -> float:
    """The share of notes that `monophonic` would keep, 0..1."""
    notes = grid(track)
    return len(monophonic(notes)) / max(len(notes), 1)
