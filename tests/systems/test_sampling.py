"""A user's two files, fused by networks that change nothing: what is left is what sampling itself does to music."""

import mido
import numpy as np
import pytest
from micro import micro_config

from musicfusion.codecs import chords, melody, midi
from musicfusion.codecs.score import Score, Track, from_notes, grid, monophonic
from musicfusion.systems.collagenet import nets, sampling

COMMON = ((0.0, 4, 4),)
EVEN = [(4 * k, 4, 60 + k % 5) for k in range(16)]  # sixteen quarters
TRIADS = [(16 * k, 16, pitch) for k in range(4) for pitch in (48, 52, 55)]  # four bars


@pytest.fixture
def untouched(monkeypatch):
    """Networks that give every window back as it is."""

    def program(config):
        def run(params, batch, knobs, noise, seed, first):
            rho = {name: np.zeros(len(batch["melody"])) for name in ("pitch", "rhythm", "chord", "texture")}
            return {"tokens": batch["melody"], "rho": rho, **{k: batch[k] for k in ("pitch", "duration", "chords")}}

        return run

    monkeypatch.setattr(sampling, "program", program)
    monkeypatch.setattr(nets, "parameters", lambda config, results: {})


@pytest.fixture
def write(tmp_path):
    """Writes tracks (each a name and notes in 16ths) and returns the file's path."""

    def write(name: str, *tracks, tempos=((0.0, 120.0),), metres=COMMON):
        made = tuple(from_notes(title, 0, np.array(notes)) for title, notes in tracks)
        midi.write(tmp_path / f"{name}.mid", Score(made, np.array(tempos), metres, name))
        return tmp_path / f"{name}.mid"

    return write


def read(lead, back, **settings):
    config = micro_config(**{f"sample__{key}": value for key, value in settings.items()})
    return sampling.read_pair(lead, back, config)


def fuse(pair, **settings):
    config = micro_config(**{f"sample__{key}": value for key, value in settings.items()})
    return sampling.fuse(pair, config, None, dict.fromkeys(("pitch", "rhythm", "chord", "texture"), 1.0), 0)


def assert_unchanged(fused: dict, pair) -> None:
    np.testing.assert_array_equal(fused["melody"], pair.melody)
    np.testing.assert_array_equal(fused["accompaniment"], pair.accompaniment)


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
    score = sampling._score(pair := read(lead, back), {"melody": pair.melody, "accompaniment": pair.accompaniment})
    assert [tuple(row) for row in score.tempos.tolist()] == list(SLOWING)
    assert score.metres == ((0.0, 2, 4), (8.0, 4, 4))
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


# Windows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hop", range(1, 9))
def test_a_real_pair_that_nothing_changes_comes_back(untouched, write, corpus, hop):
    begin, end = (4 * beat for beat in corpus.first_beat[3:5])
    lead = melody.notes_from_tokens(corpus.arrays["melody"][begin:end])
    back = sampling._song_part(corpus, "accompaniment", begin // 4, end // 4)
    pair = read(write("a", ("", lead)), write("b", ("", back)))
    fused, about = fuse(pair, hop=hop)
    assert about["windows"] - about["left_alone"] > 1
    assert_unchanged(fused, pair)


def test_a_pop_song_of_minutes_comes_back(untouched, pop909_root):
    files = sorted(pop909_root.rglob("???.mid"))[:2]
    pair = read(*files)
    assert pair.steps > 1000
    fused, _ = fuse(pair, hop=4)
    np.testing.assert_array_equal(fused["melody"], pair.melody)
    before, after = ({tuple(note) for note in piece.tolist()} for piece in (pair.accompaniment, fused["accompaniment"]))
    assert len(before & after) > 0.99 * len(before)  # of 15 notes at once 14 stay


def test_silence_between_notes_stays_silence(untouched, write):
    apart = EVEN + [(onset + 400, length, pitch) for onset, length, pitch in EVEN]
    pair = read(write("a", ("", apart)), write("b", ("", TRIADS + [(464, 16, 48)])))
    fused, about = fuse(pair)
    assert_unchanged(fused, pair)
    assert about["left_alone"] > 0


@pytest.mark.parametrize("hop", [1, 4, 8])
def test_notes_longer_than_a_window_keep_their_length(untouched, write, hop):
    pair = read(write("a", ("", [(0, 100, 72), (104, 24, 74)])), write("b", ("", [(0, 128, 40), (30, 70, 45)])))
    fused, _ = fuse(pair, hop=hop)
    assert_unchanged(fused, pair)


def test_where_only_one_part_plays_there_is_nothing_to_fuse(untouched, write):
    pair = read(write("a", ("", [(0, 4, 72), (96, 32, 74)])), write("b", ("", [(0, 4, 40), (40, 88, 45)])))
    fused, about = fuse(pair, hop=8)
    assert (about["windows"], about["left_alone"]) == (4, 3)
    assert_unchanged(fused, pair)


@pytest.mark.parametrize("kind", ["loop", "cut"])
def test_one_note_is_a_piece(untouched, write, kind):
    pair = read(write("a", ("", [(0, 1, 60)])), write("b", ("", [(5, 2, 40)])), length=kind)
    assert pair.steps == 32
    fused, _ = fuse(pair)
    assert_unchanged(fused, pair)


def test_chords_follow_the_accompaniment(untouched, write):
    chord_of = [(16 * k, 16, pitch + shift) for k, shift in enumerate((0, 5, 7, 0)) for pitch in (48, 52, 55, 60)]
    pair = read(write("a", ("", EVEN)), write("b", ("", chord_of)))
    fused, _ = fuse(pair)
    np.testing.assert_array_equal(fused["chords"], pair.chords)
    assert [chords.name(row) for row in fused["chords"][::4]] == ["C", "F", "G", "C"]


def test_the_next_window_ends_a_note_that_the_last_one_left_sounding(untouched, write, monkeypatch):
    """Two windows may disagree; what begins later is the melody, also under a higher note."""
    back = [(4 * k, 4, pitch) for k in range(16) for pitch in (48, 55)]
    pair = read(write("a", ("", EVEN)), write("b", ("", back)))
    unchanged = sampling.program(None)

    def program(config):
        def run(params, batch, knobs, noise, seed, first):
            made = unchanged(params, batch, knobs, noise, seed, first)
            made["tokens"] = made["tokens"].copy()
            made["tokens"][0] = [90] + [melody.HOLD] * 31
            return made

        return run

    monkeypatch.setattr(sampling, "program", program)
    fused, _ = fuse(pair, hop=4)
    assert fused["melody"][0].tolist() == [0, 16, 90]
    np.testing.assert_array_equal(fused["melody"][1:], pair.melody[4:])


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
