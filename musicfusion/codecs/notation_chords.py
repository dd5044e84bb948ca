"""What stands beside the notes of a score and music21 does not read, or slowly: chord symbols, and words below notes.

MusicXML's <harmony>; ABC's "Am" and w: lines; **kern's spines of chords (**mxhm, **harte) and words (**text, **silbe,
**lyrics). Chords are found by bar, words are put on the notes of music21's stream.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree.ElementTree import Element

from musicfusion.codecs import chord_symbols

if TYPE_CHECKING:
    from music21.stream import Part, Stream

Row = tuple[int, int, int]  # as in codecs.chords
Symbols = Mapping[int, Sequence[tuple[float, Row]]]  # bar: chords in order, each with its quarter in the bar

_TONES = {3: (3, 4), 5: (6, 7, 8), 7: (9, 10, 11), 9: (1, 2, 3), 11: (5, 6), 13: (8, 9)}  # what a degree may be
_SUNG, _NAMED = ("text", "silbe", "lyrics"), ("mxhm", "harte")  # spines
_ESCAPED = {"a": "ä", "o": "ö", "u": "ü", "A": "Ä", "O": "Ö", "U": "Ü", "s": "ß"}  # as **silbe has them: \u3
_VERSES = 20

# MusicXML ------------------------------------------------------------------------------------------------------------


def of_xml(root: Element, notices: list[str]) -> Symbols:
    """The chord symbols of a <score-partwise>, which are taken out of it; of several parts that of most symbols.

    Symbols of transposing instruments are moved by what "shift" of their <harmony> says, in semitones.
    """
    found: list[dict[int, list[tuple[float, Row]]]] = [{}]
    unknown = 0
    for part in root.iterfind("part"):
        own: dict[int, list[tuple[float, Row]]] = {}
        divisions = 1.0
        for number, measure in enumerate(part.iterfind("measure")):
            now = 0.0
            for child in list(measure):
                if child.tag == "attributes":
                    divisions = _number(child.findtext("divisions")) or divisions
                elif child.tag == "harmony":
                    measure.remove(child)
                    row = _of_harmony(child)
                    unknown += row is None
                    if row is not None:
                        at = max(now + _number(child.findtext("offset")) / divisions, 0.0)
                        own.setdefault(number, []).append((at, row))
                elif child.tag in ("note", "forward") and child.find("chord") is None:
                    now += _number(child.findtext("duration")) / divisions
                elif child.tag == "backup":
                    now -= _number(child.findtext("duration")) / divisions
        found.append(own)
    if unknown:
        notices.append(f"left out: {unknown:,} chord symbol{'s' * (unknown > 1)} that cannot be understood")
    return max(found, key=lambda own: sum(map(len, own.values())))


def _of_harmony(harmony: Element) -> Row | None:
    kind = harmony.find("kind")
    if kind is None:
        return None
    value, text = (kind.text or "").strip(), kind.get("text", "").strip()
    if value == "none":
        return 0, 0, 0
    root, bass = _name(harmony, "root"), _name(harmony, "bass")
    readings = [chord_symbols.KINDS[value]] if value in chord_symbols.KINDS else [*filter(None, (value, text))]
    readings = readings if value or text else [""]
    row = next((row for reading in readings if root and (row := chord_symbols.understood(root + reading))), None)
    if row is None or not row[2]:
        return None
    above = {interval for interval in range(12) if row[2] >> (row[0] + interval) % 12 & 1}
    for degree in harmony.iterfind("degree") if value in chord_symbols.KINDS else ():
        _change(above, degree)
    shift = int(harmony.get("shift", "0"))
    low = chord_symbols.pitch_class(bass) if bass else row[0]
    tones = {(row[0] + interval) % 12 for interval in above} | {low}
    return (row[0] + shift) % 12, (low + shift) % 12, sum(1 << (tone + shift) % 12 for tone in tones)


def _change(above: set[int], degree: Element) -> None:
    """Adds, alters or takes away a degree, in place. A seventh that is added is a minor one, also where flat."""
    number, alter = int(_number(degree.findtext("degree-value"))), int(_number(degree.findtext("degree-alter")))
    what = (degree.findtext("degree-type") or "add").strip()
    if not 1 <= number <= 13:
        return
    natural = 10 if number == 7 else chord_symbols.DEGREES[(number - 1) % 7]
    if what in ("alter", "subtract"):
        above -= set(_TONES.get(number, ()))
    if what != "subtract":
        above.add((natural + (max(alter, 0) if number == 7 and what == "add" else alter)) % 12)


def _name(harmony: Element, what: str) -> str:
    """The name of its root or bass, such as Bb; "" if it has none."""
    step = (harmony.findtext(f"{what}/{what}-step") or "").strip().upper()
    alter = int(_number(harmony.findtext(f"{what}/{what}-alter")))
    return step + ("#" * alter or "b" * -alter) if step in tuple("ABCDEFG") and abs(alter) <= 2 else ""


def _number(text: str | None) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


# ABC -----------------------------------------------------------------------------------------------------------------


class _Sung(NamedTuple):
    """A note of an ABC line, in the order in which they come: the number of the bar, and where it stands."""

    bar: int
    place: int


class Beside(NamedTuple):
    """What stands beside the notes and rests of a voice: by their number, without grace notes.

    symbols: chords as they are written;  words: {verse, from 1: syllable};  events: how many notes and rests there are
    """

    symbols: dict[int, str]
    words: dict[int, dict[int, str]]
    events: int


def of_abc(tokens: Sequence[Any]) -> list[Beside]:
    """What stands beside the notes of each voice of a tune; chord symbols are taken out of music21's tokens."""
    from music21 import abcFormat

    voices: list[Beside] = []
    count, bar, line, verse = 0, 0, list[_Sung](), 0
    symbols: dict[int, str] = {}
    words: dict[int, dict[int, str]] = {}
    for token in [*tokens, None]:
        if token is None or (isinstance(token, abcFormat.ABCMetadata) and token.isVoice()):
            if count:
                voices.append(Beside(symbols, words, count))
            count, bar, line, verse, symbols, words = 0, 0, [], 0, {}, {}
        elif isinstance(token, abcFormat.ABCMetadata) and token.tag == "w":
            verse += 1
            if verse <= _VERSES:
                for place, syllable in _sung(token.data or "", line):
                    words.setdefault(place, {})[verse] = syllable
        elif isinstance(token, abcFormat.ABCBar):
            bar += 1
        elif isinstance(token, abcFormat.ABCNote):
            texts = [text.strip('" ') for text in token.chordSymbols]
            token.chordSymbols = []
            if token.inGrace or (isinstance(token, abcFormat.ABCChord) and not token.subTokens):
                continue
            line, verse = ([], 0) if verse else (line, verse)
            if symbol := next(filter(chord_symbols.understood, texts), ""):
                symbols[count] = symbol
            if not token.isRest:
                line.append(_Sung(bar, count))
            count += 1
    return voices


