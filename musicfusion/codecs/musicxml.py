"""MusicXML files -> notes: as much of the format as pieces for voices need.

music21 takes ten times as long for the same notes (a test compares the two). Repeats are read once, as written.
"""

import math
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from musicfusion.codecs.score import STEPS_PER_QUARTER

BAR = 4  # quarters: only what is in 4/4 is read
CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ERRORS = (OSError, zipfile.BadZipFile, ElementTree.ParseError)  # of a file that is no MusicXML


def document(path: Path) -> ElementTree.Element:
    """The MusicXML in a plain or a zipped file. Raises one of ERRORS where there is none."""
    if path.suffix == ".xml":
        return ElementTree.parse(path).getroot()
    with zipfile.ZipFile(path) as archive:
        inside = [
            name
            for name in archive.namelist()
            if name.endswith("xml") and not name.startswith("META-INF/")
        ]
        return ElementTree.fromstring(archive.read(inside[0]))


def metres(root: ElementTree.Element) -> set[tuple[str | None, str | None]]:
    """The time signatures of a document: (beats, beat type)."""
    return {(time.findtext("beats"), time.findtext("beat-type")) for time in root.iter("time")}


def bars(root: ElementTree.Element) -> tuple[list[Fraction], int]:
    """Where each measure begins, in quarters from a bar line on, and the end of the last, rounded up.

    A measure is as long as its longest part; a bar that is written as two measures (around a repeat) is whole again.
    """
    of_parts = [_lengths(part) for part in root.iter("part")]
    lengths = [max(of_measure) for of_measure in zip(*of_parts, strict=True)]
    pickup = -lengths[0] % BAR
    starts = list(accumulate(lengths, initial=Fraction(pickup)))
    return starts[:-1], math.ceil(starts[-1])


def _lengths(part: ElementTree.Element) -> list[Fraction]:
    lengths: dict[int, Fraction] = {}
    for measure, onset, duration, _ in _events(part):
        lengths[measure] = max(lengths.get(measure, Fraction(0)), onset + duration)
    return [lengths.get(measure, Fraction(0)) for measure in range(len(part.findall("measure")))]


def notes(part: ElementTree.Element, starts: list[Fraction]) -> Integer[np.ndarray, "n 3"]:
    """The notes of a part on the grid, int32 [n, 3], tied ones joined. starts: of its measures, as from `bars`."""
    found: list[list[int]] = []
    open_ties: dict[int, list[int]] = {}
    for measure, onset, duration, note in _events(part):
        written = note.find("pitch")
        if written is None:
            continue
        start = round((starts[measure] + onset) * STEPS_PER_QUARTER)
        end = round((starts[measure] + onset + duration) * STEPS_PER_QUARTER)
        pitch = _pitch(written)
        ties = {tie.get("type") for tie in note.iter("tie")}
        held = open_ties.pop(pitch, None) if "stop" in ties else None
        if held is None:
            held = [start, 0, pitch]
            found.append(held)
        held[1] = max(end - held[0], 1)
        if "start" in ties:
            open_ties[pitch] = held
    return np.array(found, np.int32).reshape(-1, 3)


def _events(part: ElementTree.Element) -> Iterator[tuple[int, Fraction, Fraction, ElementTree.Element]]:
    """Yields (measure index, onset in it, duration, note element), times in quarters."""
    divisions = 1
    for index, measure in enumerate(part.iter("measure")):
        now = latest = Fraction(0)
        for element in measure:
            if element.tag == "attributes":
                divisions = int(element.findtext("divisions", str(divisions)))
            if element.find("duration") is None:  # also grace notes, which take no time
                continue
            duration = Fraction(element.findtext("duration", "0")) / divisions
            if element.tag == "backup":
                now -= duration
            elif element.tag == "forward":
                now += duration
            elif element.tag == "note":
                if element.find("chord") is None:
                    latest, now = now, now + duration
                yield index, latest, duration, element


def _pitch(pitch: ElementTree.Element) -> int:
    alter = int(float(pitch.findtext("alter", "0")))
    return (
        12 * (int(pitch.findtext("octave", "")) + 1) + CLASSES[pitch.findtext("step", "")] + alter
    )
