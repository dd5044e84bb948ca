"""What a MIDI file means beside its notes: drums, names, lyrics, the sustain pedal, silence; and who is told of it."""

import json

import numpy as np
import pytest
from midi_bytes import END, control, exclusive, meta, note, parse, program, rows, song, track

import musicfusion
from musicfusion import sample
from musicfusion.codecs import inputs, midi
from musicfusion.codecs.score import Score, Track, sustained
from musicfusion.core.contracts import Declaration, Input, Sampler
from musicfusion.core.errors import MusicFusionError
from musicfusion.render.result import SampleResult
from musicfusion.systems.collagenet.sampling import read_pair


def bank(number: int, kit: int = 0, channel: int = 0) -> bytes:
    return control(0, number, channel) + control(32, 0, channel) + program(kit, channel)


def roland(block: int, use: int) -> bytes:
    """GS: use for rhythm part."""
    return exclusive(bytes((0x41, 0x10, 0x42, 0x12, 0x40, 0x10 | block, 0x15, use, 0)))


def yamaha(part: int, mode: int) -> bytes:
    """XG: part mode."""
    return exclusive(bytes((0x43, 0x10, 0x4C, 0x08, part, 0x07, mode)))


GS_RESET = exclusive(b"\x41\x10\x42\x12\x40\x00\x7f\x00\x41")
DRUMS = {
    "channel 10": (note(channel=9), True),
    "GM2, channel 1": (bank(120) + note(), True),
    "GM2, channel 16": (bank(120, 8, 15) + note(channel=15), True),
    "GM2, a melody on channel 10": (bank(121, 0, 9) + note(channel=9), False),
    "XG, a kit": (bank(127, 25, 10) + note(channel=10), True),
    "XG, effects": (bank(126, 1, 3) + note(channel=3), True),
    "XG, a part mode": (yamaha(4, 2) + note(channel=4), True),
    "XG, a melody on channel 10": (yamaha(9, 0) + note(channel=9), False),
    "XG, a melody by mode and drums by bank": (yamaha(4, 0) + bank(127, 0, 4) + note(channel=4), True),
    "GS, part 1": (roland(1, 1) + note(), True),
    "GS, part 16": (roland(15, 2) + note(channel=15), True),
    "GS, a melody on channel 10": (roland(0, 0) + note(channel=9), False),
    "GS, another part": (roland(2, 1) + note(), False),
    "GS, sounds of an MT-32": (GS_RESET + bank(127, 5) + note(), False),
    "sounds of an MT-32 whose number no kit has": (bank(127, 101) + note(), False),
    "a bank without a program": (control(0, 120) + note(), False),
    "another bank": (bank(8, 4) + note(), False),
    "a message of somebody else": (exclusive(b"\x41\x10\x16\x12\x40\x11\x15\x01\0") + note(), False),
}


@pytest.mark.parametrize("case", DRUMS)
def test_drums_are_those_of_channel_10_and_of_what_gm2_gs_and_xg_give_to_them(case):
    events, is_drum = DRUMS[case]
    (found,) = parse(events).tracks
    assert found.is_drum == is_drum


def test_a_message_makes_drums_of_other_tracks_too_and_a_bank_holds_from_the_first_track_on():
    score = parse(roland(11, 1) + bank(120, 0, 3), note(channel=11), note(62, 3), note(64, 4))
    assert [one.is_drum for one in score.tracks] == [True, True, False]
    score = parse(note(channel=11), roland(11, 1))
    assert score.tracks[0].is_drum, "also of those before it"


def test_a_channel_may_go_over_to_the_drums_and_back():
    score = parse(note() + bank(120) + note(36) + bank(0) + note(64))
    assert [(one.is_drum, len(one.notes)) for one in score.tracks] == [(False, 2), (True, 1)]


# Notes that are told to end.


def struck(*pitches: int, channel: int = 0) -> bytes:
    return b"".join(bytes((0, 0x90 | channel, pitch, 80)) for pitch in pitches)


@pytest.mark.parametrize("number", [120, 123])
def test_all_notes_of_a_channel_end_when_they_are_told_to(number):
    score = parse(struck(60, 64) + struck(67, channel=1) + control(number, 0, ticks=480) + note(72, 1, ticks=960))
    assert rows(score) == [(0, 1, 60), (0, 1, 64), (0, 3, 67), (1, 2, 72)]


def test_notes_that_begin_behind_that_and_end_as_usual_are_whole():
    off = bytes((0x83, 0x60, 0x80, 60, 0))
    assert rows(parse(struck(60, 60) + control(123, 0, ticks=240) + off + struck(60) + off)) == [
        (0, 0.5, 60), (0, 0.5, 60), (1.5, 1, 60)]


