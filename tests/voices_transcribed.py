"""How well a voice is transcribed: melodies of POP909, sung by a computed singer, whose notes and beats are known.

    python tests/voices_transcribed.py POP909-Dataset [COUNT]
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.optimize
import sung

from musicfusion.codecs import bass_notes, line_beats, midi, voice_notes

SECONDS, COUNT, SEED = 45.0, 60, 0
NEAR, ON_BEAT = 0.1, 0.07  # seconds: onsets of notes, and beats, that agree


def songs(root: Path, count: int) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Songs in 4/4, drawn at random: their names, the first seconds of their melodies, [n, 4], beats, bar lines."""
    folders = sorted(path.parent for path in root.glob("**/beat_midi.txt"))
    drawn = [folders[k] for k in np.random.default_rng(SEED).permutation(len(folders))]
    for folder in drawn:
        times, _, is_line = np.loadtxt(folder / "beat_midi.txt").T
        if 0.2 < is_line.mean() < 0.3:
            score = midi.read(folder / f"{folder.name}.mid")
            yield folder.name, *_cut(score, times, times[is_line > 0])
            count -= 1
        if not count:
            return


def _cut(score, beats, lines) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first part of a melody, from half a second on, with its beats and bar lines."""
    notes = next(track for track in score.tracks if track.name == "MELODY").notes
    notes = notes[np.argsort(notes[:, 0])]
    onset, end = score.seconds(notes[:, 0]), score.seconds(notes[:, 0] + notes[:, 1])
    end[:-1] = np.minimum(end[:-1], onset[1:])
    rows = np.column_stack([onset, end - onset, notes[:, 2:]])[end - onset > 0.03]
    first = rows[0, 0] - 0.5
    rows[:, 0] -= first
    return rows[rows[:, 0] + rows[:, 1] < SECONDS], beats - first, lines - first


def notes_found(found: np.ndarray, truth: np.ndarray) -> float:
    """F1 of notes: one to one, of the same pitch, their onsets within NEAR."""
    alike = (np.abs(found[:, None, 0] - truth[:, 0]) <= NEAR) & (found[:, None, 2] == truth[:, 2])
    pairs = alike[scipy.optimize.linear_sum_assignment(~alike)].sum()
    return 2 * pairs / max(len(found) + len(truth), 1)


def beats_found(found: np.ndarray, truth: np.ndarray, notes: np.ndarray) -> float:
    """F1 of beats within ON_BEAT, from the first note to the last."""
    inside = [times[(times > notes[0, 0] - 0.2) & (times < notes[-1, 0] + 0.2)] for times in (found, truth)]
    away = np.abs(np.subtract.outer(*inside))
    if not away.size:
        return 0.0
    precision, recall = (float(np.mean(away.min(axis=axis) < ON_BEAT)) for axis in (1, 0))
    return 2 * precision * recall / max(precision + recall, 1e-9)


def main(root: str, count: int) -> None:
    """Prints the table."""
    notes, beats = {}, {}
    before = None
    for number, (_, truth, times, lines) in enumerate(songs(Path(root), count)):
        for name, singer in (("a good singer", sung.GOOD), ("a poor singer", sung.POOR)):
            samples = sung.sing(truth, SECONDS + 1, number, singer)
            found = voice_notes.notes(samples, sung.RATE)
            rows = {"voice_notes": found, "bass_notes": bass_notes.notes(samples, sung.RATE)}
            rows |= {} if before is None else {"notes of the song before": before}
            for method, own in rows.items():
                notes.setdefault((name, method), []).append(notes_found(own, truth))
        before, tempo, ways = truth, 60 / np.median(np.diff(times)), {}
        for name, habits, given in (("voice", line_beats.VOICE, 0), ("voice, tempo known", line_beats.VOICE, tempo),
                                    ("bass", line_beats.BASS, 0)):
            ways[name] = line_beats.beats(found, SECONDS, habits, given)
        for name, own in (("even, 72 a minute", 72.0), ("even, tempo known", tempo)):  # from the first note on
            ways[name] = line_beats.Beats(np.arange(found[0, 0], SECONDS, 60 / own), 0)
        for name, (own, first) in ways.items():
            pair = beats_found(own, times, truth), beats_found(own[first::4], lines, truth)
            beats.setdefault(name, []).append((*pair, pair[0] > 0.9, pair[1] > 0.9))
        print(f"\r{number + 1} of {count}", end="", file=sys.stderr, flush=True)
    print(f"\n{'F1 of notes':44} {'mean':>5} {'worst':>6}")
    for (name, method), shares in notes.items():
        print(f"{f'{name}, {method}':44} {np.mean(shares):5.2f} {min(shares):6.2f}")
    print(f"\n{'beats, as of':24} F1 beats  F1 bars  beats right  bars right")
    for name, rows in beats.items():
        print(f"{name:24} {'   '.join(f'{value:8.2f}' for value in np.mean(rows, axis=0))}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else COUNT)
