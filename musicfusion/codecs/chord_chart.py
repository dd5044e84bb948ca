"""Chord charts as text -> Score: the chords of a song, played by rule.

    title: Autumn
    time: 3/4
    pattern: stride
    |: C | Am7 | F G7 :| x2
    C/E % N.C. .

A bar's chords share it equally; `%` repeats the bar before, `.` or `/` the chord before, `|: :|` what lies between,
twice or as often as `x3` says. Where nothing has bar lines, each chord lasts a bar. ChordPro's directives and its
[chords] in lyrics are read likewise; other lines without chords are words, which are left out.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicfusion.codecs import bars, chord_symbols, midi_text
from musicfusion.codecs.score import DEFAULT_QPM, Score, Track, one_voice_share
from musicfusion.core.errors import MusicFusionError

SUFFIXES = (".txt", ".chart", ".cho", ".crd", ".chopro", ".chordpro", ".pro")
MAX_BYTES = 2**18
MAX_BARS = 2000
HOLDS, AGAIN = (".", "/", "-"), ("%", "𝄎")  # the chord before goes on; the bar before comes again
BASS, LOW = 36, 52  # C2 and E3: where the octaves of bass and chord begin, so that common tones stay
_ONE_VOICE, _BASSES = 0.8, 48  # share of notes; mean pitch below which a voice is a bass
_SHORTEST = 1e-3  # quarters of a bar
VELOCITY, SOFTER = 80, 66  # of the bass, and of the chord above it

_BINARY = re.compile(r"[\x00-\x08\x0e-\x1f\ufffd]")
_SETTING = re.compile(r"^\s*\{?\s*(?P<key>title|t|tempo|time|metre|meter|pattern)\s*:\s*(?P<value>[^{}]*?)\s*\}?\s*$",
                      re.I)
_DIRECTIVE = re.compile(r"^\s*\{[^{}]*\}\s*$")
_IN_LYRICS = re.compile(r"\[([^\[\]]+)\]")
_TIMES = re.compile(r"\(?[x×]\s*(\d{1,2})\)?$", re.I)
_BAR_LINES = re.compile(r"\|:|:\|:?|\|+|‖|\]")


class Chord(NamedTuple):
    """A chord: from and length in quarters, root, bass and mask as in codecs.chords; mask 0: nothing sounds."""

    onset: float
    length: float
    root: int
    bass: int
    mask: int


Pattern = Callable[[Chord, float, float], list[tuple[float, float, int, int]]]  # (chord, beat, bar) -> notes


def is_chart(data: bytes) -> bool:
    """Whether bytes are text with a line of chords."""
    if not data or len(data) > MAX_BYTES or data[:4] in (b"MThd", b"RIFF"):
        return False
    text = _text(data)
    return not _BINARY.search(text) and any(_chords_of(line) for line in text.splitlines())


def parse(data: bytes, name: str) -> Score:
    """A chart's chords as one piano track, in the metre, tempo and pattern that it names.

    Args:
        data: the text.
        name: what errors call it; the Score is called by the chart's title, or by this.

    Returns:
        A Score in quarters; its notices say what was left out or guessed.

    Raises:
        MusicFusionError: a chord, metre or pattern is not understood, there are no chords, or too many.
    """
    if len(data) > MAX_BYTES:
        raise MusicFusionError(f"{name}: a chord chart of more than {MAX_BYTES >> 10} KiB")
    settings = {"title": Path(name).stem, "tempo": str(DEFAULT_QPM), "time": "4/4", "pattern": "block"}
    notices: list[str] = []
    try:
        lines = _lines(_text(data), settings)
        metre, tempo, pattern = _metre(settings["time"]), _tempo(settings["tempo"]), _pattern(settings["pattern"])
        cells = _bars(lines, notices)
        if not 0 < len(cells) <= MAX_BARS:
            raise MusicFusionError(f"it has {len(cells)} bars: accepted are 1 to {MAX_BARS}")
        chords = _chords(cells, metre, notices)
    except MusicFusionError as error:
        raise MusicFusionError(f"{name}: cannot be read as a chord chart: {error}") from None
    notes = _played(chords, metre, pattern)
    if not notes:
        raise MusicFusionError(f"{name}: cannot be read as a chord chart: no chord sounds in it")
    return Score((_track(notes),), np.array([[0.0, tempo]]), ((0.0, *metre),), settings["title"],
                 notices=tuple(dict.fromkeys(notices)), chords=_rows(chords))


def of_lead_sheet(score: Score) -> Score | None:
    """The chords that a lead sheet names, as a chart would play them (block), in its own tempo and metre.

    None where the score is no lead sheet: one voice, no bass, and chord symbols, with nothing else.
    """
    if len(score.tracks) != 1 or not any(mask for *_, mask in score.chords):
        return None
    (track,) = score.tracks
    if track.is_drum or one_voice_share(track) < _ONE_VOICE or track.notes[:, 2].mean() < _BASSES:
        return None
    rows = bars.metres(score)
    last = bars.line_after(rows, score.length)
    ends = [*(min(at, last) for at, *_ in score.chords[1:]), last]
    chords = []
    for (at, *row), end in zip(score.chords, ends, strict=True):
        while at < end:  # struck again in each bar
            until = min(bars.line_after(rows, at + _SHORTEST), end)
            chords.append(Chord(at, until - at, *row))
            at = until
    notes = [note for chord in chords if chord.mask for note in _block(chord, 1.0, 4.0)]
    said = "a lead sheet: its chord symbols are played, its melody is left out"
    return replace(score, tracks=(_track(notes),), lyrics=(), notices=(*score.notices, said)) if notes else None


# Text ----------------------------------------------------------------------------------------------------------------


def _text(data: bytes) -> str:
    return midi_text.decode([data])[0][data].lstrip("\ufeff")


def _lines(text: str, settings: dict[str, str]) -> list[str]:
    """The lines behind settings, directives and comments; what settings say goes into `settings`."""
    names = {"t": "title", "metre": "time", "meter": "time"}
    kept = []
    for line in text.splitlines():
        if match := _SETTING.match(line):
            key = match["key"].lower()
            settings[names.get(key, key)] = match["value"]
        elif line.strip() and not _DIRECTIVE.match(line) and not line.lstrip().startswith("#"):
            kept.append(line)
    return kept


def _chords_of(line: str) -> list[str]:
    """The symbols of a line: of its bars, of its lyrics, or of a line of nothing but chords; [] if it has none."""
    cells = _BAR_LINES.sub(" ", line).split()
    found = [cell for cell in cells if cell not in (*HOLDS, *AGAIN) and not _TIMES.match(cell)]
    if found and all(map(chord_symbols.understood, found)):
        return found
    return [text for text in _IN_LYRICS.findall(line) if chord_symbols.understood(text)]


# Bars ----------------------------------------------------------------------------------------------------------------


def _bars(lines: Sequence[str], notices: list[str]) -> list[list[str]]:
    """Bars of symbols, as they are played."""
    if any("|" in line for line in lines):
        return _of_grid([line for line in lines if "|" in line], [line for line in lines if "|" not in line], notices)
    whole, words = [], 0
    for line in lines:
        found = _chords_of(line)
        whole += [[symbol] for symbol in found]
        words += not found or bool(_IN_LYRICS.search(line))
    notices.append("no bar lines: each chord lasts a bar")
    if words:
        notices.append("words are left out")
    return whole


def _of_grid(lines: Sequence[str], others: Sequence[str], notices: list[str]) -> list[list[str]]:
    if others:
        notices.append("lines without bar lines are left out")
    whole: list[list[str]] = []
    repeated: list[list[str]] = []
    start = 0
    for line in lines:
        places = [*_BAR_LINES.finditer(line), None]
        begin = 0
        for place in places:
            cells = line[begin : place.start() if place else len(line)].split()
            if cells and (match := _TIMES.match(cells[0])) and repeated:
                whole += repeated * (int(match[1]) - 2)  # two times are there already
                start, cells = len(whole), cells[1:]
            if begin == 0 and place is not None and len(cells) == 1 and not chord_symbols.understood(cells[0]):
                cells = []  # a name before the first bar line: of a section
            if cells:
                whole.append(list(whole[-1]) if cells[0] in AGAIN and len(cells) == 1 and whole else cells)
            if len(whole) > MAX_BARS:
                raise MusicFusionError(f"it has more than {MAX_BARS} bars")
            if place is None:
                break
            if place.group().endswith(":") and place.group().startswith("|"):
                start = len(whole)
            elif place.group().startswith(":"):
                repeated = whole[start:]
                whole += repeated
                start = len(whole)
            begin = place.end()
    return whole


# Sound ---------------------------------------------------------------------------------------------------------------


def _chords(whole: Sequence[Sequence[str]], metre: tuple[int, int], notices: list[str]) -> list[Chord]:
    """The chords of all bars, one after the other; none goes on beyond its bar."""
    beat = 4 / metre[1]
    chords: list[Chord] = []
    row = (0, 0, 0)
    for number, cells in enumerate(whole):
        onset = number * metre[0] * beat
        for position, (cell, beats) in enumerate(zip(cells, _shares(len(cells), metre[0], notices), strict=True)):
            length = beats * beat
            goes_on = cell in (*HOLDS, *AGAIN)
            row = row if goes_on else chord_symbols.parse(cell)
            if goes_on and position:
                chords[-1] = chords[-1]._replace(length=chords[-1].length + length)
            else:
                chords.append(Chord(onset, length, *row))
            onset += length
    return chords


def _played(chords: Sequence[Chord], metre: tuple[int, int], pattern: Pattern) -> list[tuple[float, float, int, int]]:
    """The notes of chords: (onset, duration, pitch, velocity), in quarters."""
    beat = 4 / metre[1]
    return [note for chord in chords if chord.mask for note in pattern(chord, beat, metre[0] * beat)]


def _track(notes: Sequence[tuple[float, float, int, int]]) -> Track:
    return Track("Chords", 0, False, np.array(notes))


def _rows(chords: Sequence[Chord]) -> tuple[tuple[float, int, int, int], ...]:
    """The chords as a Score has them."""
    return tuple((chord.onset, chord.root, chord.bass, chord.mask) for k, chord in enumerate(chords)
                 if k == 0 or chord[2:] != chords[k - 1][2:])


def _shares(count: int, beats: int, notices: list[str]) -> list[float]:
    """How many beats each of `count` chords of a bar lasts: alike, or else the first ones longer."""
    if beats % count == 0 or count > beats:
        return [beats / count] * count
    notices.append("chords that do not divide their bar: the first ones are longer")
    return [beats // count + (k < beats % count) for k in range(count)]


def _low(chord: Chord) -> int:
    return BASS + chord.bass


def _above(chord: Chord) -> list[int]:
    """The chord's tones in the octave from E3 on, ascending."""
    return sorted(LOW + (tone - LOW) % 12 for tone in range(12) if chord.mask >> tone & 1)


