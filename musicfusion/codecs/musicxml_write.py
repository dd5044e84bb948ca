"""Score -> MusicXML 4.0, as notation programs open it.

The text is made here and not by music21, whose import alone takes longer than this for a whole song.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from musicfusion.codecs import chord_symbols, chords, keys
from musicfusion.codecs.engraving import DIVISIONS, Bar, Note, Staff, Value, bars, beams, staves
from musicfusion.codecs.general_midi import DRUM_STAFF, PROGRAMS
from musicfusion.codecs.score import Score, Track
from musicfusion.core.files import atomic_write

_TYPES = {192: "whole", 96: "half", 48: "quarter", 24: "eighth", 12: "16th", 6: "32nd", 3: "64th"}
_SIGNS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_FIFTHS = "FCGDAEB"
_KINDS = {symbol: kind for kind, symbol in chord_symbols.KINDS.items()} | {"7sus4": "suspended-fourth"}
_SHOWN = 0.1  # a tempo mark is shown where the tempo differs by so much from the one shown before
_MIDDLE = 57  # mean pitch from which a staff has a treble clef
_HEAD = ('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0'
         ' Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">\n<score-partwise version="4.0">\n')

Place = tuple[int, int]  # a bar, and divisions within it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Marks:
    """What is shown of a score beside its notes.

    Attributes:
        chords: names as codecs.chords writes them, one a quarter; "" or N for none. They stand above the first part.
        notes: for each track which of its notes are coloured, bool [n]; empty for none.
        colours: for each track "#RRGGBB".
    """

    chords: Sequence[str] = ()
    notes: Sequence[np.ndarray] = ()
    colours: Sequence[str] = ()


def write(path: str | os.PathLike[str], score: Score, marks: Marks | None = None) -> list[str]:
    """Writes a MusicXML file: see `to_musicxml`. Returns its notices. The file appears whole or not at all.

    Raises:
        MusicFusionError: the file cannot be written, or the score is too long.
    """
    text, notices = to_musicxml(score, marks)
    atomic_write(Path(path), text)
    return notices


def to_musicxml(score: Score, marks: Marks | None = None) -> tuple[str, list[str]]:
    """A score as MusicXML, a part for each track that has notes.

    Notes are put on 16ths and, where these fit better, eighths of triplets. A staff has up to four voices; a part whose
    chords are wide apart has two staves. The key is that of the notes. Velocities and pedals are not written.

    Returns:
        the document, and notices: what is not as it was.

    Raises:
        MusicFusionError: there are too many bars.
    """
    marks = marks or Marks()
    whole = bars(score)
    fifths = _key(score)
    tracks = [k for k, track in enumerate(score.tracks) if len(track.notes)]
    words = dict.fromkeys(tracks[:1], score.lyrics)  # those of no track stand in the first
    listed, parts, cut = [], [], 0
    for number, k in enumerate(tracks, start=1):
        track = score.tracks[k]
        marked = marks.notes[k] if k < len(marks.notes) else np.zeros(len(track.notes), bool)
        written, shorter = staves(track, marked, whole)
        cut += shorter
        colour = marks.colours[k] if k < len(marks.colours) else "#000000"
        above = _above(score, marks.chords, whole, fifths) if number == 1 else {}
        part = _Part(number, track, written, fifths, colour, _lyrics(track.lyrics or words.get(k, ()), whole))
        listed.append(part.entry())
        parts.append(part.text(whole, above))
    if not parts:
        listed.append('<score-part id="P1"><part-name/></score-part>\n')
        parts.append('<part id="P1"><measure number="1"/></part>\n')
    title = f"<work><work-title>{escape(_plain(score.name))}</work-title></work>\n"
    software = "<identification><encoding><software>musicfusion</software></encoding></identification>\n"
    text = f"{_HEAD}{title}{software}<part-list>\n{''.join(listed)}</part-list>\n{''.join(parts)}</score-partwise>\n"
    notices = [f"in MusicXML {cut:,} note{'s' * (cut > 1)} end earlier: a staff has four voices"] if cut else []
    return text, notices


@dataclasses.dataclass(frozen=True)
class _Part:
    """A part that is being written."""

    number: int
    track: Track
    staves: Sequence[Staff]
    fifths: int
    colour: str
    lyrics: Mapping[Place, str]

    @property
    def name(self) -> str:
        return _plain(self.track.name) or ("Drums" if self.track.is_drum else PROGRAMS[self.track.program])

    def entry(self) -> str:
        """Its <score-part>."""
        inner = f"<part-name>{escape(self.name)}</part-name>"
        if self.track.is_drum:
            keys_used = np.unique(self.track.notes[:, 2]).astype(int).tolist()
            inner += "".join(f'<score-instrument id="{self._drum(key)}"><instrument-name>Drum {key}</instrument-name>'
                             "</score-instrument>" for key in keys_used)
            inner += "".join(f'<midi-instrument id="{self._drum(key)}"><midi-channel>10</midi-channel><midi-program>1'
                             f"</midi-program><midi-unpitched>{key + 1}</midi-unpitched></midi-instrument>"
                             for key in keys_used)
        else:
            mine, channel = f"P{self.number}-I1", (self.number - 1) % 15 + 1
            channel += channel >= 10  # the tenth is that of drums
            inner += (f'<score-instrument id="{mine}"><instrument-name>{escape(PROGRAMS[self.track.program])}'
                      f'</instrument-name></score-instrument><midi-instrument id="{mine}"><midi-channel>{channel}'
                      f"</midi-channel><midi-program>{self.track.program + 1}</midi-program></midi-instrument>")
        return f'<score-part id="P{self.number}">{inner}</score-part>\n'

    def text(self, whole: Sequence[Bar], above: Mapping[int, Sequence[tuple[int, str]]]) -> str:
        """Its <part>. above: what stands above the notes of each bar: (divisions, element with a place for offset)."""
        out = [f'<part id="P{self.number}">\n']
        for k, bar in enumerate(whole):
            metre_before = whole[k - 1].metre if k else None
            full = 4 * DIVISIONS * bar.metre[0] // bar.metre[1]
            implicit = ' implicit="yes"' if bar.length != full else ""
            out.append(f'<measure number="{k + 1}"{implicit}>{self._attributes(bar, metre_before)}')
            signs = self._accidentals(k)
            waiting = list(above.get(k, ()))
            first = True
            for number, staff in enumerate(self.staves):
                for voice, values in enumerate(staff.bars[k]):
                    if not first:
                        out.append(f"<backup><duration>{bar.length}</duration></backup>")
                    hanging = beams(values, bar.metre)
                    for n, value in enumerate(values):
                        while first and waiting and waiting[0][0] < value.start + value.length:
                            at, element = waiting.pop(0)
                            out.append(element.replace("@", _offset(at - value.start)))
                        out.append(self._value(value, number, voice, k, bar, signs, hanging.get(n, ())))
                    first = False
            out.append('<barline location="right"><bar-style>light-heavy</bar-style></barline></measure>\n'
                       if k + 1 == len(whole) else "</measure>\n")
        return "".join(out) + "</part>\n"

    def _attributes(self, bar: Bar, metre_before: tuple[int, int] | None) -> str:
        first = metre_before is None
        inner = f"<divisions>{DIVISIONS}</divisions>" if first else ""
        if first:
            inner += f"<key><fifths>{0 if self.track.is_drum else self.fifths}</fifths></key>"
        if bar.metre != metre_before:
            inner += f"<time><beats>{bar.metre[0]}</beats><beat-type>{bar.metre[1]}</beat-type></time>"
        if first:
            inner += f"<staves>{len(self.staves)}</staves>" if len(self.staves) > 1 else ""
            for number, staff in enumerate(self.staves, start=1):
                sign = "<sign>G</sign><line>2</line>" if staff.mean >= _MIDDLE else "<sign>F</sign><line>4</line>"
                sign = "<sign>percussion</sign>" if self.track.is_drum else sign
                inner += f'<clef number="{number}">{sign}</clef>'
        return f"<attributes>{inner}</attributes>" if inner else ""

    def _value(self, value: Value, staff: int, voice: int, k: int, bar: Bar, signs: set[tuple],
               beamed: Sequence[str]) -> str:
        """A chord or a rest as <note> elements."""
        name, dots = _type(value.length, bool(value.triplet))
        shape = f"<type>{name}</type>{'<dot/>' * dots}"
        triplet = ("<time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes><normal-type>eighth"
                   "</normal-type></time-modification>") if value.triplet else ""
        place = f"<staff>{staff + 1}</staff>" if len(self.staves) > 1 else ""
        number = f"<voice>{4 * staff + voice + 1}</voice>"
        bracket = f'<tuplet type="{value.triplet}"/>' if value.triplet in ("start", "stop") else ""
        if not value.notes:
            hidden = ' print-object="no"' if voice else ""
            if value.length == bar.length:
                return f'<note{hidden}><rest measure="yes"/><duration>{value.length}</duration>{number}{place}</note>'
            notations = f"<notations>{bracket}</notations>" if bracket else ""
            return (f"<note{hidden}><rest/><duration>{value.length}</duration>{number}{shape}{triplet}{place}"
                    f"{notations}</note>")
        out = []
        lyric = self.lyrics.get((k, value.start), "") if value.onset and not staff and not voice else ""
        for n, note in enumerate(value.notes):
            colour = f" color={quoteattr(self.colour)}" if note.marked else ""
            before, after = note.tied
            ties = '<tie type="stop"/>' * before + '<tie type="start"/>' * after
            notations = ('<tied type="stop"/>' * before + '<tied type="start"/>' * after) + (bracket if not n else "")
            pitch, sign, head = self._pitch(note, (staff, value.start, note.pitch) in signs)
            notations = f"<notations>{notations}</notations>" if notations else ""
            chord, sung, hung = ("<chord/>", "", "") if n else ("", lyric, "".join(
                f'<beam number="{level}">{word}</beam>' for level, word in enumerate(beamed, start=1)))
            out.append(f"<note{colour}>{chord}{pitch}<duration>{value.length}</duration>{ties}"
                       f"{self._instrument(note.pitch)}{number}{shape}{sign}{triplet}{head.replace('@', colour)}{place}"
                       f"{hung}{notations}{sung}</note>")
        return "".join(out)

    def _pitch(self, note: Note, signed: bool) -> tuple[str, str, str]:
        """A note's pitch, its accidental if it has one, and its notehead, with a place for its colour."""
        if self.track.is_drum:
            line, head = DRUM_STAFF.get(note.pitch, ("B4", "triangle"))
            pitch = (f"<unpitched><display-step>{line[0]}</display-step><display-octave>{line[1]}</display-octave>"
                     "</unpitched>")
            return pitch, "", f"<notehead@>{head or 'normal'}</notehead>" if head or note.marked else ""
        step, alter, octave = _spelled(note.pitch, self.fifths)
        altered = f"<alter>{alter}</alter>" if alter else ""
        pitch = f"<pitch><step>{step}</step>{altered}<octave>{octave}</octave></pitch>"
        sign = f"<accidental>{_SIGNS[alter]}</accidental>" if signed else ""
        return pitch, sign, "<notehead@>normal</notehead>" if note.marked else ""

    def _accidentals(self, k: int) -> set[tuple]:
        """Which notes of a bar need a sign: (staff, divisions, pitch)."""
        found: set[tuple] = set()
        if self.track.is_drum:
            return found
        for number, staff in enumerate(self.staves):
            state: dict[tuple[str, int], int] = {}
            for value in sorted((value for voice in staff.bars[k] for value in voice), key=lambda value: value.start):
                for note in value.notes:
                    step, alter, octave = _spelled(note.pitch, self.fifths)
                    if note.tied[0] and value.start == 0:
                        continue  # the sign stands in the bar before
                    if state.get((step, octave), _signature(step, self.fifths)) != alter:
                        found.add((number, value.start, note.pitch))
                        state[step, octave] = alter
        return found

    def _instrument(self, key: int) -> str:
        return f'<instrument id="{self._drum(key)}"/>' if self.track.is_drum else ""

    def _drum(self, key: int) -> str:
        return f"P{self.number}-I{key + 1}"


