"""Chord symbols as musicians write them (Cmaj7, F#m7b5, Bb/D, N.C.), and Harte's labels (C:min7/b3) -> chord rows.

POP909's labels are Harte's.
"""

import re
from collections.abc import Iterable

from musicfusion.codecs.musicxml import CLASSES
from musicfusion.core.errors import MusicFusionError

OCTAVE = 12
NONE = ("N", "NC", "N.C.", "X")  # no chord
_NOTE = r"[A-G](?:[#♯b♭]{0,2})"
_SYMBOL = re.compile(rf"(?P<root>{_NOTE})(?P<quality>.{{0,30}}?)(?:/(?P<bass>{_NOTE}))?$")
_HARTE = re.compile(rf"(?P<root>{_NOTE}):(?P<short>[a-z]*\d*)(?:\((?P<degrees>[^()]*)\))?"
                    r"(?:/(?P<bass>[#b]*\d{1,2}))?$")
_SHORT = {
    "maj": (0, 4, 7), "min": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10), "7": (0, 4, 7, 10), "dim7": (0, 3, 6, 9), "hdim7": (0, 3, 6, 10),
    "minmaj7": (0, 3, 7, 11), "maj6": (0, 4, 7, 9), "min6": (0, 3, 7, 9), "9": (0, 4, 7, 10, 2),
    "maj9": (0, 4, 7, 11, 2), "min9": (0, 3, 7, 10, 2), "11": (0, 4, 7, 10, 2, 5), "min11": (0, 3, 7, 10, 2, 5),
    "13": (0, 4, 7, 10, 2, 9), "maj13": (0, 4, 7, 11, 2, 9), "min13": (0, 3, 7, 10, 2, 9), "sus2": (0, 2, 7),
    "sus4": (0, 5, 7), "sus": (0, 5, 7), "5": (0, 7), "1": (0,)}  # Harte's shorthands
KINDS = {
    "major": "", "minor": "m", "augmented": "aug", "diminished": "dim", "dominant": "7", "major-seventh": "maj7",
    "minor-seventh": "m7", "diminished-seventh": "dim7", "augmented-seventh": "aug7", "half-diminished": "m7b5",
    "major-minor": "m(maj7)", "major-sixth": "6", "minor-sixth": "m6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "m9", "dominant-11th": "11", "major-11th": "maj11", "minor-11th": "m11", "dominant-13th": "13",
    "major-13th": "maj13", "minor-13th": "m13", "suspended-second": "sus2", "suspended-fourth": "sus4", "power": "5",
}  # MusicXML's kinds -> what stands behind the root
_SHOWN = 40  # characters of a symbol in an error
DEGREES = (0, 2, 4, 5, 7, 9, 11)  # semitones of the degrees of a major scale
# What a quality is made of: longest first, so that "maj7" is no "m" and "m7b5" ends in an altered fifth.
_PIECES = re.compile(
    r"(?P<half>ø7?|Ø7?|m7b5|min7b5|-7b5)|(?P<major>maj|Maj|MAJ|ma(?!dd)|M|Δ|\^|j)|(?P<minor>min|mi|m|-(?![59]|1[13]))"
    r"|(?P<dim>dim|°|o)|(?P<aug>aug|\+(?![59]|1[13]))|(?P<sus>sus(?P<on>[24])?)|(?P<alt>alt)"
    r"|(?P<add>add)(?P<degree>[#b♯♭]?\d{1,2})|(?P<no>no|omit)(?P<without>[357])|(?P<six9>6/9|69)"
    r"|(?P<altered>[#b♯♭+-])(?P<which>5|9|11|13)|(?P<number>13|11|9|7|6|5|4|2)")


def parse(symbol: str) -> tuple[int, int, int]:
    """A chord symbol or label -> (root, bass, mask) as in codecs.chords; (0, 0, 0) for none.

    A bass foreign to the chord joins its mask.

    Raises:
        MusicFusionError: the symbol is not understood.
    """
    text = symbol.strip()
    if text in NONE:
        return 0, 0, 0
    if match := _HARTE.fullmatch(text) if ":" in text else None:
        return _of_harte(match, symbol)
    if match := _SYMBOL.fullmatch(text):
        above = _quality(re.sub(r"[\s(),]", "", match["quality"]))
        if above is not None:
            root = pitch_class(match["root"])
            return _row(root, above, pitch_class(match["bass"]) if match["bass"] else root)
    raise _not_understood(symbol)


