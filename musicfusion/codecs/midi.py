"""MIDI files <-> Score.

Files from the wild are read as far as they make sense, in one walk of their bytes (midi_chunks, midi_events), under
limits: whatever is wrong with a file ends as a notice of its Score, or as one MusicFusionError.
"""

import dataclasses
import io
import os
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import lcm
from pathlib import Path

import numpy as np
from jaxtyping import Float

from musicfusion.codecs import midi_chunks, midi_text
from musicfusion.codecs.midi_events import ACCEPTED, DRUMS, INSTRUMENT, NAME, File, Part, Refused, TrackChunk
from musicfusion.codecs.score import DEFAULT_QPM, Score, Track, pitched_tracks
from musicfusion.core.errors import MusicFusionError

SUFFIXES = (".mid", ".midi", ".kar", ".rmi")  # files with words, and within RIFF, too
MAX_BYTES = 8 * 2**20
MAX_SECONDS = 24 * 3600

_MAX_DIVISION, _FALLBACK_DIVISION = 32767, 480 * 64  # ticks a quarter: 15 bits in the header
_LONGEST = 200  # characters of a name or syllable


def read(path: str | os.PathLike[str]) -> Score:
    """The music in a MIDI file, also one that is damaged, or wrapped in RIFF (.rmi).

    Each track is split by channel and program. A note-on of velocity 0 is a note-off; of several notes of one pitch the
    first to start is the first to end; a note that is never ended sounds to the end of its track, or until its track
    ends all notes of its channel. Notes that begin and end while their channel's volume or expression is 0 are left
    out. Drums are those of channel 10, and of channels that GM2, GS or XG give to them.

    Tempo map, metres, lyrics and the sustain pedal are kept, other controllers and pitch bends are not. The pedal
    lengthens no note: see `score.sustained`. The patterns of a file of type 2 are put one after the other. In a file
    that is timed in SMPTE frames nothing says where beats are: it gets DEFAULT_QPM, and no metre. There may be nothing
    but drums: see `require_pitched`.

    Returns:
        A Score named after the file, without tracks that have no notes; its notices say what was passed over, changed
        or guessed, each once.

    Raises:
        MusicFusionError: one line, whatever the reason: no such file, not MIDI, damaged beyond reading, without notes,
            or beyond the limits here, in midi_chunks and in midi_events.
    """
    return _read(lambda: _load(path), _printable(path), _printable(Path(path).stem))


def parse(data: bytes, name: str, title: str = "") -> Score:
    """The same from a file's bytes; `name` is what errors call it, and the Score too, unless there is a `title`."""
    def content() -> bytes:
        if len(data) > MAX_BYTES:
            raise Refused(f"larger than {MAX_BYTES >> 20} MiB", "a smaller file")
        return data

    return _read(content, _printable(name), _printable(title or name))


def _read(content: Callable[[], bytes], name: str, title: str) -> Score:
    try:
        return _to_score(midi_chunks.read(content()), title)
    except Refused as error:
        raise MusicFusionError(f"{name}: {error}") from None
    except Exception as error:  # whatever a stranger's file provokes, no traceback
        line = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise MusicFusionError(
            f"{name}: cannot be read ({line}); {ACCEPTED} is accepted"
        ) from error


def write(path: str | os.PathLike[str], score: Score) -> None:
    """Write a MIDI file of type 1: a conductor track, then one named track for each of the score's.

    It has at least 480 ticks a quarter, and as many as every time in the score needs to be exact (where the format
    cannot have so many, 30,720, and times are rounded). Drums go to channel 10, other tracks to the
    channel they had unless another program has it. Pedals and lyrics go to their track, lyrics of no track to the
    conductor's. The file appears whole or not at all.
    Read back, the score is the same but for tracks without notes, a note inside a longer one of the same pitch and
    track (MIDI cannot tell which of them ends), and notices.

    Raises:
        MusicFusionError: the file cannot be written, or MIDI has no such tempo or metre.
    """
    target = Path(path)
    content = _to_bytes(score, _printable(path))
    try:
        temporary = target.with_name(f".{os.getpid()}.{target.name}"[:200])
        try:
            temporary.write_bytes(content)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        what = f"cannot be written ({getattr(error, 'strerror', None) or error})"
        accepted = "a file name in an existing, writable folder is accepted"
        raise MusicFusionError(f"{_printable(path)}: {what}; {accepted}") from error


def require_pitched(score: Score, path: str | os.PathLike[str]) -> None:
    """Refuse a score that has no pitched notes.

    Raises:
        MusicFusionError: the score has drums only, or nothing at all.
    """
    pitched_tracks(score, _printable(path))


