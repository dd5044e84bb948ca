"""Notes as they are written: bars, voices, note values. What a score needs before it becomes MusicXML.

Times are in divisions of a quarter, whole numbers: a 16th has DIVISIONS / 4 of them, an eighth of a triplet
DIVISIONS / 3.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float, Integer

from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError

DIVISIONS = 48
MAX_BARS = 4000
VOICES = 4  # of a staff: what notation programs have

_SIXTEENTH, _THIRD = DIVISIONS // 4, DIVISIONS // 3
_TRIPLET = 0.02  # quarters, by which its notes must fit a triplet better
_SPLIT = 60  # the lowest pitch of the upper staff
_WIDE = 24  # semitones of notes that need two staves


@dataclasses.dataclass(frozen=True)
class Bar:
    """A bar: where it begins, how long it is, and its metre (numerator, denominator)."""

    start: int
    length: int
    metre: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Note:
    """A written note: MIDI pitch, whether it is marked, and what ties it (to the note before, to the next)."""

    pitch: int
    marked: bool = False
    tied: tuple[bool, bool] = (False, False)


@dataclasses.dataclass(frozen=True)
class Value:
    """What stands at one place of a voice: notes of one length, or a rest.

    Attributes:
        start: in divisions from the bar's beginning.
        length: in divisions, the length of one note value, dotted or not; of a rest that fills a bar, the bar's.
        notes: empty for a rest.
        triplet: "" outside, else "start", "middle" or "stop".
        onset: whether a note begins here that no tie holds from before.
    """

    start: int
    length: int
    notes: tuple[Note, ...] = ()
    triplet: str = ""
    onset: bool = False


@dataclasses.dataclass(frozen=True)
class Staff:
    """The voices of each bar: bars[k] is a list of voices, each filling the bar."""

    bars: list[list[list[Value]]]
    mean: float


def bars(score: Score) -> list[Bar]:
    """The bars of a score, in 4/4 until a metre is given; one is cut short where a metre begins within it.

    Raises:
        MusicFusionError: there are more than MAX_BARS.
    """
    rows = [(round(4 * at) * _SIXTEENTH, over, under) for at, over, under in score.metres]
    if not rows or rows[0][0] > 0:
        rows.insert(0, (0, 4, 4))
    end = max(round(score.length * DIVISIONS), 1)
    found: list[Bar] = []
    for k, (start, over, under) in enumerate(rows):
        length = max(4 * DIVISIONS * over // under, DIVISIONS // 16)
        until = rows[k + 1][0] if k + 1 < len(rows) else end + length
        while start < min(until, end):
            if len(found) == MAX_BARS:
                raise MusicFusionError(f"more than {MAX_BARS:,} bars; fewer can be written as a score")
            found.append(Bar(start, min(length, until - start), (over, under)))
            start += length
    return found


def staves(track: Track, marked: Bool[np.ndarray, " n"], whole: Sequence[Bar]) -> tuple[list[Staff], int]:
    """A track on one staff, or on two where its chords are wide apart, as a piano's.

    Args:
        track: its notes.
        marked: which of them are marked.
        whole: the bars of the score.

    Returns:
        the staves, the higher first, and how many notes were cut short, since a staff has VOICES voices.
    """
    notes, triplets = quantised(track, marked, whole)
    split = np.zeros(len(notes), bool)
    if not track.is_drum and len(notes):
        together = len(np.unique(notes[:, 0])) < 0.8 * len(notes)
        if together and np.ptp(notes[:, 2]) > _WIDE and notes[:, 2].min() < _SPLIT <= notes[:, 2].max():
            split = notes[:, 2] < _SPLIT
    found: list[Staff] = []
    cut = 0
    for chosen in (~split, split):
        if chosen.any() or not found:
            voices, shorter = _voices(notes[chosen])
            cut += shorter
            mean = float(notes[chosen, 2].mean()) if chosen.any() else float(_SPLIT)
            found.append(Staff(_written(voices, whole, triplets), mean))
    return found, cut


def quantised(track: Track, marked: Bool[np.ndarray, " n"],
              whole: Sequence[Bar]) -> tuple[Integer[np.ndarray, "m 4"], set[int]]:
    """Notes on 16ths or, beat by beat, on eighths of triplets, whichever is nearer to its onsets.

    Returns:
        rows int (onset, end, pitch, marked), of two of one pitch and onset the longer, sorted by onset, the highest
        first; and where the beats with triplets begin.
    """
    beats = _beats(whole)
    starts = np.array([start for start, _ in beats])
    last = beats[-1][0] + beats[-1][1]
    times = np.stack([track.notes[:, 0], track.notes[:, 0] + track.notes[:, 1]], 1) * DIVISIONS
    beat = np.clip(np.searchsorted(starts, times + 1e-6, side="right") - 1, 0, len(starts) - 1)
    triplets = _triplets(times[:, 0] - starts[beat[:, 0]], beat[:, 0], beats)
    step = np.where(np.isin(beat, list(triplets)), _THIRD, _SIXTEENTH)
    on_grid = (starts[beat] + np.floor((times - starts[beat]) / step + 0.5) * step).astype(int)
    limits = np.array([start + length for start, length in beats])[beat]
    on_grid = np.minimum(on_grid, limits)  # the grid of the next beat begins with it
    rows: dict[tuple[int, int], tuple[int, bool]] = {}
    steps = {beats[k][0]: _THIRD for k in triplets}
    for (onset, end), pitch, mark in zip(on_grid.tolist(), track.notes[:, 2].astype(int).tolist(), marked.tolist(),
                                         strict=True):
        if onset >= last:
            onset = last - steps.get(beats[-1][0], min(_SIXTEENTH, beats[-1][1]))
        if end <= onset:
            here = int(starts[np.searchsorted(starts, onset, side="right") - 1])
            end = onset + steps.get(here, _SIXTEENTH)
        end = min(end, last)
        before = rows.get((onset, -pitch), (0, False))
        rows[onset, -pitch] = (max(end, before[0]), mark or before[1])
    made = [(onset, end, -pitch, mark) for (onset, pitch), (end, mark) in sorted(rows.items())]
    return np.array(made, int).reshape(-1, 4), {beats[k][0] for k in triplets}


def _beats(whole: Sequence[Bar]) -> list[tuple[int, int]]:
    """Quarters from each bar line on: (start, length); what is left of a bar is a shorter one."""
    return [(bar.start + at, min(DIVISIONS, bar.length - at))
            for bar in whole for at in range(0, bar.length, DIVISIONS)]


def _triplets(within: Float[np.ndarray, " n"], beat: Integer[np.ndarray, " n"],
              beats: Sequence[tuple[int, int]]) -> set[int]:
    """The beats whose onsets are nearer to triplets than to 16ths; within: divisions from the beat's beginning."""
    error = [np.abs(within - np.floor(within / step + 0.5) * step) for step in (_SIXTEENTH, _THIRD)]
    gain = np.bincount(beat, error[0] - error[1], len(beats))
    return {k for k in np.flatnonzero(gain > _TRIPLET * DIVISIONS).tolist() if beats[k][1] == DIVISIONS}


