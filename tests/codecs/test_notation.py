"""MusicXML as users have it: whatever container, encoding and order, it is read as it sounds."""

import io
import json
import os
import runpy
import zipfile

import numpy as np
import pytest
from micro import ROOT
from musicxml_text import attributes, line, note, score

from musicfusion.codecs import chord_symbols, chords, inputs, musicxml, notation
from musicfusion.codecs.score import Score, grid
from musicfusion.core.errors import MusicFusionError

CONTAINER = '<container><rootfiles><rootfile full-path="a/song.xml"/></rootfiles></container>'
SONG = score([attributes("4/4") + line("C4:24", "E4:24"), line("G4:48")])
HEAD = '<?xml version="1.0" encoding="{}"?>\n'


def read(text: str | bytes) -> Score:
    return notation.parse(text.encode() if isinstance(text, str) else text, "song")


def rows(text: str | bytes, track: int = 0) -> list[tuple]:
    return [(onset, length, int(pitch)) for onset, length, pitch, _ in read(text).tracks[track].notes.tolist()]


def pitches(text: str | bytes, track: int = 0) -> list[int]:
    return [pitch for _, _, pitch in rows(text, track)]


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def barline(inner: str, place: str = "right") -> str:
    return f'<barline location="{place}">{inner}</barline>'


def ending(number: str, kind: str, place: str = "left", repeat: bool = False) -> str:
    return barline(f'<ending number="{number}" type="{kind}"/>' + '<repeat direction="backward"/>' * repeat, place)


# Forms ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "windows-1252", "Shift_JIS", "UTF-8-SIG", "cp1251"])
def test_any_encoding_is_read(encoding):
    text = HEAD.format("UTF-8" if encoding == "UTF-8-SIG" else encoding) + SONG
    assert pitches(text.encode(encoding)) == [60, 64, 67]


@pytest.mark.parametrize(
    ("name", "encoding"), [("Flöte", "windows-1252"), ("フルート", "Shift_JIS"), ("Флейта", "UTF-16")])
def test_names_keep_their_letters(name, encoding):
    text = HEAD.format(encoding) + SONG.replace("Voice", name)
    assert read(text.encode(encoding)).tracks[0].name == name


def test_a_file_that_lies_about_its_encoding_is_read():
    assert pitches((HEAD.format("UTF-16") + SONG).encode()) == [60, 64, 67]
    latin = read((HEAD.format("UTF-8") + SONG.replace("Voice", "Flöte")).encode("latin-1"))
    assert latin.tracks[0].name == "Flöte" and any("CP1252" in notice for notice in latin.notices)


DECOY = SONG.replace("<step>C", "<step>A")


@pytest.mark.parametrize("files", [
    {"old.xml": DECOY, "META-INF/container.xml": CONTAINER, "a/song.xml": SONG},
    {"a/song.xml": SONG, "z.xml": DECOY, "META-INF/container.xml": CONTAINER},
    {"notes.xml": "<notes/>", "__MACOSX/a.xml": DECOY, "b.xml": SONG},
    {"META-INF/container.xml": CONTAINER.replace("a/song", "lost"), "cover.xml": "<a/>", "b.xml": SONG},
], ids=["decoy first", "decoy last", "no container", "container names nothing"])
def test_the_score_is_found_beside_decoys(files):
    assert pitches(zipped(files)) == [60, 64, 67]


def test_a_container_that_is_no_xml_is_passed_over():
    quoted = zipped({"META-INF/container.xml": "<container><rootfile full-path='don't.xml'/></container>",
                     "don't.xml": SONG})
    assert pitches(quoted) == [60, 64, 67]


# Chord symbols -------------------------------------------------------------------------------------------------------


def harmony(root: str, kind: str, *, text: str = "", bass: str = "", offset: int = 0, degrees: str = "") -> str:
    def named(what: str, name: str) -> str:
        alter = {"#": 1, "b": -1}.get(name[1:], 0)
        return f"<{what}><{what}-step>{name[0]}</{what}-step><{what}-alter>{alter}</{what}-alter></{what}>"

    added = "".join(f"<degree><degree-value>{value}</degree-value><degree-alter>{alter}</degree-alter>"
                    f"<degree-type>{what}</degree-type></degree>"
                    for value, alter, what in (one.split() for one in degrees.split(",") if one))
    low = named("bass", bass) if bass else ""
    return (f'<harmony>{named("root", root)}<kind text="{text}">{kind}</kind>{low}{added}'
            f"<offset>{offset}</offset></harmony>")


