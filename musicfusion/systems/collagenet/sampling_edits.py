"""Songs fused by exact edits (edits.py): every track keeps its instrument, its loudness and its timing.

The search reads both parts on the grid of 16ths. What it finds is then done to the notes as they were played: those of
the melody's track, and of each pitched track of the accompaniment by the same chords. Drums are left alone. What is
locked, the search holds (locks.py).
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from musicfusion.codecs import bars, chords, melody, polyphony, splice
from musicfusion.codecs.score import Track, by_onset
from musicfusion.core.contracts import Locked
from musicfusion.metrics import retained
from musicfusion.render import page, pianoroll
from musicfusion.render.result import Picture, SampleResult
from musicfusion.systems.collagenet import DECLARATION, edits, locks, sampling_voice, search
from musicfusion.systems.collagenet.dataset import PARTS, PER_BEAT
from musicfusion.systems.collagenet.edits import Edits, Source
from musicfusion.systems.collagenet.reharmony import OWN, ChordModel
from musicfusion.systems.collagenet.sampling import Pair, locked_steps, on_step, song
from musicfusion.systems.collagenet.screening import Score

LEAST = 1 / 16  # quarters that a note lasts at least after it or its neighbour has moved
LEGATO = 0.25  # quarters between notes that count as one line
KEPT = {
    "intervals_kept": "melodic intervals", "contour_kept": "melodic contour", "onsets_kept": "melody onsets",
    "notes_kept": "accompaniment notes (F1)", "voicing_rhythm_kept": "accompaniment rhythm (F1)",
    "chords_kept": "chords"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Memory:
    """What a next search needs to hold a part of a fused song.

    Attributes:
        source: the pair as the search reads it.
        edits: what was done to it.
        tracks: of each part, after the edits, as they are played but for swing and triplets.
        parts: the notes of each part after the edits, on the grid, int32 [n, 3].
    """

    source: Source
    edits: Edits
    tracks: Mapping[str, tuple[Track, ...]]
    parts: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kept:
    """What a song keeps of an earlier one.

    Attributes:
        memory: of the earlier one.
        held: the edits that stay.
        steps: where each part is locked, bool [T].
        notices: what is to be said of it.
    """

    memory: Memory
    held: locks.Held
    steps: Mapping[str, np.ndarray]
    notices: tuple[str, ...]


def generator(*, score: Score, model: ChordModel, prices: Mapping[str, float], progression: float, rounds: int,
              variety: float, screen: Score | None = None) -> Callable:
    """(pairs, controls, seeds, locked) -> SampleResults.

    Args:
        score, screen: trained critics, see search.search.
        model: what songs taught about chords.
        prices: "chord", "voicing", "nudge", "slide" at controls of one half.
        progression, rounds, variety: see search.search.
    """

    def generate(pairs: Sequence[Pair], controls: Mapping[str, Any], seeds: Sequence[int],
                 locked: Sequence[Locked | None]) -> list[SampleResult]:
        sources = [source(pair) for pair in pairs]
        asked = [edits.prices(_own_key(pair, controls), **prices) for pair in pairs]
        kept = [None if lock is None else _kept(pair, own, lock, controls)
                for pair, own, lock in zip(pairs, sources, locked, strict=True)]
        found = search.search(sources, score, model, asked, progression=progression, rounds=rounds, seeds=seeds,
                              variety=variety, screen=screen, holds=[None if own is None else own.held for own in kept])
        return [result(*song) for song in zip(pairs, sources, found, kept, strict=True)]

    return generate


def _own_key(pair: Pair, controls: Mapping[str, Any]) -> dict[str, Any]:
    """The controls; where either key may hold, a recorded melody's does, for its sound cannot be transposed."""
    own = pair.is_recorded and controls["key"] == "either"
    return {**controls, "key": PARTS[0]} if own else dict(controls)


