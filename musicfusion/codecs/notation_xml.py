"""MusicXML as users have it -> a document that music21 can read: any encoding, container and order of elements.

Nothing is expanded or fetched, and everything has a limit.
"""

import codecs
import io
import itertools
import re
import zipfile
from collections import Counter
from contextlib import suppress
from html import entities
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from musicfusion.codecs.chords import ROOTS as SPELLED
from musicfusion.codecs.musicxml import CLASSES, CONTAINER
from musicfusion.core.errors import MusicFusionError

MAX_BYTES = 16 * 2**20  # of a score, unzipped
MAX_NOTES = 50_000
MAX_FILES = 1000  # in a container
ROOTS = ("score-partwise", "score-timewise")

# Where drums stand on a staff with a treble clef, as most drum parts are written -> keys of General MIDI.
_STAFF = {"D4": 44, "E4": 35, "F4": 36, "G4": 41, "A4": 43, "B4": 45, "C5": 38, "D5": 47, "E5": 50, "F5": 51, "G5": 42,
          "A5": 49, "B5": 57}
_SNARE = 38
_DEEPEST = 64  # elements within each other
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)""")
_PLAIN = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d{1,3})?")
_BEATS = re.compile(r"\s*\d+\s*(\+\s*\d+\s*)*")  # music21 takes together whatever digits stand in <beats>
_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-fA-F]+);)([A-Za-z]\w*;)?")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
          (codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF8, "utf-8-sig"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
# Only looks, or what is read from elsewhere: music21 takes long for it, and stumbles.
_LOOKS = {"print", "credit", "defaults", "beam", "stem", "notations", "notehead", "notehead-text", "figured-bass",
          "listening", "listen", "grouping", "link", "bookmark", "appearance", "identification", "play", "footnote",
          "level", "staff-details", "measure-style", "part-symbol", "dot", "accidental", "instruments", "type",
          "time-modification", "key"}
_LONGEST = 4096  # quarters of one note
_FAR = 1000  # semitones, octaves, keys: what is beyond is damage
_LARGEST = {"beats": 64, "beat-type": 64, "staves": 16, "staff": 16, "divisions": 10**6, "per-minute": 10**5,
            "octave": 20, "alter": 10, "chromatic": 200, "octave-change": 20}  # music21 counts up to some of these
_JUMPS = {"dacapo": ("words", "D.C."), "dalsegno": ("words", "D.S."), "tocoda": ("words", "to Coda"),
          "fine": ("words", "fine"), "segno": ("segno", ""), "coda": ("coda", "")}  # <sound>'s, as music21 reads them
_DIRECTIONS = {"words", "segno", "coda", "dynamics", "metronome"}  # kinds that say something about the sound


def document(data: bytes, notices: list[str]) -> Element:
    """The score in a plain or zipped file as <score-partwise>, without grace notes, cues and looks.

    The <harmony> elements stay, with the semitones by which their part sounds higher as "shift".

    Args:
        data: the file's bytes.
        notices: gets what was left out or guessed.

    Raises:
        MusicFusionError: what is wrong, without the file's name.
    """
    if data[:2] == b"PK":
        data = _unzipped(data, notices)
    root = _tree(data, notices)
    if root.tag not in ROOTS:
        raise MusicFusionError(f"no score: its root is <{root.tag[:40]}>")
    count = sum(1 for _ in root.iter("note"))
    if not count:
        raise MusicFusionError("no notes")
    if count > MAX_NOTES:
        raise MusicFusionError(f"{count:,} notes; at most {MAX_NOTES:,} are accepted")
    root = _partwise(root) if root.tag == "score-timewise" else root
    _simplify(root, notices)
    return root


def text_of(data: bytes, notices: list[str]) -> str:
    """The text of an XML file, by its byte order mark, its first bytes, or what it says itself; without declaration."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not encoding:
        said = _DECLARED.match(data[:400])
        encoding = said.group(1).decode().lower() if said else "utf-8"
        if encoding.startswith(("utf-16", "utf-32", "utf16", "ucs")):  # then this could not be read: it was converted
            encoding = "utf-8"
    try:
        return _DECLARATION.sub("", data.decode(encoding).lstrip("\ufeff"), count=1)
    except (UnicodeError, LookupError, ValueError):
        notices.append(f"its text is not encoded as {encoding[:20]}, as it should be: it is read as CP1252")
        return _DECLARATION.sub("", data.decode("cp1252", "replace"), count=1)


