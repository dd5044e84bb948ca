"""MusicXML that is written: other programs read the same notes, and every bar is full."""

import sys
import time
from fractions import Fraction
from xml.etree import ElementTree

import numpy as np
import pytest
from micro import ROOT

from musicfusion.codecs import engraving, general_midi, midi, musicxml_write, notation
from musicfusion.codecs.musicxml_write import Marks
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError

COMMON, TEMPO = ((0.0, 4, 4),), np.array([[0.0, 100.0]])


def track(rows, name: str = "flute", program: int = 73, drums: bool = False, **more) -> Track:
    return Track(name, program, drums, np.array([(*row, 80) for row in rows], float).reshape(-1, 4), **more)


def song(*tracks: Track, tempos=TEMPO, metres=COMMON, name: str = "song") -> Score:
    return Score(tracks, np.array(tempos), metres, name)


def scale(count: int, length: float, start: float = 0.0) -> list[tuple]:
    return [(start + k * length, length, 60 + k % 12) for k in range(count)]


SONGS = {
    "16ths": song(track(scale(40, 0.25))),
    "syncopes": song(track([(0.5, 1, 60), (1.5, 1.5, 62), (3.25, 0.5, 64), (3.75, 2.5, 65), (6.75, 5, 67)])),
    "triplets": song(track(scale(12, 1 / 3)), track(scale(6, 2 / 3, 1), "alto", 65)),
    "swing": song(track([(b + o, d, 60 + b) for b in range(7) for o, d in ((0, 2 / 3), (2 / 3, 1 / 3))])),
    "into a triplet": song(track([(0, 4 / 3, 60), (4 / 3, 5 / 3, 62), (3, 1 / 3, 64), (10 / 3, 14 / 3, 65)])),
    "across bars": song(track([(1, 9, 60), (10, 3.25, 62), (14.5, 8, 64)])),
    "overlaps": song(track([(0, 4, 60), (1, 1, 64), (1.5, 4, 67), (2, 0.5, 72), (2, 3, 60)])),
    "chords": song(track([(k, 1, p) for k in range(8) for p in (60, 64, 67)])),
    "piano": song(track([(k / 2, 0.5, 72 + k % 5) for k in range(16)]
                        + [(k, 1, p) for k in range(8) for p in (36, 43)], "piano", 0)),
    "metres": song(track(scale(30, 0.5)), metres=((0.0, 3, 4), (6.0, 6, 8), (9.0, 7, 8), (12.5, 2, 2)),
                   tempos=[[0, 90], [2.5, 120], [6, 60]]),
    "a metre within a bar": song(track(scale(12, 1.0)), metres=((0.0, 4, 4), (5.0, 3, 4))),
    "drums": song(track(scale(4, 1.0)),
                  track([(k / 2, 0.25, (36, 42, 38, 46, 51, 99)[k % 6]) for k in range(16)], "kit", 0, True)),
    "every pitch": song(track([(k / 4, 0.25, k) for k in range(128)], "all", 0)),
}


def notes(score: Score) -> list[tuple]:
    """Rows of all tracks, sorted; times as fractions of 12ths."""
    return sorted((t.is_drum, Fraction(round(o * 12), 12), Fraction(round(d * 12), 12), int(p))
                  for t in score.tracks for o, d, p, _ in t.notes.tolist())


@pytest.mark.parametrize("name", SONGS)
def test_notes_metres_and_tempos_come_back(name):
    score = SONGS[name]
    text, notices = musicxml_write.to_musicxml(score)
    back = notation.parse(text.encode(), "song")
    assert not notices and notes(back) == notes(score)
    assert back.metres == score.metres and back.tempos.tolist() == score.tempos.tolist()
    assert {t.name for t in back.tracks} == {t.name for t in score.tracks}
    assert {t.program for t in back.tracks} == {t.program for t in score.tracks}


def joined(rows: list[tuple]) -> list[tuple]:
    """Rows (onset, length, pitch, tie), those that a tie continues joined: music21's stripTies misses some."""
    found: list[list] = []
    for onset, length, pitch, tie in sorted(rows, key=lambda row: (row[0], row[2])):
        held = [note for note in found if note[3] and note[2] == pitch and abs(note[0] + note[1] - onset) < 1e-6]
        if tie in ("continue", "stop"):
            held[0][1:] = [held[0][1] + length, pitch, tie == "continue"]
        else:
            found.append([onset, length, pitch, tie == "start"])
    return sorted((Fraction(round(o * 12), 12), Fraction(round(d * 12), 12), p) for o, d, p, _ in found)


