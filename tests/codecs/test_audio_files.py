"""Audio files are read whatever their kind, depth, rate and channels, or refused in one line."""

import tracemalloc

import numpy as np
import pytest
import soxr
from sounds import encode, plucked, read_at_once, spoken, sweep, tone

from musicfusion.codecs import audio, inputs
from musicfusion.core.errors import MusicFusionError

SECONDS = 1.5  # of a tone
FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS"), ".mp3": ("MP3", None),
           ".aiff": ("AIFF", "PCM_16"), ".aif": ("AIFF", "PCM_16"), ".opus": ("OGG", "OPUS")}
DEPTHS = [("WAV", depth) for depth in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW",
                                       "IMA_ADPCM", "MS_ADPCM")]
DEPTHS += [("WAVEX", depth) for depth in ("PCM_16", "PCM_24", "PCM_32", "FLOAT")]
DEPTHS += [("AIFF", depth) for depth in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW")]
DEPTHS += [("FLAC", "PCM_S8"), ("FLAC", "PCM_24"), ("RF64", "PCM_16"), ("RF64", "FLOAT"), ("W64", "PCM_24"),
           ("CAF", "ALAC_16"), ("AU", "ULAW")]


@pytest.mark.parametrize("kind", audio.KINDS)
@pytest.mark.parametrize(("rate", "channels"), [(22050, 1), (44100, 2)])
def test_every_kind_of_file_is_read_at_our_rate_and_as_loud_as_it_is(tmp_path, kind, rate, channels):
    path = tmp_path / f"tone{kind}"
    rate = 24000 if kind == ".opus" else rate
    path.write_bytes(encode(tone(rate, channels), rate, *FORMATS[kind]))
    samples = audio.read(path)
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert len(samples) == pytest.approx(SECONDS * 22050, abs=2500)  # MP3 pads
    middle = samples[8000:24000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.4 / np.sqrt(2), rel=0.03)
    loudest = np.argmax(np.abs(np.fft.rfft(middle)))
    assert loudest * 22050 / len(middle) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != ".aif"])
@pytest.mark.parametrize(("sound", "rate"), [(spoken, 16000), (sweep, 48000), (plucked, 24000)])
def test_plain_files_are_read_to_the_bit_as_at_once(kind, sound, rate):
    data = encode(sound(rate), rate, *FORMATS[kind])
    read = audio.recording(data, "file")
    np.testing.assert_array_equal(read.samples, read_at_once(data))
    assert read.notices == ()


@pytest.mark.parametrize(("form", "depth"), DEPTHS)
def test_every_depth_is_read(form, depth):
    data = encode(sweep(44100), 44100, form, depth)
    read = audio.recording(data, "file")
    np.testing.assert_array_equal(read.samples, read_at_once(data))
    near = 0.03 if depth in ("PCM_U8", "PCM_S8", "ALAW", "ULAW", "IMA_ADPCM", "MS_ADPCM") else 1e-3
    np.testing.assert_allclose(read.samples[:80000], soxr.resample(sweep(44100).mean(1), 44100, 22050)[:80000],
                               atol=near)
    assert read.notices == ()


@pytest.mark.parametrize("rate", [1000, 8000, 11025, 22051, 32000, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("length", [1, 5, 5000, 65536, 131072, 131073, 300000])
def test_any_rate_and_length_gives_what_resampling_at_once_gives(rate, length):
    samples = np.random.default_rng(0).normal(0, 0.1, length).astype(np.float32)
    data = encode(samples, rate, "WAV", "FLOAT")
    np.testing.assert_array_equal(audio.recording(data, "file").samples, read_at_once(data))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int32])
@pytest.mark.parametrize("shape", [(70000,), (200000, 2)])
def test_samples_of_a_program_are_read_to_the_bit_as_at_once(dtype, shape):
    samples = np.random.default_rng(0).normal(0, 0.1, shape)
    whole = np.issubdtype(dtype, np.integer)
    samples = (samples * (np.iinfo(dtype).max if whole else 1)).astype(dtype)
    scale = -float(np.iinfo(dtype).min) if whole else 1.0
    mono = np.asarray(samples, np.float32).reshape(len(samples), -1).mean(axis=1) / scale
    np.testing.assert_array_equal(inputs.read_sound((samples, 48000), "source"), soxr.resample(mono, 48000, 22050))


def test_content_says_what_a_file_is(tmp_path):
    wanted = audio.read(tmp_path / "a.wav") if (tmp_path / "a.wav").write_bytes(encode(tone(22050), 22050)) else None
    for name in ("b.mp3", "c.raw", "d.txt", "e", "f.WAV"):
        (tmp_path / name).write_bytes((tmp_path / "a.wav").read_bytes())
        np.testing.assert_array_equal(audio.read(tmp_path / name), wanted)


# Channels, offset, silence ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 6, 8])
def test_more_than_two_channels_are_averaged_and_it_is_said(channels):
    samples = tone(48000, channels) * np.linspace(0.1, 1, channels, dtype=np.float32)
    data = encode(samples, 48000, "WAVEX", "PCM_24")
    read = audio.recording(data, "file")
    np.testing.assert_array_equal(read.samples, read_at_once(data))
    assert read.notices == (f"its {channels} channels are averaged",)