def test_a_note_that_ends_at_once_lasts_a_tick():
    assert rows(parse(struck(60) + control(123, 0) + note(62))) == [(0, 1 / 480, 60), (0, 1, 62)]


def test_running_status_goes_on_behind_the_end_of_all_notes():
    both = struck(60) + control(123, 0, ticks=480) + bytes((0, 121, 0)) + note(62)
    assert rows(parse(both)) == [(0, 1, 60), (1, 1, 62)]


def test_a_message_without_a_length_means_the_same():
    raw = b"\0\xf0\x41\x10\x42\x12\x40\x11\x15\x01\0\xf7"
    assert parse(raw + note()).tracks[0].is_drum


# Names.

NAMES = {
    "UTF-8": ("Flöte 笛", "utf-8"), "a mark before it": ("Flöte", "utf-8-sig"), "UTF-16": ("Flöte 笛", "utf-16"),
    "Latin letters in UTF-16": ("Lead", "utf-16-le"), "and the other way round": ("Flöte", "utf-16-be"),
    "Japanese": ("メロディー", "cp932"), "Japanese and English": ("Gt 1 ギター", "cp932"),
    "half of the width": ("ﾋﾟｱﾉ ﾍﾞｰｽ", "cp932"), "brackets": ("「Bar」 for SC-88", "cp932"),
    "German": ("Flöte für Gäste", "cp1252"), "French": ("Été à la côte – là", "cp1252"),
    "a sign": ("© Capcom", "cp1252"), "an apostrophe": ("Don’t", "cp1252"), "capitals": ("INTRODUÇÃO", "cp1252"),
    "Russian": ("Песенка друзей", "cp1251"), "Russian capitals": ("БЕЛЫЕ КОРАБЛИКИ", "cp1251"),
    "nothing special": ("Lead 1", "ascii"),
}
OLD = {"cp932": "Shift-JIS", "cp1252": "CP1252", "cp1251": "CP1251"}


@pytest.mark.parametrize("case", NAMES)
def test_names_are_read_whatever_their_encoding_and_a_guess_is_told(case):
    name, encoding = NAMES[case]
    score = parse(meta(3, name.encode(encoding)) + note())
    assert score.tracks[0].name == name
    assert list(score.notices) == ([f"names or lyrics are neither UTF-8 nor UTF-16: they are read as {OLD[encoding]}"]
                                   if encoding in OLD else [])


def test_zeros_behind_a_name_are_no_part_of_it():
    for raw in (b"Lead\0", b"Lead\0\0\0", "Lead\0".encode("utf-16-le"), "Lead".encode("utf-16")):
        assert parse(meta(3, raw) + meta(1, b".") + note()).tracks[0].name == "Lead"


def test_a_name_takes_no_more_than_a_line():
    assert parse(meta(3, b"a\r\n b" + b"c" * 300) + note()).tracks[0].name == "a b" + "c" * 197


# Lyrics.


def test_lyrics_belong_to_their_track():
    score = parse(meta(5, b"la ") + note() + meta(5, b"lu") + note(62), note(64, 1))
    assert [one.lyrics for one in score.tracks] == [((0, "la "), (1, "lu")), ()] and score.lyrics == ()


def test_lyrics_of_no_single_track_belong_to_the_score():
    apart = parse(note(), meta(5, b"la") + meta(5, b"lu", 960))
    together = parse(meta(5, b"la") + note() + note(62, 1) + meta(5, b"lu"), kind=0)
    assert apart.lyrics == together.lyrics == ((0, "la"), (2, "lu"))


def test_syllables_of_one_sign_are_japanese_together():
    score = parse(b"".join(meta(5, sign.encode("cp932")) + note() for sign in "あいうえお"))
    assert "".join(text for _, text in score.tracks[0].lyrics) == "あいうえお"


def test_texts_are_lyrics_in_a_karaoke_file_alone():
    words = meta(1, b"@TSong") + meta(1, b"\\la") + meta(1, b"/lu", 480)
    assert parse(meta(1, b"@KMIDI KARAOKE FILE"), words, note()).lyrics == ((0, "\\la"), (1, "/lu"))
    assert parse(meta(1, b"a comment"), words, note()).lyrics == ()


def test_lyrics_and_pedals_are_written_where_they_were(tmp_path):
    sung = Track("voice", 52, False, np.array([[0, 1, 60, 80], [1 / 3, 1, 64, 80]]), 4,
                 lyrics=((1 / 3, "lü "), (0, "ラ")))
    held = Track("piano", 0, False, np.array([[0, 1, 60, 80.0]]), 0, pedal=((0, 1.5), (1.5, 2.0)))
    score = Score((sung, held), np.array([[0, 120.0]]), (), "song", lyrics=((2.0, "all"),))
    midi.write(tmp_path / "a.mid", score)
    read = midi.read(tmp_path / "a.mid")
    assert [one.lyrics for one in read.tracks] == [((0, "ラ"), (1 / 3, "lü ")), ()]
    assert [one.pedal for one in read.tracks] == [(), ((0, 1.5), (1.5, 2.0))] and read.lyrics == ((2.0, "all"),)


