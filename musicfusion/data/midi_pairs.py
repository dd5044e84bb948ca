"""Pairs out of any folder of MIDI files, each of which holds a melody and its accompaniment.

The melody is the track that is called so, or else the highest that is one voice; the accompaniment is everything else
but drums (codecs.score.pick_pair). A file is used if it is in 4/4 throughout and its notes keep to the grid of 16ths.
Chords are estimated (codecs.chords).
"""

from pathlib import Path

import numpy as np

from musicfusion.codecs import beats
from musicfusion.codecs.score import grid, monophonic, pick_pair
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import licences, midi_folder, near_duplicates, reading
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays, Corpus, Progress, pair

BAR = 4  # quarters
ON_GRID, NEAR = 0.75, 0.12  # share of onsets that must lie near the grid; how near, in 16ths


def read(root: Path, *, limit: int = 0, progress: Progress | None = None) -> Corpus:
    """The files under `root` as a Corpus of pairs, called by their path under it; `limit` > 0 reads only the first.

    What cannot be used, and near-duplicates of earlier files, are named in `skipped`.

    Raises:
        MusicFusionError: the folder holds no MIDI file, or none that can be used.
    """
    items = midi_folder.items(Path(root), limit)
    return reading.read(items, song, f"{Path(root).resolve().name}, {len(items)} MIDI files", progress=progress,
                        passages=near_duplicates.of_pair, root=str(root), licence=licences.of_folder(Path(root)))


def song(path: Path) -> Arrays:
    """One file as a pair (see Corpus), in whole bars from that of its first note on.

    Beats are those that the notes mean, where they lie beside the file's own (codecs.beats).

    Raises:
        MusicFusionError: it cannot be read, is not in 4/4 or off the grid, or nothing plays beside its melody.
    """
    score = midi_folder.in_four(path)
    lead, others = pick_pair(score, str(path))
    shift = np.array([beats.phase(score), 0, 0, 0])
    lead_notes, other_notes = lead.notes - shift, others - shift
    onsets = np.concatenate([lead_notes[:, 0], other_notes[:, 0]]) * STEPS_PER_BEAT
    steps = np.floor(onsets + 0.5)
    if np.mean(np.abs(onsets - steps) <= NEAR) < ON_GRID:
        raise MusicFusionError(f"{path}: its notes do not keep to the grid of 16ths")
    offset = np.floor(steps.min() / (BAR * STEPS_PER_BEAT)) * BAR
    lead_line, accompaniment = monophonic(grid(lead_notes, offset)), grid(other_notes, offset)
    both = np.concatenate([lead_line, accompaniment])
    bars = -(-int((both[:, 0] + both[:, 1]).max()) // (BAR * STEPS_PER_BEAT))
    return pair(lead_line, accompaniment, bars * BAR)
