"""MIDI files <-> Score.

`read` checks the raw bytes first, with its own limits, and gives mido only what a Score needs: a file of 40 bytes can
claim a length of years, and parsers that believe it allocate gigabytes. Whatever is wrong with a file ends as one
MusicFusionError.
"""

import io
import os
import stat
import struct
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from math import lcm
from pathlib import Path

import numpy as np

from musicfusion.codecs.score import DEFAULT_QPM, Score, Track, pitched_tracks
from musicfusion.core.errors import MusicFusionError

MAX_BYTES = 8 * 2**20
MAX_NOTES = 100_000
MAX_EVENTS = 300_000  # notes on and off, and as many again of the rest that is kept
MAX_TRACKS = 1_000
MAX_QUARTERS = 100_000
MAX_SECONDS = 24 * 3600
ACCEPTED = "a standard MIDI file (.mid) of type 0 or 1 with ticks per quarter"

_DRUMS = 9  # channel 10, counted from 0
_MAX_DIVISION, _FALLBACK_DIVISION = 32767, 480 * 64  # ticks a quarter: 15 bits in the header
_NAME, _INSTRUMENT, _END, _TEMPO, _METRE = 0x03, 0x04, 0x2F, 0x51, 0x58


class _Refused(Exception):
    """What is wrong with a file; `read` adds the file's name and what would be accepted."""

    def __init__(self, what: str, accepted: str = ACCEPTED) -> None:
        super().__init__(f"{what}; {accepted} is accepted")


def read(path: str | os.PathLike[str]) -> Score:
    """The music in a MIDI file of type 0 or 1.

    Each track is split by channel and program. A note-on of velocity 0 is a note-off; of several notes of one pitch the
    first to start is the first to end; a note that is never ended sounds to the end of its track. Tempo map and metres
    are kept, controllers and pitch bends are not. There may be nothing but drums: see `require_pitched`.

    Returns:
        A Score named after the file, without tracks that have no notes.

    Raises:
        MusicFusionError: one line, whatever the reason: no such file, not MIDI, damaged, without notes, or beyond the
            limits above.
    """
    return _read(lambda: _load(path), _printable(path), _printable(Path(path).stem))


def parse(data: bytes, name: str) -> Score:
    """The same from a file's bytes; `name` is what the score and errors call it."""
    def content() -> bytes:
        if len(data) > MAX_BYTES:
            raise _Refused(f"larger than {MAX_BYTES >> 20} MiB", "a smaller file")
        return data

    return _read(content, _printable(name), _printable(name))


def _read(content: Callable[[], bytes], name: str, title: str) -> Score:
    try:
        clean, division = _clean(content())
        return _to_score(clean, division, title)
    except _Refused as error:
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
    channel they had unless another program has it. The file appears whole or not at all.
    Read back, the score is the same but for tracks without notes, and for a note inside a longer one of the same pitch
    and track: MIDI cannot tell which of them ends.

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


# Bytes: everything about a file that can be dangerous is decided here.


