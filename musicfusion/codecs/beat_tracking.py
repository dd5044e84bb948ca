"""The beats of a free performance: a file that was played without a metronome, whose own beats mean nothing.

Its notes are exact in seconds, so beats are looked for there, by dynamic programming over all the places where a beat
can be and all the tempos that it can have. Then the piece is written again in quarters of these beats, with a tempo for
each; in seconds nothing moves.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

from musicfusion.codecs.score import STEPS_PER_QUARTER, Score, Track

SLOWEST, FASTEST, USUAL = 50.0, 180.0, 100.0  # quarters a minute
LONGEST = 20 * 60.0  # seconds: where more is played freely, no beats are looked for

_HARMONICS = (1, 2, 3, 4, 6, 8, 12)  # parts of a quarter that may be a file's grid
_ANY_GRID = 0.25  # circular mean of onsets in the best of them: free files have up to 0.05, others 0.6 and more
_FEWEST = 48  # onsets: of fewer, nobody can tell
# How far notes at random times lie from the 16ths of the beats that are found in them, by how many chords a beat has.
_CHORDS, _CHANCE = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0), (0.08, 0.115, 0.15, 0.16, 0.18, 0.2, 0.22)
_FOUND = 0.8  # beats are found where notes lie nearer than this part of it

_FRAME = 0.01  # seconds: how exactly a beat is placed first
_BLUR = 0.02  # seconds: standard deviation of onsets around where they belong
_POSITIONS = ((0.0, 0.38), (0.5, 0.2), (0.25, 0.06), (0.75, 0.06), (1 / 3, 0.05), (2 / 3, 0.05))  # in a beat; how often
_DRIFT = 150.0  # what it costs that a beat is longer than the one before, times the square of the ratio's logarithm
_TEMPO = 0.4, 0.6  # of tempos around the usual one: standard deviation of the logarithm, and cost a second
_STIFF = 0.3  # how much even beats count beside onsets, where beats are placed exactly
_SOON = 0.05  # seconds: a beat that comes sooner is at 0
_TOGETHER = 0.03  # seconds: notes of one chord


class Fit(NamedTuple):
    """How near notes are to a grid of 16ths.

    distance: of onsets, the mean, in 16ths; near: the share of them within an eighth of a 16th. Both are 0.25 by chance
    """

    distance: float
    near: float


def fit(score: Score, phase: float = 0.0) -> Fit:
    """How near the notes of a score, drums included, are to its grid of 16ths, which begins at `phase` (quarters)."""
    away = (_onsets(score) - phase) * STEPS_PER_QUARTER
    away = np.abs(away - np.round(away))
    return Fit(float(away.mean()), float(np.mean(away <= 0.125))) if len(away) else Fit(0.0, 1.0)


def is_free(score: Score) -> bool:
    """Whether the onsets of a score fit no grid at its own tempo: not quarters, nor any part of them down to 12ths.

    A grid that begins anywhere fits, and so do swing, triplets, and a few dozen notes at most.
    """
    onsets = _onsets(score)
    if len(onsets) < _FEWEST:
        return False
    return max(float(abs(np.mean(np.exp(2j * np.pi * parts * onsets)))) for parts in _HARMONICS) < _ANY_GRID


def with_beats(score: Score) -> Score:
    """A score that was played freely, in quarters of the beats that are found in it; any other as it is.

    Notes, pedals and lyrics keep their times in seconds. There is a tempo for each beat and no metre, and a notice says
    how many beats were found and how near the notes are to 16ths of them. Where that is hardly nearer than by chance,
    or the piece is longer than LONGEST, only the notice is new.
    """
    if not is_free(score):
        return score
    if score.seconds(score.length) > LONGEST:
        return _noticed(score, f"played freely, and no beat was looked for in more than {LONGEST / 60:.0f} minutes")
    beats = track(score)
    chance = float(np.interp(len(_chords(score)[0]) / len(beats), _CHORDS, _CHANCE))
    found = _in_quarters_of(score, beats) if len(beats) > 1 else score
    distance, _ = fit(found)
    if distance > _FOUND * chance:
        return _noticed(score, "played freely, and no beat was found: notes would lie"
                               f" {distance:.2f} of a 16th from the grid on average, and by chance {chance:.2f}")
    return _noticed(found, f"played freely: {len(beats)} beats were found,"
                           f" notes lie {distance:.2f} of a 16th from the grid on average")


def track(score: Score) -> Float[np.ndarray, " m"]:
    """The times of the beats of a score in seconds, ascending, from about its first note to its last.

    They make the onsets most probable: notes, above all strong, long and low ones and chords, are expected on beats,
    less on halves, quarters and thirds of them; a beat is about as long as the one before, and lasts one of FASTEST to
    SLOWEST a minute. A score without notes has none.
    """
    beats = through(*_chords(score))
    return beats[beats >= 0]


def through(
    times: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"], usual: float = USUAL
) -> Float[np.ndarray, " m"]:
    """The beats of onsets as `track` finds them, in seconds, ascending; the first may lie before 0.

    times: of the onsets in seconds, ascending; weights: how much each tells, about 1 on average; usual: the tempo that
    is expected, in beats a minute. There are no beats without onsets.
    """
    if not len(times):
        return times
    begin = times[0]
    return placed(_best_path(_frames(times - begin, weights), usual) * _FRAME + begin, times, weights)


def _onsets(score: Score) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(track.notes[:, 0] for track in score.tracks)])


def _noticed(score: Score, notice: str) -> Score:
    return replace(score, notices=(*score.notices, notice))


# Tracking ------------------------------------------------------------------------------------------------------------


def _chords(score: Score) -> tuple[np.ndarray, np.ndarray]:
    """When notes begin, chords as one: seconds [n], and how much they tell [n], 1 on average."""
    notes = np.concatenate([np.zeros((0, 4)), *(track.notes for track in score.tracks)])
    notes = notes[np.argsort(notes[:, 0], kind="stable")]
    times = np.asarray(score.seconds(notes[:, 0]))
    lasting = score.seconds(notes[:, 0] + notes[:, 1]) - times
    weight = (0.3 + 0.7 * notes[:, 3] / 127) * (0.4 + np.minimum(lasting, 0.8)) * np.where(notes[:, 2] < 50, 1.5, 1.0)
    starts = np.flatnonzero(np.diff(times, prepend=-np.inf) > _TOGETHER)
    if not len(starts):
        return np.zeros(0), np.zeros(0)
    times = np.add.reduceat(times, starts) / np.diff(starts, append=len(times))
    weights = np.log1p(np.add.reduceat(weight, starts))
    return times, weights / weights.mean()


def _frames(times: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights by frame [n]; each falls on two frames, by how near they are."""
    place = times / _FRAME
    first = np.floor(place).astype(int)
    frames = np.zeros(first[-1] + 2)
    np.add.at(frames, first, weights * (1 - place + first))
    np.add.at(frames, first + 1, weights * (place - first))
    return frames


