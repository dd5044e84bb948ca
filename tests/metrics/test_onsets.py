"""Onsets and tempo of mel-spectrograms whose onsets are known."""

import numpy as np
import pytest

from musicfusion.metrics import onsets

RATE = 22050 / 512


def decaying(times, seconds=12.0, bands=32):
    """Sounds that begin at these seconds and die away."""
    mels = np.full((int(seconds * RATE), bands), -1.0, np.float32)
    for time in times:
        first = round(time * RATE)
        for k in range(min(8, len(mels) - first)):
            mels[first + k] = np.maximum(mels[first + k], 0.5 - 0.15 * k)
    return mels


BEATS = np.arange(0.0, 16.0, 0.5)


def bars(positions):
    """Onsets at these positions of every bar of four beats, in seconds."""
    return np.sort(np.concatenate([2.0 * bar + 0.5 * np.array(positions) for bar in range(7)]))


def test_what_is_alike_on_every_beat_is_not_synchronous_with_anything():
    rhythm = bars([0, 1.5, 2.25])
    assert onsets.synchrony(rhythm, rhythm, BEATS) > 0.4
    eighths, beats = np.arange(0.0, 15.5, 0.25), np.arange(0.0, 15.5, 0.5)
    for steady in (eighths, beats, np.zeros(0)):
        assert onsets.synchrony(steady, rhythm, BEATS) == pytest.approx(0, abs=0.02)
    both = np.union1d(rhythm, eighths)
    assert 0 < onsets.synchrony(both, rhythm, BEATS) < 0.5 * onsets.synchrony(rhythm, rhythm, BEATS)
    assert onsets.synchrony(bars([1, 2.5, 3.25]), rhythm, BEATS) < 0, "a beat late"


def test_bands_have_onsets_of_their_own():
    mels = decaying([])
    kick, hat = np.arange(1.0, 11.0, 1.0), np.arange(1.0, 11.0, 0.5)
    mels[:, :2], mels[:, 24:] = decaying(kick)[:, :2], decaying(hat)[:, 24:]
    mels[:, 5:15] = np.maximum(decaying(kick[::2])[:, 5:15], decaying(hat)[:, 5:15] - 0.5)  # hats leak, 22 dB softer
    low, middle, high = onsets.by_band(mels, RATE)
    assert onsets.f_measure(low, kick) == onsets.f_measure(high, hat) == onsets.f_measure(middle, kick[::2]) == 1.0
    assert [len(band) for band in onsets.by_band(np.full((300, 32), -1.0), RATE)] == [0, 0, 0]


@pytest.mark.parametrize("gap", [0.25, 0.5, 0.8])
def test_onsets_are_found_where_they_are_and_nowhere_else(gap):
    times = np.arange(1.0, 11.0, gap)
    found = onsets.onsets(decaying(times), RATE)
    assert onsets.f_measure(found, times) == 1.0
    assert np.max(np.abs(found - times)) < 0.03


def test_silence_and_a_steady_sound_have_no_onsets():
    assert len(onsets.onsets(np.full((300, 8), -1.0), RATE)) == 0
    assert len(onsets.onsets(np.full((300, 8), 0.3), RATE)) == 0
    assert onsets.tempo(np.full((600, 8), 0.3), RATE) == 0.0


def test_the_f_measure_matches_one_to_one():
    truth = np.array([1.0, 2.0, 3.0])
    assert onsets.f_measure(truth + 0.06, truth) == 1.0
    assert onsets.f_measure(truth + 0.08, truth) == 0.0
    assert onsets.f_measure(np.array([0.96, 1.0, 1.04]), truth) == pytest.approx(1 / 3), "one onset is found once"
    assert onsets.f_measure(truth[:2], truth) == pytest.approx(0.8)
    assert onsets.f_measure(np.zeros(0), truth) == 0.0
    assert onsets.f_measure(np.zeros(0), np.zeros(0)) == 1.0


def test_the_f_measure_is_mir_eval_s():
    mir_eval = pytest.importorskip("mir_eval")
    rng = np.random.default_rng(0)
    for _ in range(30):
        one, other = (np.sort(rng.uniform(0, 5, rng.integers(1, 40))) for _ in range(2))
        theirs = mir_eval.onset.f_measure(other, one, onsets.WINDOW)[0]
        assert onsets.f_measure(one, other) == pytest.approx(theirs)


@pytest.mark.parametrize("bpm", [75, 100, 128, 150])
def test_the_tempo_of_a_steady_beat_is_found(bpm):
    found = onsets.tempo(decaying(onsets.beats(bpm, 20.0, 0.3), 20.0), RATE)
    assert onsets.same_tempo(found, bpm)
    assert not onsets.same_tempo(found, bpm * 1.2)
    assert not onsets.same_tempo(0.0, bpm)
