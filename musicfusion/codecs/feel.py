"""Thirds of a beat on a grid of 16ths: which beats swing or hold triplets, and a map of time that makes them straight.

Rounded one by one, swung eighths and triplets fall on 16ths that nobody meant: of three equal notes two become equally
long and one twice as long, and a long and a short become three and one. Here it is decided beat by beat. What a beat
holds is then moved as a whole, and can be moved back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, overload

import numpy as np
from jaxtyping import Float, Real

from musicfusion.codecs.score import Score, Track

STRAIGHT, SWING, SIXTEENTHS, TRIPLET = "straight", "swing", "swung 16ths", "triplet"
THIRDS = 2 / 3  # the ratio of swing that is written

# Where in a beat onsets are expected, and how often, by kind; where it is swung, as if its halves were equal.
_EXPECTED: dict[str, tuple[tuple[float, float], ...]] = {
    STRAIGHT: ((0.25, 0.31), (0.5, 0.31), (0.75, 0.31), (0.125, 0.02), (0.375, 0.02), (0.625, 0.02), (0.875, 0.01)),
    SWING: ((0.5, 0.75), (0.25, 0.13), (0.75, 0.12)),
    SIXTEENTHS: ((1 / 3, 0.36), (0.5, 0.28), (5 / 6, 0.36)),
    TRIPLET: ((1 / 3, 0.46), (2 / 3, 0.46), (1 / 6, 0.03), (0.5, 0.02), (5 / 6, 0.03)),
}
_NEAR = 0.12  # quarters: an onset this near to a beat is on it, and says nothing
_AROUND = 8  # onsets on beats, before and after, that tell how early one plays
_CHORD = 0.04  # quarters: onsets nearer than that to each other are one
_SPREAD = (0.012, 0.08)  # quarters: least and largest standard deviation of onsets around where they belong
_THIRDS_SPREAD = 0.056  # quarters: where onsets scatter more, thirds are nothing else than 16ths that are played badly
_GAIN = 8.0  # how much more probable, as a logarithm, swing must make the onsets of a song
_RATIOS = (0.57, 0.735)  # of swing; beyond it are straight eighths and dotted ones
_OFTEN, _SHARE = 8, 0.15  # what belongs to a song is in so many of its beats, and in so many of those that tell
_WORSE = 1.5  # how far from 16ths making straight what seems swung may bring notes, times how far they were
_PRIOR = {STRAIGHT: 0.96, SWING: 0.01, SIXTEENTHS: 0.01, TRIPLET: 0.02}
_PRIOR_BEATS = 8.0  # how many beats the prior counts for
_STRAY = (0.03, 20.0)  # the share of onsets that lie anywhere (grace notes, slips); how many onsets that counts for
_ROUNDS = 8  # of estimating


@dataclass(frozen=True, eq=False)
class Feel:
    """A monotone, piecewise linear map of time whose fixed points are beats.

    All of time is straight but for some beats, each a quarter long. As played, a swung beat has its halves at `ratio`,
    one with swung 16ths has each of its halves divided 2 : 1, and a triplet is divided in thirds. Straight, what is
    swung is even, and the triplet's notes are on steps 0, 1 and 3 of the beat's four 16ths.

    Attributes:
        beats: float64 [m], where the beats that are not straight begin, in quarters, ascending.
        kinds: what each of them is: SWING, SIXTEENTHS or TRIPLET.
        ratio: the share of a swung beat that its first half takes, inside 0..1.

    Raises:
        ValueError: beats overlap, or are as many as kinds; a kind or the ratio is none.
    """

    beats: np.ndarray
    kinds: tuple[str, ...]
    ratio: float = THIRDS

    def __post_init__(self) -> None:
        beats = np.asarray(self.beats, np.float64)
        if beats.shape != (len(self.kinds),) or (np.diff(beats) < 1 - 1e-6).any() or not np.isfinite(beats).all():
            raise ValueError("beats must be finite, a quarter apart or more, and have one kind each")
        if not set(self.kinds) <= {SWING, SIXTEENTHS, TRIPLET} or not 0 < self.ratio < 1:
            raise ValueError(f"beats are {SWING}, {SIXTEENTHS} or {TRIPLET}, and the ratio is inside 0..1")
        object.__setattr__(self, "beats", beats)

    @property
    def is_straight(self) -> bool:
        """Whether the map changes nothing."""
        return not self.kinds

    def straight(self, quarters: Real[np.ndarray, "*n"] | float) -> Float[np.ndarray, "..."]:
        """Times [...] in quarters, as played -> the same straight."""
        return self._mapped(quarters, 0, 1)

    def played(self, quarters: Real[np.ndarray, "*n"] | float) -> Float[np.ndarray, "..."]:
        """Straight times [...] in quarters -> the same as played: the inverse of `straight`."""
        return self._mapped(quarters, 1, 0)

    def shifted(self, quarters: float) -> "Feel":
        """The same so many quarters later."""
        return replace(self, beats=self.beats + quarters)

    def cut_out(self, begin: float, length: float, end: float) -> "Feel":
        """The feel of another piece: that of the quarters begin .. begin + length, moved to 0, repeated until `end`.

        As codecs.bars.cut_out does with tempos. A beat that is cut becomes straight.
        """
        inside = (self.beats >= begin - 1e-6) & (self.beats + 1 <= begin + length + 1e-6)
        own = self.beats[inside] - begin
        kinds = [kind for kind, chosen in zip(self.kinds, inside, strict=True) if chosen]
        copies = int(np.ceil(end / length))
        beats = (np.arange(copies)[:, None] * length + own).reshape(-1)
        kept = beats + 1 <= end + 1e-6
        return Feel(beats[kept], tuple(kind for kind, k in zip(kinds * copies, kept, strict=True) if k), self.ratio)

    def _mapped(self, quarters: Real[np.ndarray, "*n"] | float, source: int, target: int) -> np.ndarray:
        """Times from one side of the corners to the other: 0 is as played, 1 straight."""
        quarters = np.asarray(quarters, np.float64)
        if self.is_straight:
            return quarters
        row = np.maximum(np.searchsorted(self.beats, quarters, side="right") - 1, 0)
        within = quarters - self.beats[row]
        moved = np.zeros_like(quarters)
        corners = {SWING: ((self.ratio,), (0.5,)), TRIPLET: ((1 / 3, 2 / 3), (0.25, 0.75)),
                   SIXTEENTHS: ((1 / 3, 1 / 2, 5 / 6), (0.25, 0.5, 0.75))}
        for kind, sides in corners.items():
            here = (np.array([k == kind for k in self.kinds])[row]) & (within > 0) & (within < 1)
            inside = np.interp(within, (0, *sides[source], 1), (0, *sides[target], 1))
            moved = np.where(here, inside - within, moved)
        return np.asarray(quarters + moved)


EVEN = Feel(np.zeros(0), ())  # where every beat is straight


def straight(score: Score, feel: Feel) -> Score:
    """A score with the notes, pedals and lyrics of its swung beats and triplets on the grid; itself if it has none.

    Beats stay where they are, and so do tempo map and metres.
    """
    return score if feel.is_straight else _moved(score, feel.straight)


@overload
def played(music: Score, feel: Feel) -> Score: ...


@overload
def played(music: np.ndarray, feel: Feel) -> np.ndarray: ...


def played(music: Score | np.ndarray, feel: Feel) -> Score | np.ndarray:
    """The inverse of `straight`, of a score or of notes [n, 3 or more] whose first columns are onset and duration.

    Notes are in quarters (divide the steps of a grid by score.STEPS_PER_QUARTER), and come back as float64.
    """
    if isinstance(music, Score):
        return music if feel.is_straight else _moved(music, feel.played)
    return _moved_notes(np.asarray(music, np.float64), feel.played)


def delayed(score: Score, quarters: float) -> Score:
    """A score that begins so many quarters later; before it its first tempo and metre hold."""
    moved = _moved(score, lambda times: times + quarters)
    tempos = moved.tempos + [quarters, 0.0]
    tempos[0, 0] = 0.0
    metres = tuple((begin + quarters if k else 0.0, above, below) for k, (begin, above, below) in
                   enumerate(score.metres))
    chords = tuple((begin + quarters, root, bass, mask) for begin, root, bass, mask in score.chords)
    return replace(moved, tempos=tempos, metres=metres, chords=chords)


def _moved(score: Score, to: Callable) -> Score:
    def sung(lyrics: tuple[tuple[float, str], ...]) -> tuple[tuple[float, str], ...]:
        return tuple((float(to(time)), syllable) for time, syllable in lyrics)

    def moved(track: Track) -> Track:
        pedal = tuple((float(to(down)), float(to(up))) for down, up in track.pedal)
        return replace(track, notes=_moved_notes(track.notes, to), pedal=pedal, lyrics=sung(track.lyrics))

    return replace(score, tracks=tuple(moved(track) for track in score.tracks), lyrics=sung(score.lyrics))


def _moved_notes(notes: np.ndarray, to: Callable) -> np.ndarray:
    """Notes whose onsets and ends are moved; what neither moves is the same to the bit."""
    notes = notes.copy()
    onset, end = notes[:, 0], notes[:, 0] + notes[:, 1]
    later = to(onset) - onset
    duration = notes[:, 1] + (to(end) - end) - later
    notes[:, 0] = np.maximum(onset + later, 0.0)
    notes[:, 1] = np.where(duration > 0, duration, notes[:, 1])  # rounding may leave nothing of a very short one
    return notes


def words(feel: Feel, length: float) -> tuple[str, ...]:
    """What is said of beats that are not straight, in a piece of so many quarters: a line, or none."""
    counts = {kind: feel.kinds.count(kind) for kind in (SWING, SIXTEENTHS, TRIPLET)}
    said = {SWING: f"swing (their first half takes {feel.ratio:.0%})", SIXTEENTHS: "swing in 16ths",
            TRIPLET: "hold triplets"}
    lines = [f"{count:,} {said[kind]}" for kind, count in counts.items() if count]
    return (f"of {np.ceil(length):,.0f} beats " + ", ".join(lines),) if lines else ()


# Recognition ---------------------------------------------------------------------------------------------------------


def of(score: Score, phase: float) -> Feel:
    """How the beats of a score are divided, by the onsets of all its tracks.

    Each beat is what makes its onsets most probable, given how much the onsets of this song scatter around its beats,
    how often its other beats swing or hold triplets, and its one ratio of swing. A beat with no onset between the beats
    is swung where the nearest that have some are, on both sides; else it is straight. So are the beats of metres in
    eighths, whose thirds are eighths. No song swings whose notes, all together, get farther from 16ths by it.

    Args:
        phase: how many quarters after the quarters of the score its beats are (codecs.beats.phase).
    """
    onsets = np.sort(np.concatenate([np.zeros(0), *(track.notes[:, 0] for track in score.tracks)]))
    onsets = onsets[_in_quarters(score, onsets)] - phase
    number, within, spread = _between_beats(onsets)
    if not len(number):
        return Feel(np.zeros(0), ())
    spread = float(np.clip(spread, *_SPREAD))
    for names in (tuple(_PRIOR), tuple(kind for kind in _PRIOR if kind != SWING)):
        kinds, ratio = _kinds(names, number - number.min(), within, spread)
        found = np.flatnonzero(kinds != STRAIGHT)
        starts = found + number.min() + phase
        kept = (starts >= 0) & _in_quarters(score, starts)
        own = Feel(starts[kept], tuple(str(kind) for kind in kinds[found[kept]]), ratio)
        if SWING not in own.kinds or _helps(own, onsets + phase):
            break
    return own


def _helps(feel: Feel, onsets: np.ndarray) -> bool:
    """Whether onsets [n] in swung beats lie near to 16ths once these are straight; even eighths beside them do not."""
    beats = feel.beats[np.array(feel.kinds) == SWING]
    row = np.searchsorted(beats, onsets, side="right") - 1
    inside = (row >= 0) & (onsets - beats[np.maximum(row, 0)] < 1)
    phase = beats[0] % 1
    before, after = (np.abs((times - phase) * 4 - np.round((times - phase) * 4)).sum()
                     for times in (onsets[inside], feel.straight(onsets[inside])))
    return bool(after <= _WORSE * before)


def _in_quarters(score: Score, onsets: np.ndarray) -> np.ndarray:
    """Whether the metre at each onset [n] counts in quarters or longer notes."""
    eighths = np.array([False, *(denominator > 4 for _, _, denominator in score.metres)])
    begins = np.array([metre[0] for metre in score.metres], np.float64)
    return ~eighths[np.searchsorted(begins, onsets + _NEAR, side="right")]


def _between_beats(onsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Onsets that are on no beat, several together as one: their beats [n], where in them [n]; how much all scatter.

    Where in a beat they are is measured from where the onsets around are that are on a beat: some play early.
    """
    if not len(onsets):
        return np.zeros(0, int), onsets, 0.0
    starts = np.flatnonzero(np.diff(onsets, prepend=-np.inf) > _CHORD)
    chords = np.add.reduceat(onsets, starts) / np.diff(starts, append=len(onsets))
    near = chords[np.abs(chords - np.round(chords)) < _NEAR]
    if len(near):
        early = np.pad(near - np.round(near), _AROUND, mode="reflect" if len(near) > _AROUND else "edge")
        early = np.median(np.lib.stride_tricks.sliding_window_view(early, 2 * _AROUND + 1), axis=1)
        chords = chords - early[np.minimum(np.searchsorted(near, chords), len(near) - 1)]
    number = np.floor(chords + _NEAR).astype(int)
    within = chords - number
    on_beat = within < _NEAR
    off = np.abs(within[on_beat]) if on_beat.any() else np.zeros(1)
    return number[~on_beat], within[~on_beat], float(1.4826 * np.median(off))


