"""Loudness by ITU-R BS.1770-4: the standard's own coefficients and the EBU's test signals."""

import numpy as np
import pytest

from musicfusion.codecs.audio import Audio
from musicfusion.render import loudness
from musicfusion.render.loudness import PEAK, TARGET

RATE = 48000


def sine(seconds, level, frequency=997.0, rate=RATE):
    """level: of the peak, dB of full scale."""
    time = np.arange(round(seconds * rate)) / rate
    return 10 ** (level / 20) * np.sin(2 * np.pi * frequency * time)


def test_the_filters_are_those_of_the_standard_at_48_khz():
    (shelf, shelf_poles), (passed, poles) = loudness.filters(RATE)
    np.testing.assert_allclose(shelf, [1.53512485958697, -2.69169618940638, 1.19839281085285], atol=1e-8)
    np.testing.assert_allclose(shelf_poles / shelf_poles[0], [1, -1.69065929318241, 0.73248077421585], atol=1e-8)
    np.testing.assert_allclose(passed, [1, -2, 1])
    np.testing.assert_allclose(poles / poles[0], [1, -1.99004745483398, 0.99007225036621], atol=1e-8)


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_a_full_sine_of_one_channel_is_3_lufs_below_full_scale(rate):
    assert loudness.loudness(sine(3, 0, rate=rate), rate) == pytest.approx(-3.01, abs=0.05)
    assert loudness.loudness(sine(3, -20, rate=rate), rate) == pytest.approx(-23.01, abs=0.05)


# EBU Tech 3341, minimum requirements 3 to 5: (seconds, level) one after the other. One channel is 3.01 LU below two.
@pytest.mark.parametrize("parts", [
    [(10, -36), (60, -23), (10, -36)],
    [(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)],
    [(20, -26), (20.1, -20), (20, -26)],
])
def test_the_gates_leave_out_what_is_much_quieter(parts):
    samples = np.concatenate([sine(*part, frequency=1000) for part in parts])
    assert loudness.loudness(samples, RATE) == pytest.approx(-23.0 - 3.01, abs=0.1)


def test_silence_has_no_loudness_and_short_sounds_have_one():
    assert loudness.loudness(np.zeros(RATE), RATE) == -np.inf
    assert loudness.loudness(np.zeros(0), RATE) == -np.inf
    assert loudness.loudness(sine(0.1, 0), RATE) == pytest.approx(-3.0, abs=0.5)


def test_all_sounds_become_equally_loud_and_none_clips():
    rng = np.random.default_rng(0)
    clicks = np.zeros(RATE)
    clicks[::4800] = 0.5
    sounds = [Audio(sine(1, -40), RATE), Audio(sine(1, 0, frequency=100), RATE),
              Audio(rng.normal(0, 0.1, RATE), RATE), Audio(np.zeros(RATE), RATE)]
    levels = [loudness.loudness(sound.samples, sound.rate) for sound in loudness.matched(sounds)]
    np.testing.assert_allclose(levels[:3], TARGET, atol=0.01)
    assert levels[3] == -np.inf
    found = loudness.matched([*sounds, Audio(clicks, RATE)])
    levels = [loudness.loudness(sound.samples, sound.rate) for sound in found if sound.samples.any()]
    np.testing.assert_allclose(levels, levels[0], atol=0.01)
    assert levels[0] < TARGET and max(np.abs(sound.samples).max() for sound in found) == pytest.approx(PEAK)


def test_sounds_begin_and_end_in_silence():
    found = loudness.faded(Audio(np.ones(RATE, np.float32), RATE)).samples
    assert found[0] == 0 and found[-1] == 0 and found[RATE // 2] == 1
    assert np.all(np.diff(found[: RATE // 100]) >= 0) and np.all(np.diff(found[-RATE // 20 :]) <= 0)
    assert len(loudness.faded(Audio(np.ones(3, np.float32), RATE)).samples) == 3
