"""A score as music21 reads it -> Score: in the order of play, at sounding pitch, tied notes as one."""

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from musicfusion.codecs import repeats
from musicfusion.codecs.notation_chords import Symbols
from musicfusion.codecs.score import DEFAULT_QPM, Score, Track
from musicfusion.core.errors import MusicFusionError

if TYPE_CHECKING:
    from music21.stream import Measure, Part, Stream

MAX_BARS = 10_000  # as they are played
MAX_PLAYED = 200_000  # notes
VELOCITY = 80  # where there are no dynamics

_LEVELS = ("pppp", "ppp", "pp", "p", "mp", "mf", "f", "ff", "fff", "ffff")  # accents are not among them
_TEMPOS = (5.0, 1000.0)  # quarters a minute that are believed
_GAP = 4.0  # quarters
_LONGEST = 200  # characters of a name or syllable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Voice:
    """What a part is called and plays, where music21 does not read it: a name, and a General MIDI program."""

    name: str = ""
    program: int | None = None


@dataclasses.dataclass
class _Part:
    """A part while it is read: rows (onset, duration, pitch, velocity, tie), and its words."""

    name: str
    program: int | None
    is_drum: bool
    notes: list[Any] = dataclasses.field(default_factory=list)
    lyrics: list[tuple[float, str]] = dataclasses.field(default_factory=list)


def from_music21(stream: "Stream", name: str, notices: Sequence[str],
                 voices: Sequence[Voice] = (), chords: Symbols | None = None) -> Score:
    """The Score of a music21 stream; a pickup ends where the first bar line would be.

    Args:
        stream: a Score or Part whose pitches are those that sound.
        name: of the Score.
        notices: what its reader says of it; what is dropped or guessed here comes after that.
        voices: what is known of the parts beside it, in order.
        chords: the chord symbols of its bars.

    Raises:
        MusicFusionError: there are no notes, or too many; without the file's name.
    """
    parts = list(stream.getElementsByClass("Part")) or [stream]
    bars = [list(part.getElementsByClass("Measure")) or [part] for part in parts]
    said = Counter[str]()
    notices = list(notices)
    count = max(map(len, bars))
    if min(map(len, bars)) < count:
        notices.append("its parts have different numbers of bars: they begin together")
    metres, lengths = _metres(bars, count), []
    for k in range(count):
        length = max((_reach(own[k]) for own in bars if k < len(own)), default=0.0)
        lengths.append(length or metres[k][2])
    marks = _marks(parts, bars, count)
    played = repeats.order(marks, MAX_BARS)
    if len(played) == MAX_BARS:
        raise MusicFusionError(f"{MAX_BARS:,} bars or more, with its repeats; fewer are accepted")
    if not played:
        raise MusicFusionError("no bars")
    if len(played) != count:
        notices.append(f"repeats are played: {count} bars become {len(played)}")
    starts = _starts(played, lengths, metres)
    tempos, guessed = _tempos(bars, played, starts)
    notices += guessed
    found = []
    total = 0
    for k, (part, own) in enumerate(zip(parts, bars, strict=True)):
        voice = voices[k] if k < len(voices) else Voice()
        loud = [other for other, one in zip(bars, parts, strict=True) if _group(one) == _group(part)]
        found.append(_part(part, own, loud, voice, played, starts, said))
        total += len(found[-1].notes)
        if total > MAX_PLAYED:
            raise MusicFusionError(f"more than {MAX_PLAYED:,} notes, with its repeats; fewer are accepted")
    _join([(_group(part), one) for part, one in zip(parts, found, strict=True)])
    tracks = tuple(track for part in found for track in _tracks(part, said))
    if not tracks:
        raise MusicFusionError("no notes")
    notices += [text.format(f"{number:,} {'notes' if number > 1 else 'note'}") for text, number in said.items()]
    rows = [(start, *metres[k][:2]) for start, (k, _) in zip(starts, played, strict=True)]
    changes = [row for n, row in enumerate(rows) if n == 0 or row[1:] != rows[n - 1][1:]]
    changes = [(0.0, *changes[0][1:]), *changes[1:]]
    known = any(_signatures(own) for own in bars)
    return Score(tracks, np.array(tempos), tuple(changes) if known else (), name, (), tuple(dict.fromkeys(notices)),
                 _chords(chords or {}, played, starts))


