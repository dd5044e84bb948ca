"""The beats and bars of one line, a bass or a voice, from its notes.

Many beats are proposed: those that codecs.beat_tracking finds near several usual tempos, those of the likeliest even
tempos, and of each the half, the double, those in threes, and those that begin between. Each proposal, with each of the
four positions where its bars can begin, gets a score, a sum of weights times what `_traits` counts; the best wins.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from musicfusion.codecs import beat_tracking

BAR = 4  # quarters
DEFAULT = 120.0  # beats a minute where there is too little to find any
TEMPOS = (30.0, 240.0)  # beats a minute that a user may give


class Habits(NamedTuple):
    """What is usual of a kind of lines.

    slowest, fastest, usual: beats a minute; tracked: the tempos near which beats are tracked; weights: of each
    trait of beats and bars.
    """

    slowest: float
    fastest: float
    usual: float
    tracked: tuple[float, ...]
    weights: Mapping[str, float]


# About the maximum of the conditional likelihood of the right proposal among all, over 150 bass lines of the sets
# grooves and freedoom-midi, with an L2 penalty; "far" is set by hand a bit above it, for bass lines of slower music.
BASS = Habits(slowest=58.0, fastest=170.0, usual=110.0, tracked=(80.0, 125.0), weights={
    "far": -10.0,  # the square of the logarithm of the tempo over the usual one
    "halves": 4.7,  # the share of notes that begin on the half of a beat
    "sixteenths": 2.5,  # and on its other quarters
    "on beats": 10.0,  # the share of notes that begin on a beat
    "long on beats": 8.5,  # how much greater it is where notes count by their length
    "changes on beats": 8.0,  # where those count that have another pitch than the one before
    "again after 1": 0.7,  # the share of onsets that are followed by another a beat later
    "again after 4": 0.7,  # a bar later
    "again after 8": 1.5,  # two bars later
    "bar lines": 5.0,  # the share on bar lines of notes on beats
    "low on bar lines": 5.0,  # how much greater it is where notes count by how low they are
    "loud on bar lines": 4.5,  # where they count by their level
    "changes on bar lines": 4.2,  # where those count that have another pitch than the one before
    "chords on bar lines": 6.9,  # how much more the pitches change there than at other beats
    "first on bar line": 1.7,  # 1 where the first note begins on one
})

# The same maximum over parts of 25 to 90 seconds of the melodies of 620 songs of POP909, none of them among those that
# tests/voices_transcribed.py measures. Shares by 16ths favour short beats, so the usual tempo is slower than most
# songs; by hand it is a bit above the maximum (61), for these songs are slow: more lead sheets at 70 to 140 are right.
VOICE = Habits(slowest=50.0, fastest=150.0, usual=66.0, tracked=(80.0, 125.0), weights={
    "far": -7.9,
    "changes on beats": -7.5,
    "again after 8": 2.4,
    "changes on bar lines": 3.1,
    "chords on bar lines": 6.1,
    "held on bar lines": 7.8,  # how much greater the share on bar lines is where notes count by the time to the next
    "between": -9.0,  # the share of notes that begin on no 16th and no third
    **{f"on 16th {k}": weight for k, weight in enumerate((  # of the bar: the share of notes that begin there
        18.0, -17.0, 5.3, 9.9, 6.9, -19.4, 3.8, 11.7, 7.3, -22.4, -2.9, 0.8, 1.2, -13.9, 0.5, 10.3))},
})

_EVEN, _OCTAVE = 4, (80.0, 160.0)  # how many even tempos are proposed, and in which octave
_CLOSE = 1.04  # how many times a tempo that is given beats may be faster or slower
_RATE, _FINE = 200, 16  # frames a second, and how much longer their transform is than they are
_VARIANTS = tuple((ratio, offset) for ratio, offsets in (  # of beats: how long the new ones are, and where they begin
    (1, (0, 0.25, 0.5, 0.75)), (0.5, (0, 0.25)), (2, (0, 0.5, 1, 1.5)), (2 / 3, (0, 1 / 3)), (1.5, (0, 0.5, 1)),
    (4 / 3, (0, 1 / 3, 2 / 3, 1)), (0.75, (0, 0.25, 0.5))) for offset in offsets)
_LEAST = 4  # beats of a proposal, and notes
_NEAR = 0.07  # seconds: a first note so little before a beat is on it
_STEPS = 12  # positions in a beat that are distinguished
_BETWEEN = (1, 5, 7, 11)  # those that are neither 16ths nor thirds
_HELD = 2.0  # seconds: longer than that from one onset to the next counts as so much


class Beats(NamedTuple):
    """The beats of a recording.

    times: of quarter notes in seconds, float64 [m], ascending; first: the index, 0..3, of the first that begins a bar
    of four.
    """

    times: np.ndarray
    first: int


def beats(notes: Float[np.ndarray, "n 4"], seconds: float, habits: Habits = BASS, tempo: float = 0.0) -> Beats:
    """The beats of a line in a recording of so many seconds, from its beginning to its end.

    notes: rows (onset and duration in seconds, MIDI pitch, velocity), sorted by onset, as of `bass_notes.notes`;
    tempo: about how many beats a minute there are, 0 where that is unknown. The tempo may change; before the first note
    and after the last it goes on. The metre is 4/4 throughout. Where fewer than four notes are to be judged, beats are
    even, `tempo` or DEFAULT a minute, and bars begin with the first note.
    """
    notes = np.asarray(notes, np.float64).reshape(-1, 4)
    start = float(notes[0, 0]) if len(notes) else 0.0
    end = max(seconds, float((notes[:, 0] + notes[:, 1]).max(initial=0.0)))
    found = _best(notes, habits, tempo) if len(notes) >= _LEAST else None
    times, first = found or (start + 60 / (tempo or DEFAULT) * np.arange(2), 0)
    line = extended(times, 0.0, end)
    first += int(np.searchsorted(line, times[0]))
    kept = np.flatnonzero((line >= 0) & (line <= end))
    return Beats(line[kept], int((first - kept[0]) % BAR)) if len(kept) else Beats(line[:1], 0)


def extended(times: Float[np.ndarray, " m"], start: float, end: float) -> Float[np.ndarray, " k"]:
    """Two or more beats in seconds, and as many more before and after that they reach from `start` to `end`.

    Tempo goes on as it is in the first and the last eight.
    """
    few = min(8, len(times) - 1)
    lead, trail = (times[few] - times[0]) / few, (times[-1] - times[-1 - few]) / few
    before = lead * np.arange(max(int(np.ceil((times[0] - start) / lead)), 0), 0, -1)
    after = trail * (1 + np.arange(max(int(np.ceil((end - times[-1]) / trail)), 0)))
    return np.concatenate([times[0] - before, times, times[-1] + after])


def _best(notes: np.ndarray, habits: Habits, tempo: float) -> tuple[np.ndarray, int] | None:
    """The beats [m] with the best score, and the index of the first bar line; None where there is no proposal."""
    onsets, weights = _weighted(notes)
    best = None
    for proposal in _proposals(onsets, weights, habits, tempo):
        scores = _scores(notes, proposal, habits)
        if best is None or scores.max() > best[0]:
            best = float(scores.max()), proposal, int(scores.argmax())
    if best is None:
        return None
    _, times, first = best
    return beat_tracking.placed(times, onsets, weights), first


# Proposals -----------------------------------------------------------------------------------------------------------


def _weighted(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Onsets in seconds [n] and how much they tell [n], 1 on average: loud and long notes and new pitches more."""
    telling = (0.3 + 0.7 * notes[:, 3] / 127) * (0.4 + np.minimum(notes[:, 1], 0.8))
    weights = np.log1p(telling * np.where(_changes(notes), 1.5, 1.0))
    return notes[:, 0], weights / weights.mean()


