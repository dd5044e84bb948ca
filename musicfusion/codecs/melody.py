"""Melody tokens: one symbol per 16th step (CollageNet, section 3.4; the encoding is that of EC2-VAE).

0..127 is the onset of that pitch, 128 holds the note before, 129 is a rest. Functions of tokens take NumPy and JAX
arrays alike. Notes are int32 [n, 3]: onset step, duration in steps, pitch.
"""

import numpy as np
from jaxtyping import Integer

from musicfusion.core.arrays import AnyArray, ArrayModule

HOLD = 128
REST = 129
VOCABULARY = 130
RHYTHMS = 3  # 0 onset, 1 hold, 2 rest
LOWEST, HIGHEST = 55, 84  # Connective Fusion's range (section 3.1)
PITCHES = HIGHEST - LOWEST + 1
SYMBOLS = PITCHES + 2


def tokens_from_notes(notes: Integer[np.ndarray, "n 3"], steps: int) -> Integer[np.ndarray, " T"]:
    """Notes of one voice, sorted by onset, then pitch -> tokens uint8 [steps].

    A note sounds until its end or the next onset, whichever comes first; of two notes with one onset the highest stays.
    A note that reaches beyond the last step is cut there.
    """
    tokens = np.full(steps, REST, np.uint8)
    end = 0
    for onset, duration, pitch in notes:  # the highest of one onset is written last
        if 0 <= onset < steps:
            tokens[onset:end] = REST  # whatever sounded ends here
            end = onset + duration
            tokens[onset:end] = HOLD
            tokens[onset] = pitch
    return tokens


def notes_from_tokens(tokens: Integer[AnyArray, " T"]) -> Integer[np.ndarray, "n 3"]:
    """Tokens [T] -> notes int32 [n, 3]; a hold without a note before it (or after a rest) is a rest."""
    tokens = np.asarray(tokens)
    onsets = np.flatnonzero(tokens < HOLD)
    ends = np.append(onsets, len(tokens))[1:]
    durations = [
        1 + int(np.argmax(np.append(tokens[a + 1 : b], REST) != HOLD))
        for a, b in zip(onsets, ends, strict=True)
    ]
    return np.stack([onsets, durations, tokens[onsets]], 1).astype(np.int32).reshape(-1, 3)


def transpose(tokens: Integer[AnyArray, "..."], shift: Integer[AnyArray, "..."] | int) -> Integer[AnyArray, "..."]:
    """Tokens [...] moved by `shift` semitones (which broadcasts): int32. Holds and rests stay.

    A pitch that would leave 0..127 is folded back by octaves. (To roll one-hot columns instead would turn holds and
    rests into onsets for 6 of 12 keys.)
    """
    tokens = tokens.astype(np.int32)
    onset = tokens < HOLD
    return onset * fold(tokens + shift) + (~onset) * tokens


def fold(pitch: Integer[AnyArray, "*B"] | int, low: int = 0, high: int = 127) -> Integer[AnyArray, "*B"] | int:
    """Pitches [...] moved by whole octaves into low..high, which spans at least an octave."""
    up, down = (low - pitch + 11) // 12, (pitch - high + 11) // 12
    return pitch + 12 * ((pitch < low) * up) - 12 * ((pitch > high) * down)


def symbols(tokens: Integer[AnyArray, "*B"], xp: ArrayModule = np) -> Integer[AnyArray, "*B"]:
    """Tokens [...] -> Connective Fusion's melodico-rhythmic symbols 0..31, int32 [...] (section 3.1).

    30 pitches from LOWEST on, then hold and rest (after Hadjeres and Nielsen). A pitch outside LOWEST..HIGHEST is moved
    into the range by octaves.
    """
    tokens = tokens.astype(xp.int32)
    return xp.where(tokens < HOLD, fold(tokens, LOWEST, HIGHEST) - LOWEST, tokens - HOLD + PITCHES)


def from_symbols(symbols: Integer[AnyArray, "*B"], xp: ArrayModule = np) -> Integer[AnyArray, "*B"]:
    """The inverse of `symbols`: 0..31 [...] -> tokens int32 [...]."""
    symbols = symbols.astype(xp.int32)
    return xp.where(symbols < PITCHES, symbols + LOWEST, symbols - PITCHES + HOLD)


def finer(tokens: Integer[np.ndarray, " T"]) -> Integer[np.ndarray, " 2*T"]:
    """Tokens [T] -> the same notes on a grid of half the step, [2 T]."""
    return np.stack([tokens, np.where(tokens < HOLD, HOLD, tokens)], -1).reshape(-1).astype(tokens.dtype)


def rhythm(tokens: Integer[AnyArray, "*B"]) -> Integer[AnyArray, "*B"]:
    """Tokens [...] -> rhythm symbols [...]: 0 onset, 1 hold, 2 rest."""
    return (tokens == HOLD) * 1 + (tokens == REST) * 2


def sounding(tokens: Integer[AnyArray, "*B T"], xp: ArrayModule = np) -> Integer[AnyArray, "*B T"]:
    """The pitch that sounds at each step, or -1: tokens [..., T] -> int32 [..., T]."""
    onset = tokens < HOLD
    last = xp.maximum.accumulate(xp.where(onset, xp.arange(tokens.shape[-1]), -1), axis=-1)
    pitch = xp.take_along_axis(tokens.astype(np.int32), xp.maximum(last, 0), -1)
    return xp.where((tokens != REST) & (last >= 0), pitch, -1)


def without_carry(tokens: Integer[AnyArray, "*B T"], xp: ArrayModule = np) -> Integer[AnyArray, "*B T"]:
    """Windows [..., T] of tokens, cut out of songs: holds of a note that began before the window become rests."""
    started = xp.cumsum(tokens != HOLD, axis=-1) > 0
    return xp.where(started, tokens, REST)