# What stands above and below ------------------------------------------------------------------------------------------


def _above(score: Score, names: Sequence[str], whole: Sequence[Bar], fifths: int) -> dict[int, list[tuple[int, str]]]:
    """Tempo marks and chord symbols by bar, in order: (divisions, element); an @ is where its offset goes."""
    found: list[tuple[Place, str]] = []
    shown = 0.0
    for at, qpm in score.tempos.tolist():
        hidden = "" if abs(qpm - shown) > _SHOWN * shown else ' print-object="no"'
        shown = shown if hidden else qpm
        tempo = f"{qpm:.3f}".rstrip("0").rstrip(".")
        place = _place(round(at * DIVISIONS), whole)
        if place is not None:
            found.append((place, f'<direction placement="above"><direction-type><metronome{hidden}><beat-unit>quarter'
                          f"</beat-unit><per-minute>{tempo}</per-minute></metronome></direction-type>@"
                          f'<sound tempo="{tempo}"/></direction>'))
    before = ""
    for beat, name in enumerate(names):
        place = _place(beat * DIVISIONS, whole)
        if name != before and name not in ("", chords.NO_CHORD) and place is not None:
            found.append((place, _harmony(name, fifths)))
        before = name
    by_bar: dict[int, list[tuple[int, str]]] = {}
    for (bar, at), element in sorted(found, key=lambda one: one[0]):
        by_bar.setdefault(bar, []).append((at, element))
    return by_bar


