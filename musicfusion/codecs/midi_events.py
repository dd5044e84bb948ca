"""What the tracks of a MIDI file say: their bytes -> notes and whatever else is kept, in one walk.

Nothing is allocated on a file's word: one of 40 bytes can claim a length of years. What is damaged is read as far as it
makes sense, and the flaws are named.
"""

import copy
import re
from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import islice
from operator import length_hint
from typing import Any, NamedTuple

from musicfusion.codecs.score import DEFAULT_QPM

MAX_NOTES = 100_000
MAX_EVENTS = 300_000  # beside notes: programs, texts, moves of pedals, mutes, tempos, metres
ACCEPTED = "a standard MIDI file (.mid)"

CHANNELS, DRUMS = 16, 9  # channel 10, counted from 0
NAME, INSTRUMENT = 0x03, 0x04
_TEXT, _LYRIC, _END, _TEMPO, _METRE = 0x01, 0x05, 0x2F, 0x51, 0x58
_TEXTS = range(0x01, 0x10)
_BANK, _VOLUME, _EXPRESSION, _PEDAL, _RESET = 0, 7, 11, 64, 121  # controllers
_OFF = (120, 123)  # all sound off, all notes off
_ABOVE_127 = re.compile(rb"[\x80-\xff]")
_COMMON = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of events that belong in no file; all others have none
_STRAY = "bytes that are no event are passed over"


class Refused(Exception):
    """What is wrong with a file, and what would be accepted; `midi` adds the file's name."""

    def __init__(self, what: str, accepted: str = ACCEPTED) -> None:
        super().__init__(f"{what}; {accepted} is accepted")


class Part(NamedTuple):
    """What notes of a track have in common. kit: 1 if their bank is one of drums, -1 if it is none, 0 if it may be."""

    channel: int
    program: int
    kit: int = 0


@dataclass
class File:
    """What a file says; times in ticks.

    Attributes:
        kind: 0, 1 or 2.
        division: ticks in a quarter.
        in_seconds: its times are seconds, and a quarter is half a second for want of anything better.
        tracks: those that are there.
        tempos: {tick: quarters a minute}.
        metres: {tick: (numerator, denominator)}.
        rhythm: {channel: whether a system exclusive message makes it one of drums}.
        said: sentences about the file as a whole.
        flaws: {sentence: the tracks that it is about, from 1}.
        roland: a system exclusive message of GS came before; its banks are others.
        notes, events: how many there are, for the limits.
    """

    kind: int
    division: float
    in_seconds: bool = False
    tracks: list["TrackChunk"] = field(default_factory=list)
    tempos: dict[int, float] = field(default_factory=lambda: {0: DEFAULT_QPM})
    metres: dict[int, tuple[int, int]] = field(default_factory=lambda: {0: (4, 4)})
    rhythm: dict[int, bool] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    flaws: dict[str, list[int]] = field(default_factory=dict)
    roland: bool = False
    notes: int = 0
    events: int = 0

    @property
    def notices(self) -> list[str]:
        """What was passed over, changed or guessed."""
        return [*self.said, *(f"{_listed(numbers)}: {what}" for what, numbers in self.flaws.items())]

    def count(self) -> None:
        """One more event that is kept."""
        self.events += 1
        if self.events > MAX_EVENTS:
            raise Refused(f"more than {MAX_EVENTS:,} events", "a file of fewer")


def _listed(numbers: list[int]) -> str:
    """Tracks by their numbers."""
    some = ", ".join(map(str, numbers[:5]))
    more = f" and {len(numbers) - 5:,} more" if len(numbers) > 5 else ""
    return f"track{'s' * (len(numbers) > 1)} {some}{more}"


class _Lost(Exception):
    """Nothing tells where the next event begins."""


@dataclass
class Setup:
    """What channels play: their bank, their program, and what the bank said of drums when that was chosen."""

    banks: list[int] = field(default_factory=lambda: [0] * CHANNELS)
    programs: list[int] = field(default_factory=lambda: [0] * CHANNELS)
    kits: list[int] = field(default_factory=lambda: [0] * CHANNELS)

    def copy(self) -> "Setup":
        """The same, to be changed."""
        return Setup(self.banks[:], self.programs[:], self.kits[:])