def _sung(text: str, line: Sequence[_Sung]) -> Iterator[tuple[int, str]]:
    """The syllables of a w: line with the places of their notes."""
    at = 0
    for found in re.finditer(r"(?P<mark>[_*|-])|(?P<syllable>(?:\\-|[^\s_*|-])+)(?P<hyphen>-?)", text):
        if at >= len(line):
            return
        if found["mark"] == "|":
            at = next((k for k in range(at, len(line)) if k and line[k].bar > line[k - 1].bar), len(line))
        elif found["mark"]:
            at += 1
        else:
            yield line[at].place, found["syllable"].replace("\\-", "-").replace("~", " ") + found["hyphen"]
            at += 1


def put_beside(stream: "Stream", voices: Sequence[Beside], notices: list[str]) -> Symbols:
    """Puts the words of ABC's voices on the notes of their parts; returns the chord symbols, of the first part."""
    parts: list[Part] = list(stream.getElementsByClass("Part")) or [stream]  # type: ignore[list-item]
    chords: dict[int, list[tuple[float, Row]]] = {}
    for part, beside in zip(parts, voices, strict=False):
        bars = list(part.getElementsByClass("Measure")) or [part]
        events = [(k, one) for k, bar in enumerate(bars) for one in bar.notesAndRests if not one.duration.isGrace]
        if len(events) != beside.events:
            notices += ["left out: words that do not fit their notes"] * bool(beside.words)
            continue
        for place, verses in beside.words.items():
            _sing(events[place][1], verses)
        if beside.symbols and not chords:
            for place, symbol in beside.symbols.items():
                k, one = events[place]
                chords.setdefault(k, []).append((float(one.offset), chord_symbols.parse(symbol)))
    return chords


