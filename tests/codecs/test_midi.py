"""MIDI files: round trips, bad input in one line, and a fuzz test in a process of its own."""

import os
import random
import resource
import struct
import subprocess
import sys
import time
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicfusion.codecs import midi, midi_chunks, midi_events
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError

# Hypothesis warns of what the type checker of the tests draws.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

HEADER = b"MThd\0\0\0\6\0\1\0\1\1\xe0"  # type 1, one track, 480 ticks a quarter
NOTE = b"\0\x90\x3c\x50\x83\x60\x80\x3c\0"  # C4, one quarter
END = b"\0\xff\x2f\0"


def chunk(body: bytes) -> bytes:
    return b"MTrk" + struct.pack(">I", len(body)) + body


def song(*bodies: bytes, kind: int = 1, division: int = 480) -> bytes:
    header = b"MThd" + struct.pack(">IHHH", 6, kind, len(bodies), division)
    return header + b"".join(chunk(body) for body in bodies)


def notes(*rows: tuple) -> np.ndarray:
    return np.array(rows, np.float64)


def one_track(*rows: tuple, **kind) -> Score:
    track = Track(**{"name": "a", "program": 0, "is_drum": False, "notes": notes(*rows)} | kind)
    return Score((track,), np.array([[0, 120]]), (), "piece")


def read_bytes(folder: Path, data: bytes) -> Score:
    path = folder / "song.mid"
    path.write_bytes(data)
    return midi.read(path)


def refusal(path: Path) -> str:
    """The line of the error that reading ends with: one line that names the file."""
    with pytest.raises(MusicFusionError) as caught:
        midi.read(path)
    line = str(caught.value)
    assert str(path) in line and "\n" not in line and "accepted" in line
    return line


def assert_same(first: Score, second: Score) -> None:
    assert len(first.tracks) == len(second.tracks)
    for one, two in zip(first.tracks, second.tracks, strict=True):
        assert (one.name, one.program, one.is_drum) == (two.name, two.program, two.is_drum)
        np.testing.assert_array_equal(one.notes, two.notes)
    np.testing.assert_array_equal(first.tempos, second.tempos)
    assert first.metres == second.metres


@pytest.fixture(scope="module")
def chorale() -> Score:
    """BWV 66.6 from music21's corpus: soprano, alto, tenor, bass."""
    from music21 import corpus

    tracks = []
    for part in corpus.parse("bach/bwv66.6").parts:
        rows = [
            (float(n.offset), float(n.quarterLength), n.pitch.midi, 80)
            for n in part.flatten().notes
        ]
        tracks.append(Track(part.partName, 52, False, notes(*rows)))
    return Score(tuple(tracks), np.array([[0, 80]]), ((0.0, 4, 4),), "bwv66.6")