def _best_path(frames: np.ndarray, usual: float) -> np.ndarray:
    """The frames of the beats [m] that explain the onsets in `frames` best, near a usual tempo."""
    shortest, longest = (round(60 / tempo / _FRAME) for tempo in (FASTEST, SLOWEST))
    periods = np.arange(shortest, longest + 1)
    padded = np.concatenate([np.zeros(longest), frames, np.zeros(longest)])
    count = len(padded)
    gains = np.zeros((count, len(periods)), np.float32)  # of a beat that ends there, by its length
    spread, strength = _TEMPO
    for k, period in enumerate(periods.tolist()):
        cost = strength * period * _FRAME * (np.log(period * _FRAME * usual / 60) / spread) ** 2 / 2
        gains[period:, k] = np.correlate(padded, _expected(period), "valid")[: count - period] - cost
    change = (-_DRIFT * np.log(periods[:, None] / periods) ** 2).astype(np.float32)  # [this, the one before]
    best = np.zeros((count, len(periods)), np.float32)  # of a path whose next beat begins there, by its length
    before = np.full((count, len(periods)), -1, np.int16)  # the length of the beat before; -1 where it is the first
    columns = np.arange(len(periods))
    for frame in range(shortest, count):
        begins = frame - periods
        ended = np.where(begins >= 0, gains[frame] + best[begins, columns], -np.inf)
        reached = change + ended
        before[frame] = reached.argmax(axis=1)
        best[frame] = reached[columns, before[frame]]
        if frame <= 2 * longest:  # a first beat may begin there
            first = best[frame] < 0
            best[frame, first], before[frame, first] = 0.0, -1
    ends = np.arange(count - longest - 1, count)
    last = ends[:, None] - periods
    final = gains[ends] + np.where(last >= 0, best[last, columns], -np.inf)
    at, k = divmod(int(final.argmax()), len(periods))
    frame = int(ends[at])
    path = [frame]
    while k >= 0:
        frame -= int(periods[k])
        path.append(frame)
        k = int(before[frame, k])
    return np.array(path[::-1]) - longest


