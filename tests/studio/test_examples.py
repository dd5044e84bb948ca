"""The music that comes along can be read by the systems that it is for."""

import numpy as np
import pytest
import soundfile

from musicfusion.codecs import inputs, tracks
from musicfusion.studio import examples
from musicfusion.systems import declarations

TUNES = sorted(path.name for path in examples.FOLDER.glob("*.abc"))
CHARTS = sorted(path.name for path in examples.FOLDER.glob("*.txt"))
# Whole bars, with those of pickups.
BARS = {"ode-to-joy.abc": 16, "greensleeves.abc": 17, "scarborough-fair.abc": 19, "amazing-grace.abc": 17}


def test_every_system_has_examples_that_fit_its_inputs_and_controls():
    declared = declarations()
    assert set(examples.EXAMPLES) == set(declared)
    for name, own in examples.EXAMPLES.items():
        for example in own:
            assert set(example.files) in map(set, declared[name].input_sets)
            assert set(example.controls) <= set(declared[name].controls)


@pytest.mark.parametrize("name", TUNES)
def test_a_tune_is_one_voice_in_whole_bars(name):
    with inputs.noticing() as notices:
        score = inputs.read_score(examples.FOLDER / name, name)
    (track,) = score.tracks
    bar = score.metres[-1][1] * 4 / score.metres[-1][2]
    assert score.length == pytest.approx(BARS[name] * bar, abs=bar / 2)
    assert (track.notes[1:, 0] >= track.notes[:-1, 0] + track.notes[:-1, 1] - 1e-6).all()
    assert not notices


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_read_without_a_remark(name):
    with inputs.noticing() as notices:
        score = inputs.read_score(examples.FOLDER / name, name, charts=True)
    assert not notices and score.chords


@pytest.mark.parametrize("name", [examples.ODE_BAND, examples.BLUES_BAND])
def test_a_band_has_all_four_parts_in_every_bar(tmp_path, name):
    score = inputs.read_score(examples.make(name, tmp_path), name)
    for part, own in tracks.roles(score).items():
        bars = np.unique(np.concatenate([track.notes[:, 0] for track in own]) // 4)
        assert len(bars) >= 0.75 * score.length / 4, part


def test_the_bass_line_is_a_recording_that_sounds(tmp_path):
    samples, rate = soundfile.read(examples.make(examples.BASS, tmp_path))
    assert 20 < len(samples) / rate < 40 and np.abs(samples).max() > 0.1
    assert examples.make(examples.BASS, tmp_path).stat().st_size < 4_000_000


def test_the_licence_stands_with_them():
    assert "public domain" in examples.LICENCE and "Apache-2.0" in examples.LICENCE
