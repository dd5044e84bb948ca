"""Audio files as they are met in the wild: sizes that are wrong, ends that are missing, damage, tags."""

import random
import struct
import time

import fuzz
import numpy as np
import pytest
from sounds import encode, plucked, read_at_once, sweep, tone

from musicfusion.codecs import audio
from musicfusion.core.errors import MusicFusionError

RATE = 44100
UNSIZED = ("its header does not say how long it is: all that follows is read as sound",)
NOISE = np.random.default_rng(0).bytes(3000)


def music(seconds=4):
    """Notes and noise, stereo."""
    noise = np.random.default_rng(1).normal(0, 0.02, (seconds * RATE, 2))
    return (np.tile(plucked(RATE), (-(-seconds // 4), 1))[: seconds * RATE] * 0.3 + noise).astype(np.float32)


def replaced(data, at, new):
    return data[:at] + new + data[at + len(new) :]


def damaged(data, share=0.5):
    return replaced(data, int(share * len(data)), NOISE)


def read(data):
    found = audio.recording(data, "file")
    return found.samples, found.notices


# Sizes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF])
@pytest.mark.parametrize("whole", [True, False])
def test_a_wav_file_that_was_streamed_or_never_closed_is_read_to_its_end(size, whole):
    plain = encode(music(), RATE)
    field = struct.pack("<I", size)
    streamed = replaced(plain, plain.index(b"data") + 4, field)
    samples, notices = read(replaced(streamed, 4, field) if whole else streamed)
    np.testing.assert_array_equal(samples, read_at_once(plain))
    assert notices == UNSIZED


@pytest.mark.parametrize("form", ["RF64", "W64", "AIFF"])
def test_other_formats_that_do_not_say_how_long_they_are(form):
    plain = encode(music(), RATE, form)
    streamed = {
        "RF64": lambda: replaced(plain, 20, bytes(24)),
        "W64": lambda: replaced(plain, plain.index(b"data\xf3") + 16, struct.pack("<Q", 24)),
        "AIFF": lambda: replaced(replaced(plain, plain.index(b"SSND") + 4, bytes(4)), 22, bytes(4)),
    }[form]()
    samples, notices = read(streamed)
    np.testing.assert_array_equal(samples, read_at_once(plain))
    assert notices == UNSIZED


def test_wav_files_with_other_chunks_are_read():
    plain = encode(music(), RATE)
    at = plain.index(b"data")
    more = plain[:at] + b"JUNK" + struct.pack("<I", 3) + b"abc\0" + plain[at:] + b"LIST\4\0\0\0INFO"
    assert read(more)[1] == ()
    np.testing.assert_array_equal(read(more)[0], read_at_once(plain))
    np.testing.assert_array_equal(read(b"BW64" + encode(music(), RATE, "RF64")[4:])[0], read_at_once(plain))
    with pytest.raises(MusicFusionError, match="holds no sound"):
        read(plain[: at + 4] + bytes(4) + b"LIST\4\0\0\0INFO")


@pytest.mark.parametrize("times", [1, 3])
def test_a_chunk_that_is_not_filled_up_does_no_harm(times):
    plain = encode(music(), RATE)
    at = plain.index(b"data")
    odd = b"LIST" + struct.pack("<I", 13) + b"INFOISFT\x01\0\0\0a"
    np.testing.assert_array_equal(read(plain[:at] + odd * times + plain[at:])[0], read_at_once(plain))


def test_of_two_sounds_in_one_file_the_first_is_read_and_the_other_said():
    plain = encode(music(), RATE)
    samples, notices = read(plain + encode(tone(RATE), RATE))
    np.testing.assert_array_equal(samples, read_at_once(plain))
    assert notices == ("another sound follows it in the same file: the first is read",)


def test_a_thousand_odd_chunks_take_no_time():
    plain = encode(music(1), RATE)
    at, began = plain.index(b"data"), time.monotonic()
    assert len(read(plain[:at] + (b"JUNK" + struct.pack("<I", 1) + b"\xff") * 990 + plain[at:])[0]) == audio.RATE
    assert time.monotonic() - began < 10


def test_a_wav_file_of_more_than_4_gib_is_read_as_one(tmp_path):
    path = tmp_path / "long.wav"
    head = encode(np.zeros((0, 8), np.float32), 48000, "WAV", "PCM_32")
    size = 2**32 + 48000 * 32  # bytes of sound: 8 channels of 32 bits, three quarters of an hour
    with path.open("wb") as file:
        file.write(replaced(head, head.index(b"data") + 4, struct.pack("<I", size - 2**32)))
        file.truncate(len(head) + size)
    with path.open("rb") as file:
        from musicfusion.codecs import audio_bytes, audio_decode

        opened = audio_bytes.opened(file, "long.wav", True)
        decoder = audio_decode.Decoder(opened.view)
        assert decoder.frames == size // 32 and opened.said == UNSIZED
        decoder.close()


# Cut ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["WAV", "RF64", "W64", "AIFF", "FLAC", "MP3"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_of_a_cut_file_what_is_there_is_used_and_said(form, share):
    plain = encode(music(), RATE, form, None if form == "MP3" else "PCM_16")
    samples, notices = read(plain[: int(share * len(plain))])
    assert len(samples) / audio.RATE == pytest.approx(4 * share, abs=0.15)
    np.testing.assert_allclose(samples[:-2000], read_at_once(plain)[: len(samples) - 2000], atol=1e-6)
    assert notices == (f"it is incomplete: {len(samples) / audio.RATE:.1f} s of 4.0 s could be decoded",)


@pytest.mark.parametrize(("codec", "rate"), [("VORBIS", RATE), ("OPUS", 48000)])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.999])
def test_of_a_cut_ogg_file_the_last_page_is_used_too(codec, rate, share):
    plain = encode(music(), rate, "OGG", codec)
    samples, notices = read(plain[: int(share * len(plain))])
    whole = read_at_once(plain)
    assert len(samples) / len(whole) == pytest.approx(share, abs=0.08)
    np.testing.assert_allclose(samples[:-2000], whole[: len(samples) - 2000], atol=1e-6)
    assert len(notices) == 1 and notices[0].startswith("it is cut off: its end is missing, and ")


def test_an_ogg_file_in_one_page_that_is_cut(tmp_path):
    wave = (0.3 * np.sin(2 * np.pi * 110 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    (tmp_path / "cut.ogg").write_bytes(encode(wave, RATE, "OGG", "VORBIS")[:-1500])
    assert len(audio.read(tmp_path / "cut.ogg")) > 0.5 * audio.RATE


def test_a_flac_stream_of_unknown_length_is_read_and_its_cut_is_said():
    plain = encode(music(), RATE, "FLAC")
    stream = replaced(plain, 21, bytes([plain[21] & 0xF0]) + bytes(4))
    samples, notices = read(stream)
    np.testing.assert_array_equal(samples, read_at_once(plain))
    assert notices == ()
    assert read(stream[: len(stream) // 2])[1][0].startswith("it is cut off: its end is missing")


# Damage -------------------------------------------------------------------------------------------------------------


def test_what_stands_behind_damage_in_flac_is_read_at_its_place():
    plain = encode(music(8), RATE, "FLAC")
    samples, notices = read(damaged(plain))
    wanted = read_at_once(plain)
    assert len(samples) == len(wanted)
    assert len(notices) == 1 and notices[0].endswith("s of it, in the middle, cannot be decoded and are silent")
    same = np.abs(samples - wanted) < 1e-6
    assert same[: int(3.7 * audio.RATE)].all() and same[int(4.5 * audio.RATE) :].all()


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (44100, 1), (22050, 2), (8000, 1)])
def test_what_stands_behind_damage_in_mp3_is_read_at_its_place(rate, channels, capfd):
    plain = encode(np.repeat(sweep(rate)[:, :1], channels, 1), rate, "MP3", None)
    noise = NOISE[: len(plain) // 20]
    samples, notices = read(replaced(plain, len(plain) // 2, noise))
    wanted = read_at_once(plain)
    assert len(samples) == len(wanted) and np.abs(samples).max() < 1.2 * np.abs(wanted).max()
    apart = np.flatnonzero(np.abs(samples - wanted) > 1e-3) / audio.RATE
    assert len(apart) and apart[0] > 1.5 and apart[-1] < 3.2
    assert len(notices) == 1 and notices[0].endswith("s of it are damaged, and silent")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("length", [5, 25, 26, 27])
def test_an_ogg_file_that_ends_in_its_first_header_is_refused_in_one_line(length):
    data = encode(music(1), RATE, "OGG", "VORBIS")[:length]
    assert not fuzz.run_once("audio", data)  # refused, and by no error of our own


def test_an_ogg_file_with_a_hole_is_read():
    samples, notices = read(damaged(encode(music(8), RATE, "OGG", "VORBIS")))
    assert 4 < len(samples) / audio.RATE < 8 and "could be decoded" in notices[0]


# MP3 and its tags ---------------------------------------------------------------------------------------------------


def id3(size, kind=b"APIC"):
    """An ID3 tag with a cover of so many bytes."""
    picture = b"\0image/jpeg\0\3\0" + (b"\xff\xd8\xff\xe0\xff\xfb\x90\x44" * (size // 8 + 1))[:size]
    frame = kind + struct.pack(">I", len(picture)) + b"\0\0" + picture
    return b"ID3\3\0\0" + bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0)) + frame


@pytest.mark.parametrize("tag", [b"", id3(100), id3(300_000), id3(3_000_000), id3(10) + id3(5000)])
@pytest.mark.parametrize("end", [b"", b"TAG" + b"x" * 125, b"APETAGEX" + bytes(24)])
def test_tags_and_covers_are_passed_over(tag, end):
    plain = encode(music(), RATE, "MP3", None)
    samples, notices = read(tag + plain + end)
    np.testing.assert_array_equal(samples, read_at_once(plain))
    assert notices == ()


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "AIFF"])
def test_tags_do_no_harm_where_nobody_expects_them(form):
    plain = encode(music(), RATE, form, "VORBIS" if form == "OGG" else "PCM_16")
    np.testing.assert_array_equal(read(id3(1000) + plain)[0], read_at_once(plain))


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (22050, 2), (16000, 1)])
def test_an_mp3_file_whose_bit_rate_changes_is_read_to_its_end_though_it_does_not_say_how_long_it_is(rate, channels):
    noise = np.random.default_rng(0).normal(0, 0.1, (4 * rate, channels)).astype(np.float32)
    plain = encode(np.concatenate([noise, tone(rate, channels, 4.0)]), rate, "MP3", None)
    first = plain.index(plain[:2], 30)  # behind the frame that says it
    assert len(read_at_once(plain[first:])) < 7 * audio.RATE
    samples, _ = read(plain[first:])
    assert len(samples) / audio.RATE == pytest.approx(8, abs=0.2)
    assert np.abs(samples[-audio.RATE :]).max() == pytest.approx(0.4, rel=0.1)


def test_bytes_before_an_mp3_file_are_passed_over_and_said():
    plain = encode(music(), RATE, "MP3", None)
    samples, notices = read(bytes(1000) + plain)
    np.testing.assert_array_equal(samples, read_at_once(plain))
    assert notices == ("1,000 bytes before the sound are passed over",)


# Mutants ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "depth"), [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"),
                                             ("OGG", "VORBIS"), ("MP3", None), ("AIFF", "PCM_24")])
def test_mutants_are_read_or_refused_in_one_line_and_nothing_is_printed(form, depth, capfd):
    plain, draw, count = encode(music(1), RATE, form, depth), random.Random(7), 0
    for _ in range(100):
        mutant = bytearray(plain)
        until = draw.choice((200, len(mutant)))
        for _ in range(draw.choice((1, 2, 8, 64))):
            mutant[draw.randrange(until)] = draw.randrange(256)
        if draw.random() < 0.3:
            del mutant[draw.randrange(len(mutant)) :]
        try:
            with fuzz.limited():
                samples, _ = read(bytes(mutant))
            count += 1
            assert np.isfinite(samples).all() and len(samples) < audio.LONGEST * audio.RATE
        except MusicFusionError as error:
            assert "\n" not in str(error) and str(error).startswith("file: ")
            assert not fuzz.is_ours(error.__context__), error
    assert count > 10
    assert capfd.readouterr().err == ""