def _kinds(names: Sequence[str], number: np.ndarray, within: np.ndarray, spread: float) -> tuple[np.ndarray, float]:
    """The kind of each beat [m] and the ratio of swing.

    Args:
        names: of the kinds that may be.
        number: the beat, from 0, that each onset [n] between beats is in; within: where in it.
        spread: standard deviation of onsets around where they belong.
    """
    telling = np.bincount(number) > 0
    often = max(_OFTEN, _SHARE * telling.sum())
    while True:  # until nothing is left that may be chance
        best = _most_probable(names, number, within, spread)
        doubtful = [kind for kind in (SIXTEENTHS, TRIPLET) if kind in names and best.spread > _THIRDS_SPREAD]
        doubtful += [kind for kind in (SWING, SIXTEENTHS) if kind in names and np.sum(best.kinds == kind) < often]
        if SWING in names and not doubtful:
            others = [kind for kind in names if kind != SWING]
            without = _most_probable(others, number, within, spread)
            if not _complete(without.kinds == TRIPLET, number, within).any():  # a long and a short are no triplet
                without = _most_probable([kind for kind in others if kind != TRIPLET], number, within, spread)
            if not _RATIOS[0] <= best.ratio <= _RATIOS[1] or best.fit - without.fit < _GAIN:
                doubtful.append(SWING)
        if not doubtful:
            break
        names = [kind for kind in names if kind not in doubtful]
    kinds = best.kinds
    complete = _complete(kinds == TRIPLET, number, within)
    if complete.sum() < often:
        kinds = np.where((kinds == TRIPLET) & ~complete, STRAIGHT, kinds)
    return _filled(kinds, telling), best.ratio if SWING in names else THIRDS