def understood(symbol: str) -> tuple[int, int, int] | None:
    """The same where the symbol is understood, else None."""
    try:
        return parse(symbol)
    except MusicFusionError:
        return None


def intervals(quality: str) -> tuple[int, ...]:
    """The tones of one of Harte's qualities, such as min7, in semitones above the root, ascending.

    Raises:
        MusicFusionError: the quality is not understood.
    """
    mask = parse(f"C:{quality}")[2]
    return tuple(interval for interval in range(OCTAVE) if mask >> interval & 1)


def pitch_class(note: str) -> int:
    """A note's name, such as C, F# or B♭ -> 0..11."""
    return (CLASSES[note[0]] + sum(1 if sign in "#♯" else -1 for sign in note[1:])) % OCTAVE


def _of_harte(match: re.Match, symbol: str) -> tuple[int, int, int]:
    short = match["short"] or ("1" if match["degrees"] else "")
    if short not in _SHORT:
        raise _not_understood(symbol)
    above = set(_SHORT[short])
    for degree in filter(None, (match["degrees"] or "").replace(" ", "").split(",")):
        away = degree.startswith("*")
        found = re.fullmatch(r"\*?([#b]*)(\d{1,2})", degree)
        if not found:
            raise _not_understood(symbol)
        (above.discard if away else above.add)(_above(*found.groups()))
    root = pitch_class(match["root"])
    if not match["bass"]:
        return _row(root, above, root)
    signs, number = re.fullmatch(r"([#b]*)(\d+)", match["bass"]).groups()  # type: ignore[union-attr]
    return _row(root, above, (root + _above(signs, number)) % OCTAVE)


def _above(signs: str, number: str) -> int:
    """A degree such as b7 -> semitones above the root, 0..11."""
    flats = sum(1 if sign in "#♯+" else -1 for sign in signs)
    return (DEGREES[(int(number) - 1) % 7] + flats) % OCTAVE


def _row(root: int, above: Iterable[int], bass: int) -> tuple[int, int, int]:
    classes = {(root + interval) % OCTAVE for interval in above} | {bass}
    return root, bass, sum(1 << tone for tone in classes)


def _quality(text: str) -> set[int] | None:
    """What stands behind the root -> intervals above it; None where it is not understood."""
    third: int | None = 4
    fifth, seventh, major, dim = 7, None, False, False
    added: set[int] = set()
    without: set[int] = set()
    place = 0
    while place < len(text):
        found = _PIECES.match(text, place)
        if not found:
            return None
        place = found.end()
        if found["half"]:
            third, fifth, seventh = 3, 6, 10
        elif found["major"]:
            major = True
            seventh = 11 if found["major"] in "Δ^j" else seventh  # a triangle alone means the major seventh
        elif found["minor"]:
            third = 3
        elif found["dim"]:
            third, fifth, dim = 3, 6, True
        elif found["aug"]:
            fifth = 8
        elif found["sus"]:
            third = 2 if found["on"] == "2" else 5
        elif found["alt"]:
            seventh, fifth = 10, 8
            added |= {1, 3}
        elif found["add"]:
            signs = found["degree"].rstrip("0123456789")
            added.add(_above(signs, found["degree"][len(signs):]))
        elif found["no"]:
            without.add(int(found["without"]))
        elif found["six9"]:
            added |= {9, 2}
        elif found["altered"]:
            up = 1 if found["altered"] in "#♯+" else -1
            if found["which"] == "5":
                fifth = 7 + up
            else:
                added.add(_above("", found["which"]) + up)
        else:
            number = found["number"]
            if number in ("7", "9", "11", "13"):
                seventh = 11 if major else 9 if dim else 10
                added |= {"7": set(), "9": {2}, "11": {2, 5}, "13": {2, 9}}[number]
            elif number == "6":
                added.add(9)
            elif number == "5":
                third = None
            else:
                added.add(_above("", number))
    tones = {0, fifth, *added} | {tone for tone in (third, seventh) if tone is not None}
    return tones - {tone for degree in without
                    for tone in {3: (3, 4), 5: (6, 7, 8), 7: (9, 10, 11)}[degree] if tone not in added}


def _not_understood(symbol: str) -> MusicFusionError:
    return MusicFusionError(f"chord {symbol[:_SHOWN]!r} is not understood: accepted are symbols such as C, Am, F#m7b5,"
                            " Bbmaj7, G7sus4, D/F#, Harte's such as C:min7/b3, and N.C. for none")
