"""MusicXML files -> notes: as much of the format as pieces for voices, and songs with a piano, need.

Any metre, pickups, ties, several staves and voices, tuplets, transposing instruments. Grace and cue notes are left out.
Repeats are read once, as written. music21 takes ten times as long for the same notes (a test compares the two).
"""

import functools
import itertools
import math
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer

from musicfusion.codecs.score import STEPS_PER_QUARTER
from musicfusion.core.errors import MusicFusionError

BAR = 4  # quarters in a bar of 4/4
CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
PLAIN = (".xml", ".musicxml")  # suffixes of files that are not zipped
CONTAINER = "META-INF/container.xml"  # says which file of a zipped one is the score
_DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, ElementTree.ParseError, EOFError, NotImplementedError,
            RuntimeError, LookupError, ValueError)  # each library has its own; RuntimeError: it is encrypted


class Part(NamedTuple):
    """A part of a score: its name, what its (first) instrument sounds like, such as "keyboard.piano", and its element.

    Either word may be "".
    """

    name: str
    sound: str
    element: ElementTree.Element

    @property
    def is_sung(self) -> bool:
        """Whether words stand under its notes."""
        return next(self.element.iter("lyric"), None) is not None


def document(path: Path) -> ElementTree.Element:
    """The score in a plain or a zipped file, in whatever encoding.

    Raises:
        MusicFusionError: the file is damaged or no MusicXML, or its score is written measure by measure.
    """
    try:
        if path.suffix.lower() in PLAIN:
            root = ElementTree.parse(path).getroot()
        else:
            with zipfile.ZipFile(path) as archive:
                root = ElementTree.fromstring(archive.read(_score_in(archive)))
    except _DAMAGED as error:
        raise MusicFusionError(f"{path}: no MusicXML ({' '.join(str(error).split())}); accepted are .mxl files and,"
                               f" not zipped, {' and '.join(PLAIN)}") from error
    if root.tag != "score-partwise":
        raise MusicFusionError(f"{path}: its root is <{root.tag}>; accepted is <score-partwise>")
    return root


def _score_in(archive: zipfile.ZipFile) -> str:
    """The file that the container names first; without a container the first that looks like a score."""
    names = archive.namelist()
    if CONTAINER in names:
        for element in ElementTree.fromstring(archive.read(CONTAINER)).iter():
            if element.tag.rpartition("}")[2] == "rootfile" and element.get("full-path"):
                return element.get("full-path", "")
    scores = [name for name in names if name.lower().endswith(PLAIN) and not name.startswith("META-INF/")]
    if not scores:
        raise ValueError("it holds no score")
    return scores[0]


def parts(root: ElementTree.Element) -> list[Part]:
    """The parts of a document, in its order."""
    listed = {part.get("id"): part for part in root.iterfind("part-list/score-part")}
    found = []
    for element in root.iterfind("part"):
        entry = listed.get(element.get("id"), ElementTree.Element("score-part"))
        sound = next(entry.iter("instrument-sound"), entry)
        found.append(Part(" ".join(entry.findtext("part-name", "").split()), (sound.text or "").strip(), element))
    return found


def metres(root: ElementTree.Element) -> set[tuple[str | None, str | None]]:
    """The time signatures of a document: (beats, beat type)."""
    return {(time.findtext("beats"), time.findtext("beat-type")) for time in root.iter("time")}


def bars(root: ElementTree.Element) -> tuple[list[Fraction], int]:
    """Where each measure begins, in quarters from a bar line on, and the end of the last that is not empty, rounded up.

    A measure is as long as its longest part, or as its metre says where it is empty. A first measure that is shorter
    than a bar is a pickup: a rest before it fills the bar. A bar that is written as two measures (around a repeat) is
    whole again.

    Raises:
        MusicFusionError: the parts have not the same number of measures, or a number cannot be read.
    """
    written = [part.findall("measure") for part in root.iterfind("part")]
    if len({len(measures) for measures in written}) != 1 or not written[0]:
        raise MusicFusionError(f"its parts have {', '.join(str(len(own)) for own in written) or 'no'} measures;"
                               " accepted are as many in each")
    whole = _bar_lengths(root)
    reached = [Fraction(0)] * len(whole)
    for event in itertools.chain.from_iterable(map(_events, root.iterfind("part"))):
        reached[event.measure] = max(reached[event.measure], event.onset + event.duration)
    lengths = [length or bar for length, bar in zip(reached, whole, strict=True)]
    starts = list(itertools.accumulate(lengths, initial=-lengths[0] % whole[0]))
    filled = [any(measure.find("note") is not None for measure in measures) for measures in zip(*written, strict=True)]
    return starts[:-1], math.ceil(starts[max(np.flatnonzero(filled), default=-1) + 1])


