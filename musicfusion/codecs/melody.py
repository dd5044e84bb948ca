"""Melody tokens: one symbol per 16th step (EC2-VAE; paper 000, section 3.4; FACTS of its public code).

0..127 is the onset of that pitch, 128 holds the note before, 129 is a rest. Works on NumPy and JAX arrays alike where
a function takes arrays of tokens; notes are int32 [n, 3]: onset step, duration in steps, pitch.
"""

import numpy as np

HOLD = 128
REST = 129
VOCABULARY = 130
RHYTHMS = 3  # 0 onset, 1 hold, 2 rest
LOWEST, HIGHEST = 55, 84  # the range of paper 001
PITCHES = HIGHEST - LOWEST + 1
SYMBOLS = PITCHES + 2


def tokens_from_notes(notes: np.ndarray, steps: int) -> np.ndarray:
    """Notes of one voice -> tokens uint8 [steps].

    A note sounds until its end or the next onset, whichever comes first; of two notes on one onset the highest stays.
    A note that reaches beyond the last step is cut there and keeps its full length up to it.
    """
    tokens = np.full(steps, REST, np.uint8)
    end = 0
    for onset, duration, pitch in notes:  # sorted by onset, then pitch: the highest is written last
        if 0 <= onset < steps:
            tokens[onset:end] = REST  # whatever sounded ends here
            end = onset + duration
            tokens[onset:end] = HOLD
            tokens[onset] = pitch
    return tokens


def notes_from_tokens(tokens: np.ndarray) -> np.ndarray:
    """Tokens [steps] -> notes int32 [n, 3]; a hold without a note before it (or after a rest) is a rest."""
    tokens = np.asarray(tokens)
    onsets = np.flatnonzero(tokens < HOLD)
    ends = np.append(onsets, len(tokens))[1:]
    durations = [
        1 + int(np.argmax(np.append(tokens[a + 1 : b], REST) != HOLD))
        for a, b in zip(onsets, ends, strict=True)
    ]
    return np.stack([onsets, durations, tokens[onsets]], 1).astype(np.int32).reshape(-1, 3)


def transpose(tokens, shift):
    """Tokens [...] moved by `shift` semitones (an integer, or an array that broadcasts): holds and rests stay.

    Shifting tokens, not one-hot columns: rolling the columns turns holds and rests into onsets for 6 of 12 keys.
    A pitch that would leave 0..127 is folded back by octaves. int32, whatever came in.
    """
    tokens = tokens.astype(np.int32)
    onset = tokens < HOLD
    return onset * fold(tokens + shift) + (~onset) * tokens


def fold(pitch, low=0, high=127):
    """Pitches int32 [...] moved by whole octaves into low..high, an octave at least."""
    up, down = (low - pitch + 11) // 12, (pitch - high + 11) // 12
    return pitch + 12 * ((pitch < low) * up) - 12 * ((pitch > high) * down)


def symbols(tokens, xp=np):
    """Tokens [...] with pitches in LOWEST..HIGHEST -> the melodico-rhythmic symbols of paper 001, 0..31 [...], int32.

    30 pitches from LOWEST on, then hold and rest (Hadjeres and Nielsen; paper 001, section 3.1). A pitch outside is
    moved into the range by octaves.
    """
    tokens = tokens.astype(xp.int32)
    return xp.where(tokens < HOLD, fold(tokens, LOWEST, HIGHEST) - LOWEST, tokens - HOLD + PITCHES)


def from_symbols(symbols, xp=np):
    """The reverse of `symbols`: 0..31 [...] -> tokens int32 [...]."""
    symbols = symbols.astype(xp.int32)
    return xp.where(symbols < PITCHES, symbols + LOWEST, symbols - PITCHES + HOLD)


def finer(tokens: np.ndarray) -> np.ndarray:
    """Tokens [T] -> the same notes on a grid of half the step, [2 T]."""
    return np.stack([tokens, np.where(tokens < HOLD, HOLD, tokens)], -1).reshape(-1).astype(tokens.dtype)


def rhythm(tokens):
    """Tokens [...] -> rhythm symbols [...]: 0 onset, 1 hold, 2 rest."""
    return (tokens == HOLD) * 1 + (tokens == REST) * 2


def without_carry(tokens, xp=np):
    """Window(s) of tokens [..., T] cut out of a song: holds of a note that began before the window become rests."""
    started = xp.cumsum(tokens != HOLD, axis=-1) > 0
    return xp.where(started, tokens, REST)
