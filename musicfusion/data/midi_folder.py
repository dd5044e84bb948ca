"""Melodies out of any folder of MIDI files: the tracks that are one voice (Connective Fusion, section 3.1).

A file is used if it is in 4/4 throughout. Of its tracks those are used that have no chords, are neither drums nor bass,
lie within LOWEST..HIGHEST, and keep to the grid of 16ths.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from musicfusion.codecs import melody, midi
from musicfusion.codecs.score import Score, Track, grid, monophonic, one_voice_share
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import licences, near_duplicates, reading
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays, Corpus, Progress
from musicfusion.data.reading import Item

KINDS = midi.SUFFIXES  # in small or capital letters
BASSES = range(32, 40)  # General MIDI programs
BAR = 4  # quarters
LONGEST = 1000  # bars
NOTES = 16  # fewer make no melody
ONE_VOICE, ON_GRID, NEAR = 0.98, 0.9, 0.12  # share of notes; share of onsets; in 16ths


def files(root: Path) -> list[Path]:
    """The MIDI files under a folder, sorted. Raises MusicFusionError without any."""
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in KINDS and path.is_file())
    if not found:
        raise MusicFusionError(f"{root}: no songs here; accepted is a folder with MIDI files ({', '.join(KINDS)})")
    return found


def items(root: Path, limit: int = 0) -> list[Item]:
    """The MIDI files to read, called by their path under the folder; `limit` > 0: only the first.

    Their suffix is part of the name only where another file has the same name without it.
    """
    found = [path.relative_to(root) for path in files(root)]
    count = Counter(path.with_suffix("") for path in found)
    names = [path if count[path.with_suffix("")] > 1 else path.with_suffix("") for path in found]
    return [Item(name.as_posix(), root / path, folder=root) for name, path in zip(names, found, strict=True)][
        : limit or None]


def read(root: Path, *, limit: int = 0, progress: Progress | None = None) -> Corpus:
    """The melodies of the files under `root` as a Corpus; `limit` > 0 reads only the first files.

    A melody is called FILE#TRACK, by the file's path under the folder; those of one FILE are one song. What cannot be
    used is named in `skipped`.

    Raises:
        MusicFusionError: the folder holds no MIDI file, or none that can be used.
    """
    found = items(Path(root), limit)
    return reading.read(found, song, f"{len(found)} MIDI files", several=True, passages=near_duplicates.of_melody,
                        progress=progress, root=str(root), licence=licences.of_folder(Path(root)))


def in_four(path: Path) -> Score:
    """The score of a MIDI file in 4/4 throughout, or that names no metre.

    Raises:
        MusicFusionError: it cannot be read, is in another metre, or is longer than LONGEST bars.
    """
    score = midi.read(path)
    if any(metre[1:] != (4, 4) for metre in score.metres):
        raise MusicFusionError(f"{path}: not in 4/4 throughout")
    if score.length > LONGEST * BAR:
        raise MusicFusionError(f"{path}: longer than {LONGEST} bars")
    return score


def song(path: Path) -> dict[int, Arrays]:
    """The melodies of one file: {track number: {"melody"}}, each from the bar of its first note on, in whole bars.

    Raises:
        MusicFusionError: it cannot be read, is not in 4/4, or has no melody.
    """
    score = in_four(path)
    found = {number: {"melody": _tokens(track)} for number, track in enumerate(score.tracks) if is_melody(track)}
    if not found:
        raise MusicFusionError(f"{path}: no track is one voice on the grid within {melody.LOWEST}..{melody.HIGHEST}")
    return found


def is_melody(track: Track) -> bool:
    """Whether a track is one voice, no bass, within the range and on the grid."""
    if track.is_drum or track.program in BASSES or "bass" in track.name.lower() or len(track.notes) < NOTES:
        return False
    onset, pitch = track.notes[:, 0] * STEPS_PER_BEAT, track.notes[:, 2]
    on_grid = np.mean(np.abs(onset - np.round(onset)) <= NEAR)
    return bool(pitch.min() >= melody.LOWEST and pitch.max() <= melody.HIGHEST and on_grid >= ON_GRID
                and one_voice_share(track) >= ONE_VOICE)


def _tokens(track: Track) -> np.ndarray:
    notes = monophonic(grid(track))
    bar = BAR * STEPS_PER_BEAT
    first = notes[0, 0] // bar * bar
    end = -(-int(np.max(notes[:, 0] + notes[:, 1]) - first) // bar) * bar
    return melody.tokens_from_notes(notes - [first, 0, 0], end)