def _kept(pair: Pair, source: Source, locked: Locked, controls: Mapping[str, Any]) -> Kept:
    """What a song keeps of an earlier one. MusicFusionError where that was not made of this pair."""
    memory = splice.remembered(locked, Memory)
    splice.require_as_many("quarters", memory.source.steps / PER_BEAT, source.steps / PER_BEAT)
    splice.require_same_inputs(all(np.array_equal(getattr(source, name), x) for name, x in vars(memory.source).items()))
    steps = locked_steps(pair, locked, memory.tracks)
    held = locks.held(source, memory.edits, steps)
    said = []
    if overruled := locks.overruled(held, controls):
        said.append(f"what is locked keeps edits that {', '.join(overruled)} would not make: locks win")
    if count := locks.repeats(source, held, steps):
        said.append(f"{count} more bar{'s are' if count > 1 else ' is'} held, at least in part, with the locked ones:"
                    " equal bars have equal edits")
    return Kept(memory=memory, held=held, steps=steps, notices=tuple(said))


def source(pair: Pair) -> Source:
    """A pair as the search reads it."""
    pitch, duration = polyphony.slots_from_notes(pair.accompaniment, pair.steps)
    arrays = {"tokens": melody.tokens_from_notes(pair.melody, pair.steps), "pitch": pitch, "duration": duration,
              "chords": pair.chords}
    return Source(bars=bars.lines(pair.metres, pair.steps), **{name: x.astype(np.int32) for name, x in arrays.items()})


# The notes as they were played ---------------------------------------------------------------------------------------


def played(pair: Pair, source: Source, found: Edits) -> dict[str, tuple[Track, ...]]:
    """The tracks of each part after the edits."""
    return {"melody": tuple(_melody(track, source, found) for track in pair.tracks["melody"]),
            "accompaniment": tuple(track if track.is_drum else _accompaniment(track, source, found)
                                   for track in pair.tracks["accompaniment"])}


def _melody(track: Track, source: Source, found: Edits) -> Track:
    """The notes that are the melody are nudged and slid; what else its track plays moves with the key alone.

    A note that slides ends where it ended. The one before ends with it, if it sounded until then.
    """
    notes = track.notes.copy()
    step = np.clip(on_step(notes), 0, source.steps - 1)
    pitch = notes[:, 2].astype(int)
    leads = source.tokens[step] == pitch
    notes[:, 2] = melody.fold(melody.fold(pitch + found.melody_shift) + leads * found.nudges[step])
    by = leads * edits.made_slides(source.tokens, found)[step] / PER_BEAT
    notes[:, 0] += by
    ends = track.notes[:, 0] + track.notes[:, 1]
    new = ends.copy()
    line = np.flatnonzero(leads)[np.argsort(step[leads], kind="stable")]
    for before, after in pairwise(line.tolist()):
        if by[after] < 0:
            new[before] = min(ends[before], notes[after, 0])
        elif by[after] > 0 and ends[before] > track.notes[after, 0] - LEGATO:
            new[before] = notes[after, 0]
    moved = (by != 0) | (new != ends)
    notes[:, 1] = np.where(moved, np.maximum(new - notes[:, 0], LEAST), notes[:, 1])
    begins = dict(zip(track.notes[:, 0].tolist(), notes[:, 0].tolist(), strict=True))
    words = tuple((begins.get(at, at), text) for at, text in track.lyrics)
    return dataclasses.replace(track, notes=notes, lyrics=words)


def _accompaniment(track: Track, source: Source, found: Edits) -> Track:
    """Every note goes where its chord goes."""
    notes = track.notes.copy()
    notes[:, 2] = edits.pitches(source, found, on_step(notes), notes[:, 2].astype(int))
    return dataclasses.replace(track, notes=notes)


def _spliced(track: Track, old: Track, locked: np.ndarray) -> Track:
    """A track with the earlier notes of its locked 16ths."""
    unit = np.array([PER_BEAT, PER_BEAT, 1, 1])
    return dataclasses.replace(track, notes=splice.splice(track.notes * unit, old.notes * unit, locked) / unit)


# What comes back -----------------------------------------------------------------------------------------------------


