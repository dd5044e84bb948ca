"""MIDI files as they are met in the wild: damaged in small ways, and read all the same, with a notice of it."""

import random
import struct
import time
import tracemalloc

import fuzz
import pytest
from midi_bytes import END, control, exclusive, meta, note, number, parse, program, rows, song, track

from musicfusion.codecs import midi
from musicfusion.core.errors import MusicFusionError

ONE, TWO = track(note(60) + END), track(note(62, 1) + END)  # tracks of one quarter
FIRST, SECOND = (0, 1, 60), (0, 1, 62)
COUNT, LENGTH, STRAY = "another number of tracks", "length is not the announced one", "belong to no track"
NO_END, CUT = "its end is missing", "cut off inside an event"


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"RMID" + body


HEADERS = {
    "announces none": (song(ONE, TWO, announced=0), [FIRST, SECOND], [COUNT]),
    "announces as many as it can": (song(ONE, announced=65535), [FIRST], [COUNT]),
    "announces one of three": (song(ONE, TWO, track(note(64, 2) + END), announced=1), [FIRST, SECOND, (0, 1, 64)],
                               [COUNT]),
    "has left the end of an older, longer file behind": (song(ONE, b"\x30\x40\0\xff/\0", TWO, announced=1), [FIRST],
                                                         [STRAY]),
    "has left tracks of an older, longer file behind": (
        song(ONE, track(note(62, 9) + END), b"\x30\x40\0\xff/\0", TWO, announced=1), [FIRST], [STRAY]),
    "announces too few, before a block of zeros": (song(ONE, TWO, bytes(9), announced=1), [FIRST, SECOND],
                                                   [COUNT, STRAY]),
    "is too short": (b"MThd\0\0\0\2" + song(ONE)[8:], [FIRST], ["header is 2 bytes"]),
    "is longer, and says so": (b"MThd\0\0\0\x08" + song()[8:12] + b"\1\xe0ab" + ONE, [FIRST],
                               ["8 bytes", COUNT]),
    "says type 0 of two tracks": (song(ONE, TWO, kind=0), [FIRST, SECOND], ["read as type 1"]),
    "is followed by another song": (song(ONE) + song(TWO), [FIRST], [STRAY]),
}
LENGTHS = {
    "never filled in": (song(track(note() + END, -len(note() + END)), TWO), [FIRST, SECOND], [LENGTH]),
    "too short by an event": (song(track(note() + note(64) + END, -13), TWO), [FIRST, SECOND, (1, 1, 64)], [LENGTH]),
    "too long by half the next track": (song(track(note() + END, 9), TWO), [FIRST, SECOND], [LENGTH]),
    "the rest of the file": (song(track(note() + END, len(TWO)), TWO), [FIRST, SECOND], []),
    "as long as a length can be": (song(track(note() + END, -1 - len(note() + END)), TWO), [FIRST, SECOND], [LENGTH]),
    "both wrong": (song(track(note() + END, 5), track(note(62, 1) + END, -3)), [FIRST, SECOND], [LENGTH]),
}
BETWEEN = {
    "zeros that fill a chunk up": (song(ONE, b"\0\0\0", TWO, b"\0"), [FIRST, SECOND], [STRAY]),
    "a header of an older Macintosh": (b"\0\4song" + bytes(122) + song(ONE), [FIRST], [STRAY]),
    "a block of zeros at the end": (song(ONE, bytes(512)), [FIRST], [STRAY]),
    "zeros behind the end within the chunk": (song(track(note() + END + bytes(5)), TWO), [FIRST, SECOND], ["behind"]),
    "chunks of other kinds, which may be there": (song(ONE, b"XFIH\0\0\0\2ab", b"XFKM\0\0\0\0", TWO), [FIRST, SECOND],
                                                  []),
}
ENDS = {
    "no end of the first track": (song(track(note()), TWO), [FIRST, SECOND], [NO_END]),
    "no end of any track": (song(track(note()), track(note(62, 1))), [FIRST, SECOND], [f"tracks 1, 2: {NO_END}"]),
    "no end, and a note that sounds": (song(track(b"\0\x90\x3c\x50\x83\x60\x90\x40\0")), [FIRST], [NO_END]),
    "only the last byte missing": (song(ONE)[:-1], [FIRST], [LENGTH]),
    "the end missing": (song(ONE)[:-4], [FIRST], [NO_END]),
    "cut inside a note-off": (song(ONE)[:-5], [FIRST], [CUT]),
    "cut inside a name": (song(track(note() + meta(3, b"name") + END))[:-7], [FIRST], [CUT]),
    "cut inside the next chunk's head": (song(ONE, TWO)[: 14 + len(ONE) + 6], [FIRST], [NO_END]),
}
WRAPPED = {
    "alone": (riff((b"data", song(ONE))), [FIRST], []),
    "behind what it is called": (riff((b"LIST", b"INFOINAM\4\0\0\0song"), (b"data", song(ONE))), [FIRST], []),
    "before its own sounds": (riff((b"data", song(ONE)), (b"LIST", b"sfbk" + bytes(99))), [FIRST], []),
    "with wrong lengths": (riff((b"data", song(ONE, TWO))).replace(b"data\x44", b"data\x04"), [FIRST, SECOND], []),
}
DELTAS = {
    "of zero": (song(track(b"\x80\x80\x80\x80" + note() + END)), [FIRST], []),
    "of a quarter": (song(track(b"\x80\x80\x80\x83\x60" + note()[1:] + END)), [(1, 1, 60)], []),
    "between two notes": (song(track(note() + b"\x80\x80\x80\x83\x60" + note(64)[1:] + END)), [FIRST, (2, 1, 64)], []),
    "of six bytes": (song(track(note() + b"\x80\x80\x80\x80\x80" + note(64) + END)), [FIRST], ["is damaged"]),
}
SYSTEM = {
    "a clock inside a note-on": (song(track(b"\0\x90\xf8\x3c\xf8\x50" + note()[4:] + END)), [FIRST], []),
    "active sensing": (song(track(b"\0\xfe" + note() + b"\0\xfe\0\xfc" + END)), [FIRST], []),
    "a position, a time code, a song": (song(track(b"\0\xf2\1\2\0\xf1\3\0\xf3\4\0\xf6" + note() + END)), [FIRST], []),
    "an event that nothing defines": (song(track(b"\0\xf4" + note() + END)), [FIRST], ["no event"]),
    "a data byte that nothing goes on": (song(track(b"\0\x40" + note()[1:] + END)), [FIRST], ["no event"]),
}
GM, GS = b"\x7e\x7f\x09\x01\xf7", b"\x41\x10\x42\x12\x40\x11\x15\x01\0\xf7"  # what follows 0xF0
RAW = "without a length are read up to their end"
EXCLUSIVE = {
    "without a length": (song(track(b"\0\xf0" + GM + note() + END)), [FIRST], [RAW]),
    "without a length, twice": (song(track(b"\0\xf0" + GM + note() + b"\0\xf0" + GS + note(62) + END)),
                                [FIRST, (1, 1, 62)], [RAW]),
    "without a length, the last event but one": (song(track(note() + b"\0\xf0" + GM + END)), [FIRST], [RAW]),
    "without a length, before enough bytes for what seems one": (
        song(track(b"\0\xf0" + GM + note() * 30 + END)), [(k, 1, 60) for k in range(30)], [RAW]),
    "without anything": (song(track(b"\0\xf0\xf7" + note() + END)), [FIRST], [RAW]),
    "with a length, and clocks inside": (song(track(b"\0\xf0\6\x7e\xf8\x7f\x09\x01\xf7" + note() + END)), [FIRST], []),
    "with a length and no end": (song(track(b"\0\xf0\4\x7e\x7f\x09\x01" + note() + END)), [FIRST], []),
    "with a length of none": (song(track(b"\0\xf0\0" + note() + END)), [FIRST], []),
    "with a length beyond its track": (song(track(note() + b"\0\xf0\x7f\x7e\x7f" + END)), [FIRST], [CUT]),
}
OPEN, SHUT = b"\0\x90\x3c\x50", b"\x83\x60\x3c\0"  # the second goes on with the first's status
RUNNING = {
    "after an exclusive message and its rest": (
        song(track(OPEN + b"\0\xf0\2\x7e\x7f\0\xf7\1\xf7" + SHUT + END)), [FIRST], []),
    "after a text": (song(track(OPEN + meta(1, b"la") + SHUT + END)), [FIRST], []),
    "after a clock": (song(track(OPEN + b"\0\xf8" + SHUT + END)), [FIRST], []),
}
BYTES = {
    "a pitch": (song(track(note(200) + note(62) + END)), [(1, 1, 62)], ["left out: 1 note with a pitch above 127"]),
    "two velocities": (song(track(note(velocity=130) + note(62, velocity=200) + END)), [FIRST, (1, 1, 62)],
                       ["velocity 127: 2 notes"]),
    "a program": (song(track(program(200) + note() + END)), [FIRST], ["programs above 127"]),
    "a volume": (song(track(control(7, 200) + note() + END)), [FIRST], ["controllers above 127"]),
}
KINDS = {"header": HEADERS, "length": LENGTHS, "between": BETWEEN, "end": ENDS, "RIFF": WRAPPED, "delta": DELTAS,
         "system": SYSTEM, "exclusive": EXCLUSIVE, "running status": RUNNING, "above 127": BYTES}