def _load(path: str | os.PathLike[str]) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _Refused("is a folder" if os.path.isdir(path) else "is not a regular file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _Refused(f"cannot be opened ({getattr(error, 'strerror', None) or error})") from None
    if len(data) > MAX_BYTES:
        raise _Refused(f"larger than {MAX_BYTES >> 20} MiB", "a smaller file")
    return data


def _clean(data: bytes) -> tuple[bytes, int]:
    """The file reduced to what a Score needs, and its ticks per quarter."""
    if not data:
        raise _Refused("the file is empty")
    if data[:4] != b"MThd":
        raise _Refused("not a MIDI file (it does not begin with MThd)")
    if len(data) < 14:
        raise _Refused("truncated inside its header")
    size, kind, count, division = struct.unpack(">IHHH", data[4:14])
    for wrong, what in (
        (size < 6, f"a header of {size} bytes"),
        (kind > 1, f"MIDI of type {kind}"),
        (division & 0x8000, "times in SMPTE frames"),
        (division == 0, "0 ticks per quarter in its header"),
    ):
        if wrong:
            raise _Refused(what)
    if not 1 <= count <= MAX_TRACKS:
        raise _Refused(f"announces {count} tracks", f"a file of 1 to {MAX_TRACKS:,}")
    tracks: list[bytes] = []
    notes = events = 0
    position = 8 + size
    while len(tracks) < count:
        if position + 8 > len(data):
            raise _Refused(f"truncated: {len(tracks)} of {count} tracks are there")
        name, size = struct.unpack(">4sI", data[position : position + 8])
        chunk = data[position + 8 : position + 8 + size]
        position += 8 + size
        if name != b"MTrk":  # the format lets other chunks pass
            continue
        if len(chunk) < size:
            raise _Refused(f"truncated inside track {len(tracks) + 1} of {count}")
        try:
            track, new_notes, new_events = _clean_track(chunk, division)
        except IndexError:
            raise _Refused(f"track {len(tracks) + 1} ends inside an event") from None
        tracks.append(b"MTrk" + struct.pack(">I", len(track)) + track)
        notes += new_notes
        events += new_events
        if notes > MAX_NOTES:
            raise _Refused(f"more than {MAX_NOTES:,} notes", "a file of up to so many")
        if events > MAX_EVENTS:
            raise _Refused(f"more than {MAX_EVENTS:,} events", "a file of fewer")
    return b"MThd" + struct.pack(">IHHH", 6, kind, count, division) + b"".join(tracks), division


def _clean_track(chunk: bytes, division: int) -> tuple[bytes, int, int]:
    """One track with notes, programs, names, tempos and metres only; notes and events in it.

    Raises:
        IndexError: when the chunk ends inside an event.
    """
    kept = bytearray()
    notes = events = ticks = written = position = running = 0
    while position < len(chunk):
        delta, position = _number(chunk, position)
        ticks += delta
        if ticks > MAX_QUARTERS * division:
            raise _Refused(f"lasts more than {MAX_QUARTERS:,} quarters", "a shorter piece")
        status = chunk[position]
        if status >= 0x80:
            position += 1
        elif running:
            status = running
        else:
            raise _Refused("a data byte where an event should start")
        if status < 0xF0:
            running = status
            size = 1 if 0xC0 <= status < 0xE0 else 2
            body = _take(chunk, position, size)
            if max(body) > 127:
                raise _Refused("a data byte above 127")
            keep = status < 0xA0 or 0xC0 <= status < 0xD0
            notes += 0x90 <= status < 0xA0 and body[1] > 0
            message = bytes((status,)) + body
        elif status == 0xFF:
            kind = chunk[position]
            size, position = _number(chunk, position + 1)
            if kind == _END:
                break
            body = _take(chunk, position, size)
            keep = kind in (_NAME, _INSTRUMENT) or _is_time(kind, body)
            message = bytes((status, kind)) + _encoded(size) + body
        elif status in (0xF0, 0xF7):
            running = 0
            size, position = _number(chunk, position)
            _take(chunk, position, size)
            keep = False
        else:
            raise _Refused(f"an event of unknown kind (0x{status:02x})")
        position += size
        if keep:
            kept += _encoded(ticks - written) + message
            written = ticks
            events += 1
    return bytes(kept + _encoded(ticks - written) + bytes((0xFF, _END, 0))), notes, events


def _is_time(kind: int, body: bytes) -> bool:
    """Whether a meta event is a tempo or metre that means something; others are passed over."""
    if kind == _TEMPO:
        return len(body) == 3 and any(body)
    return kind == _METRE and len(body) == 4 and body[0] > 0 and body[1] <= 6


def _take(data: bytes, position: int, size: int) -> bytes:
    if position + size > len(data):
        raise IndexError
    return data[position : position + size]


def _number(data: bytes, position: int) -> tuple[int, int]:
    """A variable-length number and the position after it."""
    value = 0
    for end in range(position, position + 4):
        value = value << 7 | data[end] & 0x7F
        if data[end] < 0x80:
            return value, end + 1
    raise _Refused("a number of more than 4 bytes")


def _encoded(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))


# Messages <-> Score.


