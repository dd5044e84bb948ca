"""MIDI files byte by byte, for the tests of their reader."""

import struct

from musicfusion.codecs import midi
from musicfusion.codecs.score import Score

END = b"\0\xff\x2f\0"
QUARTER = 480  # ticks


def number(value: int) -> bytes:
    """A variable-length number."""
    digits = [value & 127]
    while value := value >> 7:
        digits.append(value & 127 | 128)
    return bytes(reversed(digits))


def note(pitch: int = 60, channel: int = 0, ticks: int = QUARTER, velocity: int = 80) -> bytes:
    """A note at once, which lasts so many ticks."""
    return bytes((0, 0x90 | channel, pitch, velocity)) + number(ticks) + bytes((0x80 | channel, pitch, 0))


def control(control: int, value: int, channel: int = 0, ticks: int = 0) -> bytes:
    return number(ticks) + bytes((0xB0 | channel, control, value))


def program(value: int, channel: int = 0) -> bytes:
    return bytes((0, 0xC0 | channel, value))


def meta(kind: int, body: bytes, ticks: int = 0) -> bytes:
    return number(ticks) + bytes((0xFF, kind)) + number(len(body)) + body


def exclusive(body: bytes) -> bytes:
    """A system exclusive message, its end included."""
    return b"\0\xf0" + number(len(body) + 1) + body + b"\xf7"


def track(events: bytes, longer: int = 0) -> bytes:
    """A chunk whose length is told wrong by so many bytes."""
    return b"MTrk" + struct.pack(">I", (len(events) + longer) % 2**32) + events


def song(*chunks: bytes, kind: int = 1, division: int = QUARTER, announced: int | None = None) -> bytes:
    """A file of these chunks; the header announces as many tracks."""
    count = sum(chunk[:4] == b"MTrk" for chunk in chunks) if announced is None else announced
    return b"MThd" + struct.pack(">IHHH", 6, kind, count, division) + b"".join(chunks)


def parse(*events: bytes, kind: int = 1, division: int = QUARTER) -> Score:
    """A file with a track for each of these, and their ends."""
    return midi.parse(song(*(track(own + END) for own in events), kind=kind, division=division), "song")


def rows(score: Score) -> list[tuple[float, float, int]]:
    """Onset, duration and pitch of all notes, in order."""
    return sorted((onset, duration, int(pitch)) for one in score.tracks for onset, duration, pitch, _ in
                  one.notes.tolist())