def symbols(text: str) -> list[tuple[float, str]]:
    return [(at, chords.name(row)) for at, *row in read(text).chords]


@pytest.mark.parametrize(("element", "symbol"), [
    (harmony("C", "major"), "C"), (harmony("Bb", "minor-seventh"), "Bbm7"),
    (harmony("F#", "half-diminished"), "F#m7b5"),
    (harmony("C", "major", bass="E"), "C/E"), (harmony("G", "suspended-fourth", degrees="7 -1 add"), "G7sus4"),
    (harmony("G", "suspended-fourth", degrees="7 0 add"), "G7sus4"), (harmony("C", "other", text="m7"), "Cm7"),
    (harmony("C", "min7"), "Cm7"), (harmony("C", "dominant", degrees="5 1 alter"), "C7#5"), (harmony("C", "none"), "N"),
    (harmony("C", "major-minor"), "Cm(maj7)"), (harmony("C", "", text=""), "C"),
    (harmony("C", "dominant", degrees="3 0 subtract,4 0 add"), "C7sus4"),
])
def test_chord_symbols_of_every_kind_are_the_scores_chords(element, symbol):
    found = read(score([attributes("4/4") + element + line("C4:48")])).chords
    assert [row[1:] for row in found] == [chord_symbols.parse(symbol)]


def test_chord_symbols_stand_where_they_sound_and_are_repeated():
    bars = [attributes("4/4") + harmony("C", "major") + line("C4:24") + harmony("G", "dominant", offset=12)
            + line("D4:24"),
            barline('<repeat direction="forward"/>', "left") + line("E4:48"),
            harmony("F", "major") + line("F4:48") + barline('<repeat direction="backward"/>')]
    assert symbols(score(bars)) == [(0, "C"), (3, "G7"), (8, "F"), (12, "G7"), (16, "F")]


def test_chord_symbols_behind_a_backup_and_before_the_first_are_in_their_places():
    bar = attributes("4/4") + line("C4:48") + "<backup><duration>24</duration></backup>" + harmony("A", "minor")
    assert symbols(score([bar])) == [(0, "N"), (2, "Am")]


def test_chord_symbols_sound_as_the_instrument_does_that_reads_them():
    down = "<transpose><chromatic>-2</chromatic></transpose>"
    text = score([attributes("4/4", down) + harmony("D", "minor", bass="A") + line("D4:48")])
    assert pitches(text) == [60] and symbols(text) == [(0, "Cm/G")]


def test_of_parts_with_the_same_symbols_one_is_read_and_what_is_none_is_named():
    bar = attributes("4/4") + harmony("C", "major") + line("C4:48")
    odd = bar + harmony("C", "Tristan") + "<harmony><kind>major</kind></harmony>"
    found = read(score([bar], [odd]))
    assert len(found.chords) == 1
    assert "left out: 2 chord symbols that cannot be understood" in found.notices


def test_every_lead_sheet_of_openewld_is_read_with_its_chords():
    root = ROOT.parent / "shared" / "data" / "openewld-leadsheets"
    if not root.is_dir():
        pytest.skip("OpenEWLD's lead sheets are not at ../shared/data/openewld-leadsheets")
    paths = sorted((root / "files").glob("*.mxl"))
    assert len(paths) == 151
    for path in paths[::10] + [root / "files" / "00099.mxl"]:
        assert any(mask for *_, mask in notation.read(path).chords), path.name


@pytest.mark.parametrize("suffix", [".musicxml", ".XML", ".mxl", ".mid", ""])
def test_content_counts_not_the_suffix(suffix, tmp_path):
    path = tmp_path / f"song{suffix}"
    for content in (SONG.encode(), zipped({"a.xml": SONG})):
        path.write_bytes(content)
        assert len(inputs.read_score(path, "melody").tracks[0].notes) == 3
        assert len(inputs.read_score(content, "melody").tracks[0].notes) == 3


def test_midi_under_a_score_s_suffix_is_midi(tmp_path):
    from musicfusion.codecs import midi

    midi.write(tmp_path / "song.mid", read(SONG))
    (tmp_path / "song.mid").rename(tmp_path / "song.xml")
    assert len(inputs.read_score(tmp_path / "song.xml", "melody").tracks[0].notes) == 3


