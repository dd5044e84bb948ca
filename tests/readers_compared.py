"""What becomes of odd files, here and in other libraries, as a table in Markdown.

    python tests/readers_compared.py FOLDER...

A folder holds the files, and expected.json: {file: what a reader should make of it}, which is some of notes (how many),
pitches, drums, name (of a track), seconds, seconds_at_least, peak_at_least, warns, and refused. The files of
`odd_files.py` come last. The other libraries are pretty_midi, mido and music21 for MIDI; music21, partitura and
note_seq for MusicXML; soundfile, SciPy and Python's wave for sound.
"""

import contextlib
import io
import json
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import odd_files

MIDI, SCORE, SOUND = "MIDI", "MusicXML", "sound"
TOLERANCE = 0.1  # seconds
SHORT = 40  # characters of a cell's reason


class Found(NamedTuple):
    """What a reader makes of a file; None where it does not say."""

    pitches: list[int] | None = None
    drums: bool | None = None
    names: list[str] | None = None
    seconds: float | None = None
    peak: float | None = None
    notices: tuple[str, ...] = ()


def kind(name: str) -> str:
    return {".mid": MIDI, ".wav": SOUND, ".ogg": SOUND, ".m4a": SOUND}.get(Path(name).suffix.lower(), SCORE)


# Readers --------------------------------------------------------------------------------------------------------------


def ours_of_notes(path: Path) -> Found:
    from musicfusion.codecs import inputs

    read = inputs.read_score(path, path.name)
    pitches = [int(pitch) for one in read.tracks for pitch in one.notes[:, 2]]
    guess = "no tempo is given"  # true of most scores
    return Found(pitches, any(one.is_drum for one in read.tracks), [one.name for one in read.tracks],
                 notices=tuple(notice for notice in read.notices if not notice.startswith(guess)))


def ours_of_sound(path: Path) -> Found:
    from musicfusion.codecs import audio

    read = audio.recording(path, path.name)
    return Found(seconds=len(read.samples) / audio.RATE, peak=float(np.abs(read.samples).max()), notices=read.notices)


def pretty_midi(path: Path) -> Found:
    import pretty_midi

    tracks = pretty_midi.PrettyMIDI(str(path)).instruments
    return Found([note.pitch for one in tracks for note in one.notes], any(one.is_drum for one in tracks),
                 [one.name for one in tracks])


def mido(path: Path) -> Found:
    import mido

    tracks = mido.MidiFile(path).tracks
    struck = [event for track in tracks for event in track if event.type == "note_on" and event.velocity]
    return Found([event.note for event in struck], None, [track.name for track in tracks])


def of_music21(path: Path) -> Found:
    from music21 import converter
    from music21.instrument import Percussion

    read = converter.parse(path, forceSource=True, format="midi" if kind(path.name) == MIDI else "musicxml")
    pitches = [pitch.midi for one in read.toSoundingPitch().recurse().notes for pitch in one.pitches]
    drums = any(isinstance(one, Percussion) for one in read.recurse().getElementsByClass("Instrument"))
    drums |= any("Unpitched" in one.classes or "PercussionChord" in one.classes for one in read.recurse())
    return Found(pitches, drums, [str(part.partName) for part in read.getElementsByClass("Part")])


def partitura(path: Path) -> Found:
    import partitura

    return Found([int(note["pitch"]) for note in partitura.load_musicxml(path).note_array()])


def note_seq(path: Path) -> Found:
    from note_seq import musicxml_reader

    return Found([note.pitch for note in musicxml_reader.musicxml_file_to_sequence_proto(str(path)).notes])


def soundfile(path: Path) -> Found:
    import soundfile

    samples, rate = soundfile.read(path, always_2d=True)
    return Found(seconds=len(samples) / rate, peak=float(np.abs(samples.mean(axis=1)).max(initial=0)))


def scipy(path: Path) -> Found:
    from scipy.io import wavfile

    rate, samples = wavfile.read(path)
    scale = np.iinfo(samples.dtype).max if samples.dtype.kind in "iu" else 1
    mean = samples.reshape(-1, *samples.shape[1:] or (1,)).mean(axis=1) / scale
    return Found(seconds=len(samples) / rate, peak=float(np.abs(mean).max(initial=0)))


