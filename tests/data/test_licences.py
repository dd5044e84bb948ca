"""A source carries its licence; nobody guesses it from the name of a folder."""

import numpy as np
import pytest

from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, from_notes
from musicfusion.data import cache, licences, sources

LINE = np.array([[4 * k, 4, 60 + (5 * k) % 13] for k in range(64)])


@pytest.fixture(autouse=True)
def cache_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """A file that every reader of MIDI files can use, in a folder with a name that promises much."""
    root = tmp_path / "POP909-grooves"
    root.mkdir()
    tracks = [from_notes(*part) for part in (("MELODY", 73, LINE), ("BASS", 33, LINE - [0, 0, 24]),
                                             ("PIANO", 0, LINE - [0, 0, 12]))]
    midi.write(root / "a.mid", Score(tuple(tracks), np.array([[0.0, 100.0]]), ((0.0, 4, 4),), "a"))
    return root


READERS = [sources.pairs, sources.melodies, sources.fine_melodies, sources.arrangements]


@pytest.mark.parametrize("source", READERS)
def test_of_a_folder_of_one_s_own_it_is_unknown_until_a_file_says_it(folder, source):
    assert cache.load(str(folder), source=source).licence == ""
    (folder / "licence.txt").write_text("CC BY 4.0 (Jane Doe)\n")
    assert cache.load(str(folder), source=source).licence == "CC BY 4.0 (Jane Doe)", "the cache notices the file"
    assert cache.load(str(folder), source=source).licence == "CC BY 4.0 (Jane Doe)", "and keeps what it says"


@pytest.mark.parametrize("content", [b"", b"two\nlines", b"\xff\xfe", b" \n \n"])
def test_a_file_with_anything_but_one_line_says_nothing(tmp_path, content):
    (tmp_path / "licence.txt").write_bytes(content)
    assert licences.of_folder(tmp_path) == ""


def test_the_readers_of_music21_s_corpus_know_theirs():
    assert sources.pairs("", 2).read().licence == "public domain"
    assert sources.melodies("fiddle", 2).read().licence == "public domain"
    assert sources.melodies("essen", 2).read().licence == "research only, not redistributable"
    assert "public domain" in sources.arrangements("", 12).read().licence