@pytest.mark.parametrize("name", SONGS)
def test_music21_reads_the_same(name, tmp_path):
    from music21 import converter

    score = SONGS[name]
    musicxml_write.write(tmp_path / "song.musicxml", score)
    piece = converter.parse(tmp_path / "song.musicxml")
    pitched = [(float(one.getOffsetInHierarchy(piece)), float(one.quarterLength), member.pitch.midi,
                member.tie.type if member.tie else "")
               for one in piece.recurse().notes for member in getattr(one, "notes", [one]) if hasattr(member, "pitch")]
    assert joined(pitched) == sorted(row[1:] for row in notes(score) if not row[0])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in SONGS if name not in ("drums", "every pitch")])
def test_partitura_reads_the_same_and_the_document_is_valid(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fluidsynth", None)  # for which it would load a soundfont from the network
    partitura = pytest.importorskip("partitura")
    from partitura.io.importmusicxml import validate_musicxml

    score = SONGS[name]
    path = tmp_path / "song.musicxml"
    musicxml_write.write(path, score)
    assert validate_musicxml(str(path))
    found = []
    for part in partitura.load_score(str(path)).parts:
        array = part.note_array()
        found += zip(array["onset_quarter"], array["duration_quarter"], array["pitch"], strict=True)
    first = min(onset for onset, _, _ in found) - float(notes(score)[0][1])  # it may count from elsewhere
    rows = sorted((Fraction(round((o - first) * 12), 12), Fraction(round(d * 12), 12), int(p)) for o, d, p in found)
    assert rows == [row[1:] for row in notes(score)]


@pytest.mark.parametrize("name", SONGS)
def test_every_voice_fills_its_bar_with_note_values(name):
    score = SONGS[name]
    whole = engraving.bars(score)
    for own in score.tracks:
        for staff in engraving.staves(own, np.zeros(len(own.notes), bool), whole)[0]:
            for bar, voices in zip(whole, staff.bars, strict=True):
                assert 1 <= len(voices) <= engraving.VOICES
                for values in voices:
                    assert [value.start for value in values] == list(np.cumsum([0] + [v.length for v in values[:-1]]))
                    assert sum(value.length for value in values) == bar.length
                    kinds = [value.triplet for value in values if value.triplet]
                    assert kinds.count("start") == kinds.count("stop")


def test_uneven_playing_becomes_16ths_or_triplets():
    rng = np.random.default_rng(0)
    rows = [(max(o + rng.normal(0, 0.02), 0), d * 0.9, p) for o, d, p in [*scale(16, 0.25), *scale(12, 1 / 3, 4)]]
    back = notation.parse(musicxml_write.to_musicxml(song(track(rows)))[0].encode(), "song")
    onsets = back.tracks[0].notes[:, 0]
    np.testing.assert_allclose(onsets, [k / 4 for k in range(16)] + [4 + k / 3 for k in range(12)], atol=1e-6)


def test_more_than_four_voices_are_cut_and_said():
    rows = [(k * 0.25, 4 - k * 0.3, 60 + 2 * k) for k in range(6)]
    text, notices = musicxml_write.to_musicxml(song(track(rows)))
    back = notation.parse(text.encode(), "song").tracks[0].notes
    assert sorted(back[:, [0, 2]].tolist()) == [[o, p] for o, _, p in rows]
    assert notices == ["in MusicXML 2 notes end earlier: a staff has four voices"]


def test_marks_chords_and_words_are_written(tmp_path):
    words = ((0.0, "hel-"), (1.0, "lo"), (2.0, "you & I"))
    sung = track([(0, 1, 60), (1, 1, 62), (2, 6, 64)], "voice", 52, lyrics=words)
    score = song(sung, track([(0, 8, 48)], "bass", 33), name="a < b")
    marks = Marks(chords=["C", "C", "Bbm7/Ab", "N", "", "F#7sus4"], colours=["#D55E00", "#0072B2"],
                  notes=[np.array([False, True, True]), np.array([False])])
    text, _ = musicxml_write.to_musicxml(score, marks)
    root = ElementTree.fromstring(text)
    coloured = [note for note in root.iter("note") if note.get("color") == "#D55E00"]
    assert {note.findtext("pitch/step") for note in coloured} == {"D", "E"} and "#0072B2" not in text
    assert [one.findtext("kind") for one in root.iter("harmony")] == ["major", "minor-seventh", "suspended-fourth"]
    assert root.find("part[2]/measure/harmony") is None
    assert [(one.findtext("syllabic"), one.findtext("text")) for one in root.iter("lyric")] == [
        ("begin", "hel"), ("end", "lo"), ("single", "you & I")]
    from music21 import converter

    (tmp_path / "song.musicxml").write_text(text)
    piece = converter.parse(tmp_path / "song.musicxml")
    symbols = [(float(one.getOffsetInHierarchy(piece)), one.root().pitchClass, one.bass().pitchClass)
               for one in piece.recurse().getElementsByClass("ChordSymbol")]
    assert symbols == [(0, 0, 0), (2, 10, 8), (5, 6, 6)]
    assert notation.parse(text.encode(), "song").tracks[0].lyrics == words


@pytest.mark.parametrize(
    ("tonic", "names"), [(0, "C D E F G A B"), (3, "E-1 F G A-1 B-1 C D"), (9, "A B C1 D E F1 G1")])
def test_pitches_are_spelled_in_their_key(tonic, names):
    rows = [(k, 1, 60 + tonic + step) for k, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12, 7, 4, 0, 0, 0))]
    root = ElementTree.fromstring(musicxml_write.to_musicxml(song(track(rows)))[0])
    spelled = [f"{one.findtext('step')}{one.findtext('alter', '')}" for one in root.iter("pitch")]
    assert " ".join(spelled[:7]) == names and root.find(".//accidental") is None