def _changes(notes: np.ndarray) -> np.ndarray:
    """Which notes have another pitch than the one before: bool [n]; the first has."""
    return np.diff(notes[:, 2], prepend=-1.0) != 0


def _proposals(onsets: np.ndarray, weights: np.ndarray, habits: Habits, tempo: float) -> list[np.ndarray]:
    """Beats in seconds, each from about the first onset to the last; where a tempo is given, about that fast."""
    found = []
    slowest, fastest = (tempo / _CLOSE, tempo * _CLOSE) if tempo else (habits.slowest, habits.fastest)
    tracked = [beat_tracking.through(onsets, weights, usual) for usual in (tempo,) * bool(tempo) or habits.tracked]
    even = _even(onsets, weights, (slowest, fastest) if tempo else _OCTAVE)
    for times in [times for times in tracked if len(times) >= _LEAST] + even:
        long = extended(times, onsets[0] - 1, onsets[-1] + 1)
        for ratio, offset in _VARIANTS:
            varied = np.interp(np.arange(offset, len(long) - 1, ratio), np.arange(len(long)), long)
            if len(varied) < _LEAST or not slowest <= 60 / np.median(np.diff(varied)) <= fastest:
                continue
            varied = extended(varied, onsets[0], onsets[-1])
            first = max(int(np.searchsorted(varied, onsets[0] + _NEAR, side="right")) - 1, 0)
            varied = varied[first : np.searchsorted(varied, onsets[-1]) + 2]
            if len(varied) >= _LEAST:
                found.append(varied)
    return found


def _even(onsets: np.ndarray, weights: np.ndarray, tempos: tuple[float, float]) -> list[np.ndarray]:
    """The beats of the even tempos between two, to whose halves, thirds and quarters onsets are nearest."""
    span = onsets[-1] - onsets[0]
    frames = np.bincount(np.rint((onsets - onsets[0]) * _RATE).astype(int), weights)
    size = _FINE * len(frames)
    spectrum = np.fft.rfft(frames, size)
    per_minute = 60 * _RATE / size  # beats, of one bin
    bins = np.arange(int(tempos[0] / per_minute), int(tempos[1] / per_minute) + 1)
    if bins[0] < 1:
        return []
    parts = ((1, 1.0), (2, 1.0), (3, 0.5), (4, 1.0))  # of a beat, and how much onsets there count
    strength = np.sum([share * np.abs(spectrum[part * bins]) for part, share in parts], axis=0)
    found = []
    for _ in range(_EVEN):
        chosen = bins[int(strength.argmax())]
        period = 60 / (chosen * per_minute)
        late = -np.angle(spectrum[4 * chosen]) / (2 * np.pi) / 4 * period
        times = onsets[0] + late + period * np.arange(-1, int(span / period) + 2)
        if len(times) >= _LEAST:
            found.append(beat_tracking.placed(times, onsets, weights))
        strength[np.abs(np.log(bins / chosen)) < 0.02] = -1
    return found


