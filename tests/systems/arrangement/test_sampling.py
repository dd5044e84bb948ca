"""Reading recordings, and results that explain themselves."""

import io
import json

import numpy as np
import pytest
import soundfile

from musicfusion.codecs import mel
from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.arrangement import sampling

RATE = 22050


def tone(hertz=82.0, seconds=2.0, rate=RATE):
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def sampler(parts=("bass", "drums"), conditional=True, gain=0.0):
    """One whose target is the source, shifted to higher bands and as loud as `gain` makes it."""
    def translate(sources, density):
        return [np.clip(np.roll(mels, 8, axis=1) + gain + density, -1, 1) for mels in sources]

    return sampling.sampler(translate, source=parts[0], target=parts[1], bands=32, iterations=2, stage="cyclegan",
                            conditional=conditional)


def read(source):
    return sampling.read({"source": source}, {}, bands=32)


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
    with pytest.raises(MusicFusionError, match=r"^/.*bass.wav: hardly a sound in it$"):
        read(str(tmp_path / "bass.wav"))
    with pytest.raises(MusicFusionError, match=r"^source \(tuple\): hardly"):
        read((np.zeros(RATE), RATE))
    with pytest.raises(MusicFusionError, match="cannot be read as audio"):
        read(b"no sound")


def test_the_mix_is_the_sum_of_both_and_nothing_clips():
    (found,) = sampler(gain=0.4).generate([read((tone(), RATE))], {"density": 0.5}, [1])
    assert list(found.audio) == list(found.players) == ["mix", "drums", "bass"] and found.main == "mix"
    mix, drums, bass = (found.audio[name].samples for name in found.audio)
    np.testing.assert_allclose(mix, drums + bass, atol=1e-5)
    assert len(mix) == 2 * RATE and max(np.abs(mix).max(), np.abs(drums).max()) == pytest.approx(0.95, abs=1e-3)
    assert found.metadata["gain"] < 1 and found.metadata["seconds"] == 2 and found.metadata["stage"] == "cyclegan"
    assert "softer, so that nothing clips" in found.notices[0]
    np.testing.assert_allclose(bass, found.metadata["gain"] * tone(), atol=1e-6)
    assert "softer" not in sampler(gain=-1.2).generate([read((tone(), RATE))], {"density": 0.5}, [1])[0].notices[0]


def test_the_seed_draws_the_phases_of_a_piece_which_does_not_depend_on_the_others():
    piece, other = read((tone(), RATE)), read((tone(110.0, 3.0), RATE))
    alone, again, changed = (sampler().generate([piece], {"density": 0.2}, [seed])[0] for seed in (5, 5, 6))
    _, among = sampler().generate([other, piece], {"density": 0.2}, [1, 5])
    np.testing.assert_array_equal(alone.audio["drums"].samples, again.audio["drums"].samples)
    np.testing.assert_array_equal(alone.audio["drums"].samples, among.audio["drums"].samples)
    assert np.any(alone.audio["drums"].samples != changed.audio["drums"].samples)


def test_a_whole_song_as_target_is_told_from_the_mix():
    (found,) = sampler(("vocals", "mix")).generate([read((tone(), RATE))], {"density": 0.5}, [0])
    assert list(found.audio) == ["vocals-mix", "mix", "vocals"] and found.main == "vocals-mix"


def test_a_density_without_effect_is_said():
    piece = read((tone(), RATE))
    notices = [len(sampler(conditional=conditional).generate([piece], {"density": density}, [0])[0].notices)
               for conditional, density in ((True, 0.9), (False, 0.5), (False, 0.9))]
    assert notices == [1, 1, 2]


def test_a_result_is_saved_with_its_spectrograms_and_page(tmp_path):
    (found,) = sampler().generate([read((tone(), RATE))], {"density": 0.5}, [0])
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
