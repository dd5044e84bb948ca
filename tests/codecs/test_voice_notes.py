"""Voices that are computed here, and the notes that are found in them."""

import numpy as np
import pytest
import sung
from sung import RATE

from musicfusion.codecs import line_beats, voice_notes
from musicfusion.codecs.score import grid
from musicfusion.codecs.transcription import VOICE, transcribe

ODE = [64, 64, 65, 67, 67, 65, 64, 62, 60, 60, 62, 64, 64, 62, 62,
       64, 64, 65, 67, 67, 65, 64, 62, 60, 60, 62, 64, 62, 60, 60]  # of quarters, but for those in LONG
LONG = {12: 1.5, 13: 0.5, 14: 2.0, 26: 1.5, 27: 0.5, 28: 2.0}


def ode(tempo=100.0, start=0.5, shift=0):
    """The Ode to Joy: notes [n, 4] in seconds, in quarters."""
    lengths = np.array([LONG.get(k, 1.0) for k in range(len(ODE) - 1)])
    onset = np.concatenate([[0], np.cumsum(lengths)])[:-1] * 60 / tempo + start
    pitch = np.array(ODE[:-1]) + shift
    return np.column_stack([onset, lengths * 55 / tempo, pitch, np.full(len(onset), 90)])


def sine(hertz, level=0.3):
    """A tone with a frequency for each sample [n]."""
    return level * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)


def hertz(pitch):
    return 440 * 2 ** ((np.asarray(pitch, float) - 69) / 12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shift", [-12, 0, 7])
def test_a_sung_melody_comes_back(seed, shift):
    truth = ode(shift=shift)
    found = voice_notes.notes(sung.sing(truth, 20, seed), RATE)
    assert abs(len(found) - len(truth)) <= 1
    near = np.abs(np.subtract.outer(truth[:, 0], found[:, 0]))
    assert (near.min(axis=1) < 0.1).mean() > 0.95
    same = found[near.argmin(axis=1), 2] == truth[:, 2]
    assert same.mean() > 0.95, "in tune with itself, whatever the singer's pitch"


@pytest.mark.parametrize("cents", [-45, -20, 20, 45])
def test_a_line_that_is_out_of_tune_as_a_whole_keeps_its_intervals(cents):
    pitch = np.repeat([60, 62, 64, 65, 67], RATE // 2)
    found = voice_notes.notes(sine(hertz(pitch + cents / 100)), RATE)
    assert np.diff(found[:, 2]).tolist() == [2, 2, 1, 2] and abs(found[0, 2] - 60) <= 1


@pytest.mark.parametrize("pitch", [40, 52, 64, 76, 84, 90, 96])
def test_pitches_from_a_bass_to_a_whistle(pitch):
    steps = pitch + np.array([0, 2, 4, 2])
    found = voice_notes.notes(sine(hertz(np.repeat(steps, RATE // 2))), RATE)
    assert found[:, 2].tolist() == steps.tolist()


def test_vibrato_is_one_note_and_a_glide_two():
    time = np.arange(2 * RATE) / RATE
    trembling = 60 + 0.7 * np.sin(2 * np.pi * 5.5 * time)
    assert voice_notes.notes(sine(hertz(trembling)), RATE)[:, 2].tolist() == [60]
    gliding = 60 + 5 * np.clip((time - 1) / 0.12, 0, 1)
    assert voice_notes.notes(sine(hertz(gliding)), RATE)[:, 2].tolist() == [60, 65]


def test_notes_of_one_pitch_are_parted_by_gaps():
    level = np.tile(np.repeat([1.0, 0.0], [RATE * 4 // 10, RATE // 10]), 6)
    found = voice_notes.notes(level * sine(np.full(len(level), 220.0)), RATE)
    assert found[:, 2].tolist() == [57] * 6
    np.testing.assert_allclose(found[:, 0], 0.5 * np.arange(6), atol=0.05)
    np.testing.assert_allclose(found[:, 1], 0.4, atol=0.08)


def test_rates_and_levels_do_not_matter():
    samples = sung.sing(ode(), 20, 4)
    one = voice_notes.notes(samples, RATE)
    np.testing.assert_allclose(voice_notes.notes(0.3 * samples, RATE), one, atol=1e-2)
    other = voice_notes.notes(np.repeat(samples, 2), 2 * RATE)
    assert abs(len(other) - len(one)) <= 1


def test_what_is_no_line_has_no_notes():
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE)
    click = np.zeros(2 * RATE)
    click[RATE] = 1.0
    for samples in (np.zeros(3 * RATE), noise, click, np.zeros(0), np.ones(1), np.full(RATE, np.nan)):
        assert len(voice_notes.notes(samples, RATE)) == 0


def test_a_voice_s_score_keeps_its_times_and_a_tempo_that_is_known():
    truth = ode(tempo=96, start=1.3)
    score, offset = transcribe(sung.sing(truth, 22, 1), RATE, VOICE, "ode", tempo=96)
    track = score.tracks[0]
    assert (track.name, track.program, score.name) == ("voice", 73, "ode")
    assert np.median(score.tempos[:, 1]) == pytest.approx(96, rel=0.02)
    steps = grid(track.notes)[:, 0]
    expected = np.rint((truth[:, 0] - truth[0, 0]) * 96 / 15).astype(int)
    assert np.isin(steps - steps[0], expected).mean() > 0.9
    found = voice_notes.notes(sung.sing(truth, 22, 1), RATE)
    np.testing.assert_allclose(offset + score.seconds(track.notes[:, 0]), found[:, 0], atol=1e-6)


@pytest.mark.parametrize("habits", [line_beats.BASS, line_beats.VOICE])
def test_bars_do_not_depend_on_how_long_nothing_was_played_before(habits):
    truth = ode(tempo=97.3, start=0.0)
    truth[:, 0] += np.random.default_rng(0).normal(0, 0.01, len(truth))
    lines = []
    for start in (0.4, 40.0, 140.0):
        times, first = line_beats.beats(truth + [start, 0, 0, 0], truth[-1, 0] + start + 2, habits)
        own = times[first::4]
        lines.append(own[own > start + 0.2][:4] - start)
    np.testing.assert_allclose(lines[1:], [lines[0]] * 2, atol=1e-3)


def test_a_tempo_that_is_given_is_the_one_that_is_found():
    for tempo in (66.0, 100.0, 132.0):
        times, _ = line_beats.beats(ode(tempo=100), 20, line_beats.VOICE, tempo=tempo)
        assert 60 / np.median(np.diff(times)) == pytest.approx(tempo, rel=0.05)
