"""Damaged scores: whatever bytes come, they are read or refused in one line, soon, and nothing else happens."""

import io
import random
import time
import zipfile
from collections.abc import Iterator

import pytest
from musicxml_text import attributes, line, score

from musicfusion.codecs import notation
from musicfusion.core.errors import MusicFusionError

XML = score([attributes("4/4") + line("C4:24", "E4:24:start"), line("E4:24:stop", ":24"),
             '<barline location="left"><repeat direction="forward"/></barline>' + line("C4:48")
             + '<barline location="right"><repeat direction="backward"/></barline>'])
ABC = ('X:1\nT:A\nM:4/4\nL:1/8\nQ:1/4=90\nK:G\nV:1 name="A"\n"Am"A>B c<d|:(3abc ef {g}e4|1g8:|2a8|]\n'
       "V:2\nz4|c8|d8|e8|]\n")
KERN = ('**kern\t**kern\n*I"A\t*\n*M4/4\t*M4/4\n*MM90\t*MM90\n=1\t=1\n4c\t2C\n4d\t.\n8qe\t.\n[2e\t2D\n'
        "=2:|!|:\t=2:|!|:\n2e]\t1E\n2r\t.\n=:|!\t=:|!\n*\t*^\n4c\t4c\t2e\n4d\t4d\t.\n2f\t2f\t2a\n*\t*v\t*v\n==\t==\n*-\t*-\n")
LIMIT = 10  # seconds; a whole one takes hundredths


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.xml", text)
    return buffer.getvalue()


SOURCES = {"plain": XML.encode(), "zipped": zipped(XML), "utf-16": XML.encode("utf-16"), "abc": ABC.encode(),
           "kern": KERN.encode()}
PIECES = (b"", b"9", b"0", b"-1", b"99999", b"999999999", b"1e300", b"00000000000", b"nan", b"<", b"/", b".",
          b"\t", b"|")


def mutants(content: bytes, count: int) -> Iterator[bytes]:
    """Content with bytes changed, cut, inserted and repeated, and with other numbers."""
    rng = random.Random(count)
    for _ in range(count):
        data = bytearray(content)
        for _ in range(rng.choice((1, 2, 5, 20))):
            at, other = rng.randrange(len(data)), rng.randrange(len(data))
            new = rng.choice((bytes([rng.randrange(256)]), data[other : other + rng.randrange(60)], rng.choice(PIECES)))
            digits = [k for k, byte in enumerate(data) if 48 <= byte < 58]
            at = rng.choice(digits) if digits and rng.random() < 0.5 else at
            data[at : at + rng.choice((0, 1, 1, 1, 30))] = new
            data = data or bytearray(b"x")
        yield bytes(data)


@pytest.mark.parametrize("kind", SOURCES)
def test_mutants_raise_nothing_else_and_end_soon(kind, capfd):
    assert notation.parse(SOURCES[kind], "whole").tracks
    read = 0
    for data in mutants(SOURCES[kind], 60):
        began = time.perf_counter()
        try:
            notation.parse(data, "mutant")
            read += 1
        except MusicFusionError as error:
            assert "\n" not in str(error)
        assert time.perf_counter() - began < LIMIT
    assert read or kind in ("plain", "zipped", "utf-16"), "a little damage is no reason to refuse a text"
    assert capfd.readouterr() == ("", "")
