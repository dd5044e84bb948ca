"""Small files as people have them, odd in ways that no other test has, and what a reader should make of each.

`readers_compared.py` shows what becomes of them, and the tests of this folder read them.
"""

import io
import json
import struct
import zipfile
from pathlib import Path

from midi_bytes import END, control, meta, note, song, track
from musicxml_text import attributes, line, score
from sounds import encode, tone

RATE = 22050
TUNE = b"".join(note(pitch) for pitch in (60, 62, 64, 65))
SCORE = score([attributes("4/4") + line("C4:24", "E4:24")])


def zipped(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def with_list(data: bytes) -> bytes:
    """A WAV file with a chunk of 13 bytes, and not the byte that should fill it up."""
    at = data.index(b"data")
    return data[:at] + b"LIST" + struct.pack("<I", 13) + b"INFOISFT\x01\0\0\0a" + data[at:]


def mp3_in_wav() -> bytes:
    """What some recorders write: a WAV file whose data is MP3."""
    sound = encode(tone(RATE), RATE, "MP3", None)
    form = struct.pack("<HHIIHHHHIHHH", 0x55, 1, RATE, 8000, 1, 0, 12, 1, 2, 417, 1, 0)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(body)) + body


def files() -> dict[str, tuple[bytes, dict]]:
    """{name: (content, what a reader should make of it)}."""
    older = track(note(36, 9) + END)
    wave = encode(tone(RATE), RATE)
    return {
        "key-of-nine-sharps.mid": (song(track(meta(0x59, b"\x09\0") + TUNE + END)), {"notes": 4}),
        "moved-as-text.mid": (
            song(track(control(10, 64) + TUNE + END)).replace(b"\n", b"\r\n"), {"notes": [3, 4], "warns": True}),
        "tracks-of-an-older-version-behind.mid": (
            song(track(TUNE + END), older, b"\x30\x40\0\xff/\0", older, announced=1), {"notes": 4, "warns": True}),
        "space-of-a-web-page.musicxml": (SCORE.replace("Voice", "Voice&nbsp;1").encode(), {"pitches": [60, 64]}),
        "says-utf-16-and-is-utf-8.musicxml": (
            f'<?xml version="1.0" encoding="UTF-16"?>{SCORE}'.encode(), {"pitches": [60, 64]}),
        "from-a-macintosh.mxl": (
            zipped({"__MACOSX/._a.xml": b"\0\5\x16\7\0\2\0\0Mac OS X", "a.xml": SCORE}), {"pitches": [60, 64]}),
        "chunk-that-is-not-filled-up.wav": (with_list(wave), {"seconds": 1.5}),
        "one-behind-the-other.wav": (wave + wave, {"seconds": [1.5, 3.0], "warns": True}),
        "mp3-within.wav": (mp3_in_wav(), {"seconds": 1.5}),
    }


def write(folder: Path) -> dict[str, dict]:
    """All of them into a folder, with expected.json; returns what that holds."""
    expected = {}
    for name, (content, wanted) in files().items():
        (folder / name).write_bytes(content)
        expected[name] = wanted
    (folder / "expected.json").write_text(json.dumps(expected, indent=1))
    return expected
