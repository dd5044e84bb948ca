"""Where the beats of a score fall, when its notes say otherwise than the file's own beats.

A transcription often has the right tempo and the wrong beat: the notes of most POP909 songs are off the beats of their
own MIDI file by some 16ths and a constant part of one. Two such files would not fit together.
"""

import numpy as np

from musicfusion.codecs.score import STEPS_PER_QUARTER, Score, pitched_tracks

ON_GRID = 0.1  # 16ths: notes this near to the file's grid were written on it
TOGETHER = 0.3  # least length of the circular mean of the onsets within a 16th: 1 where all lie alike, 0 where none do
PLAIN = 2.0  # how much more weight another 16th must have than the beat of a file whose bars are not single quarters


def phase(score: Score) -> float:
    """How many quarters after the score's own beats the beats of its notes lie: -0.5 .. 0.5, 0 for a score on its grid.

    The position within a 16th is the circular mean of the onsets; the beat is that of the four 16ths on which the
    longest notes begin (up to a quarter of each counts). A score that is written on its grid, in bars, is believed,
    however syncopated. Of 100 POP909 songs 94 then agree with their annotated beats to a 32nd; 24 would without it.
    """
    notes = np.concatenate([track.notes for track in pitched_tracks(score)])
    onsets = notes[:, 0] * STEPS_PER_QUARTER
    direction = np.mean(np.exp(2j * np.pi * onsets))
    within = float(np.angle(direction) / (2 * np.pi))
    knows_bars = any(4 * numerator != denominator for _, numerator, denominator in score.metres[:1])
    if abs(within) <= ON_GRID or abs(direction) < TOGETHER:
        if knows_bars:
            return 0.0
        within = 0.0
    positions = np.floor(onsets - within + 0.5).astype(int) % STEPS_PER_QUARTER
    weight = np.bincount(positions, np.minimum(notes[:, 1], 1.0), STEPS_PER_QUARTER)
    beat = int(np.argmax(weight))
    if knows_bars and weight[beat] <= PLAIN * weight[0]:
        beat = 0
    return ((beat + within) / STEPS_PER_QUARTER + 0.5) % 1.0 - 0.5
