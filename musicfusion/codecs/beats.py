"""Where the beats of a score fall, when its notes say otherwise than the file's own beats.

A transcription often has the right tempo and the wrong beat: the notes of most POP909 songs are off the beats of their
own MIDI file by some 16ths and a constant part of one. Two such files would not fit together.
"""

import numpy as np

from musicfusion.codecs.score import STEPS_PER_QUARTER, Score, pitched_tracks

ON_GRID = 0.1  # 16ths: notes this near to the file's grid were written on it
TOGETHER = 0.3  # least length of the circular mean of the onsets within a 16th: 1 where all lie alike, 0 where none do
IN_THIRDS = 0.6  # the same within a third of a quarter, for triplets throughout
SWUNG = 0.1  # 16ths: where onsets near the beat lie that far from the mean of all, the others are swung
PLAIN = 2.0  # how much more weight another 16th must have than the beat of a file whose bars are not single quarters


def phase(score: Score) -> float:
    """How many quarters after the score's own beats the beats of its notes lie: -0.5 .. 0.5, 0 for a score on its grid.

    The position within a 16th is the circular mean of the onsets; the beat is that of the four 16ths on which the
    longest notes begin (up to a quarter of each counts). Where eighths are swung, only the onsets near that beat count;
    where there are triplets throughout, thirds take the place of 16ths. A score that is written on its grid, in bars,
    is believed, however syncopated. Of 100 POP909 songs 94 then agree with their annotated beats to a 32nd; 24 would
    without it.
    """
    notes = np.concatenate([track.notes for track in pitched_tracks(score)])
    steps, (alike, within) = STEPS_PER_QUARTER, _alike(notes[:, 0] * STEPS_PER_QUARTER)
    if alike < TOGETHER and (thirds := _alike(notes[:, 0] * 3))[0] >= IN_THIRDS:
        steps, (alike, within) = 3, thirds
    on_grid = ON_GRID * steps / STEPS_PER_QUARTER
    knows_bars = any(4 * numerator != denominator for _, numerator, denominator in score.metres[:1])
    if abs(within) <= on_grid or alike < TOGETHER:
        if knows_bars:
            return 0.0
        within = 0.0
    positions = np.floor(notes[:, 0] * steps - within + 0.5).astype(int) % steps
    weight = np.bincount(positions, np.minimum(notes[:, 1], 1.0), steps)
    beat = int(np.argmax(weight))
    if knows_bars and weight[beat] <= PLAIN * weight[0]:
        beat = 0
    near = notes[positions == beat, 0]
    later = (_alike(near * steps)[1] - within + 0.5) % 1.0 - 0.5 if len(near) else 0.0
    if abs(later) > SWUNG:
        within += later
        if abs((within + 0.5) % 1.0 - 0.5) <= on_grid:
            within = float(np.round(within))
    return ((beat + within) / steps + 0.5) % 1.0 - 0.5


def _alike(times: np.ndarray) -> tuple[float, float]:
    """The circular mean of times [n] within a unit: its length, 0..1, and where it is, -0.5 .. 0.5."""
    direction = np.mean(np.exp(2j * np.pi * times))
    return float(abs(direction)), float(np.angle(direction) / (2 * np.pi))
