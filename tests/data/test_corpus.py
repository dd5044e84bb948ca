"""Songs end to end, and the windows in them."""

import numpy as np
import pytest

from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import BITS, concatenate, joined, pair, split_songs


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


def band(name, tags, genres, instrumentation="band"):
    """Songs of a bar in four tracks, of a genre each."""
    songs = [(f"{name}{genre}", {"tracks": np.full((16, 4), 60, np.uint8),
                                 "tags": np.full(4, sum(1 << tags.index(one) for one in genre), np.uint32)})
             for genre in genres]
    return concatenate(songs, {}, name, tags=tags, instrumentation=instrumentation)


def test_genres_of_joined_corpora_are_the_same_by_name():
    both = joined([band("x", ("a", "b"), ["a", "b", "ab", ""]), band("y", ("c", "b"), ["c", "b"])])
    assert both.tags == ("a", "b", "c") and both.instrumentation == "band"
    assert both.arrays["tags"][::4].tolist() == [1, 2, 3, 0, 4, 2] and both.arrays["tags"].dtype == np.uint32
    untagged = concatenate([("z", {"tracks": np.full((16, 4), 60, np.uint8)})], {}, "z", instrumentation="band")
    assert joined([untagged, band("x", ("a",), ["a"])]).arrays["tags"].tolist() == [0] * 4 + [1] * 4


def with_grooves(name, grooves):
    songs = [(f"{name}{k}", {"tracks": np.full((16, 4), 60, np.uint8)}) for k in range(2)]
    return concatenate(songs, {}, name, grooves=grooves, instrumentation="band")


def test_grooves_count_only_where_there_are_any():
    plain, grooved = with_grooves("x", ()), with_grooves("x", ("shuffle", ""))
    assert with_grooves("x", ("", "")).grooves == () == plain.grooves
    assert with_grooves("x", ("", "")).fingerprint == plain.fingerprint
    assert len({one.fingerprint for one in (plain, grooved, with_grooves("x", ("", "shuffle")))}) == 3


def test_a_joined_corpus_keeps_grooves_and_says_how_many_songs_each_part_had():
    one, two, three = with_grooves("x", ()), with_grooves("y", ("shuffle", "")), band("z", ("a",), ["a"])
    both = joined([one, two])
    assert both.grooves == ("", "", "shuffle", "") and both.parts == (2, 2)
    assert joined([three, both]).grooves == ("", "", "", "shuffle", "") and joined([three, both]).parts == (1, 2, 2)
    assert joined([one, one]).grooves == () and joined([two]).parts == () and joined([two], ("t",)).parts == (2,)


def test_a_song_of_tracks_is_of_the_family_that_its_name_has_in_another_part():
    tokens = {"tracks": np.full((16, 4), 60, np.uint8)}
    pop = concatenate([("017", tokens), ("018", tokens)], {}, "", families=("017", "017"))
    of_charts = concatenate([("018#rock#0", tokens), ("019#rock#0", tokens)], {}, "")
    for parts in ([pop, of_charts], [of_charts, pop]):
        both = joined(parts)
        assert dict(zip(both.songs, both.families, strict=True)) == {
            "017": "017", "018": "017", "018#rock#0": "017", "019#rock#0": "019"}


def test_only_what_is_alike_is_joined():
    many = [band(f"{k} ", tuple(f"genre {k} {n}" for n in range(BITS - 1)), [()]) for k in range(2)]
    fine = concatenate([("z", {"tracks": np.full((48, 4), 60, np.uint8)})], {}, "z", instrumentation="band", steps=12)
    assert fine.beats == 4 and joined([fine, fine]).steps == 12
    for parts, why in (
        ([band("x", ("a",), ["a"]), fine], "z: holds tracks in beats of 12 steps \\(band\\)"),
        ([band("x", ("a",), ["a"]), band("y", ("a",), ["a"], "voices")], "y: holds tracks in beats \\(voices\\)"),
        ([part("a", ""), band("x", ("a",), ["a"])], "x: holds tracks in beats \\(band\\); accepted beside a is melody"),
        (many, f"62 genres in 2 corpora; accepted are {BITS}"),
    ):
        with pytest.raises(MusicFusionError, match=why):
            joined(parts)
    with pytest.raises(MusicFusionError, match="other root: holds"):
        joined([part("a", ""), band("x", ("a",), ["a"])], names=["one", "other root"])


def test_an_array_is_split_into_that_of_each_song(small_corpus):
    parts = split_songs(small_corpus.arrays["melody"], small_corpus.first_beat)
    assert [len(own) for own in parts] == [16, 48, 32, 160, 64]
    np.testing.assert_array_equal(np.concatenate(parts), small_corpus.arrays["melody"])


def test_a_pair_holds_its_melody_its_accompaniment_and_chords():
    lead, low = np.array([[0, 8, 72], [8, 8, 76]], np.int32), np.array([[0, 16, 48], [0, 16, 55]], np.int32)
    found = pair(lead, low, 8)
    assert {key: (array.shape, array.dtype.name) for key, array in found.items()} == {
        "melody": ((32,), "uint8"), "pitch": ((32, 14), "uint8"), "duration": ((32, 14), "uint8"),
        "chords": ((8, 3), "int16")}
    assert found["melody"][[0, 8, 16]].tolist() == [72, 76, 129] and found["chords"][0, 0] == 0
