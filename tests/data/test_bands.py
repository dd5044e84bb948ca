"""Arrangements out of a folder of MIDI files, with genres or without."""

import numpy as np
import pytest

from musicfusion.codecs import midi, tracks
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import bands, cache, sources, splits


def part(program: int, pitch: int, bars: int = 4, drums: bool = False, start: float = 0.0) -> Track:
    rows = [(start + k, 0.5, pitch + k % 3, 80) for k in range(4 * bars)]
    return Track("", program, drums, np.array(rows, float))


def band(shift: int = 0, start: float = 0.0) -> list[Track]:
    return [part(0, 36, drums=True, start=start), part(33, 40 + shift, start=start), part(0, 60 + shift, start=start)]


def write(path, parts, metre=(4, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(path, Score(tuple(parts), np.array([[0.0, 120.0]]), ((0.0, *metre),), path.stem))


def test_the_parts_come_in_their_columns_from_the_first_bar_with_a_note(tmp_path):
    write(tmp_path / "a.mid", [*band(start=8.0), part(48, 70, start=8.0)])
    (found,) = bands.arrangements(midi.read(tmp_path / "a.mid"), "a.mid")
    assert found.shape == (64, 4)
    np.testing.assert_array_equal(found[:5], [[36, 40, 60, 70], [HOLD] * 4, [REST] * 4, [REST] * 4, [37, 41, 61, 71]])


def test_every_combination_of_basses_and_guitars_is_a_song_up_to_a_few(tmp_path):
    write(tmp_path / "a.mid", [*band(), part(35, 30), part(24, 66), part(25, 68)])
    found = bands.arrangements(midi.read(tmp_path / "a.mid"), "a.mid")
    assert len(found) == bands.COMBINATIONS
    assert {(tokens[0, 1], tokens[0, 2]) for tokens in found} == {(40, 60), (40, 66), (40, 68), (30, 60)}


@pytest.mark.parametrize(("parts", "metre", "why"), [
    (band()[:2], (4, 4), "no guitar"), ([*band()[::2]], (4, 4), "no bass"), (band(), (3, 4), "not in 4/4")])
def test_what_is_no_band_in_four_is_named_with_the_reason(tmp_path, parts, metre, why):
    write(tmp_path / "good.mid", band())
    write(tmp_path / "bad.mid", parts, metre)
    corpus = bands.read(tmp_path)
    assert corpus.songs == ("good#good#0",) and why in corpus.skipped["bad.mid"]
    assert str(tmp_path) not in corpus.skipped["bad.mid"]


@pytest.fixture
def indexed(tmp_path):
    """Four files of two songs, one of two genres, one of none."""
    for k, name in enumerate(("x/a", "x/b", "y/c", "d")):
        write(tmp_path / f"{name}.mid", band(shift=k)[: 3 if k < 3 else None] + [part(40 + k, 70 + 2 * k, bars=k + 1)])
    rows = ("file,genre,chart_song", "x/a.mid,rock,1", "x/b.mid,rock|swing,1", "y/c.mid,swing,2")
    (tmp_path / "index.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_genres_and_songs_come_from_the_index(indexed):
    corpus = bands.read(indexed)
    assert corpus.tags == ("rock", "swing") and corpus.instrumentation == "band"
    tags = dict(zip(corpus.songs, corpus.arrays["tags"][corpus.first_beat[:-1]].tolist(), strict=True))
    assert tags == {"1#x/a#0": 1, "1#x/b#0": 3, "2#y/c#0": 2, "d#d#0": 0}
    assert len({splits.of_song(name, 0) for name in corpus.songs if name[0] == "1"}) == 1, "one song, one split"


def test_the_groove_of_a_file_comes_from_the_index_if_it_has_that_column(indexed):
    assert bands.read(indexed).grooves == ()
    index = indexed / "index.csv"
    head, *rows = index.read_text().splitlines()
    index.write_text("\n".join([f"{head},groove", f"{rows[0]},lib:SHUFFLE", f"{rows[1]},", rows[2]]) + "\n")
    corpus = bands.read(indexed)
    grooves = dict(zip(corpus.songs, corpus.grooves, strict=True))
    assert grooves == {"1#x/a#0": "lib:SHUFFLE", "1#x/b#0": "", "2#y/c#0": "", "d#d#0": ""}


def test_the_cache_notices_that_the_index_changed(indexed, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    before = cache.load(str(indexed), source=sources.arrangements)
    index = indexed / "index.csv"
    index.write_text(index.read_text().replace("swing", "bebop"))
    assert before.tags == ("rock", "swing")
    assert cache.load(str(indexed), source=sources.arrangements).tags == ("rock", "bebop")


def test_of_too_many_genres_those_of_most_files_stay(monkeypatch):
    monkeypatch.setattr(bands, "MOST_GENRES", 2)
    index = {str(k): bands.Entry(str(k), (genre,)) for k, genre in enumerate("aabcdcca")}
    assert bands.known_genres(index) == ("a", "c"), "in the order in which they are named"


@pytest.mark.parametrize(("content", "why"), [
    (b"name,genre\na.mid,rock\n", "no column file"), (b"\xff\xfe\x00\x01", "comma-separated")])
def test_an_index_that_cannot_be_read_is_refused_in_one_line(indexed, content, why):
    (indexed / "index.csv").write_bytes(content)
    with pytest.raises(MusicFusionError, match=why) as error:
        bands.read(indexed)
    assert "\n" not in str(error.value)


def test_real_grooves_have_all_their_genres():
    from micro import ROOT

    root = ROOT.parent / "shared" / "data" / "grooves"
    if not root.is_dir():
        pytest.skip("the grooves are not at ../shared/data/grooves")
    corpus = bands.read(root, limit=96)
    assert len(corpus.tags) == 32 and not corpus.skipped
    of_song = corpus.arrays["tags"][corpus.first_beat[:-1]]
    assert np.all(np.bitwise_count(of_song) == 1)
    sounds = (tracks.sounding(corpus.arrays["tracks"]) >= 0).mean(0)
    assert np.all(sounds[:3] > 0.2), "drums, bass, guitar"
