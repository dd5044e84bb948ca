"""Score <-> note_seq.NoteSequence, and model segments <-> NoteSequence."""

import warnings
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Integer

from musicfusion.codecs import chord_symbols, chords
from musicfusion.codecs.score import DEFAULT_QPM, Score, Track, from_notes, grid
from musicfusion.core.errors import MusicFusionError

if TYPE_CHECKING:
    from note_seq import NoteSequence

MELODY_PROGRAM = 40  # violin
ACCOMPANIMENT_PROGRAM = 0  # piano
_CHORD = 1  # what note_seq calls CHORD_SYMBOL
_MELODY = 0  # the melody's instrument number in a segment's sequence


def to_note_sequence(score: Score) -> "NoteSequence":
    """The score as a NoteSequence: times in seconds, one instrument for each track.

    Tempo map, metres, names, programs and drums are kept, and given chords, by the nearest symbols. Velocities are
    rounded, 1 at least. A NoteSequence has no words.
    """
    sequence = _music_pb2().NoteSequence()
    sequence.ticks_per_quarter = 480
    sequence.filename = score.name
    for quarter, qpm in score.tempos:
        sequence.tempos.add(time=float(score.seconds(quarter)), qpm=qpm)
    for quarter, numerator, denominator in score.metres:
        time = float(score.seconds(quarter))
        sequence.time_signatures.add(time=time, numerator=numerator, denominator=denominator)
    for quarter, *row in score.chords:
        sequence.text_annotations.add(time=float(score.seconds(quarter)), text=chords.name(row), annotation_type=_CHORD)
    for instrument, track in enumerate(score.tracks):
        sequence.instrument_infos.add(instrument=instrument, name=track.name)
        starts = score.seconds(track.notes[:, 0])
        ends = score.seconds(track.notes[:, 0] + track.notes[:, 1])
        rows = np.column_stack([starts, ends, track.notes[:, 2:]])
        for start, end, pitch, velocity in rows.tolist():
            sequence.notes.add(
                start_time=start,
                end_time=end,
                pitch=int(pitch),
                velocity=max(round(velocity), 1),
                instrument=instrument,
                program=track.program,
                is_drum=track.is_drum,
            )
    sequence.total_time = float(score.seconds(score.length))
    return sequence


def from_note_sequence(sequence: "NoteSequence") -> Score:
    """The NoteSequence as a Score, the inverse of `to_note_sequence` to within rounding.

    One track for each instrument, program and drum flag that has notes, in this order; times in quarters by the
    sequence's tempo map (120 quarters a minute where it has none). Its chord symbols are the Score's chords, as far as
    they are understood.

    Raises:
        MusicFusionError: a tempo is not positive, or a note is out of range or has no length.
    """
    clock, parts = _parts(sequence)
    metres = sorted((s.time, s.numerator, s.denominator) for s in sequence.time_signatures)
    in_quarters = tuple((float(clock.quarters(time)), *metre) for time, *metre in metres)
    tracks = tuple(track for _, track in parts)
    return Score(tracks, clock.tempos, in_quarters, clock.name, chords=_chords(sequence, clock))


def segment_to_note_sequence(
    melody_notes: Integer[np.ndarray, "n 3"], accompaniment_notes: Integer[np.ndarray, "m 3"], qpm: float = DEFAULT_QPM
) -> "NoteSequence":
    """A segment as a NoteSequence: instrument 0 is the melody, 1 the accompaniment.

    Args:
        melody_notes: int [n, 3] on the grid of 16ths (onset step, duration in steps, pitch).
        accompaniment_notes: int [m, 3], the same.
        qpm: tempo in quarters a minute.
    """
    tracks = (
        from_notes("MELODY", MELODY_PROGRAM, melody_notes),
        from_notes("ACCOMPANIMENT", ACCOMPANIMENT_PROGRAM, accompaniment_notes),
    )
    return to_note_sequence(Score(tracks, np.array([[0.0, qpm]]), ((0.0, 4, 4),), "segment"))


def segment_from_note_sequence(
    sequence: "NoteSequence"
) -> tuple[Integer[np.ndarray, "n 3"], Integer[np.ndarray, "m 3"]]:
    """The inverse of `segment_to_note_sequence`, exact for notes on the grid.

    Instrument 0 is the melody; all others but drums are the accompaniment.

    Returns:
        melody notes int32 [n, 3] and accompaniment notes int32 [m, 3], on the grid of 16ths.

    Raises:
        MusicFusionError: as `from_note_sequence`.
    """
    _, parts = _parts(sequence)
    pitched = [(instrument, track) for instrument, track in parts if not track.is_drum]
    melody = [track.notes for instrument, track in pitched if instrument == _MELODY]
    others = [track.notes for instrument, track in pitched if instrument != _MELODY]
    nothing = np.zeros((0, 4))
    return grid(np.concatenate([nothing, *melody])), grid(np.concatenate([nothing, *others]))


def _parts(sequence: "NoteSequence") -> tuple[Score, list[tuple[int, Track]]]:
    """A score without tracks that knows the tempo map, and the tracks by instrument number."""
    name = sequence.filename or sequence.id or "sequence"
    names = {info.instrument: info.name for info in sequence.instrument_infos}
    rows: dict[tuple[int, int, bool], list] = {}
    for note in sequence.notes:
        part = rows.setdefault((note.instrument, note.program, note.is_drum), [])
        part.append((note.start_time, note.end_time, note.pitch, note.velocity))
    parts = []
    try:
        clock = Score((), _tempos(sequence), (), name)
        for (instrument, program, is_drum), part in sorted(rows.items()):
            notes = np.array(part, np.float64)
            notes[:, :2] = clock.quarters(notes[:, :2])
            notes[:, 1] -= notes[:, 0]
            parts.append((instrument, Track(names.get(instrument, ""), program, is_drum, notes)))
    except ValueError as error:
        raise MusicFusionError(f"{name}: a NoteSequence that cannot be used: {error}") from None
    return clock, parts


def _chords(sequence: "NoteSequence", clock: Score) -> tuple[tuple[float, int, int, int], ...]:
    """The chords that its annotations name, in quarters."""
    named = {note.time: row for note in sequence.text_annotations
             if note.annotation_type == _CHORD and note.time >= 0 and (row := chord_symbols.understood(note.text))}
    return tuple((float(clock.quarters(time)), *row) for time, row in sorted(named.items()))


def _tempos(sequence: "NoteSequence") -> np.ndarray:
    """The tempo map, float64 [m, 2], rows (quarter, quarters a minute)."""
    by_time = {0.0: DEFAULT_QPM} | {tempo.time: tempo.qpm for tempo in sequence.tempos}
    times, qpm = np.array(sorted(by_time.items())).T
    quarters = np.concatenate([[0.0], np.cumsum(np.diff(times) * qpm[:-1] / 60.0)])
    if times[0] < 0:
        raise ValueError("a tempo must not come before the start")
    return np.column_stack([quarters, qpm])


def _music_pb2():  # the module of NoteSequence
    with warnings.catch_warnings():
        # Importing note_seq imports pydub, which warns of audioop and of a missing ffmpeg.
        warnings.simplefilter("ignore")
        from note_seq.protobuf import music_pb2
    return music_pb2