def _place(at: int, whole: Sequence[Bar]) -> Place | None:
    """The bar that holds a time, and how far within it; None behind the last."""
    k = int(np.searchsorted([bar.start for bar in whole], at, side="right")) - 1
    within = at - whole[k].start
    return (k, within) if within < whole[k].length else None


def _harmony(name: str, fifths: int) -> str:
    """A chord symbol such as Ebm7/Bb, in the spelling of the key."""
    symbol, _, bass = name.partition("/")
    root = max((one for one in chords.ROOTS if symbol.startswith(one)), key=len, default="C")
    quality = symbol[len(root) :]
    low = f"<bass>{_root('bass', bass, fifths)}</bass>" if bass in chords.ROOTS else ""
    seventh = ("<degree><degree-value>7</degree-value><degree-alter>-1</degree-alter><degree-type>add</degree-type>"
               "</degree>") if quality == "7sus4" else ""
    return (f"<harmony><root>{_root('root', root, fifths)}</root><kind text={quoteattr(quality)}>"
            f"{_KINDS.get(quality, 'other')}</kind>{low}{seventh}@</harmony>")


def _root(what: str, name: str, fifths: int) -> str:
    step, alter, _ = _spelled(chords.ROOTS.index(name), fifths)
    return f"<{what}-step>{step}</{what}-step>" + (f"<{what}-alter>{alter}</{what}-alter>" if alter else "")