class TrackChunk:
    """One track of a file.

    A note-on of velocity 0 is a note-off; of several notes of one pitch the first to start is the first to end; a note
    that is never ended sounds to the end of the track, or until all notes of its channel are ended at once, and one
    without length lasts a tick. Programs that the first track sets hold for all (in type 2: those of the one before); a
    later track's are its own.

    Attributes:
        parts: notes, {part: [onset, duration, pitch, velocity, onset, ...]}; pitches and velocities up to 255.
        silent: how many notes were left out, for volume or expression were 0 while they lasted.
        names: {NAME, INSTRUMENT: text}, the first of each that is not empty.
        lyrics, texts: (tick, text).
        pedals: {channel: [(tick, whether the sustain pedal goes down)]}.
        end: the tick at which it ends.
        size: how many bytes of it were read.
        flaws: what is wrong with it.
    """

    def __init__(self, file: File) -> None:
        self.parts: dict[Part, list[int]] = {}
        self.silent = self.size = 0
        self.names: dict[int, bytes] = {}
        self.lyrics: list[tuple[int, bytes]] = []
        self.texts: list[tuple[int, bytes]] = []
        self.pedals: dict[int, list[tuple[int, bool]]] = {}
        self.flaws: set[str] = set()
        follows = file.tracks[-1 if file.kind == 2 else 0] if file.tracks else None
        self.setup: Setup = follows.setup.copy() if follows else Setup()
        self.end: int = follows.end if follows and file.kind == 2 else 0
        self._file = file
        self._chunk = b""
        self._stream: Any = iter(b"")
        self._sounding: list[dict[int, deque]] = [defaultdict(deque) for _ in range(CHANNELS)]  # by pitch
        self._levels = {number: [127] * CHANNELS for number in (_VOLUME, _EXPRESSION)}
        self._muted: list[tuple[Part, list[int]]] = []  # notes that are heard, for the mute ended before they did
        self._mutes: dict[int, list[int]] = {}  # by channel: notes that began since it is mute
        self._playing: list[list[int]] = [[] for _ in range(CHANNELS)]  # where the notes that begin go
        for channel in range(CHANNELS):
            self._enter(channel)

    def walk(self, chunk: bytes) -> bool:
        """Reads the events in the bytes of a chunk; returns whether the end of the track was among them."""
        self._chunk, self._stream, self.size, has_end = chunk, iter(chunk), len(chunk), False
        try:
            has_end = self._events()
        except (StopIteration, EOFError):
            self.flaws.add("it is cut off inside an event")
        except _Lost:
            self.flaws.add("it is damaged, and read no further")
        self.size -= length_hint(self._stream)
        self._finish()
        return has_end

    def _finish(self) -> None:
        """Ends the notes that still sound, and frees what is needed no more: there may be a thousand tracks."""
        self._chunk, self._stream = b"", iter(b"")
        for sounding in self._sounding:
            for pitch, queue in sounding.items():
                for onset, velocity, rows in queue:
                    if self.end > onset:
                        rows.extend((onset, self.end - onset, pitch, velocity))
        self.silent += sum(len(rows) for rows in self._mutes.values()) // 4
        for part, rows in self._muted:
            self.parts.setdefault(part, []).extend(rows)
        self._sounding.clear()
        self._muted.clear()

    def _events(self) -> bool:
        """The events, one after the other; each byte is looked at once."""
        take, sounding, playing = self._stream.__next__, self._sounding, self._playing
        ticks, status, left = self.end, 0, MAX_NOTES - self._file.notes
        try:
            for delta in self._stream:
                ticks += delta if delta < 128 else self._number(delta)
                byte = take()
                if not status and byte < 128:
                    byte = self._status()
                if byte > 127:
                    if byte > 0xEF:
                        self.end = ticks
                        if self._system(byte, status):
                            return True
                        continue
                    status, channel = byte, byte & 15
                    held, rows = sounding[channel], playing[channel]
                    byte = take()
                    if byte > 0xF7:
                        byte = self._past_clock(byte)
                if 0xBF < status < 0xE0:  # one data byte: a program, or pressure
                    if status < 0xD0:
                        self._program(channel, byte)
                    continue
                value = take()
                if value > 0xF7:
                    value = self._past_clock(value)
                if status < 0xA0:
                    if value and status > 0x8F:
                        held[byte].append((ticks, value, rows))
                        left -= 1
                        if left < 0:
                            raise Refused(f"more than {MAX_NOTES:,} notes", "a file of up to so many")
                    elif queue := held[byte]:
                        onset, velocity, own = queue.popleft()
                        own.extend((onset, ticks - onset or 1, byte, velocity))
                elif 0xAF < status < 0xC0:
                    self.end = ticks
                    self._control(channel, byte, value)
        finally:
            self.end, self._file.notes = ticks, MAX_NOTES - left
        return False

    def _number(self, byte: int) -> int:
        """The variable-length number that begins with this byte; of five bytes at most, as some programs write."""
        value = byte & 0x7F
        for _ in range(4):
            if byte < 128:
                return value
            byte = next(self._stream)
            value = value << 7 | byte & 0x7F
        if byte > 127:
            raise _Lost
        return value

    def _status(self) -> int:
        """The next byte that begins an event, where one that goes on came first."""
        self.flaws.add(_STRAY)
        for byte in self._stream:
            if byte > 127:
                return byte
        raise EOFError

    def _past_clock(self, byte: int) -> int:
        """The data byte behind clock bytes, which a device may send inside an event."""
        while 0xF7 < byte < 0xFF:
            byte = next(self._stream)
        return byte

    # Events of a channel.

    def _program(self, channel: int, program: int) -> None:
        if program > 127:
            self.flaws.add("programs above 127 are passed over")
            return
        self._file.count()
        bank = self.setup.banks[channel]
        # Of GM2; of XG, whose kits have low numbers (Roland's synthesisers have other sounds in these banks).
        drums = bank == 120 or (bank in (126, 127) and program < 64 and not self._file.roland)
        self.setup.programs[channel] = program
        self.setup.kits[channel] = drums - (bank == 121)
        self._enter(channel)

    def _control(self, channel: int, number: int, value: int) -> None:
        if value > 127:
            self.flaws.add("controllers above 127 are read as 127")
            value = 127
        if number == _BANK:
            self.setup.banks[channel] = value
        elif number in self._levels:
            self._levels[number][channel] = value
            self._enter(channel)
        elif number == _PEDAL:
            self._pedal(channel, value >= 64)
        elif number == _RESET:
            self._levels[_EXPRESSION][channel] = 127
            self._enter(channel)
            self._pedal(channel, False)
        elif number in _OFF:
            self._end_notes(channel)

    def _end_notes(self, channel: int) -> None:
        for pitch, queue in self._sounding[channel].items():
            for onset, velocity, rows in queue:
                rows.extend((onset, self.end - onset or 1, pitch, velocity))
        self._sounding[channel].clear()

    def _pedal(self, channel: int, down: bool) -> None:
        moves = self.pedals.setdefault(channel, [])
        if down != (moves[-1][1] if moves else False):
            self._file.count()
            moves.append((self.end, down))

    def _enter(self, channel: int) -> None:
        """Notes of the channel that begin from now on belong to its program; or they are silent, if it is muted.

        Notes that a mute began with are heard if it ends before them.
        """
        muted = self._mutes.get(channel)
        if not all(levels[channel] for levels in self._levels.values()):
            if muted is None:
                self._playing[channel] = self._mutes[channel] = []
            return
        part = Part(channel, self.setup.programs[channel], self.setup.kits[channel])
        if muted is not None:
            self._file.count()
            self.silent += len(muted) // 4
            muted.clear()
            self._muted.append((part, self._mutes.pop(channel)))
        self._playing[channel] = self.parts.setdefault(part, [])

    # Events of the system.

    def _system(self, status: int, running: int) -> bool:
        """An event of no channel; returns whether it is the end of the track. running: status, 0 before the first."""
        if status == 0xFF:
            return self._meta(running)
        if status == 0xF0:
            self._exclusive(self._message())
        elif status == 0xF7:
            self._exclusive(self._body())
        elif status in (0xF4, 0xF5):
            self.flaws.add(_STRAY)
        for _ in range(_COMMON.get(status, 0)):
            next(self._stream)
        return False

    def _message(self) -> bytes:
        """A system exclusive message; old sequencers write it as it is sent, without its length.

        It is read so if its length makes no sense and data bytes up to the message's end are there. No byte is looked
        at for a message that does not belong to it, so many of them take no longer.
        """
        begin = self.size - length_hint(self._stream)
        body = None
        try:
            size = self._number(next(self._stream))
            start = self.size - length_hint(self._stream)
            end = start + size
            if end <= self.size and (self._chunk[end - 1] == 0xF7 or not _ABOVE_127.search(self._chunk, start, end)):
                body = start, end
        except (StopIteration, _Lost):
            pass
        above = None if body else _ABOVE_127.search(self._chunk, begin)
        if above and above[0] == b"\xf7":
            body = begin, above.end()
            self.flaws.add("exclusive messages without a length are read up to their end")
        self._stream.__setstate__(body[1] if body else begin)
        return self._chunk[slice(*body)] if body else self._body()

    def _body(self) -> bytes:
        size = self._number(next(self._stream))
        body = bytes(islice(self._stream, size))
        if len(body) < size:
            raise EOFError
        return body

    def _meta(self, running: int) -> bool:
        """An event of files alone; a tempo or metre that means nothing is passed over."""
        kind = next(self._stream)
        if kind == _END:
            next(self._stream, 0)
            return True
        body = self._body()
        if body.endswith(b"\0") and not running and kind in _TEXTS:
            self._unread_delta()
        if kind in (NAME, INSTRUMENT):
            if body.strip(b"\0 \t\r\n"):
                self.names.setdefault(kind, body)
        elif kind in (_TEXT, _LYRIC):
            (self.lyrics if kind == _LYRIC else self.texts).append((self.end, body))
        elif kind == _TEMPO and len(body) == 3 and any(body):
            self._file.tempos[self.end] = 6e7 / int.from_bytes(body)
        elif kind == _METRE and len(body) == 4 and body[0] > 0 and body[1] <= 6:
            self._file.metres[self.end] = body[0], 2 ** body[1]
        else:
            return False
        self._file.count()
        return False

    def _unread_delta(self) -> None:
        """Steps back by a byte if a text counts a zero that was not written: it took the next delta for it.

        Then an event of a channel seems to be a delta, and its second data byte an event that has no status.
        """
        ahead = bytes(islice(copy.copy(self._stream), 3))
        if len(ahead) == 3 and 0x7F < ahead[0] < 0xF0 and max(ahead[1:]) < 0x80:
            self._stream.__setstate__(self.size - length_hint(self._stream) - 1)
            self.flaws.add("a text is shorter than it says")

    def _exclusive(self, body: bytes) -> None:
        """A message of one maker; Roland's GS and Yamaha's XG may give any channel to the drums."""
        if body[:1] == b"\x41" and body[2:4] == b"\x42\x12":
            self._file.roland = True
            if len(body) > 7 and body[4] == 0x40 and body[5] >> 4 == 1 and body[6] == 0x15:  # use for rhythm part
                block = body[5] & 15  # the first is channel 10; the others follow in order
                self._file.rhythm[DRUMS if block == 0 else block - (block <= DRUMS)] = body[7] > 0
        elif len(body) > 6 and body[0] == 0x43 and body[1] >> 4 == 1 and body[2:4] == b"\x4c\x08" and body[5] == 7:
            self._file.rhythm[body[4]] = body[6] > 0  # part mode