# Scores --------------------------------------------------------------------------------------------------------------


def _scores(notes: np.ndarray, times: np.ndarray, habits: Habits) -> np.ndarray:
    """The score of beats where bars begin with the first of them, the second, the third, the fourth [4]."""
    traits = _traits(notes, times, habits.usual)
    return np.sum([weight * traits[name] for name, weight in habits.weights.items()], axis=0)


def _traits(notes: np.ndarray, times: np.ndarray, usual: float) -> dict[str, np.ndarray]:
    """What is weighed of beats, {name: [4], by where bars begin}."""
    onset, duration, pitch, velocity = notes.T
    quarters = np.interp(onset, times, np.arange(len(times)))
    steps = np.rint(quarters * _STEPS).astype(int)
    beat, position = steps // _STEPS, steps % _STEPS
    phases = np.arange(BAR)
    on = position == 0
    line = (beat[on] - phases[:, None]) % BAR == 0  # [4, notes on beats]
    changes = _changes(notes).astype(float)
    low = np.clip((np.median(pitch) - pitch) / 5, -1, 1) + 1 + 1e-6
    loud = 10 ** ((velocity - velocity.mean()) / 40)

    def share(weight: np.ndarray) -> np.ndarray:
        return (line @ weight[on] + 0.25) / (weight[on].sum() + 1)

    lines = share(np.ones(len(notes)))
    chords = _new_pitches(notes, quarters, times)
    by_phase = np.array([chords[phase::BAR].mean() for phase in phases])
    sixteenths = np.rint(quarters * 4).astype(int)
    played = np.unique(sixteenths)
    held = np.minimum(np.diff(onset, append=onset[-1] + _HELD), _HELD)
    begun = (steps - _STEPS * phases[:, None]) % (_STEPS * BAR) == 0
    in_bar = (sixteenths - 4 * phases[:, None]) % (4 * BAR)  # [4, notes]
    traits = {
        "far": np.log(60 / np.median(np.diff(times)) / usual) ** 2,
        "halves": np.mean(position == _STEPS // 2),
        "sixteenths": np.mean(position % (_STEPS // 2) == _STEPS // 4),
        "on beats": on.mean(),
        "long on beats": np.average(on, weights=np.minimum(duration, 1.0)) - on.mean(),
        "changes on beats": np.average(on, weights=changes) - on.mean(),
        **{f"again after {lag}": _again(played, 4 * lag) for lag in (1, 4, 8)},
        "bar lines": lines,
        "low on bar lines": share(low) - lines,
        "loud on bar lines": share(loud) - lines,
        "changes on bar lines": share(changes) - lines,
        "chords on bar lines": by_phase - chords.mean(),
        "first on bar line": on[0] & ((beat[0] - phases) % BAR == 0),
        "between": np.isin(position, _BETWEEN).mean(),
        "held on bar lines": (begun * (held / held.mean() - 1)).mean(axis=1),
        **{f"on 16th {k}": np.mean(in_bar == k, axis=1) for k in range(4 * BAR)},
    }
    return {name: np.broadcast_to(np.asarray(value, float), BAR) for name, value in traits.items()}


def _again(played: np.ndarray, lag: int) -> float:
    """The share of steps [k] with a note after which there is one again, `lag` steps later, before the line ends."""
    inside = played[played + lag <= played[-1]]
    return float(np.isin(inside + lag, played).mean()) if len(inside) else 0.0


def _new_pitches(notes: np.ndarray, quarters: np.ndarray, times: np.ndarray) -> np.ndarray:
    """How different the pitch classes of the two beats from each beat on are from those of the two before [m]: 0..1."""
    count = len(times)
    ends = np.interp(notes[:, 0] + notes[:, 1], times, np.arange(count))
    classes = np.zeros((count + 1, 12))
    for later in range(BAR):
        beat = np.floor(quarters + 0.1).astype(int) + later
        sounding = np.clip(np.minimum(ends, beat + 1) - np.maximum(quarters, beat), 0, 1)
        inside = beat < count
        np.add.at(classes, (beat[inside] + 1, notes[inside, 2].astype(int) % 12), sounding[inside])
    total = np.cumsum(classes, axis=0)
    beat = np.arange(count)
    after = total[np.minimum(beat + 2, count)] - total[beat]
    before = total[beat] - total[np.maximum(beat - 2, 0)]
    size = np.linalg.norm(after, axis=1) * np.linalg.norm(before, axis=1)
    different = 1 - (after * before).sum(axis=1) / np.maximum(size, 1e-9)
    known = size > 1e-9
    return np.where(known, different, different[known].mean() if known.any() else 0.0)
