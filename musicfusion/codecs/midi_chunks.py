"""MIDI files as chunks: the header, where tracks begin and end, and what of all that is not as it should be."""

from musicfusion.codecs.midi_events import File, Refused, TrackChunk
from musicfusion.codecs.score import DEFAULT_QPM

MAX_TRACKS = 1_000
MAX_QUARTERS = 100_000

_FRAMES = {24: 24.0, 25: 25.0, 29: 30000 / 1001, 30: 30.0}  # a second
_BEFORE = 4096  # bytes in which a header is looked for
_OTHERS = 100  # chunks of other kinds in a row
_KINDS = {b"<": "a web page or XML", b"PK": "a ZIP archive", b"\x1f\x8b": "a gzip archive", b"RIFF": "sound"}


def read(data: bytes) -> File:
    """What the bytes of a file say.

    Raises:
        Refused: it is no MIDI file, of a kind that nobody can read, or beyond the limits.
    """
    data, before = _unwrapped(data)
    file, announced, skipped = _walked(data)
    count = len(file.tracks)
    if not count:
        raise Refused(f"no tracks in it, though its header announces {announced}" if announced else "no tracks in it")
    if count != announced:
        file.said.append(f"the header announces another number of tracks ({announced:,}) than there are ({count:,})")
    if file.kind == 0 and count > 1:
        file.kind = 1
        file.said.append(f"type 0 with {count:,} tracks is read as type 1")
    if file.kind == 2 and count > 1:
        file.said.append(f"type 2: its {count:,} patterns are put one after the other")
    if before + skipped:
        file.said.append(f"bytes that belong to no track are passed over ({before + skipped:,})")
    return file


def _walked(data: bytes) -> tuple[File, int, int]:
    """The file with its tracks, how many its header announces, and how many bytes belong to none.

    An older, longer version of a file may have left its end behind: it begins where bytes that are no chunk follow the
    announced tracks, and tracks that are more than those and come before such bytes are part of it.
    """
    file, announced, position = _header(data)
    position, skipped = _next_track(data, position)
    ends: list[int] = []
    while position < len(data):
        if len(ends) == MAX_TRACKS:
            raise Refused(f"more than {MAX_TRACKS:,} tracks", "a file of up to so many")
        ends.append(_read_track(file, data, position))
        position, between = _next_track(data, ends[-1])
        if between and len(ends) >= announced:
            if 0 < announced < len(ends) and data[ends[-1] :].strip(b"\0"):
                end = ends[announced - 1]
                file, announced, skipped = _walked(data[:end])
                return file, announced, skipped + len(data) - end
            position, between = len(data), len(data) - ends[-1]
        skipped += between
    return file, announced, skipped


# Header and chunks ----------------------------------------------------------------------------------------------------


def _unwrapped(data: bytes) -> tuple[bytes, int]:
    """The file from its header on, without a RIFF file around it; and how many bytes came before that."""
    if not data:
        raise Refused("the file is empty")
    wrapped = data[:4] == b"RIFF" and data[8:12] == b"RMID"
    begin = data.find(b"MThd", 0, len(data) if wrapped else _BEFORE)
    if begin < 0:
        looks = next((f"; it looks like {kind}" for start, kind in _KINDS.items() if data.startswith(start)), "")
        raise Refused(f"not a MIDI file (it does not begin with MThd{looks})")
    if wrapped:
        end = begin + int.from_bytes(data[begin - 4 : begin], "little")
        if data[begin - 8 : begin - 4] == b"data" and end <= len(data) and data.find(b"MTrk", end) < 0:
            return data[begin:end], 0
    return data[begin:], 0 if wrapped else begin


def _header(data: bytes) -> tuple[File, int, int]:
    """A file without tracks, how many tracks are announced, and where the first chunk should begin."""
    if len(data) < 14:
        raise Refused("truncated inside its header")
    size, kind, announced, division = (int.from_bytes(data[begin:end]) for begin, end in
                                       ((4, 8), (8, 10), (10, 12), (12, 14)))
    if kind > 2:
        raise Refused(f"MIDI of type {kind}")
    if division & 0x7FFF == 0:
        raise Refused("0 ticks per quarter in its header")
    file = File(kind, division)
    if division & 0x8000:
        frames, ticks = 256 - (division >> 8), division & 0xFF
        if frames not in _FRAMES or not ticks:
            raise Refused(f"times in SMPTE frames of which there are {frames} a second, {ticks} ticks each")
        file.division = _FRAMES[frames] * ticks * 60 / DEFAULT_QPM
        file.in_seconds = True
        file.said.append(f"times in SMPTE frames do not say where beats are: {DEFAULT_QPM:g} a minute are assumed")
    if size != 6:
        file.said.append(f"the header is {size:,} bytes long, not 6")
    return file, announced, 8 + size if _past_others(data, 8 + size) >= 0 else 14


def _next_track(data: bytes, position: int) -> tuple[int, int]:
    """Where the next track begins, or the file ends; and how many bytes before that belong to no chunk."""
    found = _past_others(data, position)
    if found >= 0:
        return found, 0
    found = data.find(b"MTrk", position)
    found = found if found >= 0 else len(data)
    return found, found - position


def _past_others(data: bytes, position: int) -> int:
    """Where a track begins, or the file ends, past chunks of other kinds, which the format lets pass; -1 if nowhere."""
    for _ in range(_OTHERS):
        name = data[position : position + 4]
        if position == len(data) or name == b"MTrk":
            return position
        if not name.isalnum() or name == b"MThd":  # another song
            break
        position += 8 + int.from_bytes(data[position + 4 : position + 8])
    return -1


def _read_track(file: File, data: bytes, position: int) -> int:
    """Adds the track whose chunk begins here to the file; returns where it ends.

    The chunk's length is believed if another chunk or the file's end follows. Else the track is read until it says that
    it ends, or another begins. A length that reaches the file's end may pass over other tracks.
    """
    begin = position + 8
    end = announced = begin + int.from_bytes(data[position + 4 : begin])
    believed = _past_others(data, end) >= 0
    if not believed:
        found = data.find(b"MTrk", begin)
        end = found if found >= 0 else len(data)
    track = TrackChunk(file)
    file.tracks.append(track)
    has_end = track.walk(data[begin:end])
    if has_end and believed and end < len(data):
        if begin + track.size < end:
            track.flaws.add("bytes behind its end are passed over")
    elif has_end:
        end = begin + track.size
        if not believed and end != announced:
            track.flaws.add("its length is not the announced one")
    elif not track.flaws:
        track.flaws.add("its end is missing")
    for flaw in sorted(track.flaws):
        file.flaws.setdefault(flaw, []).append(len(file.tracks))
    if track.end > MAX_QUARTERS * file.division:
        raise Refused(f"lasts more than {MAX_QUARTERS:,} quarters", "a shorter piece")
    return end
