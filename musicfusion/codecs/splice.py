"""Notes of an earlier song in a new one: in locked spans the earlier ones, everywhere else the new ones.

Times are in steps of a grid. See core.contracts.Locked for what is promised.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Integer, Real

from musicfusion.codecs import feel, melody
from musicfusion.codecs.feel import Feel
from musicfusion.codecs.score import STEPS_PER_QUARTER
from musicfusion.core.contracts import Locked
from musicfusion.core.errors import MusicFusionError

_LEAST = 1 / 4  # steps: of a note that is shortened, less is left out

Memory = TypeVar("Memory")


def remembered(locked: Locked, kind: type[Memory]) -> Memory:
    """What the locked result remembers. MusicFusionError where it is not of this kind."""
    memory = locked.result.memory
    if not isinstance(memory, kind):
        raise MusicFusionError("locked: the result does not hold what is needed to keep its notes: lock one that"
                               " `sample` of such a model returned, not one read from files")
    return memory


def require_as_many(what: str, before: float, now: float) -> None:
    """Raises MusicFusionError where the locked result has another length, or another number of songs."""
    if before != now:
        raise MusicFusionError(f"locked: the earlier result has {before:g} {what}, and now there would be {now:g}:"
                               " inputs, weights, settings and controls that say how many must stay")


def require_same_inputs(same: bool) -> None:
    """Raises MusicFusionError unless the music that the locked result was made of is that which is given now."""
    if not same:
        raise MusicFusionError("locked: the inputs are called as those of the earlier result are, but hold other music"
                               " now")


def played_steps(
    steps: int, feels: Sequence[Feel], *, begin: int = 0, per_quarter: int = STEPS_PER_QUARTER
) -> Float[np.ndarray, " T"]:
    """The quarters at which the steps from `begin` on are played in music with such beats; per_quarter: of the grid."""
    rows = (begin + np.arange(steps))[:, None] / per_quarter * [1, 0] + [0, 1 / per_quarter]
    for own in feels:
        rows = feel.played(rows, own)
    return rows[:, 0]


def locked_steps(
    locked: Locked, tracks: Mapping[str, Collection[str]], times: Mapping[str, Float[np.ndarray, " T"]], length: float
) -> dict[str, Bool[np.ndarray, " T"]]:
    """The steps of the grid at which each part is locked.

    Args:
        locked: the spans, in quarters of the song as it is played.
        tracks: name of a part -> names of its tracks. A span may name either, in upper or lower case.
        times: name of a part -> the quarter at which each step is played, ascending.
        length: of the song, in quarters.

    Raises:
        MusicFusionError: a span that is empty or outside the song, a part that is unknown.
    """
    found = {part: np.zeros(len(own), bool) for part, own in times.items()}
    for start, end, name in locked.spans:
        if not start < end:
            raise MusicFusionError(f"locked: the span from {start:g} to {end:g} is empty: it must begin before it ends")
        if start < 0 or end > length:
            raise MusicFusionError(f"locked: the span from {start:g} to {end:g} is not inside the song, which lasts"
                                   f" {length:g} quarters")
        for part in _named(name, tracks):
            found[part] |= (start <= times[part]) & (times[part] < end)
    return found


def _named(name: str | None, tracks: Mapping[str, Collection[str]]) -> list[str]:
    """The parts that a name means."""
    if name is None:
        return list(tracks)
    wanted = str(name).casefold()
    parts = [part for part in tracks if part.casefold() == wanted]
    parts = parts or [part for part, own in tracks.items() if wanted in {track.casefold() for track in own} - {""}]
    if not parts:
        known: dict[str, str] = {}
        for word in filter(None, [*tracks, *(track for own in tracks.values() for track in own)]):
            known.setdefault(word.casefold(), word)
        raise MusicFusionError(f"locked: part {name!r} is unknown: there are {', '.join(known.values())}")
    return parts


def splice(
    new: Real[np.ndarray, "n columns"], old: Real[np.ndarray, "m columns"], locked: Bool[np.ndarray, " T"], *,
    voice: bool = False,
) -> Real[np.ndarray, "_ columns"]:
    """The old notes that begin at locked steps, and the new ones that begin at others.

    The old ones are as they were. A new one ends where a span of locked steps begins, unless an old note of its pitch
    that begins before sounds on there: then it may last as long. Where it would sound together with an old one that is
    kept, and did not before, it ends where that begins, begins where that ends, or is left out.

    Args:
        new, old: notes of one track, rows (onset, duration, pitch, ...) in steps. A note that is not on the grid
            belongs to the nearest step.
        locked: whether the old notes are kept at each step.
        voice: no two notes may sound together; else no two of one pitch.

    Returns:
        Notes sorted by onset, then pitch; `new` itself where nothing is locked.
    """
    if not locked.any():
        return new
    kept, fresh = old[locked[_steps(old, locked)]], new[~locked[_steps(new, locked)]]
    before = set(map(tuple, old.tolist()))
    stays = np.array([tuple(row) in before for row in fresh.tolist()], bool)
    changed = _beside(_cut(fresh[~stays], old, locked), kept, locked, voice)
    notes = np.concatenate([kept, fresh[stays], changed])
    return notes[np.lexsort((notes[:, 2], notes[:, 0]))]


def splice_voice(
    new: Integer[np.ndarray, " T"], old: Integer[np.ndarray, " T"], locked: Bool[np.ndarray, " T"]
) -> Integer[np.ndarray, " T"]:
    """The same of one voice, as tokens [T] (codecs.melody)."""
    notes = splice(melody.notes_from_tokens(new), melody.notes_from_tokens(old), locked, voice=True)
    return melody.tokens_from_notes(notes, len(new))


def _steps(notes: np.ndarray, locked: np.ndarray) -> np.ndarray:
    """The step to which each note belongs."""
    return np.clip(np.floor(notes[:, 0] + 0.5).astype(int), 0, len(locked) - 1)


def _cut(fresh: np.ndarray, old: np.ndarray, locked: np.ndarray) -> np.ndarray:
    """New notes, cut where a span begins in which no old note of their pitch sounds on."""
    starts = np.flatnonzero(np.diff(locked, prepend=False) & locked)
    following = np.append(starts, np.inf)[np.searchsorted(starts, _steps(fresh, locked))]
    begun, ends = _steps(old, locked), old[:, 0] + old[:, 1]
    fresh = fresh.copy()
    for k in np.flatnonzero(fresh[:, 0] + fresh[:, 1] > following).tolist():
        onset, duration, pitch = fresh[k, :3].tolist()
        until = np.max(ends, where=(old[:, 2] == pitch) & (begun < following[k]), initial=following[k])
        if onset + duration > until:
            fresh[k, 1] = until - onset
    return fresh


def _beside(fresh: np.ndarray, kept: np.ndarray, locked: np.ndarray, voice: bool) -> np.ndarray:
    """New notes that do not sound together with those that are kept."""
    found = []
    beside = {pitch: _spans(kept if voice else kept[kept[:, 2] == pitch]) for pitch in np.unique(fresh[:, 2]).tolist()}
    for row in fresh:
        onsets, ends = beside[row[2].item()]
        begin, end = row[0].item(), (row[0] + row[1]).item()
        after = int(np.searchsorted(onsets, begin, side="right"))
        late = after > 0 and ends[after - 1] > begin
        early = after < len(onsets) and onsets[after] < end
        if late or early:
            row = row.copy()
            row[0] = ends[after - 1] if late else begin
            row[1] = (onsets[after] if early else end) - row[0]
            if row[1] < _LEAST or locked[_steps(row[None], locked)[0]]:
                continue
        found.append(row)
    return np.array(found, fresh.dtype).reshape(-1, fresh.shape[1])


def _spans(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The onsets of notes, ascending, and until when any that has begun then sounds."""
    order = np.argsort(notes[:, 0], kind="stable")
    ends = notes[order, 0] + notes[order, 1]
    return notes[order, 0], np.maximum.accumulate(ends) if len(ends) else ends