def _bar_lengths(root: ElementTree.Element) -> list[Fraction]:
    """What the metre in force says of each measure, in quarters; 4 before the first, or where it says nothing."""
    found, now = [], Fraction(BAR)
    for measure in next(root.iterfind("part")).findall("measure"):
        for time in measure.iterfind("attributes/time"):
            above = [sum(_number(beats, term) for term in (beats.text or "").split("+"))
                     for beats in time.iterfind("beats")]
            below = [_number(kind) for kind in time.iterfind("beat-type")]
            now = sum((4 * a / b for a, b in zip(above, below, strict=False) if b), Fraction(0)) or now
        found.append(now)
    return found


def notes(
    part: ElementTree.Element, starts: list[Fraction], per_quarter: int = STEPS_PER_QUARTER
) -> Integer[np.ndarray, "n 3"]:
    """The notes of a part on the grid, int32 [n, 3], as they sound, tied ones joined; in order of their measures.

    Onsets and ends are rounded to the nearest step, so on 16ths tuplets lose their shape. A tie goes on with the
    note that begins where it ends or, where a measure lacks a rest, less than a bar later.

    Args:
        part: of a document.
        starts: where its measures begin, as from `bars`.
        per_quarter: steps of the grid, by default 16ths.

    Raises:
        MusicFusionError: a pitch or a number cannot be read.
    """
    found: list[list[int]] = []
    tied: dict[int, list[tuple[Fraction, list[int]]]] = {}  # {pitch: ends and notes}; several voices may hold one
    for event in sorted(_events(part), key=lambda event: (event.measure, event.onset)):
        written = event.element.find("pitch")
        if written is None or event.element.find("cue") is not None:
            continue
        onset = starts[event.measure] + event.onset
        end = onset + event.duration
        pitch = _pitch(written) + event.transposition
        if not 0 <= pitch <= 127:
            raise MusicFusionError(f"a note of pitch {pitch}; accepted are 0 to 127")
        ties = {tie.get("type") for tie in event.element.iter("tie")}
        waiting = [one for one in tied.get(pitch, ()) if onset - BAR < one[0] <= onset] if "stop" in ties else []
        if waiting:
            nearest = max(waiting, key=lambda one: one[0])
            tied[pitch].remove(nearest)
            held = nearest[1]
        else:
            held = [round(onset * per_quarter), 0, pitch]
            found.append(held)
        held[1] = max(round(end * per_quarter) - held[0], 1)
        if "start" in ties:
            tied.setdefault(pitch, []).append((end, held))
    return np.array(found, np.int32).reshape(-1, 3)


class _Event(NamedTuple):
    """A note, a rest or a gap: in which measure, onset in it and duration in quarters, semitones that it sounds higher.

    element: <note> or <forward>.
    """

    measure: int
    onset: Fraction
    duration: Fraction
    transposition: int
    element: ElementTree.Element


def _events(part: ElementTree.Element) -> Iterator[_Event]:
    divisions = Fraction(1)
    transpositions: dict[str | None, int] = {}  # by staff; None: every other
    for index, measure in enumerate(part.iterfind("measure")):
        now = latest = Fraction(0)
        for element in measure:
            if element.tag == "attributes":
                written = element.find("divisions")
                divisions = divisions if written is None else _number(written)
                if divisions == 0:
                    raise MusicFusionError("a quarter has 0 divisions")
                for change in element.iterfind("transpose"):
                    if change.get("number") is None:
                        transpositions.clear()
                    transpositions[change.get("number")] = int(sum(
                        unit * _number(step)
                        for name, unit in (("chromatic", 1), ("octave-change", 12)) for step in change.iterfind(name)))
            written = element.find("duration")
            if written is None:  # also grace notes, which take no time
                continue
            duration = _number(written) / divisions
            if duration < 0:
                raise MusicFusionError(f"a <{element.tag}> shorter than nothing")
            if element.tag == "backup":
                now = max(now - duration, Fraction(0))
            elif element.tag in ("note", "forward"):
                if element.find("chord") is None:
                    latest, now = now, now + duration
                shift = transpositions.get(element.findtext("staff"), transpositions.get(None, 0))
                yield _Event(index, latest, duration, shift, element)


def _number(element: ElementTree.Element, term: str | None = None) -> Fraction:
    """What an element holds, or one term of a sum in it."""
    text = (element.text or "") if term is None else term
    try:
        return _fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        raise MusicFusionError(f"<{element.tag}> holds {text[:20]!r}, not a number") from None


_fraction = functools.lru_cache(maxsize=4096)(Fraction)


def _pitch(pitch: ElementTree.Element) -> int:
    try:
        alter = int(float(pitch.findtext("alter", "0")))
        return 12 * (int(pitch.findtext("octave", "")) + 1) + CLASSES[pitch.findtext("step", "")] + alter
    except (ValueError, OverflowError, KeyError):
        raise MusicFusionError("a <pitch> without step and octave that can be read") from None
