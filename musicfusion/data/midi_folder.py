"""Melodies out of any folder of MIDI files: the tracks that are one voice (paper 001, section 3.1).

A file is used where it is in 4/4 throughout; of its tracks those without chords, which are neither drums nor bass, lie
within LOWEST..HIGHEST, and keep to the grid of 16ths.
"""

import functools
from pathlib import Path

import numpy as np

from musicfusion.codecs import melody, midi
from musicfusion.codecs.score import Track, grid, monophonic, one_voice_share
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import tunes
from musicfusion.data.corpus import STEPS_PER_BEAT, Arrays, Corpus, Progress, concatenate
from musicfusion.data.readers import read_all
from musicfusion.data.twins import Twins

KINDS = (".mid", ".midi")
BASSES = range(32, 40)  # General MIDI programs
BAR = 4  # quarters
LONGEST = 1000  # bars
NOTES = 16  # fewer make no melody
ONE_VOICE, ON_GRID, NEAR = 0.98, 0.9, 0.12  # share of notes; share of onsets; in 16ths


def files(root: Path) -> list[Path]:
    """The MIDI files under a folder, sorted. Raises MusicFusionError if there is none."""
    found = sorted(path for path in Path(root).rglob("*") if path.suffix.lower() in KINDS and path.is_file())
    if not found:
        raise MusicFusionError(f"{root}: no songs here; accepted is a folder with MIDI files ({', '.join(KINDS)})")
    return found


def read(root: Path, progress: Progress | None = None, limit: int = 0) -> Corpus:
    """The melodies of the files under `root`; `limit` > 0 reads only the first files.

    A melody is called FILE#TRACK, by its place under the folder; those of one FILE are one song. What cannot be used is
    named in `skipped`. Raises MusicFusionError if the folder holds no MIDI file, or none that can be used.
    """
    found = files(root)
    found = found[:limit] if limit else found
    songs: list[tuple[str, Arrays]] = []
    skipped: dict[str, str] = {}
    twins = Twins()
    for done, (path, result) in enumerate(
            zip(found, read_all(functools.partial(_outcome, root=root), found), strict=True), start=1):
        name = path.relative_to(root).with_suffix("").as_posix()
        if isinstance(result, str):
            skipped[name] = result
        else:
            for number, tokens in result.items():
                own = tunes.passages(tokens)
                if not twins.of(own):
                    twins.add(name, own)
                    songs.append((f"{name}#{number}", {"melody": tokens}))
        if progress:
            progress(done, len(found))
    return concatenate(songs, skipped, source=f"{len(found)} MIDI files", place=str(root))


def _outcome(path: Path, root: Path) -> dict[int, np.ndarray] | str:
    try:
        return song(path)
    except MusicFusionError as error:
        return str(error).replace(str(path), path.relative_to(root).as_posix())


def song(path: Path) -> dict[int, np.ndarray]:
    """The melodies of one file: {track number: tokens}, each from the bar of its first note on, in whole bars.

    Raises MusicFusionError if it is unreadable, not in 4/4, or has no melody.
    """
    score = midi.read(path)
    if any(metre[1:] != (4, 4) for metre in score.metres):
        raise MusicFusionError(f"{path}: not in 4/4 throughout")
    if score.length > LONGEST * BAR:
        raise MusicFusionError(f"{path}: longer than {LONGEST} bars")
    found = {number: _tokens(track) for number, track in enumerate(score.tracks) if is_melody(track)}
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
