"""What a user gives is read whatever its form, and what is none of the accepted forms is refused in one line."""

import builtins
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from musicxml_text import attributes, line
from musicxml_text import score as score_text

from musicfusion.codecs import inputs, midi, note_sequence
from musicfusion.codecs.audio import RATE, Audio
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError

NOTES = np.array([[0.0, 1.0, 60, 80], [1.0, 0.5, 64, 80], [2.0, 2.0, 67, 100]])


@pytest.fixture
def song() -> Score:
    return Score((Track("lead", 40, False, NOTES),), np.array([[0.0, 120.0]]), ((0.0, 4, 4),), "song")


def forms(song: Score, folder: Path) -> dict:
    import pretty_midi

    path = folder / "song.mid"
    midi.write(path, song)
    return {
        "path": path, "text": str(path), "bytes": path.read_bytes(), "score": song,
        "note sequence": note_sequence.to_note_sequence(song), "pretty_midi": pretty_midi.PrettyMIDI(str(path)),
    }


def test_notes_are_the_same_in_every_form(song, tmp_path):
    for form, source in forms(song, tmp_path).items():
        read = inputs.read_score(source, "melody")
        np.testing.assert_allclose(read.tracks[0].notes, NOTES, atol=0.01, err_msg=form)
        assert read.tracks[0].program == 40 and read.tempos[0, 1] == pytest.approx(120), form


TEXTS = {"tune.abc": "X:1\nK:C\ncdef|\n", "tune.krn": "**kern\n4c\n*-\n", "chords.txt": "C | G",
         "score.musicxml": score_text([attributes("4/4") + line("C4:48")])}


@pytest.mark.parametrize("name", [*TEXTS, "song.mid"])
def test_a_file_is_opened_once_and_what_it_is_decided_once(name, song, tmp_path, monkeypatch):
    path, opened, kinds = tmp_path / name, [], []
    midi.write(path, song) if name == "song.mid" else path.write_text(TEXTS[name])
    real, decide = io.open, inputs._kind
    for module in (builtins, io):
        monkeypatch.setattr(module, "open", lambda file, *rest, **more: (opened.append(str(file)),
                                                                         real(file, *rest, **more))[1])
    monkeypatch.setattr(inputs, "_kind", lambda *given: (kinds.append(given), decide(*given))[1])
    assert inputs.read_score(path, "accompaniment", charts=True).tracks
    assert opened.count(str(path)) == 1 and len(kinds) == 1


@pytest.mark.parametrize(("data", "suffix", "kind"), [
    (b"MThd\0", ".xml", "MIDI"), (b"RIFF", ".abc", "MIDI"), (b"<score-partwise/>", ".mid", "score"),
    (b"PK\3\4", ".mid", "score"), (b"X:1\nK:C\n", ".txt", "score"), (b"**kern\n", "", "score"), (b"C | G", "", "chart"),
    (b"C | G", ".mid", "chart"), (b"C | Hm7", ".txt", "chart"), (b"C | Hm7", "", "MIDI"),
    (b"no music", ".abc", "score"), (b"no music", ".mid", "MIDI"), (b"", ".musicxml", "score"),
])
def test_content_says_what_a_file_is_and_its_suffix_where_that_says_nothing(data, suffix, kind):
    assert inputs._kind(data, suffix, True) == kind


def test_a_file_that_cannot_be_opened_or_is_too_large_is_named(tmp_path, monkeypatch):
    large = tmp_path / "large.mid"
    large.write_bytes(b"MThd" + bytes(9 * 2**20))
    with pytest.raises(MusicFusionError, match=r"large.mid: larger than 8 MiB"):
        inputs.read_score(large, "melody")
    large.with_suffix(".xml").write_bytes(b"<score-partwise>" + bytes(17 * 2**20))
    with pytest.raises(MusicFusionError, match=r"large.xml: .*larger than 16 MiB"):
        inputs.read_score(large.with_suffix(".xml"), "melody")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(MusicFusionError, match=r"large.mid: cannot be opened \(Permission denied\)"):
        inputs.read_score(large, "melody")


def test_a_score_is_named_after_its_file_and_a_note_sequence_after_its_part(song, tmp_path):
    midi.write(tmp_path / "song.mid", song)
    assert inputs.read_score(tmp_path / "song.mid", "melody").name == "song"
    assert inputs.read_score((tmp_path / "song.mid").read_bytes(), "melody").name == "melody"
    assert inputs.read_score(note_sequence.to_note_sequence(song), "melody").name == "melody"


