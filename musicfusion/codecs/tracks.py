"""Several tracks of one voice each on one grid: uint8 [T, 4] tokens (paper 004, section 3.1).

One of 130 categories a step and track, those of codecs/melody.py: the onset of a pitch, hold, rest. Of notes that sound
together the lowest counts. The paper's own encoding lets a repeated note run on, and says rest but once (`merged`).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from musicfusion.codecs import melody
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.codecs.score import Score, Track, grid

TRACKS = 4
BASSES, GUITARS, OTHERS = range(32, 40), range(32), range(40, 120)  # General MIDI programs; beyond are noises


class Part(NamedTuple):
    """A track's name, and the program that plays it; drums have none."""

    name: str
    program: int
    drums: bool = False


BAND = (Part("drums", 0, True), Part("bass", 33), Part("guitar", 27), Part("strings", 48))
VOICES = (Part("soprano", 52), Part("alto", 52), Part("tenor", 52), Part("bass", 52))
LINEUPS = {"band": BAND, "voices": VOICES}


def encode(notes: np.ndarray, steps: int) -> np.ndarray:
    """Notes int [n, 3] on the grid -> tokens uint8 [steps]: at each step the lowest pitch that sounds.

    A note that comes out from under a lower one begins again there.
    """
    pitch, begun = np.full(steps, -1), np.full(steps, -1)
    order = np.lexsort((notes[:, 0], -notes[:, 2]))  # lower notes are written over higher ones
    for onset, duration, height in notes[order].tolist():
        span = slice(max(onset, 0), max(onset + duration, 0))
        pitch[span], begun[span] = height, onset
    before = np.concatenate([[-1], pitch[:-1]])
    starts = (pitch >= 0) & ((begun == np.arange(steps)) | (pitch != before))
    return np.where(starts, pitch, np.where(pitch >= 0, HOLD, REST)).astype(np.uint8)


def notes(tokens: np.ndarray) -> list[np.ndarray]:
    """Tokens [T, 4] -> notes int32 [n, 3] of each track; a hold without a note is a rest."""
    return [melody.notes_from_tokens(track) for track in np.asarray(tokens).T]


def score(tokens: np.ndarray, lineup: str, tempo: float = 100.0, name: str = "song") -> Score:
    """Tokens [T, 4] -> a Score in 4/4, a track for each part that has notes."""
    made = []
    for part, found in zip(LINEUPS[lineup], notes(tokens), strict=True):
        if len(found):
            times, loudness = found[:, :2] / 4.0, np.full((len(found), 1), 90)
            made.append(Track(part.name.upper(), part.program, part.drums, np.hstack([times, found[:, 2:], loudness])))
    return Score(tuple(made), np.array([[0.0, tempo]]), ((0.0, 4, 4),), name)


def sounding(tokens, xp=np):
    """Which pitch sounds at each step, -1 for none: int32 [..., T, 4]; works on NumPy and JAX arrays."""
    tokens = tokens.astype(xp.int32)
    place = xp.arange(tokens.shape[-2])[:, None]
    last = _last(xp.where(tokens != HOLD, place, -1), xp)
    pitch = xp.take_along_axis(tokens, xp.maximum(last, 0), axis=-2)
    return xp.where((last >= 0) & (pitch < HOLD), pitch, -1)


def _last(marked, xp):
    """The greatest so far, along time."""
    if xp is np:
        return np.maximum.accumulate(marked, axis=-2)
    from jax import lax

    return lax.cummax(marked, axis=marked.ndim - 2)


def without_carry(tokens, xp=np):
    """Window(s) [..., T, 4] cut out of a song: holds of notes that began before the window become rests."""
    return xp.where((sounding(tokens, xp) < 0), REST, tokens.astype(xp.int32))


def merged(tokens, xp=np):
    """The paper's encoding of tokens [..., T, 4]: whatever sounds as one step before, silence too, is held.

    Repeated notes are lost; back in notes they are one.
    """
    pitch = sounding(tokens, xp)
    same = xp.concatenate([xp.zeros_like(pitch[..., :1, :], dtype=bool), pitch[..., 1:, :] == pitch[..., :-1, :]], -2)
    return xp.where(same, HOLD, xp.where(pitch >= 0, pitch, REST))


def transpose(tokens, shift, pitched, xp=np):
    """Tokens [..., T, 4] moved by `shift` semitones [...] where a track is `pitched` [4]; drums stay."""
    moved = melody.transpose(tokens, shift[..., None, None])
    return xp.where(pitched, moved, tokens.astype(xp.int32))


def roles(song: Score) -> Mapping[str, list[Track]]:
    """The tracks of a band's score by what they are (paper 004, section 4.1); those without notes are left out."""
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


def from_tracks(parts: list[list[Track]], offset: float, steps: int) -> np.ndarray:
    """The tracks of each part, merged -> tokens uint8 [steps, 4] on the grid that begins at the quarter `offset`."""
    columns = []
    for part in parts:
        merged_notes = np.concatenate([track.notes for track in part]) if part else np.zeros((0, 4))
        columns.append(encode(grid(merged_notes, offset), steps))
    return np.stack(columns, 1)
