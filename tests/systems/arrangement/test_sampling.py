"""Reading recordings, and results that explain themselves."""

import io
import json

import numpy as np
import pytest
import soundfile

from musicfusion.codecs import inputs, mel
from musicfusion.core.contracts import Locked
from musicfusion.core.errors import MusicFusionError
from musicfusion.data.recordings import mel_spectrogram
from musicfusion.systems.arrangement import sampling, translation

RATE = 22050


def tone(hertz=82.0, seconds=2.0, rate=RATE):
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def sampler(parts=("bass", "drums"), conditional=True, gain=0.0):
    """One whose target is the source, shifted to higher bands and as loud as `gain` makes it."""
    def translate(sources, density, seeds=(), /):
        return [np.clip(np.roll(mels, 8, axis=1) + gain + density, -1, 1) for mels in sources]

    return sampling.sampler(translate, source=parts[0], target=parts[1], bands=32, iterations=2, stage="cyclegan",
                            conditional=conditional)


def read(source, **controls):
    return sampling.read({"source": source}, {"style": "", "intro": 0, "bpm": 0} | controls, bands=32)


def test_sound_may_be_a_file_its_bytes_or_samples(tmp_path):
    rate, wave = 44100, tone(rate=44100)
    soundfile.write(tmp_path / "bass.flac", np.stack([wave, wave], 1), rate)
    path, data, samples = (read(source) for source in (
        str(tmp_path / "bass.flac"), (tmp_path / "bass.flac").read_bytes(), (np.stack([wave, wave], 1), rate)))
    assert len(path.samples) == 2 * RATE and path.mels.shape == (mel.frames(2 * RATE), 32)
    np.testing.assert_array_equal(path.samples, data.samples)
    np.testing.assert_allclose(path.samples, samples.samples, atol=1e-3)


def test_silence_and_what_is_no_sound_are_refused_by_name(tmp_path):
    soundfile.write(tmp_path / "bass.wav", np.zeros(RATE), RATE)
    with pytest.raises(MusicFusionError, match=r"^/.*bass.wav: silent from beginning to end; a recording .* accepted$"):
        read(str(tmp_path / "bass.wav"))
    with pytest.raises(MusicFusionError, match=r"^source \(tuple\): silent"):
        read((np.zeros(RATE), RATE))
    with pytest.raises(MusicFusionError, match=r"^source \(tuple\): hardly a sound in it; a recording"):
        read((1e-5 * tone(), RATE))
    with pytest.raises(MusicFusionError, match="cannot be read as audio"):
        read(b"no sound")
    (tmp_path / "bass.mid").write_bytes(b"MThd")
    with pytest.raises(MusicFusionError, match=r"bass.mid: holds notes, which these weights do not take"):
        read(tmp_path / "bass.mid")


def test_controls_of_the_grid_are_refused():
    for name, value in (("style", "funk"), ("intro", 2), ("bpm", 90)):
        with pytest.raises(MusicFusionError, match=f"{name}: these weights translate sound and do not take it"):
            read((tone(), RATE), **{name: value})


def test_the_mix_is_the_sum_of_both_and_nothing_clips():
    (found,) = sampler(gain=0.4).generate([read((tone(), RATE))], {"density": 0.5}, [1], [None])
    assert list(found.audio) == list(found.players) == ["mix", "drums", "bass"] and found.main == "mix"
    mix, drums, bass = (found.audio[name].samples for name in found.audio)
    np.testing.assert_allclose(mix, drums + bass, atol=1e-5)
    assert len(mix) == 2 * RATE and max(np.abs(mix).max(), np.abs(drums).max()) == pytest.approx(0.95, abs=1e-3)
    assert found.metadata["gain"] < 1 and found.metadata["seconds"] == 2 and found.metadata["stage"] == "cyclegan"
    assert "softer, so that nothing clips" in found.notices[0]
    np.testing.assert_allclose(bass, found.metadata["gain"] * tone(), atol=1e-6)
    (quiet,) = sampler(gain=-1.2).generate([read((tone(), RATE))], {"density": 0.5}, [1], [None])
    assert "softer" not in quiet.notices[0]


def test_the_seed_draws_the_phases_of_a_piece_which_does_not_depend_on_the_others():
    piece, other = read((tone(), RATE)), read((tone(110.0, 3.0), RATE))
    alone, again, changed = (sampler().generate([piece], {"density": 0.2}, [seed], [None])[0] for seed in (5, 5, 6))
    _, among = sampler().generate([other, piece], {"density": 0.2}, [1, 5], [None, None])
    np.testing.assert_array_equal(alone.audio["drums"].samples, again.audio["drums"].samples)
    np.testing.assert_array_equal(alone.audio["drums"].samples, among.audio["drums"].samples)
    assert np.any(alone.audio["drums"].samples != changed.audio["drums"].samples)


