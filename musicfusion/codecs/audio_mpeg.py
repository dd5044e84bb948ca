"""MP3 files frame by frame: where the first one is, how many there are, and what is damaged."""

import struct
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

SEARCHED = 1 << 16  # bytes in which the first frame is looked for

_BLOCK = 1 << 20  # bytes that are looked through at once
_LARGEST = 2881  # bytes of a frame
_RESERVOIR = 9  # frames at most that lend their bits to another one
_TAGS = 8  # at the beginning
_COUNTS = (b"Xing", b"Info", b"VBRI")  # a first frame with one of these says how many there are
_RATES = (44100, 48000, 32000)  # Hz, of MPEG 1
_KBITS = {  # (MPEG 1, layer) -> thousands of bits a second, by index
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


class Frame(NamedTuple):
    """What the 4 bytes at a frame's beginning say; length in bytes, kbits in thousands of bits a second."""

    length: int
    kbits: int
    same: tuple[int, int, int]  # version, layer, rate: alike in all frames of a file
    is_mono: bool


def tags(head: bytes, at: Callable[[int], bytes]) -> int:
    """How many bytes of ID3 tags (cover art among them) a file begins with.

    head: its first 10 bytes; at: gives 10 bytes from a position.
    """
    position = 0
    for _ in range(_TAGS):
        if len(head) < 10 or head[:3] != b"ID3" or any(byte > 127 for byte in head[6:10]):
            break
        length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        position += 10 + length + (10 if head[5] & 16 else 0)
        head = at(position)
    return position


def frame(head: bytes) -> Frame | None:
    """The frame that begins with these 4 bytes, or None."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)  # version 3: MPEG 1; 2: MPEG 2; 0: MPEG 2.5
    index, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or index in (0, 15) or rate == 3:
        return None
    hertz = _hertz(version, rate)
    kbits = _KBITS[version == 3, layer][index]
    padding = head[2] >> 1 & 1
    if layer == 1:
        length = (12_000 * kbits // hertz + padding) * 4
    else:
        length = (72_000 if layer == 3 and version != 3 else 144_000) * kbits // hertz + padding
    return Frame(length, kbits, (version, layer, rate), head[3] >> 6 == 3)


def _hertz(version: int, rate: int) -> int:
    return _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]


def first_frame(data: bytes) -> int | None:
    """Where the first frame begins that another one follows, or None."""
    at = data.find(b"\xff")
    while at >= 0:
        if (found := frame(data[at : at + 4])) and _next(data[at : at + 2 * _LARGEST], 0, found) == 0:
            return at
        at = data.find(b"\xff", at + 1)
    return None


class Mended(NamedTuple):
    """A file's bytes as a decoder should see them.

    parts: bytes of our own, and ranges (begin, end) of the file's;  lost: seconds that are silent frames now
    """

    parts: list[bytes | tuple[int, int]]
    lost: float


def mended(at: Callable[[int, int], bytes], begin: int, size: int) -> Mended | None:
    """A file with silent frames where something is damaged, and with a count of its frames if it needs one.

    libmpg123 gives up behind a kilobyte of damage. Where the first frame does not say how many there are, it multiplies
    that frame's bit rate with the file's size, which is wrong if the bit rate changes, and stops there.

    Args:
        at: gives so many bytes (second argument) from a position (first).
        begin: where the first frame begins.
        size: of the file, in bytes.

    Returns:
        None if nothing has to be mended.
    """
    head = at(begin, 4)
    first = frame(head)
    if first is None or first.same[1] != 3:
        return None
    runs, rates, frames = _runs(at, begin, first)
    known = _known(at(begin, first.length))
    if len(runs) < 2 and (known is not None or len(rates) < 2):
        return None
    # Damage may begin in a frame whose head is sound: the last one before a gap goes, too.
    gaps = [after.begin - run.last for run, after in pairwise(runs)]
    lost = [gap * frames / sum(run.end - run.begin for run in runs) for gap in gaps]  # frames, by their mean length
    if known and abs(known + 1 - frames + len(gaps) - sum(lost)) < 1 + sum(lost) / 2:  # else the end is missing, too
        lost = [gap * (known + 1 - frames + len(gaps)) / sum(gaps) for gap in gaps]
    parts: list[bytes | tuple[int, int]] = [(runs[0].begin, runs[0].last if gaps else size)]
    silent = 0
    for number, run in enumerate(runs[1:], start=1):
        count = max(round(sum(lost[:number])) - round(sum(lost[: number - 1])), 0)
        muted = _muted(at, run.begin, first)
        start = run.begin + sum(map(len, muted))
        parts += [_silent(head) * count, *muted, (start, max(run.last if number < len(gaps) else size, start))]
        silent += count + len(muted)
    if known is None and len(rates) > 1:
        count = frames - len(gaps) + round(sum(lost))
        parts.insert(0, _count(head, first, count, size - begin))
    version, _, rate = first.same
    return Mended(parts, silent * (1152 if version == 3 else 576) / _hertz(version, rate))


def _known(body: bytes) -> int | None:
    """How many frames follow the first one, as that says; 0 if it should say it and does not; None if it is sound."""
    word = next((word for word in _COUNTS if word in body), None)
    if word is None:
        return None
    fields = body[body.index(word) + 4 :][:8]
    if word == b"VBRI" or len(fields) < 8 or not fields[3] & 1:
        return 0
    return int.from_bytes(fields[4:], "big")


class _Run(NamedTuple):
    """Frames that follow each other: from where to where, and where the last one begins."""

    begin: int
    end: int
    last: int


def _runs(at: Callable[[int, int], bytes], begin: int, first: Frame) -> tuple[list[_Run], set[int], int]:
    """Where frames follow each other; the bit rates of all; and how many there are."""
    runs: list[_Run] = []
    rates: set[int] = set()
    frames, start, end, last, block, origin = 0, begin, begin, begin, b"", begin
    while True:
        if end + 2 * _LARGEST > origin + len(block):
            block, origin = at(end, _BLOCK), end
        own = frame(block[end - origin : end - origin + 4])
        if own is not None and own.same == first.same:
            rates.add(own.kbits)
            frames, end, last = frames + 1, end + own.length, end
            continue
        if end > start:
            runs.append(_Run(start, end, last))
        found = _next(block, end + 1 - origin, first)
        while found is None and len(block) == _BLOCK:
            origin += _BLOCK - 2 * _LARGEST
            block = at(origin, _BLOCK)
            found = _next(block, 0, first)
        if found is None:
            return runs, rates, frames
        start = end = origin + found


def _next(data: bytes, at: int, first: Frame) -> int | None:
    """Where, from a position on, a frame begins that is like the first one, and that another one follows."""
    at = data.find(b"\xff", at)
    while at >= 0:
        found = frame(data[at : at + 4])
        if found and found.same == first.same:
            behind = frame(data[at + found.length : at + found.length + 4])
            if behind and behind.same == first.same:
                return at
        at = data.find(b"\xff", at + 1)
    return None


def _silent(head: bytes) -> bytes:
    """A frame without sound, like the one with this head; it has neither a checksum nor padding."""
    plain = bytes([head[0], head[1] | 1, head[2] & 0xFD, head[3]])
    own = frame(plain)
    assert own is not None
    return plain + bytes(own.length - 4)


def _muted(at: Callable[[int, int], bytes], begin: int, first: Frame) -> list[bytes]:
    """The frames behind damage that use bits of frames before them, which are lost: without sound, but with these bits.

    Their side information is set to 0, but for its beginning: how many bytes of earlier frames are used.
    """
    found: list[bytes] = []
    kept, aside = 0, _side(first)
    bits = 9 if first.same[0] == 3 else 8
    while own := frame(at(begin, 4)):
        body = at(begin, own.length)
        checksum = 0 if body[1] & 1 else 2
        wanted = int.from_bytes(body[4 + checksum : 6 + checksum], "big") >> 16 - bits
        if own.same != first.same or wanted <= kept or len(found) == _RESERVOIR:
            break
        head = bytes([body[0], body[1] | 1]) + body[2:4] + (min(kept, 2**bits - 1) << 16 - bits).to_bytes(2, "big")
        found.append(head + bytes(aside + checksum - 2) + body[4 + aside + checksum :])
        kept += max(own.length - 4 - aside - checksum, 0)
        begin += own.length
    return found


def _side(own: Frame) -> int:
    """Bytes of side information in such frames, of layer III."""
    if own.same[0] == 3:
        return 17 if own.is_mono else 32
    return 9 if own.is_mono else 17


def _count(head: bytes, first: Frame, frames: int, size: int) -> bytes:
    """An empty frame like that with this head, with a Xing header: frames, and their bytes."""
    is_new = first.same[0] != 3  # MPEG 2 or 2.5
    # 128 or 64 thousand bits a second: long enough for it at any rate.
    empty = _silent(bytes([head[0], head[1], (0x80 if is_new else 0x90) | head[2] & 0x0F, head[3]]))
    aside = _side(first)
    xing = b"Xing" + struct.pack(">III", 3, min(frames, 2**32 - 1), min(size + len(empty), 2**32 - 1))
    return empty[: 4 + aside] + xing + empty[4 + aside + len(xing) :]
