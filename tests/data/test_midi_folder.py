"""Melodies out of any folder of MIDI files."""

import struct

import numpy as np
import pytest

from musicfusion.codecs import melody, midi
from musicfusion.codecs.score import Score, from_notes
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import cache, chorales, midi_folder, sources, splits

CHORALES = chorales.read(limit=8)


def soprano(song: int) -> np.ndarray:
    """A chorale's soprano as notes, int32 [n, 3]."""
    begin, end = CHORALES.first_beat[song : song + 2] * 4
    return melody.notes_from_tokens(CHORALES.arrays["melody"][begin:end])


def write(path, *tracks, metre=(4, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    metres = ((0.0, *metre),) if metre else ()
    midi.write(path, Score(tuple(tracks), np.array([[0.0, 100.0]]), metres, path.stem))
    return path


def line(song=0, name="FLUTE", program=73, shift=0, start=0):
    return from_notes(name, program, soprano(song) + [start, 0, shift])


def test_the_notes_of_a_melody_come_back_from_the_bar_of_the_first(tmp_path):
    path = write(tmp_path / "a.mid", line(start=48), line(1, shift=2))
    found = midi_folder.song(path)
    for arrays, song, shift in zip(found.values(), (0, 1), (0, 2), strict=True):
        tokens = arrays["melody"]
        notes = soprano(song)
        bar = notes[0, 0] // 16 * 16
        np.testing.assert_array_equal(melody.notes_from_tokens(tokens), notes - [bar, 0, -shift])
        assert len(tokens) % 16 == 0


def chords(song=0):
    return from_notes("PIANO", 0, np.concatenate([soprano(song), soprano(song) - [0, 0, 4]]))


def loose(song=0):
    track = line(song)
    notes = track.notes.copy()
    notes[::3, 0] += 0.11
    return type(track)(track.name, track.program, False, notes)


@pytest.mark.parametrize(
    "track",
    [line(program=33), line(name="Bass"), line(shift=-24), line(shift=24), chords(), loose(),
     from_notes("SHORT", 73, soprano(0)[: midi_folder.NOTES - 1])],
    ids=["bass", "called bass", "low", "high", "chords", "off the grid", "few notes"],
)  # fmt: skip
def test_other_tracks_are_no_melodies(tmp_path, track):
    assert midi_folder.is_melody(line())
    assert not midi_folder.is_melody(track)
    with pytest.raises(MusicFusionError, match="no track is one voice"):
        midi_folder.song(write(tmp_path / "a.mid", track))
    assert len(midi_folder.song(write(tmp_path / "b.mid", track, line(1)))) == 1


@pytest.mark.parametrize("metre", [(3, 4), (6, 8)])
def test_a_file_in_another_metre_is_refused_and_one_without_is_not(tmp_path, metre):
    with pytest.raises(MusicFusionError, match=r"a\.mid: not in 4/4"):
        midi_folder.song(write(tmp_path / "a.mid", line(), metre=metre))
    assert midi_folder.song(write(tmp_path / "b.mid", line(), metre=None))


def test_a_folder_is_read_whatever_lies_in_it(tmp_path):
    write(tmp_path / "x" / "one.mid", line(0), line(1))
    write(tmp_path / "two.midi", line(2), line(2, shift=5))  # doubled
    write(tmp_path / "again.mid", line(0, shift=1))  # comes first in the order of names
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    (tmp_path / "notes.txt").write_text("no music")
    corpus = midi_folder.read(tmp_path)
    assert corpus.songs == ("again#0", "two#0", "x/one#1")
    assert corpus.skipped.keys() == {"broken", "two#1", "x/one#0"}, "near-duplicates and damaged files"
    assert str(tmp_path) not in corpus.skipped["broken"] and corpus.skipped["x/one#0"] == "most of it is again"
    for name in (tmp_path / "nothing", tmp_path / "x" / "one.mid"):
        with pytest.raises(MusicFusionError, match="MIDI"):
            midi_folder.read(name)


def test_karaoke_files_and_files_within_riff_are_read_whatever_the_case_of_their_suffix(tmp_path):
    for k, suffix in enumerate((".mid", ".KAR", ".rmi", ".MIDI", ".Mid")):
        path = write(tmp_path / f"song-{k}{suffix}", line(k))
        if suffix == ".rmi":
            data = path.read_bytes()
            path.write_bytes(b"RIFF" + struct.pack("<I", len(data) + 12) + b"RMIDdata" + struct.pack("<I", len(data))
                             + data)
    assert midi_folder.read(tmp_path).songs == tuple(f"song-{k}#0" for k in range(5))


def test_files_that_differ_in_their_suffix_alone_are_two_songs(tmp_path):
    write(tmp_path / "song.mid", line(0))
    write(tmp_path / "song.kar", line(2))
    write(tmp_path / "other.kar", line(3))
    assert midi_folder.read(tmp_path).songs == ("other#0", "song.kar#0", "song.mid#0")


def test_melodies_of_one_file_are_never_in_two_splits():
    shares = {"one": 1, "two": 1, "three": 2}
    names = [f"{song}#{track}" for song in range(50) for track in range(4)]
    drawn = [splits.of_song(name, 0, shares) for name in names]
    assert all(len(set(drawn[i : i + 4])) == 1 for i in range(0, len(drawn), 4))
    assert drawn.count("three") == pytest.approx(100, abs=40) and set(drawn) == set(shares)


def test_melodies_are_found_and_kept_by_the_data_root_that_a_user_names(tmp_path, monkeypatch, pop909_root):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    write(folder / "one.mid", line(0), line(1))

    def load(root, limit=0):
        return cache.load(str(root), limit=limit, source=sources.melodies)

    first = load(folder)
    assert first.songs == ("one#0", "one#1")
    monkeypatch.setattr(midi_folder, "read", lambda *_, **__: pytest.fail("read again"))
    assert load(folder).fingerprint == first.fingerprint
    assert load("chorales", 3).songs == CHORALES.songs[:3]
    pop = load(pop909_root, 2)
    pairs = cache.load(str(pop909_root), limit=2)
    assert pop.songs == pairs.songs and set(pop.arrays) == {"melody"}
    np.testing.assert_array_equal(pop.arrays["melody"], pairs.arrays["melody"])
    with pytest.raises(MusicFusionError, match="fiddle"):
        load("fiddel")
