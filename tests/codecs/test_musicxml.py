"""MusicXML: metres, pickups, ties, voices, transposing instruments; containers and encodings."""

import zipfile
from fractions import Fraction

import numpy as np
import pytest
from musicxml_text import attributes, line, note, score

from musicfusion.codecs import musicxml
from musicfusion.core.errors import MusicFusionError


def read(text: str, folder) -> tuple[list[Fraction], int, list[np.ndarray]]:
    path = folder / "score.musicxml"
    path.write_text(text)
    root = musicxml.document(path)
    starts, length = musicxml.bars(root)
    return starts, length, [musicxml.notes(part.element, starts) for part in musicxml.parts(root)]


def by_music21(path) -> list[list[list[int]]]:
    """The sounding notes of each part, sorted: onset, end, pitch."""
    from music21 import converter

    piece = converter.parse(path).toSoundingPitch()
    first = piece.parts[0].getElementsByClass("Measure")[0]
    pickup = -max(part.getElementsByClass("Measure")[0].duration.quarterLength for part in piece.parts)
    pickup = pickup % first.timeSignature.barDuration.quarterLength
    return [sorted([round(4 * (one.offset + pickup)), round(4 * (one.offset + pickup + one.quarterLength)), pitch.midi]
                   for one in part.stripTies().flatten().notes for pitch in one.pitches if not one.duration.isGrace)
            for part in piece.parts]


WALTZ = score(
    [attributes("3/4") + line("G4:12"), line("C5:12", "B4:6", "A4:6", "G4:12:start"), line("G4:24:stop", "E4:12")],
    [attributes("3/4") + line(":12"), line("C3:12", "E3:12") + note("G3", 12, chord=True) + line("E3:12"),
     line("C3:36") + "<backup><duration>36</duration></backup>" + "<forward><duration>12</duration></forward>"
     + line("E3:12", "G3:12")])
SWING = score([attributes("6/8") + line("C5:18", "D5:6", "E5:6", "F5:6"), line("G5:12:start", "G5:6:stop", ":18"),
               attributes("2/4") + line("A5:4", "B5:4", "C6:4", "E5:12"), attributes("9/8") + line("C5:54")])
HORN = score([attributes("4/4", "<transpose><diatonic>-4</diatonic><chromatic>-7</chromatic></transpose>")
              + line("C5:24", "G4:24"),
              attributes(transpose="<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic>"
                         "<octave-change>-1</octave-change></transpose>")
              + line("C5:48")])


@pytest.mark.parametrize("text", [WALTZ, SWING, HORN], ids=["waltz", "swing", "horn"])
def test_the_notes_are_those_that_music21_reads(text, tmp_path):
    _, _, found = read(text, tmp_path)
    ends = [notes + notes[:, :1] * [0, 1, 0] for notes in found]
    assert [sorted(notes.tolist()) for notes in ends] == by_music21(tmp_path / "score.musicxml")
    assert all(notes.dtype == np.int32 for notes in found)


def test_a_pickup_fills_the_bar_of_its_own_metre(tmp_path):
    starts, length, (voice, _) = read(WALTZ, tmp_path)
    assert starts == [2, 3, 6] and length == 9
    assert voice[0].tolist() == [8, 4, 67] and voice[-1].tolist() == [32, 4, 64]


def test_a_bar_of_six_eighths_is_three_quarters_and_metres_may_change(tmp_path):
    starts, length, _ = read(SWING, tmp_path)
    assert starts == [0, 3, 6, 8] and length == 13, "12.5 quarters, rounded up"


def test_metres_may_be_sums_and_say_how_long_an_empty_measure_is(tmp_path):
    whole = line("C4:30")
    starts, length, _ = read(score([attributes("3+2/8") + whole, "", whole, "", ""]), tmp_path)
    assert starts == [0, Fraction(5, 2), 5, Fraction(15, 2), 10]
    assert length == 8, "what is empty at the end is left out"
    starts, length, _ = read(score(["", attributes("3/4") + line("C4:36")]), tmp_path)
    assert (starts, length) == ([0, 4], 7), "before the first metre it is 4/4"


