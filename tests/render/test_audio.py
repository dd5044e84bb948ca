"""Scores to sound. The plain synthesiser is tested everywhere, fluidsynth where it is installed."""

import subprocess
import sys
import time
import wave

import numpy as np
import pytest

from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.render import audio
from musicfusion.render.audio import NOTICE, mixed, synthesise, synthesise_parts, write_wav


@pytest.fixture(params=["plain", "fluidsynth"])
def player(request, monkeypatch):
    """Both ways to sound; "plain" is the bare machine."""
    if request.param == "plain":
        monkeypatch.setitem(sys.modules, "fluidsynth", None)  # import raises ImportError
    else:
        try:
            import fluidsynth  # noqa: F401
        except ImportError:
            pytest.skip("fluidsynth is not installed")
    return request.param


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.setitem(sys.modules, "fluidsynth", None)


def score(*notes, program=0, is_drum=False, qpm=60.0):
    track = Track("", program, is_drum, np.array(notes, float))
    return Score((track,), np.array([[0.0, qpm]]), (), "test")


def loudest(samples, rate):
    """The frequency in Hz with the most energy."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * rate / len(samples)


def rms(samples):
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0


def test_a_chorale_sounds_for_its_length_without_clipping(chorale, player):
    sound = synthesise(chorale, 22050)
    seconds = chorale.seconds(chorale.length)
    assert sound.samples.dtype == np.float32 and sound.samples.ndim == 1
    assert len(sound.samples) == np.ceil((seconds + audio.TAIL) * 22050)
    assert 0.2 < np.abs(sound.samples).max() <= 1
    assert all(rms(part) > 0.01 for part in np.array_split(sound.samples[: (22050 * 20)], 20))


def test_parts_add_up_to_the_whole_and_are_as_loud_in_it_as_alone(chorale, player):
    whole = synthesise(chorale, 22050)
    parts = synthesise_parts(chorale, {track.name: [track] for track in chorale.tracks}, 22050)
    assert list(parts) == [track.name for track in chorale.tracks]
    assert {len(part.samples) for part in parts.values()} == {len(whole.samples)}
    assert {part.notice for part in parts.values()} == {whole.notice}
    both = mixed([part.samples for part in parts.values()])
    within = 1e-6 if player == "plain" else 2e-3  # each part of fluidsynth's is rounded to 16 bits
    np.testing.assert_allclose(both, whole.samples, atol=within)


def test_the_plain_synthesiser_can_be_asked_for(chorale, player):
    asked = synthesise(chorale, 22050, audio.PLAIN)
    if player == "plain":
        np.testing.assert_array_equal(asked.samples, synthesise(chorale, 22050).samples)
    else:
        assert np.abs(asked.samples - synthesise(chorale, 22050).samples).max() > 0.01


def test_a_soundfont_that_cannot_be_played_is_named(tmp_path, player):
    broken = tmp_path / "broken.sf2"
    broken.write_bytes(b"nothing")
    with pytest.raises(MusicFusionError, match=r"broken.sf2: fluidsynth cannot play"):
        synthesise(score((0, 1, 60, 80)), 22050, broken)


def test_the_same_score_gives_the_same_samples(chorale, player):
    first, second = synthesise(chorale, 22050), synthesise(chorale, 22050)
    assert np.array_equal(first.samples, second.samples)


def test_only_the_stand_in_gives_notice_and_in_one_line(chorale, player):
    notice = synthesise(score((0, 1, 60, 80)), 22050).notice
    assert notice == (NOTICE if player == "plain" else "")
    assert "\n" not in NOTICE


@pytest.mark.parametrize("program", [0, 24, 40, 56, 73])
def test_a_note_sounds_at_its_pitch_and_in_its_time(player, program):
    rate = 44100
    samples = synthesise(score((1, 1, 69, 100), program=program), rate).samples
    middle = samples[int(1.25 * rate) : int(1.75 * rate)]
    # The strongest partial may be a harmonic of the 440 Hz.
    ratio = loudest(middle, rate) / 440
    assert round(ratio) >= 1 and abs(ratio / round(ratio) - 1) < 0.01
    assert rms(samples[: int(0.99 * rate)]) < 1e-3
    assert rms(samples[int(2.9 * rate) :]) < rms(middle) / 10


def test_tempo_changes_move_the_notes(bare):
    track = Track("", 0, False, np.array([[0, 1, 60, 80], [4, 1, 60, 80]]))
    played = Score((track,), np.array([[0.0, 60.0], [2.0, 120.0]]), (), "test")
    samples = synthesise(played, 22050).samples  # two beats of 1 s, two of 0.5 s
    assert rms(samples[int(2.5 * 22050) : int(2.99 * 22050)]) < 1e-3
    assert rms(samples[int(3.0 * 22050) : int(3.3 * 22050)]) > 0.01


@pytest.mark.parametrize("program", range(0, 128, 8))
def test_no_note_of_any_family_clicks(bare, program):
    """A click is energy far above the highest harmonic: here above 12 kHz, for a low C."""
    rate = 44100
    notes = [(0, 0.4, 48, 100), (0.5, 0.03, 48, 100), (0.6, 0.2, 48, 127), (0.7, 0.5, 48, 90)]
    samples = synthesise(score(*notes, program=program), rate).samples
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    high = int(12_000 * len(samples) / rate)
    assert spectrum[high:].sum() < 1e-6 * spectrum.sum()
    assert abs(samples[0]) < 1e-3 and abs(samples[-1]) < 1e-6


def test_melody_and_accompaniment_can_be_told_apart(bare):
    """A violin holds its tone, a piano's dies away."""

    def held(program):
        samples = synthesise(score((0, 3, 67, 90), program=program), 22050).samples
        return rms(samples[int(2.5 * 22050) : int(2.9 * 22050)]) / rms(samples[4000:12000])

    assert held(40) > 0.9
    assert held(0) < 0.4