WILD = {f"{kind}: {name}": case for kind, cases in KINDS.items() for name, case in cases.items()}


@pytest.mark.parametrize("case", WILD)
def test_a_file_from_the_wild_is_read_and_says_what_is_wrong_with_it(case):
    data, expected, notices = WILD[case]
    score = midi.parse(data, "song")
    assert rows(score) == sorted(expected)
    assert len(score.notices) == len(notices), score.notices
    for notice, words in zip(score.notices, notices, strict=True):
        assert words in notice and "\n" not in notice


def test_velocities_above_127_are_played_as_loud_as_midi_can():
    assert [n for *_, n in parse(note(velocity=130) + note(velocity=90)).tracks[0].notes] == [127, 90]


def test_a_text_that_counts_a_zero_which_is_not_there_costs_no_note():
    name = b"\0\xff\3\5Lead"  # the fifth byte is the next event's delta
    score = parse(name + note() + note(62))
    assert rows(score) == [FIRST, (1, 1, 62)] and score.tracks[0].name == "Lead"
    assert score.notices == ("track 1: a text is shorter than it says",)
    assert parse(b"\0\xff\3\5Lead\0" + note()).notices == ()


def test_a_flaw_of_many_tracks_is_said_once():
    score = midi.parse(song(*[track(note())] * 9), "song")
    assert score.notices == (f"tracks 1, 2, 3, 4, 5 and 4 more: {NO_END}",)