# Bars -----------------------------------------------------------------------------------------------------------------


def _signatures(bars: "Sequence[Measure]") -> bool:
    return any(bar.getElementsByClass("TimeSignature") for bar in bars)


def _metres(bars: "Sequence[Sequence[Measure]]", count: int) -> list[tuple[int, int, float]]:
    """The metre of each bar: numerator, denominator, quarters. 4/4 before the first."""
    found, now = [], (4, 4, 4.0)
    for k in range(count):
        for own in bars:
            sign = own[k].getElementsByClass("TimeSignature").first() if k < len(own) else None
            if sign is not None and sign.offset == 0:
                over, under = int(sign.numerator), int(sign.denominator)
                if 1 <= over <= 255 and under in (1, 2, 4, 8, 16, 32, 64):
                    now = (over, under, 4.0 * over / under)
                    break
        found.append(now)
    return found


def _reach(bar: "Measure") -> float:
    """The end of the last note or rest in a bar, in quarters."""
    return max((onset + float(one.duration.quarterLength) for onset, one in _events(bar)), default=0.0)


def _events(bar: "Measure") -> Iterator[tuple[float, Any]]:
    """Notes, chords, rests and drums of a bar with their onsets in it, whatever voice they are in."""
    for one in bar.notesAndRests:
        yield float(one.offset), one
    for voice in bar.voices:
        for one in voice.notesAndRests:
            yield float(voice.offset) + float(one.offset), one


def _starts(played: Sequence[tuple[int, int]], lengths: Sequence[float],
            metres: Sequence[tuple[int, int, float]]) -> list[float]:
    """Where each bar begins as it is played, in quarters."""
    first = played[0][0]
    now, starts = max(metres[first][2] - lengths[first], 0.0), []
    for k, _ in played:
        starts.append(now)
        now += lengths[k]
    return starts


def _marks(parts: "Sequence[Part]", bars: "Sequence[Sequence[Measure]]", count: int) -> list[repeats.Bar]:
    """What any of the parts says about the order of its bars."""
    says: list[dict[str, Any]] = [{} for _ in range(count)]
    codas: dict[int, bool] = {}  # bar: whether the sign stands at its beginning
    for part, own in zip(parts, bars, strict=True):
        numbers = {id(bar): k for k, bar in enumerate(own)}
        for bracket in part.recurse().getElementsByClass("RepeatBracket"):
            passes = frozenset(n for n in bracket.numberRange if 1 <= n <= 99)
            for bar in bracket.getSpannedElements():
                if passes and id(bar) in numbers:
                    says[numbers[id(bar)]]["endings"] = passes
        for k, bar in enumerate(own):
            for line in bar.getElementsByClass("Repeat"):
                if line.direction == "start":
                    says[k]["start"] = True
                else:
                    says[k]["times"] = min(max(int(line.times or 2), 2), 99)
            for sign in bar.getElementsByClass("RepeatExpression"):
                _add_sign(says, codas, k, sign, 2 * float(sign.offset) < _reach(bar))
    for n, (k, early) in enumerate(sorted(codas.items())):
        if len(codas) > 1 and n == 0:
            says[max(k - early, 0)]["to_coda"] = True
        else:
            says[k]["coda"] = True
    return [repeats.Bar(**one) for one in says]


def _add_sign(says: list[dict[str, Any]], codas: dict[int, bool], k: int, sign: Any, early: bool) -> None:
    kind = type(sign).__name__
    if kind.startswith("DaCapo"):
        says[k]["jump"] = "capo"
    elif kind.startswith(("DalSegno", "AlSegno")):
        says[k]["jump"] = "segno"
    elif kind == "Segno":
        says[k]["segno"] = True
    elif kind == "Fine":
        says[k]["fine"] = True
    elif kind == "Coda" and re.match(r"to\b", (sign.getText() or "").lower()):
        says[max(k - early, 0)]["to_coda"] = True
    elif kind == "Coda":
        codas[k] = early


