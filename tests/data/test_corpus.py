"""Songs end to end, and the windows in them."""

import numpy as np
import pytest

from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import concatenate, joined


def windows_one_by_one(corpus, beats, stride, require):
    found = []
    for song in range(len(corpus.songs)):
        first, end = corpus.first_beat[song : song + 2]
        for start in range(first, end - beats + 1, stride):
            steps = slice(4 * start, 4 * (start + beats))
            onsets = {
                "melody": np.sum(corpus.arrays["melody"][steps] < 128),
                "accompaniment": np.sum(corpus.arrays["duration"][steps] > 0),
            }
            if all(onsets[part] >= least for part, least in require.items()):
                found.append((start, song))
    return found


@pytest.mark.parametrize("stride", [1, 3, 4])
@pytest.mark.parametrize("beats", [4, 8, 16])
@pytest.mark.parametrize("require", [{}, {"melody": 2, "accompaniment": 8}, {"accompaniment": 10}])
def test_windows_hold_enough_onsets_and_never_cross_songs(small_corpus, beats, stride, require):
    start, song = small_corpus.windows(beats, stride, require)
    assert start.dtype == song.dtype == np.int32
    expected = windows_one_by_one(small_corpus, beats, stride, require)
    assert list(zip(start.tolist(), song.tolist(), strict=True)) == expected


def test_by_default_a_window_is_8_beats_with_2_melody_onsets_and_8_notes_below(small_corpus):
    start, song = small_corpus.windows()
    enough = {"melody": 2, "accompaniment": 8}
    expected = windows_one_by_one(small_corpus, 8, 1, enough)
    assert list(zip(start.tolist(), song.tolist(), strict=True)) == expected


def test_windows_longer_than_every_song_are_none(small_corpus):
    start, song = small_corpus.windows(beats=64)
    assert len(start) == len(song) == 0


def test_only_known_parts_can_be_required(small_corpus):
    with pytest.raises(MusicFusionError, match=r"'drums'.*melody and accompaniment"):
        small_corpus.windows(require={"drums": 1})


def test_songs_keep_their_order_names_and_borders(small_corpus):
    assert small_corpus.songs == tuple("abcde")
    assert small_corpus.first_beat.tolist() == [0, 4, 16, 24, 64, 80]
    assert small_corpus.beats == 80
    assert len(small_corpus.arrays["melody"]) == 4 * 80
    assert small_corpus.skipped == {"f": "no notes"}


def test_the_fingerprint_sees_names_borders_and_every_array(small_corpus):
    def songs():
        borders = zip(small_corpus.first_beat, small_corpus.first_beat[1:], strict=False)
        return [
            (
                name,
                {
                    key: array[a:b].copy() if key == "chords" else array[4 * a : 4 * b].copy()
                    for key, array in small_corpus.arrays.items()
                },
            )
            for name, (a, b) in zip(small_corpus.songs, borders, strict=True)
        ]

    def fingerprint(songs):
        return concatenate(songs, {}, "").fingerprint

    same = fingerprint(songs())
    assert same == small_corpus.fingerprint
    changed = [songs() for _ in range(5)]
    for number, key in enumerate(("melody", "pitch", "duration", "chords")):
        changed[number][2][1][key][3] += 1
    changed[4][0] = ("z", changed[4][0][1])
    assert len({same, *map(fingerprint, changed)}) == 6


def test_a_corpus_without_a_song_says_why():
    with pytest.raises(MusicFusionError, match=r"here: none of 1 songs can be used \(034: waltz\)"):
        concatenate([], {"034": "waltz"}, "POP909", root="here")


def part(name, licence):
    return concatenate([(name, {"melody": np.full(16, 60, np.uint8)})], {}, name, licence=licence)


def test_a_corpus_that_was_joined_keeps_the_licence_of_every_part():
    assert joined([part("a", "MIT"), part("b", "MIT")]).licence == "MIT"
    assert joined([part("a", ""), part("b", "")]).licence == ""
    both = joined([part("a", "MIT"), part("b", "")])
    assert both.licence == "a: MIT; b: unknown"
    assert joined([both, part("c", "CC0")], ("x", "y")).licence == "a: MIT; b: unknown; c: CC0"
    assert joined([part("c", "CC0"), both]).licence == "c: CC0; a: MIT; b: unknown"