def test_the_small_cases_come_out_as_expected(tmp_path):
    make = ROOT.parent / "shared" / "cases" / "make.py"
    if not make.is_file():
        pytest.skip("the cases are not at ../shared/cases")
    expected = json.loads(json.dumps(runpy.run_path(str(make))["write"](tmp_path)))
    seen = 0
    for name, wanted in expected.items():
        if name.lower().endswith(("xml", "mxl")):
            seen += 1
            if "refused" in wanted:
                with pytest.raises(MusicFusionError):
                    inputs.read_score(tmp_path / name, "song")
            else:
                notes = inputs.read_score(tmp_path / name, "song").tracks[0].notes
                assert notes[:, 2].tolist() == wanted["pitches"], name
    assert seen >= 10


def timewise(*measures: str, parts: tuple[str, ...] = ("P1",)) -> str:
    listed = "".join(f'<score-part id="{part}"><part-name>{part}</part-name></score-part>' for part in parts)
    return f"<score-timewise><part-list>{listed}</part-list>{''.join(measures)}</score-timewise>"


def test_a_score_written_measure_by_measure_is_the_same():
    def bar(*parts: str) -> str:
        return "<measure>" + "".join(f'<part id="P{k}">{own}</part>' for k, own in enumerate(parts, 1)) + "</measure>"

    two = timewise(bar(attributes("4/4") + line("C4:48"), attributes("4/4") + line("C3:24", "D3:24")),
                   bar(line("D4:48"), line("E3:48")), parts=("P1", "P2"))
    assert rows(two) == [(0, 4, 60), (4, 4, 62)] and rows(two, 1) == [(0, 2, 48), (2, 2, 50), (4, 4, 52)]
    late = timewise(bar(attributes("4/4") + line("C4:48")), bar(line("D4:48"), attributes("4/4") + line("E3:48")),
                    parts=("P1", "P2"))
    assert rows(late, 1) == [(4, 4, 52)], "a part may begin later"
    assert read(two).metres == ((0.0, 4, 4),)


# Music ---------------------------------------------------------------------------------------------------------------


def test_instruments_sound_where_they_are():
    def transposed(change: str) -> list[int]:
        return pitches(score([attributes("4/4", f"<transpose>{change}</transpose>") + line("C5:24", "F#4:24")]))

    assert transposed("<diatonic>-1</diatonic><chromatic>-2</chromatic>") == [70, 64]
    assert transposed("<chromatic>-9</chromatic>") == [63, 57], "an alto saxophone"
    assert transposed("<chromatic>0</chromatic><octave-change>-1</octave-change>") == [60, 54], "a double bass"
    changed = score([attributes("4/4", "<transpose><chromatic>-2</chromatic></transpose>") + line("C5:48"),
                     attributes(transpose="<transpose><chromatic>3</chromatic></transpose>") + line("C5:48")])
    assert pitches(changed) == [70, 75], "another clarinet"


def test_staves_are_transposed_each_by_itself():
    change = '<staves>2</staves><transpose number="2"><chromatic>-12</chromatic></transpose>'
    both = score([attributes("4/4", change) + note("C5", 48, "<staff>1</staff>")
                  + "<backup><duration>48</duration></backup>" + note("C4", 48, "<staff>2</staff>", voice=2)])
    assert pitches(both) == [72] and pitches(both, 1) == [48]


def test_grace_and_cue_notes_are_left_out_and_said():
    grace = "<note><grace/><pitch><step>B</step><octave>4</octave></pitch><voice>1</voice></note>"
    cue = note("A4", 24).replace("<note>", "<note><cue/>")
    found = read(score([attributes("4/4") + grace * 2 + line("C5:24") + cue, line("D5:48")]))
    assert found.tracks[0].notes[:, 2].tolist() == [72, 74] and found.tracks[0].notes[1, 0] == 4
    assert "left out: 2 grace notes" in found.notices and "left out: 1 cue note" in found.notices


def test_tied_notes_are_one_across_bars_and_staves():
    held = score([attributes("4/4") + line("C4:24", "E4:24:start"), line("E4:48:stop start"),
                  line("E4:12:stop", "E4:36")])
    assert rows(held) == [(0, 2, 60), (2, 7, 64), (9, 3, 64)]
    crossing = score([attributes("4/4", "<staves>2</staves>") + note("G3", 24, "<staff>2</staff>", tie="start")
                      + note("G3", 24, "<staff>1</staff>", tie="stop")])
    assert [len(track.notes) for track in read(crossing).tracks] == [1]


REPEAT = barline('<repeat direction="backward"/>')
FORWARD = barline('<repeat direction="forward"/>', "left")


