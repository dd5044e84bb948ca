"""Which edits a pair gets: those by which a critic gains more than they cost.

Critics (judges.py) score windows of eight beats; screening.py says what a window gains, and which critic is asked.
Edits are chosen by coordinate ascent over the whole song: all options of a place at once, and places that share no
window together. New chords also pay for progressions that songs do not have; what is tried are those that the melody is
likeliest under (reharmony.ChordModel).
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from musicfusion.codecs import melody, polyphony
from musicfusion.systems.collagenet import edits as editing
from musicfusion.systems.collagenet import locks, reharmony
from musicfusion.systems.collagenet.dataset import KEYS, LOWEST_SHIFT, STEPS
from musicfusion.systems.collagenet.edits import Edits, Prices, Source
from musicfusion.systems.collagenet.locks import Fixed, Held
from musicfusion.systems.collagenet.reharmony import CHORDS, OPTIONS, OWN, ChordModel
from musicfusion.systems.collagenet.screening import Critics, Score, shortlist
from musicfusion.systems.collagenet.search_space import NUDGES, SLIDES, SearchSpace, index

ROUNDS = 2  # of chords, then notes
NOTE_ROUNDS = 4
PROPOSED = 24  # chords that are tried in a place
CHORDS_LEFT, NOTES_LEFT = 4, 2  # options of a place, of a note, that the screening critic leaves
EXPECTED = 0.25  # weight of the nats of the melody under a chord, in the order of what is tried
LEAST = 0.2  # of a chord's price is due even where it changes no note
CROSSING = 0.1  # nats for an accompaniment note that comes to lie above the melody
ENOUGH = 1e-3  # nats that an edit must gain


def search(sources: Sequence[Source], score: Score, model: ChordModel, prices: Sequence[Prices], *, progression: float,
           rounds: int = ROUNDS, seeds: Sequence[int] | None = None, variety: float = 0.0,
           holds: Sequence[Held | None] | None = None, screen: Score | None = None) -> list[Edits]:
    """The edits of each pair.

    Args:
        sources: the pairs, each a song of its own; they are searched side by side.
        score: (tokens [n, 32], pitch, duration [n, 32, 14]) -> the critic's logits [n].
        model: what songs taught about chords.
        prices: of each pair's edits.
        progression: weight of the nats of chord transitions.
        rounds: of chords, then notes.
        seeds, variety: of each pair a seed, by which the edits get random nats of this standard deviation: so other
            seeds find other songs, about as good.
        holds: of each pair the edits of an earlier search that stay, whatever they cost, or None. All others are
            found beside them.
        screen: a cheap critic that is asked about all options; `score` is asked about those that it ranks highest.
            Without it, about all.
    """
    critics = Critics(score, screen)
    problem = SearchSpace.of(sources, [0] * len(sources) if seeds is None else seeds, variety)
    held = [None] * len(sources) if holds is None else holds
    fixed = Fixed.of(problem, held)
    state = _keys(problem, sources, critics, prices, held, fixed)
    for _ in range(rounds):
        _chords(problem, state, critics, model, prices, progression, fixed)
        _notes(problem, state, critics, prices, fixed)
    found = [_found(problem, state, k, own) for k, own in enumerate(prices)]
    return [own if hold is None else locks.kept(source, own, hold)
            for source, own, hold in zip(sources, found, held, strict=True)]


# The search ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(kw_only=True)
class _State:
    """The edits so far, and the windows under them.

    Attributes:
        shift: the melody against the accompaniment  # [songs]
        option: of each place  # [places]
        nudge, slide: of each note  # [notes]
        tokens: the melody  # [W, 32]
        note: as in SearchSpace, where notes begin now  # [W, 32]
        gain: of every window  # [W]
        clock: counts changes. changed: when each window last did  # [W]
        place_asked, note_asked: when each place, each note was last tried; -1: never  # [places], [notes]
    """

    shift: np.ndarray
    option: np.ndarray
    nudge: np.ndarray
    slide: np.ndarray
    tokens: np.ndarray
    note: np.ndarray
    gain: np.ndarray
    changed: np.ndarray
    place_asked: np.ndarray
    note_asked: np.ndarray
    clock: int = 0

    def change(self, windows: np.ndarray) -> None:
        """Notes that windows are not as they were."""
        self.clock += 1
        self.changed[windows] = self.clock


def _keys(p: SearchSpace, sources: Sequence[Source], critics: Critics, prices: Sequence[Prices],
          holds: Sequence[Held | None], fixed: Fixed) -> _State:
    """Every song in the key that fits best, in the octave that leaves the parts as they lie; with what it holds."""
    free = np.array([hold is None and (own.melody_moves or own.accompaniment_moves)
                     for own, hold in zip(prices, holds, strict=True)])
    steps = np.array(sorted(range(LOWEST_SHIFT, LOWEST_SHIFT + KEYS), key=abs))  # 0 first
    steps, count = steps if free.any() else steps[:1], len(p.tokens)
    tokens = melody.transpose(np.tile(p.tokens, (len(steps), 1)), np.repeat(steps, count)[:, None])
    gains = critics.gain(tokens, *(np.tile(x, (len(steps), 1, 1)) for x in (p.pitch, p.duration)))
    totals = np.stack([np.bincount(p.song, p.weight * row, minlength=len(sources))
                       for row in gains.reshape(len(steps), count)])
    best = np.where(free, np.argmax(totals - ENOUGH * abs(steps)[:, None], 0), 0)
    shift = np.array([_octave(source, int(steps[at])) if may else 0
                      for source, at, may in zip(sources, best, free, strict=True)], int)
    for k, hold in enumerate(holds):
        if hold is not None:
            shift[k] = hold.edits.melody_shift - hold.edits.accompaniment_shift
    tokens, note = _with_fixed(p, melody.transpose(p.tokens, shift[p.song][:, None]), fixed)
    pitch = _rendered(p, np.arange(count), fixed.option[p.place])
    return _State(shift=shift, option=fixed.option.copy(), nudge=fixed.nudge.copy(), slide=fixed.slide.copy(),
                  note=note, tokens=tokens, gain=critics.gain(tokens, pitch, p.duration),
                  changed=np.zeros(count, int), place_asked=np.full(len(p.members), -1),
                  note_asked=np.full(len(p.note_members), -1))


def _with_fixed(p: SearchSpace, tokens: np.ndarray, fixed: Fixed) -> tuple[np.ndarray, np.ndarray]:
    """Windows of the melody [W, 32] with the nudges and slides that are fixed, and where its notes begin then."""
    notes, there = p.note.copy(), p.note >= 0
    if not there.any():
        return tokens, notes
    tokens = melody.transpose(tokens, np.where(there, fixed.nudge[p.note], 0))
    by = np.where(there, fixed.slide[p.note], 0)
    for i, step in np.argwhere(by).tolist():
        target = step + by[i, step]
        if not 0 <= target < STEPS or editing.may_slide(tokens[i], step, by[i, step]):
            _slide(tokens[i], notes[i], step, target)
    return tokens, notes


def _octave(source: Source, shift: int) -> int:
    """The shift in the octave in which fewest melody notes sink below the accompaniment; of equal ones the smallest."""
    onset = source.tokens < melody.HOLD
    pitch, top = source.tokens[onset].astype(int), _top(source.pitch, source.duration)[onset]
    over = pitch > top

    def cost(by: int) -> float:
        inside = (pitch + by >= 0) & (pitch + by < polyphony.PITCHES)
        sunk = (over & (pitch + by <= top)) | ~inside
        return abs(by) / 24 + float(np.mean(sunk)) if len(pitch) else abs(by)

    return min((shift, shift - 12, shift + 12), key=cost)


def _top(pitch: np.ndarray, duration: np.ndarray) -> np.ndarray:
    """The highest pitch that sounds at each step, -1 for none: slots [T, 14] x 2 -> [T]."""
    _, sounding = polyphony.rolls(pitch, duration)
    return np.where(sounding.any(-1), polyphony.PITCHES - 1 - np.argmax(sounding[:, ::-1], -1), -1)


def _rendered(p: SearchSpace, w: np.ndarray, options: np.ndarray) -> np.ndarray:
    """Pitches [n, 32, 14] of windows w [n] under an option at each step [n, 32]."""
    return p.maps[p.row[w][..., None], options[..., None], p.pitch[w]]


def _crossings(p: SearchSpace, w: np.ndarray, tokens: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Steps of windows w [n] at which a note of the accompaniment begins above the melody, and did not before: [n]."""
    lead, there = melody.sounding(tokens), p.duration[w] > 0
    now, before = (np.max(x, -1, where=there, initial=-1) for x in (pitch, p.pitch[w]))
    return np.sum((lead >= 0) & (now >= lead) & (before < lead), -1)


