"""A user's two files on one time line: notes on the grid, and as they were played."""

from pathlib import Path

import mido
import numpy as np
import pytest

from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, Track, from_notes, grid, monophonic
from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.collagenet import dataset, sampling

COMMON = ((0.0, 4, 4),)
EVEN = [(4 * k, 4, 60 + k % 5) for k in range(16)]  # sixteen quarters
TRIADS = [(16 * k, 16, pitch) for k in range(4) for pitch in (48, 52, 55)]  # four bars


@pytest.fixture
def write(tmp_path):
    """Writes tracks (each a name and notes in 16ths) and returns the file's path."""

    def write(name: str, *tracks, tempos=((0.0, 120.0),), metres=COMMON):
        made = tuple(from_notes(title, 0, np.array(notes)) for title, notes in tracks)
        midi.write(tmp_path / f"{name}.mid", Score(made, np.array(tempos), metres, name))
        return tmp_path / f"{name}.mid"

    return write


def read(lead, back, length="loop", tempo="melody"):
    return sampling.read_pair(lead, back, length=length, tempo=tempo)


# Which notes --------------------------------------------------------------------------------------------------------


def test_the_melody_is_made_one_voice_by_its_highest_notes(write):
    thirds = [(4 * k, 4, pitch) for k in range(16) for pitch in (60 + k % 5, 64 + k % 5)]
    pair = read(write("a", ("melody", thirds)), write("b", ("piano", TRIADS)))
    assert pair.melody[:, 2].tolist() == [64 + k % 5 for k in range(16)]
    assert np.all(np.diff(pair.melody[:, 0]) >= pair.melody[:-1, 1])


def test_both_hands_of_a_piano_are_the_accompaniment_of_a_single_line(write):
    left = [(4 * k, 4, 40) for k in range(16)]
    pair = read(write("a", ("", EVEN)), write("b", ("right hand", TRIADS), ("left hand", left)))
    assert pair.melody[:, 2].tolist() == [60 + k % 5 for k in range(16)]
    assert len(pair.accompaniment) == len(TRIADS) + len(left)


def test_a_song_lends_its_accompaniment_without_its_melody(write):
    song = write("b", ("MELODY", EVEN), ("PIANO", TRIADS))
    assert set(read(write("a", ("", EVEN)), song).accompaniment[:, 2]) == {48, 52, 55}


def test_a_file_of_type_0_is_split_by_its_channels(tmp_path, write):
    track = mido.MidiTrack()
    events = []
    for channel, notes in ((0, EVEN), (1, TRIADS), (9, [(4 * k, 1, 38) for k in range(16)])):
        for onset, length, pitch in notes:
            events.append((onset * 120, 1, mido.Message("note_on", channel=channel, note=pitch)))
            events.append(((onset + length) * 120, 0, mido.Message("note_off", channel=channel, note=pitch)))
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]).save(tmp_path / "zero.mid")
    pair = read(tmp_path / "zero.mid", write("b", ("", TRIADS)))
    np.testing.assert_array_equal(pair.melody, EVEN)
    pair = read(write("a", ("", EVEN)), tmp_path / "zero.mid")
    assert 38 not in pair.accompaniment[:, 2], "drums have no pitch"


# Where they stand ---------------------------------------------------------------------------------------------------


def test_both_pieces_begin_with_the_bar_of_their_first_note(write):
    late = [(onset + 64 + 12, length, pitch) for onset, length, pitch in EVEN]  # four bars' rest, then an upbeat
    pair = read(write("a", ("", late)), write("b", ("", TRIADS)))
    assert pair.melody[0, 0] == 12
    assert pair.accompaniment[0, 0] == 0


def test_a_note_played_a_little_early_does_not_open_an_empty_bar(tmp_path, write):
    notes = np.array([[4 * k + 16 - 0.01 * (k == 0), 4, 60, 80] for k in range(8)]) / (4, 4, 1, 1)
    midi.write(tmp_path / "played.mid", Score((Track("", 0, False, notes),), np.array([[0, 120.0]]), COMMON, ""))
    pair = read(tmp_path / "played.mid", write("b", ("", TRIADS)))
    assert pair.melody[:8, 0].tolist() == [4 * k for k in range(8)]


