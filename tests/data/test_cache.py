"""Corpora are read once, kept without pickles, and may be carried to another machine."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from musicfusion.core.errors import MusicFusionError
from musicfusion.data import cache, chorales, pop909, sources
from musicfusion.data.corpus import concatenate, joined

LIMIT = 4


@pytest.fixture(autouse=True)
def cache_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def cached_files(cache_home):
    return sorted((cache_home / "musicfusion").iterdir())


def equal(corpus, other):
    assert corpus.songs == other.songs and corpus.families == other.families
    assert dict(corpus.skipped) == dict(other.skipped)
    assert (corpus.fingerprint, corpus.source, corpus.licence) == (other.fingerprint, other.source, other.licence)
    np.testing.assert_array_equal(corpus.first_beat, other.first_beat)
    assert corpus.arrays.keys() == other.arrays.keys()
    for key, array in corpus.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[key])
        assert array.dtype == other.arrays[key].dtype
    return True


def refuse(*args, **kwargs):
    raise AssertionError("the songs were read again")


def test_the_second_start_reads_no_song(cache_home, monkeypatch):
    first = cache.load("", limit=LIMIT)
    assert len(cached_files(cache_home)) == 1
    monkeypatch.setattr(chorales, "read", refuse)
    assert equal(first, cache.load("", limit=LIMIT))


def test_another_limit_another_music21_or_another_code_is_read_anew(cache_home, monkeypatch):
    cache.load("", limit=LIMIT)
    cache.load("", limit=LIMIT + 1)
    assert len(cached_files(cache_home)) == 2
    monkeypatch.setattr(chorales, "version", lambda: "99.0")
    cache.load("", limit=LIMIT)
    assert len(cached_files(cache_home)) == 3
    monkeypatch.setattr(sources, "_EVERY", sources._EVERY[1:])
    cache.load("", limit=LIMIT)
    assert len(cached_files(cache_home)) == 4


def test_a_song_that_changes_is_noticed_and_a_folder_that_moves_is_not(
    tmp_path, cache_home, pop909_root
):
    root = tmp_path / "a" / "POP909"
    for song in pop909.song_folders(pop909_root)[:2]:
        (root / song.name).mkdir(parents=True)
        for file in song.iterdir():
            (root / song.name / file.name).write_bytes(file.read_bytes())
    before = cache.load(str(root))
    (tmp_path / "a").rename(tmp_path / "b")
    root = tmp_path / "b"
    assert equal(before, cache.load(str(root)))
    assert len(cached_files(cache_home)) == 1
    table = root / "POP909" / before.songs[0] / "chord_midi.txt"
    table.write_text(table.read_text().replace(":maj", ":min"))
    assert cache.load(str(root)).fingerprint != before.fingerprint


@pytest.mark.parametrize("damage", ["cut", "empty", "text", *range(0, 100, 7)])
def test_a_damaged_cache_is_rebuilt_with_one_line(cache_home, damage):
    first = cache.load("", limit=LIMIT)
    (file,) = cached_files(cache_home)
    content = bytearray(file.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "empty":
        content = bytearray()
    elif damage == "text":
        content = bytearray(b"not a zip at all")
    else:
        content[len(content) * damage // 100] ^= 0x41
    file.write_bytes(content)
    lines = []
    assert equal(first, cache.load("", limit=LIMIT, say=lines.append))
    assert len(lines) <= 1  # some bytes of a zip mean nothing
    if lines:
        assert "damaged, so the corpus is read again" in lines[0]
    assert equal(first, cache.load("", limit=LIMIT, say=refuse))
    assert cached_files(cache_home) == [file]


def test_a_cache_file_can_be_carried_to_a_machine_without_the_libraries(tmp_path, cache_home):
    first = cache.load("", limit=LIMIT)
    carried = tmp_path / "carried.npz"
    cached_files(cache_home)[0].rename(carried)
    code = (
        "import sys\n"
        "for name in ('music21', 'mido', 'note_seq', 'pretty_midi'): sys.modules[name] = None\n"
        "from musicfusion.data import cache\n"
        f"print(cache.load({str(carried)!r}).fingerprint)\n"
        "assert 'jax' not in sys.modules\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == first.fingerprint
    assert cached_files(cache_home) == []


@pytest.mark.parametrize("steps", [4, 12])
def test_a_cache_file_knows_its_grid_and_one_from_before_has_16ths(tmp_path, steps):
    path, older = tmp_path / "corpus.npz", tmp_path / "older.npz"
    tracks = {"tracks": np.full((16 * steps, 4), 60, np.uint8)}
    cache.save(concatenate([("a", tracks)], {}, "made up", instrumentation="band", steps=steps), path)
    assert cache.open_file(path).steps == steps
    with np.load(path) as entries:
        meta = json.loads(entries["meta"].tobytes())
        del meta["steps"]
        np.savez(older, **{**entries, "meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)})
    assert cache.open_file(older).steps == 4


def write_text(path):
    path.write_text("hello")


def write_array(path):
    with path.open("wb") as file:
        np.save(file, np.arange(3))


def write_other_arrays(path):
    np.savez(path, melody=np.arange(3))


def write_pickle(path):
    np.savez(path, meta=np.array([{"format": cache.FORMAT}], object))


def write_other_songs(path):
    corpus = chorales.read(limit=2)
    corpus.arrays["melody"][5] += 1
    cache.save(corpus, path)


@pytest.mark.parametrize(
    "write", [write_text, write_array, write_other_arrays, write_pickle, write_other_songs]
)
def test_a_file_that_is_not_ours_is_refused(tmp_path, write):
    path = tmp_path / "corpus.npz"
    write(path)
    with pytest.raises(MusicFusionError, match=r"corpus\.npz: not a corpus cached by musicfusion"):
        cache.load(str(path))


def test_a_folder_that_is_not_there_says_what_is_accepted(tmp_path):
    with pytest.raises(MusicFusionError, match="nowhere: no such folder; accepted is"):
        cache.load(str(tmp_path / "nowhere"))
    with pytest.raises(MusicFusionError, match="no songs here; accepted is a folder with MIDI files"):
        cache.load(str(tmp_path))


def test_a_cache_that_cannot_be_written_costs_one_line_only(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    lines = []
    assert len(cache.load("", limit=LIMIT, say=lines.append).songs) == LIMIT
    assert len(lines) == 1 and "cannot be written" in lines[0]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    corpus = chorales.read(limit=2)
    monkeypatch.setattr(np, "savez_compressed", refuse)
    with pytest.raises(AssertionError):
        cache.save(corpus, tmp_path / "new" / "corpus.npz")
    assert list((tmp_path / "new").iterdir()) == []


def made_up(path, names="ab", families=(), keys=("melody",)):
    """A cached corpus of melodies."""
    songs = [(name, {key: np.full(32, 60 + k, np.uint8) for key in keys}) for k, name in enumerate(names)]
    cache.save(concatenate(songs, {}, f"source of {path.stem}", families=families), path)
    return path


def test_families_are_kept_and_noticed(tmp_path):
    path = made_up(tmp_path / "a.npz", families=("a", "a"))
    corpus = cache.load(str(path))
    assert corpus.families == ("a", "a") and corpus.versions == {"a": ["a", "b"]}
    changed = tmp_path / "b.npz"
    cache.save(dataclasses.replace(corpus, families=("a", "b")), changed)
    with pytest.raises(MusicFusionError, match="its arrays are not those that were written"):
        cache.load(str(changed))


def test_grooves_and_parts_are_kept_and_grooves_are_noticed(tmp_path):
    songs = [(name, {"melody": np.full(32, 60 + k, np.uint8)}) for k, name in enumerate("ab")]
    one, path = concatenate(songs, {}, "x", grooves=("shuffle", "")), tmp_path / "a.npz"
    both = joined([one, one])
    cache.save(both, path)
    again = cache.load(str(path))
    assert again.grooves == ("shuffle", "", "shuffle", "") and again.parts == (2, 2) and equal(again, both)
    cache.save(dataclasses.replace(both, grooves=()), path)
    with pytest.raises(MusicFusionError, match="its arrays are not those that were written"):
        cache.load(str(path))


def test_a_file_of_an_earlier_format_is_refused_and_a_cache_is_read_again(tmp_path, cache_home, monkeypatch):
    def as_before(path):
        with np.load(path) as entries:
            arrays = dict(entries)
        meta = json.loads(arrays["meta"].tobytes())
        del meta["families"]
        arrays["meta"] = np.frombuffer(json.dumps(meta | {"format": "musicfusion corpus 2"}).encode(), np.uint8)
        np.savez_compressed(path, **arrays)

    path = made_up(tmp_path / "a.npz")
    as_before(path)
    with pytest.raises(MusicFusionError, match=r"a\.npz: not a corpus .*its format is 'musicfusion corpus 2'"):
        cache.load(str(path))
    first = cache.load("", limit=LIMIT)
    (file,) = cached_files(cache_home)
    as_before(file)
    lines = []
    assert equal(first, cache.load("", limit=LIMIT, say=lines.append)) and "read again" in lines[0]
    assert equal(first, cache.load("", limit=LIMIT, say=refuse))


def test_several_roots_with_commas_between_are_one_corpus(tmp_path, cache_home):
    one, two = made_up(tmp_path / "one.npz"), made_up(tmp_path / "two.npz", "cd")
    corpus = cache.load(f"{one},,chorales,{two},", limit=2, source=sources.melodies)
    assert corpus.songs[:2] == ("a", "b") and corpus.songs[-2:] == ("c", "d")
    assert len(corpus.songs) == 6, "the limit is each root's, and not that of a file"
    assert corpus.source.startswith("source of one + ") and corpus.source.endswith(" + source of two")
    assert equal(cache.load(str(one)), cache.open_file(one))
    assert len(cached_files(cache_home)) == 1, "each root is kept for itself"


@pytest.mark.parametrize("name", ["a,b.npz", ",", "a,b"])
def test_a_path_with_a_comma_is_one_root_where_it_exists(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cache.roots(name) == [part for part in name.split(",") if part] or [""]
    made_up(tmp_path / "whole.npz").rename(tmp_path / name)
    assert cache.roots(name) == [name]
    assert cache.load(name).songs == ("a", "b")


def test_of_several_roots_the_wrong_one_is_named(tmp_path):
    one, other = made_up(tmp_path / "one.npz"), made_up(tmp_path / "other.npz", keys=("melody", "pitch"))
    with pytest.raises(MusicFusionError, match=r"^nowhere: no such folder; accepted is") as caught:
        cache.load(f"{one},nowhere")
    assert "\n" not in str(caught.value)
    with pytest.raises(MusicFusionError, match=r"other\.npz: holds melody and pitch .*beside .*one\.npz is melody in"):
        cache.load(f"{one},{other}")