def wave(path: Path) -> Found:
    import wave

    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), f"<i{file.getsampwidth()}")
        samples = data.reshape(-1, file.getnchannels()).mean(axis=1)
        return Found(seconds=len(samples) / file.getframerate(), peak=float(np.abs(samples).max(initial=0)) / 2**15)


READERS: dict[str, dict[str, Callable[[Path], Found]]] = {
    MIDI: {"musicfusion": ours_of_notes, "pretty_midi": pretty_midi, "mido": mido, "music21": of_music21},
    SCORE: {"musicfusion": ours_of_notes, "music21": of_music21, "partitura": partitura, "note_seq": note_seq},
    SOUND: {"musicfusion": ours_of_sound, "soundfile": soundfile, "scipy": scipy, "wave": wave},
}


# Cells ----------------------------------------------------------------------------------------------------------------


def wrong(found: Found, wanted: dict[str, Any]) -> str:
    """What of it is not as it should be; "" if nothing is."""
    counts = np.atleast_1d(wanted.get("notes", []))
    lengths = np.atleast_1d(wanted.get("seconds", []))
    faults = {
        "is read": "refused" in wanted,
        "no notes": found.pitches == [] and not wanted.keys().isdisjoint(("notes", "pitches")),
        f"{len(found.pitches or ())} notes": len(counts) and len(found.pitches or ()) not in counts,
        f"pitch {', '.join(map(str, found.pitches or ()))}": sorted(found.pitches or ()) != wanted.get(
            "pitches", sorted(found.pitches or ())),
        "piano instead of drums": wanted.get("drums") and found.drums is False,
        f"called {', '.join(found.names or ())[:12]!r}": "name" in wanted and found.names is not None and wanted[
            "name"] not in found.names,
        f"{found.seconds or 0:.1f} s": (len(lengths) and np.abs(lengths - (found.seconds or 0)).min() > TOLERANCE)
        or (found.seconds or 0) < wanted.get("seconds_at_least", 0),
        "silence": (found.peak or 0) < wanted.get("peak_at_least", 0),
    }
    return next((words for words, is_so in faults.items() if is_so), "")


def cell(read: Callable[[Path], Found], path: Path, wanted: dict[str, Any], is_ours: bool) -> str:
    """ok, wrong or an error, in a few words; of ours also the notices."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            found = read(path)
    except ModuleNotFoundError as error:
        return f"({error.name} is not installed)"
    except Exception as error:
        line = " ".join(str(error).replace(f"{path}: ", "").replace(str(path), path.name).split())
        line = line.replace("|", "/") or type(error).__name__
        if is_ours:
            return f"refused: {line.removeprefix(f'{path.name}: ').rpartition('; ')[0] or line}"
        return f"error: {textwrap.shorten(line, SHORT, placeholder='...')}"
    words = f"{len(found.pitches)} note{'s' * (len(found.pitches) != 1)}" if found.pitches is not None else (
        f"{found.seconds:.1f} s")
    fault = wrong(found, wanted)
    said = "; ".join([f"wrong: {fault}" if fault else f"ok, {words}", *found.notices])
    return said.replace("|", "/")


def table(of: str, folders: dict[Path, dict[str, dict[str, Any]]]) -> list[str]:
    """The lines of a table of one kind of files."""
    head = ["file", *READERS[of]]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for folder, expected in folders.items():
        for name, wanted in expected.items():
            if kind(name) == of:
                cells = [cell(read, folder / name, wanted, library == "musicfusion")
                         for library, read in READERS[of].items()]
                lines.append(f"| {Path(name).stem if of == MIDI else name} | {' | '.join(cells)} |")
    return lines


def main(folders: list[Path]) -> None:
    """Prints a table for each kind of files."""
    with tempfile.TemporaryDirectory() as own:
        known = {folder: json.loads((folder / "expected.json").read_text()) for folder in folders}
        known[Path(own)] = odd_files.write(Path(own))
        for of in READERS:
            print("\n".join([*table(of, known), ""]))


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    main([Path(argument) for argument in sys.argv[1:]])