def _tempos(bars: "Sequence[Sequence[Measure]]", played: Sequence[tuple[int, int]],
            starts: Sequence[float]) -> tuple[list[tuple[float, float]], list[str]]:
    """The tempo map, and what is said of it."""
    marked: dict[int, dict[float, tuple[float, str]]] = {}  # bar: {offset: quarters a minute, the word if guessed}
    for own in bars:
        for k, bar in enumerate(own):
            for mark in bar.recurse().getElementsByClass("MetronomeMark"):
                number = mark.getQuarterBPM()
                if number is None or not _TEMPOS[0] <= number <= _TEMPOS[1]:
                    continue
                word = (mark.text or "tempo") if mark.numberImplicit else ""
                here = marked.setdefault(k, {})
                offset = float(mark.offset)
                if offset not in here or (here[offset][1] and not word):
                    here[offset] = (float(number), word)
    rows: dict[float, float] = {}
    notices = []
    for start, (k, _) in zip(starts, played, strict=True):
        for offset, (number, word) in sorted(marked.get(k, {}).items()):
            rows[round(start + offset, 6)] = round(number, 3)
            if word:
                notices.append(f"{' '.join(word.split())[:40]!r} is taken as {number:g} quarters a minute")
    if not rows:
        return [(0.0, DEFAULT_QPM)], [f"no tempo is given: {DEFAULT_QPM:g} quarters a minute are taken"]
    first = min(rows)
    rows.setdefault(0.0, rows[first] if first <= starts[0] else DEFAULT_QPM)
    if first <= starts[0]:
        rows[0.0] = rows[first]
    ordered = sorted(rows.items())
    return [row for n, row in enumerate(ordered) if n == 0 or row[1] != ordered[n - 1][1]], list(dict.fromkeys(notices))


def _chords(symbols: Symbols, played: Sequence[tuple[int, int]],
            starts: Sequence[float]) -> tuple[tuple[float, int, int, int], ...]:
    """Chord symbols as they are played: behind a jump that chord sounds which sounded there as it is written."""
    if not symbols:
        return ()
    symbols = {k: sorted(own, key=lambda row: row[0]) for k, own in symbols.items()}
    held, now = {}, (0, 0, 0)
    for k in range(max(max(k for k, _ in played), *symbols) + 1):
        held[k] = now
        now = symbols[k][-1][1] if symbols.get(k) else now
    rows: dict[float, tuple[int, int, int]] = {0.0: (0, 0, 0)}
    before = -1
    for start, (k, _) in zip(starts, played, strict=True):
        if k != before + 1:
            rows[start] = held[k]
        rows |= {round(start + offset, 6): row for offset, row in symbols.get(k, ())}
        before = k
    found = sorted(rows.items())
    return tuple((at, *row) for n, (at, row) in enumerate(found) if n == 0 or row != found[n - 1][1])


# Notes ----------------------------------------------------------------------------------------------------------------


def _group(part: "Part") -> str:
    """What the staves of one instrument have in common; dynamics in one of them hold for all."""
    name = str(part.id)
    return name.rpartition("-Staff")[0] if "PartStaff" in part.classes and "-Staff" in name else f"{id(part)}"