def _sing(one: Any, verses: Mapping[int, str]) -> None:
    from music21.note import Lyric

    one.lyrics = [Lyric(text, number, applyRaw=True) for number, text in verses.items()]


# **kern --------------------------------------------------------------------------------------------------------------


def of_kern(text: str, stream: "Stream") -> Symbols:
    """Puts the words of a **kern file on the notes of their parts; returns its chord symbols.

    music21 keeps the number of an element's line as its priority, and a spine's as the id of its part.
    """
    words: dict[tuple[int, int], dict[int, str]] = {}  # (spine, line): {verse: syllable}
    symbols: dict[int, Row] = {}
    for number, kind, spine, verse, cell in _beside(text):
        if kind in _SUNG and (syllable := _syllable(cell)):
            words.setdefault((spine, number), {})[verse] = syllable
        elif kind in _NAMED and (row := _named(cell)):
            symbols.setdefault(number, row)
    chords: dict[int, dict[float, Row]] = {}
    for part in stream.getElementsByClass("Part"):
        own = re.search(r"\d+$", str(part.id))
        spine = int(own[0]) if own else -1
        for k, bar in enumerate(part.getElementsByClass("Measure")):
            for onset, one in [(0.0, one) for one in bar.notesAndRests] + [
                    (float(voice.offset), one) for voice in bar.voices for one in voice.notesAndRests]:
                line = one.priority
                if line in symbols and not one.duration.isGrace:
                    chords.setdefault(k, {})[onset + float(one.offset)] = symbols[line]
                if not one.isRest and not one.duration.isGrace:
                    _sing(one, words.pop((spine, line), {}))
    return {k: sorted(found.items()) for k, found in chords.items()}


def _beside(text: str) -> Iterator[tuple[int, str, int, int, str]]:
    """The tokens of spines that are no notes: line from 1, kind, the spine of notes before it, verse, token."""
    spines: list[tuple[str, int, int]] = []  # kind, the spine of notes, verse
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.split("\t")
        if line.startswith("**"):
            spines = []
            for k, cell in enumerate(cells):
                sung = cell[2:] in _SUNG
                notes, verse = spines[-1][1:] if spines else (-1, 0)
                spines.append((cell[2:], k, 0) if cell == "**kern" else (cell[2:], notes, verse + sung))
        elif line.startswith("*"):
            spines = list(_followed(spines, cells))
        elif line and line[0] not in "!=":
            for (kind, notes, verse), cell in zip(spines, cells, strict=False):
                if kind != "kern" and cell != ".":
                    yield number, kind, notes, verse, cell


def _followed(spines: Sequence[tuple[str, int, int]], cells: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """The spines behind a line of interpretations, where they may split, join, change places, begin and end."""
    merged = swapped = None
    for spine, cell in zip(spines, cells, strict=False):
        if cell == "*v":
            if merged is None:
                yield spine
            merged = spine
            continue
        merged = None
        if cell == "*x":
            if swapped is None:
                swapped = spine
            else:
                yield spine
                yield swapped
                swapped = None
            continue
        if cell != "*-":
            yield spine
        if cell in ("*^", "*+"):
            yield spine if cell == "*^" else ("", -1, 0)


def _syllable(cell: str) -> str:
    """A syllable; a hyphen follows where its word goes on. "" where the one before is held."""
    text = re.sub(r"\\([aouAOUs])3", lambda found: _ESCAPED[found[1]], cell).strip()
    return "" if text in ("|", "_", "-") else text.removeprefix("-") if len(text) > 1 else text


def _named(cell: str) -> Row | None:
    """A chord such as B-:min7/b3 (**harte), or "B- minor-seventh" (**mxhm)."""
    match = re.fullmatch(r"([A-G])([-#]*)([: ]?)(.*?)(/[A-G][-#b]*|/[b#]*\d+)?", cell.strip())
    if not match:
        return chord_symbols.understood(cell)
    root, signs, between, quality, bass = (group.strip() for group in match.groups(""))
    if quality in chord_symbols.KINDS and between != ":":
        quality = chord_symbols.KINDS[quality]
    return chord_symbols.understood(root + signs.replace("-", "b") + between + quality + bass.replace("-", "b"))