def bars(*inner: str) -> str:
    """Bars of one whole note each, C, D, E, ...; what is in them beside it begins with < for before, else behind."""
    first = attributes("4/4")
    return score([first * (k == 0) + before + line(f"{'CDEFGAB'[k]}4:48") + behind
                  for k, (before, behind) in enumerate(one if isinstance(one, tuple) else ("", one) for one in inner)])


def said(words: str, **sound: str) -> str:
    values = "".join(f' {name}="{value}"' for name, value in sound.items())
    return (f"<direction><direction-type><words>{words}</words></direction-type>"
            f"{f'<sound{values}/>' if sound else ''}</direction>")


@pytest.mark.parametrize(("text", "played"), [
    (bars("", REPEAT, ""), "CDCDE"),
    (bars("", (FORWARD, ""), REPEAT, ""), "CDEDEF"),
    (bars("", (ending("1", "start"), ending("1", "stop", "right", True)),
          (ending("2", "start"), ending("2", "stop", "right"))), "CDCE"),
    (bars((FORWARD, ""), (ending("1, 2", "start"), ending("1, 2", "stop", "right", True)),
          (ending("3", "start"), ending("3", "discontinue", "right")), ""), "CDCDCEF"),
    (bars("", barline('<repeat direction="backward" times="4"/>'), ""), "CDCDCDCDE"),
    (bars("", said("fine"), said("D.C. al fine")), "CDECD"),
    (bars("", ("<direction><direction-type><segno/></direction-type></direction>", ""), said("D.S.", dalsegno="x")),
     "CDEDE"),
    (bars("", said("To Coda", tocoda="c"), said("D.C. al Coda", dacapo="yes"), (said("Coda", coda="c"), "")), "CDECDF"),
], ids=["to the beginning", "from a start", "two endings", "three passes", "four times", "da capo al fine", "dal segno",
        "coda"])
def test_repeats_are_played(text, played):
    assert "".join("CDEFGAB"[[60, 62, 64, 65, 67, 69, 71].index(pitch)] for pitch in pitches(text)) == played
    assert any(f"become {len(played)}" in notice for notice in read(text).notices)


def test_each_pass_has_its_verse():
    sung = note("C4", 48, '<lyric number="1"><text>one</text></lyric><lyric number="2"><text>two</text></lyric>')
    track = read(score([attributes("4/4") + sung + REPEAT])).tracks[0]
    assert track.lyrics == ((0.0, "one"), (4.0, "two"))


def test_words_tempo_metre_dynamics_and_instruments_are_kept():
    part = ('<score-part id="P0"><part-name>Flute</part-name><score-instrument id="I"><instrument-name>Flute'
            '</instrument-name></score-instrument><midi-instrument id="I"><midi-program>74</midi-program>'
            "</midi-instrument></score-part>")
    begin = "<lyric><syllabic>begin</syllabic><text>hel</text></lyric>"
    marks = ('<direction><direction-type><metronome><beat-unit>half</beat-unit><per-minute>50</per-minute></metronome>'
             "</direction-type></direction><direction><direction-type><dynamics><ff/></dynamics></direction-type>"
             "</direction>")
    text = score([attributes("2/2") + marks + note("C4", 24, begin) + note("D4", 24, "<lyric><text>lo</text></lyric>"),
                  attributes("3/4") + '<sound tempo="72"/>' + line("E4:36")])
    found = read(text.replace('<score-part id="P0"><part-name>Voice</part-name></score-part>', part))
    (track,) = found.tracks
    assert (track.name, track.program, track.is_drum) == ("Flute", 73, False)
    assert track.lyrics == ((0.0, "hel-"), (2.0, "lo")) and (track.notes[:, 3] > 100).all()
    assert found.metres == ((0.0, 2, 2), (4.0, 3, 4)) and found.tempos.tolist() == [[0, 100], [4, 72]]


def test_a_tempo_in_words_is_a_guess_and_said():
    assert any("120" in notice for notice in read(SONG).notices)
    assert read(SONG).tempos.tolist() == [[0, 120]]


def test_a_pickup_ends_at_the_first_bar_line():
    assert rows(score([attributes("3/4") + line("G4:12"), line("C5:36")])) == [(2, 1, 67), (3, 3, 72)]


def drum(place: str, extra: str = "") -> str:
    return (f"<note><unpitched><display-step>{place[0]}</display-step><display-octave>{place[1]}</display-octave>"
            f"</unpitched><duration>12</duration>{extra}<voice>1</voice></note>")


