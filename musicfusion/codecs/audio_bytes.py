"""What kind of audio file some bytes are, and their headers mended, so that libsndfile reads what is there.

A recorder that was switched off leaves sizes of 0 behind, a stream never knew them, a download ends too soon. Nothing
is written: libsndfile gets a View, in which a few bytes are others than in the file.
"""

import dataclasses
import math
import shlex
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Literal

from musicfusion.codecs import audio_mpeg

KINDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus")

_ENDLESS = 0x7FFF0000  # bytes: programs that write to a pipe announce about 2 or 4 GiB
_NAMES = (b"data", b"SSND", b"fmt ", b"COMM", b"LIST", b"fact", b"JUNK", b"id3 ", b"bext", b"cue ", b"smpl", b"PEAK")
_CHUNKS = 1000  # are looked through for the one that holds the sound
_PAGE = 27 + 255 + 255 * 255  # bytes of an Ogg page at most
_OGG = (b"\x80theora", b"fishead\0", b"Speex   ", b"OVP80", b"BBCD\0")  # streams that libsndfile does not decode
_FOREIGN = (  # where they begin, with what, what they are
    (4, b"ftyp", "an MP4 file (M4A, AAC or video)"), (4, b"moov", "a QuickTime film"),
    (4, b"mdat", "a QuickTime film"), (4, b"wide", "a QuickTime film"), (8, b"AVI ", "an AVI film"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska file (MKV or WEBM)"), (0, b"0&\xb2u\x8ef\xcf\x11", "a Windows Media file"),
    (0, b"FLV", "Flash video"), (0, b"\0\0\1\xba", "MPEG video"), (0, b"\0\0\1\xb3", "MPEG video"),
    (0, b".RMF", "a RealMedia file"), (0, b"#!AMR", "an AMR file"), (0, b"ADIF", "an AAC file"),
    (0, b"wvpk", "a WavPack file"), (0, b"MAC ", "a Monkey's Audio file"), (0, b"TTA1", "a True Audio file"),
    (0, b"MPCK", "a Musepack file"), (0, b"MP+", "a Musepack file"), (0, b"DSD ", "a DSD file"),
    (0, b"FRM8", "a DSD file"), (0, b"\x0b\x77", "an AC-3 file"),
)
_OTHERS = {b"MThd": "a MIDI file", b"<": "a web page or XML", b"PK\3\4": "a ZIP archive", b"\x1f\x8b": "a gzip archive",
           b"%PDF": "a PDF", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"GIF8": "a picture"}

Part = bytes | tuple[int, int]


class Refused(Exception):
    """Why bytes are not read as sound; what would be accepted stands with it where that is something else."""


class View:
    """A file as libsndfile is to see it: some bytes of our own, and some of the file's, from `begin` to `end`.

    Its methods raise nothing, because libsndfile calls them. Where the file cannot be read any more, it ends.
    """

    def __init__(self, file: "BufferedIOBase | View", parts: list[Part]):
        self.file = file
        self.parts: list[tuple[int, Part]] = []  # with where they begin in the view
        self.size = self.position = 0
        for part in parts:
            length = len(part) if isinstance(part, bytes) else max(part[1] - part[0], 0)
            if length:
                self.parts.append((self.size, part))
            self.size += length

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's; a place before the beginning is the beginning."""
        self.position = max(0, offset + (0, self.position, self.size)[whence])
        return self.position

    def tell(self) -> int:
        """As a file's."""
        return self.position

    def readinto(self, buffer: Any) -> int:
        """As a file's; fewer bytes than the buffer holds only at the end."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, count: int) -> bytes:
        """Up to `count` bytes from where it stands."""
        found = []
        for start, part in self.parts:
            length = len(part) if isinstance(part, bytes) else part[1] - part[0]
            first, last = self.position - start, min(self.position - start + count, length)
            if not 0 <= first < last:
                continue
            data = part[first:last] if isinstance(part, bytes) else _at(self.file, part[0] + first, last - first)
            found.append(data)
            self.position += len(data)
            count -= len(data)
            if len(data) < last - first:
                break
        return b"".join(found)


@dataclasses.dataclass(frozen=True)
class Opened:
    """A file whose header is in order.

    Attributes:
        view: its bytes.
        announced: how many times what is there its header announces, at least 1; infinity: its end is missing, and
            nothing says how long it was.
        said: what was done, in words.
        noisy: whether its decoder writes to standard error.
    """

    view: View
    announced: float = 1.0
    said: tuple[str, ...] = ()
    noisy: bool = False


def opened(file: BufferedIOBase, name: str, is_path: bool) -> Opened:
    """A file as libsndfile is to see it. What it is, its content says.

    Args:
        file: open for reading.
        name: what it is called.
        is_path: whether that is the path of a file, which can be converted by that name.

    Raises:
        Refused: it is known to be something that cannot be read here.
    """
    size = file.seek(0, 2)
    tagged = audio_mpeg.tags(_at(file, 0, 10), lambda at: _at(file, at, 10))
    head = _at(file, tagged if tagged < size else 0, 4096)
    _refuse(head, name, is_path)
    mend: Callable[[BufferedIOBase | View, int], Opened]
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"):
        mend = _chunked
    elif head[:4] == b"riff":
        mend = _w64
    elif head[:4] == b"OggS":
        mend = _ogg
    elif head[:4] in (b"fLaC", b"caff", b".snd"):
        return Opened(_whole(file, size))
    else:
        begin = audio_mpeg.first_frame(_at(file, tagged, audio_mpeg.SEARCHED))
        return Opened(_whole(file, size), noisy=True) if begin is None else _mpeg(file, size, tagged, begin)
    if 0 < tagged < size:  # nobody expects tags there
        return mend(View(file, [(tagged, size)]), size - tagged)
    return mend(file, size)


def _refuse(head: bytes, name: str, is_path: bool) -> None:
    foreign = next((what for at, begin, what in _FOREIGN if head[at:].startswith(begin)), "")
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        foreign = "an AAC file"
    if head[:1] == b"\x47" and head[188:189] == b"\x47" and head[376:377] == b"\x47":
        foreign = "MPEG video"
    if head[:4] == b"OggS" and any(begin in head[28:64] for begin in _OGG):
        foreign = "an OGG file with video or speech"
    if foreign:
        names = (shlex.quote(name), shlex.quote(str(Path(name).with_suffix(".wav")))) if is_path else ("IN", "OUT.wav")
        raise Refused(f"is {foreign}, which cannot be read; ffmpeg converts it: ffmpeg -i {' '.join(names)}")
    other = next((what for begin, what in _OTHERS.items() if head.startswith(begin)), "")
    if other or not head:
        raise Refused(f"cannot be read as audio ({f'it looks like {other}' if other else 'the file is empty'});"
                      f" accepted are {', '.join(KINDS)}")


def _at(file: BufferedIOBase | View, position: int, count: int) -> bytes:
    try:
        file.seek(position)
        return file.read(count)
    except (OSError, ValueError, OverflowError):
        return b""


def _whole(file: BufferedIOBase | View, size: int) -> View:
    return View(file, [(0, size)])


def _replaced(file: BufferedIOBase | View, size: int, at: int, new: bytes) -> View:
    return View(file, [(0, at), new, (at + len(new), size)])


# RIFF, RF64, AIFF, W64 ----------------------------------------------------------------------------------------------

_UNSIZED = "its header does not say how long it is: all that follows is read as sound"


def _chunked(file: BufferedIOBase | View, size: int) -> Opened:
    """WAV, RF64 and AIFF: the size of the chunk that holds the sound, against what is there."""
    kind = _at(file, 0, 4)
    order: Literal["big", "little"] = "big" if kind in (b"RIFX", b"FORM") else "little"
    sought = b"SSND" if kind == b"FORM" else b"data"
    at, long = 12, None
    unfilled: list[int] = []  # where a chunk of odd length lacks the byte that fills it up
    for _ in range(_CHUNKS):
        name, length = (head := _at(file, at, 8))[:4], int.from_bytes(head[4:8], order)
        if len(head) < 8:
            return Opened(_whole(file, size))
        if name == sought:
            break
        if name == b"ds64":
            long = at + 16  # of the size of the sound, 8 bytes
        at += 8 + length
        if length % 2 and _at(file, at, 4) in _NAMES:
            unfilled.append(at)
        else:
            at += length % 2
    else:
        return Opened(_whole(file, size))
    if unfilled:
        cuts = zip([0, *unfilled], [*unfilled, size], strict=True)
        parts = [part for cut in cuts for part in (cut, b"\0")][:-1]
        file, size, at = View(file, parts), size + len(unfilled), at + len(unfilled)
    there = size - at - 8
    end = at + 8 + length
    if length and any(_at(file, end + more, 4) == kind for more in (0, length % 2)):
        return Opened(View(file, [(0, end)]), said=("another sound follows it in the same file: the first is read",))
    if long is not None:
        length = int.from_bytes(_at(file, long, 8), order)
        if there > 0 and (not length or length >= 2**62):
            return Opened(_replaced(file, size, long, there.to_bytes(8, order)), said=(_UNSIZED,))
    elif kind == b"RIFF" and there - length >= 2**32 - 2**20:  # 32 bits cannot hold how many there are
        return Opened(_as_rf64(file, size, at), said=(_UNSIZED,))
    elif there > 0 and length == 0 and not _is_chunk(file, size, at + 8, order):
        return Opened(_replaced(file, size, at + 4, b"\xff" * 4), said=(_UNSIZED,))
    elif length >= _ENDLESS and length > there:
        return Opened(_whole(file, size), said=(_UNSIZED,))
    view = _replaced(file, size, 0, b"RF64") if kind == b"BW64" else _whole(file, size)
    return Opened(view, announced=length / there if length > there > 0 else 1.0)


def _is_chunk(file: BufferedIOBase | View, size: int, at: int, order: Literal["big", "little"]) -> bool:
    """Whether a chunk begins here that fits into the file: then the one before is empty indeed."""
    head = _at(file, at, 8)
    return head[:4].isascii() and head[:4].isalnum() and at + 8 + int.from_bytes(head[4:], order) <= size


def _as_rf64(file: BufferedIOBase | View, size: int, at: int) -> View:
    """A WAV file with sizes of 64 bits; its sound begins behind the chunk header at `at` and goes to the end."""
    sizes = b"".join(number.to_bytes(8, "little") for number in (size + 28, size - at - 8, 0))
    head = b"RF64" + b"\xff" * 4 + b"WAVEds64" + (28).to_bytes(4, "little") + sizes + bytes(4)
    return View(file, [head, (12, at + 4), b"\xff" * 4, (at + 8, size)])


def _w64(file: BufferedIOBase | View, size: int) -> Opened:
    """Wave64: chunks with names of 16 bytes and sizes of 8, which count their own header."""
    at = 40
    for _ in range(_CHUNKS):
        head = _at(file, at, 24)
        if len(head) < 24:
            break
        length = int.from_bytes(head[16:], "little")
        there = size - at
        if head[:4] == b"data":
            if there > 24 and (length <= 24 or length >= 2**62):
                return Opened(_replaced(file, size, at + 16, there.to_bytes(8, "little")), said=(_UNSIZED,))
            return Opened(_whole(file, size), announced=(length - 24) / (there - 24) if length > there > 24 else 1.0)
        at += max(length + -length % 8, 24)
    return Opened(_whole(file, size))


# Ogg ----------------------------------------------------------------------------------------------------------------


def _ogg(file: BufferedIOBase | View, size: int) -> Opened:
    """Ogg: of a last page that is cut, the packets that are whole; libsndfile would drop all of it."""
    start = max(size - _PAGE, 0)
    tail = _at(file, start, _PAGE)
    at = tail.rfind(b"OggS\0")
    while at >= 0 and len(tail) - at < 27:  # a page whose header is cut
        tail = tail[:at]
        at = tail.rfind(b"OggS\0")
    if at < 0:
        return Opened(_whole(file, size))
    page = tail[at:]
    table = page[27 : 27 + page[26]]
    body = page[27 + page[26] :]
    end = start + len(tail)
    if len(table) == page[26] and sum(table) <= len(body):
        is_last = bool(page[5] & 4)
        return Opened(View(file, [(0, end)]), announced=1.0 if is_last else math.inf)
    there, kept, packets = 0, 0, 0  # bytes of segments; segments and their bytes up to the last whole packet
    for number, segment in enumerate(table, start=1):
        there += segment
        if there > len(body):
            break
        if segment < 255:
            kept, packets = number, there
    parts: list[Part] = [(0, start + at)]
    if kept:
        flags = page[5] | 4  # the last page
        fixed = page[:5] + bytes([flags]) + page[6:22] + bytes(4) + bytes([kept]) + table[:kept] + body[:packets]
        parts.append(fixed[:22] + _ogg_checksum(fixed).to_bytes(4, "little") + fixed[26:])
    return Opened(View(file, parts), announced=math.inf)


def _ogg_checksum(page: bytes) -> int:
    """CRC-32 as Ogg has it: polynomial 0x04C11DB7, not reflected, from 0."""
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        table.append(value)
    found = 0
    for byte in page:
        found = (found << 8 & 0xFFFFFFFF) ^ table[found >> 24 ^ byte]
    return found


# MP3 ----------------------------------------------------------------------------------------------------------------


def _mpeg(file: BufferedIOBase | View, size: int, tagged: int, begin: int) -> Opened:
    """MP3: what comes before its first frame is passed over, but for tags; frames are mended (audio_mpeg.mended)."""
    first = tagged + begin
    parts: list[Part] = [(first if begin else 0, size)]
    said = [f"{begin:,} bytes before the sound are passed over"] if begin else []
    if made := audio_mpeg.mended(lambda at, length: _at(file, at, length), first, size):
        parts = made.parts
        said += [f"{made.lost:.2f} s of it are damaged, and silent"] if made.lost else []
    return Opened(View(file, parts), said=tuple(said), noisy=True)
