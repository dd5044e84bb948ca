"""Audio files are read whatever their kind, rate and channels, or refused in one line."""

import numpy as np
import pytest
import soundfile

from musicfusion.codecs import audio
from musicfusion.core.errors import MusicFusionError

SECONDS = 1.5


def tone(rate, channels=1):
    wave = 0.4 * np.sin(2 * np.pi * 440 * np.arange(int(SECONDS * rate)) / rate)
    return np.repeat(wave[:, None], channels, 1).astype(np.float32)


@pytest.mark.parametrize("kind", audio.KINDS)
@pytest.mark.parametrize(("rate", "channels"), [(22050, 1), (44100, 2)])
def test_every_kind_of_file_is_read_at_our_rate_and_as_loud_as_it_is(tmp_path, kind, rate, channels):
    path = tmp_path / f"tone{kind}"
    soundfile.write(path, tone(rate, channels), rate)
    samples = audio.read(path)
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert len(samples) == pytest.approx(SECONDS * 22050, abs=2500)  # MP3 pads
    middle = samples[8000:24000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.4 / np.sqrt(2), rel=0.03)
    loudest = np.argmax(np.abs(np.fft.rfft(middle)))
    assert loudest * 22050 / len(middle) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(("content", "words"), [(b"", "cannot be read as audio"), (b"MThd" * 50, "accepted are .wav")])
def test_what_is_no_audio_is_refused(tmp_path, content, words):
    path = tmp_path / "song.wav"
    path.write_bytes(content)
    with pytest.raises(MusicFusionError, match=words) as refused:
        audio.read(path)
    assert "\n" not in str(refused.value)


def test_an_empty_recording_and_one_of_no_numbers_are_refused(tmp_path):
    for samples, words in ((np.zeros((0, 1), np.float32), "no sound"), (np.full((9, 1), np.nan, np.float32), "no num")):
        path = tmp_path / "odd.wav"
        soundfile.write(path, samples, 22050, subtype="FLOAT")
        with pytest.raises(MusicFusionError, match=words):
            audio.read(path)