def test_percussion_is_drums_by_its_keys_or_its_place():
    guessed = read(score([attributes("2/4") + drum("F4") + drum("C5")]))
    assert guessed.tracks[0].is_drum and guessed.tracks[0].notes[:, 2].tolist() == [36, 38]
    assert any("2 drums without a MIDI key" in notice for notice in guessed.notices)
    keys = "".join(f'<midi-instrument id="I{key}"><midi-unpitched>{key + 1}</midi-unpitched></midi-instrument>'
                   for key in (42, 46))
    text = score([attributes("2/4") + drum("G5", '<instrument id="I42"/>') + drum("G5", '<instrument id="I46"/>')])
    named = read(text.replace("</score-part>", keys + "</score-part>"))
    assert named.tracks[0].notes[:, 2].tolist() == [42, 46] and not any("drum" in one for one in named.notices)


# Refused -------------------------------------------------------------------------------------------------------------


BOMB = ('<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {y} "{f"&{x};" * 10}">' for x, y in zip("abcdefgh", "bcdefghi", strict=True)) + "]>")


@pytest.mark.parametrize(("content", "why"), [
    (b"", "empty"), (b"<html><body>404</body></html>", "root is <html>"), (SONG[:-90].encode(), "damaged"),
    (BOMB.encode() + SONG.replace("Voice", "&i;").encode(), "entities"), (zipped({"a.txt": "x"}), "no score"),
    (zipped({"a.xml": SONG})[:200], "zip"), (zipped({"a.xml": SONG + " " * 2**25}), "MiB"),
    (("<a>" * 500).encode(), "nested"), (score([attributes("4/4") + line(":48")]).encode(), "no notes"),
    (SONG.replace("<duration>24", "<duration>99999999").encode(), "duration"),
    (SONG.replace("<beats>4", "<beats>99999").encode(), "beats"),
    (score([attributes("4/4")]).encode(), "no notes"), (b" " * (notation.MAX_BYTES + 1), "MiB"),
], ids=["empty", "a web page", "cut", "entities", "no score", "cut zip", "zip bomb", "nested", "rests", "endless note",
        "endless bar", "nothing", "large"])
def test_what_is_no_score_is_refused_in_one_line(content, why):
    with pytest.raises(MusicFusionError, match=why) as refused:
        notation.parse(content, "song")
    assert "\n" not in str(refused.value) and str(refused.value).startswith("song: ")


@pytest.mark.parametrize("beats", ["7;94", "1e1", "four", "", "3+", "9,9,9,9"])
def test_a_metre_that_is_none_is_passed_over_at_once(beats):
    found = read(SONG.replace("<beats>4", f"<beats>{beats}"))
    assert len(found.tracks[0].notes) == 3 and "a metre that cannot be understood is passed over" in found.notices


def test_metres_in_groups_and_with_spaces_are_metres():
    for beats in ("2+2", " 4 ", "1 + 3"):
        assert read(SONG.replace("<beats>4", f"<beats>{beats}")).metres == ((0.0, 4, 4),)
        assert read(SONG.replace("<beats>4", f"<beats>{beats}")).notices == read(SONG).notices


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.xml", tmp_path):
        with pytest.raises(MusicFusionError, match="cannot be opened"):
            notation.read(path)


def test_nothing_is_printed(capfd):
    pitches(SONG.replace("<beats>4", "<beats>3"))
    assert capfd.readouterr() == ("", "")


# Real ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lieder():
    root = ROOT.parent / "shared" / "data" / "openscore-lieder" / "files"
    if not root.is_dir():
        pytest.skip("the OpenScore Lieder Corpus is not at ../shared/data/openscore-lieder")
    return root


@pytest.mark.parametrize("name", ["lc6351349", "lc6217099", "lc6617779", "lc5071644"])
def test_real_songs_are_those_that_the_reader_of_corpora_finds(lieder, name):
    """Songs without repeats: both readers agree on every note, which they found on different ways."""
    path = lieder / f"{name}.mxl"
    found = notation.read(path)
    root = musicxml.document(path)
    starts, _ = musicxml.bars(root)
    voice, piano = [musicxml.notes(part.element, starts) for part in musicxml.parts(root)]
    assert sorted(grid(found.tracks[0]).tolist()) == sorted(np.unique(voice, axis=0).tolist())
    assert abs(sum(len(track.notes) for track in found.tracks[1:]) - len(piano)) <= 0.01 * len(piano)
    assert found.tracks[0].lyrics and os.path.basename(path) != found.name
