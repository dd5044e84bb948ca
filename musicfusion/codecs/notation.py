"""Scores as people have them -> Score: MusicXML (plain or zipped), ABC, **kern.

music21 reads them; it is imported when the first is read. The readers in musicxml.py and kern.py are for corpora of
thousands of files, of whose kind all is known.
"""

import contextlib
import io
import os
import re
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from musicfusion.codecs import midi_text, notation_chords, notation_score, notation_xml
from musicfusion.codecs.notation_score import Voice
from musicfusion.codecs.score import Score
from musicfusion.core.errors import MusicFusionError

SUFFIXES = (".musicxml", ".xml", ".mxl", ".abc", ".krn")
MAX_BYTES = notation_xml.MAX_BYTES
MAX_TEXT = 2 * 2**20  # bytes of ABC and **kern
MAX_SECONDS = 24 * 3600
ACCEPTED = "accepted are MusicXML (.musicxml, .xml, .mxl), ABC and **kern"

HEAD = 2**16  # bytes that are looked at to tell what a file is
_KERN = re.compile(r"^(\*\*\w+\t)*\*\*kern\b", re.M)
_ABC = re.compile(r"^X:\s*\d+.*?^K:", re.M | re.S)
_TUNE = re.compile(r"^(?=X:\s*\d)", re.M)
_VOICE = re.compile(r"\[?V:\s*([^\s\]]+)([^\]]*)\]?(.*)$")
_CALLED = re.compile(r"""\b(?:name|nm)\s*=\s*(?:"([^"]*)"|(\S+))""")
_PROGRAM = re.compile(r"(?:%%|I:)\s*MIDI\s+program\s+(?:\d+\s+)?(\d{1,9})")

_IS_METRE = r"\s*(?:none|C\|?|[\d+() ]{1,30}/\s*\d{1,2})\s*"
_ODD_METRE = re.compile(rf"^M:(?!{_IS_METRE}(?:%.*)?$).*$|\[M:(?!{_IS_METRE}\])[^\]\n]*\]", re.M | re.I)
_LENGTH = re.compile(r"L:|M:\s*[\dC]")  # what says how long a note is that has no number

_LARGE = re.compile(r"\d{5}|0{4}")  # a duration of four zeros would be 64 wholes
_KERN_WORDS = re.compile(r"!|\*\*")
_ABC_WORDS = re.compile(r"%|[A-Za-z]:(?<![KLMQUVkqm]:)")
_METRES, _METRE = re.compile(r"(?:^|\[)M:([^\]]*)|\*M(?!M)(\S*)"), 64
_LOCK = threading.Lock()

Kind = Literal["", "xml", "abc", "kern"]


def kind(data: bytes) -> Kind:
    """What a file's bytes are, by their content; "" for none of these."""
    if data[:4] in (b"MThd", b"RIFF"):
        return ""
    if data[:4] == b"PK\3\4":
        return "xml"
    start = data[:HEAD]
    if start.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1] == b"<":
        text = notation_xml.text_of(start + b"\0" * (-len(start) % 4), [])
        return "xml" if any(f"<{root}" in text for root in notation_xml.ROOTS) else ""
    text = _text(start, [])
    if _KERN.search(text):
        return "kern"
    return "abc" if _ABC.search(text) else ""