def test_a_web_page_an_archive_and_a_sound_are_called_what_they_are():
    for data, words in ((b"<html>MIDI</html>", "web page"), (b"PK\3\4", "ZIP"), (b"RIFF\0\0\0\0WAVE", "sound")):
        with pytest.raises(MusicFusionError, match=f"song: not a MIDI file .*{words}"):
            midi.parse(data, "song")


# Type 2 and SMPTE frames.


def patterns(*events: bytes):
    return parse(*events, kind=2)


def test_the_patterns_of_type_2_come_one_after_the_other():
    score = patterns(note() + note(64), note(62), b"\x83\x60" + note(65)[1:])
    assert rows(score) == [FIRST, (1, 1, 64), (2, 1, 62), (4, 1, 65)]
    assert len(score.tracks) == 1 and score.notices == ("type 2: its 3 patterns are put one after the other",)


def test_a_pattern_has_its_own_tempo_and_metre():
    score = patterns(note(), meta(0x51, b"\x0f\x42\x40") + meta(0x58, b"\3\2\x18\x08") + note())
    assert score.tempos.tolist() == [[0, 120], [1, 60]] and score.metres == ((0, 4, 4), (1, 3, 4))


def test_instruments_of_patterns_are_tracks_and_programs_hold_on():
    score = patterns(meta(3, b"one") + program(40) + note() + note(36, 9), note(62) + program(41) + note(64))
    assert [(t.name, t.program, t.is_drum, len(t.notes)) for t in score.tracks] == [
        ("channel 1", 40, False, 2), ("channel 1", 41, False, 1), ("channel 10", 0, True, 1)]


def test_one_pattern_alone_is_read_without_a_word():
    assert patterns(note()).notices == ()


@pytest.mark.parametrize("division, a_second", [(0xE728, 1000), (0xE250, 2400), (0xE304, 120000 / 1001), (0xE808, 192)])
def test_times_in_smpte_frames_are_seconds(division, a_second):
    """25 frames of 40 ticks, 30 of 80, 29.97 of 4, 24 of 8; tempos and metres mean nothing there."""
    ticks = round(a_second * 3)
    score = parse(meta(0x51, b"\x01\x42\x40") + meta(0x58, b"\3\2\x18\x08") + note(ticks=ticks), division=division)
    assert score.seconds(score.length) == pytest.approx(ticks / a_second)
    assert score.tempos.tolist() == [[0, 120]] and score.metres == ()
    assert "120 a minute are assumed" in score.notices[0] and len(score.notices) == 1


# Fuzz.

