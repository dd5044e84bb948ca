"""Frames for a transcriber of drums."""

import numpy as np

from musicfusion.codecs import drum_frames
from musicfusion.codecs.audio import RATE
from musicfusion.codecs.drum_frames import BANDS, HOP, QUIETEST


def test_a_click_is_loudest_at_its_own_frame():
    samples = np.zeros(RATE, np.float32)
    samples[40 * HOP] = 1
    frames = drum_frames.frames(samples)
    assert frames.shape == (drum_frames.count(RATE), BANDS) and frames.dtype == np.float16
    assert np.argmax(frames.mean(1)) == 40 and (frames[:37] == QUIETEST).all()


def test_frames_do_not_depend_on_how_loud_a_sound_is_nor_silence_on_anything():
    noise = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    np.testing.assert_allclose(drum_frames.frames(noise), drum_frames.frames(0.01 * noise), atol=0.1)
    assert (drum_frames.frames(np.zeros(5000)) == QUIETEST).all()
    assert len(drum_frames.frames(np.zeros(0))) == 1


def test_a_tone_is_in_the_band_of_its_pitch():
    time = np.arange(RATE) / RATE
    bands = [int(np.argmax(drum_frames.frames(np.sin(2 * np.pi * f * time))[40])) for f in (60, 120, 240, 1000, 8000)]
    assert bands == sorted(set(bands)) and bands[0] < 4 and bands[-1] > 55


def test_every_band_sees_something_and_hits_are_at_their_frames():
    bank = drum_frames.filterbank()
    np.testing.assert_allclose(bank.sum(0), 1, rtol=1e-5)
    assert len(np.unique(bank.T, axis=0)) == BANDS
    rows = np.array([[0.0, 0, 60], [1.0, 2, 90], [1.0, 2, 20], [-1, 1, 9], [99, 1, 9]])
    found = drum_frames.at_frames(rows, 100, 9)
    assert found[0, 0] == 60 and found[86, 2] == 90 and np.count_nonzero(found) == 2