def result(pair: Pair, source: Source, found: Edits, earlier: Kept | None = None) -> SampleResult:
    """The fused song beside the pair as it was."""
    new = edits.apply(source, found)
    after = {"melody": melody.notes_from_tokens(new["melody"]), "accompaniment": by_onset(np.stack(
        [pair.accompaniment[:, 0], pair.accompaniment[:, 1],
         edits.pitches(source, found, pair.accompaniment[:, 0], pair.accompaniment[:, 2])], 1))}
    tracks = played(pair, source, found)
    if earlier is not None:
        old, steps = earlier.memory, earlier.steps
        after = {part: splice.splice(after[part], old.parts[part], steps[part], voice=part == "melody")
                 for part in PARTS}
        tracks = {part: tuple(_spliced(*both, steps[part]) for both in zip(tracks[part], old.tracks[part], strict=True))
                  for part in PARTS}
        new |= dict(zip(("pitch", "duration"), polyphony.slots_from_notes(after["accompaniment"], source.steps),
                        strict=True))
    shifts = {"melody": found.melody_shift, "accompaniment": found.accompaniment_shift}
    kept = shares(source, new, found)
    names = [[chords.name(row) for row in rows] for rows in (source.chords, new["chords"])]
    picture = Picture(title="Edits are marked", draw=functools.partial(
        pianoroll.compare, before=pair.parts, after=after, title=f"Before and after the fusion: {words(found)}",
        beats_per_bar=bars.quarters(pair.metres), chords_before=names[0], chords_after=names[1], shifts=shifts))
    nudged, slid = (int(np.sum(moved != 0)) for moved in (found.nudges, edits.made_slides(source.tokens, found)))
    counts = {"shift": shifts, "chords_changed": int(np.sum(found.options != OWN)), "places_for_chords":
              len(found.options), "notes_nudged": nudged, "notes_slid": slid}
    table = page.Table("What was kept of both pieces", ["of", "%"],
                       [[label, 100 * share] for name, label in KEPT.items() if (share := kept[name]) is not None])
    scores = {name: song(pair, own, name) for name, own in (("fused", tracks), ("before", pair.tracks))}
    sound, said = sampling_voice.mixed(pair, tracks["accompaniment"], shift=found.melody_shift, changed=nudged + slid)
    return SampleResult(
        title=DECLARATION.title,
        main="fused",
        scores=scores,
        chords={"fused": names[1], "before": names[0]},
        audio=sound,
        players={**dict.fromkeys(sound, "Your voice with the new accompaniment"), "fused": "The fused song",
                 "before": "The two pieces as they were, one over the other"},
        pictures={"fused": picture},
        tables=(table,),
        metadata={"edits": counts, "kept": kept, "beats": pair.steps // PER_BEAT},
        notices=(words(found) + ".", *said, *(earlier.notices if earlier is not None else ()), *pair.notices),
        memory=Memory(source=source, edits=found, tracks=tracks, parts=after),
    )


def shares(source: Source, new: Mapping[str, np.ndarray], found: Edits) -> dict[str, float | None]:
    """What the song keeps of both pieces (metrics.retained), 0..1; None where there was nothing to keep."""
    old = {"pitch": source.pitch[None], "duration": source.duration[None], "chords": source.chords[None]}
    both = retained.of_melody(new["melody"][None], source.tokens[None], found.melody_shift)
    both |= retained.of_accompaniment({name: new[name][None] for name in old}, old, found.accompaniment_shift)
    return {name: None if np.isnan(share[0]) else float(share[0]) for name, share in both.items()}


def words(found: Edits) -> str:
    """What became of the key, in words."""
    for part, shift in (("melody", found.melody_shift), ("accompaniment", found.accompaniment_shift)):
        if shift:
            steps = f"{abs(shift)} semitone" + "s" * (abs(shift) != 1)
            return f"the {part} is {steps} {'higher' if shift > 0 else 'lower'} than it was"
    return "both parts are in the key they were in"