def test_short_notes_of_a_beat_hang_together():
    rows = [(0, 0.5, 60), (0.5, 0.5, 62), (1, 0.75, 64), (1.75, 0.25, 65), (2, 0.25, 67), (2.5, 0.5, 69), (3, 1, 71)]
    root = ElementTree.fromstring(musicxml_write.to_musicxml(song(track(rows)))[0])
    hanging = [[beam.text for beam in one.findall("beam")] for one in root.iter("note")]
    assert hanging == [["begin"], ["end"], ["begin"], ["end", "backward hook"], [], [], [], []]
    six = musicxml_write.to_musicxml(song(track(scale(6, 0.5)), metres=((0.0, 6, 8),)))[0]
    assert [one.text for one in ElementTree.fromstring(six).iter("beam")] == ["begin", "continue", "end"] * 2


def test_an_accidental_holds_for_its_bar():
    rows = [(k, 1, p) for k, p in enumerate((60, 61, 61, 60, 61, 64, 65, 67, 60, 62, 64, 65, 67, 69, 71, 72))]
    root = ElementTree.fromstring(musicxml_write.to_musicxml(song(track(rows)))[0])
    signs = [note.findtext("accidental", "") for note in root.iter("note")]
    assert signs[:6] == ["", "sharp", "", "natural", "sharp", ""] and not any(signs[6:])


def test_parts_without_a_name_have_their_instrument_s():
    assert len(general_midi.PROGRAMS) == 128
    text = musicxml_write.to_musicxml(song(track(scale(4, 1.0), "", 40), track([(0, 1, 36)], "", 0, True)))[0]
    assert [one.text for one in ElementTree.fromstring(text).iter("part-name")] == ["Violin", "Drums"]


def test_nothing_is_written_of_what_is_too_long_or_has_no_notes():
    assert "<part-name/>" in musicxml_write.to_musicxml(song(track([])))[0]
    with pytest.raises(MusicFusionError, match="bars"):
        musicxml_write.to_musicxml(song(track([(1e6, 1, 60)])))


def test_64_bars_take_no_time(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(k / 4, rng.choice((0.25, 0.5, 1, 3)), p) for k in range(1024) for p in rng.integers(40, 80, 2)]
    score = song(track(scale(512, 0.5)), track(rows, "piano", 0))
    began = time.perf_counter()
    musicxml_write.write(tmp_path / "song.musicxml", score)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("number", ["001", "200", "400"])
def test_real_songs_keep_their_onsets(number, pop909_root):
    score = midi.read(next(pop909_root.rglob(f"{number}.mid")))
    whole = engraving.bars(score)
    text, _ = musicxml_write.to_musicxml(score)
    back = notation.parse(text.encode(), "song")
    written = sorted((onset / engraving.DIVISIONS, pitch) for own in score.tracks for onset, _, pitch, _ in
                     engraving.quantised(own, np.zeros(len(own.notes), bool), whole)[0].tolist())
    found = sorted((onset, pitch) for own in back.tracks for onset, _, pitch, _ in own.notes.tolist())
    np.testing.assert_allclose(found, written, atol=1e-6)


def test_real_lieder_keep_their_notes():
    root = ROOT.parent / "shared" / "data" / "openscore-lieder" / "files"
    if not root.is_dir():
        pytest.skip("the OpenScore Lieder Corpus is not at ../shared/data/openscore-lieder")
    score = notation.read(root / "lc6351349.mxl")
    back = notation.parse(musicxml_write.to_musicxml(score)[0].encode(), "song")
    longest = {(id(t), o, p): (False, Fraction(round(o * 12), 12), Fraction(round(d * 12), 12), int(p))
               for t in score.tracks for o, d, p, _ in sorted(t.notes.tolist())}  # of unisons in one staff
    assert set(notes(back)) == set(longest.values()) and back.tracks[0].lyrics == score.tracks[0].lyrics