@pytest.mark.parametrize(("source", "words"), [
    ("missing.mid", "missing.mid: there is no such file"),
    (b"RIFF", "melody: "),
    (3, "melody: int cannot be read as notes"),
    (np.zeros(3), "melody: ndarray cannot be read as notes"),
])
def test_what_holds_no_notes_is_refused_in_one_line(source, words):
    with pytest.raises(MusicFusionError, match=words) as refused:
        inputs.read_score(source, "melody")
    assert "\n" not in str(refused.value)


def test_drums_alone_are_refused_where_pitches_are_needed(song):
    drums = Score((Track("kit", 0, True, NOTES),), song.tempos, song.metres, "kit")
    assert inputs.read_score(drums, "melody") is drums
    with pytest.raises(MusicFusionError, match="only drums"):
        inputs.read_score(drums, "melody", pitched=True)


def test_sound_is_the_same_in_every_form(tmp_path):
    tone = (0.4 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.float32)
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone, RATE, subtype="FLOAT")
    whole = np.rint(tone * 32768).astype(np.int16)
    buffer = io.BytesIO(path.read_bytes())
    for source in (path, str(path), buffer.getvalue(), (tone, RATE), (np.stack([tone, tone], 1), RATE), (whole, RATE),
                   Audio(tone)):
        np.testing.assert_allclose(inputs.read_sound(source, "source"), tone, atol=1e-4)
    slow = inputs.read_sound((tone[::2], RATE // 2), "source")
    assert len(slow) == pytest.approx(len(tone), abs=4)


@pytest.mark.parametrize("source", [
    3, (np.zeros(0), RATE), (np.zeros((2, 2, 2)), RATE), (np.zeros(5), 0), (np.full(9, np.nan), RATE), (["a"], RATE),
    b"x",
])
def test_what_is_no_sound_is_refused_in_one_line(source):
    with pytest.raises(MusicFusionError, match=r"^source: ") as refused:
        inputs.read_sound(source, "source")
    assert "\n" not in str(refused.value)


def test_metadata_names_files_by_path_and_the_rest_by_what_it_is():
    assert inputs.described("a/b.mid", "melody") == "a/b.mid" and inputs.title("a/b.mid", "melody") == "b"
    assert inputs.described(b"MThd", "melody") == "melody (bytes)" and inputs.title(b"MThd", "melody") == "melody"


def test_notes_are_told_from_sound_in_every_form_and_whatever_a_file_is_called(song, tmp_path):
    for form, source in forms(song, tmp_path).items():
        assert inputs.kind_of(source, "source") == "notes", form
    tone = np.sin(np.arange(4000) / 20).astype(np.float32)
    soundfile.write(tmp_path / "bass.wav", tone, RATE)
    sound = (tmp_path / "bass.wav").read_bytes()
    for source in (tmp_path / "bass.wav", sound, (tone, RATE), Audio(tone)):
        assert inputs.kind_of(source, "source") == "sound"
    (tmp_path / "sound.mid").write_bytes(sound)
    (tmp_path / "notes.wav").write_bytes((tmp_path / "song.mid").read_bytes())
    assert [inputs.kind_of(tmp_path / name, "source") for name in ("sound.mid", "notes.wav")] == ["sound", "notes"]
    for name, text in TEXTS.items():
        (tmp_path / "unnamed").write_text(text)
        for source in (tmp_path / "unnamed", text.encode()):
            assert inputs.kind_of(source, "source") == "notes", name


@pytest.mark.parametrize(("source", "kinds", "words"), [
    (b"nothing", ("notes", "sound"), r"^source \(bytes\): cannot be read as notes or sound; a MIDI file, a score .*"
                                     r" or a recording \(.wav, .* is accepted$"),
    ([1, 2], ("notes", "sound"), r"^source \(list\): cannot be read as notes or sound"),
    (b"MThd", ("sound",), r"^source \(bytes\): holds notes, which these weights do not take; a recording .* accepted$"),
    ((np.zeros(9), RATE), ("notes",), r"^source \(tuple\): holds sound, which .*; a MIDI file or a score .* accepted$"),
    ("nowhere.mid", ("notes", "sound"), r"^nowhere.mid: there is no such file$"),
])
def test_a_kind_that_is_not_accepted_is_refused_in_one_line_that_says_what_is(source, kinds, words):
    with pytest.raises(MusicFusionError, match=words):
        inputs.kind_of(source, "source", kinds)


def test_what_looks_like_nothing_is_left_to_the_reader_of_the_one_kind_that_is_accepted():
    assert inputs.kind_of(b"nothing", "source", ("notes",)) == "notes"
    assert inputs.kind_of(b"nothing", "source", ("sound",)) == "sound"
