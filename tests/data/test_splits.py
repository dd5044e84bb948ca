"""Songs are split, not windows."""

from collections import Counter

import numpy as np
import pytest

from musicfusion.core.errors import MusicFusionError
from musicfusion.data import splits
from musicfusion.data.corpus import concatenate


def test_four_fifths_of_the_songs_are_for_training_and_a_tenth_each_for_the_others():
    counts = Counter(splits.of_song(f"{number:03d}", 1) for number in range(5000))
    assert counts["train"] == pytest.approx(4000, abs=100)
    assert counts["validation"] == pytest.approx(500, abs=75)
    assert counts["test"] == pytest.approx(500, abs=75)


def test_the_seed_draws_another_split():
    names = [f"{number:03d}" for number in range(200)]
    assert [splits.of_song(name, 0) for name in names] != [
        splits.of_song(name, 1) for name in names
    ]


def test_the_split_of_a_song_is_the_same_in_every_version():
    expected = {"001": "validation", "002": "test", "004": "train", "bach/bwv66.6": "test"}
    assert {name: splits.of_song(name, 0) for name in expected} == expected


def test_every_window_is_in_one_split_and_no_song_in_two(small_corpus):
    for seed in range(20):
        _, song = small_corpus.windows(beats=4, require={})
        parts = {split: splits.select(small_corpus, song, split, seed) for split in splits.SPLITS}
        together = np.concatenate(list(parts.values()))
        assert sorted(together.tolist()) == list(range(len(song)))
        songs = [set(song[part].tolist()) for part in parts.values()]
        assert sum(map(len, songs)) == len(set.union(*songs))


def test_neither_the_order_of_the_songs_nor_their_company_matters():
    def arrays():
        return {
            "melody": np.full(32, 60, np.uint8),
            "pitch": np.zeros((32, 14), np.uint8),
            "duration": np.ones((32, 14), np.uint8),
            "chords": np.zeros((8, 3), np.int16),
        }

    names = [f"{number:03d}" for number in range(100)]

    def songs_to_test(names):
        corpus = concatenate([(name, arrays()) for name in names], {}, "")
        _, song = corpus.windows()
        return {corpus.songs[song[window]] for window in splits.select(corpus, song, "test", 3)}

    everything = songs_to_test(names)
    assert 0 < len(everything) < 30
    assert songs_to_test(names[::-1]) == everything
    assert songs_to_test(names[::2]) == everything & set(names[::2])


def test_all_is_every_window(small_corpus):
    _, song = small_corpus.windows(require={})
    assert splits.select(small_corpus, song, "all", 0).tolist() == list(range(len(song)))


def test_an_unknown_split_is_named(small_corpus):
    with pytest.raises(MusicFusionError, match=r"'dev'.*train, validation, test, all"):
        splits.select(small_corpus, np.zeros(3, np.int32), "dev", 0)


# Grooves ------------------------------------------------------------------------------------------------------------

SHARES = {"train": 7, "validation": 1, "test": 2}
GENRES = {"swing": 3, "rock": 2, "waltz": 1}  # how many grooves each has


def grooved(charts: int = 60, names=None, tags: bool = True):
    """Songs of every chart in every groove, called CHART#GROOVE, and as many that nobody generated."""
    names = names or [f"{genre}{k}" for genre, count in GENRES.items() for k in range(count)]
    tokens, songs, grooves = np.full((16, 4), 60, np.uint8), [], []
    for chart in range(charts):
        for groove in [*names, ""]:
            bit = 1 << list(GENRES).index(groove.rstrip("0123456789")) if groove else 0
            songs.append((f"{chart:03d}#{groove}", {"tracks": tokens} | (
                {"tags": np.full(4, bit, np.uint32)} if tags else {})))
            grooves.append(groove)
    return concatenate(songs, {}, "", grooves=tuple(grooves), tags=tuple(GENRES) if tags else ())


def of_split(corpus, split, seed=0):
    chosen = splits.select(corpus, np.arange(len(corpus.songs)), split, seed, SHARES)
    return {corpus.songs[k] for k in chosen}


def test_of_each_genre_one_groove_is_held_out_if_it_has_two():
    corpus, drawn = grooved(), set()
    for seed in range(12):
        held_out = splits.held_out_grooves(corpus, seed)
        assert sorted(groove.rstrip("0123456789") for groove in held_out) == ["rock", "swing"]
        drawn |= held_out
    assert drawn == {"swing0", "swing1", "swing2", "rock0", "rock1"}, "the seed draws others"
    assert len(splits.held_out_grooves(grooved(tags=False), 0)) == 1, "without genres all are one group"


def test_a_song_is_tested_only_if_neither_its_chart_nor_its_groove_was_learned():
    corpus, seed = grooved(), 3
    held_out = splits.held_out_grooves(corpus, seed)
    learned, validated, tested, others = (
        of_split(corpus, split, seed) for split in (*SHARES, splits.HELD_OUT_GROOVES))
    for name, groove in zip(corpus.songs, corpus.grooves, strict=True):
        chart = splits.of_song(name, seed, SHARES)
        assert (name in tested) == (chart == "test" and (not groove or groove in held_out))
        assert (name in learned) == (chart == "train" and groove not in held_out)
        assert (name in validated) == (chart == "validation" and groove not in held_out)
        assert (name in others) == (chart == "train" and groove in held_out)
    assert all((learned, validated, tested, others)), "none of them is empty"
    assert splits.of_songs(corpus, seed, SHARES).count("") > 0, "some are in none"
    assert of_split(corpus, "all", seed) == set(corpus.songs)


def test_the_order_of_the_grooves_does_not_matter():
    names = [f"{genre}{k}" for genre, count in GENRES.items() for k in range(count)]
    for split in SHARES:
        assert of_split(grooved(), split) == of_split(grooved(names=names[::-1]), split)


def test_without_grooves_songs_are_split_by_their_families_alone(small_corpus):
    expected = tuple(splits.of_song(name, 5) for name in small_corpus.songs)
    assert splits.of_songs(small_corpus, 5) == expected
    _, song = small_corpus.windows(require={})
    assert not len(splits.select(small_corpus, song, splits.HELD_OUT_GROOVES, 5))
    assert splits.held_out_grooves(small_corpus, 5) == frozenset()