@pytest.fixture(scope="module")
def pop909_files(pop909_root: Path) -> list[Path]:
    files = sorted(pop909_root.rglob("*.mid"))
    return files[:: max(len(files) // 6, 1)][:6]


# Round trips.


@st.composite
def scores(draw) -> Score:
    division = draw(st.sampled_from([4, 96, 220, 480, 1024]))
    time = st.integers(0, 40 * division)
    tracks = []
    for _ in range(draw(st.integers(1, 17))):
        row = st.tuples(time, st.integers(1, division * 5), st.integers(0, 127))
        rows = draw(st.lists(row, min_size=1, max_size=8))
        starts = np.array(sorted(rows, key=lambda row: (row[2], row[0])))
        ends = starts[:, 0] + starts[:, 1]
        for pitch in set(starts[:, 2]):  # MIDI cannot say which of two equal pitches ends
            ends[starts[:, 2] == pitch] = np.sort(ends[starts[:, 2] == pitch])
        duration = (ends - starts[:, 0]) / division
        velocity = np.full(len(starts), draw(st.integers(1, 127)))
        table = np.column_stack([starts[:, 0] / division, duration, starts[:, 2], velocity])
        name = draw(st.text(st.characters(categories=["L", "N", "S"]), max_size=10))
        tracks.append(Track(name, draw(st.integers(0, 127)), draw(st.booleans()), table))
    tempos = draw(st.dictionaries(time, st.integers(1, 2**24 - 1), max_size=4)) | {0: 500000}
    metre = st.tuples(st.integers(1, 255), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
    metres = draw(st.dictionaries(time, metre, max_size=4)) | {0: (3, 4)}
    return Score(
        tuple(tracks),
        np.array([(tick / division, 6e7 / tempo) for tick, tempo in sorted(tempos.items())]),
        tuple((tick / division, *metre) for tick, metre in sorted(metres.items())),
        "piece",
    )


@settings(max_examples=60, deadline=None)
@given(scores())
def test_a_written_score_reads_back_exactly(tmp_path_factory, score):
    path = tmp_path_factory.getbasetemp() / "round_trip.mid"
    midi.write(path, score)
    assert_same(midi.read(path), score)


def test_a_chorale_reads_back_exactly(tmp_path, chorale):
    midi.write(tmp_path / "chorale.mid", chorale)
    score = midi.read(tmp_path / "chorale.mid")
    assert_same(score, chorale)
    assert score.name == "chorale"
    assert [track.name for track in score.tracks] == ["Soprano", "Alto", "Tenor", "Bass"]


def test_pop909_files_read_back_exactly(tmp_path, pop909_files):
    for path in pop909_files:
        score = midi.read(path)
        midi.write(tmp_path / "again.mid", score)
        assert_same(midi.read(tmp_path / "again.mid"), score)


def test_pop909_files_hold_the_notes_that_pretty_midi_finds(pop909_files):
    import pretty_midi

    for path in pop909_files[:3]:
        score = midi.read(path)
        other = pretty_midi.PrettyMIDI(str(path))
        assert [t.name for t in score.tracks] == [i.name for i in other.instruments]
        for track, instrument in zip(score.tracks, other.instruments, strict=True):
            starts = score.seconds(track.notes[:, 0])
            ours = np.column_stack([starts, track.notes[:, 2]])
            theirs = np.array([(n.start, n.pitch) for n in instrument.notes])
            theirs = theirs[np.lexsort((theirs[:, 1], theirs[:, 0]))]
            np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_file_has_480_ticks_a_quarter_or_more_and_sixteenths_are_whole(tmp_path):
    for onset in (0.25, 1 / 3, 1 / 220):
        midi.write(tmp_path / "a.mid", one_track((onset, 1, 60, 80)))
        (division,) = struct.unpack(">H", (tmp_path / "a.mid").read_bytes()[12:14])
        assert division >= 480
        assert midi.read(tmp_path / "a.mid").tracks[0].notes[0, 0] == onset


def test_times_no_division_can_say_move_by_less_than_a_30000th_of_a_quarter(tmp_path):
    rows = np.random.default_rng(0).uniform(0.1, 9, (50, 2))
    rows = np.column_stack([rows, np.arange(50) + 30, np.full(50, 80)])
    midi.write(tmp_path / "a.mid", one_track(*rows))
    read = midi.read(tmp_path / "a.mid").tracks[0].notes
    by_pitch = read[np.argsort(read[:, 2])]
    np.testing.assert_allclose(by_pitch, rows, atol=1 / 30000)


def test_drums_are_written_on_channel_10_and_no_other_track_is(tmp_path):
    melodies = tuple(Track(str(k), k, False, notes((0, 1, 60, 80))) for k in range(20))
    drums = Track("kit", 0, True, notes((0, 1, 36, 80)))
    midi.write(tmp_path / "a.mid", Score((drums, *melodies), np.array([[0, 120]]), (), "a"))
    read = midi.read(tmp_path / "a.mid").tracks
    assert [track.is_drum for track in read] == [True] + [False] * 20
    assert [track.program for track in read[1:]] == list(range(20))


def channels(path: Path) -> list[int]:
    """The channel of each track that is written, by its first note."""
    return [next(message.channel for message in track if message.type == "note_on")
            for track in mido.MidiFile(path).tracks[1:]]


def on_channels(*tracks: tuple[int, int | None]) -> Score:
    """Tracks of these programs that want these channels."""
    made = tuple(Track(str(i), program, False, notes((i, 1, 60, 80)), channel)
                 for i, (program, channel) in enumerate(tracks))
    return Score(made, np.array([[0, 120]]), (), "a")


@pytest.mark.parametrize("tracks, expected", [
    ([(1, 5), (2, 0), (3, 15)], [5, 0, 15]),
    ([(1, 5), (1, 5), (2, 3)], [5, 5, 3]),  # one instrument in two tracks
    ([(1, 5), (2, 5), (3, 6)], [5, 0, 6]),  # another program has it: one that nobody wants
    ([(1, None), (2, 0), (3, None)], [1, 0, 2]),
    ([(1, 9), (2, 0)], [1, 0]),  # the drums' is for drums alone
    ([(k, None) for k in range(15)], [*range(9), *range(10, 16)]),
])
def test_a_track_is_written_to_its_own_channel_unless_another_program_has_it(tmp_path, tracks, expected):
    midi.write(tmp_path / "a.mid", on_channels(*tracks))
    assert channels(tmp_path / "a.mid") == expected
    read = midi.read(tmp_path / "a.mid").tracks
    assert [(track.program, track.channel) for track in read] == [
        (program, channel) for (program, _), channel in zip(tracks, expected, strict=True)]


def test_a_file_is_written_to_the_channels_that_it_was_read_from(tmp_path):
    kit = Track("kit", 0, True, notes((0, 1, 36, 80)))
    score = on_channels((40, 7), (41, 2), (40, 7))
    midi.write(tmp_path / "a.mid", Score((*score.tracks, kit), score.tempos, (), "a"))
    midi.write(tmp_path / "b.mid", midi.read(tmp_path / "a.mid"))
    assert channels(tmp_path / "a.mid") == channels(tmp_path / "b.mid") == [7, 2, 7, 9]


@pytest.mark.parametrize("channel", [-1, 16])
def test_there_are_16_channels(channel):
    with pytest.raises(ValueError, match=r"channel must be in 0\.\.15"):
        on_channels((0, channel))


def test_a_tempo_map_decides_the_seconds(tmp_path):
    score = Score((Track("", 0, False, notes((0, 8, 60, 80))),), np.array([[0, 60], [4, 120]]), (), "a")
    midi.write(tmp_path / "a.mid", score)
    assert midi.read(tmp_path / "a.mid").seconds(8) == pytest.approx(6)


# What a file may say.


def test_a_note_on_of_velocity_0_ends_the_note(tmp_path):
    score = read_bytes(tmp_path, song(b"\0\x90\x3c\x50\x83\x60\x3c\0" + END))
    np.testing.assert_array_equal(score.tracks[0].notes, [(0, 1, 60, 80)])


def test_a_hanging_note_sounds_to_the_end_of_its_track(tmp_path):
    score = read_bytes(tmp_path, song(b"\0\x90\x3c\x50\x87\x40\xff\x2f\0"))
    np.testing.assert_array_equal(score.tracks[0].notes, [(0, 2, 60, 80)])


def test_of_equal_pitches_the_first_to_start_is_the_first_to_end(tmp_path):
    struck = b"\0\x90\x3c\x50\x83\x60\x3c\x40\0\x3c\0\x83\x60\x3c\0"
    score = read_bytes(tmp_path, song(struck + END))
    np.testing.assert_array_equal(score.tracks[0].notes, [(0, 1, 60, 80), (1, 1, 60, 64)])


def test_a_note_without_length_lasts_one_tick(tmp_path):
    score = read_bytes(tmp_path, song(b"\0\x90\x3c\x50\0\x3c\0" + END))
    assert score.tracks[0].notes[0, 1] == 1 / 480


def test_type_0_is_split_by_channel_and_program(tmp_path):
    body = b"\0\xff\x03\4Song" + b"\0\xc0\x28" + NOTE + b"\0\xc0\x29" + NOTE
    body += NOTE.replace(b"\x90", b"\x99").replace(b"\x80\x3c", b"\x89\x3c") + END
    score = read_bytes(tmp_path, song(body, kind=0))
    assert [(t.name, t.program, t.is_drum) for t in score.tracks] == [
        ("channel 1", 40, False),
        ("channel 1", 41, False),
        ("channel 10", 0, True),
    ]


def test_programs_of_the_first_track_hold_for_the_others(tmp_path):
    score = read_bytes(tmp_path, song(b"\0\xc0\x28" + END, NOTE + END, b"\0\xc0\7" + NOTE + END))
    assert [track.program for track in score.tracks] == [40, 7]


def test_names_are_read_as_utf_8_else_latin_1(tmp_path):
    for encoding in ("utf-8", "latin-1"):
        name = "Flöte".encode(encoding)
        body = b"\0\xff\x03" + bytes([len(name)]) + name + NOTE + END
        assert read_bytes(tmp_path, song(body)).tracks[0].name == "Flöte"


def test_unknown_chunks_sysex_and_odd_meta_events_are_passed_over(tmp_path):
    body = b"\0\xf0\3\x7e\x7f\xf7" + b"\0\xff\x59\2\x63\x63" + b"\0\xff\x51\2\0\0"
    body += b"\0\xff\x58\4\0\2\x18\x08" + b"\0\xb0\7\x64" + NOTE + END + b"garbage"
    data = HEADER + b"XFIH\0\0\0\2ab" + chunk(body)
    score = read_bytes(tmp_path, data)
    np.testing.assert_array_equal(score.tracks[0].notes, [(0, 1, 60, 80)])
    np.testing.assert_array_equal(score.tempos, [(0, 120)])
    assert score.metres == ((0.0, 4, 4),)


def test_a_dense_file_of_100_000_notes_is_read_in_seconds(tmp_path):
    count = midi_events.MAX_NOTES
    rows = np.column_stack(
        [np.arange(count) / 8, np.full(count, 0.125), 30 + np.arange(count) % 60, [80] * count]
    )
    midi.write(tmp_path / "a.mid", one_track(*rows))
    start = time.monotonic()
    assert len(midi.read(tmp_path / "a.mid").tracks[0].notes) == count
    assert time.monotonic() - start < 30


# Bad input.

LONG = b"\xff\xff\xff\x7f"  # 2^28 - 1 ticks
BAD = {
    "empty": (b"", "the file is empty"),
    "text": (b"no music in here, sorry", "not a MIDI file"),
    "header cut": (HEADER[:11], "truncated inside its header"),
    "type 3": (song(NOTE + END, kind=3), "MIDI of type 3"),
    "23 frames a second": (song(NOTE + END, division=0xE928), "times in SMPTE frames of which there are 23 a second"),
    "frames without ticks": (song(NOTE + END, division=0xE700), "times in SMPTE frames"),
    "no division": (song(NOTE + END, division=0), "0 ticks per quarter"),
    "no tracks": (song(), "no tracks in it"),
    "many tracks": (song(*[NOTE + END] * (midi_chunks.MAX_TRACKS + 1)), "more than 1,000 tracks"),
    "track missing": (HEADER, "no tracks in it, though its header announces 1"),
    "cut before any note": (song(NOTE + END)[:27], "no notes (track 1: it is cut off inside an event)"),
    "running status": (song(b"\0\x3c\x50" + END), "no notes (track 1: bytes that are no event are passed over)"),
    "delta": (song(b"\xff\xff\xff\xff\x7f" + NOTE[1:]), "more than 100,000 quarters"),
    "long delta": (song(b"\x80" * 9 + NOTE), "no notes (track 1: it is damaged, and read no further)"),
    "silent": (song(b"\0\xb0\7\0" + NOTE + END), "no notes (left out: 1 note at volume or expression 0)"),
    "no notes": (song(b"\0\xff\x03\4Song" + END), "no notes"),
    "only hanging": (song(b"\0\x90\x3c\x50" + END), "no notes"),
    "tick bomb": (song(b"\0\x90\x3c\x50" + LONG + b"\x80\x3c\0" + END), "more than 100,000 quart"),
    "slow tempo": (
        song(b"\0\xff\x51\3\xff\xff\xff" + NOTE + b"\x82\x80\x80\0" + NOTE[1:] + END, division=100),
        "more than 24 hours",
    ),
    "many notes": (song(b"\0\x90\x3c\x50\x01\x3c\0" * 200_000 + END), "more than 100,000 notes"),
    "many events": (song(b"\0\xc0\1" * 300_001 + NOTE + END), "more than 300,000 events"),
    "large": (song(NOTE + END) + bytes(midi.MAX_BYTES), "larger than 8 MiB"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_in_one_line(tmp_path, case):
    data, expected = BAD[case]
    path = tmp_path / "bad.mid"
    path.write_bytes(data)
    start = time.monotonic()
    assert expected in refusal(path)
    assert time.monotonic() - start < 20


def test_what_is_no_regular_file_is_refused(tmp_path):
    assert "No such file" in refusal(tmp_path / "missing.mid")
    assert "is a folder" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.mid")
    assert "is not a regular file" in refusal(tmp_path / "pipe.mid")


def test_a_path_of_several_lines_is_named_in_one():
    with pytest.raises(MusicFusionError) as caught:
        midi.read("a\nb.mid")
    assert "\n" not in str(caught.value)
    with pytest.raises(MusicFusionError):
        midi.read("a\0b.mid")


def test_a_failure_inside_the_parser_is_still_one_line(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(midi_chunks, "read", fail)
    (tmp_path / "a.mid").write_bytes(song(NOTE + END))
    assert "RuntimeError: two lines" in refusal(tmp_path / "a.mid")


def test_drums_alone_are_refused_where_a_pitch_is_needed(tmp_path):
    drums = one_track((0, 1, 36, 80), is_drum=True)
    with pytest.raises(MusicFusionError, match=r"a\.mid: only drums: a melody or harmony track"):
        midi.require_pitched(drums, "a.mid")
    midi.require_pitched(one_track((0, 1, 36, 80)), "a.mid")


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    score = one_track((0, 1, 60, 80))
    (tmp_path / "folder.mid").mkdir()
    for path in (tmp_path / "none" / "a.mid", tmp_path / "folder.mid", Path("")):
        with pytest.raises(MusicFusionError, match="cannot be written"):
            midi.write(path, score)
    (tmp_path / "old.mid").write_bytes(b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(MusicFusionError, match="disk full"):
        midi.write(tmp_path / "old.mid", score)
    assert (tmp_path / "old.mid").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.mid", "old.mid"]


@pytest.mark.parametrize("qpm", [1.0, 1e9])
def test_a_tempo_out_of_midis_reach_is_refused(tmp_path, qpm):
    track = one_track((0, 1, 60, 80)).tracks
    with pytest.raises(MusicFusionError, match="a tempo of"):
        midi.write(tmp_path / "a.mid", Score(track, np.array([[0, qpm]]), (), "a"))
    assert not list(tmp_path.iterdir())


def test_a_metre_out_of_midis_reach_is_refused(tmp_path):
    track = one_track((0, 1, 60, 80)).tracks
    with pytest.raises(MusicFusionError, match="a metre of 4/3"):
        midi.write(tmp_path / "a.mid", Score(track, np.array([[0, 120]]), ((0.0, 4, 3),), "a"))


# Fuzz: mutants are read in a process of its own, under a limit of memory.

MUTANTS = 500
MEMORY = 2**30  # address space; a tick bomb that is believed asks for more
SECONDS = 10.0  # for one mutant


def mutant(data: bytes, rng: random.Random) -> bytes:
    """A file with one kind of damage, chosen at random."""
    changed = bytearray(data)
    chunks = [k for k in range(len(data) - 8) if data[k : k + 4] == b"MTrk"]
    where = rng.choice(chunks)
    (size,) = struct.unpack(">I", data[where + 4 : where + 8])
    kind = rng.randrange(6)
    if kind == 0:  # flipped bytes anywhere
        for _ in range(rng.randint(1, 20)):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif kind == 1:  # flipped bytes in the header and the first events
        for _ in range(rng.randint(1, 3)):
            changed[rng.randrange(min(60, len(changed)))] = rng.randrange(256)
    elif kind == 2:  # truncated
        del changed[rng.randrange(len(changed)) :]
    elif kind == 3:  # a chunk of another length
        other = rng.choice([0, size - 1, size + 1, rng.randrange(size + 1), 2**31, 2**32 - 1])
        changed[where + 4 : where + 8] = struct.pack(">I", other)
    elif kind == 4:  # huge deltas
        for _ in range(rng.randint(1, 4)):
            at = where + 8 + rng.randrange(size + 1)
            changed[at:at] = rng.choice([LONG, LONG + b"\x90\x3c\x50" + LONG, b"\xff\xff\x7f"])
        grown = len(changed) - len(data) + size
        changed[where + 4 : where + 8] = struct.pack(">I", grown)
    else:  # the chunk twice, sometimes announced
        changed[where:where] = data[where : where + 8 + size]
        if rng.random() < 0.5:
            changed[10:12] = struct.pack(">H", len(chunks) + 1)
    return bytes(changed)


def fuzz(seeds: list[Path], folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    files = [path.read_bytes() for path in seeds]
    read = refused = 0
    for number in range(MUTANTS):
        rng = random.Random(number)
        path = folder / "mutant.mid"
        path.write_bytes(mutant(rng.choice(files), rng))
        start = time.monotonic()
        try:
            midi.read(path)
            read += 1
        except MusicFusionError as error:
            assert "\n" not in str(error), number
            # Whatever can be wrong is known: nothing is left for the safety net.
            assert "cannot be read" not in str(error), (number, error)
            refused += 1
        assert time.monotonic() - start < SECONDS, number
    print(read, refused)


def run_fuzz(seeds: list[Path], folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(midi.__file__).parents[2])}
    command = [sys.executable, "-W", "error", __file__, str(folder), *map(str, seeds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    read, refused = map(int, done.stdout.split())
    assert read + refused == MUTANTS and read > MUTANTS / 2 and refused > MUTANTS / 100


def test_mutants_of_a_chorale_raise_only_our_error(tmp_path, chorale):
    midi.write(tmp_path / "chorale.mid", chorale)
    run_fuzz([tmp_path / "chorale.mid"], tmp_path)


def test_mutants_of_pop909_files_raise_only_our_error(tmp_path, pop909_files):
    run_fuzz(pop909_files, tmp_path)


if __name__ == "__main__":
    fuzz([Path(name) for name in sys.argv[2:]], Path(sys.argv[1]))