@pytest.mark.parametrize("wrong", [{"pedal": ((1, 0.5),)}, {"pedal": ((0, 2), (1, 3))}, {"pedal": ((-1, 2),)},
                                   {"lyrics": ((-1, "la"),)}, {"lyrics": ((float("nan"), "la"),)}])
def test_pedals_and_syllables_have_their_time(wrong):
    with pytest.raises(ValueError, match="must"):
        Track("", 0, False, np.zeros((0, 4)), **wrong)


# The sustain pedal.

DOWN, UP = control(64, 127), control(64, 0)


def held(events: bytes, **options) -> Score:
    return parse(events + control(64, 0, ticks=960), **options)


def test_the_pedal_is_kept_and_lengthens_no_note():
    score = held(note() + DOWN + note(62) + control(64, 63) + control(64, 64) + note(64))
    assert score.tracks[0].pedal == ((1, 2), (2, 5)) and rows(score) == [(0, 1, 60), (1, 1, 62), (2, 1, 64)]
    assert score.notices == ()


def test_with_it_a_note_of_a_piano_lasts_until_the_pedal_is_up_or_its_pitch_comes_again():
    score = sustained(held(DOWN + note() + note(62) + note()))
    assert rows(score) == [(0, 2, 60), (1, 4, 62), (2, 3, 60)]
    assert score.notices == ("the sustain pedal makes 3 notes longer",)


def test_a_note_that_ends_while_the_pedal_is_up_stays_as_it_is():
    score = sustained(parse(DOWN + note() + UP + note(62) + DOWN + UP + note(64)))
    assert rows(score) == [(0, 1, 60), (1, 1, 62), (2, 1, 64)] and score.notices == ()


@pytest.mark.parametrize("events", [program(48) + DOWN + note(), control(64, 127, 9) + note(channel=9)])
def test_the_pedal_is_for_pianos(events):
    score = held(events)
    assert sustained(score) is score


def test_a_pedal_that_stays_down_is_up_at_the_end_and_a_reset_lifts_it():
    assert parse(DOWN + note() + note(62)).tracks[0].pedal == ((0, 2),)
    assert parse(DOWN + note() + control(121, 0) + note(62)).tracks[0].pedal == ((0, 1),)


def test_hands_in_two_tracks_share_the_pedal_of_their_channel():
    score = parse(note(), note(40), DOWN + control(64, 0, ticks=1920), control(64, 127, 1) + note(70, 1))
    assert [one.pedal for one in score.tracks] == [((0, 4),), ((0, 4),), ((0, 1),)]


def test_words_are_repeated_and_cut_with_the_melody():
    sung = meta(5, b"one") + note(60) + meta(5, b"two") + b"".join(note(62 + k % 5) for k in range(7))
    long = b"".join(note(60 + k % 7) for k in range(32))
    pair = read_pair(parse(sung), parse(long), length="loop", tempo="melody")
    assert pair.tracks["melody"][0].lyrics == tuple((8 * k + at, text) for k in range(4)
                                                    for at, text in ((0, "one"), (1, "two")))
    late = meta(5, b"late", ticks=480 * 30) + note(60)
    cut = read_pair(parse(note(72) + meta(5, b"here") + note(60) + late), parse(long[:12 * 12]), length="cut",
                    tempo="melody")
    assert cut.tracks["melody"][0].lyrics == ((1, "here"),)


def test_words_of_no_track_are_the_melodys_and_those_of_the_accompaniment_are_not():
    words = meta(5, b"la")
    pair = read_pair(parse(words, note() * 8), parse(words + note(48) * 8), length="cut", tempo="melody")
    assert pair.tracks["melody"][0].lyrics == ((0, "la"),) and pair.tracks["accompaniment"][0].lyrics == ()


def test_a_song_that_is_repeated_keeps_neither_pedal_nor_lyrics_of_the_first_time():
    long, short = (b"".join(note(60 + k % 7) for k in range(count)) for count in (32, 8))
    given = parse(long), parse(DOWN + meta(5, b"la") + short)
    pair = read_pair(*given, length="loop", tempo="melody")
    assert given[1].tracks[0].pedal and given[1].tracks[0].lyrics
    assert [(one.pedal, one.lyrics, len(one.notes)) for one in pair.tracks["accompaniment"]] == [((), (), 32)]