def _offset(divisions: int) -> str:
    return f"<offset>{divisions}</offset>" if divisions else ""


def _lyrics(rows: Sequence[tuple[float, str]], whole: Sequence[Bar]) -> dict[Place, str]:
    """Syllables as <lyric> elements by where they stand, on 16ths; a hyphen behind one says that its word goes on."""
    step = DIVISIONS // 4
    found: dict[Place, str] = {}
    inside = False
    for at, text in rows:
        place = _place(round(at * 4) * step, whole)
        syllable = _plain(text.strip("/\\"))
        if place is None or place in found or not syllable.strip("-"):
            continue
        more, text = syllable.endswith("-"), escape(syllable.strip("-"))
        kind = ("middle" if more else "end") if inside else ("begin" if more else "single")
        found[place] = f"<lyric><syllabic>{kind}</syllabic><text>{text}</text></lyric>"
        inside = more
    return found


# Notes ----------------------------------------------------------------------------------------------------------------


def _type(length: int, triplet: bool) -> tuple[str, int]:
    """The name of a note value, and its dots."""
    plain = length * 3 // 2 if triplet else length
    if plain in _TYPES:
        return _TYPES[plain], 0
    return _TYPES.get(plain * 2 // 3, "64th"), 1


def _key(score: Score) -> int:
    """The signature that fits all notes best: sharps, or flats below 0."""
    classes = np.zeros(12)
    for track in score.tracks:
        if not track.is_drum:
            np.add.at(classes, track.notes[:, 2].astype(int) % 12, np.minimum(track.notes[:, 1], 4))
    if not classes.any():
        return 0
    fifths = int(keys.scale(classes)) * 7 % 12
    return fifths - 12 if fifths > 6 else fifths


def _spelled(pitch: int, fifths: int) -> tuple[str, int, int]:
    """Letter, alteration and octave of a pitch, as near to the key as can be on the line of fifths."""
    at = pitch * 7 % 12  # on the line of fifths from C
    at += 12 * -((at - fifths + 3) // 12)  # from 3 fifths below the tonic to 8 above it
    letter, alter = _FIFTHS[(at + 1) % 7], (at + 1) // 7
    return letter, alter, (pitch - alter) // 12 - 1


def _signature(letter: str, fifths: int) -> int:
    """What the key does to a letter."""
    at = _FIFTHS.index(letter)
    return (fifths - at + 6) // 7


def _plain(text: str) -> str:
    """Text that XML can hold, in one line."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
