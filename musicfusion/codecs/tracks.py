"""Several tracks of one voice each on one grid: uint8 [T, 4] tokens (MusAE, section 3.1).

Each step of a track has one of the 130 symbols of codecs.melody: the onset of a pitch, hold, rest. Of notes that sound
together the lowest counts. The paper's own encoding is `merged`: there a repeated note is held, and so is silence.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Integer

from musicfusion.codecs import melody
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.codecs.score import STEPS_PER_QUARTER, Score, Track, grid
from musicfusion.core.arrays import AnyArray, ArrayModule

TRACKS = 4
OCTAVE = 12  # semitones
BASSES, GUITARS, OTHERS = range(32, 40), range(32), range(40, 120)  # General MIDI programs; those above are noises


class Part(NamedTuple):
    """A track's name, and the program that plays it; drums have none."""

    name: str
    program: int
    drums: bool = False


BAND = (Part("drums", 0, True), Part("bass", 33), Part("guitar", 27), Part("strings", 48))
VOICES = (Part("soprano", 52), Part("alto", 52), Part("tenor", 52), Part("bass", 52))
INSTRUMENTATIONS = {"band": BAND, "voices": VOICES}


def encode(notes: Integer[np.ndarray, "n 3"], steps: int) -> Integer[np.ndarray, " T"]:
    """Notes int [n, 3] on the grid -> tokens uint8 [steps]: at each step the lowest pitch that sounds.

    A note that sounds on after a lower one begins again there.
    """
    pitch, begun = np.full(steps, -1), np.full(steps, -1)
    order = np.lexsort((notes[:, 0], -notes[:, 2]))  # lower notes are written over higher ones
    for onset, duration, height in notes[order].tolist():
        span = slice(max(onset, 0), max(onset + duration, 0))
        pitch[span], begun[span] = height, onset
    before = np.concatenate([[-1], pitch[:-1]])
    starts = (pitch >= 0) & ((begun == np.arange(steps)) | (pitch != before))
    return np.where(starts, pitch, np.where(pitch >= 0, HOLD, REST)).astype(np.uint8)


def notes(tokens: Integer[AnyArray, "T tracks"]) -> list[Integer[np.ndarray, "_ 3"]]:
    """Tokens [T, 4] -> notes int32 [n, 3] of each track; a hold without a note is a rest."""
    return [melody.notes_from_tokens(track) for track in np.asarray(tokens).T]


def score(
    tokens: Integer[AnyArray, "T 4"], instrumentation: str, tempo: float = 100.0, name: str = "song",
    per_quarter: int = STEPS_PER_QUARTER,
) -> Score:
    """Tokens [T, 4] -> a Score in 4/4, a track for each part that has notes.

    instrumentation: one of INSTRUMENTATIONS; tempo: beats a minute; name: of the score; per_quarter: steps.
    """
    parts = []
    for part, found in zip(INSTRUMENTATIONS[instrumentation], notes(tokens), strict=True):
        if len(found):
            times, loudness = found[:, :2] / per_quarter, np.full((len(found), 1), 90)
            parts.append(Track(part.name.upper(), part.program, part.drums, np.hstack([times, found[:, 2:], loudness])))
    return Score(tuple(parts), np.array([[0.0, tempo]]), ((0.0, 4, 4),), name)


def sounding(tokens: Integer[AnyArray, "*B T tracks"], xp: ArrayModule = np) -> Integer[AnyArray, "*B T tracks"]:
    """The pitch that sounds at each step of tokens [..., T, tracks], -1 for none: int32 of the same shape."""
    tokens = tokens.astype(xp.int32)
    step = xp.arange(tokens.shape[-2])[:, None]
    last = _last(xp.where(tokens != HOLD, step, -1), xp)
    pitch = xp.take_along_axis(tokens, xp.maximum(last, 0), axis=-2)
    return xp.where((last >= 0) & (pitch < HOLD), pitch, -1)