class _Place(NamedTuple):
    """A place: its windows [n], what each option costs there [options], and those that are tried [m]."""

    place: int
    windows: np.ndarray
    costs: np.ndarray
    chosen: np.ndarray


def _chords(p: SearchSpace, state: _State, critics: Critics, model: ChordModel, prices: Sequence[Prices],
            progression: float, fixed: Fixed) -> None:
    """One sweep over all places: each gets the chord that is best as all others are."""
    windows_of, chains = index(p.place, len(p.members)), [x.place[x.cells[:-1]] for x in p.layouts]
    path = _Progression(p, model, chains)
    quality, root = reharmony.option_qualities(), reharmony.option_rows()[:, 0]
    free = [place for place in range(len(p.members)) if p.after[p.first_row[place], OWN, 2] and len(windows_of[place])
            and np.isfinite(prices[p.place_song[place]].chord) and not fixed.places[place]]
    for colour in _colours(free, windows_of, chains):
        cases = []
        for place in colour:
            if np.max(state.changed[windows_of[place]]) <= state.place_asked[place]:
                continue  # as it was when it was tried
            state.place_asked[place] = state.clock
            mine, now, changed = windows_of[place], state.option[place], p.changed[place]
            costs = p.members[place] * _option_prices(prices[p.place_song[place]], changed) + p.place_taste[place]
            costs += progression * path.costs(place, state.option)
            room = -p.weight[mine] @ state.gain[mine]  # no option gains more than that
            worth = 1 + np.flatnonzero(costs[1:] < costs[now] + room)
            if len(worth):
                classes = np.roll(p.classes[place], int(state.shift[p.place_song[place]]))
                turned = classes[(np.arange(12) + root[worth][:, None]) % 12]  # counted from each root
                fit = np.sum(model.melody[quality[worth]] * turned, 1)
                chosen = worth[np.argsort(EXPECTED * fit + costs[worth], kind="stable")[:PROPOSED]]
                chosen = np.unique([OWN, *chosen])
                cases.append(_Place(place, mine, costs, chosen[chosen != now]))
        if critics.screen is not None:
            cases = _screened(p, state, critics.screen, cases)
        scored = _scored(p, state, critics.gain, cases)
        for (place, mine, costs, chosen), (new, gains) in zip(cases, scored, strict=True):
            rise = (new - state.gain[mine]) @ p.weight[mine] + costs[state.option[place]] - costs[chosen]
            best = int(np.argmax(rise))
            if rise[best] > ENOUGH:
                state.option[place] = chosen[best]
                state.gain[mine] = gains[best]
                state.change(mine)