def test_a_bar_written_as_two_measures_is_whole_again(tmp_path):
    bars = [attributes("2/4") + line("C4:24"), line("D4:12"), line("E4:12"), line("F4:24")]
    assert read(score(bars), tmp_path)[0] == [0, 2, 3, 4]


def test_grace_and_cue_notes_are_left_out(tmp_path):
    grace = "<note><grace/><pitch><step>D</step><octave>4</octave></pitch></note>"
    chord = "<note><grace/><chord/><pitch><step>F</step><octave>4</octave></pitch></note>"
    text = score([attributes("2/4") + grace + chord + line("C4:12") + note("A4", 12, "<cue/>")])
    assert read(text, tmp_path)[2][0].tolist() == [[0, 4, 60]]


def test_tuplets_are_rounded_to_the_grid(tmp_path):
    triplet = read(score([attributes("2/4") + line("C4:4", "D4:4", "E4:4", ":12")]), tmp_path)[2][0]
    assert triplet.tolist() == [[0, 1, 60], [1, 2, 62], [3, 1, 64]]
    short = read(score([attributes("1/4") + line("C4:1", "D4:11")]), tmp_path)[2][0]
    assert short.tolist() == [[0, 1, 60], [0, 4, 62]], "a note lasts a step at least"


def test_voices_that_hold_one_pitch_tie_it_each_for_itself(tmp_path):
    back = "<backup><duration>48</duration></backup>"
    first = line(":24", "C4:24:start") + back + line("C4:24", "C4:24:start")
    second = line("C4:24:stop", ":24") + back + line("C4:48:stop")
    found = read(score([attributes("4/4") + first, second]), tmp_path)[2][0]
    assert sorted(found.tolist()) == [[0, 8, 60], [8, 16, 60], [8, 24, 60]]


def test_a_tie_may_go_from_one_voice_to_another_that_is_written_first(tmp_path):
    bar = line(":24", "C4:24:stop") + "<backup><duration>48</duration></backup>" + line("C4:24:start", ":24")
    assert read(score([attributes("4/4") + bar]), tmp_path)[2][0].tolist() == [[0, 16, 60]]


def test_a_tie_goes_on_over_a_missing_rest_but_not_into_a_second_ending(tmp_path):
    other = [attributes("4/4") + line(":48"), line(":48"), line(":48")]
    gap = [attributes("4/4") + line(":12", "C4:24:start"), line("C4:12:stop", ":36"), line("C4:12:stop", ":36")]
    found = read(score(gap, other), tmp_path)[2][0]
    assert found.tolist() == [[4, 16, 60], [32, 4, 60]]


def test_staves_may_be_transposed_each_for_itself(tmp_path):
    both = "".join(f'<transpose number="{k}"><chromatic>{by}</chromatic></transpose>' for k, by in ((1, -12), (2, 3)))
    bar = note("C4", 24, "<staff>1</staff>") + note("C4", 24, "<staff>2</staff>")
    again = attributes(transpose="<transpose><chromatic>0</chromatic></transpose>") + bar
    found = read(score([attributes("4/4", both) + bar, again]), tmp_path)[2][0]
    assert found[:, 2].tolist() == [48, 63, 60, 60]


def test_parts_say_their_names_sounds_and_whether_they_have_words(tmp_path):
    sung = note("C4", 48, "<lyric><text>la</text></lyric>")
    text = score([attributes("4/4") + sung], [attributes("4/4") + line("C3:48")], names=("Singstimme\nVoice", "Piano"))
    text = text.replace("Piano</part-name>", "Piano</part-name><score-instrument id='I'><instrument-sound>"
                        "keyboard.piano</instrument-sound></score-instrument>")
    path = tmp_path / "a.xml"
    path.write_text(text)
    voice, piano = musicxml.parts(musicxml.document(path))
    assert (voice.name, voice.sound, voice.is_sung) == ("Singstimme Voice", "", True)
    assert (piano.name, piano.sound, piano.is_sung) == ("Piano", "keyboard.piano", False)