@pytest.mark.parametrize("kind, steps", [("loop", 128), ("cut", 64)])
def test_the_shorter_piece_is_repeated_or_the_longer_one_cut(write, kind, steps):
    long = write("b", ("", [(16 * k, 16, 48 + k) for k in range(8)]))
    for lead, back in ((write("a", ("", EVEN)), long), (long, write("a", ("", EVEN)))):
        pair = read(lead, back, length=kind)
        assert pair.steps == steps
        short, other = (pair.melody, pair.accompaniment) if back == long else (pair.accompaniment, pair.melody)
        assert len(other) == steps // 16
        np.testing.assert_array_equal(short[16:] - [64, 0, 0], short[:16] if kind == "loop" else short[:0])


def test_a_waltz_is_repeated_on_its_own_bar_line(write):
    waltz = write("a", ("", [(12 * k, 12, 70) for k in range(5)]), metres=((0.0, 3, 4),))
    pair = read(waltz, write("b", ("", TRIADS * 2 + [(112, 16, 48)])))
    assert pair.steps == 128
    assert pair.melody[:, 0].tolist() == list(range(0, 128, 12)), "fifteen quarters, not sixteen"
    assert pair.metres == [(0.0, 3, 4)]


def test_a_note_that_reaches_the_end_of_a_cut_ends_there(write):
    pair = read(write("a", ("", EVEN)), write("b", ("", [(0, 200, 40), (63, 20, 45)])), length="cut")
    assert pair.accompaniment.tolist() == [[0, 64, 40], [63, 1, 45]]


# Tempo and metre ----------------------------------------------------------------------------------------------------

SLOWING = ((0.0, 100.0), (8.0, 80.0), (12.0, 60.0))  # whole microseconds, as MIDI has them


def test_tempo_changes_and_metre_are_those_of_the_melody(write):
    lead = write("a", ("", EVEN), tempos=SLOWING, metres=((0.0, 2, 4), (8.0, 4, 4)))
    back = write("b", ("", TRIADS), tempos=((0.0, 200.0),))
    pair = read(lead, back)
    assert pair.tempos == list(SLOWING) and pair.metres == [(0.0, 2, 4), (8.0, 4, 4)]
    assert read(lead, back, tempo="accompaniment").tempos == [(0.0, 200.0)]


def test_a_piece_that_is_repeated_repeats_its_tempo_changes(write):
    long = write("b", ("", [(16 * k, 16, 48 + k) for k in range(8)]))
    pair = read(write("a", ("", EVEN), tempos=SLOWING), long)
    assert pair.tempos == [*SLOWING, *((quarter + 16, qpm) for quarter, qpm in SLOWING)]


def test_what_lies_before_the_first_bar_or_behind_the_end_is_left_out(write):
    late = [(onset + 32, length, pitch) for onset, length, pitch in EVEN]
    tempos = ((0.0, 50.0), (4.0, 75.0), (10.0, 80.0), (99.0, 100.0))
    pair = read(write("a", ("", late), tempos=tempos), write("b", ("", TRIADS)))
    assert pair.tempos == [(0.0, 75.0), (2.0, 80.0)]
    assert pair.metres == [(0.0, 4, 4)]


def test_a_grid_of_16ths_is_what_is_left_of_finer_notes(write):
    triplets = np.array([[k / 3, 1 / 3, 60 + k, 80] for k in range(12)])
    score = Score((Track("", 0, False, triplets),), np.array([[0, 120.0]]), COMMON, "")
    expected = monophonic(grid(triplets))
    path = write("a", ("", EVEN)).with_name("triplets.mid")
    midi.write(path, score)
    np.testing.assert_array_equal(read(path, write("b", ("", TRIADS))).melody[: len(expected)], expected)


