"""What MusAE does with a user's files."""

import numpy as np
import pytest

from musicfusion.codecs import midi, tracks
from musicfusion.codecs.melody import REST
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.musae import sampling, space

GENRES = ["rock", "swing", "samba", "tango"]


@pytest.fixture
def untouched():
    """A space whose code is the music itself: what is decoded is what was encoded."""
    def encode(tokens):
        return tokens.reshape(len(tokens), -1).astype(np.float32)

    def decode(z):
        return np.round(z).astype(np.int32).reshape(len(z), -1, 4)

    return space.Space(encode, decode, GENRES, 4, "band", 2)


def part(program, pitch, bars, drums=False, start=0.0, length=0.5):
    return Track("", program, drums, np.array([(start + k, length, pitch + k % 5, 80) for k in range(4 * bars)], float))


def write(path, *parts, tempo=120.0):
    midi.write(path, Score(tuple(parts), np.array([[0.0, tempo]]), ((0.0, 4, 4),), path.stem))
    return path


@pytest.mark.parametrize("bars", [1, 2, 5, 8])
def test_a_song_of_any_length_comes_back_whole(untouched, tmp_path, bars):
    path = write(tmp_path / "a.mid", part(0, 36, bars, True), part(33, 40, bars, length=4.0 / 3), part(0, 60, bars),
                 tempo=90.0)
    song = sampling.read(path, "band")
    assert song.tempo == pytest.approx(90.0) and song.tokens.shape == (16 * bars, 4)
    made, _ = sampling.whole(untouched, song.tokens, lambda z: z)
    np.testing.assert_array_equal(made, song.tokens)


def test_a_note_that_goes_on_over_a_window_s_border_keeps_its_length(untouched, tmp_path):
    long = Track("", 33, False, np.array([(6.0, 4.0, 40, 80), (12.0, 1.0, 41, 80)]))
    song = sampling.read(write(tmp_path / "a.mid", long, part(0, 60, 4)), "band")
    made, _ = sampling.whole(untouched, song.tokens, lambda z: z)
    np.testing.assert_array_equal(tracks.notes(made)[1], [[24, 16, 40], [48, 4, 41]])


def test_a_song_begins_with_the_bar_of_its_first_note(tmp_path):
    song = sampling.read(write(tmp_path / "a.mid", part(33, 40, 2, start=9.0)), "band")
    assert np.argmax(song.tokens[:, 1] != REST) == 4 and np.all(song.tokens[:, [0, 2, 3]] == REST)


def test_of_a_piece_for_voices_the_four_fullest_tracks_are_read_the_highest_first(tmp_path):
    path = write(tmp_path / "a.mid", *(part(0, pitch, 2) for pitch in (40, 70, 60, 50)), part(0, 90, 1))
    song = sampling.read(path, "voices")
    assert song.tokens[0].tolist() == [70, 60, 50, 40]


def test_a_file_without_such_tracks_is_refused(tmp_path):
    with pytest.raises(MusicFusionError, match="no track for drums, bass, guitar, strings"):
        sampling.read(write(tmp_path / "a.mid", part(125, 60, 2)), "band")


def test_an_unknown_genre_is_answered_with_the_nearest(untouched):
    with pytest.raises(MusicFusionError, match="to=smba is unknown: did you mean samba"):
        space.petal_of(untouched, "smba", "to")
    with pytest.raises(MusicFusionError, match="the songs had no genres"):
        space.petal_of(untouched._replace(genres=[]), "rock", "genre")


def test_rows_are_filled_up_and_cut_again():
    seen = []

    def run(params, x):
        seen.append(len(x))
        return x * params

    np.testing.assert_array_equal(space.rows(run, 2, 4)(np.arange(10)), 2 * np.arange(10))
    assert seen == [4, 4, 4]