def test_a_system_may_ask_for_sounding_lengths_and_its_user_hears_of_it(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(song(track(DOWN + note() + control(64, 0, ticks=480) + END)))
    with inputs.noticing() as notices:
        assert rows(inputs.read_score(path, "melody")) == [(0, 1, 60)] and notices == []
        assert rows(inputs.read_score(path, "melody", sustain=True)) == [(0, 2, 60)]
    assert notices == [f"{path}: the sustain pedal makes 1 note longer"]


# Volume.

MUTED = {
    "volume 0": (control(7, 0) + note() + control(7, 90) + note(62), [(1, 1, 62)], 1),
    "expression 0": (note() + control(11, 0) + note(62) + note(64), [(0, 1, 60)], 2),
    "expression 0 until a reset": (control(11, 0) + note() + control(121, 0) + note(62), [(1, 1, 62)], 1),
    "both 0, and one of them raised": (control(7, 0) + control(11, 0) + note() + control(7, 1) + note(62) +
                                       control(11, 1) + note(64), [(2, 1, 64)], 2),
    "a swell out of nothing": (control(11, 0) + b"\0\x90\x3c\x50" + control(11, 9, ticks=240) + b"\x81\x70\x80\x3c\0",
                               [(0, 1, 60)], 0),
    "a note that the mute finds sounding": (b"\0\x90\x3c\x50" + control(7, 0) + b"\x83\x60\x80\x3c\0", [(0, 1, 60)], 0),
    "another channel": (control(7, 0, 5) + note(), [(0, 1, 60)], 0),
    "a program on the way": (control(7, 0) + note() + program(5) + control(7, 1) + note(62), [(1, 1, 62)], 1),
}


@pytest.mark.parametrize("case", MUTED)
def test_notes_that_nobody_hears_are_left_out(case):
    events, expected, count = MUTED[case]
    score = parse(events + note(100, 1))
    assert [row for row in rows(score) if row[2] != 100] == expected
    said = [f"left out: {count} note{'s' * (count > 1)} at volume or expression 0"] if count else []
    assert list(score.notices) == said


def test_a_mute_in_one_track_is_none_in_another():
    assert rows(parse(control(7, 0) + note(), note(62))) == [(0, 1, 62)]


# Who hears of notices.

FLAWED = song(track(note() + END), announced=2)
SAID = "the header announces another number of tracks (2) than there are (1)"


def test_notices_name_their_source_and_come_once(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(FLAWED)
    with inputs.noticing() as notices:
        for _ in range(2):
            inputs.read_score(path, "melody")
        inputs.read_score(FLAWED, "accompaniment")
        inputs.read_score(midi.read(path), "melody")
    inputs.read_score(path, "melody")
    assert notices == [f"{path}: {SAID}", f"accompaniment (bytes): {SAID}", f"melody (Score): {SAID}"]


def reader(given, controls) -> list[str]:
    return [inputs.read_score(source, name).name for name, source in given.items()]


def test_a_result_has_the_notices_of_its_own_inputs_after_its_own():
    known = {"a": Input(about=""), "b": Input(about="")}
    declared = Declaration(package="", name="stub", title="", paper="", inputs=known,
                           input_sets=(("a",), ("a", "b")), controls={}, embedded_corpus="", other_corpora="")
    sampler = Sampler(read=reader, generate=lambda pieces, controls, seeds, locked: [
        SampleResult(title="", main="", notices=("one voice",)) for _ in pieces])
    system, trained = type("System", (), {"declaration": declared}), type("Trained", (), {"origin": lambda self: {}})()
    config = musicfusion.config("collagenet")
    good = song(track(note() + END))
    found = sample.sample(system, config, trained, sampler, [{"a": good, "b": FLAWED}, {"a": good}], [0, 1],
                          [None, None])
    assert [result.notices for result in found] == [("one voice", f"b (bytes): {SAID}"), ("one voice",)]


def test_the_page_and_the_metadata_of_a_song_say_what_was_wrong_with_its_inputs(tmp_path):
    line = b"".join(note(60 + k % 5) for k in range(32))
    path = tmp_path / "a.mid"
    path.write_bytes(song(track(line + END, longer=7)))
    result = musicfusion.load("connective-fusion-lite").sample(left=path, right=path)
    result.save(tmp_path / "out", sound=False)
    said = f"{path}: track 1: its length is not the announced one"
    assert json.loads((tmp_path / "out" / "metadata.json").read_text())["notices"].count(said) == 1
    assert "its length is not the announced one" in (tmp_path / "out" / "index.html").read_text()


def test_a_file_without_a_note_says_why():
    with pytest.raises(MusicFusionError, match=r"^song: no notes \(left out: 2 notes at volume or expression 0\); a"):
        parse(control(7, 0) + note() + note())
