"""Melodies out of the Weimar Jazz Database's tables and out of **kern files."""

import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import cache, collections, sources, splits

HEAD = "onset,duration,period,division,bar,beat,tatum,beat_duration,signature,pitch,loud_max"


def solo(folder, name, rows, title="Tune", signature='"""4/4"""'):
    """A solo: rows of (bar, beat, tatum, division, duration in beats, pitch), the beat half a second."""
    (folder / "mcsv_melody").mkdir(parents=True, exist_ok=True)
    index = folder / "wjd_meta.csv"
    if not index.exists():
        index.write_text("id,title,chord_changes\n")
    with index.open("a") as file:
        file.write(f'{name}.sv,{title},"A1: ||C |\nF ||"\n')
    path = folder / "mcsv_melody" / f"{name}.csv"
    lines = [f"0,{length / 2},4,{division},{bar},{beat},{tatum},0.5,{signature},{pitch},1"
             for bar, beat, tatum, division, length, pitch in rows]
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    return path


LINE = [(1, 1, 1, 1, 1.0, 60), (1, 2, 1, 2, 0.5, 62), (1, 2, 2, 2, 0.5, 64), (2, 4, 3, 4, 0.25, 65),
        (3, 1, 1, 1, 6, 67)]


def test_notes_stand_where_the_annotation_says(tmp_path):
    tokens = collections.solo(solo(tmp_path, "a", LINE))["melody"]
    np.testing.assert_array_equal(melody.notes_from_tokens(tokens), [
        [0, 4, 60], [4, 2, 62], [6, 2, 64], [30, 1, 65], [32, 24, 67]])
    assert len(tokens) == 64


def test_a_solo_that_begins_before_its_first_bar_begins_with_a_bar(tmp_path):
    tokens = collections.solo(solo(tmp_path, "a", [(-1, 4, 1, 1, 1.0, 59), *LINE]))["melody"]
    assert melody.notes_from_tokens(tokens)[:2].tolist() == [[12, 4, 59], [32, 4, 60]]


@pytest.mark.parametrize(("rows", "signature", "words"), [
    (LINE, '"""3/4"""', "not in 4/4 throughout"),
    ([(1, 1, 1, 0, 1.0, 60)], '"""4/4"""', "a note without its position"),
    ([(1, "x", 1, 1, 1.0, 60)], '"""4/4"""', "a note without its position"),
])
def test_a_solo_that_cannot_be_used_is_refused(tmp_path, rows, signature, words):
    with pytest.raises(MusicFusionError, match=words):
        collections.solo(solo(tmp_path, "a", rows, signature=signature))


def test_solos_on_one_tune_are_one_song(tmp_path):
    rng = np.random.default_rng(0)
    for name, title in (("a", "Tune"), ("b", "Tune"), ("c", "Other")):
        solo(tmp_path, name, [(bar, beat, 1, 1, 1.0, int(rng.integers(55, 80)))
                              for bar in range(1, 9) for beat in range(1, 5)], title)
    solo(tmp_path, "d", LINE, signature='"""3/4"""')
    corpus = cache.load(str(tmp_path), source=sources.melodies)
    assert corpus.songs == ("Tune#a", "Tune#b", "Other#c") and "d" in next(iter(corpus.skipped))
    assert splits.of_song("Tune#a", 3) == splits.of_song("Tune#b", 3)
    assert "Weimar Jazz Database" in corpus.source and corpus.licence.startswith("ODbL 1.0")


SONG = """!!!OTL: A song
**kern
*M4/4
*k[f#]
*G:
{4d
=1
4g
4g
8a
8b
4g
=2
2.a}
{4d
=3
1g
=4
2.g}
==
*-
"""


def test_a_folk_song_is_read_from_its_bar_line_and_its_pickup_padded(tmp_path):
    path = tmp_path / "a.krn"
    path.write_text(SONG)
    notes = melody.notes_from_tokens(collections.song(path)["melody"])
    assert notes[:3].tolist() == [[12, 4, 62], [16, 4, 67], [20, 4, 67]] and notes[-1].tolist() == [64, 12, 67]


@pytest.mark.parametrize(("change", "words"), [
    (("*M4/4", "*M3/4"), "not in 4/4"), (("*M4/4", "*"), "not in 4/4"), (("8a\n", ""), "its bars do not add up"),
    (("**kern", "**kern\t**kern"), "too few spines"),
])
def test_a_folk_song_that_cannot_be_used_is_refused(tmp_path, change, words):
    path = tmp_path / "a.krn"
    path.write_text(SONG.replace(*change))
    with pytest.raises(MusicFusionError, match=words):
        collections.song(path)


def test_a_folder_of_folk_songs_is_a_corpus(tmp_path):
    for name, other in (("europa/a", False), ("asia/b", True)):
        path = tmp_path / f"{name}.krn"
        path.parent.mkdir(parents=True)
        path.write_text(SONG.replace("4g", "4a").replace("1g", "1e") if other else SONG)
    (tmp_path / "europa" / "bad.krn").write_text("nothing")
    corpus = cache.load(str(tmp_path), source=sources.melodies)
    assert set(corpus.songs) == {"europa/a", "asia/b"} and list(corpus.skipped) == ["europa/bad"]
    assert "**kern files" in corpus.source


def test_in_32nds_a_melody_has_twice_the_steps_and_what_16ths_round_away(tmp_path):
    quick = [(1, 1, tatum, 8, 0.125, 60 + tatum) for tatum in range(1, 9)]
    coarse, fine = (collections.solo(solo(tmp_path, "a", [*quick, *LINE[1:]]), stretch)["melody"] for stretch in (1, 2))
    assert len(fine) == 2 * len(coarse)
    assert melody.notes_from_tokens(fine)[:8].tolist() == [[k, 1, 61 + k] for k in range(8)]
    notes = [melody.notes_from_tokens(tokens)[-3:] for tokens in (coarse, fine)]
    np.testing.assert_array_equal(notes[1], notes[0] * [2, 2, 1])


def test_collections_without_32nds_are_read_in_16ths_and_each_is_two():
    coarse, fine = (cache.load("chorales", limit=3, source=source)
                    for source in (sources.melodies, sources.fine_melodies))
    assert fine.songs == coarse.songs and fine.beats == 2 * coarse.beats
    np.testing.assert_array_equal(melody.notes_from_tokens(fine.arrays["melody"]),
                                  melody.notes_from_tokens(coarse.arrays["melody"]) * [2, 2, 1])
