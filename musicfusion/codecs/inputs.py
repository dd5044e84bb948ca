"""What a user gives, whatever form it has: a file, its bytes, an object of another library, samples."""

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union

import numpy as np
from jaxtyping import Float, Float32, Int

from musicfusion.codecs import audio, bars, beat_tracking, chord_chart, midi, notation, note_sequence
from musicfusion.codecs.line_beats import TEMPOS
from musicfusion.codecs.score import Score, pitched_tracks, sustained
from musicfusion.core.contracts import Kind
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.report import working

if TYPE_CHECKING:
    from note_seq import NoteSequence
    from pretty_midi import PrettyMIDI

Notes = Union[str, "os.PathLike[str]", bytes, Score, "NoteSequence", "PrettyMIDI"]
Samples = Float[np.ndarray, " n *channels"] | Int[np.ndarray, " n *channels"]
Sound = Union[str, "os.PathLike[str]", bytes, audio.Audio, tuple[Samples, int]]

SUFFIXES: dict[Kind, tuple[str, ...]] = {  # of files, in small letters
    "notes": (*midi.SUFFIXES, *notation.SUFFIXES, *chord_chart.SUFFIXES), "sound": audio.KINDS}

_SOUNDS = (b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"RF64")  # how files of sound begin
_ACCEPTED = {("notes",): "a MIDI file or a score (MusicXML, ABC, **kern)", ("sound",): "a recording ({sounds})",
             ("notes", "sound"): "a MIDI file, a score (MusicXML, ABC, **kern) or a recording ({sounds})"}
_CHANNELS = 32  # more of them than samples are [channels, n], which is not accepted
_NOTICES: ContextVar[list[str] | None] = ContextVar("notices", default=None)


class Recorded(NamedTuple):
    """A recorded line: its samples float32 [n] at codecs.audio.RATE, its score, and when quarter 0 of that is in it."""

    samples: np.ndarray
    score: Score
    offset: float


@contextmanager
def noticing() -> Iterator[list[str]]:
    """Collects the notices of all sources that are read meanwhile, each once; they begin with what the source is."""
    found: list[str] = []
    token = _NOTICES.set(found)
    try:
        yield found
    finally:
        _NOTICES.reset(token)


def read_score(source: Notes, name: str, *, pitched: bool = False, sustain: bool = False,
               charts: bool = False) -> Score:
    """Notes as a Score; `noticing` collects its notices.

    What was played freely is written in beats that are found in it (codecs.beat_tracking).

    Args:
        source: the path or bytes of a MIDI file or of a score (MusicXML, also zipped; ABC; **kern), whatever its suffix
            is; a note_seq.NoteSequence, a pretty_midi.PrettyMIDI, or a Score.
        name: what errors call a source that has no path.
        pitched: refuse a score that has drums only.
        sustain: lengthen a piano's notes by the sustain pedal (score.sustained). Off, for the models learned from notes
            that last as long as their keys are held.
        charts: whether it may be chords alone (codecs.chord_chart): a chart, as a path or bytes, or a lead sheet, which
            is then played from its chord symbols.

    Raises:
        MusicFusionError: it is none of these, is damaged, or holds no notes.
    """
    score = _score(source, name, charts)
    if not isinstance(source, Score):
        score = beat_tracking.with_beats(score)
    if charts:
        score = chord_chart.of_lead_sheet(score) or score
    if pitched:
        pitched_tracks(score, described(source, name))
    score = sustained(score) if sustain else score
    _notice(described(source, name), score.notices)
    return score


def read_aligned(source: Notes, name: str, **how: bool) -> bars.Aligned:
    """The same on its beats, its swing and triplets straight (codecs.bars.aligned); see `read_score`."""
    return aligned(read_score(source, name, **how), described(source, name))


def aligned(score: Score, called: str) -> bars.Aligned:
    """A score on its beats; `noticing` collects what is said of it, by what its source is called."""
    found = bars.aligned(score)
    _notice(called, found.notices)
    return found


def _notice(source: str, notices: Iterable[str]) -> None:
    """Adds what a reader says of a source to what `noticing` collects."""
    found = _NOTICES.get()
    if found is not None:
        found += [line for notice in notices if (line := f"{source}: {notice}") not in found]