SEEDS = [data for data, *_ in WILD.values()] + [
    song(track(meta(3, "メロディー".encode("cp932")) + meta(5, b"la") + note() + END), kind=2, announced=7),
    song(track(exclusive(b"\x41\x10\x42\x12\x40\x1a\x15\x02\x0f") + control(0, 120) + program(0) + note() + END)),
    song(track(control(7, 0) + note() + control(7, 9) + control(64, 99) + note() + control(121, 0) + END)),
    song(track(meta(0x51, b"\x07\xa1\x20") + meta(0x58, b"\3\2\x18\x08") + note() + END), division=0xE728),
]
MUTANTS, SECONDS = 500, 2.0
ODD = (b"\xff", b"\x80", b"\0", b"\x7f", b"\xf0", b"\xf7", b"\xff\x2f\0", b"MTrk", b"MThd", b"\xff\xff\xff\x7f")


def mutant(data: bytes, rng: random.Random) -> bytes:
    """A few changes: bytes turned, put in, taken out, doubled, or the rest cut off; most of them behind the header."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        first = 0 if rng.random() < 0.1 else min(22, len(found))
        at, kind = rng.randrange(first, len(found) + 1), rng.randrange(6)
        if kind == 0:
            found[at : at + 1] = bytes((rng.randrange(256),))
        elif kind == 1:
            found[at:at] = rng.choice(ODD)
        elif kind == 2:
            del found[at : at + rng.randint(1, 8)]
        elif kind == 3:
            found[at:at] = found[at : at + rng.randint(1, 40)]
        elif kind == 4:
            found[at : at + 4] = number(rng.randrange(2**28))
        elif rng.random() < 0.3:
            del found[at:]
    return bytes(found)


def test_mutants_of_small_files_are_read_or_refused_and_what_is_read_can_be_written(tmp_path):
    read = 0
    for seed in range(MUTANTS):
        rng = random.Random(seed)
        data = mutant(rng.choice(SEEDS), rng)
        try:
            with fuzz.limited(SECONDS):
                score = midi.parse(data, "mutant")
        except MusicFusionError as error:
            assert "\n" not in str(error) and "cannot be read" not in str(error), (seed, error)
            continue
        read += 1
        assert len(set(score.notices)) == len(score.notices), seed
        midi.write(tmp_path / "again.mid", score)
        again = midi.read(tmp_path / "again.mid")
        assert sum(len(t.notes) for t in again.tracks) == sum(len(t.notes) for t in score.tracks), seed
    assert MUTANTS / 2 < read < MUTANTS


def hostile() -> dict[str, bytes]:
    """Files that cost much where a reader looks at bytes again and again."""
    others, struck = b"ABCD\0\0\0\0" * 100_000, b"\0\x90\x3c\x50" + b"\0\x3c\x50" * 99_998
    heads = [b"MTrk" + struct.pack(">I", 12 * k + 4 + 2**22) + END for k in reversed(range(900))]
    return {
        "chunks within chunks": song(*heads, bytes(2**22), announced=900),
        "a thousand tracks before a hundred thousand chunks": song(*[track(END)] * 999, others, b"?"),
        "mutes": song(track((control(7, 0) + note() + control(7, 1)) * 20_000 + END)),
        "one pitch that never ends": song(track(struck + b"\1\x3c\0" * 99_999 + END)),
        "an endless number": song(track(b"\xff" * 4 * 2**20)),
        "a text of megabytes": song(track(meta(3, bytes(range(128, 256)) * 30_000) + note() + END)),
        "exclusive messages of all lengths": song(track(b"\0\xf0\xff\xff\x7f" * 200_000 + END)),
        "exclusive messages that do not end": song(track((b"\0\xf0\xff\x7f" + b"\x01" * 60) * 60_000 + END)),
        "exclusive messages without a length": song(track(b"\0\xf0\xf7" * 50_000 + END)),
        "ends of all notes": song(track(note() + control(123, 0) * 100_000 + END)),
        "clocks": song(track(b"\0\x90" + b"\xf8" * 4 * 2**20)),
    }


@pytest.mark.parametrize("name", hostile())
def test_a_hostile_file_takes_no_time(name):
    start = time.monotonic()
    try:
        midi.parse(hostile()[name], "song")
    except MusicFusionError as error:
        assert "cannot be read" not in str(error)
    assert time.monotonic() - start < 10


def test_memory_does_not_grow_with_what_tracks_have_forgotten():
    every = b"".join(bytes((0, 0x80 | channel, pitch, 0)) for channel in range(16) for pitch in range(128))
    data = song(*[track(every + END)] * 60, ONE)
    tracemalloc.start()
    try:
        assert rows(midi.parse(data, "song")) == [FIRST]
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()