def _screened(p: SearchSpace, state: _State, screen: Score, cases: Sequence[_Place]) -> list[_Place]:
    """Places with the options that are left of those that were chosen."""
    found = []
    beside = [case._replace(chosen=np.append(case.chosen, state.option[case.place])) for case in cases]
    for case, (values, _) in zip(beside, _scored(p, state, screen, beside), strict=True):
        losses = case.costs[case.chosen] - values @ p.weight[case.windows]
        left = shortlist(losses[:-1] - losses[-1], CHORDS_LEFT)
        if len(left):
            found.append(case._replace(chosen=case.chosen[left]))
    return found


def _scored(p: SearchSpace, state: _State, ask: Score, cases: Sequence[_Place]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(values, gains) of each place, [chosen, windows] each.

    A value is a gain, less where the accompaniment comes to cross the melody.
    """
    if not cases:
        return []
    sizes = [len(case.windows) * len(case.chosen) for case in cases]
    w = np.concatenate([np.tile(case.windows, len(case.chosen)) for case in cases])
    option = np.concatenate([np.repeat(case.chosen, len(case.windows)) for case in cases])
    where = np.repeat([case.place for case in cases], sizes)
    options = np.where(p.place[w] == where[:, None], option[:, None], state.option[p.place[w]])
    pitch = _rendered(p, w, options)
    gains = ask(state.tokens[w], pitch, p.duration[w])
    values = gains - CROSSING * _crossings(p, w, state.tokens[w], pitch)
    ends = np.cumsum(sizes)[:-1]
    return [(new.reshape(len(case.chosen), -1), own.reshape(len(case.chosen), -1))
            for case, new, own in zip(cases, np.split(values, ends), np.split(gains, ends), strict=True)]


def _option_prices(prices: Prices, changed: np.ndarray) -> np.ndarray:
    """What each option costs in a place where it changes a share of the notes [options] -> [options]."""
    found = np.full(OPTIONS, math.inf)
    found[OWN] = 0.0
    ways = [slice(1, CHORDS + 1), slice(CHORDS + 1, OPTIONS)]
    for way, extra in zip(ways, (0.0, prices.voicing), strict=True):
        if math.isfinite(prices.chord + extra):
            found[way] = (LEAST + changed[way]) * prices.chord + changed[way] * extra
    return found


class _Progression:
    """Nats of the chords before and after a place, for each of its options."""

    def __init__(self, p: SearchSpace, model: ChordModel, chains: Iterable[np.ndarray]):
        rows = p.after[p.first_row, OWN]
        self._root = np.tile(reharmony.option_rows()[:, 0], (len(rows), 1))  # [places, options]
        self._quality = np.tile(reharmony.option_qualities(), (len(rows), 1))
        self._root[:, OWN], self._quality[:, OWN] = rows[:, 0], reharmony.qualities(rows)
        self._costs = model.transitions
        self._beside: list[list[tuple[int, int]]] = [[] for _ in rows]  # (place before, place after), -1 for none
        for chain in chains:
            padded = [-1, *chain.tolist(), -1]
            for before, place, after in zip(padded, padded[1:], padded[2:], strict=False):
                self._beside[place].append((before, after))

    def costs(self, place: int, option: np.ndarray) -> np.ndarray:
        """Of every option of a place [options], where the others are as `option` [places] says."""
        root, quality = self._root[place], self._quality[place]
        total = np.zeros(OPTIONS)
        for before, after in self._beside[place]:
            if before >= 0:
                chord = (root, quality) if before == place else self._chord(before, option)
                total += self._costs[chord[1], (root - chord[0]) % 12, quality]
            if after >= 0 and after != place:
                chord = self._chord(after, option)
                total += self._costs[quality, (chord[0] - root) % 12, chord[1]]
        return total

    def _chord(self, place: int, option: np.ndarray):
        return self._root[place, option[place]], self._quality[place, option[place]]


def _colours(places: Iterable[int], windows_of, chains: Iterable[np.ndarray]) -> list[list[int]]:
    """Places in classes of which no two share a window or are neighbours."""
    beside: list[set[int]] = [set() for _ in windows_of]
    for chain in chains:
        for a, b in pairwise(chain.tolist()):
            beside[a].add(b)
            beside[b].add(a)
    colours: list[tuple[list[int], set[int], set[int]]] = []
    for place in places:
        mine = set(windows_of[place].tolist())
        fits = next((c for c in colours if not mine & c[1] and place not in c[2]), None)
        if fits is None:
            fits = ([], set(), set())
            colours.append(fits)
        fits[0].append(place)
        fits[1].update(mine)
        fits[2].update(beside[place])
    return [members for members, _, _ in colours]


def _notes(p: SearchSpace, state: _State, critics: Critics, prices: Sequence[Prices], fixed: Fixed) -> None:
    """Melody notes moved one at a time in each window, as long as that gains."""
    every = np.arange(len(p.tokens))
    pitch = _rendered(p, every, state.option[p.place])
    there = np.asarray(p.duration > 0)
    onsets: np.ndarray = np.any(there, -1)
    top = np.max(pitch, -1, where=there, initial=-1)
    for _ in range(NOTE_ROUNDS):
        windows_of = index(state.note, len(p.note_members))
        due = [note for note, w in enumerate(windows_of) if len(w)
               and np.max(state.changed[w]) > state.note_asked[note]]
        state.note_asked[due] = state.clock
        cases = [case for note in due for w in [windows_of[note]]
                 for case in _cases(p, state, prices[p.song[w[0]]], fixed, note, w, onsets[w], top[w])]
        if not cases:
            return

        def scored(ask: Score, cases: Sequence[_Case]) -> Iterator[tuple[_Case, np.ndarray]]:
            """Cases with the gains of their windows."""
            w, tokens = (np.concatenate([getattr(case, name) for case in cases]) for name in ("windows", "tokens"))
            gains = ask(tokens, pitch[w], p.duration[w])
            return zip(cases, np.split(gains, np.cumsum([len(case.windows) for case in cases])[:-1]), strict=True)

        if critics.screen is not None:
            now, losses = critics.screen(state.tokens, pitch, p.duration), np.zeros(len(cases))
            for number, (case, new) in enumerate(scored(critics.screen, cases)):
                losses[number] = case.cost - p.weight[case.windows] @ (new - now[case.windows])
            borders = np.flatnonzero(np.diff([case.note for case in cases])) + 1
            left = [own[shortlist(losses[own], NOTES_LEFT)] for own in np.split(np.arange(len(cases)), borders)]
            cases = [cases[number] for number in np.concatenate(left).tolist()]
            if not cases:
                return
        found = []
        for number, (case, new) in enumerate(scored(critics.gain, cases)):
            rise = p.weight[case.windows] @ (new - state.gain[case.windows]) - case.cost
            if rise > ENOUGH:
                found.append((-rise, number, new))
        touched = np.zeros(len(p.tokens), bool)
        for _, number, new in sorted(found, key=lambda x: x[:2]):
            case = cases[number]
            if touched[case.windows].any():
                continue
            touched[case.windows] = True
            state.tokens[case.windows], state.note[case.windows] = case.tokens, case.notes
            state.gain[case.windows] = new
            state.change(case.windows)
            state.nudge[case.note], state.slide[case.note] = case.nudge, case.slide
        if not touched.any():
            return


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Case:
    """A note as it could be: its windows [n], their tokens and notes [n, 32] then, and what that costs more."""

    note: int
    nudge: int
    slide: int
    cost: float
    windows: np.ndarray
    tokens: np.ndarray
    notes: np.ndarray


def _cases(p: SearchSpace, state: _State, prices: Prices, fixed: Fixed, note: int, w: np.ndarray, onsets: np.ndarray,
           top: np.ndarray) -> Iterator[_Case]:
    """All that may become of a note in its windows w, if they can gain from it.

    onsets, top: of the accompaniment in these windows, [n, 32]: whether a note begins, and the highest that does.
    """
    room, members = -p.weight[w] @ state.gain[w], p.note_members[note]
    nudge, slide = int(state.nudge[note]), int(state.slide[note])
    tokens, notes = state.tokens[w], state.note[w]
    here = notes == note
    if not fixed.nudges[note] and room > members * prices.nudge * (nudge == 0):
        tastes = dict(zip(NUDGES, p.note_taste[note].tolist(), strict=True)) | {0: 0.0}
        lowest = np.max(top, where=here & (tokens > top), initial=-1)  # what it lies above
        for by, taste in tastes.items():
            new = melody.transpose(tokens, (by - nudge) * here)
            if by != nudge and (by >= nudge or np.min(new, where=here, initial=127) > lowest):
                cost = members * prices.nudge * (bool(by) - bool(nudge)) + taste - tastes[nudge]
                yield _Case(note=note, nudge=by, slide=slide, cost=cost, windows=w, tokens=new, notes=notes)
    if not slide and not fixed.slides[note] and room > members * prices.slide:
        for by in np.array(SLIDES)[~fixed.barred[note]].tolist():
            moved = _slid(tokens, notes, here, by, onsets)
            if moved is not None:
                yield _Case(note=note, nudge=nudge, slide=by, cost=members * prices.slide, windows=w, tokens=moved[0],
                            notes=moved[1])


def _slid(tokens: np.ndarray, notes: np.ndarray, here: np.ndarray, by: int, onsets: np.ndarray
          ) -> tuple[np.ndarray, np.ndarray] | None:
    """Windows [n, 32] in which the notes marked in `here` begin `by` steps later; None where one may not.

    They go to onsets of the accompaniment from where it has none. One that would leave its window is gone from it.
    """
    tokens, notes = tokens.copy(), notes.copy()
    inside = False
    for i, step in zip(*np.nonzero(here), strict=True):
        target = step + by
        stays = 0 <= target < STEPS
        if stays and (onsets[i, step] or not onsets[i, target] or not editing.may_slide(tokens[i], step, by)):
            return None
        inside |= stays
        _slide(tokens[i], notes[i], int(step), int(target))
    return (tokens, notes) if inside else None


def _slide(tokens: np.ndarray, notes: np.ndarray, step: int, target: int) -> None:
    """Lets the note at `step` of a window [32] begin at `target`, in place; outside the window it is gone from it."""
    if 0 <= target < STEPS:
        tokens[:] = editing.slid(tokens, step, target - step)
        notes[target] = notes[step]
    else:
        tokens[step:] = np.where(np.cumsum(tokens[step:] != melody.HOLD) > 1, tokens[step:], melody.REST)
    notes[step] = -1


def _found(p: SearchSpace, state: _State, song: int, prices: Prices) -> Edits:
    """The edits of one song."""
    layout, shift = p.layouts[song], int(state.shift[song])
    there, note = layout.note >= 0, np.maximum(layout.note, 0)

    def at_onsets(values: np.ndarray) -> np.ndarray:
        return np.where(there, values[note] if len(values) else 0, 0).astype(np.int32)

    return Edits(melody_shift=0 if prices.accompaniment_moves else shift,
                 accompaniment_shift=-shift if prices.accompaniment_moves else 0, cells=layout.cells,
                 options=state.option[layout.place[layout.cells[:-1]]].astype(np.int32),
                 nudges=at_onsets(state.nudge), slides=at_onsets(state.slide))


def of_segments(music: Mapping[str, np.ndarray], controls: Sequence[Mapping[str, Any]], *, score: Score,
                model: ChordModel, prices: Mapping[str, float], progression: float, rounds: int, variety: float,
                seed: int = 0, screen: Score | None = None) -> dict[str, np.ndarray]:
    """Segments of eight beats, each a song of its own, after their edits.

    Args:
        music: "melody" [B, 32], "pitch", "duration" [B, 32, 14], "chords" [B, 8, 3].
        controls: of each segment.
        score, model, progression, rounds, variety, screen: see search.
        seed: of the first segment; the others have the next ones.
        prices: at controls of one half, see edits.prices.

    Returns:
        The same arrays, with "melody_shift" and "accompaniment_shift" [B].
    """
    bars = np.arange(0, STEPS + 1, STEPS // 2)
    names = {"tokens": "melody", "pitch": "pitch", "duration": "duration", "chords": "chords"}
    sources = [Source(bars=bars, **{own: np.asarray(music[name][i], np.int32) for own, name in names.items()})
               for i in range(len(controls))]
    found = search(sources, score, model, [editing.prices(own, **prices) for own in controls], progression=progression,
                   rounds=rounds, seeds=range(seed, seed + len(sources)), variety=variety, screen=screen)
    after = [editing.apply(*pair) for pair in zip(sources, found, strict=True)]
    shifts = {f"{part}_shift": np.array([getattr(own, f"{part}_shift") for own in found], np.int32)
              for part in ("melody", "accompaniment")}
    return {name: np.stack([new[name] for new in after]) for name in after[0]} | shifts