def read(path: str | os.PathLike[str]) -> Score:
    """The music in a file: see `parse`. The Score is named after the file.

    Raises:
        MusicFusionError: one line, as of `parse`; or the file cannot be opened.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MusicFusionError(f"{_printable(path)}: cannot be opened ({reason})") from None
    return _parse(data, _printable(path), _printable(Path(path).stem))


def parse(data: bytes, name: str, title: str = "") -> Score:
    """The music in a file's bytes.

    A track is a staff of an instrument, with the part's name, its General MIDI program, and its words; percussion is
    drums. Notes sound at the pitch of their instrument, tied ones are one, repeats, endings and jumps are played, and
    each pass has its verse. Dynamics are velocities. A pickup ends where the first bar line would be. Chord symbols are
    the Score's chords; they do not sound. Grace and cue notes, ornaments and articulation are left out.

    Args:
        data: MusicXML in any encoding, also zipped or timewise; ABC, of which the first tune is read; or **kern.
        name: what errors call it.
        title: what the Score is called, if not by that name.

    Returns:
        A Score in quarters; its notices say what was left out or guessed, each once.

    Raises:
        MusicFusionError: one line: none of these, damaged, without notes, too large.
    """
    return _parse(data, _printable(name), _printable(title or name))


def _parse(data: bytes, called: str, title: str) -> Score:
    try:
        if len(data) > MAX_BYTES:
            raise MusicFusionError(f"larger than {MAX_BYTES >> 20} MiB")
        # music21 warns and prints; what matters of it is among our notices.
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(
                io.StringIO()):
            warnings.simplefilter("ignore")
            score = _score(data, title)
        if score.seconds(score.length) > MAX_SECONDS:
            raise MusicFusionError("lasts more than 24 hours")
        return score
    except MusicFusionError as error:
        raise MusicFusionError(f"{called}: cannot be read as a score: {error}; {ACCEPTED}") from None
    except Exception as error:  # whatever a stranger's file provokes, no traceback
        line = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise MusicFusionError(f"{called}: cannot be read as a score ({line}); {ACCEPTED}") from error


def _score(data: bytes, title: str) -> Score:
    if not data.strip(b"\0 \t\r\n"):
        raise MusicFusionError("empty")
    what = kind(data)
    if what in ("", "xml"):  # the error names the root, or where it is damaged
        return _from_xml(data, title)
    if len(data) > MAX_TEXT:
        raise MusicFusionError(f"larger than {MAX_TEXT >> 20} MiB")
    notices: list[str] = []
    text = _text(data, notices)
    return _from_kern(text, title, notices) if what == "kern" else _from_abc(text, title, notices)


def _from_xml(data: bytes, title: str) -> Score:
    notices: list[str] = []
    root = notation_xml.document(data, notices)
    chords = notation_chords.of_xml(root, notices)
    from music21.musicxml import xmlToM21

    importer = xmlToM21.MusicXMLImporter()
    importer.xmlRootToScore(root, importer.stream)
    return notation_score.from_music21(importer.stream, title, notices, chords=chords)


def _from_kern(text: str, title: str, notices: list[str]) -> Score:
    _check_numbers(text, _KERN_WORDS)
    from music21.humdrum import spineParser

    if re.search(r"^\*>|\t\*>", text, re.M):
        notices.append("the order of its sections is not followed: it is played as written")
    collection = spineParser.HumdrumDataCollection(text)
    collection.parse()
    parts = list(collection.stream.getElementsByClass("Part"))
    voices = [Voice(name=next((one.tandem[1:] for one in part.recurse().getElementsByClass("MiscTandem")
                               if one.tandem.startswith('"')), "")) for part in parts]
    chords = notation_chords.of_kern(text, collection.stream)
    return notation_score.from_music21(collection.stream, title, notices, voices=voices, chords=chords)


def _from_abc(text: str, title: str, notices: list[str]) -> Score:
    from music21 import abcFormat
    from music21.abcFormat import translate

    _check_numbers(text, _ABC_WORDS)
    head, *tunes = _TUNE.split(text)
    if len(tunes) > 1:
        notices.append(f"it holds {len(tunes)} tunes: the first is read")
    tune = head + tunes[0]
    tune, odd = _ODD_METRE.subn("", tune)  # music21 may take for ever
    if odd:
        notices.append("a metre that cannot be understood is passed over")
    tune, voices = _by_voice(tune)
    handler = abcFormat.ABCFile().readstr(tune)
    beside = notation_chords.of_abc(handler.tokens)
    with _barred_as_written():
        score = translate.abcToStreamScore(handler)
    chords = notation_chords.put_beside(score, beside, notices)
    return notation_score.from_music21(score, title, notices, voices=voices, chords=chords)


def _by_voice(tune: str) -> tuple[str, list[Voice]]:
    """A tune in which each voice stands once, whole, and what is known of the voices, in order.

    Voices that take turns line by line would be as many parts for music21 as there are lines.
    """
    heading: list[str] = []
    lines: dict[str, list[str]] = {}  # by voice
    names: dict[str, str] = {}
    programs: dict[str, int] = {}
    now, begun = "", False
    for line in tune.splitlines():
        if found := _VOICE.match(line):
            now = found[1]
            lines.setdefault(now, [])
            called = _CALLED.search(found[2])
            if called:
                names.setdefault(now, called[1] or called[2])
            line = found[3] if line.startswith("[") else ""
        elif found := _PROGRAM.match(line):
            programs.setdefault(now, min(int(found[1]), 127))
        if not begun and not (found and line):
            heading += [line] if line else []
            begun = line.startswith("K:")
            now = "" if begun else now
        elif line:
            lines.setdefault(now, []).append(line)
    if not any(_LENGTH.match(line) for line in heading):
        heading.insert(-1, "L:1/8")  # the standard's default, where no metre gives another
    whole = {name: own for name, own in lines.items() if any(not _ABC_WORDS.match(line) for line in own)}
    several = len(whole) > 1
    parts = [line for name, own in whole.items()
             for line in ([f"V:{name or 0}"] if several else []) + _with_words(own)]
    voices = [Voice(name=names.get(name, ""), program=programs.get(name, programs.get(""))) for name in whole]
    return "\n".join([*heading, *parts, ""]), voices


def _with_words(lines: list[str]) -> list[str]:
    """The lines of a voice in which, if any has words below it, every line of music has: empty ones, if need be."""
    if not any(line.startswith("w:") for line in lines):
        return lines
    found: list[str] = []
    waits = False
    for line in lines:
        music = not _ABC_WORDS.match(line)
        if music and waits:
            found.append("w:")
        found.append(line)
        waits = (waits or music) and not line.startswith("w:") and not line.rstrip().endswith("\\")
    return found


@contextlib.contextmanager
def _barred_as_written() -> Iterator[None]:
    """Keeps music21 from cutting bars that are too long, and from making up a metre for each: it may take for ever.

    And has it see the bars of a tune that has but one plain bar line beside its repeats.
    """
    from music21 import abcFormat
    from music21.abcFormat import translate

    def has_bars(handler: Any) -> bool:
        return any(isinstance(token, abcFormat.ABCBar) for token in handler.tokens)

    with _LOCK:
        cut, defines = translate.reBar, abcFormat.ABCHandler.definesMeasures
        translate.reBar = lambda part, *, inPlace=False: part
        abcFormat.ABCHandler.definesMeasures = has_bars  # type: ignore[method-assign]
        try:
            yield
        finally:
            translate.reBar = cut
            abcFormat.ABCHandler.definesMeasures = defines  # type: ignore[method-assign]


def _check_numbers(text: str, words: re.Pattern[str]) -> None:
    """Refuses numbers beyond reason, up to which music21 would count; words: the lines where they are none."""
    for line in text.splitlines():
        if words.match(line):
            continue
        numbers = _LARGE.findall(line)
        numbers += [number for metre in _METRES.finditer(line) for number in re.findall(r"\d+", metre[0])
                    if len(number) > 9 or int(number) > _METRE]
        if numbers:
            raise MusicFusionError(f"it has a number that is too large: {numbers[0]}")


def _text(data: bytes, notices: list[str]) -> str:
    texts, older = midi_text.decode([data])
    if older:
        notices.append(f"its text is neither UTF-8 nor UTF-16: it is read as {older}")
    return texts[data].replace("\r\n", "\n").replace("\r", "\n")


def _printable(path: object) -> str:
    """A path as one line of text."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