def test_pieces_beside_their_own_beats_are_put_on_them(tmp_path, write):
    """As most POP909 songs are: both then march together, and tempo changes stay where the notes hear them."""
    late = np.array([[onset / 4 + 8.4, length / 4, pitch, 80] for onset, length, pitch in EVEN])
    tempos = np.array([[0, 100.0], [8.0, 80.0], [12.4, 60.0]])
    midi.write(tmp_path / "late.mid", Score((Track("", 0, False, late),), tempos, ((0.0, 1, 4),), ""))
    pair = read(tmp_path / "late.mid", write("b", ("", TRIADS)))
    np.testing.assert_array_equal(pair.melody, EVEN)
    np.testing.assert_allclose(pair.tempos, [(0.0, 80.0), (4.0, 60.0)], atol=1e-3)


# As they were played ------------------------------------------------------------------------------------------------


def played(*rows, name="", program=0, drum=False, channel=None):
    """A track of notes (onset, duration, pitch, velocity) in quarters."""
    return Track(name, program, drum, np.array(rows, float), channel)


LATE = (0, 0.06, -0.06, 0.04, -0.04, 0.02, -0.02, 0)  # quarters; on average none


def expressive(beats, pitch, name, program, channel=None):
    """A quarter a beat, each a little late or early, and louder than the last."""
    return played(*((k + LATE[k % 8], 0.9, pitch + k % 4, 40 + k) for k in range(beats)), name=name, program=program,
                  channel=channel)


KIT = played(*((k / 2 + 0.03, 0.1, 36 + k % 3, 90) for k in range(16)), name="kit", drum=True)
BAND = (expressive(8, 55, "guitar", 25, channel=3), expressive(8, 40, "bass", 33, channel=1), KIT)


def song(*tracks, tempo=120.0, metres=COMMON):
    return Score(tracks, np.array([[0.0, tempo]]), metres, "song")


def of(track):
    return track.name, track.program, track.is_drum


def test_tracks_keep_instruments_velocities_and_exact_times():
    lead, back = song(expressive(8, 72, "flute", 73, channel=5)), song(*BAND)
    pair = read(lead, back)
    assert list(pair.tracks) == ["melody", "accompaniment"]
    assert [of(track) for track in pair.tracks["melody"]] == [("flute", 73, False)]
    assert [of(track) for track in pair.tracks["accompaniment"]] == [of(track) for track in BAND]
    both = (*pair.tracks["melody"], *pair.tracks["accompaniment"])
    for found, track in zip(both, (*lead.tracks, *BAND), strict=True):
        np.testing.assert_allclose(found.notes, track.notes, atol=1e-12)
        assert found.channel == track.channel
    assert 36 not in pair.accompaniment[:, 2], "drums are not on the grid"


def test_tracks_of_the_shorter_piece_are_repeated_on_its_bar_lines_and_cut_where_the_longer_one_ends():
    lead = song(expressive(20, 60, "flute", 73))  # five bars
    pair = read(lead, song(*BAND))  # two bars
    assert pair.steps == 80
    for found, track in zip(pair.tracks["accompaniment"], BAND, strict=True):
        looped = np.concatenate([track.notes + [shift, 0, 0, 0] for shift in (0, 8, 16)])
        expected = looped[sampling.on_step(looped) < 80]  # one played early belongs to the next bar, which is cut off
        np.testing.assert_allclose(found.notes[:, [0, 2, 3]], expected[:, [0, 2, 3]], atol=1e-12)
        np.testing.assert_allclose(found.notes[:, 1], np.minimum(expected[:, 1], 20 - expected[:, 0]), atol=1e-12)
        assert of(found) == of(track)
    np.testing.assert_allclose(pair.tracks["melody"][0].notes[:-1], lead.tracks[0].notes[:-1], atol=1e-12)


def test_tracks_of_the_longer_piece_are_cut_and_so_is_a_note_that_reaches_over_the_end():
    band = song(*BAND, played((0, 30, 43, 60), (9, 1, 44, 60), name="pad", program=89))
    pair = read(song(expressive(8, 72, "flute", 73)), band, length="cut")
    assert pair.steps == 32
    assert [of(track)[0] for track in pair.tracks["accompaniment"]] == ["guitar", "bass", "pad", "kit"]
    pad, kit = pair.tracks["accompaniment"][2:]
    assert pad.notes.tolist() == [[0, 8, 43, 60]]
    np.testing.assert_allclose(kit.notes, KIT.notes, atol=1e-12)


