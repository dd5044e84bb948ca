"""Measures of translations whose values are known."""

import numpy as np
import pytest

from musicfusion.metrics import frechet
from musicfusion.systems.arrangement import evaluation
from musicfusion.systems.arrangement.judges import Judge


def features(crops):
    return crops.reshape(len(crops), -1)[:, :40:5] + np.linspace(0, 1, len(crops))[:, None]


@pytest.fixture(scope="module")
def songs(crops, recordings):
    return crops.songs(recordings, "all", count=6, seconds=30.0)


@pytest.fixture(scope="module")
def judge():
    """One that hears the source in the low bands and the target in the high ones."""
    def detect(crops):
        return np.stack([crops[:, :, :8].max((1, 2)) > -1, crops[:, :, 16:].max((1, 2)) > -1], 1).astype(float)

    return Judge(detect=detect, features=features)


def measured(songs, generated, judge=None):
    return evaluation.measure(songs, generated, length=32, judge=judge, features=None, truth=None)


def test_the_true_target_is_perfect(songs, judge):
    found = measured(songs, [song.target for song in songs], judge).values
    assert found["onset_f1"] == (1, 1, 1) and found["mel_l1"] == (0, 0, 0) and found["tempo"] == (1, 1, 1)
    assert found["target_detected"][0] > 0.6 and found["source_detected"] == (0, 0, 0)
    assert found["source_onset_f1"][0] < 1


def test_the_source_itself_has_its_own_onsets_and_silence_has_none(songs, judge):
    found = measured(songs, [song.source for song in songs], judge).values
    assert found["source_onset_f1"] == (1, 1, 1) and found["source_detected"] == (1, 1, 1)
    assert found["target_detected"] == (0, 0, 0) and found["mel_l1"][0] > 1
    silent = measured(songs, [np.full_like(song.source, -1) for song in songs])
    assert silent.values["onset_f1"] == (0, 0, 0) and "source_detected" not in silent.values
    assert silent.onset_f1.tolist() == [0] * len(songs)


def test_a_difference_of_a_constant_is_that_many_decibels(songs):
    found = measured(songs, [song.target + 0.1 for song in songs]).values
    assert found["mel_l1"][0] == pytest.approx(0.1 / 2 * 90, rel=1e-4)


def test_frechet_distance_and_density_are_those_of_the_true_targets(songs):
    real = [song.target for song in songs]
    truth = frechet.fit(features(np.concatenate([evaluation.whole_crops(mels, 32) for mels in real])))
    same, other = (evaluation.measure(songs, mels, length=32, judge=None, features=features, truth=truth).values
                   for mels in (real, [song.source for song in songs]))
    assert same["frechet"] == pytest.approx(0, abs=1e-6) and other["frechet"] > 0.01
    assert same["log_density"] > other["log_density"]


def test_intervals_are_drawn_over_groups(songs):
    generated = [song.target if k % 2 else song.source for k, song in enumerate(songs)]
    apart = measured([song._replace(group=str(k)) for k, song in enumerate(songs)], generated).values["onset_f1"]
    together = measured([song._replace(group=str(k % 2)) for k, song in enumerate(songs)], generated).values["onset_f1"]
    assert apart[0] == pytest.approx(together[0])
    assert apart[1] > together[1] and apart[2] < together[2], "two groups that differ are less than six songs"


def test_what_is_a_beat_late_is_not_synchronous(songs):
    own = measured(songs, [song.target for song in songs]).values
    late = measured(songs, [np.roll(song.target, 7, 0) for song in songs]).values
    assert late["synchrony"][0] <= own["synchrony"][0] and own["bands_f1"] == (1, 1, 1)


def test_after_synthesis_that_is_measured_which_the_sound_has(songs):
    real = [song.target for song in songs]
    same = evaluation.after_synthesis(songs, real, length=32, sound=lambda mels: mels, features=None, truth=None)
    assert same["onset_f1"] == (1, 1, 1) and same["level_error"] == (0, 0, 0) and "frechet" not in same
    dull = evaluation.after_synthesis(songs, real, length=32, sound=lambda mels: np.full_like(mels, -1.0),
                                      features=None, truth=None)
    assert dull["onset_f1"] == (0, 0, 0) and dull["level_error"][0] > 1


def test_the_sound_is_measured_where_the_source_sounds(songs):
    before = np.full((1200, songs[0].source.shape[1]), -1.0, np.float32)
    later = [song._replace(source=np.concatenate([before, song.source]), target=np.concatenate([before, song.target]))
             for song in songs]
    assert all(evaluation.loudest(song.source, 1000).start > 200 for song in later)

    def f1(mels):
        return evaluation.after_synthesis(later, [np.concatenate([before, own]) for own in mels], length=32,
                                          sound=lambda mels: mels, features=None, truth=None)["onset_f1"]

    assert f1([song.target for song in songs]) == (1, 1, 1)
    assert 0 < f1([song.source for song in songs])[0] < 1, "in the first seconds nothing sounds"
    assert evaluation.loudest(songs[0].source, 10**6) == slice(0, 10**6)


def test_another_songs_source_is_as_long_and_nobodys_own(songs):
    given = [np.full((60 + k, 4), k) for k in range(5)]
    other = evaluation.of_another(given)
    assert [x.shape for x in other] == [x.shape for x in given]
    assert [int(x[0, 0]) for x in other] == [2, 3, 4, 0, 1] and all((x == x[0, 0]).all() for x in other)


def test_whole_crops_leave_the_rest_out():
    assert evaluation.whole_crops(np.zeros((70, 32)), 32).shape == (2, 32, 32)
    assert evaluation.whole_crops(np.zeros((20, 32)), 32).shape == (0, 32, 32)


def test_clips_come_from_all_songs_in_turn(songs):
    generated = [np.full_like(song.source, k) for k, song in enumerate(songs)]
    found = evaluation.choose_clips(songs, generated, count=8, length=32)
    assert [int(clip.generated[0, 0]) for clip in found] == [0, 1, 2, 3, 4, 5, 0, 1]
    np.testing.assert_array_equal(found[7].source, songs[1].source[32:64])
    assert evaluation.excerpts(songs, count=2, length=32) == [(0, slice(0, 32)), (1, slice(0, 32))]