class _Explained(NamedTuple):
    """The kind of each beat [m], the ratio of swing, the spread, and how probable the onsets are, as a logarithm."""

    kinds: np.ndarray
    ratio: float
    spread: float
    fit: float


def _most_probable(names: Sequence[str], number: np.ndarray, within: np.ndarray, spread: float) -> _Explained:
    """What explains the onsets best with these kinds of beats, the first of them straight."""
    prior = np.array([_PRIOR[kind] for kind in names])
    starts = [(prior, THIRDS)]
    if SWING in names:
        swung = np.where(np.array(names) == SWING, 0.7, 0.3 * prior)
        starts += [(swung, ratio) for ratio in (0.6, THIRDS, 0.72)]
    return max((_maximised(names, *start, number, within, spread) for start in starts), key=lambda found: found.fit)


def _maximised(names: Sequence[str], shares: np.ndarray, ratio: float, number: np.ndarray, within: np.ndarray,
               spread: float) -> _Explained:
    """The same by expectation and maximisation, from shares of the kinds [k] and a ratio of swing on."""
    stray = _STRAY[0]
    prior = np.array([_PRIOR[kind] for kind in names]) * _PRIOR_BEATS
    telling = np.bincount(number) > 0
    for _ in range(_ROUNDS):
        places = [_density(within, kind, ratio, spread) for kind in names]
        density = stray + (1 - stray) * np.stack([own.sum(axis=0) for _, own in places])  # [kinds, n]
        fit = np.log(shares)[:, None] + np.stack([np.bincount(number, row) for row in np.log(density)])
        weight = np.exp(fit - fit.max(axis=0))
        weight /= weight.sum(axis=0)
        shares = (prior + weight[:, telling].sum(axis=1)) / (prior.sum() + telling.sum())
        each = weight[:, number] / density
        strays = np.sum(each) * stray
        stray = float((_STRAY[0] * _STRAY[1] + strays) / (_STRAY[1] + len(within)))
        squares = [row * (1 - stray) * np.sum(own * away**2, axis=0)
                   for row, (away, own) in zip(each, places, strict=True)]
        spread = float(np.clip(np.sqrt(np.sum(squares) / max(len(within) - strays, 1.0)), *_SPREAD))
        if SWING in names:
            own = weight[list(names).index(SWING), number] * (np.abs(within - ratio) < 2 * spread)
            ratio = float(np.sum(own * within) / own.sum()) if own.sum() > 1 else ratio
    kinds = np.where(telling, np.array(names)[fit.argmax(axis=0)], STRAIGHT)
    return _Explained(kinds, ratio, spread, float(np.logaddexp.reduce(fit[:, telling], axis=0).sum()))


