"""The embedded corpus: Bach's chorales as music21 carries them."""

import functools
import importlib.metadata
import subprocess
import sys

import numpy as np
import pytest

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import chorales


@functools.cache
def first_chorales():
    return chorales.read(limit=30)


def file_of(name):
    return next(path for path in chorales.song_files() if path.stem == name)


def by_music21(path):
    """The notes of the soprano and of the other voices, int32 [n, 3], as music21 reads them."""
    from music21 import converter

    score = converter.parse(path)
    first_measures = [part.getElementsByClass("Measure")[0] for part in score.parts]
    pickup = -max(measure.duration.quarterLength for measure in first_measures) % 4
    voices = [
        np.array(
            [
                (round(4 * (note.offset + pickup)), round(4 * note.quarterLength), pitch.midi)
                for note in part.stripTies().flatten().notes
                for pitch in note.pitches
                if not note.duration.isGrace
            ],
            np.int32,
        )
        for part in score.parts
        if part.partName.lower().startswith(chorales.VOICES)
    ]
    return voices[0], np.concatenate(voices[1:])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bwv66.6", "a pickup"),
        ("bwv1.6", "a horn above the voices"),
        ("bwv10.7", "no pickup"),
        ("bwv101.7", "16ths and ties"),
        ("bwv69.6", "a plain XML file, with trumpets and drums"),
    ],
)
def test_the_notes_are_those_that_music21_reads(name, why):
    song = chorales.song(file_of(name))
    soprano, others = by_music21(file_of(name))
    np.testing.assert_array_equal(melody.notes_from_tokens(song["melody"]), soprano, why)
    np.testing.assert_array_equal(
        polyphony.notes_from_slots(song["pitch"], song["duration"]),
        polyphony.canonical(others, len(song["melody"])),
        why,
    )


def test_a_pickup_is_padded_to_a_bar_so_that_the_grid_starts_on_a_bar_line():
    song = chorales.song(file_of("bwv1.6"))
    assert np.all(song["melody"][:12] == melody.REST)
    assert song["melody"][12] == 65
    assert len(song["melody"]) % 16 == 0


def test_chords_are_estimated_from_all_voices():
    rows = chorales.song(file_of("bwv1.6"))["chords"]
    names = [chords.name(row) for row in rows]
    assert names[:8] == ["N", "N", "N", "F", "C/E", "F", "Dm", "F/A"]
    assert names[-2] == "F"  # the last chord, before the rest that fills the bar


def test_songs_have_the_names_of_music21_in_a_fixed_order():
    corpus = first_chorales()
    assert corpus.songs[:3] == ("bach/bwv1.6", "bach/bwv10.7", "bach/bwv101.7")
    assert list(corpus.songs) == sorted(corpus.songs)
    assert chorales.read(limit=30).fingerprint == corpus.fingerprint
    assert not np.any(np.diff(corpus.first_beat) % 4)


def test_only_4_4_is_read_and_the_others_are_named():
    corpus = first_chorales()
    assert corpus.skipped["bach/bwv11.6"] == "not in 4/4 but 3/4"
    assert len(corpus.songs) + len(corpus.skipped) == 30


def test_a_chorale_that_is_another_in_most_bars_is_left_out(monkeypatch):
    both = [file_of("bwv112.5-sc"), file_of("bwv112.5"), file_of("bwv66.6")]
    monkeypatch.setattr(chorales, "song_files", lambda: both)
    corpus = chorales.read()
    assert corpus.songs == ("bach/bwv112.5-sc", "bach/bwv66.6")
    assert corpus.skipped == {"bach/bwv112.5": "most of it is bach/bwv112.5-sc"}


def test_an_unreadable_file_is_named_and_the_others_are_read(tmp_path, monkeypatch):
    damaged, cut, good = tmp_path / "bwv0.mxl", tmp_path / "bwv00.xml", file_of("bwv66.6")
    damaged.write_bytes(b"PK no more")
    cut.write_bytes(file_of("bwv69.6").read_bytes()[:5000])
    monkeypatch.setattr(chorales, "song_files", lambda: [damaged, cut, good])
    corpus = chorales.read()
    assert corpus.songs == ("bach/bwv66.6",)
    assert set(corpus.skipped) == {"bach/bwv0", "bach/bwv00"}


def test_progress_counts_the_files():
    seen = []
    chorales.read(limit=3, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_segments_are_full_of_both_parts():
    corpus = first_chorales()
    start, _ = corpus.windows()
    every, _ = corpus.windows(require={})
    assert len(start) > 0.95 * len(every) > 1000


def test_without_music21_the_message_says_what_to_install(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(MusicFusionError, match="pip install music21"):
        chorales.read(limit=1)


def test_reading_imports_neither_music21_nor_jax():
    code = (
        "import sys; from musicfusion.data import chorales; chorales.read(limit=2); "
        "sys.exit(bool({'music21', 'jax', 'note_seq'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