CONTAINER = '<container xmlns="urn:x"><rootfiles><rootfile full-path="inside/real.xml"/></rootfiles></container>'


@pytest.mark.parametrize("suffix", [".xml", ".XML", ".musicxml", ".MusicXML"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_plain_files_have_any_suffix_and_encoding(suffix, encoding, tmp_path):
    path = tmp_path / f"score{suffix}"
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + score([line("C4:4")], names=("Flöte",))
    path.write_bytes(text.encode(encoding))
    assert musicxml.parts(musicxml.document(path))[0].name == "Flöte"


@pytest.mark.parametrize("suffix", [".mxl", ".MXL"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_container_says_which_file_is_the_score(suffix, encoding, tmp_path):
    path = tmp_path / f"score{suffix}"
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + score([line("C4:4")], names=("real",))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("decoy.xml", score([line("D4:4")], names=("decoy",)))
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("inside/real.xml", text.encode(encoding))
    assert musicxml.parts(musicxml.document(path))[0].name == "real"


def test_without_a_container_the_first_score_counts(tmp_path):
    path = tmp_path / "score.mxl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cover.png", b"")
        archive.writestr("a.musicxml", score([line("C4:4")], names=("first",)))
        archive.writestr("b.xml", score([line("C4:4")], names=("second",)))
    assert musicxml.parts(musicxml.document(path))[0].name == "first"


def zipped(files: dict[str, str]):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)

    return write


@pytest.mark.parametrize(("name", "write", "why"), [
    ("a.mxl", lambda path: path.write_bytes(b"PK no more"), r"a\.mxl: no MusicXML \(File is not a zip file\)"),
    ("a.mxl", zipped({"META-INF/container.xml": CONTAINER}), "no item named 'inside/real.xml'"),
    ("a.mxl", zipped({"cover.png": ""}), "it holds no score"),
    ("a.xml", lambda path: path.write_text(WALTZ[:200]), r"a\.xml: no MusicXML.*accepted are \.mxl files and"),
    ("a.xml", lambda path: path.write_text('<?xml version="1.0" encoding="martian"?><a/>'), "no MusicXML"),
    ("a.xml", lambda path: None, "No such file"),
    ("a.xml", lambda path: path.write_text("<score-timewise/>"), "<score-timewise>; accepted is <score-partwise>"),
])
def test_what_is_no_musicxml_is_refused_in_one_line(name, write, why, tmp_path):
    write(tmp_path / name)
    with pytest.raises(MusicFusionError, match=why) as caught:
        musicxml.document(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("change", "why"), [
    (("<duration>36</duration>", "<duration>long</duration>"), "<duration> holds 'long', not a number"),
    (("<duration>36</duration>", "<duration>-3</duration>"), "shorter than nothing"),
    (("<divisions>12</divisions>", "<divisions>0</divisions>"), "0 divisions"),
    (("<octave>4</octave>", ""), "<pitch> without step and octave"),
    (("<octave>4</octave>", "<octave>44</octave>"), "a note of pitch"),
    (("<measure number=\"2\"></measure>", ""), "its parts have 3, 2 measures; accepted are as many in each"),
])
def test_what_cannot_be_meant_is_refused(change, why, tmp_path):
    text = score([attributes("3/4") + line("G4:12"), "", ""], [attributes("3/4") + line("C3:36"), "", ""])
    before, found, after = text.rpartition(change[0])
    assert found
    with pytest.raises(MusicFusionError, match=why):
        read(before + change[1] + after, tmp_path)
    with pytest.raises(MusicFusionError, match="<beats> holds 'three', not a number"):
        read(text.replace("<beats>3</beats>", "<beats>three</beats>"), tmp_path)