def _last(marked: Integer[AnyArray, "*B T tracks"], xp: ArrayModule) -> Integer[AnyArray, "*B T tracks"]:
    """The greatest so far, along time."""
    if xp is np:
        return np.maximum.accumulate(marked, axis=-2)
    from jax import lax

    return lax.cummax(marked, axis=marked.ndim - 2)


def without_carry(tokens: Integer[AnyArray, "*B T tracks"], xp: ArrayModule = np) -> Integer[AnyArray, "*B T tracks"]:
    """Windows [..., T, tracks] of tokens, cut out of songs: holds of notes that began before become rests. int32."""
    return xp.where((sounding(tokens, xp) < 0), REST, tokens.astype(xp.int32))


def merged(tokens: Integer[AnyArray, "*B T tracks"], xp: ArrayModule = np) -> Integer[AnyArray, "*B T tracks"]:
    """The paper's encoding of tokens [..., T, tracks]: what sounds as it did one step before, silence too, is held.

    Repeated notes become one.
    """
    pitch = sounding(tokens, xp)
    same = xp.concatenate([xp.zeros_like(pitch[..., :1, :], dtype=bool), pitch[..., 1:, :] == pitch[..., :-1, :]], -2)
    return xp.where(same, HOLD, xp.where(pitch >= 0, pitch, REST))


def transpose(
    tokens: Integer[AnyArray, "*B T tracks"], shift: Integer[AnyArray, "*B"], pitched: Bool[AnyArray, " tracks"],
    xp: ArrayModule = np,
) -> Integer[AnyArray, "*B T tracks"]:
    """Tokens [..., T, tracks] moved by `shift` semitones [...] where a track is `pitched` [tracks]; drums stay."""
    moved = melody.transpose(tokens, shift[..., None, None])
    return xp.where(pitched, moved, tokens.astype(xp.int32))


def in_range(
    tokens: Integer[np.ndarray, "*B T tracks"], like: Integer[np.ndarray, "*B T tracks"],
    pitched: Bool[np.ndarray, " tracks"],
) -> Integer[np.ndarray, "*B T tracks"]:
    """Tokens [..., T, tracks] whose pitched tracks keep the range that they have in another version, `like`.

    A note outside of it moves by octaves: into it where that is possible, else to just above its lowest note. Drums
    stay, and so do tracks that are silent in `like`.
    """
    other = sounding(like)
    low = np.where(other >= 0, other, HOLD).min(-2, keepdims=True)
    high = other.max(-2, keepdims=True)
    moves = (tokens < HOLD) & (high >= 0) & pitched
    pitch = tokens.astype(np.int32)
    pitch -= OCTAVE * np.maximum(-((high - pitch) // OCTAVE), 0)
    pitch += OCTAVE * np.maximum(-((pitch - low) // OCTAVE), 0)
    pitch -= OCTAVE * (pitch >= HOLD)
    return np.where(moves, pitch, tokens)


def roles(song: Score) -> Mapping[str, list[Track]]:
    """The tracks of a band's score by the part of BAND that they are; those without notes are left out.

    Source: MusAE, section 4.1.
    """
    found: dict[str, list[Track]] = {part.name: [] for part in BAND}
    for track in song.tracks:
        if not len(track.notes):
            continue
        if track.is_drum:
            found["drums"].append(track)
        elif track.program in BASSES:
            found["bass"].append(track)
        elif track.program in GUITARS:
            found["guitar"].append(track)
        elif track.program in OTHERS:
            found["strings"].append(track)
    return found


def from_tracks(
    parts: Sequence[Sequence[Track]], offset: float, steps: int, per_quarter: int = STEPS_PER_QUARTER
) -> Integer[np.ndarray, "T 4"]:
    """The tracks of each part, merged -> tokens uint8 [steps, 4] on the grid that begins at the quarter `offset`."""
    columns = []
    for part in parts:
        merged_notes = np.concatenate([track.notes for track in part]) if part else np.zeros((0, 4))
        columns.append(encode(grid(merged_notes, offset, per_quarter), steps))
    return np.stack(columns, 1)
