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
