"""Damaged scores: whatever bytes come, they are read or refused in one line, soon, and nothing else happens."""

import io
import zipfile

import fuzz
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


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.xml", text)
    return buffer.getvalue()


SOURCES = {"plain": XML.encode(), "zipped": zipped(XML), "utf-16": XML.encode("utf-16"), "abc": ABC.encode(),
           "kern": KERN.encode()}
PIECES = (b"", b"9", b"0", b"-1", b"99999", b"999999999", b"1e300", b"00000000000", b"nan", b"<", b"/", b".",
          b"\t", b"|")


@pytest.mark.parametrize("kind", SOURCES)
def test_mutants_raise_nothing_else_and_end_soon(kind, capfd):
    assert notation.parse(SOURCES[kind], "whole").tracks
    target = kind if kind in fuzz.TARGETS else "musicxml"
    read = 0
    for data in fuzz.mutants(SOURCES[kind], 100, PIECES):
        with fuzz.limited():
            read += fuzz.run_once(target, data)
    assert read or kind in ("plain", "zipped", "utf-16"), "a little damage is no reason to refuse a text"
    assert capfd.readouterr() == ("", "")


# What fuzzing has found -----------------------------------------------------------------------------------------------

TURNED = "<transpose><chromatic>-2</chromatic></transpose>"
LONG = "9" * 5000


@pytest.mark.parametrize(("old", "new", "words"), [
    ("<chromatic>-2", "<chromatic>1’", "<chromatic> is '1’', which is no number"),
    ("<chromatic>-2", "<chromatic>nan", "<chromatic> is 'nan', which is no number"),
    ("<octave>4", "<octave>four", "<octave> is 'four', which is no number"),
    ("<step>C", "<step>H", "<step> is 'H'"),
])
def test_a_number_or_name_that_makes_no_sense_in_a_part_that_is_transposed_is_named(old, new, words):
    text = score([attributes("4/4", TURNED) + line("C4:24", "E4:24")])
    assert notation.parse(text.encode(), "a").tracks
    with pytest.raises(MusicFusionError, match=words):
        notation.parse(text.replace(old, new).encode(), "a")


def test_a_drum_whose_key_is_no_number_is_refused():
    entry = '<midi-instrument id="d"><midi-unpitched>1’</midi-unpitched></midi-instrument>'
    text = score([attributes("4/4") + line("C4:24")]).replace("</score-part>", f"{entry}</score-part>")
    with pytest.raises(MusicFusionError, match="<midi-unpitched> is '1’'"):
        notation.parse(text.encode(), "a")


def test_numbers_of_thousands_of_digits_break_nothing():
    ending = f'<barline location="right"><ending number="{LONG}" type="stop"/></barline>'
    assert notation.parse(score([attributes("4/4") + line("C4:48") + ending]).encode(), "a").tracks
    assert notation.parse(f"X:1\nL:1/4\nK:C\n%%MIDI program {LONG}\ncdef|\n".encode(), "a").tracks[0].program == 127
    with pytest.raises(MusicFusionError, match="a number that is too large"):
        notation.parse(f"X:1\nM:{LONG}/4\nK:C\ncdef|\n".encode(), "a")


@pytest.mark.parametrize(("written", "read"), [("Flute & Oboe", "Flute & Oboe"), ("Fl&uuml;te", "Flüte"),
                                               ("Vo\x0bice", "Voice"), ("A &lt;B& &#67;&unknown;", "A <B& C&unknown;")])
def test_signs_that_xml_forbids_are_mended_or_left_out_and_said(written, read):
    found = notation.parse(score([attributes("4/4") + line("C4:48")], names=(written,)).encode(), "a")
    assert found.tracks[0].name == read
    assert "its text has signs that XML forbids: they are mended, or left out" in found.notices