def test_a_louder_velocity_is_louder(bare):
    samples = synthesise(score((0, 1, 60, 40), (2, 1, 60, 120)), 22050).samples
    assert rms(samples[:22050]) * 2 < rms(samples[2 * 22050 : 3 * 22050])


def test_drums_are_strokes_however_long_they_are_written(bare):
    strokes = [(k, 0.9, pitch, 100) for k, pitch in enumerate((36, 38, 42, 45))]
    samples = synthesise(score(*strokes, is_drum=True), 22050).samples
    for k in range(4):
        assert rms(samples[k * 22050 : k * 22050 + 1000]) > 0.02
        assert rms(samples[k * 22050 + 15000 : (k + 1) * 22050]) < 1e-3


def test_a_repeated_pitch_is_struck_again(player):
    """The first note is written as long as both: the second cuts it and has its own attack."""
    rate = 22050
    samples = synthesise(score((0, 2, 60, 90), (1, 1, 60, 90)), rate).samples
    once = synthesise(score((0, 2, 60, 90)), rate).samples
    again = slice(int(1.0 * rate), int(1.3 * rate))
    assert rms(samples[again]) / rms(samples[: rate // 3]) > 1.1 * (
        rms(once[again]) / rms(once[: rate // 3])
    )


def test_a_score_without_notes_is_silence(player):
    empty = Score((Track("", 0, False, np.zeros((0, 4))),), np.array([[0.0, 120.0]]), (), "empty")
    samples = synthesise(empty, 22050).samples
    assert len(samples) and not np.abs(samples).max() > 1e-3


def test_a_score_of_days_is_refused_before_it_takes_memory():
    with pytest.raises(MusicFusionError, match="test lasts 1667 minutes; at most 30"):
        synthesise(score((0, 1, 60, 80), (99_999, 1, 60, 80)))


def test_many_tracks_each_have_a_channel(player, chorale):
    tracks = tuple(Track(str(k), k * 3, k == 9, chorale.tracks[0].notes[:4]) for k in range(40))
    sound = synthesise(Score(tracks, chorale.tempos, (), "many"), 22050)
    assert 0.2 < np.abs(sound.samples).max() <= 1


def test_a_song_of_three_minutes_takes_seconds(chorale, bare):
    long = [
        Track(
            track.name,
            track.program,
            False,
            np.concatenate([track.notes + (36 * k, 0, 0, 0) for k in range(8)]),
        )
        for track in chorale.tracks
    ]
    started = time.perf_counter()
    sound = synthesise(Score(tuple(long), chorale.tempos, (), "long"))
    assert len(sound.samples) > 180 * 44100
    assert time.perf_counter() - started < 15  # measured: 0.5


def test_a_wav_file_reads_back_and_clips_softly_at_full_scale(tmp_path):
    samples = np.array([0, 0.5, -0.5, 1, -1, 3, -3], np.float32)
    path = write_wav(tmp_path / "a.wav", samples, 22050)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22050)
        read = np.frombuffer(file.readframes(99), "<i2")
    assert read.tolist() == [0, 16384, -16384, 32767, -32767, 32767, -32767]
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


def test_importing_the_renderers_loads_nothing_heavy():
    heavy = "jax matplotlib music21 pretty_midi note_seq librosa fluidsynth scipy"
    code = (
        "import sys, musicfusion.render.audio, musicfusion.render.pianoroll,"
        " musicfusion.render.result, musicfusion.render.figures;"
        f"print(sorted(set({heavy.split()!r}) & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