# Voices ---------------------------------------------------------------------------------------------------------------


def _voices(notes: Integer[np.ndarray, "n 4"]) -> tuple[list[list[list]], int]:
    """Chords [onset, end, [Note]] in at most VOICES voices, in none of which they overlap; and how many were cut."""
    chords: dict[tuple[int, int], list[Note]] = {}
    for onset, end, pitch, mark in notes.tolist():
        chords.setdefault((onset, end), []).append(Note(pitch, bool(mark)))
    voices: list[list[list]] = []
    cut = 0
    for (onset, end), members in sorted(chords.items(), key=lambda one: (one[0][0], -one[1][0].pitch)):
        free = next((voice for voice in voices if voice[-1][1] <= onset), None)
        if free is None and len(voices) < VOICES:
            free = []
            voices.append(free)
        if free is None:  # the voice that began before, and ends soonest, makes room
            older = [voice for voice in voices if voice[-1][0] < onset]
            if older:
                free = min(older, key=lambda voice: voice[-1][1])
                free[-1][1] = onset
            else:  # all begin here: the notes join the chord that is most alike
                same = min(voices, key=lambda voice: abs(voice[-1][1] - end))
                same[-1][2] += members
                cut += len(members)
                continue
            cut += len(free[-1][2])
        free.append([onset, end, members])
    return voices, cut


def _written(voices: Sequence[Sequence[Sequence]], whole: Sequence[Bar], triplets: set[int]) -> list[list[list[Value]]]:
    """Each bar's voices, filled with rests; one that is silent throughout a bar is left out, but for the first."""
    found: list[list[list[Value]]] = [[] for _ in whole]
    starts = [bar.start for bar in whole]
    for number, voice in enumerate(voices or [[]]):
        inside: list[list[tuple[int, int, list[Note], bool, bool]]] = [[] for _ in whole]
        for onset, end, members in voice:
            k = int(np.searchsorted(starts, onset, side="right")) - 1
            while k < len(whole) and starts[k] < end:
                a, b = max(onset, starts[k]), min(end, starts[k] + whole[k].length)
                inside[k].append((a - starts[k], b - starts[k], members, a > onset, b < end))
                k += 1
        for k, bar in enumerate(whole):
            if inside[k] or number == 0:
                here = {at - bar.start for at in triplets if bar.start <= at < bar.start + bar.length} \
                    if triplets else set()
                found[k].append(list(_values(inside[k], bar.length, here)))
    return found