def _load(path: str | os.PathLike[str]) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Refused("is a folder" if os.path.isdir(path) else "is not a regular file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise Refused(f"cannot be opened ({getattr(error, 'strerror', None) or error})") from None
    if len(data) > MAX_BYTES:
        raise Refused(f"larger than {MAX_BYTES >> 20} MiB", "a smaller file")
    return data


# What a file says -> Score.


def _to_score(file: File, name: str) -> Score:
    """The tracks of each chunk; of all together in type 2, where they are one performance."""
    groups = [file.tracks] if file.kind == 2 else [[chunk] for chunk in file.tracks]
    words = _words(groups)
    raws = [raw for chunk in file.tracks for raw in chunk.names.values()] + [raw for own in words for _, raw in own]
    texts, older = midi_text.decode(raws)
    pedals, odd = _pedals(file.tracks, file.division), Counter[str]()
    tracks: list[Track] = []
    lyrics: list[tuple[float, str]] = []  # of chunks that are no single track
    for chunks, own in zip(groups, words, strict=True):
        made = _tracks(file, chunks, texts, pedals, odd)
        sung = [(tick / file.division, texts[raw].replace("\0", "")[:_LONGEST]) for tick, raw in own]
        if sung and len(made) == 1:
            made = [dataclasses.replace(made[0], lyrics=tuple(sung))]
        else:
            lyrics += sung
        tracks += made
    notices = file.notices
    notices += [what.format(f"{count:,} note{'s' * (count > 1)}") for what, count in odd.items() if count]
    if older:
        notices.append(f"names or lyrics are neither UTF-8 nor UTF-16: they are read as {older}")
    if not tracks:
        why = f" ({'; '.join(notices)})" if notices else ""
        raise Refused(f"no notes{why}", "a MIDI file with at least one")
    tempos, metres = ({0: DEFAULT_QPM}, {}) if file.in_seconds else (file.tempos, file.metres)
    score = Score(
        tuple(tracks),
        np.array([(tick / file.division, qpm) for tick, qpm in sorted(tempos.items())]),
        tuple((tick / file.division, *metre) for tick, metre in sorted(metres.items())),
        name,
        tuple(lyrics),
        tuple(notices),
    )
    if score.seconds(score.length) > MAX_SECONDS:
        raise Refused("lasts more than 24 hours", "a shorter piece")
    return score


def _words(groups: list[list[TrackChunk]]) -> list[list[tuple[int, bytes]]]:
    """The lyrics of chunks. Karaoke files have them as plain texts; those that begin with @ say something else."""
    karaoke = any(text.startswith(b"@KMIDI") for chunks in groups for chunk in chunks for _, text in chunk.texts)
    return [[row for chunk in chunks
             for row in chunk.lyrics or [text for text in chunk.texts if karaoke and text[1][:1] != b"@"]]
            for chunks in groups]


def _tracks(file: File, chunks: list[TrackChunk], texts: dict[bytes, str], pedals: dict[int, tuple],
            odd: Counter[str]) -> list[Track]:
    """The tracks that chunks hold together.

    Args:
        texts: what their names say.
        pedals: by channel, of all chunks; they count where these have none.
        odd: gets the notes that are not as they are in the file, counted by what became of them.
    """
    parts: dict[tuple[int, int, bool], list[int]] = {}
    for chunk in chunks:
        odd["left out: {} at volume or expression 0"] += chunk.silent
        for part, values in chunk.parts.items():
            if values:
                parts.setdefault((part.channel, part.program, _is_drum(file, part)), []).extend(values)
    names = [_name(texts[raw]) for kind in (NAME, INSTRUMENT) if (raw := chunks[0].names.get(kind))]
    title = next(filter(None, names), "")
    pedals = pedals | _pedals(chunks, file.division)
    several = len({channel for channel, *_ in parts}) > 1
    found = []
    for (channel, program, is_drum), values in sorted(parts.items()):
        # But in type 1, the title is the piece's, not the instrument's.
        label = f"{title if file.kind == 1 else ''} channel {channel + 1}" if several else title
        if len(notes := _notes(values, file.division, odd)):
            found.append(Track(label.strip(), program, is_drum, notes, channel, pedals.get(channel, ())))
    return found


def _is_drum(file: File, part: Part) -> bool:
    """By its bank or a system exclusive message; else those of channel 10 are drums."""
    said = file.rhythm.get(part.channel)
    return bool(said) or part.kit > 0 or (part.channel == DRUMS and said is None and part.kit == 0)


def _notes(values: list[int], division: float, odd: Counter[str]) -> Float[np.ndarray, "n 4"]:
    """Notes in ticks, flat, as a Track has them."""
    rows = np.array(values, np.float64).reshape(-1, 4)
    high, loud = rows[:, 2] > 127, rows[:, 3] > 127
    odd["left out: {} with a pitch above 127"] += int(high.sum())
    odd["played at velocity 127: {} with more"] += int(loud.sum())
    return np.minimum(rows[~high], (np.inf, np.inf, 127, 127)) / (division, division, 1, 1)


def _pedals(chunks: list[TrackChunk], division: float) -> dict[int, tuple[tuple[float, float], ...]]:
    """When the sustain pedal of each channel is down, in quarters."""
    end = max(chunk.end for chunk in chunks)
    moves: dict[int, list[tuple[int, bool]]] = {}
    for chunk in chunks:
        for channel, own in chunk.pedals.items():
            moves.setdefault(channel, []).extend(own)
    found = {}
    for channel, rows in moves.items():
        spans, since = [], -1
        for tick, down in [*sorted(rows, key=lambda row: row[0]), (end, False)]:
            if down and since < 0:
                since = tick
            elif not down and since >= 0:
                spans.append((since / division, tick / division))
                since = -1
        found[channel] = tuple((down, up) for down, up in spans if up > down)
    return found


# Score -> messages.


def _to_bytes(score: Score, name: str) -> bytes:
    import mido

    division = _division(score)
    conductor = [(0, 0, mido.MetaMessage("track_name", name=score.name))]
    for quarter, qpm in score.tempos:
        tempo = round(6e7 / qpm)
        if not 1 <= tempo < 2**24:
            what = f"a tempo of {qpm:g} quarters a minute cannot be written"
            raise MusicFusionError(f"{name}: {what}; 3.6 to 60,000,000 are accepted")
        message = mido.MetaMessage("set_tempo", tempo=tempo)
        conductor.append((round(quarter * division), 0, message))
    for quarter, numerator, denominator in score.metres:
        if not 1 <= numerator <= 255 or denominator not in (1, 2, 4, 8, 16, 32, 64):
            what = f"a metre of {numerator}/{denominator} cannot be written"
            accepted = "1 to 255 over a power of two up to 64 is accepted"
            raise MusicFusionError(f"{name}: {what}; {accepted}")
        message = mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator)
        conductor.append((round(quarter * division), 0, message))
    conductor += _sung(score.lyrics, division)
    file = mido.MidiFile(ticks_per_beat=division, charset="utf-8", tracks=[_in_order(conductor)])
    for track, channel in zip(score.tracks, _channels(score.tracks), strict=True):
        program = mido.Message("program_change", channel=channel, program=track.program)
        messages = [(0, 0, mido.MetaMessage("track_name", name=track.name)), (0, 0, program)]
        for span in track.pedal:
            for quarter, value in zip(span, (127, 0), strict=True):
                pedal = mido.Message("control_change", channel=channel, control=64, value=value)
                messages.append((round(quarter * division), 0, pedal))
        messages += _sung(track.lyrics, division)
        for onset, duration, pitch, velocity in track.notes.tolist():
            start = round(onset * division)
            end = max(round((onset + duration) * division), start + 1)
            key = {"channel": channel, "note": int(pitch)}
            loud = max(round(velocity), 1)
            messages.append((start, 2, mido.Message("note_on", velocity=loud, **key)))
            messages.append((end, 1, mido.Message("note_off", velocity=0, **key)))
        file.tracks.append(_in_order(messages))
    content = io.BytesIO()
    file.save(file=content)
    return content.getvalue()