def _to_score(data: bytes, division: int, name: str) -> Score:
    import mido

    file = mido.MidiFile(file=io.BytesIO(data))
    tempos, metres = {0: DEFAULT_QPM}, {0: (4, 4)}
    tracks: list[Track] = []
    programs: dict[int, int] = {}  # by channel
    for index, messages in enumerate(file.tracks):
        # Programs that the first track sets hold for all; a later track's are its own.
        title, parts, after = _split(messages, programs, tempos, metres)
        if index == 0:
            programs = after
        several = len({channel for channel, _ in parts}) > 1
        for (channel, program), notes in sorted(parts.items()):
            # In type 0 the title is the piece's, not the instrument's.
            label = f"{title if file.type else ''} channel {channel + 1}" if several else title
            rows = np.array(notes, np.float64) / (division, division, 1, 1)
            tracks.append(Track(label.strip(), program, channel == _DRUMS, rows, channel))
    if not tracks:
        raise _Refused("no notes", "a MIDI file with at least one")
    score = Score(
        tuple(tracks),
        np.array([(tick / division, qpm) for tick, qpm in sorted(tempos.items())]),
        tuple((tick / division, *metre) for tick, metre in sorted(metres.items())),
        name,
    )
    if score.seconds(score.length) > MAX_SECONDS:
        raise _Refused("lasts more than 24 hours", "a shorter piece")
    return score


def _split(
    messages: list,
    programs: dict[int, int],
    tempos: dict[int, float],
    metres: dict[int, tuple[int, int]],
) -> tuple[str, dict[tuple[int, int], list], dict[int, int]]:
    """A track's name, its notes by (channel, program), and the programs at its end.

    Notes are rows (onset, duration, pitch, velocity) in ticks. Adds to `tempos` and `metres`.
    """
    programs = dict(programs)
    parts: dict[tuple[int, int], list] = defaultdict(list)
    sounding: dict[tuple[int, int], deque] = defaultdict(deque)  # by channel, pitch
    names = {"track_name": "", "instrument_name": ""}
    tick = 0
    for message in messages:
        tick += message.time
        kind = message.type
        if kind == "note_on" and message.velocity:
            part = message.channel, programs.get(message.channel, 0)
            sounding[message.channel, message.note].append((part, tick, message.velocity))
        elif kind in ("note_on", "note_off"):
            if queue := sounding[message.channel, message.note]:
                part, onset, velocity = queue.popleft()
                parts[part].append((onset, max(tick - onset, 1), message.note, velocity))
        elif kind == "program_change":
            programs[message.channel] = message.program
        elif kind == "set_tempo":
            tempos[tick] = 6e7 / message.tempo
        elif kind == "time_signature":
            metres[tick] = message.numerator, message.denominator
        elif kind in names:
            names[kind] = names[kind] or _text(message.name)
    for (_, pitch), queue in sounding.items():
        for part, onset, velocity in queue:
            if tick > onset:
                parts[part].append((onset, tick - onset, pitch, velocity))
    return names["track_name"] or names["instrument_name"], parts, programs


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
    file = mido.MidiFile(ticks_per_beat=division, charset="utf-8", tracks=[_in_order(conductor)])
    for track, channel in zip(score.tracks, _channels(score.tracks), strict=True):
        program = mido.Message("program_change", channel=channel, program=track.program)
        messages = [(0, 0, mido.MetaMessage("track_name", name=track.name)), (0, 0, program)]
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


def _channels(tracks: Sequence[Track]) -> list[int]:
    """A channel for each track: its own, unless a track before it has that one with another program; drums on 10."""
    programs: dict[int, int] = {}
    found: list[int] = []
    for track in tracks:
        wanted = None if track.channel == _DRUMS else track.channel
        if track.is_drum:
            channel = _DRUMS
        elif wanted is not None and programs.get(wanted, track.program) == track.program:
            channel = wanted
        else:
            own = {t.channel for t in tracks if not t.is_drum}
            free = [c for c in range(16) if c != _DRUMS and c not in programs]
            free.sort(key=lambda c: c in own)  # what another track wants is taken last
            channel = free[0] if free else len(found) % _DRUMS  # beyond 15 tracks channels are used again
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
        times += [track.notes[:, 0], track.notes[:, 0] + track.notes[:, 1]]
    division = 1
    # Rounded: the same fraction of different quarters differs in its last bits.
    for part in np.unique(np.round(np.concatenate(times) % 1.0, 10)):
        division = lcm(division, Fraction(part).limit_denominator(_MAX_DIVISION).denominator)
        if division > _MAX_DIVISION:
            return _FALLBACK_DIVISION
    return division * -(-480 // division)


def _text(text: str) -> str:
    """A name in the file as one line: mido reads Latin-1, most programs write UTF-8."""
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")
    return " ".join(text.replace("\0", " ").split())[:200]


def _printable(path: object) -> str:
    """A path as one line of text."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