def test_silence_at_both_ends_stays_so_that_the_target_fits(tmp_path):
    path = tmp_path / "bass.wav"
    soundfile.write(path, np.concatenate([np.zeros(3 * RATE), tone(), np.zeros(4 * RATE)]), RATE)
    with inputs.noticing() as notices:
        piece = read(path)
    assert len(piece.samples) == 9 * RATE and not piece.samples[: 3 * RATE].any()
    assert notices == [f"{path}: it begins with 3.0 s and ends with 4.0 s of silence, which is kept"]


def test_long_recordings_become_sound_piece_by_piece_and_it_is_told_how_far(monkeypatch):
    samples, mels = tone(seconds=30.0), mel_spectrogram(tone(seconds=30.0), 32)
    mels = np.asarray(mel.restored(mels))
    asked = {"samples": len(samples), "seed": 1, "iterations": 8, "name": "drums"}
    whole = sampling.reconstruct(mels, **asked)
    np.testing.assert_array_equal(whole, translation.reconstruct(mels, samples=len(samples), seed=1, iterations=8))
    said = []
    monkeypatch.setattr(sampling, "working", said.append)
    monkeypatch.setattr(sampling, "WHOLE", 1000)
    monkeypatch.setattr(sampling, "PIECE", 512)
    pieces = sampling.reconstruct(mels, **asked)
    assert pieces.shape == whole.shape and pieces.dtype == np.float32
    assert said == [f"drums: minute {k} of 0 as sound" for k in (0, 0, 0)]
    loud, wanted = (np.sqrt(np.mean(sound[: len(sound) // RATE * RATE].reshape(-1, RATE // 5) ** 2, 1))
                    for sound in (pieces, whole))
    assert np.all(np.abs(loud / wanted - 1)[1:-2] < 0.5)  # at the joints, too


def test_the_terminal_is_told_what_takes_long(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(sampling, "working", said.append)
    monkeypatch.setattr(sampling, "LARGE", 1000)
    path = tmp_path / "bass.wav"
    soundfile.write(path, tone(), RATE)
    piece = read(path)
    monkeypatch.setattr(sampling, "LONG", 1.0)
    sampler().generate([piece], {"density": 0.5}, [0], [None])
    assert said == [f"reading {path}", "drums for 0 minutes of bass: mel-spectrogram"]


def test_a_whole_song_as_target_is_told_from_the_mix():
    (found,) = sampler(("vocals", "mix")).generate([read((tone(), RATE))], {"density": 0.5}, [0], [None])
    assert list(found.audio) == ["vocals-mix", "mix", "vocals"] and found.main == "vocals-mix"


def test_a_density_without_effect_is_said():
    piece = read((tone(), RATE))
    notices = [len(sampler(conditional=conditional).generate([piece], {"density": density}, [0], [None])[0].notices)
               for conditional, density in ((True, 0.9), (False, 0.5), (False, 0.9))]
    assert notices == [1, 1, 2]


def test_a_result_is_saved_with_its_spectrograms_and_page(tmp_path):
    (found,) = sampler().generate([read((tone(), RATE))], {"density": 0.5}, [0], [None])
    files = found.save(tmp_path / "out")
    assert files == [tmp_path / "out" / "index.html", tmp_path / "out" / "mix.wav"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "index.html", "metadata.json", "mix.wav", "drums.wav", "bass.wav", "spectrograms.png"}
    assert json.loads((tmp_path / "out" / "metadata.json").read_text())["notices"][0].startswith("drums of 2 s")


def test_demo_inputs_are_recordings_that_can_be_read(tmp_path, crops, recordings):
    songs = crops.songs(recordings, "test", count=2, seconds=5.0)
    found = sampling.demo_inputs(songs, tmp_path, source="bass", seconds=1.0, seed=0, iterations=2)
    assert [given["source"] for given in found] == [str(tmp_path / f"{k}-bass.wav") for k in (1, 2)]
    samples, rate = soundfile.read(io.BytesIO((tmp_path / "1-bass.wav").read_bytes()))
    assert rate == RATE and len(samples) == int(RATE / 512) * 512


def test_nothing_of_sound_can_be_locked():
    piece = read((tone(), RATE))
    (found,) = sampler().generate([piece], {"density": 0.5}, [1], [None])
    with pytest.raises(MusicFusionError, match="locked: arrangement makes sound, of which nothing can be locked") as no:
        sampler().generate([piece], {"density": 0.5}, [2], [Locked(found, ((0, 1, None),))])
    assert "\n" not in str(no.value)