def _sung(lyrics: Sequence[tuple[float, str]], division: int) -> list[tuple]:
    """Messages of lyrics."""
    import mido

    return [(round(quarter * division), 0, mido.MetaMessage("lyrics", text=text)) for quarter, text in lyrics]


def _channels(tracks: Sequence[Track]) -> list[int]:
    """A channel for each track: its own, unless a track before it has that one with another program; drums on 10."""
    programs: dict[int, int] = {}
    found: list[int] = []
    for track in tracks:
        wanted = None if track.channel == DRUMS else track.channel
        if track.is_drum:
            channel = DRUMS
        elif wanted is not None and programs.get(wanted, track.program) == track.program:
            channel = wanted
        else:
            own = {t.channel for t in tracks if not t.is_drum}
            free = [c for c in range(16) if c != DRUMS and c not in programs]
            free.sort(key=lambda c: c in own)  # what another track wants is taken last
            channel = free[0] if free else len(found) % DRUMS  # beyond 15 tracks channels are used again
        if not track.is_drum:
            programs.setdefault(channel, track.program)
        found.append(channel)
    return found


def _in_order(messages: list[tuple]) -> list:
    """Messages (tick, rank, message) in the order of time, ends before starts, with deltas."""
    messages.sort(key=lambda message: message[:2])
    now = 0
    for tick, _, message in messages:
        message.time = tick - now
        now = tick
    return [message for _, _, message in messages]


def _division(score: Score) -> int:
    """Ticks per quarter, 480 or more, for which every time in the score is a whole tick."""
    times = [score.tempos[:, 0], np.array([metre[0] for metre in score.metres])]
    for track in score.tracks:
        times += [track.notes[:, 0], track.notes[:, 0] + track.notes[:, 1], np.ravel(track.pedal)]
    times += [np.array([time for time, _ in lyrics]) for lyrics in (score.lyrics, *(t.lyrics for t in score.tracks))]
    division = 1
    # Rounded: the same fraction of different quarters differs in its last bits.
    for part in np.unique(np.round(np.concatenate(times) % 1.0, 10)):
        division = lcm(division, Fraction(part).limit_denominator(_MAX_DIVISION).denominator)
        if division > _MAX_DIVISION:
            return _FALLBACK_DIVISION
    return division * -(-480 // division)


def _name(text: str) -> str:
    """A name in one line."""
    return " ".join(text.replace("\0", " ").split())[:_LONGEST]


def _printable(path: object) -> str:
    """A path as one line of text."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