# Containers -----------------------------------------------------------------------------------------------------------


def _unzipped(data: bytes, notices: list[str]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if len(names) > MAX_FILES:
            raise MusicFusionError(f"{len(names):,} files in one container; at most {MAX_FILES:,} are accepted")
        named = _named(_member(archive, CONTAINER)) if CONTAINER in names else []
        found = next((name for name in named if name in names), None)
        if found:
            return _member(archive, found)
        for name in names:
            if name.lower().endswith((".xml", ".musicxml")) and not name.startswith(("META-INF/", "__MACOSX/")):
                content = _member(archive, name)
                if any(root in text_of(content, [])[:4000] for root in ROOTS):
                    if CONTAINER in names:
                        notices.append(f"its container names no file that is there: {name[:80]!r} is read")
                    return content
    raise MusicFusionError("no score in the container")


def _named(container: bytes) -> list[str]:
    """The files that a container says are scores; [] where it is damaged, say by a quote in a file's name."""
    try:
        files = [one for one in _tree(container, []).iter()
                 if one.tag.rpartition(":")[2] == "rootfile" and one.get("full-path")]
    except MusicFusionError:
        return []
    files.sort(key=lambda one: "musicxml" not in one.get("media-type", "musicxml"))
    return [one.get("full-path", "").replace("\\", "/") for one in files]


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise MusicFusionError(f"larger than {MAX_BYTES >> 20} MiB when it is unzipped")
    return content


# Trees ----------------------------------------------------------------------------------------------------------------


def _tree(data: bytes, notices: list[str]) -> Element:
    """The elements of a document, which may declare no entities: they can stand for gigabytes."""
    text = text_of(data, notices).strip().rstrip("\0")
    try:
        return _parsed(text)
    except expat.ExpatError as error:
        with suppress(expat.ExpatError):
            if (mended := _mended(text)) != text:
                root = _parsed(mended)
                notices.append("its text has signs that XML forbids: they are mended, or left out")
                return root
        raise MusicFusionError(f"damaged ({error})") from None


def _mended(text: str) -> str:
    """A text without control characters, in which each & stands for what it means on a web page."""
    def meant(found: re.Match[str]) -> str:
        sign = entities.html5.get(found[1] or "", "")
        return sign if sign and sign not in "<&" else f"&amp;{found[1] or ''}"

    return _AMPERSAND.sub(meant, _FORBIDDEN.sub("", text))


def _parsed(text: str) -> Element:
    builder = TreeBuilder()
    depth = 0
    parser = expat.ParserCreate("utf-8")

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise MusicFusionError("its elements are nested too deep")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def entity(*_: object) -> None:
        raise MusicFusionError("it declares entities of its own")

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = entity
    parser.Parse(text.encode("utf-8", "replace"), True)
    return builder.close()


def _partwise(root: Element) -> Element:
    """A score that is written measure by measure, part by part."""
    found = Element("score-partwise", root.attrib)
    found.extend(one for one in root if one.tag != "measure")
    parts: dict[str, Element] = {}
    for number, measure in enumerate(root.iterfind("measure")):
        for own in measure.iterfind("part"):
            part = parts.setdefault(own.get("id", ""), Element("part", own.attrib))
            while len(part) < number:  # a part that was not there before
                part.append(Element("measure", number=str(len(part) + 1)))
            written = Element("measure", measure.attrib)
            written.extend(own)
            part.append(written)
    found.extend(parts.values())
    return found


def _simplify(root: Element, notices: list[str]) -> None:
    """Takes away what does not sound, in place; its notices say what that was."""
    _check_numbers(root)
    _check_metres(root, notices)
    _list_parts(root)
    listed = {entry.get("id"): entry for entry in root.iterfind("part-list/score-part")}
    for part in root.iterfind("part"):
        _transpose(part)
        _name_drums(part, listed[part.get("id")], notices)
    counted = Counter[str]()
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in _LOOKS:
                parent.remove(child)
            elif child.tag == "note" and child.find("grace") is not None:
                counted["grace note"] += 1
                parent.remove(child)
            elif child.tag == "note" and child.find("cue") is not None:
                counted["cue note"] += 1
                _silence(parent, child)
            elif child.tag == "sound" and parent.tag == "measure":
                child.tag, inner = "direction", Element("sound", child.attrib)
                child.append(inner)
                if not _says_something(child):
                    parent.remove(child)
            elif child.tag == "direction" and not _says_something(child):
                parent.remove(child)
    notices += [f"left out: {count:,} {what}{'s' * (count > 1)}" for what, count in counted.items()]


def _check_numbers(root: Element) -> None:
    """Refuses numbers beyond reason, and writes the passes of endings as music21 reads them."""
    divisions = 1.0
    for one in root.iter():
        if one.tag == "ending":
            passes = re.findall(r"(?<!\d)0*([1-9]\d?)(?!\d)", one.get("number", ""))
            one.set("number", ", ".join(passes) or "1")
        limit = _LONGEST * divisions if one.tag == "duration" else _LARGEST.get(one.tag)
        if limit is None:
            continue
        for term in (one.text or "").split("+"):
            value = abs(float(term)) if _PLAIN.fullmatch(term.strip()) else 0.0
            if value > limit:
                raise MusicFusionError(f"<{one.tag}> holds {term.strip()[:20]}")
            divisions = value or 1.0 if one.tag == "divisions" else divisions


def _check_metres(root: Element, notices: list[str]) -> None:
    """Takes away metres that cannot be understood."""
    passed = False
    for attributes in root.iter("attributes"):
        for metre in attributes.findall("time"):
            numbers = [one.text or "" for one in metre if one.tag in ("beats", "beat-type")]
            if not all(map(_BEATS.fullmatch, numbers)):
                attributes.remove(metre)
                passed = True
    if passed:
        notices.append("a metre that cannot be understood is passed over")


def _says_something(direction: Element) -> bool:
    """Whether a direction matters; only what does stays in it, and jumps stand there as words and signs."""
    sound = direction.find("sound")
    jumps = [sign for name, sign in _JUMPS.items() if sound is not None and sound.get(name) not in (None, "no")]
    for kind in list(direction.iterfind("direction-type")):
        if not any(one.tag in _DIRECTIONS for one in kind) or (jumps and kind.find("metronome") is None):
            direction.remove(kind)
    for tag, text in jumps:
        kind = Element("direction-type")
        kind.append(_element(tag, text))
        direction.insert(0, kind)
    return direction.find("direction-type") is not None or (sound is not None and "tempo" in sound.attrib)


def _silence(measure: Element, note: Element) -> None:
    """A rest instead of a note; of a chord, the other notes stay."""
    behind = list(measure)[list(measure).index(note) + 1 :]
    for other in itertools.takewhile(lambda one: one.tag == "note" and one.find("chord") is not None, behind):
        if note.find("chord") is None and other.find("cue") is None:
            other.remove(other.find("chord"))  # type: ignore[arg-type]
            measure.remove(note)
            return
    if note.find("chord") is not None:
        measure.remove(note)
        return
    for child in list(note):
        if child.tag in ("pitch", "unpitched", "tie", "lyric", "cue"):
            note.remove(child)
    note.insert(0, Element("rest"))


def _transpose(part: Element) -> None:
    """The notes of a part as they sound, in place; staves may be transposed each by itself."""
    shifts: dict[str | None, int] = {}  # by staff; None: every other
    for child in (child for measure in part.iterfind("measure") for child in measure):
        for change in child.findall("transpose") if child.tag == "attributes" else ():
            if change.get("number") is None:
                shifts.clear()
            shifts[change.get("number")] = round(12 * _number(change, "octave-change") + _number(change, "chromatic"))
            child.remove(change)
        pitch = child.find("pitch") if shifts and child.tag == "note" else None
        shift = shifts.get(child.findtext("staff"), shifts.get(None, 0))
        if child.tag == "harmony":
            child.set("shift", str(shift))
        if pitch is not None and shift:
            step = (pitch.findtext("step") or "").strip()
            if step not in CLASSES:
                raise MusicFusionError(f"its <step> is {step[:40]!r}: accepted are C to B")
            natural = CLASSES[step] + 12 * _number(pitch, "octave")
            pitch[:] = _spelled(round(natural + _number(pitch, "alter")) + shift)


def _spelled(semitones: int) -> list[Element]:
    """What a <pitch> holds; semitones above C0."""
    name = SPELLED[semitones % 12]
    return [_element("step", name[0]), _element("alter", str(name.count("#") - name.count("b"))),
            _element("octave", str(semitones // 12))]


def _name_drums(part: Element, entry: Element, notices: list[str]) -> None:
    """Notes without pitch get that of their key of General MIDI, in place, and their part the channel of drums."""
    keys = {one.get("id"): int(_number(one, "midi-unpitched")) - 1 for one in entry.iterfind("midi-instrument")
            if one.find("midi-unpitched") is not None}
    found, guessed = False, 0
    for note in part.iter("note"):
        drum, instrument = note.find("unpitched"), note.find("instrument")
        key = keys.get(instrument.get("id")) if instrument is not None else None
        if drum is not None:
            found = True
            if key is None:
                guessed += 1
                place = f"{drum.findtext('display-step') or ''}{drum.findtext('display-octave') or ''}"
                key = next(iter(keys.values())) if len(keys) == 1 else _STAFF.get(place.replace(" ", ""), _SNARE)
            drum.tag, drum[:] = "pitch", _spelled(key - 12)
        if instrument is not None:
            note.remove(instrument)
    if found:
        for one in [*entry.iterfind("midi-instrument"), *entry.iterfind("score-instrument")]:
            entry.remove(one)
        instrument = Element("midi-instrument", id="drums")
        instrument[:] = [_element("midi-channel", "10"), _element("midi-program", "1")]
        entry.append(instrument)
    if guessed:
        notices.append(f"{guessed:,} drum{'s' * (guessed > 1)} without a MIDI key: taken by the place on the staff")


def _number(parent: Element, name: str) -> float:
    text = (parent.findtext(name) or "0").strip()
    with suppress(ValueError):
        if abs(number := float(text)) < _FAR:
            return number
    raise MusicFusionError(f"its <{name}> is {text[:40]!r}, which is no number that makes sense")


def _element(tag: str, text: str) -> Element:
    found = Element(tag)
    found.text = text
    return found


def _list_parts(root: Element) -> None:
    """Every part has an id of its own, and an entry in the list."""
    listed = root.find("part-list")
    if listed is None:
        listed = Element("part-list")
        root.insert(0, listed)
    known = {one.get("id") for one in listed.iterfind("score-part")}
    used: set[str] = set()
    for number, part in enumerate(root.iterfind("part"), start=1):
        if part.get("id") in (None, "", *used):
            part.set("id", f"part-{number}")
        used.add(part.get("id", ""))
        if part.get("id") not in known:
            entry = Element("score-part", id=part.get("id", ""))
            entry.append(Element("part-name"))
            listed.append(entry)
    for entry in listed.iterfind("score-part"):
        if entry.find("part-name") is None:
            entry.insert(0, Element("part-name"))

