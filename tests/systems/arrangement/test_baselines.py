"""The baselines that take no training."""

import numpy as np
import pytest

from musicfusion.metrics import onsets
from musicfusion.systems.arrangement import baselines
from musicfusion.systems.arrangement.dataset import RATE


@pytest.fixture(scope="module")
def songs(crops, recordings):
    return crops.songs(recordings, "test", count=3, seconds=30.0)


@pytest.fixture(scope="module")
def start(crops, recordings):
    return crops.starts(recordings, "train")["b"]


def test_silence_is_silent_and_the_source_stays_what_it_is(songs):
    assert all(np.all(mels == -1) and mels.shape == song.source.shape
               for mels, song in zip(baselines.silence(songs), songs, strict=True))
    assert all(mels is song.source for mels, song in zip(baselines.source_itself(songs), songs, strict=True))


def test_another_song_s_target_comes_from_training_songs_and_has_the_song_s_length(songs, start, recordings):
    found = baselines.other_target(songs, recordings, start, seed=0)
    again = baselines.other_target(songs, recordings, start, seed=0)
    kept = np.unique(recordings.arrays["target"], axis=0).astype(np.float32) / 127.5 - 1
    for mels, other, song in zip(found, again, songs, strict=True):
        assert mels.shape == song.source.shape and mels.max() > -1
        np.testing.assert_array_equal(mels, other)
        assert all(np.abs(kept - frame).max(1).min() < 1e-6 for frame in mels[::20])


def test_a_steady_beat_has_the_source_s_tempo_and_the_target_s_sound(songs, start, recordings):
    found = baselines.steady_beat(songs, recordings, start, length=32)
    for mels, song in zip(found, songs, strict=True):
        assert onsets.same_tempo(onsets.tempo(mels, RATE), onsets.tempo(song.source, RATE))
        assert mels[:, 16:].max() > 0 and mels[:, :16].max() == -1, "where the target has its bands"
        first, heard = (onsets.onsets(x, RATE)[0] for x in (mels, song.source))
        assert first == pytest.approx(heard, abs=0.05)


def test_without_any_onset_the_mean_onset_is_silence(recordings):
    assert np.all(baselines.mean_onset(recordings, np.zeros(1, int), 20) == -1)
