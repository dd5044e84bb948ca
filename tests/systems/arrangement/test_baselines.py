"""The baselines that take no training."""

import numpy as np
import pytest

from musicfusion.codecs import mel
from musicfusion.data import marks
from musicfusion.data.corpus import concatenate
from musicfusion.metrics import onsets
from musicfusion.systems.arrangement import baselines, timing
from musicfusion.systems.arrangement.dataset import RATE, Song


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


@pytest.fixture(scope="module")
def kit(start, recordings):
    return baselines.kit(recordings, start, 32)


def test_a_steady_beat_has_the_source_s_tempo_and_the_target_s_sound(songs, kit):
    found = baselines.steady_beat(songs, kit)
    for mels, song in zip(found, songs, strict=True):
        assert onsets.same_tempo(onsets.tempo(mels, RATE), onsets.tempo(song.source, RATE))
        assert mels[:, 16:].max() > 0 and mels[:, :16].max() == -1, "where the target has its bands"
        first, found = (onsets.onsets(x, RATE)[0] for x in (mels, song.source))
        assert first == pytest.approx(found, abs=0.05)


def click(frames, gap, first=0.0, bands=32):
    """Clicks every `gap` seconds from `first` on, a mel-spectrogram [frames, bands]."""
    mels = np.full((frames, bands), -1.0, np.float32)
    for time in np.arange(first, frames / RATE - 0.1, gap):
        mels[round(time * RATE) :][:4] = 0.3
    return mels


@pytest.mark.parametrize("gap", [0.43, 0.5, 0.61])
def test_a_steady_beat_holds_the_tempo_of_clicks_over_a_minute(kit, gap):
    mels = click(2600, gap, 0.31)
    song = Song("clicks", mels, mels, np.zeros(2600, np.uint8), "")
    found, clicks = onsets.onsets(baselines.steady_beat([song], kit)[0], RATE), onsets.onsets(mels, RATE)
    if len(found) < 0.6 * len(clicks):  # at half the tempo
        clicks = clicks[int(np.abs(clicks - found[0]).argmin()) % 2 :: 2]
    assert onsets.f_measure(found, clicks) > 0.95


def test_rules_are_in_time_with_what_the_marks_say(songs, kit):
    for song, plain, with_bass in zip(songs, baselines.eighths(songs, kit), baselines.bass_and_eighths(songs, kit),
                                      strict=True):
        time = timing.timing(song)
        np.testing.assert_allclose(np.diff(time.beats), 20 / RATE)
        found = onsets.onsets(plain, RATE)
        eighths = timing.divided(time.beats, 2)
        within = eighths[(eighths >= found[0] - 0.05) & (eighths <= found[-1] + 0.05)]
        assert onsets.f_measure(found, within) == 1.0 and len(found) > 8
        assert np.all(with_bass >= plain)


def test_a_backbeat_has_kick_snare_and_hat_where_a_drummer_has_them():
    marked = np.full(400, marks.KNOWN, np.uint8)
    marked[::20] |= marks.BEAT
    marked[20::80] |= marks.BAR
    source = np.full((400, 3), 0.0, np.float32)
    bands = np.eye(3, dtype=np.float32) * 2 - 1
    own = {bit: np.tile(bands[k], (2, 1)) for k, bit in enumerate((marks.KICK, marks.SNARE, marks.OTHER))}
    found = baselines.backbeat([Song("song", source, source, marked, "")], own)[0]
    for band, frames in ((0, range(20, 400, 40)), (1, range(0, 400, 40)), (2, range(0, 400, 10))):
        assert set(np.flatnonzero(found[:, band] > -1)) >= set(frames)
        assert (found[:, band] > -1).sum() <= 2 * len(frames) + 2


def test_the_nearest_source_s_target_is_played_at_the_song_s_tempo(recordings, songs):
    rhythms = ((0, 1, 1.5, 3), (0, 0.75, 2, 2.5), (0.5, 1.25, 2.75, 3.5))

    def song(rhythm, gap, band):
        """Twenty bars; the target has a hit in this band on every beat."""
        frames = int(80 * gap)
        mels, known = np.full((2, frames, 32), -1.0, np.float32), np.full(frames, marks.KNOWN, np.uint8)
        for bit, positions in ((marks.BEAT, range(80)), (marks.BAR, range(0, 80, 4)),
                            (marks.SOURCE, [4 * bar + beat for bar in range(20) for beat in rhythm])):
            known[np.rint(np.array(positions) * gap).astype(int)] |= bit
        mels[0] = 0.1
        for beat in range(80):
            mels[1, round(beat * gap) :, band][:4] = 0.5
        return dict(zip(("source", "target"), mel.quantised(mels), strict=True)) | {"marks": known}

    known = concatenate([(f"song {k}", song(rhythms[k % 3], 20 + k % 5, 8 * (k % 3))) for k in range(30)], {}, "x",
                        unit="frames")
    for k, rhythm in enumerate(rhythms):
        own = song(rhythm, 26, 0)
        mels = own["source"].astype(np.float32) / 127.5 - 1
        found = baselines.nearest_bass([Song("new", mels, mels, own["marks"], "")], known, seed=0)[0]
        assert np.flatnonzero(found.max(0) > -1).tolist() == [8 * k]
        times = np.arange(80) * 26 / RATE
        assert onsets.f_measure(onsets.onsets(found[:, [8 * k]], RATE), times) > 0.95
    silent = baselines.nearest_bass(songs, recordings, seed=0)
    assert all(np.all(mels == -1) for mels in silent), "no training song has sixteen beats"


def test_without_any_onset_the_mean_onset_is_silence(recordings):
    assert np.all(baselines.mean_onset(recordings, np.zeros(1, int), 20) == -1)