def _block(chord: Chord, beat: float, bar: float) -> list[tuple[float, float, int, int]]:
    """Bass and chord, held."""
    return [(chord.onset, chord.length, _low(chord), VELOCITY),
            *((chord.onset, chord.length, pitch, SOFTER) for pitch in _above(chord))]


def _pulse(chord: Chord, beat: float, bar: float) -> list[tuple[float, float, int, int]]:
    """The bass is held, the chord struck on each beat."""
    return [(chord.onset, chord.length, _low(chord), VELOCITY),
            *((onset, length, pitch, SOFTER) for onset, length in _steps(chord, beat) for pitch in _above(chord))]


def _arpeggio(chord: Chord, beat: float, bar: float) -> list[tuple[float, float, int, int]]:
    """The bass is held; the tones go up and down, two a beat."""
    up = _above(chord)
    order = [*up, *up[-2:0:-1]] or up
    return [(chord.onset, chord.length, _low(chord), VELOCITY),
            *((onset, length, order[k % len(order)], SOFTER)
              for k, (onset, length) in enumerate(_steps(chord, beat / 2)))]


def _stride(chord: Chord, beat: float, bar: float) -> list[tuple[float, float, int, int]]:
    """Bass and chord take turns by beats; in three beats the bass has the first."""
    notes = []
    three = round(bar / beat) % 3 == 0
    for onset, length in _steps(chord, beat):
        place = round(onset % bar / beat)
        if place % (3 if three else 2) == 0 or onset == chord.onset:
            notes.append((onset, length, _low(chord), VELOCITY))
        else:
            notes += [(onset, length, pitch, SOFTER) for pitch in _above(chord)]
    if chord.length <= beat:  # no beat is left for the chord
        notes += [(chord.onset, chord.length, pitch, SOFTER) for pitch in _above(chord)]
    return notes