def _part(part: "Part", bars: "Sequence[Measure]", loud: "Sequence[Sequence[Measure]]", voice: Voice,
          played: Sequence[tuple[int, int]], starts: Sequence[float], said: Counter[str]) -> _Part:
    """A part as it is played.

    Args:
        loud: the bars of all staves of its instrument, for their dynamics.
        said: counts what is dropped.
    """
    instruments = list(part.recurse().getElementsByClass("Instrument"))
    first = instruments[0] if instruments else None
    name = voice.name or getattr(part, "partName", None) or (first.partName or first.instrumentName if first else "")
    program = voice.program if voice.program is not None else first.midiProgram if first else None
    is_drum = bool(first and first.midiChannel == 9)
    found = _Part(" ".join(str(name or "").split())[:_LONGEST], program, is_drum)
    read = [list(_read(bar, said)) for bar in bars]
    levels = [sorted((float(mark.offset), level) for own in loud if k < len(own)
                     for mark in own[k].getElementsByClass("Dynamic") if (level := _level(mark)))
              for k in range(len(bars))]
    velocity = VELOCITY
    for start, (k, number) in zip(starts, played, strict=True):
        if k >= len(bars):
            continue
        for onset, duration, pitches, verses in read[k]:
            velocity = next((level for at, level in reversed(levels[k]) if at <= onset), velocity)
            at = start + onset
            found.notes += [(at, duration, pitch, velocity, tie) for pitch, tie in pitches]
            if verses:
                found.lyrics.append((at, verses.get(number) or next(iter(verses.values()))))
        velocity = levels[k][-1][1] if levels[k] else velocity
    return found


def _level(mark: Any) -> int:
    return max(1, min(127, round(127 * mark.volumeScalar))) if mark.value in _LEVELS else 0


def _read(bar: "Measure", said: Counter[str]) -> Iterator[tuple]:
    """The notes of a bar: onset, duration, rows (pitch, tie), {verse: syllable}."""
    for onset, one in _events(bar):
        if one.isRest or "Harmony" in one.classes:
            continue
        duration = float(one.duration.quarterLength)
        if one.duration.isGrace or duration <= 0:
            said["left out: {} without a length (grace notes)"] += 1
            continue
        if not (math.isfinite(onset) and math.isfinite(duration)):
            raise MusicFusionError("a note whose time is no number")
        members = [member for member in getattr(one, "notes", [one]) if hasattr(member, "pitch")]
        ties = [member.tie or one.tie for member in members]
        verses = {lyric.number: text for lyric in one.lyrics if (text := _syllable(lyric))}
        yield onset, duration, [(round(member.pitch.ps), tie.type if tie is not None else "")
                                for member, tie in zip(members, ties, strict=True)], verses


def _syllable(lyric: Any) -> str:
    """A syllable; a hyphen follows where the word goes on."""
    text = " ".join(str(lyric.text or "").split())[:_LONGEST]
    return f"{text}-" if text and lyric.syllabic in ("begin", "middle") and not text.endswith("-") else text


def _tracks(part: _Part, said: Counter[str]) -> Iterator[Track]:
    """The track of a part that has notes."""
    sounding = [note for note in part.notes if 0 <= note[2] <= 127]
    if len(sounding) < len(part.notes):
        said["left out: {} with a pitch beyond MIDI's"] += len(part.notes) - len(sounding)
    if sounding:
        program = 0 if part.program is None or part.is_drum else min(max(part.program, 0), 127)
        yield Track(part.name, program, part.is_drum, np.array(sounding, float), lyrics=tuple(part.lyrics))


def _join(parts: Sequence[tuple[str, _Part]]) -> None:
    """Makes notes whose ties lead to the next of their pitch one, in place, also where they change the staff.

    A tie goes on with the note that begins where it ends or, where a bar lacks a rest, less than four quarters later.

    Args:
        parts: each with the group that it belongs to.
    """
    for group in dict.fromkeys(group for group, _ in parts):
        own = [part for name, part in parts if name == group]
        rows = sorted(((row, k) for k, part in enumerate(own) for row in part.notes), key=lambda row: row[0][:3])
        for part in own:
            part.notes = []
        waiting: dict[int, list[list]] = {}  # pitch: notes that a tie holds
        for (onset, duration, pitch, velocity, tie), k in rows:
            near = [note for note in waiting.get(pitch, ()) if onset - _GAP < note[0] + note[1] <= onset + 1e-6]
            if tie in ("stop", "continue") and near:
                held = max(near, key=lambda note: note[0] + note[1])
                waiting[pitch].remove(held)
                held[1] = onset + duration - held[0]
            else:
                held = [onset, duration, pitch, velocity]
                own[k].notes.append(held)
            if tie in ("start", "continue"):
                waiting.setdefault(pitch, []).append(held)
