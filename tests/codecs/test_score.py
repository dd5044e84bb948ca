"""Scores: time, the grid of 16ths, one voice out of many, and who carries the melody."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from musicfusion.codecs import midi
from musicfusion.codecs.score import (
    Score,
    Track,
    from_notes,
    grid,
    monophonic,
    pick_accompaniment,
    pick_melody,
    pitched_tracks,
)
from musicfusion.core.errors import MusicFusionError


def track(*rows: tuple, name: str = "", is_drum: bool = False) -> Track:
    return Track(name, 0, is_drum, np.array(rows, np.float64))


def line(pitch: int, name: str = "", **kind) -> Track:
    """Eight quarters of one voice."""
    return track(*[(k, 1, pitch + k % 3, 80) for k in range(8)], name=name, **kind)


def chords(pitch: int, name: str = "") -> Track:
    """Eight quarters of triads."""
    rows = [(k, 1, pitch + third, 80) for k in range(8) for third in (0, 4, 7)]
    return track(*rows, name=name)


def score(*tracks: Track) -> Score:
    return Score(tracks, np.array([[0, 120]]), ((0.0, 4, 4),), "piece")


def table(*rows: tuple) -> np.ndarray:
    return np.array(rows, np.int32).reshape(-1, 3)


# Time.


def test_seconds_follow_the_tempo_map_and_quarters_invert_them():
    piece = Score((), np.array([[0, 60], [4, 120], [6, 30]]), (), "piece")
    quarters = np.array([0, 2, 4, 5, 6, 7])
    np.testing.assert_allclose(piece.seconds(quarters), [0, 2, 4, 4.5, 5, 7])
    np.testing.assert_allclose(piece.quarters(piece.seconds(quarters)), quarters)
    assert piece.seconds(5.0) == 4.5


@settings(max_examples=50, deadline=None)
@given(
    npst.arrays(float, 5, elements=st.floats(0.25, 50)),
    npst.arrays(float, 6, elements=st.floats(10, 400)),
    npst.arrays(float, 20, elements=st.floats(0, 500)),
)
def test_quarters_invert_seconds_for_any_tempo_map(spans, qpm, quarters):
    starts = np.concatenate([[0], np.cumsum(spans)])
    piece = Score((), np.column_stack([starts, qpm]), (), "piece")
    np.testing.assert_allclose(piece.quarters(piece.seconds(quarters)), quarters, atol=1e-9)


def test_the_length_is_the_end_of_the_last_note():
    assert score(track((0, 9, 60, 80), (4, 1, 62, 80)), track()).length == 9
    assert score().length == 0


def test_notes_are_sorted_by_onset_then_pitch():
    notes = track((1, 1, 60, 80), (0, 1, 64, 80), (0, 1, 60, 80)).notes
    np.testing.assert_array_equal(notes[:, [0, 2]], [(0, 60), (0, 64), (1, 60)])


@pytest.mark.parametrize(
    "row", [(-1, 1, 60, 80), (0, 0, 60, 80), (0, np.nan, 60, 80), (0, 1, 128, 80), (0, 1, 60, -1)]
)
def test_an_impossible_note_is_a_value_error(row):
    with pytest.raises(ValueError):
        track(row)


@pytest.mark.parametrize("tempos", [[], [[1, 120]], [[0, 0]], [[0, 120], [0, 60]], [[0, np.nan]]])
def test_an_impossible_tempo_map_is_a_value_error(tempos):
    with pytest.raises(ValueError):
        Score((), np.array(tempos), (), "piece")


# The grid.


def test_onsets_and_ends_are_rounded_each_and_a_note_lasts_a_step():
    played = track((0.1, 0.3, 60, 80), (0.125, 0.01, 62, 80), (0.98, 1.04, 64, 80))
    np.testing.assert_array_equal(grid(played), table((0, 2, 60), (1, 1, 62), (4, 4, 64)))


def test_the_grid_starts_at_the_offset_and_drops_what_starts_before():
    notes = track((0, 4, 60, 80), (0.9, 1, 61, 80), (1.5, 1, 62, 80)).notes
    np.testing.assert_array_equal(grid(notes, 1.0), table((0, 4, 61), (2, 4, 62)))
    np.testing.assert_array_equal(grid(notes, -1.0)[0], (4, 16, 60))


def test_on_a_grid_of_12_triplets_and_16ths_have_steps_of_their_own():
    played = track((0, 1 / 3, 60, 80), (1 / 3, 1 / 3, 62, 80), (2 / 3, 1 / 3, 64, 80), (1.25, 0.25, 65, 80))
    expected = table((0, 4, 60), (4, 4, 62), (8, 4, 64), (15, 3, 65))
    np.testing.assert_array_equal(grid(played, per_quarter=12), expected)


@pytest.mark.parametrize("per_quarter", [4, 12])
def test_what_is_played_an_eighth_of_a_quarter_early_begins_with_the_grid(per_quarter):
    notes = track((0.8, 1.2, 60, 80), (0.875, 1.125, 61, 80), (0.95, 1.05, 62, 80)).notes
    np.testing.assert_array_equal(grid(notes, 1.0, per_quarter), table((0, per_quarter, 61), (0, per_quarter, 62)))


def test_of_two_equal_notes_the_longer_stays():
    doubled = track((0, 1, 60, 80), (0.05, 2, 60, 80), (0, 1, 62, 80))
    np.testing.assert_array_equal(grid(doubled), table((0, 8, 60), (0, 4, 62)))


def test_no_notes_are_an_empty_grid():
    for empty in (grid(track()), monophonic(grid(track()))):
        assert empty.shape == (0, 3) and empty.dtype == np.int32


@st.composite
def grid_notes(draw) -> np.ndarray:
    row = st.tuples(st.integers(0, 60), st.integers(1, 40), st.integers(0, 127))
    rows = draw(st.lists(row, max_size=40, unique_by=lambda row: (row[0], row[2])))
    return table(*sorted(rows, key=lambda row: (row[0], row[2])))


@settings(max_examples=100, deadline=None)
@given(grid_notes())
def test_notes_on_the_grid_survive_a_track(notes):
    np.testing.assert_array_equal(grid(from_notes("a", 0, notes)), notes)


# One voice.


@settings(max_examples=200, deadline=None)
@given(grid_notes())
def test_one_voice_never_overlaps_and_keeps_pitches_onsets_and_itself(notes):
    voice = monophonic(notes)
    assert voice.dtype == np.int32
    assert (voice[:, 1] >= 1).all()
    assert (voice[:-1, 0] + voice[:-1, 1] <= voice[1:, 0]).all()
    assert {(o, p) for o, _, p in voice.tolist()} <= {(o, p) for o, _, p in notes.tolist()}
    assert len(voice) > 0 or len(notes) == 0
    np.testing.assert_array_equal(monophonic(voice), voice)


@pytest.mark.parametrize(
    ("why", "notes", "expected"),
    [
        ("highest of a chord", [(0, 4, 60), (0, 4, 64), (0, 4, 67)], [(0, 4, 67)]),
        ("legato is cut", [(0, 5, 67), (4, 4, 65)], [(0, 4, 67), (4, 4, 65)]),
        ("a higher note cuts", [(0, 8, 60), (4, 4, 72)], [(0, 4, 60), (4, 4, 72)]),
        (
            "an inner voice is left out",
            [(0, 8, 72), (2, 2, 60), (8, 4, 71)],
            [(0, 8, 72), (8, 4, 71)],
        ),
        ("a repeated note starts again", [(0, 8, 60), (4, 2, 60)], [(0, 4, 60), (4, 2, 60)]),
        ("rests stay", [(0, 2, 60), (6, 2, 60)], [(0, 2, 60), (6, 2, 60)]),
    ],
)
def test_the_highest_note_wins_and_is_cut_where_the_next_begins(why, notes, expected):
    np.testing.assert_array_equal(monophonic(table(*notes)), table(*expected), err_msg=why)


# Melody and accompaniment.


@pytest.mark.parametrize(
    "name", ["MELODY", "Main melody", "Lead_Vocals", "vox", "Soprano", "lead 1", "Voice"]
)
def test_a_track_with_a_melodys_name_is_the_melody(name):
    melody = chords(40, name)
    assert pick_melody(score(line(80, "flute"), melody)).name == name


def test_backing_voices_are_not_the_melody():
    piece = score(line(80, "Backing vocals"), line(70, "Voice oohs"), line(60, "Vocals"))
    assert pick_melody(piece).name == "Vocals"


def test_a_melody_that_changes_its_instrument_is_one_melody():
    first, second = track((0, 1, 60, 80), name="MELODY"), track((4, 1, 62, 80), name="MELODY")
    piece = score(first, second, chords(48, "PIANO"))
    np.testing.assert_array_equal(pick_melody(piece).notes[:, 0], [0, 4])
    assert len(pick_accompaniment(piece)) == 24


def test_without_a_name_the_highest_single_voice_is_the_melody():
    bells = track((0, 0.5, 100, 80), name="bells")
    tracks = (chords(76, "piano"), line(33, "bass"), line(60, "alto"), line(67, "violin"), bells)
    assert pick_melody(score(*tracks)).name == "violin"


def test_an_accompaniment_without_a_named_melody_is_all_of_the_file():
    both_hands = score(line(72), chords(48))
    assert len(pick_accompaniment(both_hands)) == 8 + 24


def test_chords_beat_a_bass_for_the_melody():
    assert pick_melody(score(line(33, "bass"), chords(60, "piano"))).name == "piano"


def test_drums_are_neither_melody_nor_accompaniment():
    piece = score(line(90, "melody kit", is_drum=True), line(60, "a"), line(50, "b"))
    assert pick_melody(piece).name == "a"
    assert set(pick_accompaniment(piece)[:, 2]) == set(line(60).notes[:, 2]) | set(line(50).notes[:, 2])


def test_a_single_track_is_both():
    piece = score(chords(60, "piano"), track(name="empty"), line(36, is_drum=True))
    assert pick_melody(piece).name == "piano"
    np.testing.assert_array_equal(pick_accompaniment(piece), chords(60).notes)


def test_drums_only_or_nothing_is_our_error():
    for piece, what in ((score(line(36, is_drum=True)), "only drums"), (score(), "no notes")):
        for pick in (pick_melody, pick_accompaniment, pitched_tracks):
            with pytest.raises(MusicFusionError, match=f"piece: {what}: a melody or harmony track"):
                pick(piece)


def test_pop909_songs_give_melody_against_bridge_and_piano(pop909_root):
    for path in sorted(pop909_root.rglob("*.mid"))[:3]:
        song = midi.read(path)
        by_name = {part.name: part.notes for part in song.tracks}
        assert pick_melody(song).name == "MELODY"
        assert len(pick_accompaniment(song)) == len(by_name["BRIDGE"]) + len(by_name["PIANO"])
        melody = grid(pick_melody(song))
        assert len(monophonic(melody)) > 0.95 * len(melody)


def test_given_chords_ascend_and_are_chords():
    fine = ((0.0, 0, 0, 145), (1.5, 7, 11, 2180), (4.0, 7, 11, 0))
    assert Score((), np.array([[0, 120.0]]), (), "song", chords=fine).chords == fine
    for wrong in ((1.0, 12, 0, 1), (1.0, 0, -1, 1), (1.0, 0, 0, 4096), (0.0, 0, 0, 1), (float("inf"), 0, 0, 1)):
        with pytest.raises(ValueError, match="chords"):
            Score((), np.array([[0, 120.0]]), (), "song", chords=(fine[0], wrong))