def _values(chords: Sequence[tuple[int, int, list[Note], bool, bool]], length: int,
            triplets: set[int]) -> Iterator[Value]:
    """A voice of one bar: rows (start, end, notes, held from before, held on) as note values, with rests between."""
    if not chords:
        yield Value(0, length)
        return
    pieces: list[tuple[int, int, int]] = []  # start, length, chord or -1
    now = 0
    for number, (start, end, *_) in enumerate([*chords, (length, length, [], False, False)]):
        pieces += [(*piece, -1) for piece in _split(now, start, triplets)]
        pieces += [(*piece, number) for piece in _split(start, end, triplets)]
        now = end
    for start, size, number in pieces:
        beat = start // DIVISIONS * DIVISIONS
        inside = beat in triplets and size % _THIRD == 0 and size < DIVISIONS
        first, last = start == beat, start + size == beat + DIVISIONS
        triplet = ("start" if first else "stop" if last else "middle") if inside else ""
        if number < 0:
            yield Value(start, size, (), triplet)
            continue
        begin, end, members, before, after = chords[number]
        tied = (before or start > begin, after or start + size < end)
        yield Value(start, size, tuple(dataclasses.replace(note, tied=tied) for note in members), triplet, not tied[0])


def beams(values: Sequence[Value], metre: tuple[int, int]) -> dict[int, list[str]]:
    """How notes of a voice in a bar hang together: {index: MusicXML's word for each of its beams}, within a beat.

    A beat is a quarter, in 6/8 and its like three eighths.
    """
    beat = DIVISIONS * 3 // 2 if metre[0] % 3 == 0 and metre[0] > 3 and metre[1] == 8 else DIVISIONS
    groups: list[list[int]] = [[]]
    for k, value in enumerate(values):
        if not value.notes or not _flags(value):
            groups.append([])
            continue
        if groups[-1] and values[groups[-1][-1]].start // beat != value.start // beat:
            groups.append([])
        groups[-1].append(k)
    found: dict[int, list[str]] = {}
    for group in groups:
        flags = [_flags(values[k]) for k in group]
        for n, k in enumerate(group if len(group) > 1 else []):
            before, after = flags[n - 1] if n else 0, flags[n + 1] if n + 1 < len(group) else 0
            hook = "backward hook" if n else "forward hook"
            found[k] = [("continue" if after >= level else "end") if before >= level else
                        ("begin" if after >= level else hook) for level in range(1, flags[n] + 1)]
    return found


def _flags(value: Value) -> int:
    """How many flags a note value has."""
    plain = value.length * 3 // 2 if value.triplet else value.length
    return sum(plain < limit for limit in (DIVISIONS, DIVISIONS // 2, DIVISIONS // 4, DIVISIONS // 8))


def _split(start: int, end: int, triplets: set[int]) -> Iterator[tuple[int, int]]:
    """A stretch of a bar as note values (start, length), so that beats can be seen."""
    while start < end:
        beat = start // DIVISIONS * DIVISIONS
        border = next((at for at in sorted(triplets) if start < at < end), end)  # a triplet is one beat's
        if beat in triplets and (start > beat or end < beat + DIVISIONS):
            size = min(end, beat + DIVISIONS) - start
        else:
            at, room = Fraction(start, _SIXTEENTH), Fraction(_clear(start, end, border, triplets) - start, _SIXTEENTH)
            size = int(_value(at, room) * _SIXTEENTH)
        yield start, size
        start += size


def _clear(start: int, end: int, border: int, triplets: set[int]) -> int:
    """How far plain values reach: to the next triplet that is not filled by one note."""
    while border < end and end - border >= DIVISIONS:
        border = next((at for at in sorted(triplets) if border < at < end), end)
    return border if border < end else end


def _value(at: Fraction, room: Fraction) -> Fraction:
    """The longest note value of at most `room` 16ths that may begin at the 16th `at` of a bar."""
    if at.denominator > 1:  # beyond 16ths: a bar of 32nds
        values: tuple[Fraction | int, ...] = (Fraction(1, 2), Fraction(1, 4))
    elif at % 4 == 0:
        values = (16, 12, 8, 6, 4, 3, 2, 1)
    elif at % 2 == 0:
        values = (6, 4, 2, 1)
    else:
        values = (3, 2, 1) if at % 4 == 1 else (1,)
    return next((Fraction(value) for value in (*values, Fraction(1, 2), Fraction(1, 4)) if value <= room), room)