def _steps(chord: Chord, step: float) -> list[tuple[float, float]]:
    """(onset, length) of steps through a chord; the last one may be shorter."""
    ends = np.arange(0, chord.length - 1e-6, step)
    return [(chord.onset + float(begin), min(step, chord.length - float(begin))) for begin in ends]


PATTERNS: dict[str, Pattern] = {"block": _block, "pulse": _pulse, "arpeggio": _arpeggio, "stride": _stride}


# Settings ------------------------------------------------------------------------------------------------------------


def _metre(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,2})\s*/\s*(1|2|4|8|16)", text.strip())
    if not match or int(match[1]) == 0:
        raise MusicFusionError(f"time: {text!r} is not understood: accepted is a metre such as 3/4")
    return int(match[1]), int(match[2])


def _tempo(text: str) -> float:
    try:
        tempo = float(text)
    except ValueError:
        tempo = float("nan")
    if not 10 <= tempo <= 400:
        raise MusicFusionError(f"tempo: {text!r} is out of range: accepted are 10 to 400 quarters a minute")
    return tempo


def _pattern(text: str) -> Pattern:
    if text.strip().lower() not in PATTERNS:
        raise MusicFusionError(f"pattern: {text!r} is unknown: accepted are {', '.join(PATTERNS)}")
    return PATTERNS[text.strip().lower()]