def read_sound(source: Sound, name: str) -> Float32[np.ndarray, " n"]:
    """Sound as samples float32 [n] at codecs.audio.RATE, all channels in one; `noticing` collects what is noticed.

    Args:
        source: an audio file's path or bytes, or (samples, rate in Hz): samples [n] or [n, channels], floats in [-1, 1]
            or signed integers at full scale.
        name: what errors call a source that has no path.

    Raises:
        MusicFusionError: it is none of these, is damaged beyond reading, or is empty.
    """
    read = _recording(source, name)
    _notice(described(source, name), read.notices)
    return read.samples


def read_line(source: Sound, name: str, instrument: Literal["bass", "voice"], bpm: float = 0.0) -> Recorded:
    """A recording of one line, and its notes on beats that are found in it (codecs.transcription).

    Args:
        source: as of `read_sound`.
        name: what errors call a source that has no path.
        instrument: what plays the line; a voice may be any instrument that plays one note at a time.
        bpm: about how many beats a minute it has; 0 where that is unknown.

    Raises:
        MusicFusionError: it cannot be read, has no notes, or there is no such tempo.
    """
    if bpm and not TEMPOS[0] <= bpm <= TEMPOS[1]:
        raise MusicFusionError(f"bpm={bpm:g} is out of range: accepted are {TEMPOS[0]:g} to {TEMPOS[1]:g} beats a"
                               " minute, and 0, with which they are found")
    from musicfusion.codecs import transcription  # it takes long, and few need it

    called, samples = described(source, name), read_sound(source, name)
    working("finding notes and beats")
    score, offset = transcription.transcribe(samples, audio.RATE, transcription.INSTRUMENTS[instrument],
                                             title(source, name), bpm)
    count = len(score.tracks[0].notes)
    if not count:
        raise MusicFusionError(f"{called}: no notes were found; a recording of one {instrument} alone is accepted")
    _notice(called, [f"{count} notes were found, and a tempo of {np.median(score.tempos[:, 1]):.0f}; quarter 0 is at"
                     f" {offset:.2f} s of the recording"])
    return Recorded(samples, score, offset)


def is_recorded(source: Notes | Sound, name: str, bpm: float = 0.0) -> bool:
    """Whether a source that may be either is sound. MusicFusionError: see `kind_of`; it is notes, and has a bpm."""
    sound = kind_of(source, name) == "sound"
    if bpm and not sound:
        raise MusicFusionError(f"bpm={bpm:g}: {described(source, name)} is notes, which have their tempo; a recording"
                               " takes it")
    return sound


def kind_of(source: Notes | Sound, name: str, kinds: Sequence[Kind] = ("notes", "sound")) -> Kind:
    """Whether a source is notes or sound: by its content, and by its suffix where that says nothing.

    What looks like neither is taken for the one kind that is accepted, so that its reader says what is wrong.

    Args:
        source: whatever `read_score` and `read_sound` take.
        name: what errors call a source that has no path.
        kinds: those that are accepted.

    Raises:
        MusicFusionError: it is of another kind, or there is no such file; where both are accepted: it is neither.
    """
    found = _looks_like(source)
    if found is None and len(kinds) == 1:
        return kinds[0]
    if found is None or found not in kinds:
        what = f"holds {found}, which these weights do not take" if found else "cannot be read as notes or sound"
        accepted = _ACCEPTED[tuple(sorted(kinds))].format(sounds=", ".join(audio.KINDS))
        raise MusicFusionError(f"{described(source, name)}: {what}; {accepted} is accepted")
    return found


def _looks_like(source: Any) -> Kind | None:
    """notes, sound, or None for what looks like neither."""
    if isinstance(source, (str, os.PathLike)):
        path = _existing(source)
        head, suffix = _content(path, notation.HEAD), path.suffix.lower()
    elif isinstance(source, bytes):
        head, suffix = source, ""
    elif isinstance(source, tuple):
        return "sound"
    else:
        return "notes" if isinstance(source, Score) or type(source).__name__ in ("NoteSequence", "PrettyMIDI") else None
    if head[8:12] in (b"WAVE", b"AIFF", b"AIFC") or head.startswith(_SOUNDS):
        return "sound"
    if head.startswith(b"MThd") or head[8:12] == b"RMID":
        return "notes"
    for kind, known in SUFFIXES.items():
        if suffix in known:
            return kind
    return "notes" if notation.kind(head) or chord_chart.is_chart(head) else None


