"""Humdrum **kern files -> notes: as much of the format as Palestrina's masses and the Essen folk songs need.

A voice is a spine; spines that split or join are refused, grace notes are left out. Repeats are read once, as written.
"""

import re
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from musicfusion.codecs.musicxml import CLASSES
from musicfusion.core.errors import MusicFusionError

_TOKEN = re.compile(r"(\d+)(?:%(\d+))?(\.*)")
_PITCH = re.compile(r"([a-gA-G])\1*([#n-]*)")


class Piece(NamedTuple):
    """A piece in voices.

    voices: float64 [n, 3] each, onset and duration in quarters, and pitch; the first spine (the lowest voice) first
    metres: as written, such as "4/2";  bars: where bar lines stand, in quarters;  length: in quarters
    """

    voices: list[np.ndarray]
    metres: frozenset[str]
    bars: list[float]
    length: float


def read(text: str) -> Piece:
    """The music in the text of a **kern file.

    Raises:
        MusicFusionError: there is no **kern spine, spines split or join, or a token is not understood.
    """
    spines: list[int] = []
    voices: list[_Voice] = []
    metres, bars = set(), []
    for line in text.splitlines():
        cells = line.rstrip("\r").split("\t")
        if not line.strip() or line.startswith("!"):
            continue
        if line.startswith("**"):
            spines = [i for i, cell in enumerate(cells) if cell == "**kern"]
            voices = [_Voice() for _ in spines]
        elif line.startswith("*"):
            if any(cell in ("*^", "*v", "*x", "*+") for cell in cells):
                raise MusicFusionError("its spines split or join")
            metres |= {cell[2:] for cell in cells if re.fullmatch(r"\*M\d+/\d+", cell)}
        elif line.startswith("="):
            bars.append(float(max((voice.now for voice in voices), default=0)))
        else:
            for spine, voice in zip(spines, voices, strict=True):
                if spine >= len(cells):
                    raise MusicFusionError("a line has too few spines")
                voice.add(cells[spine])
    if not voices:
        raise MusicFusionError("no **kern spine")
    length = float(max(voice.now for voice in voices))
    return Piece([voice.array() for voice in voices], frozenset(metres), bars, length)


class _Voice:
    """A spine as it is read: the time that was reached, in quarters, and the notes so far."""

    def __init__(self) -> None:
        self.now = Fraction(0)
        self._notes: list[list[Fraction | int]] = []
        self._tied: dict[int, list[Fraction | int]] = {}

    def add(self, cell: str) -> None:
        """One token: a note, several that sound together, a rest, or "." where nothing new begins."""
        if cell == "." or "q" in cell.lower():
            return
        lengths = [_duration(token) for token in cell.split(" ")]
        for token, length in zip(cell.split(" "), lengths, strict=True):
            found = _PITCH.search(token)
            if "r" in token or found is None:
                continue
            pitch = _pitch(*found.group(0, 1, 2))
            held = self._tied.pop(pitch, None) if "]" in token or "_" in token else None
            if held is None:
                held = [self.now, Fraction(0), pitch]
                self._notes.append(held)
            held[1] += length
            if "[" in token or "_" in token:
                self._tied[pitch] = held
        self.now += min(lengths)

    def array(self) -> np.ndarray:
        """float64 [n, 3]."""
        return np.array([[float(x) for x in note] for note in self._notes]).reshape(-1, 3)


def _duration(token: str) -> Fraction:
    """Quarters: 4 is a quarter, 2. a dotted half, 0 a breve, 00 a long, 3%2 a triplet of two wholes."""
    found = _TOKEN.search(token)
    if found is None:
        raise MusicFusionError(f"a token without a duration: {token[:20]!r}")
    number, over, dots = found.groups()
    longer = set(number) == {"0"}  # than a whole
    length = Fraction(4 * 2 ** len(number)) if longer else Fraction(4 * int(over or 1), int(number))
    return length * (2 - Fraction(1, 2 ** len(dots)))


def _pitch(letters: str, letter: str, signs: str) -> int:
    """MIDI: c is middle C, cc an octave above, C one below, CC two."""
    count = len(letters) - len(signs)
    octave = 4 + count if letter.islower() else 4 - count
    octave -= letter.islower()
    return 12 * (octave + 1) + CLASSES[letter.upper()] + signs.count("#") - signs.count("-")
