"""A melody that is sung into a file: its notes on the song's grid, and the voice itself over its new accompaniment."""

import numpy as np
import pytest
import soundfile
import sung
from consonance import BASE, FLAT, HALF, consonant

from musicfusion.codecs import inputs
from musicfusion.codecs.audio import RATE
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.collagenet import sampling, sampling_edits, sampling_voice

TUNE = [67, 69, 71, 67, 69, 71, 74, 71, 67, 66, 64, 62, 67, 69, 71, 67] * 2
TEMPO, START = 100.0, 1.7
CONTROLS = HALF | {"pitch": 1.0, "rhythm": 1.0, "chord": 0.0, "texture": 1.0, "bpm": TEMPO}


@pytest.fixture(scope="module")
def voice():
    """The tune in quarters, sung: samples at RATE."""
    assert sung.RATE == RATE
    rows = [(START + 60 / TEMPO * k, 52 / TEMPO, pitch, 90) for k, pitch in enumerate(TUNE)]
    return sung.sing(np.array(rows, float), 24, seed=3)


@pytest.fixture(scope="module")
def band():
    chords = [(4.0 * bar, 4.0, root + by, 70) for bar, root in enumerate((48, 53, 55, 48)) for by in (0, 4, 7)]
    return Score((Track("Guitar", 25, False, np.array(chords)),), np.array([[0.0, 120.0]]), ((0.0, 4, 4),), "band")


@pytest.fixture(scope="module")
def generate():
    return sampling_edits.generator(score=consonant, model=FLAT, prices=BASE, progression=0.1, rounds=1, variety=0.1)


def made(generate, voice, band, tempo="melody", **controls):
    asked = CONTROLS | controls
    pair = sampling.read_pair((voice, RATE), band, length="loop", tempo=tempo, bpm=asked["bpm"])
    return pair, generate([pair], asked, [0], [None])[0]


def test_the_tune_is_on_the_grid_and_the_band_follows_the_singer(voice, band):
    with inputs.noticing() as said:
        pair = sampling.read_pair((voice, RATE), band, length="loop", tempo="melody", bpm=TEMPO)
    onsets = pair.melody[: len(TUNE), 0] - pair.melody[0, 0]
    np.testing.assert_array_equal(onsets, 4 * np.arange(len(TUNE)))
    found = pair.melody[: len(TUNE), 2]
    assert np.mean(found - found[0] == np.array(TUNE) - TUNE[0]) > 0.95
    assert np.median(np.array(pair.tempos)[:, 1]) == pytest.approx(TEMPO, rel=0.02)
    assert any(f"{len(TUNE)} notes were found, and a tempo of 100" in line for line in said)


def test_a_file_is_as_good_as_samples(voice, band, tmp_path):
    soundfile.write(tmp_path / "hum.flac", voice, RATE)
    one, other = (sampling.read_pair(source, band, length="loop", tempo="melody", bpm=TEMPO)
                  for source in (tmp_path / "hum.flac", (voice, RATE)))
    np.testing.assert_array_equal(one.melody, other.melody)


def test_the_mix_holds_the_voice_where_the_song_has_its_notes(generate, voice, band):
    _, result = made(generate, voice, band)
    assert list(result.players)[:2] == ["mix", "fused"] and result.main == "fused"
    mix = result.audio["mix"].samples
    assert 0.3 < np.abs(mix).max() <= 0.951
    song = result.scores["fused"]
    assert result.audio["mix"].seconds == pytest.approx(float(song.seconds(song.length)), abs=2)
    lag = np.arange(-RATE // 5, RATE // 5, 4)
    first = round(START * RATE)
    own = voice[first : first + 8 * RATE]
    score = result.scores["fused"]
    at = round(float(score.seconds(score.tracks[0].notes[0, 0])) * RATE)
    alike = [abs(np.dot(own, mix[at + by : at + by + len(own)])) for by in lag if at + by >= 0]
    best = lag[lag >= -at][int(np.argmax(alike))]
    assert abs(best) < 0.06 * RATE, "the first note is sung where it is written"


def test_a_recorded_melody_keeps_its_key_unless_another_is_asked_for(generate, voice, band):
    _, result = made(generate, voice, band)
    assert result.metadata["edits"]["shift"]["melody"] == 0
    before, after = (result.scores[name].tracks[0].notes for name in ("before", "fused"))
    np.testing.assert_array_equal(before, after)


def test_a_transposed_melody_has_no_mix_and_a_changed_one_is_said(voice, band):
    pair = sampling.read_pair((voice, RATE), band, length="loop", tempo="melody", bpm=TEMPO)
    sound, said = sampling_voice.mixed(pair, pair.tracks["accompaniment"], shift=2, changed=0)
    assert not sound and "your voice is not in the song" in said[0]
    sound, said = sampling_voice.mixed(pair, pair.tracks["accompaniment"], shift=0, changed=3)
    assert list(sound) == ["mix"] and "3 notes of the melody were changed" in said[0]
    assert not sampling_voice.mixed(pair, pair.tracks["accompaniment"], shift=0, changed=0)[1]


def test_in_another_tempo_there_is_no_mix(generate, voice, band):
    pair, result = made(generate, voice, band, tempo="accompaniment")
    assert pair.voice is None and "mix" not in result.audio
    assert any("sample.tempo = melody" in line for line in result.notices)


@pytest.mark.parametrize("source, bpm, words", [
    ((np.zeros(RATE, np.float32), RATE), 0, "no notes were found; a recording of one voice alone is accepted"),
    ("tune", 12, "bpm=12 is out of range: accepted are 30 to 240 beats a minute, and 0"),
    (b"nothing", 0, "cannot be read as notes or sound"),
    (Score((Track("", 0, False, np.array([[0.0, 1, 60, 80]])),), np.array([[0, 120.0]]), (), ""), 90,
     "is notes, which have their tempo; a recording takes it"),
])
def test_what_cannot_be_used_is_one_line(voice, band, source, bpm, words):
    given = (voice, RATE) if isinstance(source, str) else source
    with pytest.raises(MusicFusionError, match=words) as caught:
        sampling.read_pair(given, band, length="loop", tempo="melody", bpm=bpm)
    assert "\n" not in str(caught.value)
