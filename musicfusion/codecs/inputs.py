"""What a user gives, whatever form it has: a file, its bytes, an object of another library, samples."""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from jaxtyping import Float, Float32, Int

from musicfusion.codecs import audio, chord_chart, midi, notation, note_sequence
from musicfusion.codecs.score import Score, pitched_tracks, sustained
from musicfusion.core.errors import MusicFusionError

if TYPE_CHECKING:
    from note_seq import NoteSequence
    from pretty_midi import PrettyMIDI

Notes = Union[str, "os.PathLike[str]", bytes, Score, "NoteSequence", "PrettyMIDI"]
Samples = Float[np.ndarray, " n *channels"] | Int[np.ndarray, " n *channels"]
Sound = Union[str, "os.PathLike[str]", bytes, audio.Audio, tuple[Samples, int]]

_CHANNELS = 32  # more of them than samples are [channels, n], which is not accepted
_NOTICES: ContextVar[list[str] | None] = ContextVar("notices", default=None)


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

    Args:
        source: the path or bytes of a MIDI file or of a score (MusicXML, also zipped; ABC; **kern), whatever its suffix
            is; a note_seq.NoteSequence, a pretty_midi.PrettyMIDI, or a Score.
        name: what errors call a source that has no path.
        pitched: refuse a score that has drums only.
        sustain: lengthen a piano's notes by the sustain pedal (score.sustained). Off, for the models learned from notes
            that last as long as their keys are held.
        charts: whether it may be a chord chart, too (codecs.chord_chart), as a path or bytes.

    Raises:
        MusicFusionError: it is none of these, is damaged, or holds no notes.
    """
    score = _chart(source, name, charts) or _score(source, name)
    if pitched:
        pitched_tracks(score, described(source, name))
    score = sustained(score) if sustain else score
    _notice(described(source, name), score.notices)
    return score


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


def _chart(source: Any, name: str, wanted: bool) -> Score | None:
    """The Score of a chord chart; None where the source is none."""
    if isinstance(source, (str, os.PathLike)):
        path = _existing(source)
        named = path.suffix.lower() in chord_chart.SUFFIXES
        if path.stat().st_size > chord_chart.MAX_BYTES:
            return None
        data, called = path.read_bytes(), os.fspath(source)
    elif isinstance(source, bytes):
        data, called, named = source, name, False
    else:
        return None
    if notation.kind(data) or not ((named and wanted) or chord_chart.is_chart(data)):
        return None
    if not wanted:
        raise MusicFusionError(f"{called}: a chord chart has no melody: it can be an accompaniment alone")
    return chord_chart.parse(data, called)


def _score(source: Any, name: str) -> Score:
    if isinstance(source, Score):
        return source
    if isinstance(source, (str, os.PathLike)):
        path = _existing(source)
        return notation.read(path) if _is_notation(path) else midi.read(path)
    if isinstance(source, bytes):
        return notation.parse(source, name) if notation.kind(source) else midi.parse(source, name)
    if type(source).__name__ == "NoteSequence":
        score = note_sequence.from_note_sequence(source)
        return Score(score.tracks, score.tempos, score.metres, name)
    if type(source).__name__ == "PrettyMIDI":
        buffer = io.BytesIO()
        source.write(buffer)
        return midi.parse(buffer.getvalue(), name)
    raise MusicFusionError(f"{name}: {type(source).__name__} cannot be read as notes; accepted are a MIDI file or a"
                           " score (MusicXML, ABC, **kern), its bytes, a NoteSequence, a PrettyMIDI, or a Score")


def _is_notation(path: Path) -> bool:
    """Whether a file holds a score; by its suffix where its content says neither that nor MIDI."""
    try:
        with open(path, "rb") as file:
            start = file.read(notation.HEAD)
    except OSError:
        return False  # the reader of MIDI says why
    return bool(notation.kind(start)) or (path.suffix.lower() in notation.SUFFIXES and start[:4] != b"MThd")


def _existing(path) -> Path:
    found = Path(path).expanduser()
    if not found.is_file():
        raise MusicFusionError(f"{path}: there is no such file")
    return found