@pytest.mark.parametrize("kind", ["loop", "cut"])
def test_tracks_begin_with_the_bar_in_which_their_part_begins_and_march_with_its_grid(kind):
    """Four beats later, and .4 beside the beats: notes as played stay as far from the grid as they were."""
    late = Track("flute", 73, False, expressive(16, 72, "", 0).notes + [4.4, 0, 0, 0])
    pair = read(song(late), song(*BAND), length=kind)
    (flute,) = pair.tracks["melody"]
    first = flute.notes[:8]
    np.testing.assert_allclose(first[:, 0] - first[0, 0], np.arange(8) + LATE, atol=1e-9)
    assert abs(first[0, 0]) < 0.125 and pair.melody[0, 0] == 0
    np.testing.assert_array_equal(sampling.on_step(first), pair.melody[:8, 0])


def test_a_note_played_before_its_bar_begins_with_it_when_repeated():
    """An early first note would lie before 0; the copies of it stay early."""
    early = played((4 - 0.05, 1, 60, 80), *((4 + k, 1, 60 + k, 80) for k in range(1, 8)), name="flute", program=73)
    pair = read(song(early), song(*(expressive(24, 40, "bass", 33),)))
    onsets = pair.tracks["melody"][0].notes[:, 0]
    assert onsets[0] == 0 and pair.steps == 96
    np.testing.assert_allclose(onsets[[8, 16]], [8 - 0.05, 16 - 0.05], atol=1e-9)


def test_a_file_says_the_same_as_the_score(tmp_path):
    """Several tracks and drums, through MIDI and back."""
    midi.write(tmp_path / "band.mid", song(*BAND))
    midi.write(tmp_path / "lead.mid", song(expressive(12, 72, "flute", 73)))
    pair = read(tmp_path / "lead.mid", tmp_path / "band.mid")
    direct = read(song(expressive(12, 72, "flute", 73)), song(*BAND))
    for part in dataset.PARTS:
        for one, other in zip(pair.tracks[part], direct.tracks[part], strict=True):
            assert of(one) == of(other)
            np.testing.assert_allclose(one.notes, other.notes, atol=1e-3)


# Errors -------------------------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_used_is_named_first(tmp_path, write):
    broken = tmp_path / "broken.mid"
    broken.write_bytes(b"MThd?")
    drums = tmp_path / "drums.mid"
    beat = np.array([[k, 0.5, 38, 80] for k in range(8)], float)
    midi.write(drums, Score((Track("", 0, True, beat),), np.array([[0, 120.0]]), COMMON, ""))
    good = write("a", ("", EVEN))
    for bad in (broken, drums, tmp_path / "nowhere.mid"):
        for pair in ((bad, good), (good, bad)):
            with pytest.raises(MusicFusionError) as error:
                read(*pair)
            assert str(error.value).startswith(str(bad))


@pytest.mark.parametrize("setting, words", [
    ({"hop": 0}, "sample.hop = 0 is out of range: accepted are 1 to 8 beats"),
    ({"hop": 9}, "sample.hop = 9 is out of range"),
    ({"length": "long"}, "sample.length = 'long' is unknown: use loop or cut"),
    ({"tempo": "mine"}, "sample.tempo = 'mine' is unknown: use melody or accompaniment"),
])
def test_a_setting_out_of_range_is_refused(setting, words):
    with pytest.raises(MusicFusionError, match=words):
        sampling.Settings(**{"hop": 4, "length": "loop", "tempo": "melody", "noise": 1.0} | setting)


def test_demo_inputs_are_unrelated_pairs_of_held_out_songs(corpus, tmp_path):
    segments = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0)
    made = sampling.demo_inputs(corpus, segments, tmp_path, count=2)
    _, songs = segments.windows(corpus, "test")
    names = {corpus.songs[song].replace("/", "_") for song in songs}
    for files in made:
        assert set(files) == {"melody", "accompaniment"}
        own = [Path(path).stem.split("-", 2)[2] for path in files.values()]  # number, part, song
        assert own[0] != own[1] and set(own) <= names
        pair = read(files["melody"], files["accompaniment"])
        assert 32 <= pair.steps <= 4 * sampling.DEMO_BEATS
