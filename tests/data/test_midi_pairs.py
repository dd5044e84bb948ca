"""Pairs of melody and accompaniment out of any folder of MIDI files."""

import numpy as np
import pytest

from musicfusion.codecs import melody, midi, polyphony
from musicfusion.codecs.score import Score, Track, from_notes
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import cache, chorales, midi_folder, midi_pairs, pop909, sources

CHORALES = chorales.read(6)


def parts(song: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A chorale's soprano and other voices as notes, int32 [n, 3], and its chords."""
    begin, end = CHORALES.first_beat[song : song + 2]
    arrays = {key: array[begin:end] if key == "chords" else array[4 * begin : 4 * end]
              for key, array in CHORALES.arrays.items()}
    return (melody.notes_from_tokens(arrays["melody"]),
            polyphony.notes_from_slots(arrays["pitch"], arrays["duration"]), arrays["chords"])


def tracks(song=0, *, name="SOPRANO", shift=0.0):
    soprano, others, _ = parts(song)
    found = (from_notes("PIANO", 0, others), from_notes(name, 40, soprano))
    return [Track(track.name, track.program, False, track.notes + [shift, 0, 0, 0]) for track in found]


def write(path, *parts, metre=(4, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(path, Score(tuple(parts), np.array([[0.0, 100.0]]), ((0.0, *metre),) if metre else (), path.stem))
    return path


def notes(song):
    return (melody.notes_from_tokens(song["melody"]).tolist(),
            polyphony.notes_from_slots(song["pitch"], song["duration"]).tolist())


@pytest.mark.parametrize("song", range(len(CHORALES.songs)))
def test_a_chorale_written_as_midi_comes_back_as_it_was(tmp_path, song):
    found = midi_pairs.song(write(tmp_path / "a.mid", *tracks(song)))
    soprano, others, chords = parts(song)
    assert notes(found) == (soprano.tolist(), others.tolist())
    np.testing.assert_array_equal(found["chords"], chords)
    assert {key: array.dtype for key, array in found.items()} == {
        key: array.dtype for key, array in CHORALES.arrays.items()}


def test_silent_bars_before_the_first_note_are_left_out_and_an_upbeat_keeps_its_beat(tmp_path):
    expected = notes(midi_pairs.song(write(tmp_path / "a.mid", *tracks())))
    assert expected[0][0][0] == 12, "a pickup"
    assert notes(midi_pairs.song(write(tmp_path / "b.mid", *tracks(shift=16.0)))) == expected


def test_notes_beside_the_file_s_beats_are_moved_onto_the_beats_that_they_mean(tmp_path):
    path = write(tmp_path / "a.mid", *tracks(shift=8.06), metre=None)
    assert notes(midi_pairs.song(path))[0] == notes(midi_pairs.song(write(tmp_path / "b.mid", *tracks())))[0]


def test_a_melody_without_a_name_does_not_accompany_itself(tmp_path):
    path = write(tmp_path / "a.mid", *tracks(name="Flute"))
    assert notes(midi_pairs.song(path)) == tuple(part.tolist() for part in parts(0)[:2])


def test_drums_belong_to_neither(tmp_path):
    drums = Track("DRUMS", 0, True, np.array([(k / 2, 0.25, 36, 90) for k in range(32)]))
    path = write(tmp_path / "a.mid", *tracks(), drums)
    assert notes(midi_pairs.song(path)) == notes(midi_pairs.song(write(tmp_path / "b.mid", *tracks())))


def loose():
    rng = np.random.default_rng(0)
    return [Track(track.name, track.program, False, track.notes + np.outer(rng.random(len(track.notes)), [1, 0, 0, 0]))
            for track in tracks()]


@pytest.mark.parametrize(("given", "metre", "why"), [
    (tracks(), (3, 4), "not in 4/4 throughout"), (tracks()[1:], (4, 4), "nothing plays beside its melody"),
    ([from_notes("PIANO", 0, parts(0)[1])], (4, 4), "nothing plays beside its melody"),
    (loose(), (4, 4), "do not keep to the grid"),
    ([Track("DRUMS", 0, True, np.array([(0.0, 1.0, 36, 90)]))], (4, 4), "only drums"),
])
def test_what_cannot_be_used_is_skipped_with_the_reason(tmp_path, given, metre, why):
    write(tmp_path / "x" / "good.mid", *tracks())
    write(tmp_path / "x" / "bad.mid", *given, metre=metre)
    corpus = midi_pairs.read(tmp_path)
    assert corpus.songs == ("x/good",) and why in corpus.skipped["x/bad"]
    assert corpus.skipped["x/bad"].startswith("x/bad.mid: ")


def test_near_duplicates_are_skipped_in_whatever_key(tmp_path):
    write(tmp_path / "a.mid", *tracks(0))
    higher = [Track(track.name, track.program, False, track.notes + [0, 0, 2, 0]) for track in tracks(0)]
    write(tmp_path / "b.mid", *higher)
    write(tmp_path / "c.mid", *tracks(1))
    corpus = midi_pairs.read(tmp_path)
    assert corpus.songs == ("a", "c") and corpus.skipped == {"b": "most of it is a"}
    assert midi_pairs.read(tmp_path, limit=1).songs == ("a",)


def test_a_folder_that_is_not_pop909_is_read_as_pairs_and_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    for song in range(3):
        write(folder / f"{song}.mid", *tracks(song))
    first = cache.load(str(folder))
    assert first.songs == ("0", "1", "2") and first.source == "mine, 3 MIDI files"
    assert len(first.windows()[0]) > 50, "enough to learn from"
    monkeypatch.setattr(midi_folder, "in_four", lambda path: pytest.fail("read again"))
    assert cache.load(str(folder)).fingerprint == first.fingerprint
    assert sources.pairs(str(folder)).name == "pairs"
    (tmp_path / "empty").mkdir()
    with pytest.raises(MusicFusionError, match="no songs here; accepted is a folder with MIDI files"):
        cache.load(str(tmp_path / "empty"))


def test_pop909_s_midi_files_alone_give_nearly_its_pairs(tmp_path, pop909_root):
    """Without its tables of beats: the notes of a song, on a grid that may begin elsewhere."""
    folders = pop909.song_folders(pop909_root)[:12]
    for folder in folders:
        score = midi.read(folder / f"{folder.name}.mid")
        write(tmp_path / folder.name, *score.tracks).rename(tmp_path / f"{folder.name}.mid")
    corpus = midi_pairs.read(tmp_path)
    assert len(corpus.songs) >= 10, corpus.skipped
    for name in corpus.songs[:3]:
        known = pop909.song(next(folder for folder in folders if folder.name == name))
        found = midi_pairs.song(tmp_path / f"{name}.mid")
        own, other = (melody.notes_from_tokens(song["melody"]) for song in (found, known))
        assert abs(len(own) - len(other)) <= 0.05 * len(other)
        moved = np.median(own[: len(other), 0] - other[: len(own), 0]).astype(int)
        there = {(onset, pitch) for onset, _, pitch in (other + [moved, 0, 0]).tolist()}
        assert np.mean([(onset, pitch) in there for onset, _, pitch in own.tolist()]) > 0.8