@pytest.mark.parametrize(("weights", "loudest"), [((1, -1), 1), ((0.5, -0.52), 2), ((-0.9, 0.8), 1),
                                                  ((0.4, -0.5, 0.1), 2)])
def test_where_channels_cancel_the_loudest_is_taken(weights, loudest):
    samples = tone(44100) * np.array(weights, np.float32)
    read = audio.recording(encode(samples, 44100, "WAV", "FLOAT"), "file")
    wanted = soxr.resample(samples[:, loudest - 1], 44100, 22050)
    np.testing.assert_array_equal(read.samples, wanted)
    assert read.notices == (f"its {len(weights)} channels cancel each other: only the loudest is used,"
                            f" number {loudest}",)


@pytest.mark.parametrize("weights", [(1, 0), (1, -0.3), (1, 0.1), (0, 0, 0, 0, 0, 1)])
def test_channels_that_do_not_cancel_are_averaged(weights):
    data = encode(tone(44100) * np.array(weights, np.float32), 44100, "WAV", "FLOAT")
    np.testing.assert_array_equal(audio.recording(data, "file").samples, read_at_once(data))


def test_a_notable_offset_is_taken_off_and_a_small_one_left():
    plain = sweep(22050)
    read = audio.recording(encode(plain + np.float32(0.1), 22050, "WAV", "FLOAT"), "file")
    np.testing.assert_allclose(read.samples, plain.mean(1) - plain.mean(), atol=1e-6)
    assert read.notices == ("a DC offset of 0.100 is taken off",)
    data = encode(plain + np.float32(0.002), 22050, "WAV", "FLOAT")
    np.testing.assert_array_equal(audio.recording(data, "file").samples, read_at_once(data))
    opposite = audio.recording(encode(plain + np.array([0.3, -0.3], np.float32), 22050, "WAV", "FLOAT"), "file")
    np.testing.assert_allclose(opposite.samples, plain.mean(1), atol=1e-6)
    assert opposite.notices == ()


def test_silence_at_both_ends_is_kept_and_said():
    silence = np.zeros((3 * 44100, 1), np.float32)
    read = audio.recording(encode(np.concatenate([silence, tone(44100), silence, silence]), 44100), "file")
    assert len(read.samples) == pytest.approx((9 + SECONDS) * 22050, abs=1)
    assert read.notices == ("it begins with 3.0 s and ends with 6.0 s of silence, which is kept",)
    assert np.flatnonzero(np.abs(read.samples) > 0.1)[0] == pytest.approx(3 * 22050, abs=60)
    assert audio.recording(encode(silence, 44100), "file").notices == ()


def test_what_is_noticed_is_collected_with_the_name_of_its_source(tmp_path):
    opposite = tone(22050) * np.array([1, -1], np.float32)
    (tmp_path / "bass.wav").write_bytes(encode(opposite, 22050))
    with inputs.noticing() as notices:
        for source in (tmp_path / "bass.wav", (tmp_path / "bass.wav").read_bytes(), (opposite, 22050)):
            inputs.read_sound(source, "source")
    line = "its 2 channels cancel each other: only the loudest is used, number 1"
    assert notices == [f"{tmp_path}/bass.wav: {line}", f"source (bytes): {line}", f"source (tuple): {line}"]


# Length -------------------------------------------------------------------------------------------------------------


def hours(path, count, rate):
    """A WAV file of silence, 16 bit mono, that does not say how long it is, with a second of sound at its end."""
    head = encode(np.zeros(0, np.float32), rate)[:44]
    with path.open("wb") as file:
        file.write(head)
        file.seek(int((count * 3600 - 1) * rate) * 2, 1)  # nothing is written there
        file.write((tone(rate, seconds=1.0)[:, 0] * 32767).astype("<i2").tobytes())


def test_hours_are_read_in_little_memory_and_keep_their_place(tmp_path):
    path = tmp_path / "rehearsal.wav"
    hours(path, 2, 8000)
    tracemalloc.start()
    try:
        read = audio.recording(path, "rehearsal.wav", rate=1000)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(read.samples) == 2 * 3600 * 1000
    assert peak - kept < 24 << 20 < 8 * path.stat().st_size  # of samples at once there would be 230 MB
    assert np.flatnonzero(np.abs(read.samples) > 0.1)[0] == pytest.approx((2 * 3600 - 1) * 1000, abs=20)
    assert read.notices == ("its header does not say how long it is: all that follows is read as sound",
                            "it begins with 119:59 minutes of silence, which is kept")


def test_what_lasts_too_long_is_refused(tmp_path):
    hours(tmp_path / "day.wav", 4.1, 8000)
    with pytest.raises(MusicFusionError, match=r"day.wav: lasts longer than 4 hours, .* a part of it is accepted"):
        audio.read(tmp_path / "day.wav")
    with pytest.raises(MusicFusionError, match=r"^source: lasts longer than 4 hours"):
        inputs.read_sound((np.zeros(4 * 3600 * 1000 + 1, np.int16), 1000), "source")


# Refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("content", "words"), [
    (b"", "cannot be read as audio .the file is empty."), (b"MThd" * 50, "a MIDI file.; accepted are .wav"),
    (b"<!DOCTYPE html><html>404</html>", "a web page"), (b"PK\3\4" + bytes(99), "a ZIP archive"),
    (b"x", "accepted are"), (b"RIFF", "accepted are"), (b"fLaC", "accepted are"), (b"OggS", "accepted are"),
    (b"ID3" + bytes(99), "accepted are"),
    (np.random.default_rng(0).bytes(5000), "what ffmpeg converts: ffmpeg -i IN OUT.wav"),
])
def test_what_is_no_audio_is_refused(tmp_path, content, words):
    path = tmp_path / "song.wav"
    path.write_bytes(content)
    with pytest.raises(MusicFusionError, match=words) as refused:
        audio.read(path)
    assert "\n" not in str(refused.value) and str(refused.value).startswith(f"{path}: ")


FOREIGN = {
    "m4a": b"\0\0\0\x20ftypM4A " + bytes(200), "mp4": b"\0\0\0\x18ftypisom" + bytes(99), "mov": b"\0\0\0\x14ftypqt  ",
    "old.mov": b"\0\0\1\0moov" + bytes(99), "mkv": b"\x1a\x45\xdf\xa3\1\0\0\0\0\0\0\x23B\x86\x81\1",
    "webm": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1", "aac": b"\xff\xf1\x50\x80\x2e\x7f\xfc" + bytes(99),
    "tagged.aac": b"ID3\4\0\0\0\0\0\x05abcde\xff\xf9\x50\x80\x2e\x7f\xfc", "wma": b"0&\xb2u\x8ef\xcf\x11" + bytes(99),
    "avi": b"RIFF\0\1\0\0AVI LIST", "ogv": b"OggS\0\2" + bytes(22) + b"\x80theora" + bytes(99),
    "amr": b"#!AMR\n" + bytes(99), "ts": (b"\x47" + bytes(187)) * 4,
}


@pytest.mark.parametrize("suffix", FOREIGN)
def test_films_and_other_codecs_are_refused_with_the_command_that_converts_them(tmp_path, suffix):
    path = tmp_path / f"my phone.{suffix}"
    path.write_bytes(FOREIGN[suffix])
    with pytest.raises(MusicFusionError, match="which cannot be read; ffmpeg converts it") as refused:
        audio.read(path)
    assert str(refused.value).endswith(f": ffmpeg -i '{path}' '{path.with_suffix('.wav')}'")
    with pytest.raises(MusicFusionError, match=r"^source: .*: ffmpeg -i IN OUT.wav$"):
        audio.parse(FOREIGN[suffix], "source")


def test_an_empty_recording_and_one_of_no_numbers_are_refused():
    for samples, words in ((np.zeros((0, 1), np.float32), "no sound"), (np.full((9, 1), np.nan, np.float32), "no num"),
                           (np.full((9, 1), 1e30, np.float32), "no num")):
        with pytest.raises(MusicFusionError, match=words):
            audio.parse(encode(samples, 22050, "WAV", "FLOAT"), "odd.wav")


def test_a_few_samples_that_are_no_numbers_are_silent():
    samples = sweep(22050)
    samples[[100, 5000]] = np.nan, np.inf
    read = audio.recording(encode(samples, 22050, "WAV", "FLOAT"), "file")
    assert read.samples[100] == read.samples[5000] == 0 and np.isfinite(read.samples).all()
    assert read.notices == ("4 samples that are no numbers are taken for silence",)


@pytest.mark.parametrize("source", [(np.zeros((2, 5000)), 22050), (np.ones(9), "a"), (np.ones(9), 10**9)])
def test_samples_of_another_shape_or_rate_are_refused(source):
    with pytest.raises(MusicFusionError, match=r"^source: .*accepted"):
        inputs.read_sound(source, "source")


def test_sounds_for_a_page_are_as_good_as_the_space_allows(monkeypatch):
    sound = audio.Audio(np.random.default_rng(0).normal(0, 0.1, 22050).astype(np.float32))
    sizes = []
    for level in audio.QUALITIES:
        with monkeypatch.context() as patch:
            patch.setattr(audio, "QUALITIES", (level,))
            sizes.append(len(audio.oggs([sound], 0)[0]))
    assert sizes == sorted(sizes, reverse=True)
    for most, wanted in ((sizes[0], sizes[0]), (sizes[1], sizes[1]), (sizes[2] - 1, sizes[3]), (1, sizes[3])):
        assert len(audio.oggs([sound], most)[0]) == wanted


def test_long_sounds_for_which_there_is_no_space_are_known_before_they_are_compressed():
    long = [audio.Audio(np.random.default_rng(k).normal(0, 0.1, 60 * 22050).astype(np.float32)) for k in range(2)]
    size = sum(map(len, audio.oggs(long, 1)))
    assert audio.are_too_large(long, size // 2) and not audio.are_too_large(long, size)
    short = [sound._replace(samples=sound.samples[:22050]) for sound in long]
    assert not audio.are_too_large(short, 1), "they are compressed as soon as looked at"
