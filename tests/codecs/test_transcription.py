"""Bass lines that are synthesised here, and what is found in them."""

import numpy as np
import pytest

from musicfusion.codecs import bass_notes, line_beats
from musicfusion.codecs.score import grid
from musicfusion.codecs.transcription import BASS, transcribe

RATE = 22050
RIFF = [(0, 2, 28), (2, 2, 28), (4, 2, 40), (6, 2, 35), (8, 3, 33), (11, 1, 33), (12, 2, 31), (14, 2, 30)]  # in 16ths


def saw(hertz, level=0.3):
    """A sawtooth of harmonics below 2 kHz, with a frequency for each sample [n]."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    count = int(2000 / hertz.max())
    return level * sum(np.sin(k * phase) / k for k in range(1, count + 1))


def plucked(rows, seconds):
    """Notes (onset and duration in seconds, pitch, velocity) as sawtooths that fade: samples [n]."""
    samples = np.zeros(int(seconds * RATE))
    for onset, duration, pitch, velocity in rows:
        count = int(duration * RATE)
        time = np.arange(count) / RATE
        envelope = np.minimum(time / 0.004, 1) * np.exp(-2 * time) * np.minimum((duration - time) / 0.02, 1)
        first = int(onset * RATE)
        part = samples[first : first + count]
        tone = saw(np.full(count, 440 * 2 ** ((pitch - 69) / 12)), (velocity / 127) ** 1.5)
        part += (tone * envelope)[: len(part)]
    return samples


def riff(bars, tempo, start=0.0, held=0.9):
    """The riff over and over, moved by chords: notes [n, 4] in seconds."""
    roots = (0, 0, 5, 7)
    rows = np.array([(16 * bar + at, held * length, pitch + roots[bar % 4], 110 if at == 0 else 90)
                     for bar in range(bars) for at, length, pitch in RIFF], float)
    rows[:, :2] *= 15 / tempo
    rows[:, 0] += start
    return rows


def matched(found, truth, within=0.05):
    """The share of true times that are found, and of found ones that are true."""
    away = np.abs(np.subtract.outer(truth, found))
    return np.mean(away.min(axis=1) < within), np.mean(away.min(axis=0) < within)


def test_onsets_pitches_and_durations_come_back():
    truth = riff(4, 100, start=0.5)
    found = bass_notes.notes(plucked(truth, 11), RATE)
    assert len(found) == len(truth)
    np.testing.assert_allclose(found[:, 0], truth[:, 0], atol=0.025)
    np.testing.assert_array_equal(found[:, 2], truth[:, 2])
    np.testing.assert_allclose(found[:, 0] + found[:, 1], truth[:, 0] + truth[:, 1], atol=0.06)


@pytest.mark.parametrize("pitch", [23, 28, 33, 40, 48, 55])
def test_every_string_s_pitch_is_found_in_its_octave(pitch):
    rows = [(0.3 + 0.5 * k, 0.4, pitch, 100) for k in range(4)]
    assert bass_notes.notes(plucked(rows, 3), RATE)[:, 2].tolist() == [pitch] * 4


def test_other_rates_and_levels_give_the_same_notes():
    samples = plucked(riff(2, 100), 5)
    one = bass_notes.notes(samples, RATE)
    quiet = bass_notes.notes(0.05 * samples, RATE)
    np.testing.assert_allclose(quiet, one, atol=1e-3)
    half = bass_notes.notes(samples[::2], RATE // 2)
    np.testing.assert_array_equal(half[:, 2], one[:, 2])
    np.testing.assert_allclose(half[:, 0], one[:, 0], atol=0.02)


def test_repeated_notes_are_told_apart_and_louder_ones_are_louder():
    rows = [(0.2 + 0.25 * k, 0.25, 33, 120 if k % 4 == 0 else 70) for k in range(16)]
    found = bass_notes.notes(plucked(rows, 5), RATE)
    assert len(found) == 16 and (found[:, 2] == 33).all()
    loud = np.arange(16) % 4 == 0
    assert found[loud, 3].min() > found[~loud, 3].max() + 10


def test_a_slide_adds_few_notes_and_a_pad_has_few():
    time = np.arange(int(2.5 * RATE)) / RATE
    for lasting in (0.1, 0.25, 0.4):
        pitch = 33 + 7 * np.clip((time - 1.0) / lasting, 0, 1)
        slide = saw(440 * 2 ** ((pitch - 69) / 12)) * np.clip((2.5 - time) / 0.1, 0, 1)
        found = bass_notes.notes(slide, RATE)
        assert len(found) <= 3 and found[0, 2] == 33 and found[-1, 2] == 40
    pad = saw(np.full(8 * RATE, 55.0)) * np.repeat(np.hanning(8), RATE).clip(0.3)
    swelling = np.interp(np.arange(8 * RATE) / RATE, [0, 2, 4, 6, 8], [0, 1, 0.5, 1, 0]) * saw(np.full(8 * RATE, 55.0))
    assert len(bass_notes.notes(swelling, RATE)) <= 3
    assert len(bass_notes.notes(pad, RATE)) <= 8


def test_silence_noise_a_click_and_next_to_nothing_have_no_notes():
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE)
    click = np.zeros(2 * RATE)
    click[RATE] = 1.0
    for samples in (np.zeros(3 * RATE), noise, click, np.zeros(0), np.ones(1)):
        found = transcribe(samples, RATE, BASS)
        assert len(bass_notes.notes(samples, RATE)) == 0
        assert len(found.score.tracks[0].notes) == 0 and found.score.metres == ((0.0, 4, 4),)


def test_one_note_begins_a_bar():
    score, offset = transcribe(plucked([(1.3, 0.5, 33, 100)], 3), RATE, BASS)
    assert len(score.tracks[0].notes) == 1
    assert score.tracks[0].notes[0, 0] == pytest.approx(0, abs=1e-6) and offset == pytest.approx(1.3, abs=0.025)


@pytest.mark.parametrize("tempo", [88, 100, 126])
def test_beats_and_bars_of_a_riff(tempo):
    truth = riff(12, tempo, start=0.7)
    seconds = truth[-1, 0] + 1
    times, first = line_beats.beats(truth, seconds)
    expected = np.arange(0.7 % (60 / tempo), seconds, 60 / tempo)
    assert len(times) == pytest.approx(len(expected), abs=1)
    assert min(matched(times, expected, 0.03)) > 0.97
    assert ((times[first::4] - 0.7 + 0.1) % (240 / tempo)).max() < 0.2


@pytest.mark.parametrize("tempo", [80, 100, 125])
def test_eighths_are_not_tracked_at_double_tempo(tempo):
    roots, beat = (28, 28, 33, 35), 60 / tempo
    rows = np.array([(0.5 * beat * k + 0.2, 0.45 * beat, roots[k // 8 % 4], 100 if k % 8 == 0 else 88)
                     for k in range(128)])
    times, first = line_beats.beats(rows, 64 * beat)
    assert np.median(np.diff(times)) == pytest.approx(beat, abs=0.01)
    assert (np.abs((times - 0.2 + beat / 2) % beat - beat / 2) < 0.03).all()
    assert (np.abs((times[first::4] - 0.2 + 2 * beat) % (4 * beat) - 2 * beat) < 0.03).all()


def test_a_tempo_that_rises_is_followed():
    even = riff(16, 60)
    quarters = np.linspace(0, 64, 641)
    when = 0.4 + np.concatenate([[0], np.cumsum(0.1 * 60 / np.linspace(100, 110, 640))])
    begin, end = (np.interp(at, quarters, when) for at in (even[:, 0], even[:, 0] + even[:, 1]))
    rows = np.column_stack([begin, end - begin, even[:, 2:]])
    times, _ = line_beats.beats(rows, when[-1])
    assert min(matched(times, np.interp(np.arange(64), quarters, when), 0.05)) > 0.95
    assert 60 / np.diff(times)[:8].mean() == pytest.approx(100, abs=2)
    assert 60 / np.diff(times)[-8:].mean() == pytest.approx(110, abs=2)


def test_beats_reach_from_the_beginning_to_the_end_of_a_recording():
    times, first = line_beats.beats(riff(8, 100, start=6.1), 40)
    assert 0 <= times[0] < 0.6 and 39.4 < times[-1] <= 40 and 0 <= first <= 3
    silent, first = line_beats.beats(np.zeros((0, 4)), 3)
    np.testing.assert_allclose(silent, np.arange(0, 3.01, 0.5))
    assert first == 0


def test_a_transcription_is_on_the_grid_and_keeps_its_place_after_a_rest():
    tempo, start = 100, 3.25
    truth = riff(8, tempo, start)
    score, offset = transcribe(plucked(truth, 24), RATE, BASS, "line")
    track = score.tracks[0]
    assert score.name == "line" and track.program == 33 and score.metres == ((0.0, 4, 4),)
    assert offset == pytest.approx(start, abs=0.03), "the bar of the first note"
    steps = grid(track)
    expected = np.rint((truth[:, 0] - start) * tempo / 15).astype(int)
    np.testing.assert_array_equal(steps[:, 0], expected)
    np.testing.assert_array_equal(steps[:, 2], truth[:, 2])
    assert np.abs(track.notes[:, 0] * 4 - expected).max() < 0.25


def test_the_way_back_to_seconds_is_exact():
    samples = plucked(riff(6, 93, 1.1), 18)
    found = bass_notes.notes(samples, RATE)
    score, offset = transcribe(samples, RATE, BASS)
    written = score.tracks[0].notes
    np.testing.assert_allclose(offset + score.seconds(written[:, 0]), found[:, 0], atol=1e-6)
    np.testing.assert_allclose(offset + score.seconds(written[:, 0] + written[:, 1]), found[:, :2].sum(1), atol=1e-6)
    np.testing.assert_allclose(written[:, 2:], found[:, 2:])
    assert np.diff(score.tempos[:, 0]).tolist() == [1.0] * (len(score.tempos) - 1), "a tempo for each beat"