def _density(within: np.ndarray, kind: str, ratio: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """How far onsets [n] are from each place where a beat of this kind has some [places, n], and how probable that is.

    Probabilities are densities over a quarter.
    """
    where = np.array([place for place, _ in _EXPECTED[kind]])[:, None]
    if kind == SWING:
        where = np.interp(where, (0, 0.5, 1), (0, ratio, 1))
    often = np.array([share for _, share in _EXPECTED[kind]])[:, None]
    away = within - where
    return away, often * np.exp(-((away / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))


def _complete(triplet: np.ndarray, number: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Which of the beats [m] that may be triplets have both thirds, or share a triplet of quarters, or adjoin such."""
    first, second = (np.bincount(number[np.abs(within - third) < _CHORD], minlength=len(triplet)) > 0
                     for third in (1 / 3, 2 / 3))
    sure = triplet & first & second
    pairs = np.flatnonzero(triplet[:-1] & second[:-1] & triplet[1:] & first[1:])
    sure[pairs] = sure[pairs + 1] = True
    run = np.cumsum(np.diff(triplet, prepend=False))  # one number for each run of equal ones
    return triplet & np.isin(run, run[sure])


def _filled(kinds: np.ndarray, telling: np.ndarray) -> np.ndarray:
    """Kinds [m] where beats that tell nothing swing as those on both sides do."""
    index = np.arange(len(kinds))
    before = np.maximum.accumulate(np.where(telling, index, 0))
    after = np.minimum.accumulate(np.where(telling, index, len(kinds) - 1)[::-1])[::-1]
    between = ~telling & (kinds[before] == kinds[after]) & np.isin(kinds[before], (SWING, SIXTEENTHS))
    return np.where(between, kinds[before], kinds)