def _recording(source: Any, name: str) -> audio.Recording:
    if isinstance(source, (str, os.PathLike)):
        path = _existing(source)
        return audio.recording(path, str(path))
    if isinstance(source, bytes):
        return audio.recording(source, name)
    if isinstance(source, tuple) and len(source) == 2:
        samples, rate = np.asarray(source[0]), source[1]
        is_rate = isinstance(rate, (int, float, np.integer, np.floating)) and rate >= 1
        is_sound = samples.ndim in (1, 2) and samples.size and samples.dtype.kind in "fi"
        if is_rate and is_sound and (samples.ndim == 1 or samples.shape[1] <= max(_CHANNELS, len(samples))):
            return audio.mixed(samples, int(rate), name)
    raise MusicFusionError(f"{name}: cannot be read as sound; accepted are an audio file ({', '.join(audio.KINDS)}),"
                           " its bytes, or (samples [n] or [n, channels], rate)")


def described(source: Any, name: str) -> str:
    """What metadata and errors call a source: its path, or its name and what it is."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return f"{name} ({type(source).__name__})"


def title(source: Any, name: str) -> str:
    """What a picture calls a source: a file's name without its ending."""
    return Path(source).stem if isinstance(source, (str, os.PathLike)) else name


def _score(source: Any, name: str, charts: bool) -> Score:
    if isinstance(source, Score):
        return source
    if isinstance(source, (str, os.PathLike)):
        path = _existing(source)
        return _parsed(_content(path), str(path), path.stem, path.suffix.lower(), charts)
    if isinstance(source, bytes):
        return _parsed(source, name, name, "", charts)
    if type(source).__name__ == "NoteSequence":
        return replace(note_sequence.from_note_sequence(source), name=name)
    if type(source).__name__ == "PrettyMIDI":
        buffer = io.BytesIO()
        source.write(buffer)
        return midi.parse(buffer.getvalue(), name)
    raise MusicFusionError(f"{name}: {type(source).__name__} cannot be read as notes; accepted are a MIDI file or a"
                           " score (MusicXML, ABC, **kern), its bytes, a NoteSequence, a PrettyMIDI, or a Score")


def _parsed(data: bytes, called: str, title: str, suffix: str, charts: bool) -> Score:
    """The Score in a file's bytes. called: by errors;  title: of the Score;  suffix: of the file, "" without one."""
    kind = _kind(data, suffix, charts)
    if kind == "score":
        return notation.parse(data, called, title)
    if kind == "MIDI":
        return midi.parse(data, called, title)
    if not charts:
        raise MusicFusionError(f"{called}: a chord chart has no melody and no bass: it can be an accompaniment alone")
    return chord_chart.parse(data, called)


def _kind(data: bytes, suffix: str, charts: bool) -> Literal["score", "MIDI", "chart"]:
    """What a file is: by its content, and by its suffix where that says nothing. What is nothing is called MIDI."""
    if data[:4] in (b"MThd", b"RIFF"):
        return "MIDI"
    if notation.kind(data):
        return "score"
    if chord_chart.is_chart(data) or (charts and suffix in chord_chart.SUFFIXES):
        return "chart"
    return "score" if suffix in notation.SUFFIXES else "MIDI"


def _content(path: Path, most: int = notation.MAX_BYTES + 1) -> bytes:
    """The first bytes of a file; by default, of one that is too large for every reader, one more than the largest."""
    try:
        with open(path, "rb") as file:
            return file.read(most)
    except OSError as error:
        raise MusicFusionError(f"{path}: cannot be opened ({error.strerror})") from None


def _existing(path) -> Path:
    found = Path(path).expanduser()
    if not found.is_file():
        raise MusicFusionError(f"{path}: there is no such file")
    return found