def _expected(period: int) -> np.ndarray:
    """How much more probable than anywhere onsets are at each frame of a beat of so many, as a logarithm [period]."""
    frames = np.arange(period)
    places = [(place * period, share) for place, share in _POSITIONS] + [(period, _POSITIONS[0][1])]
    blur = _BLUR / _FRAME
    density = sum(share * np.exp(-(((frames - place) / blur) ** 2) / 2) for place, share in places)
    density = density / (blur * np.sqrt(2 * np.pi)) + (1 - sum(share for _, share in _POSITIONS)) / period
    return np.log(density / density.mean())


def placed(
    beats: Float[np.ndarray, " m"], times: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " m"]:
    """Beats moved to where the onsets that are near their 16ths lie nearest, and beats are even: least squares.

    beats, times: seconds, ascending; weights: how much each onset tells, about 1 on average.
    """
    if len(beats) < 3:
        return beats
    inside = (times >= beats[0] - _BLUR) & (times <= beats[-1] + _BLUR)
    quarters = np.interp(times[inside], beats, np.arange(len(beats)))
    steps = np.round(quarters * STEPS_PER_QUARTER) / STEPS_PER_QUARTER
    length = np.interp(quarters, np.arange(len(beats) - 1) + 0.5, np.diff(beats))
    near = np.abs(quarters - steps) * length < 2 * _BLUR
    steps, when = steps[near], times[inside][near]
    weight = weights[inside][near] * np.where(steps % 1 == 0, 1.0, 0.3)
    left = np.minimum(steps.astype(int), len(beats) - 2)
    share = steps - left
    normal, right = np.zeros((len(beats), len(beats))), np.zeros(len(beats))
    for row, part in ((left, 1 - share), (left + 1, share)):
        np.add.at(right, row, weight * part * when)
        for column, other in ((left, 1 - share), (left + 1, share)):
            np.add.at(normal, (row, column), weight * part * other)
    middle, uneven = np.arange(1, len(beats) - 1), {-1: 1.0, 0: -2.0, 1: 1.0}  # a beat's length less that before
    for row, one in uneven.items():
        for column, two in uneven.items():
            normal[middle + row, middle + column] += _STIFF * one * two
    normal[np.diag_indices(len(beats))] += 1e-3
    moved = np.linalg.solve(normal, right + 1e-3 * beats)
    return moved if (np.diff(moved) > 0.5 * np.diff(beats)).all() else beats


# Writing again -------------------------------------------------------------------------------------------------------


def _in_quarters_of(score: Score, beats: np.ndarray) -> Score:
    """The score in quarters of these beats [m], in seconds; before the first and after the last tempo goes on."""
    beats = np.where(beats < _SOON, 0.0, beats)  # or there would be a very fast beat before
    lead = max(round(beats[0] / (beats[1] - beats[0])), 1) if beats[0] > 0 else 0
    times = np.concatenate([np.linspace(0, beats[0], lead + 1)[:-1], beats])
    tempos = np.column_stack([np.arange(len(times) - 1), 60 / np.diff(times)])
    of_beats = Score((), tempos, (), "")

    def quarters(old: Real[np.ndarray, "*n"] | float) -> np.ndarray:
        return np.asarray(np.maximum(of_beats.quarters(np.asarray(score.seconds(old))), 0.0))

    return replace(score, tracks=tuple(_track(track, quarters) for track in score.tracks), tempos=tempos, metres=(),
                   lyrics=_sung(score.lyrics, quarters))


def _track(track: Track, quarters: Callable) -> Track:
    onset, end = quarters(track.notes[:, 0]), quarters(track.notes[:, 0] + track.notes[:, 1])
    notes = np.column_stack([onset, np.maximum(end - onset, 1e-9), track.notes[:, 2:]])
    pedal = tuple((float(quarters(down)), float(quarters(up))) for down, up in track.pedal)
    return replace(track, notes=notes, pedal=pedal, lyrics=_sung(track.lyrics, quarters))


def _sung(lyrics: tuple[tuple[float, str], ...], quarters: Callable) -> tuple[tuple[float, str], ...]:
    return tuple((float(quarters(time)), syllable) for time, syllable in lyrics)
